#include "mta/admin/certificates.h"

#include <apr_strings.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/spool_commands.h"
#include "mta/conf/site.h"
#include "platform/fs.h"

#define FILE_LIMIT (1u << 20)
#define SOON_DAYS 14

static const char *default_file(const zm_zenv_t *zenv, const char *what, apr_pool_t *pool)
{
    return apr_pstrcat(pool, zm_zenv_mailvar(zenv), "/db/smtpserver-", what, ".pem", NULL);
}

static const char *openssl_reason(apr_pool_t *pool)
{
    char text[256];
    unsigned long number = ERR_get_error();
    if (number == 0)
        return "unknown error";
    ERR_error_string_n(number, text, sizeof text);
    return apr_pstrdup(pool, text);
}

/* -- making ------------------------------------------------------------------------------- */

static bool add_extension(X509 *certificate, int kind, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool done;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *host, const char *names, int days)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    unsigned char number[16];
    BIGNUM *serial = NULL;
    bool done = RAND_bytes(number, sizeof number) == 1;
    number[0] &= 0x7f;
    serial = BN_bin2bn(number, sizeof number, NULL);
    done = done && serial != NULL &&
           BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != NULL;
    BN_free(serial);
    return done && X509_set_version(certificate, 2) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, NULL) != NULL &&
           X509_set_pubkey(certificate, key) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)host,
                                      strlen(host) <= 64 ? -1 : 64, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1 &&
           add_extension(certificate, NID_subject_alt_name, names) &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth,clientAuth") &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

/* A file of our own only; nobody's is overwritten. */
static apr_status_t write_file(const char *path, uint32_t mode, BIO *text, apr_pool_t *pool,
                               zm_error_t *error)
{
    char *data;
    long length = BIO_get_mem_data(text, &data);
    zm_file_t *file;
    apr_status_t closed,
        status = zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE,
                              mode, pool);
    if (APR_STATUS_IS_EEXIST(status))
        return zm_error_set(error, status, "%s is there already; rename or remove it first", path);
    if (status == APR_SUCCESS) {
        status = zm_file_write_at(file, 0, data, (apr_size_t)length);
        if (status == APR_SUCCESS)
            status = zm_file_sync(file);
        closed = zm_file_close(file);
        if (status == APR_SUCCESS)
            status = closed;
    }
    return status == APR_SUCCESS ? status : zm_error_system(error, status, "cannot write %s", path);
}

static apr_status_t write_both(const zm_zenv_t *zenv, X509 *certificate, EVP_PKEY *key,
                               const char **path, apr_pool_t *pool, zm_error_t *error)
{
    const char *key_path = default_file(zenv, "key", pool);
    BIO *text = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());
    zm_file_info_t info;
    apr_status_t status = APR_SUCCESS;
    *path = default_file(zenv, "cert", pool);
    if (text == NULL || secret == NULL || PEM_write_bio_X509(text, certificate) != 1 ||
        PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) != 1)
        status = zm_error_set(error, APR_EGENERAL, "cannot write PEM: %s", openssl_reason(pool));
    if (status == APR_SUCCESS && zm_path_info(&info, NULL, *path) == APR_SUCCESS)
        status = zm_error_set(error, APR_EEXIST, "%s is there already; rename or remove it first",
                              *path);
    if (status == APR_SUCCESS)
        status = write_file(key_path, 0400, secret, pool, error);
    if (status == APR_SUCCESS &&
        (status = write_file(*path, 0644, text, pool, error)) != APR_SUCCESS)
        (void)zm_file_unlink(NULL, key_path);
    BIO_free(text);
    BIO_free(secret);
    return status;
}

static bool is_name(const char *name)
{
    for (; *name != '\0'; name++)
        if (!zm_is_alpha((unsigned char)*name) && !zm_is_digit((unsigned char)*name) &&
            strchr(".-*", *name) == NULL)
            return false;
    return true;
}

