#include <apr_strings.h>
#include <string.h>

#include "mta/mail/header_text.h"
#include "mta/submit/vacation_db.h"
#include "mta/submit/vacation_judge.h"
#include "mta/submit/vacation_reply.h"
#include "platform/fs.h"
#include "tests/unit/harness.h"

static const char *judged(const char *header)
{
    const char *why =
        vacation_header_forbids(zm_headers_of_text(zm_str(header), zm_test_pool()), zm_test_pool());
    return why != NULL ? why : "";
}

static void programs_and_lists_are_not_answered(void)
{
    static const char *const senders[] = {"",
                                          "<>",
                                          "postmaster@x",
                                          "MAILER-DAEMON@x",
                                          "team-request@x",
                                          "team-owner@x",
                                          "owner-a@x",
                                          "a-bounces@x",
                                          "noreply@x",
                                          "no-reply+7@x",
                                          "x!y!uucp",
                                          "root@x",
                                          "list-relay",
                                          "<root@x>",
                                          "donotreply-1@x",
                                          "LISTSERV@x",
                                          "a-owner%b@c"};
    apr_size_t i;
    for (i = 0; i < sizeof senders / sizeof senders[0]; i++)
        CU_ASSERT_PTR_NOT_NULL(vacation_sender_forbids(senders[i]));
    CU_ASSERT_PTR_NULL(vacation_sender_forbids("ann@example.org"));
    CU_ASSERT_PTR_NULL(vacation_sender_forbids("<rooter@example.org>"));
    CU_ASSERT_PTR_NULL(vacation_sender_forbids("bob.noreplyx@example.org"));
}

static void fields_forbid_an_answer(void)
{
    static const char *const fields[] = {"Auto-Submitted: auto-replied",
                                         "auto-submitted: auto-generated; x=y",
                                         "Precedence: bulk",
                                         "Precedence: Junk mail",
                                         "Precedence: list",
                                         "Precedence: auto_reply",
                                         "List-Id: <a.b>",
                                         "List-Unsubscribe: <mailto:x@y>",
                                         "X-Auto-Response-Suppress: DR, OOF",
                                         "X-Autoreply: yes",
                                         "X-Spam-Flag: YES",
                                         "Return-Path: <>",
                                         "Content-Type: multipart/report; boundary=x"};
    apr_size_t i;
    for (i = 0; i < sizeof fields / sizeof fields[0]; i++)
        CU_ASSERT(judged(apr_pstrcat(zm_test_pool(), "From: a@b\n", fields[i], "\n\n", NULL))[0] !=
                  '\0');
    ZM_ASSERT_STR(judged("From: a@b\nAuto-Submitted: no (really)\nPrecedence: first-class\n"
                         "X-Auto-Response-Suppress: None\nReturn-Path: <a@b>\nX-Spam-Flag: NO\n"
                         "Content-Type: text/plain\n\nList-Id: x\n"),
                  "");
}

static bool addressed(const char *header)
{
    apr_array_header_t *names = apr_array_make(zm_test_pool(), 2, sizeof(const char *));
    APR_ARRAY_PUSH(names, const char *) = "ann";
    APR_ARRAY_PUSH(names, const char *) = "boss@example.org";
    return vacation_is_addressed(zm_headers_of_text(zm_str(header), zm_test_pool()), names);
}

static void whole_addresses_are_compared(void)
{
    CU_ASSERT_TRUE(addressed("To: Ann <ANN@mail.test>\n\n"));
    CU_ASSERT_TRUE(addressed("From ann Mon\nCc: x@y,\n z@y, ann+lists@mail.test\n\n"));
    CU_ASSERT_TRUE(addressed("To: x@y\nResent-To: Boss@Example.org\n\n"));
    CU_ASSERT_FALSE(addressed("To: joann@mail.test, anna@mail.test\n\n"));
    CU_ASSERT_FALSE(addressed("To: boss@other.example\n\n"));
    CU_ASSERT_FALSE(addressed("To: x@y\n\nTo: ann@mail.test\n"));
    CU_ASSERT_FALSE(addressed("To: \"ann\" <x@y> (ann)\nFrom: ann@mail.test\n\n"));
}

static const char *database(void)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/db", NULL);
}

static bool due(const char *address, int64_t now, int64_t interval)
{
    bool result = false;
    ZM_ASSERT_OK(vacation_db_due(&result, database(), address, now, interval, 100, zm_test_pool()));
    return result;
}

