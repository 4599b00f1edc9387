#include "mta/mail/complete.h"
#include "mta/mail/header_text.h"
#include "mta/mail/recipients.h"
#include "mta/mail/sender.h"
#include "tests/unit/mta/mail/fields.h"

static const char *sender_of(const char *text)
{
    zm_headers_t *headers = headers_of(text);
    zm_header_t *field = zm_sender_field(headers, zm_headers_resent(headers));
    return field == NULL ? "none" : zm_address_list_text(field->parsed, zm_test_pool()).data;
}

static void sender_is_the_best_good_field(void)
{
    ZM_ASSERT_STR(sender_of("From: f\nSender: s\n"), "s");
    ZM_ASSERT_STR(sender_of("From: f\nSender: @@\n"), "f");
    ZM_ASSERT_STR(sender_of("Errors-To: e\nReply-To: r\n"), "r");
    ZM_ASSERT_STR(sender_of("Errors-To: e\n"), "e");
    ZM_ASSERT_STR(sender_of("To: t\n"), "none");
}

static void resent_message_takes_the_resent_fields(void)
{
    ZM_ASSERT_STR(sender_of("From: f\nResent-From: rf\nResent-To: t\n"), "rf");
    ZM_ASSERT_STR(sender_of("From: f\nResent-To: t\n"), "none");
}

static void error_address_field(void)
{
    zm_headers_t *headers = headers_of("From: f\nErrors-To: e\n");
    ZM_ASSERT_STR(zm_address_list_text(zm_error_field(headers, false)->parsed, zm_test_pool()).data,
                  "e");
    headers = headers_of("Errors-To: e\nSender: s\n");
    ZM_ASSERT_STR(zm_address_list_text(zm_error_field(headers, false)->parsed, zm_test_pool()).data,
                  "s");
    CU_ASSERT_PTR_NULL(zm_error_field(headers_of("From: f\n"), false));
}

static void generated_sender(void)
{
    zm_address_list_t *phrase =
        zm_address_parse(ZM_RULE_PHRASE, ZM_S("\"Joe Q.\" User"), zm_test_pool());
    zm_address_list_t *list =
        zm_sender_generate(zm_phrase_text(phrase, zm_test_pool()), ZM_S("joe"), zm_test_pool());
    ZM_ASSERT_STR(zm_address_list_text(list, zm_test_pool()).data, "\"Joe Q. User\" <joe>");
    list = zm_sender_generate(ZM_S(""), ZM_S("joe"), zm_test_pool());
    ZM_ASSERT_STR(zm_address_list_text(list, zm_test_pool()).data, "joe");
}

static bool is_joe(void *baton, const zm_address_t *address)
{
    (void)baton;
    return zm_str_equal_c(address->pure, "joe");
}

static const char *policed(const char *text)
{
    zm_headers_t *headers = headers_of(text);
    zm_sender_police(headers, zm_headers_resent(headers),
                     zm_sender_generate(ZM_S("Joe"), ZM_S("joe"), zm_test_pool()), is_joe, NULL);
    return text_of(headers);
}

static void untrusted_sender_fields_are_policed(void)
{
    ZM_ASSERT_STR(policed("From: joe\n"), "From:\tjoe\n");
    ZM_ASSERT_STR(policed("From: boss\n"), "Sender:\tJoe <joe>\nFrom:\tboss\n");
    ZM_ASSERT_STR(policed("From: boss\nSender: joe\n"), "From:\tboss\nSender:\tjoe\n");
    ZM_ASSERT_STR(policed("From: boss\nSender: boss\n"),
                  "From:\tboss\nSender:\tJoe <joe>\nFake-Sender: boss\n");
    ZM_ASSERT_STR(policed("Sender: joe\n"), "From:\tjoe\n");
    ZM_ASSERT_STR(policed("Sender: boss\n"), "Sender:\tJoe <joe>\nFrom:\tboss\n");
    ZM_ASSERT_STR(policed("From: @@\n"), "Sender:\tJoe <joe>\nFrom:\t@@\n");
    ZM_ASSERT_STR(policed("To: x\n"), "To:\tx\n");
    ZM_ASSERT_STR(policed("From: boss\nResent-From: boss\n"),
                  "From:\tboss\nResent-Sender: Joe <joe>\nResent-From: boss\n");
}

