/**
 * A look at the header of a message as it comes in, in pieces of any size: the
 * number of Received fields, the Precedence, lines without end.  An mbox line
 * ("From " or ">From ") before the header is taken out; nothing else is changed.
 */
#ifndef ZM_SMTPSERVER_HEADER_SCAN_H
#define ZM_SMTPSERVER_HEADER_SCAN_H

#include <stdbool.h>

#include "platform/str.h"

#define HEADER_SCAN_START 40
#define HEADER_SCAN_LINE 65536 /**< longest header line, in octets */

typedef struct header_scan_t {
    int state;                     /**< private, as are the next three */
    char start[HEADER_SCAN_START]; /* of the line that is being read */
    apr_size_t start_length;
    apr_size_t line_length;
    int received;  /**< Received fields so far */
    int priority;  /**< by Precedence: 0, 1 for bulk, 9 for junk */
    bool too_long; /**< there was a line over the limit */
    bool done;     /**< the header has ended; looking on costs nothing */
} header_scan_t;

void header_scan_init(header_scan_t *scan);

/**
 * Looks at the next piece of text (LF line ends) and calls sink with what of it
 * is kept, in at most a few parts.  Ends with the status of a sink that fails.
 */
typedef apr_status_t header_sink_fn(void *baton, const void *data, apr_size_t length);
apr_status_t header_scan(header_scan_t *scan, zm_str_t text, header_sink_fn *sink, void *baton);
/** The text has ended: gives what is still held back. */
apr_status_t header_scan_end(header_scan_t *scan, header_sink_fn *sink, void *baton);

#endif