static void nobody_is_answered_twice_within_the_interval(void)
{
    ZM_ASSERT_OK(vacation_db_begin(database(), -1, zm_test_pool()));
    CU_ASSERT_TRUE(due("a@b", 1000, -1));
    CU_ASSERT_FALSE(due("A@B", 1099, -1));
    CU_ASSERT_TRUE(due("c@d", 1099, -1));
    CU_ASSERT_TRUE(due("a@b", 1100, -1));
    CU_ASSERT_FALSE(due("a@b", 1150, -1));
    CU_ASSERT_TRUE(due("a@b", 1150, 50));
    ZM_ASSERT_OK(vacation_db_exclude(database(), "@d", zm_test_pool()));
    CU_ASSERT_FALSE(due("c@D", 9999, -1));
    ZM_ASSERT_OK(vacation_db_begin(database(), 5000, zm_test_pool()));
    CU_ASSERT_TRUE(due("a@b", 2000, -1));
    CU_ASSERT_FALSE(due("a@b", 6999, -1));
    CU_ASSERT_TRUE(due("a@b", 7000, -1));
}

static void strange_lines_of_the_database_do_no_harm(void)
{
    static const char lines[] = "-9223372036854775808 a@b\n-1 c@d\ninterval -5\n99999999 a@b\n"
                                "interval 9223372036854775807\n";
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, database(), ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0600,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, lines, sizeof lines - 1));
    zm_file_close(file);
    CU_ASSERT_TRUE(due("a@b", 1000, -1));
    CU_ASSERT_FALSE(due("a@b", 100000, -1));
}

static int64_t interval(const char *text)
{
    int64_t seconds = -1;
    return vacation_interval(&seconds, text) == APR_SUCCESS ? seconds : -1;
}

static void a_bare_number_is_days(void)
{
    CU_ASSERT_EQUAL(interval("7"), 7 * 86400);
    CU_ASSERT_EQUAL(interval("40"), 40 * 86400);
    CU_ASSERT_EQUAL(interval("1w2d"), 9 * 86400);
    CU_ASSERT_EQUAL(interval("30s"), 30);
    CU_ASSERT_EQUAL(interval("infinite"), VACATION_NEVER_AGAIN);
    CU_ASSERT_EQUAL(interval("20s"), -1);
    CU_ASSERT_EQUAL(interval("0"), -1);
    CU_ASSERT_EQUAL(interval("7x"), -1);
}

static const char *reply(const char *header, const char *text)
{
    vacation_reply_t from = {.me = "ann@mail.test",
                             .to = "bob@far.test",
                             .sender = "",
                             .answered = zm_headers_of_text(zm_str(header), zm_test_pool()),
                             .text = zm_str(text)};
    zm_buf_t out = ZM_BUF_INIT;
    const char *result;
    vacation_reply(&out, &from, zm_test_pool());
    result = apr_pstrdup(zm_test_pool(), zm_buf_c(&out));
    zm_buf_free(&out);
    return result;
}

#define BEGIN                                                                                      \
    "channel error\nto bob@far.test\nenv-end\nFrom: ann@mail.test\nTo: bob@far.test\n"             \
    "Auto-Submitted: auto-replied\nPrecedence: junk\n"

static void the_answer_refers_to_the_question(void)
{
    ZM_ASSERT_STR(reply("Subject: a\n b\nMessage-Id: <2@x>\nReferences: <0@x>\n <1@x>\n\n",
                        "Subject: Re: $SUBJECT\nX: y\n\nOn $SUBJECT, $SUBJECT\n"),
                  BEGIN "In-Reply-To: <2@x>\nReferences: <0@x> <1@x>\n <2@x>\n"
                        "Subject: Re: a b\nX: y\n\nOn a b, $SUBJECT\n");
}

static void the_message_file_cannot_change_what_must_be(void)
{
    ZM_ASSERT_STR(reply("\n", "To: all@x\n and@y\nSubject: s\nAuto-Submitted: no\n\nTo: b\n"),
                  BEGIN "Subject: s\n\nTo: b\n");
    ZM_ASSERT_STR(reply("\n", "I am away\n"), BEGIN "Subject: Away from my mail\n\nI am away\n");
    ZM_ASSERT_STR(reply("\n", ""), BEGIN "Subject: Away from my mail\n\n");
}

static void a_subject_is_encoded_in_the_header(void)
{
    const char *text = reply("Subject: gr\303\274n\n\n", "Subject: $SUBJECT\n\n$SUBJECT\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nSubject: =?"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\ngr\303\274n\n"));
}

ZM_TESTS("vacation", ZM_TEST(programs_and_lists_are_not_answered), ZM_TEST(fields_forbid_an_answer),
         ZM_TEST(whole_addresses_are_compared),
         ZM_TEST(nobody_is_answered_twice_within_the_interval),
         ZM_TEST(strange_lines_of_the_database_do_no_harm), ZM_TEST(a_bare_number_is_days),
         ZM_TEST(the_answer_refers_to_the_question),
         ZM_TEST(the_message_file_cannot_change_what_must_be),
         ZM_TEST(a_subject_is_encoded_in_the_header))
