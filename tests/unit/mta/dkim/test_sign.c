/* What we sign, we find good; and who is signed for. */
#include <apr_file_io.h>
#include <apr_strings.h>

#include "mta/dkim/sign.h"
#include "tests/unit/mta/dkim/mail.h"

#define NOW RFC8463_NOW

static const char *path(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static void write_file(const char *name, const char *text)
{
    apr_file_t *file;
    ZM_ASSERT_OK(apr_file_open(&file, path(name), APR_WRITE | APR_CREATE | APR_TRUNCATE,
                               APR_UREAD | APR_UWRITE, zm_test_pool()));
    ZM_ASSERT_OK(apr_file_write_full(file, text, strlen(text), NULL));
    ZM_ASSERT_OK(apr_file_close(file));
}

/* A signer with a key of its own, which has been written and read. */
static zm_signer_t *signer_of(const char *domain, int bits)
{
    zm_private_key_t *key;
    zm_signers_t *signers;
    zm_signer_t *signer;
    zm_error_t error;
    ZM_ASSERT_OK(zm_private_key_make(&key, bits, zm_test_pool(), &error));
    ZM_ASSERT_OK(zm_private_key_write(key, path(domain), zm_test_pool(), &error));
    write_file("signers",
               apr_psprintf(zm_test_pool(), "# who\n\n%s sel %s\n", domain, path(domain)));
    ZM_ASSERT_OK(zm_signers_load(&signers, path("signers"), zm_test_pool(), &error));
    signer = zm_signers_find(signers, zm_str(domain));
    CU_ASSERT_PTR_NOT_NULL_FATAL(signer);
    ZM_ASSERT_OK(zm_signer_open(signers, signer, &error));
    CU_ASSERT_TRUE(zm_private_key_matches(
        key, zm_str(zm_private_key_record(signer->key, zm_test_pool())), zm_test_pool()));
    return signer;
}

/* A long record has several strings. */
static fake_record_t record_of(const zm_signer_t *signer)
{
    const char *text = zm_private_key_record(signer->key, zm_test_pool());
    const char *name = apr_pstrcat(zm_test_pool(), "sel._domainkey.",
                                   zm_str_c(zm_test_pool(), signer->domain), NULL);
    fake_record_t record = {name, ZM_DNS_TXT, 60, text};
    if (strlen(text) > 200)
        record.data = apr_pstrcat(zm_test_pool(), apr_pstrmemdup(zm_test_pool(), text, 200), "|",
                                  text + 200, NULL);
    return record;
}

/* The message with a field, or several, of this signer before it. */
static const char *signed_by(const zm_signer_t *signer, const char *text, const char *results)
{
    zm_sign_request_t request = {.signer = signer, .now = NOW};
    zm_dkim_header_t header;
    zm_body_hash_t hash;
    zm_buf_t out = ZM_BUF_INIT;
    const char *body = strstr(text, "\n\n") + 2, *result;
    zm_dkim_header_read(&header, zm_str(text), zm_test_pool());
    request.header = &header;
    CU_ASSERT_TRUE(zm_body_hash_init(&hash, true, -1, zm_test_pool()));
    zm_body_hash_put(&hash, body, strlen(body));
    CU_ASSERT_TRUE(zm_body_hash_end(&hash, request.body_hash));
    if (results == NULL)
        CU_ASSERT_TRUE(zm_dkim_sign(&out, &request, zm_test_pool()));
    if (results != NULL)
        CU_ASSERT_TRUE(zm_arc_seal(&out, &request, zm_str(results), zm_test_pool()));
    zm_buf_add_c(&out, text);
    result = zm_str_c(zm_test_pool(), zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

static void check_signing(int bits)
{
    zm_signer_t *signer = signer_of("signer.test", bits);
    fake_record_t records[] = {record_of(signer), {NULL, ZM_DNS_A, 0, NULL}};
    const char *text = signed_by(signer, rfc8463_message, NULL), *line, *end;
    ZM_ASSERT_STR(words(verify(text, records)), "pass");
    for (line = text; (end = strchr(line, '\n')) != NULL; line = end + 1)
        CU_ASSERT_TRUE(end - line <= 100);
    text = apr_pstrcat(zm_test_pool(), "Subject: another\n", text, NULL);
    ZM_ASSERT_STR(words(verify(text, records)), "fail");
}

static void what_is_signed_is_good(void)
{
    check_signing(0);
}

static void what_is_signed_by_rsa_is_good(void)
{
    check_signing(2048);
}

static void chains_grow_and_stay_good(void)
{
    zm_signer_t *first = signer_of("first.test", 0), *second = signer_of("second.test", 0);
    fake_record_t records[] = {record_of(first), record_of(second), {NULL, ZM_DNS_A, 0, NULL}};
    const char *once, *twice;
    const zm_verified_t *verified;
    once = signed_by(first, rfc8463_message, "first.test; spf=none; arc=none");
    verified = verify(once, records);
    ZM_ASSERT_STR(zm_auth_name(verified->arc), "pass");
    CU_ASSERT_EQUAL(verified->arc_sets, 1);
    twice = signed_by(second, once, "second.test; arc=pass (i=1); dkim=none");
    verified = verify(twice, records);
    ZM_ASSERT_STR(zm_auth_name(verified->arc), "pass");
    CU_ASSERT_EQUAL(verified->arc_sets, 2);
    CU_ASSERT_TRUE(zm_str_equal(verified->arc_sealer, ZM_S("second.test")));
    /* a chain that is called broken, or that nobody looked at, does not grow */
    ZM_ASSERT_STR(signed_by(second, once, "second.test; arc=fail"), once);
    ZM_ASSERT_STR(signed_by(second, once, "second.test; arc=none"), once);
    ZM_ASSERT_STR(signed_by(second, rfc8463_message, "second.test; arc=pass"), rfc8463_message);
}

static const char *without_line(const char *text, const char *start)
{
    const char *from = strstr(text, start), *to = from;
    do
        to = strchr(to, '\n') + 1;
    while (*to == '\t' || *to == ' ');
    return apr_pstrcat(zm_test_pool(),
                       apr_pstrmemdup(zm_test_pool(), text, (apr_size_t)(from - text)), to, NULL);
}

static const char *arc_of(const char *text, const fake_record_t *records)
{
    return zm_auth_name(verify(text, records)->arc);
}

static void broken_chains_are_noticed(void)
{
    zm_signer_t *first = signer_of("first.test", 0), *second = signer_of("second.test", 0);
    fake_record_t records[] = {record_of(first), record_of(second), {NULL, ZM_DNS_A, 0, NULL}};
    fake_record_t half[] = {record_of(second), {NULL, ZM_DNS_A, 0, NULL}};
    const char *text = signed_by(first, rfc8463_message, "first.test; spf=none; arc=none"),
               *changed;
    text = signed_by(second, text, "second.test; arc=pass (i=1); dkim=none");
    ZM_ASSERT_STR(arc_of(without_line(text, "ARC-Seal: i=1"), records), "fail");
    ZM_ASSERT_STR(arc_of(without_line(text, "ARC-Message-Signature: i=2"), records), "fail");
    ZM_ASSERT_STR(arc_of(without_line(text, "ARC-Authentication-Results: i=1"), records), "fail");
    ZM_ASSERT_STR(arc_of(apr_pstrcat(zm_test_pool(), text, "more\n", NULL), records), "fail");
    ZM_ASSERT_STR(arc_of(text, half), "fail");
    changed = apr_pstrdup(zm_test_pool(), text);
    memcpy(strstr(changed, "spf=none"), "spf=pass", 8);
    ZM_ASSERT_STR(arc_of(changed, records), "fail");
    ZM_ASSERT_STR(arc_of("ARC-Seal: i=0\n\n", records), "fail");
    ZM_ASSERT_STR(arc_of("ARC-Seal: i=51; b=aaaa; d=a.test; s=a\n\n", records), "fail");
    ZM_ASSERT_STR(arc_of("ARC-Authentication-Results: i=1; x\n\n", records), "fail");
}

static void the_closest_line_signs(void)
{
    zm_signers_t *signers;
    zm_error_t error;
    write_file("signers", "a.test one k1\n.a.test two k2\n.b.a.test three k3\n");
    ZM_ASSERT_OK(zm_signers_load(&signers, path("signers"), zm_test_pool(), &error));
    ZM_ASSERT_STR(zm_signers_find(signers, ZM_S("A.test"))->file, "k1");
    ZM_ASSERT_STR(zm_signers_find(signers, ZM_S("x.a.test"))->file, "k2");
    ZM_ASSERT_STR(zm_signers_find(signers, ZM_S("x.b.a.test"))->file, "k3");
    CU_ASSERT_PTR_NULL(zm_signers_find(signers, ZM_S("xa.test")));
    write_file("signers", "a.test one\n");
    CU_ASSERT_EQUAL(zm_signers_load(&signers, path("signers"), zm_test_pool(), &error),
                    ZM_E_CONFIG);
    write_file("signers", "# nothing\n");
    CU_ASSERT_EQUAL(zm_signers_load(&signers, path("signers"), zm_test_pool(), &error),
                    ZM_E_CONFIG);
}

static void keys_that_cannot_be_used_are_told(void)
{
    zm_private_key_t *key;
    zm_error_t error;
    apr_pool_t *pool = zm_test_pool();
    write_file("nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n");
    CU_ASSERT_EQUAL(zm_private_key_load(&key, path("nonsense"), pool, &error), ZM_E_SYNTAX);
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_private_key_load(&key, path("none"), pool, &error)));
    ZM_ASSERT_OK(zm_private_key_make(&key, 0, pool, &error));
    ZM_ASSERT_OK(zm_private_key_write(key, path("key"), pool, &error));
    CU_ASSERT_NOT_EQUAL(zm_private_key_write(key, path("key"), pool, &error), APR_SUCCESS);
    if (zm_test_on_windows())
        return;
    ZM_ASSERT_OK(apr_file_perms_set(path("key"), APR_UREAD | APR_WREAD));
    CU_ASSERT_EQUAL(zm_private_key_load(&key, path("key"), pool, &error), ZM_E_UNSAFE);
}

static void own_signatures_are_known(void)
{
    zm_dkim_header_t header;
    zm_dkim_header_read(&header, zm_str(rfc8463_ed25519), zm_test_pool());
    CU_ASSERT_TRUE(zm_dkim_is_signed(&header, ZM_S("Football.example.com")));
    CU_ASSERT_FALSE(zm_dkim_is_signed(&header, ZM_S("example.com")));
}

ZM_TESTS("dkim_sign", ZM_TEST(what_is_signed_is_good), ZM_TEST(what_is_signed_by_rsa_is_good),
         ZM_TEST(chains_grow_and_stay_good), ZM_TEST(broken_chains_are_noticed),
         ZM_TEST(the_closest_line_signs), ZM_TEST(keys_that_cannot_be_used_are_told),
         ZM_TEST(own_signatures_are_known))
