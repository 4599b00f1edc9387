#include "mta/dkim/key.h"

#include <apr_strings.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "mta/dkim/tags.h"
#include "platform/fs.h"

#define ED25519_OCTETS 32
#define KEY_FILE_LIMIT 65536

/* -- signatures -------------------------------------------------------------------------- */

static void decide(zm_signature_t *signature, zm_auth_t result, const char *reason)
{
    signature->result = result;
    signature->reason = reason;
}

static bool has_element(zm_str_t list, zm_str_t wanted)
{
    zm_str_t element;
    while (zm_tags_element(&list, ':', &element))
        if (zm_str_equal_nocase(element, wanted))
            return true;
    return false;
}

/* What a record says of its use; false: the result has been set. */
static bool is_for_us(zm_signature_t *signature, const zm_tags_t *tags)
{
    zm_str_t value;
    if (zm_tags_get(tags, "v", &value) &&
        (!zm_str_equal(value, ZM_S("DKIM1")) || !zm_str_equal(tags->names[0], ZM_S("v"))))
        decide(signature, ZM_AUTH_PERMERROR, "no key of a version that we know");
    else if (zm_tags_get(tags, "h", &value) && !has_element(value, ZM_S("sha256")))
        decide(signature, ZM_AUTH_PERMERROR, "the key is for another hash");
    else if (zm_tags_get(tags, "s", &value) && !has_element(value, ZM_S("*")) &&
             !has_element(value, ZM_S("email")))
        decide(signature, ZM_AUTH_PERMERROR, "the key is not for mail");
    else if (zm_tags_get(tags, "t", &value) && has_element(value, ZM_S("s")) &&
             !zm_str_equal_nocase(signature->agent, signature->domain))
        decide(signature, ZM_AUTH_PERMERROR, "the key is not for domains below its own");
    else
        return true;
    return false;
}

static EVP_PKEY *read_rsa(zm_str_t bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)bytes.length);
    if (key == NULL) { /* the form that the RFC's text names, and its examples do not use */
        at = (const unsigned char *)bytes.data;
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)bytes.length);
    }
    if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

static EVP_PKEY *read_public(bool ed25519, zm_str_t bytes)
{
    if (!ed25519)
        return read_rsa(bytes);
    if (bytes.length != ED25519_OCTETS)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)bytes.data,
                                       bytes.length);
}

/* The key of a record that has one of this kind; null: the result has been set. */
static EVP_PKEY *find_key(zm_signature_t *signature, const zm_tags_t *tags, apr_pool_t *pool)
{
    zm_str_t kind = ZM_S("rsa"), value, bytes;
    EVP_PKEY *key;
    if (!zm_tags_get(tags, "k", &kind))
        kind = ZM_S("rsa");
    if (!zm_str_equal(kind, signature->ed25519 ? ZM_S("ed25519") : ZM_S("rsa"))) {
        decide(signature, ZM_AUTH_PERMERROR, "the key is of another kind");
        return NULL;
    }
    if (!zm_tags_get(tags, "p", &value) || value.length == 0) {
        decide(signature, ZM_AUTH_PERMERROR, "the key is revoked");
        return NULL;
    }
    key = zm_base64_read(&bytes, value, pool) ? read_public(signature->ed25519, bytes) : NULL;
    if (key == NULL)
        decide(signature, ZM_AUTH_PERMERROR, "the key cannot be read");
    return key;
}

static bool has_fit_size(zm_signature_t *signature, const EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);
    if (signature->ed25519 || (bits >= ZM_RSA_LEAST && bits <= ZM_RSA_MOST))
        return true;
    decide(signature, ZM_AUTH_POLICY,
           bits < ZM_RSA_LEAST ? "the key is too short" : "the key is too long");
    return false;
}

static bool verify_rsa(EVP_PKEY *key, const zm_signature_t *signature, const unsigned char *digest)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool good = context != NULL && EVP_PKEY_verify_init(context) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
                EVP_PKEY_verify(context, (const unsigned char *)signature->signature.data,
                                signature->signature.length, digest, ZM_HASH_OCTETS) == 1;
    EVP_PKEY_CTX_free(context);
    return good;
}

/* What is signed is the digest itself (RFC 8463, 3). */
static bool verify_ed25519(EVP_PKEY *key, const zm_signature_t *signature,
                           const unsigned char *digest)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(context, (const unsigned char *)signature->signature.data,
                                 signature->signature.length, digest, ZM_HASH_OCTETS) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

