#include "mta/dkim/signature.h"

#include <apr_strings.h>

#include "mta/dkim/tags.h"

#define FIELD_LIMIT 32768 /* octets of a signature */
#define CLOCK_SKEW 3600   /* seconds that a signature may be from the future */

const char *zm_auth_name(zm_auth_t result)
{
    static const char *const names[] = {"none",    "pass",   "fail",      "softfail",
                                        "neutral", "policy", "temperror", "permerror"};
    return names[result];
}

const char *zm_signature_algorithm(const zm_signature_t *signature)
{
    return signature->ed25519 ? "ed25519-sha256" : "rsa-sha256";
}

static bool wrong(zm_signature_t *signature, zm_auth_t result, const char *reason)
{
    signature->result = result;
    signature->reason = reason;
    return false;
}

static bool malformed(zm_signature_t *signature, const char *reason)
{
    return wrong(signature, ZM_AUTH_NEUTRAL, reason);
}

/* -- its tags -------------------------------------------------------------------------------- */

static bool read_algorithm(zm_signature_t *signature, const zm_tags_t *tags)
{
    zm_str_t value;
    zm_tags_get(tags, "a", &value);
    if (zm_str_equal(value, ZM_S("rsa-sha1")))
        return wrong(signature, ZM_AUTH_POLICY, "SHA-1 proves nothing any more");
    signature->ed25519 = zm_str_equal(value, ZM_S("ed25519-sha256"));
    return signature->ed25519 || zm_str_equal(value, ZM_S("rsa-sha256")) ||
           malformed(signature, "unknown algorithm");
}

static bool form_of(zm_str_t word, bool *relaxed)
{
    *relaxed = zm_str_equal(word, ZM_S("relaxed"));
    return *relaxed || zm_str_equal(word, ZM_S("simple"));
}

static bool read_forms(zm_signature_t *signature, const zm_tags_t *tags)
{
    zm_str_t value, head, body = ZM_S("simple");
    if (signature->kind == ZM_SIGNATURE_ARC_SEAL) {
        signature->relaxed_header = true;
        return true;
    }
    if (!zm_tags_get(tags, "c", &value))
        return true;
    if (!zm_str_cut(value, '/', &head, &body))
        body = ZM_S("simple");
    return (form_of(head, &signature->relaxed_header) && form_of(body, &signature->relaxed_body)) ||
           malformed(signature, "unknown canonical form");
}

static bool is_below(zm_str_t name, zm_str_t domain)
{
    return zm_str_equal_nocase(name, domain) ||
           (name.length > domain.length && zm_str_ends_nocase(name, domain) &&
            name.data[name.length - domain.length - 1] == '.');
}

static bool read_signer(zm_signature_t *signature, const zm_tags_t *tags)
{
    zm_str_t value, local;
    zm_tags_get(tags, "d", &signature->domain);
    zm_tags_get(tags, "s", &signature->selector);
    if (!zm_is_dns_name(signature->domain) || !zm_is_dns_name(signature->selector)) {
        signature->domain = signature->selector = ZM_S("");
        return malformed(signature, "no domain or no selector");
    }
    signature->agent = signature->domain;
    if (signature->kind != ZM_SIGNATURE_DKIM || !zm_tags_get(tags, "i", &value))
        return true;
    while (zm_str_cut(value, '@', &local, &value))
        signature->agent = value;
    return is_below(signature->agent, signature->domain) ||
           malformed(signature, "i= is not below d=");
}

static bool read_signature(zm_signature_t *signature, const zm_tags_t *tags, apr_pool_t *pool)
{
    zm_str_t value;
    apr_size_t i, used = 0;
    if (!zm_tags_get(tags, "b", &value) || !zm_base64_read(&signature->signature, value, pool) ||
        signature->signature.length == 0)
        return malformed(signature, "no signature in it");
    for (i = 0; i < value.length && used < sizeof signature->brief - 1; i++)
        if (!zm_is_space((unsigned char)value.data[i]))
            signature->brief[used++] = value.data[i];
    return true;
}

static bool read_body(zm_signature_t *signature, const zm_tags_t *tags, apr_pool_t *pool)
{
    zm_str_t value, hash;
    if (signature->kind == ZM_SIGNATURE_ARC_SEAL)
        return true;
    if (!zm_tags_get(tags, "bh", &value) || !zm_base64_read(&hash, value, pool) ||
        hash.length != ZM_HASH_OCTETS)
        return malformed(signature, "no hash of the body");
    memcpy(signature->body_hash, hash.data, hash.length);
    if (!zm_tags_get(tags, "l", &value))
        return true;
    signature->length = zm_tags_number(value);
    return signature->length >= 0 || malformed(signature, "l= is no number");
}

