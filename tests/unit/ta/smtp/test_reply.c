#include "tests/unit/harness.h"

#include "ta/smtp/envelope.h"
#include "ta/smtp/peer.h"
#include "ta/smtp/reply.h"

static zm_reply_t reply_of(const char *line)
{
    zm_reply_t reply = {0};
    ZM_ASSERT_OK(zm_reply_line(&reply, zm_str(line)));
    return reply;
}

static void check(const char *line, zm_reply_to_t to, bool enhanced, zm_result_t result,
                  const char *status)
{
    zm_reply_t reply = reply_of(line);
    zm_meaning_t meaning = zm_reply_meaning(&reply, to, enhanced);
    CU_ASSERT_EQUAL(meaning.result, result);
    ZM_ASSERT_STR(meaning.status, status);
    zm_reply_free(&reply);
}

static void codes_have_their_meaning(void)
{
    static const struct {
        const char *line;
        zm_result_t result;
        const char *status;
    } rows[] = {
        {"211", ZM_RESULT_OK, "2.0.0"},          {"250", ZM_RESULT_OK, "2.0.0"},
        {"354", ZM_RESULT_OK, "2.0.0"},          {"299", ZM_RESULT_OK, "2.0.0"},
        {"421", ZM_RESULT_TEMPFAIL, "4.0.0"},    {"450", ZM_RESULT_TEMPFAIL, "4.0.0"},
        {"455", ZM_RESULT_TEMPFAIL, "4.5.4"},    {"499", ZM_RESULT_TEMPFAIL, "4.0.0"},
        {"500", ZM_RESULT_PROTOCOL, "5.5.1"},    {"501", ZM_RESULT_USAGE, "5.5.2"},
        {"502", ZM_RESULT_PROTOCOL, "5.5.1"},    {"503", ZM_RESULT_TEMPFAIL, "4.5.0"},
        {"504", ZM_RESULT_PROTOCOL, "5.5.4"},    {"550", ZM_RESULT_NOUSER, "5.1.1"},
        {"551", ZM_RESULT_NOUSER, "5.1.6"},      {"552", ZM_RESULT_UNAVAILABLE, "5.2.3"},
        {"553", ZM_RESULT_NOUSER, "5.1.3"},      {"554", ZM_RESULT_NOUSER, "5.1.1"},
        {"555", ZM_RESULT_USAGE, "5.5.4"},       {"571", ZM_RESULT_NOUSER, "5.7.1"},
        {"599", ZM_RESULT_UNAVAILABLE, "5.0.0"}, {"100", ZM_RESULT_TEMPFAIL, "4.5.0"},
    };
    apr_size_t i;
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(rows[i].line, ZM_REPLY_TO_OTHER, false, rows[i].result, rows[i].status);
}

static void too_many_recipients_is_temporary(void)
{
    check("552 too many", ZM_REPLY_TO_RCPT, false, ZM_RESULT_TEMPFAIL, "4.0.0");
}

static void enhanced_status_is_taken_when_it_agrees(void)
{
    check("550 5.7.1 go away", ZM_REPLY_TO_RCPT, true, ZM_RESULT_NOUSER, "5.7.1");
    check("550 5.7.1 go away", ZM_REPLY_TO_RCPT, false, ZM_RESULT_NOUSER, "5.1.1");
    check("550 2.7.1 liar", ZM_REPLY_TO_RCPT, true, ZM_RESULT_NOUSER, "5.1.1");
    check("550 5.7 no", ZM_REPLY_TO_RCPT, true, ZM_RESULT_NOUSER, "5.1.1");
    check("550 5.7.1x no", ZM_REPLY_TO_RCPT, true, ZM_RESULT_NOUSER, "5.1.1");
    check("550 5.1111.1 no", ZM_REPLY_TO_RCPT, true, ZM_RESULT_NOUSER, "5.1.1");
    check("450 4.2.0", ZM_REPLY_TO_RCPT, true, ZM_RESULT_TEMPFAIL, "4.2.0");
}

static void replies_end_at_a_code_and_a_blank(void)
{
    zm_reply_t reply = {0};
    CU_ASSERT_EQUAL(zm_reply_line(&reply, ZM_S("250-one")), APR_EAGAIN);
    CU_ASSERT_EQUAL(zm_reply_line(&reply, ZM_S("what")), APR_EAGAIN);
    CU_ASSERT_EQUAL(zm_reply_line(&reply, ZM_S("")), APR_EAGAIN);
    CU_ASSERT_EQUAL(zm_reply_line(&reply, ZM_S("250x")), APR_EAGAIN);
    ZM_ASSERT_OK(zm_reply_line(&reply, ZM_S("251 two")));
    CU_ASSERT_EQUAL(reply.code, 251);
    ZM_ASSERT_STR(zm_buf_c(&reply.text), "\r->> 250-one\r->> what\r->> \r->> 250x\r->> 251 two");
    ZM_ASSERT_STR(zm_buf_c(&reply.last), "two");
    zm_reply_free(&reply);
}