apr_status_t certificates_make(const zm_zenv_t *zenv, const char *const *names, int count, int days,
                               const char **certificate, apr_pool_t *pool, zm_error_t *error)
{
    const char *host = zm_site_hostname(zenv, pool), *all = apr_pstrcat(pool, "DNS:", host, NULL);
    EVP_PKEY *key;
    X509 *made;
    apr_status_t status;
    int i;
    for (i = -1; i < count; i++) {
        const char *name = i < 0 ? host : names[i];
        if (*name == '\0' || !is_name(name))
            return zm_error_set(error, ZM_E_SYNTAX, "\"%s\": expected a host name in ASCII", name);
        if (i >= 0)
            all = apr_pstrcat(pool, all, ",DNS:", name, NULL);
    }
    key = EVP_EC_gen("P-256");
    made = X509_new();
    if (key == NULL || made == NULL || !fill(made, key, host, all, days))
        status = zm_error_set(error, APR_EGENERAL, "cannot make a certificate: %s",
                              openssl_reason(pool));
    else
        status = write_both(zenv, made, key, certificate, pool, error);
    X509_free(made);
    EVP_PKEY_free(key);
    return status;
}

/* -- checking -------------------------------------------------------------------------------- */

typedef struct checking_t {
    const zm_zenv_t *zenv;
    bool json;
    int told, wrong;
    apr_pool_t *pool;
} checking_t;

static void tell(checking_t *checking, const char *path, bool good, const char *detail)
{
    checking->wrong += !good;
    if (checking->json) {
        printf("%s{\"file\":", checking->told++ > 0 ? ",\n " : "");
        spool_json_string(path);
        printf(",\"good\":%s", good ? "true" : "false");
        spool_json_text("detail", detail);
        printf("}");
        return;
    }
    checking->told++;
    printf("%-8s %s: ", good ? "ok" : "WRONG", path);
    spool_print_shown(detail);
    printf("\n");
}

static BIO *read_file(checking_t *checking, const char *path)
{
    apr_size_t length;
    char *data, reason[200];
    zm_file_t *file;
    apr_status_t status =
        zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, checking->pool);
    if (status == APR_SUCCESS) {
        status = zm_file_slurp_file(&data, &length, file, FILE_LIMIT, checking->pool);
        zm_file_close(file);
    }
    if (status == APR_SUCCESS)
        return BIO_new_mem_buf(data, (int)length);
    tell(checking, path, false,
         apr_psprintf(checking->pool, "cannot be read: %s",
                      zm_status_text(status, reason, sizeof reason)));
    return NULL;
}

static void check_key(checking_t *checking, const char *path, X509 *certificate)
{
    BIO *text = read_file(checking, path);
    EVP_PKEY *key;
    zm_file_info_t info;
    char none[] = "";
    if (text == NULL)
        return;
    key =
        PEM_read_bio_PrivateKey(text, NULL, NULL, none); /* who asks for a pass phrase gets none */
    if (key == NULL)
        tell(checking, path, false, "has no key that can be read without a pass phrase");
    else if (X509_check_private_key(certificate, key) != 1)
        tell(checking, path, false, "is the key of another certificate");
    else if (zm_path_info(&info, NULL, path) == APR_SUCCESS && info.kind == ZM_FILE_REGULAR &&
             (info.mode & 077) != 0)
        tell(checking, path, false, "others may read or write it; chmod 400");
    else
        tell(checking, path, true, "the key of the certificate");
    EVP_PKEY_free(key);
    BIO_free(text);
}

/* What is not as it should be; null: nothing. */
static const char *fault_of(checking_t *checking, X509 *certificate)
{
    const char *host = zm_site_hostname(checking->zenv, checking->pool);
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        return "is not valid yet";
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        return "is not valid any more";
    if (X509_check_host(certificate, host, strlen(host), 0, NULL) != 1)
        return apr_psprintf(checking->pool, "is not for %s", host);
    return NULL;
}

