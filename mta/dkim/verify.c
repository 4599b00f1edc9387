/*
 * The header is kept until the empty line; then it is clear which hashes of the
 * body are wanted.  At the end those signatures whose body hash fits have their
 * keys asked for, and the policies of the authors are asked for with them.
 */
#include <apr_strings.h>

#include "mta/dkim/key.h"
#include "mta/dkim/verify_parts.h"

#define MOST_KEYS 4 /* records under one name that are tried */

static apr_status_t free_text(void *data)
{
    zm_buf_free(data);
    return APR_SUCCESS;
}

zm_verifier_t *zm_verifier_create(int64_t now, apr_pool_t *pool)
{
    zm_verifier_t *verifier = apr_pcalloc(pool, sizeof *verifier);
    verifier->pool = pool;
    verifier->now = now;
    verifier->line_start = true;
    verifier->verified.author = "";
    verifier->verified.arc_sealer = ZM_S("");
    apr_pool_cleanup_register(pool, &verifier->text, free_text, apr_pool_cleanup_null);
    return verifier;
}

/* -- the header ------------------------------------------------------------------------------ */

static void want_hash(zm_verifier_t *verifier, zm_signature_t *signature)
{
    zm_body_hash_t *hash;
    int i;
    if (signature->result != ZM_AUTH_NONE)
        return;
    for (i = 0; i < verifier->hash_count; i++)
        if (verifier->hashes[i].relaxed == signature->relaxed_body &&
            verifier->hashes[i].limit == signature->length)
            return;
    hash = &verifier->hashes[verifier->hash_count];
    if (zm_body_hash_init(hash, signature->relaxed_body, signature->length, verifier->pool)) {
        verifier->hash_count++;
        return;
    }
    signature->result = ZM_AUTH_TEMPERROR;
    signature->reason = "no memory";
}

/* A signature over what has not been kept cannot be checked. */
static void give_up_on(zm_signature_t *signature)
{
    signature->result = ZM_AUTH_POLICY;
    signature->reason = "the header is too large";
}

static void end_header(zm_verifier_t *verifier)
{
    zm_dkim_header_t *header = &verifier->header;
    int at = -1, i;
    verifier->in_body = true;
    zm_dkim_header_read(header, zm_buf_str(&verifier->text), verifier->pool);
    verifier->too_large |= header->cut;
    while ((at = zm_dkim_header_find(header, ZM_S("DKIM-Signature"), at + 1)) >= 0 &&
           verifier->count < ZM_VERIFY_SIGNATURES)
        zm_signature_read(&verifier->signatures[verifier->count++], ZM_SIGNATURE_DKIM,
                          header->fields[at].text, verifier->now, verifier->pool);
    arc_read(&verifier->chain, header, verifier->now, verifier->pool);
    if (verifier->too_large) {
        for (i = 0; i < verifier->count; i++)
            give_up_on(&verifier->signatures[i]);
        if (verifier->chain.count > 0)
            verifier->chain.result = ZM_AUTH_FAIL;
    }
    for (i = 0; i < verifier->count; i++)
        want_hash(verifier, &verifier->signatures[i]);
    if (verifier->chain.count > 0 && verifier->chain.result == ZM_AUTH_NONE)
        want_hash(verifier, &verifier->chain.sets[verifier->chain.count - 1].signature);
}

/* Takes header bytes, up to the empty line; gives how many. */
static apr_size_t take_header(zm_verifier_t *verifier, const char *data, apr_size_t length)
{
    apr_size_t at = 0, room;
    while (at < length) {
        const char *end;
        if (verifier->line_start && data[at] == '\n') {
            end_header(verifier);
            return at + 1;
        }
        end = memchr(data + at, '\n', length - at);
        verifier->line_start = end != NULL;
        room = (end != NULL ? (apr_size_t)(end - data) + 1 : length) - at;
        if (verifier->text.length + room > ZM_VERIFY_HEADER)
            verifier->too_large = true;
        if (!verifier->too_large)
            zm_buf_add(&verifier->text, data + at, room);
        at += room;
    }
    return at;
}

void zm_verifier_put(zm_verifier_t *verifier, const char *data, apr_size_t length)
{
    int i;
    if (!verifier->in_body) {
        apr_size_t used = take_header(verifier, data, length);
        data += used;
        length -= used;
    }
    for (i = 0; i < verifier->hash_count && length > 0; i++)
        zm_body_hash_put(&verifier->hashes[i], data, length);
}

/* -- the end ------------------------------------------------------------------------------------
 */

/* Holds the hash of the body against what a signature says. */
static void check_body(zm_signature_t *signature, const zm_body_hash_t *hash, bool good,
                       const unsigned char *digest)
{
    if (signature->result != ZM_AUTH_NONE || hash->relaxed != signature->relaxed_body ||
        hash->limit != signature->length)
        return;
    if (!good) {
        signature->result = ZM_AUTH_TEMPERROR;
        signature->reason = "no memory";
    } else if (memcmp(digest, signature->body_hash, ZM_HASH_OCTETS) != 0) {
        signature->result = ZM_AUTH_FAIL;
        signature->reason = "the body has been changed";
    } else if (signature->length >= 0 && (uint64_t)signature->length < hash->given) {
        /* Anybody may have written what stands behind. */
        signature->result = ZM_AUTH_POLICY;
        signature->reason = "it does not sign the whole body";
    }
}