static void endless_replies_are_cut(void)
{
    zm_reply_t reply = {0};
    char line[1000];
    apr_status_t status = APR_EAGAIN;
    int lines;
    memset(line, 'x', sizeof line);
    for (lines = 0; status == APR_EAGAIN && lines < 100000; lines++)
        status = zm_reply_line(&reply, zm_str_of(line, sizeof line));
    CU_ASSERT_EQUAL(status, ZM_E_LIMIT);
    CU_ASSERT_EQUAL(lines, ZM_REPLY_LINES + 1);
    CU_ASSERT_TRUE(reply.text.length <= ZM_REPLY_TEXT + 8);
    zm_reply_free(&reply);
}

static void diagnostics_have_brackets_for_parentheses(void)
{
    zm_reply_t reply = reply_of("550 no (such) \001user\r");
    zm_buf_t text = ZM_BUF_INIT;
    zm_reply_diagnostic(&reply, &text);
    ZM_ASSERT_STR(zm_buf_c(&text), "smtp; 550 (no [such]  user )");
    zm_buf_free(&text);
    zm_reply_free(&reply);
}

static void capabilities_are_read_in_any_case(void)
{
    zm_peer_t peer = {0};
    const char *const lines[] = {"8bitmime",  "PIPELINING",    "Dsn",
                                 "size 1000", "X-RCPTLIMIT 3", "ENHANCEDstatuscodes"};
    apr_size_t i;
    zm_peer_reset(&peer);
    CU_ASSERT_EQUAL(peer.rcpt_limit, 100);
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++)
        zm_peer_keyword(&peer, zm_str(lines[i]));
    CU_ASSERT_TRUE(peer.eight_bit_mime && peer.pipelining && peer.dsn && peer.size &&
                   peer.enhanced);
    CU_ASSERT_EQUAL(peer.size_limit, 1000);
    CU_ASSERT_EQUAL(peer.rcpt_limit, 10);
    zm_peer_keyword(&peer, ZM_S("LIMITS MAILMAX=5 RCPTMAX=2"));
    CU_ASSERT_EQUAL(peer.rcpt_limit, 2);
}

static void addresses_that_could_leave_their_brackets_are_refused(void)
{
    CU_ASSERT_PTR_NULL(zm_envelope_fault(ZM_S("bob@example.org"), false));
    CU_ASSERT_PTR_NULL(zm_envelope_fault(ZM_S("\"b o>b\"@example.org"), false));
    CU_ASSERT_PTR_NULL(zm_envelope_fault(ZM_S(""), true));
    CU_ASSERT_PTR_NOT_NULL(zm_envelope_fault(ZM_S(""), false));
    CU_ASSERT_PTR_NOT_NULL(zm_envelope_fault(ZM_S("a b@c"), false));
    CU_ASSERT_PTR_NOT_NULL(zm_envelope_fault(ZM_S("a>b@c"), false));
    CU_ASSERT_PTR_NOT_NULL(zm_envelope_fault(ZM_S("a\r\nRCPT"), false));
    CU_ASSERT_PTR_NOT_NULL(zm_envelope_fault(ZM_S("\"a@c"), false));
    CU_ASSERT_PTR_NOT_NULL(zm_envelope_fault(ZM_S("\xc3\xa4@c"), false));
    CU_ASSERT_PTR_NULL(zm_envelope_fault_beyond(ZM_S("\xc3\xa4@c"), false));
    CU_ASSERT_PTR_NOT_NULL(zm_envelope_fault_beyond(ZM_S("\xe4@c"), false));
    CU_ASSERT_PTR_NOT_NULL(zm_envelope_fault_beyond(ZM_S("\xc3\xa4>@c"), false));
}

ZM_TESTS("smtp reply", ZM_TEST(codes_have_their_meaning), ZM_TEST(too_many_recipients_is_temporary),
         ZM_TEST(enhanced_status_is_taken_when_it_agrees),
         ZM_TEST(replies_end_at_a_code_and_a_blank), ZM_TEST(endless_replies_are_cut),
         ZM_TEST(diagnostics_have_brackets_for_parentheses),
         ZM_TEST(capabilities_are_read_in_any_case),
         ZM_TEST(addresses_that_could_leave_their_brackets_are_refused))
