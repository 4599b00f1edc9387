#include "mta/submit/sendmail_envelope.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/conf/site.h"
#include "mta/mail/dsn_address.h"
#include "mta/mail/xtext.h"
#include "platform/identity.h"
#include "platform/log.h"
#include "spool/layout.h"

/* What one pass over an address list has met. */
typedef struct scan_t {
    zm_buf_t plain;   /* the address without comments, blanks and display name */
    zm_buf_t bracket; /* what stands in <...> */
    bool has_bracket;
} scan_t;

/* Copies a quoted string to its end. Returns the index after it, or 0 when it is left open. */
static apr_size_t copy_string(zm_buf_t *out, const char *text, apr_size_t at)
{
    zm_buf_add_byte(out, text[at++]);
    for (; text[at] != '\0'; at++) {
        zm_buf_add_byte(out, text[at]);
        if (text[at] == '"')
            return at + 1;
        if (text[at] == '\\' && text[at + 1] != '\0')
            zm_buf_add_byte(out, text[++at]);
    }
    return 0;
}

/* Skips a comment, nested or not. Returns the index after it, or 0 when it is left open. */
static apr_size_t skip_comment(const char *text, apr_size_t at)
{
    int depth = 0;
    for (; text[at] != '\0'; at++) {
        if (text[at] == '\\' && text[at + 1] != '\0')
            at++;
        else if (text[at] == '(')
            depth++;
        else if (text[at] == ')' && --depth == 0)
            return at + 1;
    }
    return 0;
}

/*
 * user\@x is one word to a shell user and two to the grammar: the local part of
 * an address with a backslash outside quotes is put in quotes, up to its first
 * bare '@'.
 */
static const char *quote_backslash(apr_pool_t *pool, const char *address)
{
    apr_size_t at = 0;
    if (address[0] == '"' || strchr(address, '\\') == NULL)
        return address;
    while (address[at] != '\0' && address[at] != '@')
        at += address[at] == '\\' && address[at + 1] != '\0' ? 2 : 1;
    return apr_psprintf(pool, "\"%.*s\"%s", (int)at, address, address + at);
}

static void finish_address(apr_array_header_t *list, scan_t *scan)
{
    zm_str_t address = zm_str_trim(zm_buf_str(scan->has_bracket ? &scan->bracket : &scan->plain));
    if (address.length > 0)
        APR_ARRAY_PUSH(list, const char *) =
            quote_backslash(list->pool, zm_str_c(list->pool, address));
    zm_buf_clear(&scan->plain);
    zm_buf_clear(&scan->bracket);
    scan->has_bracket = false;
}

static apr_status_t scan_word(apr_array_header_t *list, scan_t *scan, const char *word,
                              zm_error_t *error)
{
    bool in_bracket = false;
    apr_size_t at = 0;
    while (word[at] != '\0') {
        zm_buf_t *out = in_bracket ? &scan->bracket : &scan->plain;
        char c = word[at];
        if (c == '"' && (at = copy_string(out, word, at)) == 0)
            return zm_error_set(error, ZM_E_SYNTAX, "recipient \"%s\": a quote is left open", word);
        if (c == '(' && (at = skip_comment(word, at)) == 0)
            return zm_error_set(error, ZM_E_SYNTAX, "recipient \"%s\": a comment is left open",
                                word);
        if (c == '"' || c == '(')
            continue;
        if (c == '\\' && word[at + 1] != '\0') {
            zm_buf_add(out, word + at, 2);
            at += 2;
            continue;
        }
        if (c == '<' && !in_bracket)
            in_bracket = scan->has_bracket = true;
        else if (c == '>' && in_bracket)
            in_bracket = false;
        else if (c == ',' && !in_bracket)
            finish_address(list, scan);
        else
            zm_buf_add_byte(out, c);
        at++;
    }
    if (in_bracket)
        return zm_error_set(error, ZM_E_SYNTAX, "recipient \"%s\": \"<\" without \">\"", word);
    finish_address(list, scan);
    return APR_SUCCESS;
}

apr_status_t sendmail_addresses(apr_array_header_t *list, const char *word, zm_error_t *error)
{
    scan_t scan = {ZM_BUF_INIT, ZM_BUF_INIT, false};
    apr_status_t status = APR_SUCCESS;
    int before = list->nelts;
    if (word[0] == '|' || word[0] == '/' || word[0] == ':')
        APR_ARRAY_PUSH(list, const char *) = word; /* a program, file or list, whole */
    else
        status = scan_word(list, &scan, word, error);
    if (status == APR_SUCCESS && list->nelts == before)
        status =
            zm_error_set(error, ZM_E_SYNTAX, "recipient \"%s\": there is no address in it", word);
    zm_buf_free(&scan.plain);
    zm_buf_free(&scan.bracket);
    return status;
}

