/* Letters that are signed, as they come out of the agent. */
#include <apr_strings.h>

#include "mta/dkim/sign.h"
#include "tests/unit/ta/smtp/relay_help.h"

#define FROM "From: Ann <ann@signed.test>\nTo: x\n"

static const char *record; /* of the key */

static const char *path_of(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

/* A key, and the file that names it. */
static void begin_with_key(bool key_is_there)
{
    zm_private_key_t *key;
    zm_error_t error;
    apr_file_t *file;
    const char *line = apr_psprintf(zm_test_pool(), "signed.test sel %s\n", path_of("key"));
    begin();
    ZM_ASSERT_OK(zm_private_key_make(&key, 0, zm_test_pool(), &error));
    record = zm_private_key_record(key, zm_test_pool());
    if (key_is_there)
        ZM_ASSERT_OK(zm_private_key_write(key, path_of("key"), zm_test_pool(), &error));
    ZM_ASSERT_OK(apr_file_open(&file, path_of("signers"), APR_WRITE | APR_CREATE,
                               APR_UREAD | APR_UWRITE, zm_test_pool()));
    ZM_ASSERT_OK(apr_file_write_full(file, line, strlen(line), NULL));
    ZM_ASSERT_OK(apr_file_close(file));
    options.dkim_file = path_of("signers");
}

/* The letter as it was on the wire, with LF line ends and without doubled dots. */
static zm_str_t received(void)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t rest = zm_buf_str(&server.letter), line, copy;
    while (zm_str_cut(rest, '\n', &line, &rest)) {
        line.length -= line.length > 0 && line.data[line.length - 1] == '\r';
        if (zm_str_starts(line, ZM_S("..")))
            line = zm_str_from(line, 1);
        zm_buf_add_str(&text, line);
        zm_buf_add_byte(&text, '\n');
    }
    copy = zm_str_copy(zm_test_pool(), zm_buf_str(&text));
    zm_buf_free(&text);
    return copy;
}

/* What the signature of the letter at the server is worth. */
static const char *worth(void)
{
    zm_str_t text = received();
    const char *body = strstr(text.data, "\n\n");
    unsigned char digest[ZM_HASH_OCTETS];
    zm_dkim_header_t header;
    zm_signature_t signature;
    zm_body_hash_t hash;
    int at;
    CU_ASSERT_PTR_NOT_NULL_FATAL(body);
    zm_dkim_header_read(&header, text, zm_test_pool());
    at = zm_dkim_header_find(&header, ZM_S("DKIM-Signature"), 0);
    if (at < 0)
        return "none";
    zm_signature_read(&signature, ZM_SIGNATURE_DKIM, header.fields[at].text, INT64_C(4000000000),
                      zm_test_pool());
    CU_ASSERT_TRUE(zm_body_hash_init(&hash, true, -1, zm_test_pool()));
    zm_body_hash_put(&hash, body + 2, text.length - (apr_size_t)(body + 2 - text.data));
    CU_ASSERT_TRUE(zm_body_hash_end(&hash, digest));
    if (memcmp(digest, signature.body_hash, sizeof digest) != 0)
        return "another body";
    CU_ASSERT_TRUE(zm_signature_digest(digest, &signature, &header, zm_test_pool()));
    zm_key_check(&signature, zm_str(record), digest, zm_test_pool());
    return zm_auth_name(signature.result);
}

static void letters_are_signed_as_they_go(void)
{
    begin_with_key(true);
    send_letter((zm_fixture_letter_t){.header = FROM,
                                      .body = ".\na\rb \n\n..\nlast\n\n\n",
                                      .recipients = {{"smtp", "", "bob@x", 0, NULL}}});
    run();
    CU_ASSERT_EQUAL(server.letters, 1);
    ZM_ASSERT_STR(worth(), "pass");
}

