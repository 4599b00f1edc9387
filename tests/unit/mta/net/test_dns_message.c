#include "mta/net/dns_message.h"

#include <stdlib.h>

#include "tests/unit/harness.h"

/* "mail.test MX 10 a.mail.test, 20 <pointer>", a CNAME, a TXT and a SOA: something of everything.
 */
static const char reply[] = "\x12\x34\x81\x80\0\1\0\3\0\1\0\0"
                            "\4mail\4test\0\0\x0f\0\1"
                            "\xc0\x0c\0\5\0\1\0\0\1\x2c\0\4\1m\xc0\x11"
                            "\1m\xc0\x11\0\x0f\0\1\0\0\1\x2c\0\6\0\x0a\1a\xc0\x0c"
                            "\1m\xc0\x11\0\x10\0\1\0\0\1\x2c\0\6\2hi\2yo"
                            "\xc0\x11\0\6\0\1\0\0\1\x2c\0\x16\0\0"
                            "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";

static zm_dns_answer_t read_as(zm_dns_type_t type, const char *message, apr_size_t length)
{
    zm_dns_answer_t answer = {.type = type, .name = "mail.test"};
    bool more;
    zm_dns_message_read(&answer, &more, "mail.test", zm_str_of(message, length), zm_test_pool());
    return answer;
}

static void records_behind_an_alias_are_read(void)
{
    zm_dns_answer_t answer = read_as(ZM_DNS_MX, reply, sizeof reply - 1);
    CU_ASSERT_EQUAL(answer.outcome, ZM_DNS_FOUND);
    ZM_ASSERT_STR(answer.canonical, "m.test");
    CU_ASSERT_EQUAL(answer.count, 1);
    ZM_ASSERT_STR(answer.records[0].host, "a.mail.test");
    answer = read_as(ZM_DNS_TXT, reply, sizeof reply - 1);
    CU_ASSERT_TRUE(zm_str_equal_c(answer.records[0].text, "hiyo"));
    answer = read_as(ZM_DNS_AAAA, reply, sizeof reply - 1);
    CU_ASSERT_EQUAL(answer.outcome, ZM_DNS_NO_DATA);
    CU_ASSERT_EQUAL(answer.ttl, 5);
}

static void cut_replies_are_refused(void)
{
    apr_size_t length;
    for (length = 0; length < 83; length++) /* where the answer section ends */
        CU_ASSERT_EQUAL(read_as(ZM_DNS_MX, reply, length).outcome, ZM_DNS_TEMPORARY);
}

/* Each byte in turn takes every value: nothing is read outside the message (run under a sanitizer).
 */
static void changed_replies_do_no_harm(void)
{
    static const zm_dns_type_t types[] = {ZM_DNS_MX, ZM_DNS_TXT, ZM_DNS_CNAME, ZM_DNS_A};
    apr_size_t length = sizeof reply - 1, at, type;
    for (at = 0; at < length; at++) {
        int value;
        for (value = 0; value < 256; value++) {
            char *changed = malloc(length); /* exactly as long as it is */
            memcpy(changed, reply, length);
            changed[at] = (char)value;
            for (type = 0; type < 4; type++) {
                zm_dns_answer_t answer = read_as(types[type], changed, length);
                if (answer.outcome == ZM_DNS_FOUND && answer.count == 0)
                    CU_FAIL("found nothing");
            }
            free(changed);
        }
        apr_pool_clear(zm_test_pool());
    }
}

ZM_TESTS("net dns message", ZM_TEST(records_behind_an_alias_are_read),
         ZM_TEST(cut_replies_are_refused), ZM_TEST(changed_replies_do_no_harm))
