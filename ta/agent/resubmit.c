#include "ta/agent/resubmit.h"

#include <apr_strings.h>

#include "mta/conf/site.h"
#include "ta/agent/head.h"

typedef struct zm_resubmission_t {
    const zm_resubmitter_t *resubmitter;
    zm_job_t *job;
    const zm_group_t *group;     /* sender and header */
    zm_recipient_t **recipients; /* of the group */
    int count;
    bool as_sender; /* they have the sender's rights */
} zm_resubmission_t;

/* -- on whose authority ---------------------------------------------------- */

typedef struct owner_t {
    zm_uid_t uid;
    bool external;
} owner_t;

static bool is_nobody(const zm_resubmitter_t *resubmitter, int64_t privilege)
{
    return privilege < 0 || privilege == resubmitter->nobody;
}

static apr_status_t choose_owner(owner_t *owner, const zm_resubmission_t *letter, apr_pool_t *pool)
{
    const zm_resubmitter_t *resubmitter = letter->resubmitter;
    int64_t sender = letter->group->sender_privilege;
    apr_status_t status = APR_ENOENT;
    zm_user_t *user;
    *owner = (owner_t){resubmitter->trusted.uid, true};
    if (!letter->as_sender || is_nobody(resubmitter, sender))
        return APR_SUCCESS;
    if (zm_identity_privileged()) {
        status = zm_user_by_uid(&user, sender, pool);
        if (status == APR_SUCCESS)
            *owner = (owner_t){sender, false};
    } else if (sender == zm_identity_own().uid)
        *owner = (owner_t){ZM_UID_NONE, false};
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

/* -- the envelope ---------------------------------------------------------- */

/* Adds the word of a recipient's DSN parameters that has this keyword. */
static void add_parameter(zm_buf_t *out, zm_str_t dsn, zm_str_t keyword)
{
    zm_str_t word;
    while (zm_str_word(&dsn, &word))
        if (word.length > keyword.length && zm_str_starts_nocase(word, keyword)) {
            if (out->length > 0)
                zm_buf_add_byte(out, ' ');
            zm_buf_add_str(out, word);
            return;
        }
}

static apr_status_t add_dsn(zm_submission_t *submission, zm_str_t dsn)
{
    const zm_str_t keywords[] = {ZM_S("ORCPT="),     ZM_S("INRCPT="), ZM_S("INFROM="),
                                 ZM_S("EZMLM="),     ZM_S("NOTIFY="), ZM_S("BY="),
                                 ZM_S("REQUIRETLS=")};
    zm_buf_t line = ZM_BUF_INIT;
    apr_status_t status = APR_SUCCESS;
    apr_size_t i;
    for (i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        add_parameter(&line, dsn, keywords[i]);
    if (line.length > 0)
        status = zm_submit_line(submission, "todsn", zm_buf_str(&line));
    zm_buf_free(&line);
    return status;
}

static apr_status_t add_address(zm_submission_t *submission, const char *keyword, zm_str_t address)
{
    zm_buf_t value = ZM_BUF_INIT;
    apr_status_t status;
    zm_buf_add_byte(&value, '<');
    zm_buf_add_str(&value, address);
    zm_buf_add_byte(&value, '>');
    status = zm_submit_line(submission, keyword, zm_buf_str(&value));
    zm_buf_free(&value);
    return status;
}

static apr_status_t add_sender(zm_submission_t *submission, const zm_resubmission_t *letter,
                               bool external)
{
    const zm_control_file_t *file = letter->job->file;
    apr_status_t status = APR_SUCCESS;
    if (external)
        status = zm_submit_line(submission, "external", ZM_S(""));
    if (status == APR_SUCCESS)
        status = zm_submit_line(submission, "via", zm_str(letter->resubmitter->via));
    if (status == APR_SUCCESS)
        status = letter->group->sender.length > 0
                     ? add_address(submission, "from", letter->group->sender)
                     : zm_submit_line(submission, "channel", ZM_S("error"));
    if (status == APR_SUCCESS && file->envid.length > 0)
        status = zm_submit_line(submission, "envid", file->envid);
    if (status == APR_SUCCESS && file->ret.length > 0)
        status = zm_submit_line(submission, "notaryret", file->ret);
    return status;
}

static apr_status_t add_envelope(zm_submission_t *submission, const zm_resubmission_t *letter,
                                 bool external)
{
    apr_status_t status = add_sender(submission, letter, external);
    int i;
    for (i = 0; i < letter->count && status == APR_SUCCESS; i++) {
        status = add_dsn(submission, letter->recipients[i]->line->dsn);
        if (status == APR_SUCCESS)
            status = add_address(submission, "to", letter->recipients[i]->user);
    }
    return status == APR_SUCCESS ? zm_submit_env_end(submission) : status;
}

/* -- the letter ------------------------------------------------------------ */

static apr_status_t add_header(zm_submission_t *submission, const zm_resubmission_t *letter)
{
    zm_str_t header = letter->group->header->text;
    bool whole = header.length == 0 || header.data[header.length - 1] == '\n';
    zm_head_style_t style = {.keep_tabs = true};
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t status;

    if (letter->resubmitter->trace_clause &&
        (letter->count == 1 || letter->resubmitter->name_first) && letter->job->agent->for_clause) {
        style.for_address = letter->recipients[0]->user;
        zm_head_write(&letter->group->fields, &style, &text);
        header = zm_buf_str(&text);
        whole = true;
    }
    status = zm_submit_write(submission, header.data, header.length);
    zm_buf_free(&text);
    if (status != APR_SUCCESS)
        return status;
    return whole ? zm_submit_write(submission, "\n", 1) : zm_submit_write(submission, "\n\n", 2);
}

static apr_status_t add_body(zm_submission_t *submission, zm_body_t *body)
{
    uint64_t at = 0;
    apr_status_t status = APR_SUCCESS;
    while (at < body->size && status == APR_SUCCESS) {
        zm_str_t piece;
        status = zm_body_at(body, at, &piece);
        if (status == APR_SUCCESS) {
            status = zm_submit_write(submission, piece.data, piece.length);
            at += piece.length;
        }
    }
    return status;
}

static apr_status_t submit(zm_resubmitter_t *resubmitter, const zm_resubmission_t *letter,
                           zm_published_t *published, apr_pool_t *pool)
{
    zm_submit_options_t options = {0, ZM_UID_NONE, ZM_UID_NONE};
    zm_submission_t *submission;
    owner_t owner;
    apr_status_t status = choose_owner(&owner, letter, pool);
    if (status != APR_SUCCESS)
        return status;
    options.uid = owner.uid;
    status = zm_submit_begin(&submission, &resubmitter->submitter, &options);
    if (status != APR_SUCCESS)
        return status;
    status = add_envelope(submission, letter, owner.external);
    if (status == APR_SUCCESS)
        status = add_header(submission, letter);
    if (status == APR_SUCCESS)
        status = add_body(submission, &letter->job->body);
    if (status != APR_SUCCESS) {
        zm_submit_abort(submission);
        return status;
    }
    return zm_submit_commit_wait(submission, published, pool);
}

/* -- the interface --------------------------------------------------------- */

void zm_resubmitter_open(zm_resubmitter_t *resubmitter, const zm_agent_t *agent, const char *via)
{
    zm_site_submitter(&resubmitter->submitter, agent->zenv, agent->spool, agent->pool);
    resubmitter->trusted = zm_site_trusted(agent->zenv, agent->pool);
    resubmitter->nobody =
        zm_identity_nobody(zm_zenv_get_or(agent->zenv, "NOBODY", NULL), agent->pool).uid;
    resubmitter->via = via;
}

static void resubmit_letter(zm_resubmitter_t *resubmitter, const zm_resubmission_t *letter,
                            zm_resubmitted_fn *done)
{
    char text[ZM_SPOOL_ID_SIZE + 160];
    zm_published_t published = {0};
    apr_status_t status = submit(resubmitter, letter, &published, letter->job->pool);
    int i;
    if (status == APR_SUCCESS)
        zm_layout_spool_id(text, published.info.id, published.info.mtime_s,
                           published.info.mtime_ns);
    else
        zm_status_text(status, text, sizeof text);
    for (i = 0; i < letter->count; i++)
        done(letter->job, letter->recipients[i], status, text);
}

void zm_resubmit(zm_resubmitter_t *resubmitter, zm_job_t *job, const zm_group_t *group,
                 zm_recipient_t **recipients, int count, zm_resubmitted_fn *done)
{
    zm_resubmission_t letter = {.resubmitter = resubmitter, .job = job, .group = group};
    int pass, i;
    letter.recipients = apr_palloc(job->pool, sizeof *recipients * (apr_size_t)(count + 1));
    for (pass = 0; pass < 2; pass++) {
        letter.as_sender = pass == 0;
        letter.count = 0;
        for (i = 0; i < count; i++)
            if ((recipients[i]->privilege == group->sender_privilege) == letter.as_sender)
                letter.recipients[letter.count++] = recipients[i];
        if (letter.count > 0)
            resubmit_letter(resubmitter, &letter, done);
    }
}
