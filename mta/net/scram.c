/* Keys, proofs and signatures.  The names are those of RFC 5802, 3. */
#include "mta/net/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "mta/net/base64.h"

#define NONCE 18 /* octets */

void zm_buf_free_secret(zm_buf_t *buffer)
{
    if (buffer->data != NULL)
        OPENSSL_cleanse(buffer->data, buffer->capacity);
    zm_buf_free(buffer);
}

apr_status_t zm_scram_nonce(zm_buf_t *nonce)
{
    unsigned char bytes[NONCE];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return ZM_E_CONFIG;
    zm_sasl_encode(nonce, bytes, sizeof bytes);
    return APR_SUCCESS;
}

bool zm_scram_attribute(zm_str_t *rest, char name, zm_str_t *value)
{
    if (rest->length < 2 || rest->data[0] != name || rest->data[1] != '=')
        return false;
    if (!zm_str_cut(zm_str_from(*rest, 2), ',', value, rest))
        *rest = ZM_S("");
    return true;
}

void zm_scram_hmac(const unsigned char *key, apr_size_t length, zm_str_t text,
                   unsigned char digest[ZM_SCRAM_KEY])
{
    unsigned size = ZM_SCRAM_KEY;
    (void)HMAC(EVP_sha256(), key, (int)length, (const unsigned char *)text.data, text.length,
               digest, &size);
}

static void hash(const unsigned char *bytes, apr_size_t length, unsigned char digest[ZM_SCRAM_KEY])
{
    (void)EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL);
}

apr_status_t zm_scram_keys_make(zm_scram_keys_t *keys, zm_str_t password)
{
    unsigned char salted[ZM_SCRAM_KEY], client[ZM_SCRAM_KEY];
    if (PKCS5_PBKDF2_HMAC(password.length > 0 ? password.data : "", (int)password.length,
                          keys->salt, (int)keys->salt_length, keys->iterations, EVP_sha256(),
                          sizeof salted, salted) != 1)
        return ZM_E_CONFIG;
    zm_scram_hmac(salted, sizeof salted, ZM_S("Client Key"), client);
    zm_scram_hmac(salted, sizeof salted, ZM_S("Server Key"), keys->server);
    hash(client, sizeof client, keys->stored);
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client, sizeof client);
    return APR_SUCCESS;
}

bool zm_scram_keys_match(const zm_scram_keys_t *keys, zm_str_t password)
{
    zm_scram_keys_t made = *keys;
    bool match = zm_scram_keys_make(&made, password) == APR_SUCCESS &&
                 CRYPTO_memcmp(made.stored, keys->stored, sizeof made.stored) == 0;
    OPENSSL_cleanse(&made, sizeof made);
    return match;
}

bool zm_scram_keys_prove(const zm_scram_keys_t *keys, zm_str_t auth_message,
                         const unsigned char proof[ZM_SCRAM_KEY],
                         unsigned char signature[ZM_SCRAM_KEY])
{
    unsigned char client[ZM_SCRAM_KEY], made[ZM_SCRAM_KEY];
    int i;
    zm_scram_hmac(keys->stored, sizeof keys->stored, auth_message, client);
    for (i = 0; i < ZM_SCRAM_KEY; i++)
        client[i] ^= proof[i];
    hash(client, sizeof client, made);
    OPENSSL_cleanse(client, sizeof client);
    if (CRYPTO_memcmp(made, keys->stored, sizeof made) != 0)
        return false;
    zm_scram_hmac(keys->server, sizeof keys->server, auth_message, signature);
    return true;
}
