#include "tests/unit/mta/net/certificate.h"

#include <apr_strings.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/unit/harness.h"

const char *zm_test_certificate(const char *file, const char *common_name, const char *names)
{
    return zm_test_certificate_of(EVP_EC_gen("P-256"), file, common_name, names);
}

const char *zm_test_certificate_of(EVP_PKEY *key, const char *file, const char *common_name,
                                   const char *names)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", file, NULL);
    X509 *certificate = X509_new();
    X509_EXTENSION *extension;
    BIO *out = BIO_new_file(path, "w");
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    X509_add_ext(certificate, extension, -1);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    PEM_write_bio_X509(out, certificate);
    PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    BIO_free(out);
    X509_EXTENSION_free(extension);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return path;
}
