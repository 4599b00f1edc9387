#include "ta/smtp/sign.h"

#include "mta/dkim/dmarc.h"
#include "mta/dkim/sign.h"
#include "platform/clock.h"
#include "platform/identity.h"
#include "spool/message.h"
#include "ta/agent/head.h"
#include "ta/agent/lines.h"

#define ENVELOPE_LIMIT (32u << 20) /* envelope and header of one message */

struct zm_signing_t {
    const char *files[2]; /* null: none */
    zm_signers_t *signers[2];
    apr_pool_t *pools[2]; /* of the signers */
    zm_agent_t *agent;
    bool raw_cr;
    zm_uid_t trusted; /* who may write what counts in an envelope */
};

enum { DKIM, ARC };

/* What has been made for a job; the fields of one letter, or the hash of one body. */
typedef struct kept_t {
    struct kept_t *next;
    const zm_group_t *group;         /* null: it is a hash */
    const zm_converted_t *converted; /* of which form */
    bool ascii; /* and with which header: one beyond ASCII may be encoded later */
    zm_str_t fields;
    unsigned char hash[ZM_HASH_OCTETS];
} kept_t;

/* What the envelope of a job's message says. */
typedef struct origin_t {
    bool ours;        /* somebody here, or known here, has sent it */
    zm_str_t results; /* what was found when it came; "": nobody looked */
} origin_t;

typedef struct signed_job_t {
    bool read; /* origin has been */
    origin_t origin;
    kept_t *kept;
} signed_job_t;

static zm_uid_t trusted_account(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    zm_str_t name = zm_str(zm_zenv_get_or(zenv, "TRUSTEDUSER", "daemon"));
    zm_user_t *user;
    int64_t number;
    if (zm_str_i64(name, &number) == APR_SUCCESS)
        return number;
    return zm_user_by_name(&user, name.data, pool) == APR_SUCCESS ? user->uid : ZM_UID_NONE;
}

zm_signing_t *zm_signing_open(const zm_smtp_options_t *options, zm_agent_t *agent, apr_pool_t *pool)
{
    zm_signing_t *signing;
    int i;
    if (options->dkim_file == NULL && options->arc_file == NULL)
        return NULL;
    signing = apr_pcalloc(pool, sizeof *signing);
    signing->files[DKIM] = options->dkim_file;
    signing->files[ARC] = options->arc_file;
    signing->agent = agent;
    signing->raw_cr = options->raw_cr;
    signing->trusted = trusted_account(agent->zenv, pool);
    for (i = 0; i < 2; i++)
        apr_pool_create(&signing->pools[i], pool);
    return signing;
}

/* -- who may sign ---------------------------------------------------------------------------- */

/* A file that could not be read may be put right at any time. */
static apr_status_t load(zm_signing_t *signing, int which, zm_error_t *error)
{
    apr_status_t status;
    if (signing->signers[which] != NULL)
        return APR_SUCCESS;
    apr_pool_clear(signing->pools[which]);
    status = zm_signers_load(&signing->signers[which], signing->files[which], signing->pools[which],
                             error);
    if (status != APR_SUCCESS)
        signing->signers[which] = NULL;
    return status;
}

/* -- where it comes from ------------------------------------------------------------------------
 */

static bool is_trusted(const zm_signing_t *signing, zm_uid_t uid)
{
    return uid == 0 || uid == zm_identity_own().uid ||
           (uid == signing->trusted && uid != ZM_UID_NONE);
}

/* "smtp-auth: "USER"" */
static bool names_a_user(zm_str_t comment)
{
    static const zm_str_t word = ZM_STR("smtp-auth:");
    zm_str_t user;
    if (!zm_str_starts_nocase(comment, word))
        return false;
    user = zm_str_trim(zm_str_from(comment, word.length));
    return user.length > 0 && !zm_str_equal(user, ZM_S("\"\"")) &&
           !zm_str_equal(user, ZM_S("<none>"));
}

static apr_status_t read_origin(origin_t *origin, const zm_signing_t *signing, zm_job_t *job)
{
    static const zm_str_t word = ZM_STR("authres:");
    zm_message_t *message;
    bool external = false, known = false, trusted = is_trusted(signing, job->info.uid);
    apr_status_t status = zm_message_read(&message, job->message, ENVELOPE_LIMIT, job->pool);
    int i;
    if (status != APR_SUCCESS)
        return status;
    origin->results = ZM_S("");
    for (i = 0; i < message->envelope_count; i++) {
        zm_str_t value = zm_str_trim(message->envelope[i].value);
        external |= message->envelope[i].keyword == ZM_ENV_EXTERNAL;
        if (message->envelope[i].keyword != ZM_ENV_COMMENT || !trusted)
            continue;
        known |= names_a_user(value);
        if (zm_str_starts_nocase(value, word))
            origin->results = zm_str_trim(zm_str_from(value, word.length));
    }
    origin->ours = !external || known;
    return APR_SUCCESS;
}