static void check_bodies(zm_verifier_t *verifier)
{
    unsigned char digest[ZM_HASH_OCTETS];
    int i, each;
    for (i = 0; i < verifier->hash_count; i++) {
        zm_body_hash_t *hash = &verifier->hashes[i];
        bool good = zm_body_hash_end(hash, digest);
        for (each = 0; each < verifier->count; each++)
            check_body(&verifier->signatures[each], hash, good, digest);
        if (verifier->chain.count > 0)
            check_body(&verifier->chain.sets[verifier->chain.count - 1].signature, hash, good,
                       digest);
    }
}

/* A question for the key of one signature. */
typedef struct key_question_t {
    zm_verifier_t *verifier;
    zm_signature_t *signature;
} key_question_t;

static bool digest_of(unsigned char digest[ZM_HASH_OCTETS], const key_question_t *question)
{
    const zm_signature_t *signature = question->signature;
    zm_verifier_t *verifier = question->verifier;
    if (signature->kind == ZM_SIGNATURE_ARC_SEAL)
        return arc_seal_digest(digest, &verifier->chain, signature->instance, &verifier->header);
    return zm_signature_digest(digest, signature, &verifier->header, verifier->asking);
}

static void try_keys(const key_question_t *question, const zm_dns_answer_t *answer)
{
    zm_signature_t *signature = question->signature;
    unsigned char digest[ZM_HASH_OCTETS];
    int i;
    if (!digest_of(digest, question)) {
        signature->result = ZM_AUTH_PERMERROR;
        signature->reason = "it signs too many fields";
        return;
    }
    for (i = 0; i < answer->count && i < MOST_KEYS && signature->result != ZM_AUTH_PASS; i++)
        zm_key_check(signature, answer->records[i].text, digest, question->verifier->asking);
}

static void on_key(const zm_dns_answer_t *answer, void *baton)
{
    key_question_t *question = baton;
    zm_signature_t *signature = question->signature;
    if (answer->outcome == ZM_DNS_TEMPORARY) {
        signature->result = ZM_AUTH_TEMPERROR;
        signature->reason = "no answer about its key";
    } else if (answer->count == 0) {
        signature->result = ZM_AUTH_PERMERROR;
        signature->reason = "there is no such key";
    } else {
        try_keys(question, answer);
    }
    verifier_answered(question->verifier);
}

static void ask_key(zm_verifier_t *verifier, zm_signature_t *signature)
{
    key_question_t *question;
    if (signature->result != ZM_AUTH_NONE)
        return;
    question = apr_pcalloc(verifier->asking, sizeof *question);
    question->verifier = verifier;
    question->signature = signature;
    verifier_wait(verifier);
    zm_dns_ask(NULL, verifier->dns, ZM_DNS_TXT,
               zm_str(zm_signature_key_name(signature, verifier->asking)), on_key, question,
               verifier->asking);
}

static void ask_chain(zm_verifier_t *verifier)
{
    arc_chain_t *chain = &verifier->chain;
    int i;
    if (chain->count == 0 || chain->result != ZM_AUTH_NONE)
        return;
    if (chain->sets[chain->count - 1].signature.result != ZM_AUTH_NONE)
        return; /* it has failed already */
    ask_key(verifier, &chain->sets[chain->count - 1].signature);
    for (i = 0; i < chain->count; i++)
        ask_key(verifier, &chain->sets[i].closing);
}

/* -- waiting --------------------------------------------------------------------------------------
 */

static void tell(zm_verifier_t *verifier)
{
    zm_verified_t *verified = &verifier->verified;
    arc_chain_t *chain = &verifier->chain;
    if (verifier->ended)
        return;
    verifier->ended = true;
    arc_conclude(chain);
    verified->signatures = verifier->signatures;
    verified->count = verifier->count;
    verified->arc = chain->result;
    verified->arc_reason = chain->reason;
    verified->arc_sets = chain->count;
    if (chain->result == ZM_AUTH_PASS)
        verified->arc_sealer = chain->sets[chain->count - 1].closing.domain;
    verifier->fn(verifier->baton);
}

void verifier_wait(zm_verifier_t *verifier)
{
    verifier->waiting++;
}

void verifier_answered(zm_verifier_t *verifier)
{
    if (--verifier->waiting == 0)
        tell(verifier);
}

void zm_verifier_ask(zm_verifier_t *verifier, zm_dns_t *dns, zm_verifier_fn *fn, void *baton)
{
    int i;
    verifier->dns = dns;
    verifier->fn = fn;
    verifier->baton = baton;
    apr_pool_create(&verifier->asking, verifier->pool);
    if (!verifier->in_body)
        end_header(verifier);
    check_bodies(verifier);
    verifier_wait(verifier); /* for this function */
    for (i = 0; i < verifier->count; i++)
        ask_key(verifier, &verifier->signatures[i]);
    ask_chain(verifier);
    policy_ask_all(verifier);
    verifier_answered(verifier);
}

static void late(zm_signature_t *signature)
{
    if (signature->result != ZM_AUTH_NONE)
        return;
    signature->result = ZM_AUTH_TEMPERROR;
    signature->reason = "no answer in time";
}

void zm_verifier_give_up(zm_verifier_t *verifier)
{
    int i;
    if (verifier->ended || verifier->fn == NULL)
        return;
    apr_pool_destroy(verifier->asking);
    verifier->asking = NULL;
    for (i = 0; i < verifier->count; i++)
        late(&verifier->signatures[i]);
    for (i = 0; i < verifier->chain.count; i++)
        late(&verifier->chain.sets[i].closing);
    if (verifier->chain.count > 0)
        late(&verifier->chain.sets[verifier->chain.count - 1].signature);
    tell(verifier);
}

const zm_verified_t *zm_verifier_result(const zm_verifier_t *verifier)
{
    return &verifier->verified;
}
