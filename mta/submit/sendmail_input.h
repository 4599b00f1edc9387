/**
 * The message as sendmail(8) reads it: made fit for the spool while it streams
 * through, in any block sizes.
 *
 *   - CR LF becomes LF everywhere when the first line ends so;
 *   - a leading "From " line is dropped, or becomes body text when no header
 *     follows it (unless it is to be kept);
 *   - input that does not begin with a header gets an empty line first, so
 *     that all of it is body;
 *   - on a terminal a line with a single dot ends the message;
 *   - a missing last LF is added.
 *
 * Everything else, NUL and 8-bit bytes included, passes as it is.
 */
#ifndef ZM_MTA_SUBMIT_SENDMAIL_INPUT_H
#define ZM_MTA_SUBMIT_SENDMAIL_INPUT_H

#include <stdbool.h>

#include "platform/str.h"

/** Takes the resulting bytes; its failure ends the reading. */
typedef apr_status_t sendmail_sink_fn(void *baton, const void *data, apr_size_t length);

typedef struct sendmail_input_t {
    sendmail_sink_fn *sink;
    void *baton;
    bool dot_ends;  /**< a line "." is the end */
    bool keep_from; /**< pass a leading "From " line */
    /* private */
    zm_buf_t held; /**< the first lines, until they tell what this is */
    zm_buf_t line; /**< an unfinished line, where dots end */
    bool started, crlf, carriage_return, any, last_is_lf, ended;
} sendmail_input_t;

void sendmail_input_init(sendmail_input_t *input, sendmail_sink_fn *sink, void *baton);
/** Takes a block.  APR_EOF: the ending dot was seen, the rest is ignored. */
apr_status_t sendmail_input_feed(sendmail_input_t *input, const char *data, apr_size_t length);
/** Ends the message. *empty: nothing was there at all. */
apr_status_t sendmail_input_finish(sendmail_input_t *input, bool *empty);
void sendmail_input_free(sendmail_input_t *input);

#endif