static void check_certificate(checking_t *checking, const char *path, const char *key_path)
{
    BIO *text = read_file(checking, path);
    X509 *certificate;
    const char *fault;
    int days = 0, seconds = 0;
    if (text == NULL)
        return;
    certificate = PEM_read_bio_X509(text, NULL, NULL, NULL);
    BIO_free(text);
    if (certificate == NULL) {
        tell(checking, path, false, "has no certificate in PEM form");
        return;
    }
    fault = fault_of(checking, certificate);
    (void)ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate));
    if (fault == NULL && days < SOON_DAYS)
        fault = apr_psprintf(checking->pool, "is valid for %d days only", days);
    tell(checking, path, fault == NULL,
         fault != NULL ? fault
                       : apr_psprintf(checking->pool, "valid for %d days%s", days,
                                      X509_self_signed(certificate, 0) == 1
                                          ? ", signed by itself: only who knows it will trust it"
                                          : ""));
    check_key(checking, key_path, certificate);
    X509_free(certificate);
}

/* The value of a PARAM line, variables put in; null: it is none of that name. */
static const char *parameter(const checking_t *checking, zm_str_t line, const char *name)
{
    zm_str_t word, value;
    if (!zm_str_word(&line, &word) || !zm_str_equal_nocase(word, ZM_S("PARAM")) ||
        !zm_str_word(&line, &word) || !zm_str_equal_nocase(word, zm_str(name)) ||
        !zm_str_word(&line, &value))
        return NULL;
    return zm_str_c(checking->pool,
                    zm_zenv_expand(checking->zenv, value, ZM_EXPAND_BRACES | ZM_EXPAND_NAMES, NULL,
                                   NULL, checking->pool));
}

/* Each certificate that a configuration names.  A key stands in its own file, or beside it. */
static int check_config(checking_t *checking, const char *path)
{
    static const char *const names[][2] = {{"tls-cert-file", "tls-key-file"},
                                           {"tls-dcert-file", "tls-dkey-file"}};
    const char *certificate, *key[2] = {NULL, NULL};
    apr_size_t length;
    char *data;
    int i, pass, found = 0;
    if (zm_file_slurp(&data, &length, path, FILE_LIMIT, checking->pool) != APR_SUCCESS)
        return 0;
    for (pass = 0; pass < 2; pass++) {
        zm_str_t rest = zm_str_of(data, length), line;
        bool more = true;
        while (more) {
            more = zm_str_cut(rest, '\n', &line, &rest);
            for (i = 0; i < 2; i++)
                if (pass == 0 && (certificate = parameter(checking, line, names[i][1])) != NULL)
                    key[i] = certificate;
                else if (pass == 1 &&
                         (certificate = parameter(checking, line, names[i][0])) != NULL) {
                    check_certificate(checking, certificate, key[i] != NULL ? key[i] : certificate);
                    found++;
                }
        }
    }
    return found;
}

int certificates_check(const zm_zenv_t *zenv, bool json, apr_pool_t *pool)
{
    checking_t checking = {.zenv = zenv, .json = json, .pool = pool};
    const char *path = apr_pstrcat(pool, zm_zenv_mailshare(zenv), "/smtpserver.conf", NULL);
    const char *usual = default_file(zenv, "cert", pool), *name;
    zm_file_info_t info;
    zm_dir_t *directory;
    int found = 0;
    if (json)
        printf("{\"certificates\":[");
    if (zm_dir_open(&directory, NULL, apr_pstrcat(pool, path, "/.", NULL), pool) == APR_SUCCESS) {
        while (zm_dir_next(directory, &name, NULL) == APR_SUCCESS)
            if (name[0] != '.')
                found += check_config(&checking, apr_pstrcat(pool, path, "/", name, NULL));
        zm_dir_close(directory);
    } else {
        found = check_config(&checking, path);
    }
    if (found == 0 && zm_path_info(&info, NULL, usual) == APR_SUCCESS)
        check_certificate(&checking, usual, default_file(zenv, "key", pool));
    if (checking.told == 0)
        tell(&checking, path, false, "names no certificate; \"zmailer tls-init\" makes one");
    if (json)
        printf("],\"wrong\":%d}\n", checking.wrong);
    return checking.wrong;
}