static apr_status_t recipient_lines(zm_submission_t *submission, const sendmail_options_t *options,
                                    const char *recipient, const char *sender)
{
    zm_buf_t dsn = ZM_BUF_INIT;
    apr_status_t status;
    zm_buf_add_c(&dsn, "ORCPT=");
    zm_dsn_add_orcpt(&dsn, zm_str(recipient));
    zm_buf_add_c(&dsn, " INRCPT=rfc822;");
    zm_xtext_add(&dsn, zm_str(recipient));
    if (sender != NULL && *sender != '\0') {
        zm_buf_add_c(&dsn, " INFROM=rfc822;");
        zm_xtext_add(&dsn, zm_str(sender));
    }
    if (options->notify != NULL)
        zm_buf_printf(&dsn, " NOTIFY=%s", options->notify);
    status = zm_submit_line(submission, "todsn", zm_buf_str(&dsn));
    zm_buf_free(&dsn);
    return status != APR_SUCCESS ? status : zm_submit_line(submission, "to", zm_str(recipient));
}

void sendmail_person(sendmail_person_t *person, const zm_zenv_t *zenv, zm_credentials_t owner,
                     const char *given, apr_pool_t *pool)
{
    zm_uid_t real = zm_identity_real().uid;
    zm_user_t *user;
    person->sender = NULL;
    preamble_read(&person->preamble, zm_site_hostname(zenv, pool), pool);
    if (owner.uid == ZM_UID_NONE || given != NULL)
        return;
    /* Root submits under the trusted account: say who it really is. */
    if (real == 0 && zm_identity_session(&person->sender, pool) == APR_SUCCESS &&
        zm_user_by_name(&user, person->sender, pool) == APR_SUCCESS)
        return;
    person->sender = zm_user_by_uid(&user, real, pool) == APR_SUCCESS ? user->name : "root";
}

/* One optional line; the first failure sticks. */
static void line(apr_status_t *status, zm_submission_t *submission, const char *keyword,
                 const char *value)
{
    if (*status == APR_SUCCESS && value != NULL)
        *status = zm_submit_line(submission, keyword, zm_str(value));
}

apr_status_t sendmail_envelope(zm_submission_t *submission, const sendmail_options_t *options,
                               const apr_array_header_t *recipients,
                               const sendmail_person_t *person, const char *trace, apr_pool_t *pool)
{
    apr_status_t status = APR_SUCCESS;
    const char *sender = options->sender ? quote_backslash(pool, options->sender) : person->sender;
    int i;
    line(&status, submission, "fullname", person->preamble.full_name);
    line(&status, submission, "loginname", person->preamble.login_name);
    line(&status, submission, "rcvdfrom", person->preamble.received);
    if (trace != NULL)
        line(&status, submission, "verbose", apr_psprintf(pool, "\"../public/%s\"", trace));
    line(&status, submission, "external", options->external ? "" : NULL);
    line(&status, submission, "bodytype", options->body_type);
    if (options->full_name != NULL)
        line(&status, submission, "fullname", preamble_phrase(options->full_name, pool));
    if (sender != NULL && *sender == '\0')
        line(&status, submission, "channel", "error");
    else
        line(&status, submission, "from", sender);
    line(&status, submission, "envid", options->envid);
    line(&status, submission, "notaryret", options->ret);
    line(&status, submission, "with", options->protocol);
    for (i = 0; status == APR_SUCCESS && i < recipients->nelts; i++)
        status = recipient_lines(submission, options, APR_ARRAY_IDX(recipients, i, const char *),
                                 sender);
    return status != APR_SUCCESS ? status : zm_submit_env_end(submission);
}

void sendmail_note(const zm_zenv_t *zenv, const char *program, const zm_published_t *published)
{
    char id[ZM_SPOOL_ID_SIZE];
    if (strchr(zm_zenv_get_or(zenv, "SYSLOGFLG", ""), 'S') == NULL)
        return;
    zm_layout_spool_id(id, published->info.id, published->info.mtime_s, published->info.mtime_ns);
    zm_log_syslog(ZM_LOG_INFO, program, "%s: submitted uid=%" APR_INT64_T_FMT, id,
                  (apr_int64_t)zm_identity_real().uid);
}
