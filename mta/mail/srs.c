#include "mta/mail/srs.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define DAY apr_time_from_sec(86400)
#define DAYS 1024 /* a stamp has ten bits */
#define ADDRESS_LIMIT 1000
#define HASH_LIMIT 27  /* characters that 20 octets come to, without what fills them up */
#define DIGEST_TEXT 32 /* base64 of 20 octets, with its NUL */

static const char stamp_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void zm_srs_defaults(zm_srs_t *srs)
{
    *srs = (zm_srs_t){
        .domain = ZM_S(""), .separator = '=', .hash_length = 4, .hash_min = 4, .max_age = 21};
}

/* -- parts ---------------------------------------------------------------------------------- */

/* What the parts in a row, in lower case, sign to under a secret. */
static bool sign(char text[DIGEST_TEXT], zm_str_t secret, const zm_str_t *parts, int count)
{
    zm_buf_t all = ZM_BUF_INIT;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    apr_size_t i;
    int k;
    const void *done;
    for (k = 0; k < count; k++)
        for (i = 0; i < parts[k].length; i++)
            zm_buf_add_byte(&all, (char)zm_to_lower((unsigned char)parts[k].data[i]));
    done = HMAC(EVP_sha1(), secret.data, (int)secret.length, (const unsigned char *)zm_buf_c(&all),
                all.length, digest, &length);
    zm_buf_free(&all);
    if (done == NULL || length != 20)
        return false;
    EVP_EncodeBlock((unsigned char *)text, digest, (int)length);
    return true;
}

/* The hash of an address against those of all secrets; mailers may have changed its case. */
static bool is_signed(const zm_srs_t *srs, zm_str_t hash, const zm_str_t *parts, int count)
{
    char text[DIGEST_TEXT];
    apr_size_t i;
    if (hash.length < srs->hash_min || hash.length == 0 || hash.length > HASH_LIMIT)
        return false;
    for (i = 0; i < srs->secret_count; i++)
        if (sign(text, srs->secrets[i], parts, count) &&
            zm_str_equal_nocase(zm_str_of(text, hash.length), hash))
            return true;
    return false;
}

static unsigned day_of(const zm_srs_t *srs)
{
    return (unsigned)(srs->now / DAY % DAYS);
}

static bool is_fresh(const zm_srs_t *srs, zm_str_t stamp)
{
    const char *high, *low;
    unsigned then, now = day_of(srs);
    if (stamp.length != 2)
        return false;
    high = strchr(stamp_digits, zm_to_upper((unsigned char)stamp.data[0]));
    low = strchr(stamp_digits, zm_to_upper((unsigned char)stamp.data[1]));
    if (high == NULL || low == NULL || *high == '\0' || *low == '\0')
        return false;
    then = (unsigned)(high - stamp_digits) << 5 | (unsigned)(low - stamp_digits);
    return (now + DAYS - then) % DAYS <= srs->max_age;
}

/* "SRS0=REST": the rest behind the separator; with_separator: from the separator on. */
static bool cut_tag(zm_str_t local, const char *tag, bool with_separator, zm_str_t *rest)
{
    apr_size_t skip = with_separator ? 4 : 5;
    if (local.length < 6 || !zm_str_starts_nocase(local, zm_str(tag)) ||
        strchr("=+-", local.data[4]) == NULL || local.data[4] == '\0')
        return false;
    *rest = zm_str_from(local, skip);
    return true;
}

/* At the last '@'. */
static bool split(zm_str_t address, zm_str_t *local, zm_str_t *domain)
{
    apr_size_t i = address.length;
    while (i > 0 && address.data[i - 1] != '@')
        i--;
    if (i < 2 || i == address.length || address.length > ADDRESS_LIMIT ||
        zm_str_find(address, '"') >= 0) /* quotes cannot stand inside of a word */
        return false;
    *local = zm_str_of(address.data, i - 1);
    *domain = zm_str_from(address, i);
    return true;
}

/* -- there ---------------------------------------------------------------------------------- */