static const char *recipients_of(const char *text)
{
    zm_headers_t *headers = headers_of(text);
    zm_recipients_t found =
        zm_recipients_of_header(headers, zm_headers_resent(headers), zm_test_pool());
    zm_buf_t out = ZM_BUF_INIT;
    const char *result;
    apr_size_t i;
    for (i = 0; i < found.count; i++) {
        zm_buf_add_str(&out, found.items[i]->pure);
        zm_buf_add_byte(&out, ' ');
    }
    result = zm_str_c(zm_test_pool(), zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

static void recipients_come_in_reverse_field_order(void)
{
    ZM_ASSERT_STR(recipients_of("To: a, g: b, c;\nCc: d\nFrom: x\nBcc: e, f\n"), "e f d a b c ");
    ZM_ASSERT_STR(recipients_of("To: a\nResent-To: b\nResent-Cc: c\n"), "c b ");
    ZM_ASSERT_STR(recipients_of("To: a, @@, b\n"), "a b ");
    ZM_ASSERT_STR(recipients_of("Subject: x\nTo: g:;\n"), "");
}

static void killed_fields_and_blind_copies_go(void)
{
    zm_headers_t *headers = headers_of("Return-Path: <a>\nTo: a\nBcc: b\nX-Envid: 1\n"
                                       "resent-bcc: c\nX: y\nX-Envelope-To: z\n");
    zm_headers_kill(headers);
    ZM_ASSERT_STR(text_of(headers), "To:\ta\nX:\ty\n");
}

static const char *with_from(const char *text, const zm_address_list_t *sender)
{
    zm_headers_t *headers = headers_of(text);
    zm_headers_complete_from(headers, zm_headers_resent(headers), sender);
    return text_of(headers);
}

static void missing_from_is_added_before_to_or_subject(void)
{
    zm_address_list_t *joe = zm_sender_generate(ZM_S("Joe"), ZM_S("joe"), zm_test_pool());
    ZM_ASSERT_STR(with_from("Subject: s\nTo: t\n", joe), "Subject: s\nFrom:\tJoe <joe>\nTo:\tt\n");
    ZM_ASSERT_STR(with_from("X: y\nSubject: s\n", joe), "X:\ty\nFrom:\tJoe <joe>\nSubject: s\n");
    ZM_ASSERT_STR(with_from("X: y\n", joe), "X:\ty\nFrom:\tJoe <joe>\n");
    ZM_ASSERT_STR(with_from("To: t\n", NULL), "From:\t<>\nTo:\tt\n");
    ZM_ASSERT_STR(with_from("From: f\n", joe), "From:\tf\n");
    ZM_ASSERT_STR(with_from("From: f\nResent-To: t\n", joe),
                  "From:\tf\nResent-From: Joe <joe>\nResent-To: t\n");
}

static void missing_to_is_an_empty_group(void)
{
    zm_headers_t *headers = headers_of("To:\nX: y\n");
    zm_headers_complete_to(headers, false);
    CU_ASSERT_EQUAL(headers->last->bad, false);
    ZM_ASSERT_STR(text_of(headers),
                  "X:\ty\nTo:\tunlisted-recipients:; (the header named no recipients)\n");
    zm_headers_complete_to(headers, false);
    CU_ASSERT_EQUAL(zm_headers_count(headers, "To"), 1);
}

static void missing_date_and_message_id_are_appended(void)
{
    zm_headers_t *headers = headers_of("X: y\n");
    zm_headers_complete_date(headers, false, 0);
    CU_ASSERT_TRUE(zm_headers_complete_message_id(headers, false, ZM_S("<1@2>")));
    CU_ASSERT_FALSE(zm_headers_complete_message_id(headers, false, ZM_S("<3@4>")));
    CU_ASSERT_EQUAL(zm_headers_count(headers, "Date"), 1);
    ZM_ASSERT_STR(zm_header_line(headers->last, zm_test_pool()).data, "<1@2>");
    headers = headers_of("Resent-To: x\nDate: d\nMessage-Id: <5@6>\n");
    zm_headers_complete_date(headers, true, 0);
    CU_ASSERT_EQUAL(zm_headers_count(headers, "Resent-Date"), 1);
    CU_ASSERT_FALSE(zm_headers_complete_message_id(headers, true, ZM_S("<3@4>")));
}

static void long_authentication_results_are_folded(void)
{
    zm_headers_t *headers =
        zm_headers_of_text(ZM_S("Received: by mx.org\nTo: x\n"), zm_test_pool());
    zm_header_t *header;
    zm_headers_add_authentication_results(
        headers,
        ZM_S("mx.org; spf=pass smtp.mailfrom=example.org; dmarc=pass (p=reject) "
             "header.from=example.org"),
        "mx.org");
    header = zm_headers_find(headers, "Authentication-Results");
    ZM_ASSERT_STR(zm_str_c(zm_test_pool(), header->value),
                  " mx.org;\n\tspf=pass smtp.mailfrom=example.org;\n\tdmarc=pass (p=reject) "
                  "header.from=example.org");
}

static void authentication_results_of_ours_cannot_be_forged(void)
{
    zm_headers_t *headers = headers_of("Received: r\nAuthentication-Results: MX.org; dkim=pass\n"
                                       "Authentication-Results: (c) mx.org/1; spf=pass\n"
                                       "Authentication-Results: \"MX.o\\rg\" 1; spf=pass\n"
                                       "Authentication-Results: mx.org.evil; spf=pass\nX: y\n");
    zm_headers_add_authentication_results(headers, ZM_S("mx.org; dkim=fail  "), "mx.org");
    ZM_ASSERT_STR(text_of(headers), "Received: r\nAuthentication-Results:\tmx.org; dkim=fail\n"
                                    "Authentication-Results:\t(c) mx.org/1; spf=pass\n"
                                    "Authentication-Results:\tmx.org.evil; spf=pass\nX:\ty\n");
}

static void received_goes_first(void)
{
    zm_headers_t *headers = headers_of("Received: old\n");
    zm_headers_add_received(headers, ZM_S(" new"));
    ZM_ASSERT_STR(text_of(headers), "Received: new\nReceived: old\n");
}

ZM_TESTS("mail.sequence", ZM_TEST(sender_is_the_best_good_field),
         ZM_TEST(resent_message_takes_the_resent_fields), ZM_TEST(error_address_field),
         ZM_TEST(generated_sender), ZM_TEST(untrusted_sender_fields_are_policed),
         ZM_TEST(recipients_come_in_reverse_field_order),
         ZM_TEST(killed_fields_and_blind_copies_go),
         ZM_TEST(missing_from_is_added_before_to_or_subject), ZM_TEST(missing_to_is_an_empty_group),
         ZM_TEST(missing_date_and_message_id_are_appended),
         ZM_TEST(long_authentication_results_are_folded),
         ZM_TEST(authentication_results_of_ours_cannot_be_forged), ZM_TEST(received_goes_first))
