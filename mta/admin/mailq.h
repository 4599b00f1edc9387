/**
 * mailq(1): what waits in the queue.  This header is shared by the files of
 * that program only.
 */
#ifndef ZM_MTA_ADMIN_MAILQ_H
#define ZM_MTA_ADMIN_MAILQ_H

#include <apr_network_io.h>
#include <apr_pools.h>

#include "mta/conf/zenv.h"
#include "spool/control.h"

#define EXIT_UNAVAILABLE 69
#define EXIT_OSFILE 72
#define EXIT_NOPERM 77

/** Which messages are wanted; null, -1 and false: any. */
typedef struct mailq_filter_t {
    const char *from, *to;  /**< pieces of addresses; from "": the null path */
    const char *domain;     /**< of the recipient, or a domain above it */
    const char *error;      /**< piece of the last result */
    int64_t older, younger; /**< seconds since it came */
    bool owned;             /**< only those of `owner` */
    int64_t owner;
} mailq_filter_t;

/** Something to be done to a message or a destination. */
typedef struct mailq_action_t {
    const char *verb; /**< "HOLD", ... */
    const char *what; /**< ID or CHANNEL/HOST */
} mailq_action_t;

typedef struct mailq_t {
    apr_pool_t *pool;
    zm_zenv_t *zenv;
    /* options */
    bool four, six, json, terse, follow, own, counters, flush;
    int debug, summary, status, verbose, sizes;
    const char *channel, *host, *port, *account, *server;
    const char *etrn, *explain, *user;
    mailq_filter_t filter;
    apr_array_header_t *actions; /**< of mailq_action_t */
    void *baton;                 /**< of what is being done */
    const void *previous;
    /* the connection */
    apr_socket_t *socket;
    zm_buf_t input;
    bool version2, at_end;
    /* the spool, opened when its files are wanted; null: not readable from here */
    zm_spool_t *spool;
    bool spool_tried;
    bool any_read, any_unread; /**< files of messages that were looked for */
    bool served;               /**< agents are at work on the thread being listed */
    zm_str_t pending; /**< why the thread being listed is not served, when a limit or fault is it */
} mailq_t;

/** Says why on standard error and returns the code. */
int mailq_complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Prints text of others on one line: CR is a line break and becomes a bar, other control bytes
 * blanks. */
void mailq_print(zm_str_t text);
/** Prints a line of the server; control bytes but TAB become blanks: who answers, and what other
 * hosts have told it, may be anything. */
void mailq_print_line(zm_str_t line);
/** What is said when nothing was listed. */
void mailq_nothing(const mailq_t *mailq);
/** EXIT_OSFILE when options choose by what is in files, and none could be read; else 0. */
int mailq_unread(const mailq_t *mailq);

/* -- mailq_client.c: talking to the scheduler ---------------------------------------------- */

/** Connects and reads the greeting; logs in to version 2.  0, or an exit code after a complaint. */
int mailq_connect(mailq_t *mailq);
/** The next line without its LF, allocated in pool.  False at the end. */
bool mailq_line(mailq_t *mailq, zm_str_t *line, apr_pool_t *pool);
/** Sends a command.  True when the reply begins with '+'; *reply is the line. */
bool mailq_command(mailq_t *mailq, const char *command, zm_str_t *reply, apr_pool_t *pool);
/** The next line of a multi-line reply; false after its last. */
bool mailq_reply_line(mailq_t *mailq, zm_str_t *line, apr_pool_t *pool);

/* -- mailq_list.c: version 2 --------------------------------------------------------------- */

/** What SHOW THREAD says of one recipient, and what its files add. */
typedef struct mailq_row_t {
    zm_str_t path, sender, when, text;
    int64_t ordinal, offset, expiry, wakeup, fed, attempts;
} mailq_row_t;