/* -- bodies ---------------------------------------------------------------------------------------
 */

/* Hashes what goes over the wire, whose line ends are CR LF, in the form with LF. */
static void hash_wire(zm_body_hash_t *hash, zm_buf_t *wire)
{
    apr_size_t from, to = 0;
    for (from = 0; from < wire->length; from++) {
        if (wire->data[from] == '\r' && from + 1 < wire->length && wire->data[from + 1] == '\n')
            continue;
        wire->data[to++] = wire->data[from];
    }
    zm_body_hash_put(hash, wire->data, to);
    zm_buf_clear(wire);
}

static apr_status_t hash_body(unsigned char digest[ZM_HASH_OCTETS], const zm_signing_t *signing,
                              zm_job_t *job, const zm_converted_t *converted)
{
    zm_filter_t *filter = converted != NULL ? zm_filter_create(converted, job->pool) : NULL;
    zm_buf_t text = ZM_BUF_INIT, wire = ZM_BUF_INIT;
    zm_body_hash_t hash;
    zm_lines_t lines;
    zm_str_t piece;
    uint64_t at = 0;
    apr_status_t status;
    if (!zm_body_hash_init(&hash, true, -1, job->pool))
        return APR_ENOMEM;
    zm_lines_init(&lines, ZM_LINES_CRLF | (signing->raw_cr ? ZM_LINES_RAW_CR : 0));
    while ((status = zm_body_at(&job->body, at, &piece)) == APR_SUCCESS) {
        at += piece.length;
        if (filter != NULL) {
            zm_buf_clear(&text);
            zm_filter_put(filter, piece.data, piece.length, &text);
            piece = zm_buf_str(&text);
        }
        zm_lines_put(&lines, piece.data, piece.length, &wire);
        hash_wire(&hash, &wire);
    }
    zm_buf_clear(&text);
    if (filter != NULL)
        zm_filter_end(filter, &text);
    zm_lines_put(&lines, text.data, text.length, &wire);
    zm_lines_end(&lines, &wire);
    hash_wire(&hash, &wire);
    zm_buf_free(&text);
    zm_buf_free(&wire);
    if (status != APR_EOF)
        return status;
    return zm_body_hash_end(&hash, digest) ? APR_SUCCESS : APR_EGENERAL;
}

static bool is_ascii(const zm_group_t *group)
{
    return group != NULL && group->ascii;
}

static kept_t *find(const signed_job_t *mine, const zm_group_t *group,
                    const zm_converted_t *converted)
{
    kept_t *kept;
    for (kept = mine->kept; kept != NULL; kept = kept->next)
        if (kept->group == group && kept->converted == converted && kept->ascii == is_ascii(group))
            return kept;
    return NULL;
}

static kept_t *keep(signed_job_t *mine, const zm_group_t *group, const zm_converted_t *converted,
                    apr_pool_t *pool)
{
    kept_t *kept = apr_pcalloc(pool, sizeof *kept);
    kept->group = group;
    kept->converted = converted;
    kept->ascii = is_ascii(group);
    kept->next = mine->kept;
    mine->kept = kept;
    return kept;
}

static apr_status_t body_hash(unsigned char digest[ZM_HASH_OCTETS], const zm_signing_t *signing,
                              zm_job_t *job, const zm_converted_t *converted)
{
    signed_job_t *mine = job->own;
    kept_t *kept = find(mine, NULL, converted);
    unsigned char made[ZM_HASH_OCTETS];
    if (kept == NULL) {
        apr_status_t status = hash_body(made, signing, job, converted);
        if (status != APR_SUCCESS)
            return status;
        kept = keep(mine, NULL, converted, job->pool);
        memcpy(kept->hash, made, sizeof made);
    }
    memcpy(digest, kept->hash, sizeof kept->hash);
    return APR_SUCCESS;
}

/* -- letters
 * ---------------------------------------------------------------------------------------- */

/* The header as it will be sent, but for the recipient in its first field, which nobody signs. */
static void write_header(zm_buf_t *text, const zm_job_t *job, const zm_group_t *group,
                         const zm_converted_t *converted)
{
    zm_head_style_t style = {.keep_tabs = job->agent->keep_tabs};
    style.keep_tabs |= zm_conversion_sealed(&group->fields, job->pool);
    zm_head_write(converted != NULL ? &converted->fields : &group->fields, &style, text);
}

/* The line of the file for the author of a letter that has no such signature yet; null: none. */
static zm_signer_t *author_of(const zm_signers_t *signers, const zm_dkim_header_t *header,
                              apr_pool_t *pool)
{
    int count;
    const char *const *authors = zm_dmarc_authors(header, &count, pool);
    zm_signer_t *signer = count == 1 ? zm_signers_find(signers, zm_str(authors[0])) : NULL;
    return signer != NULL && zm_dkim_is_signed(header, signer->domain) ? NULL : signer;
}

