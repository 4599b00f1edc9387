/** The inside of milter.c: packets, and a message as the pieces that a milter is told. */
#ifndef ZM_SMTPSERVER_MILTER_PARTS_H
#define ZM_SMTPSERVER_MILTER_PARTS_H

#include "mta/smtpserver/milter.h"

/* What a milter may ask not to be told, or not to answer. */
enum {
    MILTER_NO_CONNECT = 0x01,
    MILTER_NO_HELO = 0x02,
    MILTER_NO_MAIL = 0x04,
    MILTER_NO_RCPT = 0x08,
    MILTER_NO_BODY = 0x10,
    MILTER_NO_HEADERS = 0x20,
    MILTER_NO_EOH = 0x40,
    MILTER_MUTE_HEADER = 0x80,
    MILTER_NO_DATA = 0x200,
    MILTER_MUTE_CONNECT = 0x1000,
    MILTER_MUTE_HELO = 0x2000,
    MILTER_MUTE_MAIL = 0x4000,
    MILTER_MUTE_RCPT = 0x8000,
    MILTER_MUTE_DATA = 0x10000,
    MILTER_MUTE_EOH = 0x40000,
    MILTER_MUTE_BODY = 0x80000,
    MILTER_LEADING_SPACE = 0x100000,
    MILTER_STEPS = 0x1ff7ff /* all that we offer */
};

/* What it may do to a message. */
enum { MILTER_ADDS = 0x01, MILTER_QUARANTINES = 0x20, MILTER_ACTIONS = 0x21 };

#define MILTER_VERSION 6

/* -- packets (milter_packet.c) ------------------------------------------------------- */

typedef struct milter_packet_t {
    char command;
    zm_str_t data;
} milter_packet_t;

/** Begins a packet in wire; gives what milter_packet_end wants. */
apr_size_t milter_packet_begin(zm_buf_t *wire, char command);
void milter_packet_end(zm_buf_t *wire, apr_size_t begun);
/** Adds text and a NUL; NULs within become blanks. */
void milter_packet_text(zm_buf_t *wire, zm_str_t text);
void milter_packet_number(zm_buf_t *wire, uint32_t number);
/** A packet with macros for a command: names and values, null ended; pairs without value are left
 * out. */
void milter_packet_macros(zm_buf_t *wire, char command, const char *const *pairs);

/** APR_EAGAIN: it is not all here; ZM_E_PROTOCOL: it cannot be one.  *size: octets that it takes.
 */
apr_status_t milter_packet_read(milter_packet_t *packet, zm_str_t input, apr_size_t *size);
/** Takes text that a NUL ends off *data.  False: there is none. */
bool milter_take_text(zm_str_t *data, zm_str_t *text);
bool milter_take_number(zm_str_t *data, uint32_t *number);
/** "550 5.7.1 TEXT", in lines, as code and text.  False: it is nothing that refuses. */
bool milter_read_reply(milter_answer_t *answer, zm_str_t data, zm_buf_t *text);
/** Adds a field to header, if it is one that can stand there. */
bool milter_add_field(zm_buf_t *header, zm_str_t name, zm_str_t value);

/* -- the message (milter_source.c) --------------------------------------------------- */

typedef struct milter_source_t {
    zm_submission_t *submission;
    uint64_t offset; /* of what has not been read */
    zm_buf_t window; /* what has been read and not been taken */
    apr_size_t taken;
    zm_buf_t line, field;
    bool has_line, at_end;
    uint64_t line_start;
    apr_status_t status; /* of the last read that failed */
} milter_source_t;

void milter_source_begin(milter_source_t *source, zm_submission_t *submission, uint64_t content);
/** The next field of the header; false: it is over (or status tells why). */
bool milter_source_field(milter_source_t *source, zm_str_t *name, zm_str_t *value);
/** Adds a piece of the body, with CRLF, less than 65,536 octets; false: there is no more. */
bool milter_source_body(milter_source_t *source, zm_buf_t *wire);
void milter_source_end(milter_source_t *source);

#endif
