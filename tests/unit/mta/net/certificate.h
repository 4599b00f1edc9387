/**
 * Fresh certificates for tests of TLS.
 */
#ifndef ZM_TESTS_UNIT_MTA_NET_CERTIFICATE_H
#define ZM_TESTS_UNIT_MTA_NET_CERTIFICATE_H

#include <openssl/evp.h>

/**
 * Makes a self-signed certificate, valid for an hour either way, and its key in one PEM file of the
 * test's directory; gives its path.  names: as OpenSSL writes them, "DNS:mail.test,IP:127.0.0.1".
 */
const char *zm_test_certificate(const char *file, const char *common_name, const char *names);
/** The same with this key, which is freed here. */
const char *zm_test_certificate_of(EVP_PKEY *key, const char *file, const char *common_name,
                                   const char *names);

#endif
