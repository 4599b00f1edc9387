/*
 * BDAT (RFC 3030): the message in pieces of announced size.
 *
 *     RECIPIENT_OR_DATA --BDAT n--> IN_CHUNK --n octets--> CHUNKS --BDAT n LAST--> IN_CHUNK -->
 * commit
 *
 * The octets of a chunk are read whatever becomes of it, so that they are never
 * taken for commands; a size that cannot be read ends the connection for the same
 * reason.
 */
#include <apr_strings.h>
#include <string.h>

#include "mta/smtpserver/session_parts.h"

#define LOOK_AHEAD 256 /* searched for one byte, so that a flood of the other costs little */

/* -- line ends ---------------------------------------------------------------------------- */

/* The length of the text before the next CR or LF. */
static apr_size_t text_run(const char *data, apr_size_t length)
{
    apr_size_t run = length < LOOK_AHEAD ? length : LOOK_AHEAD;
    const char *end = memchr(data, '\n', run);
    if (end != NULL)
        run = (apr_size_t)(end - data);
    end = memchr(data, '\r', run);
    return end != NULL ? (apr_size_t)(end - data) : run;
}

/* CRLF becomes LF; what stands alone is counted. */
static void decode(transaction_t *transaction, zm_str_t wire, zm_buf_t *text)
{
    zm_dot_decoder_t *counts = &transaction->decoder;
    apr_size_t at = 0, run;
    while (at < wire.length) {
        if (transaction->chunk_cr) {
            transaction->chunk_cr = false;
            if (wire.data[at] == '\n') {
                zm_buf_add_byte(text, '\n');
                at++;
                continue;
            }
            counts->bare_crs++;
            zm_buf_add_byte(text, '\r');
        }
        run = text_run(wire.data + at, wire.length - at);
        zm_buf_add(text, wire.data + at, run);
        at += run;
        if (at == wire.length)
            break;
        if (wire.data[at] == '\r') {
            transaction->chunk_cr = true;
            at++;
        } else if (wire.data[at] == '\n') {
            counts->bare_lfs++;
            zm_buf_add_byte(text, '\n');
            at++;
        }
    }
}

/* -- one chunk ------------------------------------------------------------------------------ */

static void end_transaction(session_t *session, bool last)
{
    session->state = SESSION_CHUNKS;
    if (last)
        transaction_end(session);
}

static void chunk_end(session_t *session)
{
    transaction_t *transaction = session->transaction;
    bool last = session->chunk_last;
    if (transaction == NULL) {
        session->state = session->chunk_return;
        command_error(session, 503, "5.5.2", "BDAT comes after MAIL and RCPT");
        return;
    }
    if (transaction->chunk_refused) {
        if (last && session->lmtp)
            session->copies = transaction->accepted;
        end_transaction(session, last);
        reply(session, 452, "4.3.0", "discarded due to an earlier error");
        return;
    }
    if (last && transaction->chunk_cr)
        transaction->decoder.bare_crs++;
    if (last) {
        data_end(session);
        return;
    }
    session_await_command(session);
    if (transaction->submission == NULL) {
        data_refuse(session);
        transaction->chunk_refused = true;
    } else {
        reply(session, 250, "2.0.0", "Received %llu octets",
              (unsigned long long)session->chunk_size);
    }
    session->state = SESSION_CHUNKS;
}

bool chunk_input(session_t *session)
{
    transaction_t *transaction = session->transaction;
    zm_str_t wire = zm_stream_peek(session->stream);
    zm_buf_t *text = &session->server->scratch;
    if (session->chunk_left > 0 && wire.length == 0) {
        if (zm_stream_at_eof(session->stream))
            data_abandoned(session);
        return false;
    }
    if (wire.length > session->chunk_left)
        wire.length = (apr_size_t)session->chunk_left;
    session->chunk_left -= wire.length;
    if (transaction != NULL && wire.length > 0) {
        zm_buf_clear(text);
        decode(transaction, wire, text);
        data_take(session, wire.length, zm_buf_str(text));
    }
    zm_stream_take(session->stream, wire.length);
    if (session->chunk_left == 0)
        chunk_end(session);
    return true;
}

/* -- the command ---------------------------------------------------------------------------- */

/* "SIZE [LAST]" */
static bool read_arguments(session_t *session, zm_str_t arguments)
{
    zm_str_t rest = arguments, size, last;
    session->chunk_last = false;
    if (!zm_str_word(&rest, &size) || zm_str_u64(size, &session->chunk_size) != APR_SUCCESS ||
        session->chunk_size > INT64_MAX)
        return false;
    if (!zm_str_word(&rest, &last))
        return true;
    session->chunk_last = true;
    return zm_str_equal_nocase(last, ZM_S("LAST")) && !zm_str_word(&rest, &last);
}

static void begin_chunk(session_t *session)
{
    session->chunk_left = session->chunk_size;
    session->chunk_return = session->state;
    session->state = SESSION_IN_CHUNK;
    session_await_data(session);
    if (session->chunk_left == 0)
        chunk_end(session);
}

static void begin_message(session_t *session)
{
    data_begin(session);
    if (data_is_spray(session))
        transaction_fail(session->transaction, ZM_E_PROTOCOL);
}

/* The octets are read whatever the policy daemon says: a refusal is told afterwards. */
static void on_hooked(session_t *session, const policy_verdict_t *verdict)
{
    transaction_t *transaction = session->transaction;
    begin_message(session);
    if (verdict != NULL && verdict->result != POLICY_ACCEPT) {
        transaction->hooked_code = verdict->code;
        apr_cpystrn(transaction->hooked_enhanced, verdict->enhanced,
                    sizeof transaction->hooked_enhanced);
        zm_buf_add_c(&transaction->hooked_text, verdict->text);
        transaction_fail(transaction, ZM_E_PROTOCOL);
    }
    begin_chunk(session);
}

void command_bdat(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)column;
    if (!read_arguments(session, arguments)) {
        reply(session, 421, "4.5.4", "%s: BDAT wants SIZE [LAST]; closing the connection",
              session->server->hostname);
        session_finish(session, "malformed BDAT");
        return;
    }
    if (session->state == SESSION_RECIPIENT_OR_DATA && hooking_wanted(session, HOOKING_DATA)) {
        hooking_ask(session, HOOKING_DATA, on_hooked);
        return;
    }
    if (session->state == SESSION_RECIPIENT_OR_DATA)
        begin_message(session);
    else if (session->state != SESSION_CHUNKS)
        transaction_end(session);
    begin_chunk(session);
}