bool mailq_row_parse(mailq_row_t *row, zm_str_t line);
/** Lists all threads, or the one asked for.  Returns the exit code. */
int mailq_list(mailq_t *mailq);
/** The value of a field of SHOW QUEUE THREADS2; empty: there is none. */
zm_str_t mailq_thread_field(zm_str_t fields, const char *name);
/** Prints a report that the server makes (-Q...). */
int mailq_report(mailq_t *mailq, const char *command);
/** Calls each for every thread: its fields of SHOW QUEUE THREADS2. */
typedef void mailq_thread_fn(mailq_t *mailq, zm_str_t channel, zm_str_t host, zm_str_t fields);
int mailq_each_thread(mailq_t *mailq, mailq_thread_fn *each);

/* -- mailq_files.c: what the files of a message say ---------------------------------------- */

typedef struct mailq_file_t {
    zm_control_file_t *control;
    uint64_t control_size, message_size;
    int64_t arrived, owner;
} mailq_file_t;

/** Reads "A/B/4711" of the local spool; null when it is not readable. */
mailq_file_t *mailq_file(mailq_t *mailq, zm_str_t path, apr_pool_t *pool);
/** The address of a recipient. Empty: not known. */
zm_str_t mailq_file_recipient(const mailq_file_t *file, uint64_t offset, apr_pool_t *pool);
/** Calls each for every recipient of a thread; file is null when it cannot be read. */
typedef void mailq_row_fn(mailq_t *mailq, const mailq_row_t *row, const mailq_file_t *file,
                          apr_pool_t *pool);
/** Who hears of failures of a recipient; empty: nobody, or not known. */
zm_str_t mailq_file_sender(const mailq_file_t *file, uint64_t offset);
/** How long ago it came, short: "2d1m34s". */
const char *mailq_age(const mailq_file_t *file, apr_pool_t *pool);
void mailq_each_row(mailq_t *mailq, zm_str_t channel, zm_str_t host, mailq_row_fn *each);

/** Where a message is that the scheduler does not know.  Returns the exit code. */
int mailq_explain_file(mailq_t *mailq, zm_str_t id);

/* -- mailq_filter.c ------------------------------------------------------------------------ */

/** Whether not all of the queue is wanted. */
bool mailq_filtered(const mailq_t *mailq);
/** Whether what only the files of messages tell chooses. */
bool mailq_filter_needs_files(const mailq_t *mailq);
/** Whether not all recipients of a thread are wanted. */
bool mailq_filters_rows(const mailq_filter_t *filter);
bool mailq_filter_thread(const mailq_t *mailq, zm_str_t channel, zm_str_t host);
/** file: null when it cannot be read; then what only it tells does not fit. */
bool mailq_filter_row(const mailq_t *mailq, const mailq_row_t *row, const mailq_file_t *file,
                      apr_pool_t *pool);

/* -- mailq_act.c, mailq_follow.c ----------------------------------------------------------- */

/** Does all actions in turn; the exit code is that of the first that failed. */
int mailq_act(mailq_t *mailq);
/** Says why a message or destination waits. */
int mailq_explain(mailq_t *mailq, const char *what);
/** Has all that waits, or what the filters choose, tried now. Returns the exit code. */
int mailq_flush(mailq_t *mailq);
/** Prints what changes in the queue, a line for each thread that does, until it is interrupted. */
int mailq_follow(mailq_t *mailq);

/** -s: counts files in the directories of the spool. */
int mailq_status(mailq_t *mailq);

/* -- mailq_json.c ------------------------------------------------------------------------ */

/** The queue as one JSON document. */
int mailq_list_json(mailq_t *mailq);
void mailq_json_string(zm_str_t text);
/** The fields of a thread, "N=2 TAB R=3 ...", as further members. */
void mailq_json_members(zm_str_t fields);
/** A further member of an object. */
void mailq_json_field(const char *name, zm_str_t value);

/* -- mailq_v1.c -------------------------------------------------------------------------------- */

/** Reads a queue of version 1 and lists it as the options say.  Returns the exit code. */
int mailq_list_v1(mailq_t *mailq);

#endif
