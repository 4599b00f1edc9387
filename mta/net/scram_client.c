/* The client's part of an exchange. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "mta/net/base64.h"
#include "mta/net/scram.h"

static void add_name(zm_buf_t *message, zm_str_t user)
{
    apr_size_t i;
    for (i = 0; i < user.length; i++) {
        if (user.data[i] == ',')
            zm_buf_add_c(message, "=2C");
        else if (user.data[i] == '=')
            zm_buf_add_c(message, "=3D");
        else
            zm_buf_add_byte(message, user.data[i]);
    }
}

static const char *header_of(const zm_scram_client_t *client)
{
    return client->binding.length > 0 ? "p=" ZM_SCRAM_BINDING ",," : "n,,";
}

void zm_scram_client_first(zm_scram_client_t *client, zm_str_t user, zm_str_t nonce,
                           zm_buf_t *message)
{
    zm_buf_clear(&client->bare);
    zm_buf_add_c(&client->bare, "n=");
    add_name(&client->bare, user);
    zm_buf_add_c(&client->bare, ",r=");
    zm_buf_add_str(&client->bare, nonce);
    zm_buf_add_c(message, header_of(client));
    zm_buf_add_str(message, zm_buf_str(&client->bare));
}

/* "c=HEADER,r=NONCE" */
static void add_without_proof(const zm_scram_client_t *client, zm_str_t nonce, zm_buf_t *message)
{
    zm_buf_t channel = ZM_BUF_INIT;
    zm_buf_add_c(&channel, header_of(client));
    zm_buf_add_str(&channel, client->binding);
    zm_buf_add_c(message, "c=");
    zm_sasl_encode(message, channel.data, channel.length);
    zm_buf_add_c(message, ",r=");
    zm_buf_add_str(message, nonce);
    zm_buf_free(&channel);
}

/* Our nonce must be what the server's begins with. */
static bool is_our_nonce(const zm_scram_client_t *client, zm_str_t nonce)
{
    zm_str_t rest = zm_buf_str(&client->bare), name, ours;
    return zm_scram_attribute(&rest, 'n', &name) && zm_scram_attribute(&rest, 'r', &ours) &&
           nonce.length > ours.length && zm_str_starts(nonce, ours);
}

/* "r=NONCE,s=SALT,i=ITERATIONS" */
static apr_status_t read_challenge(const zm_scram_client_t *client, zm_str_t challenge,
                                   zm_str_t *nonce, zm_scram_keys_t *keys)
{
    zm_str_t rest = challenge, encoded, count;
    zm_buf_t salt = ZM_BUF_INIT;
    uint64_t iterations;
    apr_status_t status = ZM_E_SYNTAX;
    if (!zm_scram_attribute(&rest, 'r', nonce) || !zm_scram_attribute(&rest, 's', &encoded) ||
        !zm_scram_attribute(&rest, 'i', &count) || !is_our_nonce(client, *nonce) ||
        zm_str_u64(count, &iterations) != APR_SUCCESS)
        return ZM_E_SYNTAX;
    if (iterations < ZM_SCRAM_LEAST_ITERATIONS || iterations > ZM_SCRAM_MOST_ITERATIONS)
        return ZM_E_UNSAFE;
    if (zm_sasl_decode(&salt, encoded) == APR_SUCCESS && salt.length > 0 &&
        salt.length <= sizeof keys->salt) {
        memcpy(keys->salt, salt.data, salt.length);
        keys->salt_length = salt.length;
        keys->iterations = (int)iterations;
        status = APR_SUCCESS;
    }
    zm_buf_free(&salt);
    return status;
}

/* The proof of one who has the password: ClientKey XOR HMAC(StoredKey, AuthMessage). */
static apr_status_t prove(zm_scram_client_t *client, const zm_scram_keys_t *keys, zm_str_t password,
                          unsigned char proof[ZM_SCRAM_KEY])
{
    unsigned char salted[ZM_SCRAM_KEY], key[ZM_SCRAM_KEY], stored[ZM_SCRAM_KEY];
    zm_str_t about = zm_buf_str(&client->auth_message);
    int i;
    if (PKCS5_PBKDF2_HMAC(password.length > 0 ? password.data : "", (int)password.length,
                          keys->salt, (int)keys->salt_length, keys->iterations, EVP_sha256(),
                          sizeof salted, salted) != 1)
        return ZM_E_CONFIG;
    zm_scram_hmac(salted, sizeof salted, ZM_S("Client Key"), key);
    (void)EVP_Digest(key, sizeof key, stored, NULL, EVP_sha256(), NULL);
    zm_scram_hmac(stored, sizeof stored, about, proof);
    for (i = 0; i < ZM_SCRAM_KEY; i++)
        proof[i] ^= key[i];
    zm_scram_hmac(salted, sizeof salted, ZM_S("Server Key"), key);
    zm_scram_hmac(key, sizeof key, about, client->signature);
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(stored, sizeof stored);
    return APR_SUCCESS;
}

apr_status_t zm_scram_client_answer(zm_scram_client_t *client, zm_str_t challenge,
                                    zm_str_t password, zm_buf_t *message)
{
    zm_scram_keys_t keys = {.salt_length = 0};
    unsigned char proof[ZM_SCRAM_KEY];
    zm_buf_t *about = &client->auth_message;
    zm_str_t nonce;
    apr_status_t status = read_challenge(client, challenge, &nonce, &keys);
    if (status != APR_SUCCESS)
        return status;
    zm_buf_clear(about);
    zm_buf_add_str(about, zm_buf_str(&client->bare));
    zm_buf_add_byte(about, ',');
    zm_buf_add_str(about, challenge);
    zm_buf_add_byte(about, ',');
    add_without_proof(client, nonce, about);
    status = prove(client, &keys, password, proof);
    if (status != APR_SUCCESS)
        return status;
    add_without_proof(client, nonce, message);
    zm_buf_add_c(message, ",p=");
    zm_sasl_encode(message, proof, sizeof proof);
    return APR_SUCCESS;
}

bool zm_scram_client_trusts(const zm_scram_client_t *client, zm_str_t message)
{
    zm_str_t rest = message, encoded;
    zm_buf_t given = ZM_BUF_INIT;
    bool good = client->auth_message.length > 0 && zm_scram_attribute(&rest, 'v', &encoded) &&
                zm_sasl_decode(&given, encoded) == APR_SUCCESS && given.length == ZM_SCRAM_KEY &&
                CRYPTO_memcmp(given.data, client->signature, ZM_SCRAM_KEY) == 0;
    zm_buf_free(&given);
    return good;
}

void zm_scram_client_end(zm_scram_client_t *client)
{
    zm_buf_free(&client->bare);
    zm_buf_free(&client->auth_message);
    OPENSSL_cleanse(client->signature, sizeof client->signature);
}
