/*
 * Letters that go by BDAT (RFC 3030), against the scripted server.
 */
#include <apr_strings.h>

#include "platform/clock.h"
#include "tests/unit/ta/smtp/relay_help.h"

#define COUNTED(counter, value)                                                                    \
    CU_ASSERT_EQUAL(zm_counter_get(smtp.agent->counters, ZM_COUNT_TA_SMTP_##counter), value)

static void letters_go_as_one_chunk(void)
{
    const char *one, *two;
    begin();
    server.keywords = "250-PIPELINING\r\n250 CHUNKING\r\n";
    one = send_letter((zm_fixture_letter_t){.header = "To: x\n",
                                            .body = ".\na\rb\nlast",
                                            .recipients = {{"smtp", "", "bob@x", 0, NULL}}});
    two = send_to("eve@x");
    run();
    TAGS(one, "+");
    TAGS(two, "+");
    TALK("[1]\nEHLO client.example\nMAIL From:<from@example.org>\nRCPT To:<bob@x>\n"
         "BDAT 23 LAST\nMAIL From:<from@example.org>\nRCPT To:<eve@x>\nBDAT 61 LAST\nQUIT\n");
    CU_ASSERT_EQUAL(server.letters, 2);
    COUNTED(SmtpBDAT, 2);
    COUNTED(SmtpBDATok, 2);
    COUNTED(SmtpDATA, 0);
}

static void chunk_hides_no_dots(void)
{
    begin();
    server.keywords = "250-PIPELINING\r\n250 CHUNKING\r\n";
    send_letter((zm_fixture_letter_t){.header = "To: x\n",
                                      .body = ".\na\rb\nlast",
                                      .recipients = {{"smtp", "", "bob@x", 0, NULL}}});
    run();
    ZM_ASSERT_STR(zm_buf_c(&server.letter), "To: x\r\n\r\n.\r\na b\r\nlast\r\n");
}

static void long_letter_goes_as_one_chunk(void)
{
    const char *path;
    begin();
    server.keywords = "250-PIPELINING\r\n250 CHUNKING\r\n";
    path = send_long_letter(50);
    send_to("next@x.org");
    run();
    TAGS(path, "+");
    CU_ASSERT_EQUAL(server.letters, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "BDAT 3060009 LAST\n"));
}

static void nobody_accepted_means_no_chunk(void)
{
    const char *path;
    begin();
    server.keywords = "250-PIPELINING\r\n250 CHUNKING\r\n";
    server.rcpt.list[0] = "550 no";
    server.mail.list[0] = "250 ok";
    server.mail.list[1] = "550 no";
    path = send_to("a@x");
    send_to("b@x");
    send_to("c@x");
    run();
    TAGS(path, "-");
    CU_ASSERT_EQUAL(server.letters, 1);
    TALK("[1]\nEHLO client.example\nMAIL From:<from@example.org>\nRCPT To:<a@x>\nRSET\n"
         "MAIL From:<from@example.org>\nRCPT To:<b@x>\nRSET\n"
         "MAIL From:<from@example.org>\nRCPT To:<c@x>\nBDAT 59 LAST\nQUIT\n");
}

static void chunks_without_pipelining(void)
{
    const char *path;
    begin();
    server.keywords = "250 CHUNKING\r\n";
    server.rcpt.list[0] = "550 no";
    server.rcpt.list[1] = "250 ok";
    path = send_letter((zm_fixture_letter_t){.recipients = {{"smtp", "", "a@x", 0, NULL},
                                                            {"smtp", "", "b@x", 0, NULL},
                                                            {"smtp", "", "\"q", 0, NULL}}});
    run();
    TAGS(path, "-+-");
    CU_ASSERT_EQUAL(server.letters, 1);
}

static void server_that_does_not_know_bdat_gets_data(void)
{
    const char *one, *two;
    begin();
    server.keywords = "250-PIPELINING\r\n250 CHUNKING\r\n";
    server.no_bdat = true;
    one = send_letter(
        (zm_fixture_letter_t){.recipients = {{"smtp", "", "a@x", 0, NULL}},
                              .body = "NOOP\nMAIL FROM:<evil@x>\nRCPT TO:<victim@x>\nRSET\n"});
    two = send_to("b@x");
    run();
    TAGS(one, "+");
    TAGS(two, "+");
    CU_ASSERT_EQUAL(server.sessions, 2);
    CU_ASSERT_EQUAL(server.letters, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "DATA\n"));
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tok3 "), 2);
}