static bool read_names(zm_signature_t *signature, const zm_tags_t *tags)
{
    bool there = zm_tags_get(tags, "h", &signature->names);
    if (signature->kind == ZM_SIGNATURE_ARC_SEAL)
        return !there || malformed(signature, "a seal with h=");
    if (!there || signature->names.length == 0)
        return malformed(signature, "no fields are signed");
    if (signature->kind == ZM_SIGNATURE_ARC_MESSAGE)
        return !zm_dkim_names_have(signature->names, ZM_S("ARC-Seal")) ||
               malformed(signature, "it signs a seal");
    return zm_dkim_names_have(signature->names, ZM_S("From")) ||
           wrong(signature, ZM_AUTH_PERMERROR, "From is not signed");
}

static bool read_times(zm_signature_t *signature, const zm_tags_t *tags, int64_t now)
{
    zm_str_t value;
    int64_t from = -1, until = -1;
    if (zm_tags_get(tags, "t", &value) && (from = zm_tags_number(value)) < 0)
        return malformed(signature, "t= is no time");
    if (signature->kind == ZM_SIGNATURE_DKIM && zm_tags_get(tags, "x", &value) &&
        (until = zm_tags_number(value)) < 0)
        return malformed(signature, "x= is no time");
    if (from >= 0 && until >= 0 && until <= from)
        return malformed(signature, "x= is not after t=");
    if (from > now + CLOCK_SKEW)
        return wrong(signature, ZM_AUTH_POLICY, "signed in the future");
    return until < 0 || now <= until || wrong(signature, ZM_AUTH_POLICY, "expired");
}

static bool read_instance(zm_signature_t *signature, const zm_tags_t *tags)
{
    zm_str_t value;
    if (signature->kind == ZM_SIGNATURE_DKIM)
        return true;
    if (!zm_tags_get(tags, "i", &value) || value.length > 2)
        return malformed(signature, "no instance");
    signature->instance = (int)zm_tags_number(value);
    if (signature->instance < 1 || signature->instance > ZM_ARC_SETS)
        return malformed(signature, "no instance");
    zm_tags_get(tags, "cv", &signature->chain);
    return true;
}

static bool read_version(zm_signature_t *signature, const zm_tags_t *tags)
{
    zm_str_t value;
    if (zm_tags_get(tags, "v", &value) || signature->kind == ZM_SIGNATURE_DKIM)
        return zm_str_equal(value, ZM_S("1")) || malformed(signature, "unknown version");
    return true;
}

/* Only keys from DNS, which is what it says when it says anything. */
static bool read_query(zm_signature_t *signature, const zm_tags_t *tags)
{
    zm_str_t value, method;
    if (!zm_tags_get(tags, "q", &value))
        return true;
    while (zm_tags_element(&value, ':', &method))
        if (zm_str_equal(method, ZM_S("dns/txt")))
            return true;
    return malformed(signature, "its key is not in DNS");
}

void zm_signature_read(zm_signature_t *signature, zm_signature_kind_t kind, zm_str_t field,
                       int64_t now, apr_pool_t *pool)
{
    zm_tags_t tags;
    zm_str_t name, value;
    *signature = (zm_signature_t){.kind = kind, .field = field, .length = -1};
    signature->domain = signature->selector = signature->names = ZM_S("");
    signature->agent = signature->chain = signature->signature = ZM_S("");
    (void)zm_str_cut(field, ':', &name, &value);
    if (field.length > FIELD_LIMIT || !zm_tags_read(&tags, value)) {
        (void)malformed(signature, "malformed");
        return;
    }
    /* The first that fails decides. */
    (void)(read_signer(signature, &tags) && read_instance(signature, &tags) &&
           read_version(signature, &tags) && read_algorithm(signature, &tags) &&
           read_forms(signature, &tags) && read_signature(signature, &tags, pool) &&
           read_body(signature, &tags, pool) && read_names(signature, &tags) &&
           read_query(signature, &tags) && read_times(signature, &tags, now));
}

/* -- what it signs ------------------------------------------------------------------------------
 */

const char *zm_signature_key_name(const zm_signature_t *signature, apr_pool_t *pool)
{
    return apr_pstrcat(pool, zm_str_c(pool, signature->selector), "._domainkey.",
                       zm_str_c(pool, signature->domain), NULL);
}

bool zm_signature_digest(unsigned char digest[ZM_HASH_OCTETS], const zm_signature_t *signature,
                         const zm_dkim_header_t *header, apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT;
    bool good =
        zm_dkim_header_select(&text, header, signature->names, signature->relaxed_header, pool);
    zm_canon_signature(&text, signature->field, signature->relaxed_header);
    good = good && zm_sha256(digest, zm_buf_str(&text));
    zm_buf_free(&text);
    return good;
}
