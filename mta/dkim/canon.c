#include "mta/dkim/canon.h"

#include <openssl/evp.h>

#define BLOCK 2048

/* -- bodies ------------------------------------------------------------------------------ */

static apr_status_t free_digest(void *digest)
{
    EVP_MD_CTX_free(digest);
    return APR_SUCCESS;
}

bool zm_body_hash_init(zm_body_hash_t *hash, bool relaxed, int64_t limit, apr_pool_t *pool)
{
    *hash = (zm_body_hash_t){.relaxed = relaxed, .limit = limit};
    hash->digest = EVP_MD_CTX_new();
    if (hash->digest == NULL)
        return false;
    apr_pool_cleanup_register(pool, hash->digest, free_digest, apr_pool_cleanup_null);
    return EVP_DigestInit_ex(hash->digest, EVP_sha256(), NULL) == 1;
}

static void give(zm_body_hash_t *hash, const char *data, apr_size_t length)
{
    uint64_t before = hash->given;
    hash->given += length;
    if (hash->limit >= 0) {
        uint64_t limit = (uint64_t)hash->limit;
        if (before >= limit)
            return;
        if (length > limit - before)
            length = (apr_size_t)(limit - before);
    }
    (void)EVP_DigestUpdate(hash->digest, data, length);
}

/* Line ends are held back until something follows: those at the end of a body count as one. */
static void give_line_ends(zm_body_hash_t *hash)
{
    static const char ends[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
    while (hash->line_ends > 0) {
        uint64_t count = hash->line_ends < 16 ? hash->line_ends : 16;
        give(hash, ends, (apr_size_t)count * 2);
        hash->line_ends -= count;
    }
}

static void put_simple(zm_body_hash_t *hash, const char *data, apr_size_t length)
{
    if (length == 0)
        return;
    if (!hash->in_line)
        give_line_ends(hash);
    hash->in_line = true;
    give(hash, data, length);
}

/* Blanks within a line become one, those at its end none. */
static void put_relaxed(zm_body_hash_t *hash, const char *data, apr_size_t length)
{
    char block[BLOCK];
    apr_size_t i, used = 0;
    for (i = 0; i < length; i++) {
        if (data[i] == ' ' || data[i] == '\t') {
            hash->blank = true;
            continue;
        }
        if (used + 2 > sizeof block) {
            give(hash, block, used);
            used = 0;
        }
        if (!hash->in_line)
            give_line_ends(hash);
        hash->in_line = true;
        if (hash->blank)
            block[used++] = ' ';
        hash->blank = false;
        block[used++] = data[i];
    }
    if (used > 0)
        give(hash, block, used);
}

void zm_body_hash_put(zm_body_hash_t *hash, const char *data, apr_size_t length)
{
    const char *end = data + length, *line_end;
    while (data < end) {
        line_end = memchr(data, '\n', (apr_size_t)(end - data));
        length = (apr_size_t)((line_end != NULL ? line_end : end) - data);
        if (hash->relaxed)
            put_relaxed(hash, data, length);
        else
            put_simple(hash, data, length);
        if (line_end == NULL)
            return;
        hash->line_ends++;
        hash->in_line = hash->blank = false;
        data = line_end + 1;
    }
}

bool zm_body_hash_end(zm_body_hash_t *hash, unsigned char out[ZM_HASH_OCTETS])
{
    bool ends = hash->given > 0 || !hash->relaxed; /* the empty body: one line end, or nothing */
    unsigned length = 0;
    if (ends)
        give(hash, "\r\n", 2);
    return EVP_DigestFinal_ex(hash->digest, out, &length) == 1 && length == ZM_HASH_OCTETS;
}

/* -- fields ------------------------------------------------------------------------------- */

static void add_simple(zm_buf_t *out, zm_str_t text)
{
    zm_str_t line;
    while (zm_str_cut(text, '\n', &line, &text)) {
        zm_buf_add_str(out, line);
        zm_buf_add(out, "\r\n", 2);
    }
    zm_buf_add_str(out, line);
}

/* Folds and blanks become one blank; none at either end. */
static void add_relaxed(zm_buf_t *out, zm_str_t value)
{
    apr_size_t start = out->length, i;
    bool blank = false;
    zm_buf_reserve(out, value.length + 2);
    for (i = 0; i < value.length; i++) {
        char c = value.data[i];
        if (c == ' ' || c == '\t' || c == '\n') {
            blank = true;
            continue;
        }
        if (blank && out->length > start)
            zm_buf_add_byte(out, ' ');
        blank = false;
        zm_buf_add_byte(out, c);
    }
}

static void add_field(zm_buf_t *out, zm_str_t field, bool relaxed)
{
    zm_str_t name, value;
    apr_size_t i;
    if (!relaxed || !zm_str_cut(field, ':', &name, &value)) {
        add_simple(out, field);
        return;
    }
    name = zm_str_trim(name);
    for (i = 0; i < name.length; i++)
        zm_buf_add_byte(out, (char)zm_to_lower((unsigned char)name.data[i]));
    zm_buf_add_byte(out, ':');
    add_relaxed(out, value);
}

void zm_canon_field(zm_buf_t *out, zm_str_t field, bool relaxed)
{
    add_field(out, field, relaxed);
    zm_buf_add(out, "\r\n", 2);
}

/* Where the value of b= stands in a field. */
static bool find_signature(zm_str_t field, apr_size_t *from, apr_size_t *to)
{
    zm_str_t name, rest, tag;
    bool more = zm_str_cut(field, ':', &name, &rest);
    while (more) {
        more = zm_str_cut(rest, ';', &tag, &rest);
        if (zm_str_cut(tag, '=', &name, &tag) && zm_str_equal(zm_str_trim(name), ZM_S("b"))) {
            *from = (apr_size_t)(tag.data - field.data);
            *to = *from + tag.length;
            return true;
        }
    }
    return false;
}

void zm_canon_signature(zm_buf_t *out, zm_str_t field, bool relaxed)
{
    zm_buf_t bare = ZM_BUF_INIT;
    apr_size_t from, to;
    if (find_signature(field, &from, &to)) {
        zm_buf_add(&bare, field.data, from);
        zm_buf_add(&bare, field.data + to, field.length - to);
        field = zm_buf_str(&bare);
    }
    add_field(out, field, relaxed);
    zm_buf_free(&bare);
}

bool zm_sha256(unsigned char out[ZM_HASH_OCTETS], zm_str_t text)
{
    return EVP_Digest(text.length > 0 ? text.data : "", text.length, out, NULL, EVP_sha256(),
                      NULL) == 1;
}