void zm_key_check(zm_signature_t *signature, zm_str_t record,
                  const unsigned char digest[ZM_HASH_OCTETS], apr_pool_t *pool)
{
    zm_tags_t tags;
    zm_str_t flags;
    EVP_PKEY *key;
    bool good;
    if (!zm_tags_read(&tags, record)) {
        decide(signature, ZM_AUTH_PERMERROR, "the key's record is malformed");
        return;
    }
    signature->testing = zm_tags_get(&tags, "t", &flags) && has_element(flags, ZM_S("y"));
    if (!is_for_us(signature, &tags) || (key = find_key(signature, &tags, pool)) == NULL)
        return;
    if (has_fit_size(signature, key)) {
        good = signature->ed25519 ? verify_ed25519(key, signature, digest)
                                  : verify_rsa(key, signature, digest);
        decide(signature, good ? ZM_AUTH_PASS : ZM_AUTH_FAIL,
               good ? NULL : "the signature does not fit the header");
    }
    EVP_PKEY_free(key);
    ERR_clear_error();
}

/* -- private keys --------------------------------------------------------------------------- */

struct zm_private_key_t {
    EVP_PKEY *key;
};

static apr_status_t free_key(void *data)
{
    zm_private_key_t *key = data;
    EVP_PKEY_free(key->key);
    return APR_SUCCESS;
}

static zm_private_key_t *keep(EVP_PKEY *key, apr_pool_t *pool)
{
    zm_private_key_t *kept = apr_palloc(pool, sizeof *kept);
    kept->key = key;
    apr_pool_cleanup_register(pool, kept, free_key, apr_pool_cleanup_null);
    return kept;
}

static apr_status_t read_file(zm_str_t *text, const char *name, apr_pool_t *pool, zm_error_t *error)
{
    zm_file_info_t info;
    zm_file_t *file;
    char *data;
    apr_size_t length = KEY_FILE_LIMIT;
    apr_status_t status = zm_file_open(&file, NULL, name, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot open the key %s", name);
    status = zm_file_info(&info, file);
    if (status == APR_SUCCESS && info.kind == ZM_FILE_REGULAR && (info.mode & 0007) != 0)
        status = ZM_E_UNSAFE;
    data = apr_palloc(pool, length);
    if (status == APR_SUCCESS)
        status = zm_file_read_at(file, 0, data, &length);
    (void)zm_file_close(file);
    if (status == ZM_E_UNSAFE)
        return zm_error_set(error, status, "the key %s may be used by everybody: chmod o= it",
                            name);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot read the key %s", name);
    *text = zm_str_of(data, length);
    return APR_SUCCESS;
}

/* No pass phrase: nobody is there to be asked. */
static int no_password(char *buffer, int size, int writing, void *baton)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)baton;
    return -1;
}

apr_status_t zm_private_key_load(zm_private_key_t **result, const char *name, apr_pool_t *pool,
                                 zm_error_t *error)
{
    zm_str_t text = {"", 0};
    BIO *bio;
    EVP_PKEY *key = NULL;
    apr_status_t status = read_file(&text, name, pool, error);
    if (status != APR_SUCCESS)
        return status;
    bio = BIO_new_mem_buf(text.data, (int)text.length);
    if (bio != NULL)
        key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    memset((char *)(uintptr_t)text.data, 0, text.length);
    ERR_clear_error();
    if (key == NULL)
        return zm_error_set(error, ZM_E_SYNTAX, "%s has no private key in PEM form", name);
    *result = keep(key, pool);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519)
        return APR_SUCCESS;
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
        return zm_error_set(error, ZM_E_UNSUPPORTED, "%s is no RSA and no ed25519 key", name);
    if (EVP_PKEY_get_bits(key) < ZM_RSA_LEAST || EVP_PKEY_get_bits(key) > ZM_RSA_MOST)
        return zm_error_set(error, ZM_E_LIMIT, "%s has %d bits: only %d to %d are accepted", name,
                            EVP_PKEY_get_bits(key), ZM_RSA_LEAST, ZM_RSA_MOST);
    return APR_SUCCESS;
}

apr_status_t zm_private_key_make(zm_private_key_t **result, int bits, apr_pool_t *pool,
                                 zm_error_t *error)
{
    EVP_PKEY *key = bits == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                              : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    if (key == NULL)
        return zm_error_set(error, APR_EGENERAL, "the library cannot make a key");
    *result = keep(key, pool);
    return APR_SUCCESS;
}