/* Another server is not the worse for it: its letter still goes as a chunk. */
static void one_server_without_bdat_costs_no_other(void)
{
    static zm_server_t other;
    const char *host, *path, *again;
    begin();
    other = (zm_server_t){.keywords = "250-PIPELINING\r\n250 CHUNKING\r\n"};
    zm_server_start(&other, fixture->loop, fixture->pool);
    host = zm_server_host(&other);
    server.keywords = other.keywords;
    server.no_bdat = true;
    options.one = true; /* so that each letter opens a session */
    send_to("a@x");
    send_to("b@x");
    path = zm_fixture_letter(
        fixture, &(zm_fixture_letter_t){.sender = "from@example.org",
                                        .recipients = {{"smtp", host, "c@y", 0, NULL}}});
    again = zm_fixture_letter(
        fixture, &(zm_fixture_letter_t){.sender = "from@example.org",
                                        .recipients = {{"smtp", host, "d@y", 0, NULL}}});
    zm_fixture_feed(fixture, "%s\t%s\n%s\t%s\n", path, host, again, host);
    run();
    while (other.open > 0)
        zm_loop_once(fixture->loop, -1);
    CU_ASSERT_EQUAL(server.sessions, 3); /* only the first letter met it */
    CU_ASSERT_EQUAL(server.letters, 2);
    CU_ASSERT_EQUAL(other.sessions, 2);
    CU_ASSERT_EQUAL(other.letters, 2);
    CU_ASSERT_PTR_NULL(strstr(zm_buf_c(&other.talk), "DATA"));
    zm_server_end(&other);
}

static void known_servers_are_forgotten(void)
{
    const apr_interval_time_t hour = apr_time_from_sec(3600);
    zm_servers_t servers = {0};
    zm_endpoint_t end = {.port = 25};
    int i;
    zm_clock_freeze(apr_time_from_sec(2000000), apr_time_from_sec(1000000));
    ZM_ASSERT_OK(zm_ip_parse(&end.ip, ZM_S("192.0.2.1")));
    zm_servers_add(&servers, &end, hour);
    CU_ASSERT_TRUE(zm_servers_have(&servers, &end, 0, hour));
    CU_ASSERT_FALSE(zm_servers_have(&servers, &end, 1, hour));
    zm_clock_advance(hour - 1);
    zm_servers_add(&servers, &end, hour); /* it counts from the first time */
    CU_ASSERT_TRUE(zm_servers_have(&servers, &end, hour - 1, hour));
    zm_clock_advance(1);
    CU_ASSERT_FALSE(zm_servers_have(&servers, &end, 0, hour));
    for (i = 0; i < 1500; i++) { /* nor can they fill the memory */
        end.port = (uint16_t)(1000 + i);
        zm_servers_add(&servers, &end, hour);
    }
    CU_ASSERT_TRUE(zm_servers_have(&servers, &end, 0, hour));
    end.port = 1400;
    CU_ASSERT_FALSE(zm_servers_have(&servers, &end, 0, hour));
    end.port = 1600;
    zm_servers_forget(&servers, &end);
    CU_ASSERT_FALSE(zm_servers_have(&servers, &end, 0, hour));
    zm_servers_free(&servers);
    zm_clock_thaw();
}

ZM_TESTS("smtp chunks", ZM_TEST(one_server_without_bdat_costs_no_other),
         ZM_TEST(known_servers_are_forgotten), ZM_TEST(letters_go_as_one_chunk),
         ZM_TEST(chunk_hides_no_dots), ZM_TEST(long_letter_goes_as_one_chunk),
         ZM_TEST(nobody_accepted_means_no_chunk), ZM_TEST(chunks_without_pipelining),
         ZM_TEST(server_that_does_not_know_bdat_gets_data))
