#include "mta/submit/handover.h"

#include <apr_signal.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/submit/dialogue.h"
#include "mta/submit/letter.h"
#include "mta/submit/preamble.h"
#include "platform/log.h"

#define DEFAULT_SERVER "127.0.0.1:25"
#define BLOCK 16384

/* -- the letter ------------------------------------------------------------------------- */

/* A program of root's tells who became root. */
static const char *submitting_user(apr_pool_t *pool)
{
    zm_uid_t real = zm_identity_real().uid;
    const char *name;
    zm_user_t *user;
    if (real == 0 && zm_identity_session(&name, pool) == APR_SUCCESS)
        return name;
    if (zm_user_by_uid(&user, real, pool) == APR_SUCCESS)
        return user->name;
    return "postmaster";
}

static bool has_from(zm_str_t header)
{
    zm_str_t line, rest = header;
    while (zm_str_cut(rest, '\n', &line, &rest) && zm_str_trim(line).length > 0)
        if (zm_str_starts_nocase(line, ZM_S("From:")))
            return true;
    return false;
}

/* What a spool tells the router on lines of the envelope. */
static void complete(letter_t *letter, const char *host, apr_pool_t *pool)
{
    zm_buf_t whole = ZM_BUF_INIT;
    if (letter->sender == NULL)
        letter->sender = apr_pstrcat(pool, submitting_user(pool), "@", host, NULL);
    if (letter->full_name == NULL || letter->sender[0] == '\0' ||
        has_from(zm_buf_str(&letter->header)))
        return;
    zm_buf_printf(&whole, "From: %s <%s>\n", letter->full_name, letter->sender);
    letter->size += whole.length;
    zm_buf_add_str(&whole, zm_buf_str(&letter->header));
    zm_buf_free(&letter->header);
    letter->header = whole;
}

static void note(const handover_t *handover, const dialogue_t *dialogue)
{
    if (strchr(zm_zenv_get_or(handover->zenv, "SYSLOGFLG", ""), 'S') != NULL)
        zm_log_syslog(ZM_LOG_INFO, "sendmail",
                      "submitted to %s: uid=%" APR_INT64_T_FMT " reply=\"%d %.*s\"",
                      dialogue->server, (apr_int64_t)zm_identity_real().uid, dialogue->code,
                      (int)dialogue->reply.length, dialogue->reply.data);
}

static apr_status_t talk(handover_t *handover, apr_file_t *message, bool *offered, apr_pool_t *pool)
{
    const char *host = zm_site_hostname(handover->zenv, pool);
    dialogue_t dialogue = {.server =
                               zm_zenv_get_or(handover->zenv, "SUBMIT_SERVER", DEFAULT_SERVER),
                           .host = host,
                           .error = &handover->error,
                           .pool = pool};
    letter_t letter;
    apr_status_t status = letter_read(&letter, message, host, pool, &handover->error);
    if (status == APR_SUCCESS) {
        complete(&letter, host, pool);
        status = dialogue_open(&dialogue);
    }
    if (status == APR_SUCCESS)
        status = dialogue_give(&dialogue, &letter, message);
    if (status == APR_SUCCESS)
        note(handover, &dialogue);
    *offered = dialogue.offered;
    dialogue_close(&dialogue);
    letter_free(&letter);
    return status;
}

/* -- falling back ------------------------------------------------------------------------- */

static apr_status_t drop(handover_t *handover, apr_file_t *message, apr_pool_t *pool)
{
    zm_submit_options_t options = {0, zm_site_trusted(handover->zenv, pool).uid, ZM_UID_NONE};
    zm_submission_t *submission;
    char block[BLOCK];
    apr_off_t beginning = 0;
    apr_status_t status = apr_file_seek(message, APR_SET, &beginning);
    if (status != APR_SUCCESS ||
        (status = zm_submit_begin(&submission, &handover->dropbox, &options)) != APR_SUCCESS)
        return status;
    while (status == APR_SUCCESS) {
        apr_size_t length = sizeof block;
        status = apr_file_read(message, block, &length);
        if (status == APR_SUCCESS)
            status = zm_submit_write(submission, block, length);
    }
    if (APR_STATUS_IS_EOF(status))
        return zm_submit_commit_wait(submission, NULL, pool);
    zm_submit_abort(submission);
    return status;
}

/* A server that goes away must not take the program with it, whosever program this is. */
static apr_status_t hand_over(void *baton, apr_file_t *message)
{
    handover_t *handover = baton;
    bool offered = false;
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, handover->pool);
#ifdef SIGPIPE
    apr_sigfunc_t *before = apr_signal(SIGPIPE, SIG_IGN);
#endif
    if (status == APR_SUCCESS) {
        handover->error.text[0] = '\0';
        status = talk(handover, message, &offered, pool);
        handover->used_socket = status == APR_SUCCESS;
        if (status == ZM_E_TEMPORARY && !offered && handover->spool != NULL) {
            status = drop(handover, message, pool);
            handover->error.text[0] = '\0';
        }
        apr_pool_destroy(pool);
    }
#ifdef SIGPIPE
    (void)apr_signal(SIGPIPE, before);
#endif
    return status;
}

/* -- opening ------------------------------------------------------------------------------- */

apr_status_t handover_open(handover_t *handover, const zm_zenv_t *zenv, bool unsynced,
                           apr_pool_t *pool, zm_error_t *error)
{
    zm_spool_options_t options = {.location = zm_zenv_spool(zenv)};
    bool sync = true;
    apr_status_t status;
    memset(handover, 0, sizeof *handover);
    handover->zenv = zenv;
    handover->pool = pool;
    status = zm_site_transport(&handover->transport, zenv, error);
    if (status == APR_SUCCESS)
        status = zm_zenv_switch(zenv, "SUBMIT_FSYNC", true, &sync, error);
    if (status != APR_SUCCESS)
        return status;
    options.unsynced = unsynced || !sync;
    if (handover->transport != ZM_TRANSPORT_SOCKET) {
        status = zm_spool_open(&handover->spool, &options, pool, error);
        if (status == APR_SUCCESS)
            zm_site_submitter(&handover->dropbox, zenv, handover->spool, pool);
        else
            handover->spool = NULL;
    }
    if (handover->transport == ZM_TRANSPORT_DROPBOX) {
        handover->submitter = handover->dropbox;
        return status;
    }
    handover->submitter.handover = hand_over; /* with or without what it may fall back on */
    handover->submitter.handover_baton = handover;
    return APR_SUCCESS;
}

void handover_close(handover_t *handover)
{
    if (handover->spool != NULL)
        zm_spool_close(handover->spool);
    handover->spool = NULL;
}
