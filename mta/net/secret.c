#include "mta/net/secret.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "mta/net/base64.h"
#include "platform/password.h"

#define SALT 16 /* octets of a new one */
#define HASH_LIMIT 1024

static const zm_str_t scheme = ZM_STR("SCRAM-SHA-256$");

/* -- secrets -------------------------------------------------------------------------------- */

apr_status_t zm_secret_make(zm_buf_t *secret, zm_str_t password)
{
    zm_scram_keys_t keys = {.salt_length = SALT, .iterations = ZM_SECRET_ITERATIONS};
    apr_status_t status;
    if (RAND_bytes(keys.salt, SALT) != 1)
        return ZM_E_CONFIG;
    status = zm_scram_keys_make(&keys, password);
    if (status != APR_SUCCESS)
        return status;
    zm_buf_add_str(secret, scheme);
    zm_buf_printf(secret, "%d:", keys.iterations);
    zm_sasl_encode(secret, keys.salt, keys.salt_length);
    zm_buf_add_byte(secret, '$');
    zm_sasl_encode(secret, keys.stored, sizeof keys.stored);
    zm_buf_add_byte(secret, ':');
    zm_sasl_encode(secret, keys.server, sizeof keys.server);
    OPENSSL_cleanse(&keys, sizeof keys);
    return APR_SUCCESS;
}

/* Decodes into at most `most` bytes; 0: it does not fit, or is nothing. */
static apr_size_t decode(unsigned char *into, apr_size_t most, zm_str_t text)
{
    zm_buf_t bytes = ZM_BUF_INIT;
    apr_size_t length = 0;
    if (zm_sasl_decode(&bytes, text) == APR_SUCCESS && bytes.length <= most) {
        length = bytes.length;
        if (length > 0)
            memcpy(into, bytes.data, length);
    }
    zm_buf_free_secret(&bytes);
    return length;
}

bool zm_secret_keys(zm_scram_keys_t *keys, zm_str_t secret)
{
    zm_str_t count, salt, stored, server, rest;
    uint64_t iterations;
    if (!zm_str_starts(secret, scheme))
        return false;
    rest = zm_str_from(secret, scheme.length);
    if (!zm_str_cut(rest, ':', &count, &rest) || !zm_str_cut(rest, '$', &salt, &rest) ||
        !zm_str_cut(rest, ':', &stored, &server) || zm_str_u64(count, &iterations) != APR_SUCCESS ||
        iterations < 1 || iterations > ZM_SCRAM_MOST_ITERATIONS)
        return false;
    keys->iterations = (int)iterations;
    keys->salt_length = decode(keys->salt, sizeof keys->salt, salt);
    return keys->salt_length > 0 &&
           decode(keys->stored, sizeof keys->stored, stored) == sizeof keys->stored &&
           decode(keys->server, sizeof keys->server, server) == sizeof keys->server;
}

static bool match_hash(zm_str_t secret, const char *password)
{
    char like[HASH_LIMIT];
    zm_buf_t made = ZM_BUF_INIT;
    bool match;
    if (secret.length == 0 || secret.length >= sizeof like ||
        memchr(secret.data, '\0', secret.length) != NULL || strchr("*!", secret.data[0]) != NULL)
        return false;
    memcpy(like, secret.data, secret.length);
    like[secret.length] = '\0';
    match = zm_password_hash(&made, password, like) == APR_SUCCESS &&
            made.length == secret.length &&
            CRYPTO_memcmp(made.data, secret.data, secret.length) == 0;
    zm_buf_free_secret(&made);
    return match;
}

bool zm_secret_match(zm_str_t secret, zm_str_t password)
{
    char text[ZM_SECRET_PASSWORD + 1];
    zm_scram_keys_t keys;
    bool match;
    if (password.length == 0 || password.length > ZM_SECRET_PASSWORD ||
        memchr(password.data, '\0', password.length) != NULL)
        return false;
    if (zm_str_starts(secret, scheme))
        return zm_secret_keys(&keys, secret) && zm_scram_keys_match(&keys, password);
    memcpy(text, password.data, password.length);
    text[password.length] = '\0';
    match = match_hash(secret, text);
    OPENSSL_cleanse(text, sizeof text);
    return match;
}

/* -- files ---------------------------------------------------------------------------------- */

bool zm_secret_user(zm_str_t user)
{
    apr_size_t i;
    if (user.length == 0 || user.length > ZM_SECRET_USER || strchr("-#", user.data[0]) != NULL)
        return false;
    for (i = 0; i < user.length; i++) {
        unsigned char byte = (unsigned char)user.data[i];
        if (byte < ' ' || byte == 127 || byte == ':')
            return false;
    }
    return true;
}

/* The next line that has a name and a secret. */
static bool next(zm_str_t *rest, zm_str_t *name, zm_str_t *secret)
{
    zm_str_t line;
    while (rest->length > 0) {
        if (!zm_str_cut(*rest, '\n', &line, rest))
            *rest = ZM_S("");
        if (line.length > 0 && line.data[0] != '#' && zm_str_cut(line, ':', name, secret)) {
            *secret = zm_str_trim(*secret);
            return true;
        }
    }
    return false;
}

bool zm_secret_find(zm_str_t file, zm_str_t user, zm_str_t *secret)
{
    zm_str_t name;
    while (next(&file, &name, secret))
        if (zm_str_equal(name, user))
            return true;
    return false;
}

bool zm_secret_any(zm_str_t file, zm_str_t *secret)
{
    zm_str_t name;
    return next(&file, &name, secret);
}
