/*
 * The whole agent with addresses and headers beyond ASCII (RFC 6531).
 */
#include "tests/unit/ta/smtp/relay_help.h"

#define JOERG "j\xc3\xb6rg"
#define BUECHER                                                                                    \
    "b\xc3\xbc"                                                                                    \
    "cher.test"
#define ABLE "250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n"

static const char *send_from(const char *sender, const char *one, const char *two,
                             const char *header)
{
    return send_letter(
        (zm_fixture_letter_t){.sender = sender,
                              .header = header,
                              .recipients = {{"smtp", "", one, 0, NULL},
                                             {two != NULL ? "smtp" : NULL, "", two, 0, NULL}}});
}

static bool said(const char *text)
{
    return strstr(zm_buf_c(&server.talk), text) != NULL;
}

static void addresses_beyond_ascii_need_it(void)
{
    const char *path;
    begin();
    server.keywords = ABLE;
    path = send_from("a@x", JOERG "@x", "bob@x", NULL);
    run();
    TAGS(path, "++");
    CU_ASSERT_TRUE(said("MAIL From:<a@x> SMTPUTF8\n"));
    CU_ASSERT_TRUE(said("RCPT To:<" JOERG "@x> NOTIFY=FAILURE,DELAY ORCPT=utf-8;j\\x{F6}rg@x\n"));
    begin();
    server.keywords = ABLE;
    path = send_from(JOERG "@x", "bob@x", NULL, NULL);
    run();
    TAGS(path, "+");
    CU_ASSERT_TRUE(said("MAIL From:<" JOERG "@x> SMTPUTF8\n"));
}

static void without_them_it_is_not_used(void)
{
    const char *path;
    begin();
    server.keywords = ABLE;
    path = send_from("a@x", "b@x", NULL, "Subject: " JOERG "\nTo: x\n");
    run();
    TAGS(path, "+");
    CU_ASSERT_FALSE(said("SMTPUTF8"));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.letter), "Subject: =?"));
}

static void header_passes_as_it_is_where_it_is_used(void)
{
    begin();
    server.keywords = ABLE;
    send_from("a@x", JOERG "@x", NULL, "Subject: " JOERG "\nTo: " JOERG "@x\n");
    run();
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.letter), "Subject: " JOERG "\r\n"));
}

static void header_with_such_addresses_needs_it_too(void)
{
    begin();
    server.keywords = ABLE;
    send_from("a@x", "b@x", NULL, "Subject: " JOERG "\nTo: " JOERG "@x\n");
    run();
    CU_ASSERT_TRUE(said("MAIL From:<a@x> SMTPUTF8\n"));
}

static void server_without_it_gets_only_what_is_ascii(void)
{
    const char *path;
    begin();
    path = send_from("a@x", JOERG "@x", "bob@x", NULL);
    run();
    TAGS(path, "-+");
    CU_ASSERT_FALSE(said("SMTPUTF8"));
    HEARD("address: it is beyond ASCII, which the server does not take (SMTPUTF8)");
    begin();
    path = send_from(JOERG "@x", "bob@x", NULL, NULL);
    run();
    TAGS(path, "-");
    CU_ASSERT_EQUAL(server.letters, 0);
    HEARD("sender address: it is beyond ASCII, which the server does not take (SMTPUTF8)");
}

static void domains_never_need_it(void)
{
    const char *path;
    begin();
    path = send_from("a@" BUECHER, "bob@" BUECHER, NULL, NULL);
    run();
    TAGS(path, "+");
    CU_ASSERT_TRUE(said("MAIL From:<a@xn--bcher-kva.test> "));
    CU_ASSERT_TRUE(said("RCPT To:<bob@xn--bcher-kva.test> "));
    CU_ASSERT_FALSE(said("SMTPUTF8"));
}

static void what_is_not_utf8_is_no_address(void)
{
    const char *path;
    begin();
    server.keywords = ABLE;
    path = send_from("a@x", "j\xf6rg@x", NULL, NULL);
    run();
    TAGS(path, "-");
    HEARD("address: it is neither ASCII nor UTF-8");
}

ZM_TESTS("smtp beyond", ZM_TEST(addresses_beyond_ascii_need_it),
         ZM_TEST(without_them_it_is_not_used), ZM_TEST(header_passes_as_it_is_where_it_is_used),
         ZM_TEST(header_with_such_addresses_needs_it_too),
         ZM_TEST(server_without_it_gets_only_what_is_ascii), ZM_TEST(domains_never_need_it),
         ZM_TEST(what_is_not_utf8_is_no_address))
