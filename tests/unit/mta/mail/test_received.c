#include "mta/mail/msgid.h"
#include "mta/mail/received.h"
#include "tests/unit/mta/mail/fields.h"

static const apr_time_t arrived = APR_TIME_C(1795237187) * 1000000; /* 2026-11-21 04:59:47 UTC */

static const char *host = "mx.example.net";

static const char *received(const zm_address_list_t *peer, const char *with)
{
    zm_received_t fields = {peer,    host, ZM_S(""), zm_str(with), ZM_S("S183421AblCCILM"),
                            arrived, true};
    zm_buf_t buffer = ZM_BUF_INIT;
    const char *text;
    zm_received_add(&buffer, &fields);
    text = zm_str_c(zm_test_pool(), zm_buf_str(&buffer));
    zm_buf_free(&buffer);
    return text;
}

static zm_address_list_t *peer_of(const char *text)
{
    return zm_address_parse(ZM_RULE_DOMAIN, zm_str(text), zm_test_pool());
}

static void short_field_stays_on_one_line(void)
{
    host = "mx.example.ne";
    ZM_ASSERT_STR(received(NULL, ""),
                  " by mx.example.ne id S183421AblCCILM; Sat, 21 Nov 2026 04:59:47 +0000");
    host = "mx.example.net";
    ZM_ASSERT_STR(received(NULL, ""), " by mx.example.net id S183421AblCCILM;\n"
                                      "\tSat, 21 Nov 2026 04:59:47 +0000");
}

static void part_that_passes_the_margin_goes_to_a_new_line(void)
{
    const zm_address_list_t *peer =
        peer_of("mail.example.org ([192.0.2.7]:40112 \"EHLO mail.example.org\" smtp-auth: <none>)");
    ZM_ASSERT_STR(received(peer, "ESMTPS"),
                  " from mail.example.org ([192.0.2.7]:40112 \"EHLO mail.example.org\" "
                  "smtp-auth: <none>)\n"
                  "\tby mx.example.net with ESMTPS id S183421AblCCILM;\n"
                  "\tSat, 21 Nov 2026 04:59:47 +0000");
}

static void stdin_is_not_printed(void)
{
    ZM_ASSERT_STR(received(peer_of("STDIN (joe@localhost)"), ""),
                  " (joe@localhost) by mx.example.net id S183421AblCCILM;\n"
                  "\tSat, 21 Nov 2026 04:59:47 +0000");
}

static void untrusted_peer_names_the_login(void)
{
    zm_address_list_t *peer = zm_received_untrusted_peer("joe", 1000, ZM_S(""), zm_test_pool());
    ZM_ASSERT_STR(zm_address_list_text(peer, zm_test_pool()).data,
                  "STDIN (from localhost user: 'joe', uid#1000)");
}

static void claimed_peer_cannot_leave_the_comment(void)
{
    zm_address_list_t *peer =
        zm_received_untrusted_peer("joe", 1000, ZM_S("x) by evil (y\n\\"), zm_test_pool());
    CU_ASSERT_EQUAL(peer->bad, 0);
    ZM_ASSERT_STR(zm_address_list_text(peer, zm_test_pool()).data,
                  "STDIN (from localhost user: 'joe' uid#1000 fake: x\\) by evil \\(y \\\\)");
}

static void message_id_is_made_of_spool_id_time_and_host(void)
{
    ZM_ASSERT_STR(zm_message_id_make(ZM_S("S12Ab"), arrived, 7, "mx.org", zm_test_pool()).data,
                  "<S12Ab/20261121045947Z+7@mx.org>");
}

static void raw_message_id_is_one_line_whatever_it_is(void)
{
    zm_headers_t *headers = headers_of("Message-Id: <broken..id\n @x\nResent-Message-Id: <2@y>\n");
    ZM_ASSERT_STR(zm_message_id_raw(headers, false, zm_test_pool()).data, "<broken..id @x");
    ZM_ASSERT_STR(zm_message_id_raw(headers, true, zm_test_pool()).data, "<2@y>");
    CU_ASSERT_EQUAL(zm_message_id_raw(headers_of("X: y\n"), true, zm_test_pool()).length, 0);
}

ZM_TESTS("mail.received", ZM_TEST(short_field_stays_on_one_line),
         ZM_TEST(part_that_passes_the_margin_goes_to_a_new_line), ZM_TEST(stdin_is_not_printed),
         ZM_TEST(untrusted_peer_names_the_login), ZM_TEST(claimed_peer_cannot_leave_the_comment),
         ZM_TEST(message_id_is_made_of_spool_id_time_and_host),
         ZM_TEST(raw_message_id_is_one_line_whatever_it_is))