static apr_status_t build(zm_str_t *result, const zm_srs_t *srs, const char *tag,
                          const zm_str_t *parts, int count, apr_pool_t *pool)
{
    apr_size_t length = srs->hash_length > HASH_LIMIT ? HASH_LIMIT : srs->hash_length;
    char hash[DIGEST_TEXT];
    zm_buf_t out = ZM_BUF_INIT;
    int i;
    if (!sign(hash, srs->secrets[0], parts, count))
        return APR_EGENERAL;
    zm_buf_printf(&out, "%s%c%.*s", tag, srs->separator, (int)length, hash);
    for (i = 0; i < count; i++) {
        zm_buf_add_byte(&out, '=');
        zm_buf_add_str(&out, parts[i]);
    }
    zm_buf_add_byte(&out, '@');
    zm_buf_add_str(&out, srs->domain);
    *result = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return APR_SUCCESS;
}

apr_status_t zm_srs_forward(zm_str_t *result, const zm_srs_t *srs, zm_str_t address,
                            apr_pool_t *pool)
{
    zm_str_t local, domain, rest, hash, parts[3];
    char stamp[2];
    if (srs->secret_count == 0 || srs->domain.length == 0)
        return APR_EINVAL;
    if (!split(address, &local, &domain))
        return ZM_E_SYNTAX;
    *result = address;
    if (!srs->always && zm_str_equal_nocase(domain, srs->domain))
        return APR_SUCCESS;
    if (cut_tag(local, "SRS0", true, &parts[1])) { /* its forwarder's hash stays with it */
        parts[0] = domain;
        return build(result, srs, "SRS1", parts, 2, pool);
    }
    if (cut_tag(local, "SRS1", false, &rest) && zm_str_cut(rest, '=', &hash, &rest) &&
        zm_str_cut(rest, '=', &parts[0], &parts[1]) && parts[1].length > 0)
        return build(result, srs, "SRS1", parts, 2, pool);
    stamp[0] = stamp_digits[day_of(srs) >> 5];
    stamp[1] = stamp_digits[day_of(srs) & 31];
    parts[0] = zm_str_of(stamp, 2);
    parts[1] = domain;
    parts[2] = local;
    return build(result, srs, "SRS0", parts, 3, pool);
}

/* -- and back ------------------------------------------------------------------------------- */

static zm_str_t join(zm_str_t a, zm_str_t b, zm_str_t domain, apr_pool_t *pool)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t result;
    zm_buf_add_str(&out, a);
    zm_buf_add_str(&out, b);
    zm_buf_add_byte(&out, '@');
    zm_buf_add_str(&out, domain);
    result = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

apr_status_t zm_srs_reverse(zm_str_t *result, const zm_srs_t *srs, zm_str_t address,
                            apr_pool_t *pool)
{
    zm_str_t local, domain, rest, hash, parts[3];
    if (!split(address, &local, &domain))
        return ZM_E_SYNTAX;
    if (cut_tag(local, "SRS0", false, &rest)) {
        if (!zm_str_cut(rest, '=', &hash, &rest) || !zm_str_cut(rest, '=', &parts[0], &rest) ||
            !zm_str_cut(rest, '=', &parts[1], &parts[2]) || parts[1].length == 0 ||
            parts[2].length == 0)
            return ZM_E_SYNTAX;
        if (!is_signed(srs, hash, parts, 3))
            return ZM_E_UNSAFE;
        if (!is_fresh(srs, parts[0]))
            return APR_TIMEUP;
        *result = join(ZM_S(""), parts[2], parts[1], pool);
        return APR_SUCCESS;
    }
    if (!cut_tag(local, "SRS1", false, &rest) || !zm_str_cut(rest, '=', &hash, &rest) ||
        !zm_str_cut(rest, '=', &parts[0], &parts[1]) || parts[0].length == 0 ||
        parts[1].length == 0)
        return ZM_E_SYNTAX;
    if (!is_signed(srs, hash, parts, 2))
        return ZM_E_UNSAFE;
    *result = join(ZM_S("SRS0"), parts[1], parts[0], pool);
    return APR_SUCCESS;
}