static void letters_in_chunks_are_signed_too(void)
{
    begin_with_key(true);
    server.keywords = "250-PIPELINING\r\n250 CHUNKING\r\n";
    send_letter((zm_fixture_letter_t){.header = FROM,
                                      .body = "a\rb \n\nno line end",
                                      .recipients = {{"smtp", "", "bob@x", 0, NULL}}});
    run();
    ZM_ASSERT_STR(worth(), "pass");
}

static void converted_letters_are_signed_after_it(void)
{
    begin_with_key(true);
    server.keywords = "250 PIPELINING\r\n";
    send_letter((zm_fixture_letter_t){.header = FROM
                                      "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
                                      "Content-Transfer-Encoding: 8bit\nSubject: \xc3\xa4\n",
                                      .body = "gr\xc3\xbc\xc3\x9f dich\n",
                                      .recipients = {{"smtp", "", "bob@x", 0, NULL}}});
    run();
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.letter), "gr=C3=BC"));
    ZM_ASSERT_STR(worth(), "pass");
}

static void recipients_share_a_signature_and_authors_do_not(void)
{
    const char *path;
    begin_with_key(true);
    path = send_letter((zm_fixture_letter_t){.header = FROM,
                                             .second_header = "From: eve@other.test\nTo: x\n",
                                             .second = 2,
                                             .recipients = {{"smtp", "", "a@x", 0, NULL},
                                                            {"smtp", "", "b@x", 0, NULL},
                                                            {"smtp", "", "c@x", 0, NULL}}});
    run();
    TAGS(path, "+++");
    CU_ASSERT_EQUAL(server.letters, 2);
    ZM_ASSERT_STR(worth(), "none"); /* the last one is that of the other author */
}

/* One transaction takes the header beyond ASCII, the next one of the same letter encodes it. */
static void headers_that_are_encoded_later_are_signed_anew(void)
{
    const char *path;
    begin_with_key(true);
    server.keywords = "250-PIPELINING\r\n250-8BITMIME\r\n250-LIMITS RCPTMAX=1\r\n250 SMTPUTF8\r\n";
    path = send_letter((zm_fixture_letter_t){
        .header = FROM "Subject: \xc3\xa4\n",
        .recipients = {{"smtp", "", "j\xc3\xb6@x", 0, NULL}, {"smtp", "", "bob@x", 0, NULL}}});
    run();
    TAGS(path, "++");
    CU_ASSERT_EQUAL(server.letters, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.letter), "Subject: =?"));
    ZM_ASSERT_STR(worth(), "pass");
}

static void what_has_that_signature_gets_no_other(void)
{
    begin_with_key(true);
    send_letter((zm_fixture_letter_t){.header = "DKIM-Signature: v=1; d=Signed.test; b=x\n" FROM,
                                      .recipients = {{"smtp", "", "bob@x", 0, NULL}}});
    run();
    CU_ASSERT_PTR_NULL(strstr(zm_buf_c(&server.letter), "d=signed.test;"));
}

static void without_its_key_a_letter_waits(void)
{
    const char *path;
    begin_with_key(false);
    path = send_letter(
        (zm_fixture_letter_t){.header = FROM, .recipients = {{"smtp", "", "bob@x", 0, NULL}}});
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
    CU_ASSERT_TRUE(zm_fixture_count(fixture, "cannot sign: cannot open the key") > 0);
}

static void without_its_file_all_letters_wait(void)
{
    const char *path;
    begin();
    options.dkim_file = path_of("nothing");
    path = send_to("bob@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
}

ZM_TESTS("smtp sign", ZM_TEST(letters_are_signed_as_they_go),
         ZM_TEST(letters_in_chunks_are_signed_too), ZM_TEST(converted_letters_are_signed_after_it),
         ZM_TEST(recipients_share_a_signature_and_authors_do_not),
         ZM_TEST(headers_that_are_encoded_later_are_signed_anew),
         ZM_TEST(what_has_that_signature_gets_no_other), ZM_TEST(without_its_key_a_letter_waits),
         ZM_TEST(without_its_file_all_letters_wait))