apr_status_t zm_private_key_write(const zm_private_key_t *key, const char *name, apr_pool_t *pool,
                                  zm_error_t *error)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    long length = 0;
    zm_file_t *file;
    apr_status_t status = APR_ENOMEM;
    if (bio != NULL && PEM_write_bio_PrivateKey(bio, key->key, NULL, NULL, 0, NULL, NULL) == 1)
        length = BIO_get_mem_data(bio, &data);
    if (length > 0)
        status = zm_file_open(&file, NULL, name, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE,
                              0600, pool);
    if (status == APR_SUCCESS) {
        status = zm_file_write_at(file, 0, data, (apr_size_t)length);
        if (status == APR_SUCCESS)
            status = zm_file_sync(file);
        if (zm_file_close(file) != APR_SUCCESS && status == APR_SUCCESS)
            status = APR_EGENERAL;
    }
    BIO_free(bio);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot write the key %s", name);
    return APR_SUCCESS;
}

bool zm_private_key_is_ed25519(const zm_private_key_t *key)
{
    return EVP_PKEY_get_base_id(key->key) == EVP_PKEY_ED25519;
}

int zm_private_key_bits(const zm_private_key_t *key)
{
    return EVP_PKEY_get_bits(key->key);
}

static bool sign_rsa(EVP_PKEY *key, const unsigned char *digest, unsigned char *out, size_t *length)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool good = context != NULL && EVP_PKEY_sign_init(context) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
                EVP_PKEY_sign(context, out, length, digest, ZM_HASH_OCTETS) == 1;
    EVP_PKEY_CTX_free(context);
    return good;
}

static bool sign_ed25519(EVP_PKEY *key, const unsigned char *digest, unsigned char *out,
                         size_t *length)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(context, out, length, digest, ZM_HASH_OCTETS) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

bool zm_private_key_sign(const zm_private_key_t *key, const unsigned char digest[ZM_HASH_OCTETS],
                         zm_buf_t *out)
{
    unsigned char bytes[ZM_RSA_MOST / 8];
    size_t length = sizeof bytes;
    bool good = zm_private_key_is_ed25519(key) ? sign_ed25519(key->key, digest, bytes, &length)
                                               : sign_rsa(key->key, digest, bytes, &length);
    if (good)
        zm_buf_add(out, bytes, length);
    ERR_clear_error();
    return good;
}

/* -- what is published ----------------------------------------------------------------------- */

static zm_str_t public_bytes(const zm_private_key_t *key, apr_pool_t *pool)
{
    unsigned char raw[ED25519_OCTETS], *der = NULL;
    size_t length = sizeof raw;
    zm_str_t bytes = {"", 0};
    int octets;
    if (zm_private_key_is_ed25519(key)) {
        if (EVP_PKEY_get_raw_public_key(key->key, raw, &length) == 1)
            bytes = zm_str_copy(pool, zm_str_of((const char *)raw, length));
        return bytes;
    }
    octets = i2d_PUBKEY(key->key, &der);
    if (octets > 0)
        bytes = zm_str_copy(pool, zm_str_of((const char *)der, (apr_size_t)octets));
    OPENSSL_free(der);
    return bytes;
}

const char *zm_private_key_record(const zm_private_key_t *key, apr_pool_t *pool)
{
    zm_str_t bytes = public_bytes(key, pool);
    char *text = apr_palloc(pool, bytes.length / 3 * 4 + 8);
    (void)EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes.data,
                          (int)bytes.length);
    return apr_pstrcat(pool, "v=DKIM1; k=", zm_private_key_is_ed25519(key) ? "ed25519" : "rsa",
                       "; p=", text, NULL);
}

bool zm_private_key_matches(const zm_private_key_t *key, zm_str_t record, apr_pool_t *pool)
{
    zm_tags_t tags;
    zm_str_t value, bytes, kind;
    EVP_PKEY *published;
    bool equal, ed25519 = zm_private_key_is_ed25519(key);
    if (!zm_tags_read(&tags, record) || !zm_tags_get(&tags, "p", &value) ||
        !zm_base64_read(&bytes, value, pool))
        return false;
    if (zm_tags_get(&tags, "k", &kind)
            ? !zm_str_equal(kind, ed25519 ? ZM_S("ed25519") : ZM_S("rsa"))
            : ed25519)
        return false;
    published = read_public(ed25519, bytes);
    equal = published != NULL && EVP_PKEY_eq(published, key->key) == 1;
    EVP_PKEY_free(published);
    ERR_clear_error();
    return equal;
}