/* A letter that is being signed. */
typedef struct letter_t {
    zm_signing_t *signing;
    zm_job_t *job;
    const zm_converted_t *converted;
    zm_buf_t *text; /* its header */
    zm_buf_t *made; /* what goes in front of it */
    zm_error_t *error;
} letter_t;

static apr_status_t sign(const letter_t *letter, int which, zm_str_t results)
{
    zm_signers_t *signers = letter->signing->signers[which];
    apr_pool_t *pool = letter->job->pool;
    zm_dkim_header_t header;
    zm_sign_request_t request = {.header = &header, .now = apr_time_sec(zm_clock_wall())};
    zm_signer_t *signer = &signers->items[0];
    zm_buf_t fields = ZM_BUF_INIT;
    apr_status_t status;
    bool good;
    zm_dkim_header_read(&header, zm_buf_str(letter->text), pool);
    if (which == DKIM)
        signer = author_of(signers, &header, pool);
    if (signer == NULL)
        return APR_SUCCESS;
    request.signer = signer;
    status = zm_signer_open(signers, signer, letter->error);
    if (status != APR_SUCCESS)
        return status;
    status = body_hash(request.body_hash, letter->signing, letter->job, letter->converted);
    if (status != APR_SUCCESS)
        return zm_error_system(letter->error, status, "cannot read the body");
    good = which == DKIM ? zm_dkim_sign(&fields, &request, pool)
                         : zm_arc_seal(&fields, &request, results, pool);
    zm_buf_add_str(&fields, zm_buf_str(letter->made));
    zm_buf_clear(letter->made);
    zm_buf_add_str(letter->made, zm_buf_str(&fields));
    zm_buf_free(&fields);
    return good ? APR_SUCCESS
                : zm_error_set(letter->error, APR_EGENERAL, "the key %s cannot be used",
                               signer->file);
}

/* The seal covers the signature: it is made over a header that has it. */
static apr_status_t sign_all(const letter_t *letter, const origin_t *origin)
{
    zm_signing_t *signing = letter->signing;
    apr_status_t status = APR_SUCCESS;
    if (signing->files[DKIM] != NULL && origin->ours) {
        status = load(signing, DKIM, letter->error);
        if (status == APR_SUCCESS)
            status = sign(letter, DKIM, ZM_S(""));
    }
    if (status == APR_SUCCESS && signing->files[ARC] != NULL && origin->results.length > 0) {
        zm_buf_t whole = ZM_BUF_INIT;
        letter_t sealed = *letter;
        zm_buf_add_str(&whole, zm_buf_str(letter->made));
        zm_buf_add_str(&whole, zm_buf_str(letter->text));
        sealed.text = &whole;
        status = load(signing, ARC, letter->error);
        if (status == APR_SUCCESS)
            status = sign(&sealed, ARC, origin->results);
        zm_buf_free(&whole);
    }
    return status;
}

static apr_status_t begin(zm_job_t *job, const zm_signing_t *signing, zm_error_t *error)
{
    signed_job_t *mine = job->own;
    apr_status_t status = APR_SUCCESS;
    if (mine == NULL)
        job->own = mine = apr_pcalloc(job->pool, sizeof *mine);
    if (!mine->read)
        status = read_origin(&mine->origin, signing, job);
    mine->read = status == APR_SUCCESS;
    return status == APR_SUCCESS ? status
                                 : zm_error_system(error, status, "cannot read the message");
}

apr_status_t zm_signing_fields(zm_str_t *fields, zm_signing_t *signing, zm_job_t *job,
                               const zm_group_t *group, const zm_converted_t *converted,
                               zm_error_t *error)
{
    zm_buf_t text = ZM_BUF_INIT, made = ZM_BUF_INIT;
    letter_t letter = {signing, job, converted, &text, &made, error};
    const signed_job_t *mine;
    apr_status_t status;
    kept_t *kept;
    *fields = ZM_S("");
    if (signing == NULL)
        return APR_SUCCESS;
    status = begin(job, signing, error);
    if (status != APR_SUCCESS)
        return status;
    mine = job->own;
    kept = find(mine, group, converted);
    if (kept == NULL) {
        write_header(&text, job, group, converted);
        status = sign_all(&letter, &mine->origin);
        if (status == APR_SUCCESS) {
            kept = keep(job->own, group, converted, job->pool);
            kept->fields = zm_str_copy(job->pool, zm_buf_str(&made));
        }
        zm_buf_free(&text);
        zm_buf_free(&made);
    }
    if (kept != NULL)
        *fields = kept->fields;
    return status;
}
