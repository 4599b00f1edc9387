/* The small parts: header scan, journal, tally, local names, mail.conf. */
#include <apr_strings.h>

#include "mta/smtpserver/header_scan.h"
#include "mta/smtpserver/journal.h"
#include "mta/smtpserver/localnames.h"
#include "mta/smtpserver/mailconf.h"
#include "mta/smtpserver/tally.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/log.h"
#include "tests/unit/harness.h"

static const char *path(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static void write_file(const char *name, const char *text)
{
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, path(name),
                              ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE, 0600,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    ZM_ASSERT_OK(zm_file_close(file));
}

static const char *read_file(const char *name)
{
    char *data;
    apr_size_t length;
    ZM_ASSERT_OK(zm_file_slurp(&data, &length, path(name), 1 << 20, zm_test_pool()));
    return data;
}

/* -- header scan ------------------------------------------------------------------------ */

static apr_status_t collect(void *baton, const void *data, apr_size_t length)
{
    zm_buf_add(baton, data, length);
    return APR_SUCCESS;
}

/* Scans text in pieces of that size; gives what is kept. */
static const char *scan_in_pieces(header_scan_t *scan, const char *text, apr_size_t size)
{
    zm_buf_t kept = ZM_BUF_INIT;
    const char *result;
    apr_size_t length = strlen(text), at;
    header_scan_init(scan);
    for (at = 0; at < length; at += size)
        ZM_ASSERT_OK(header_scan(
            scan, zm_str_of(text + at, length - at < size ? length - at : size), collect, &kept));
    ZM_ASSERT_OK(header_scan_end(scan, collect, &kept));
    result = zm_str_c(zm_test_pool(), zm_buf_str(&kept));
    zm_buf_free(&kept);
    return result;
}

static void headers_are_counted_whatever_the_pieces(void)
{
    static const char text[] = "Received: a\nX: Received: no\nreceived:\n b\nPrecedence: Bulk\n"
                               "Received-SPF: x\n\nReceived: body\nPrecedence: junk\n";
    apr_size_t size;
    for (size = 1; size < sizeof text; size++) {
        header_scan_t scan;
        ZM_ASSERT_STR(scan_in_pieces(&scan, text, size), text);
        CU_ASSERT_EQUAL(scan.received, 2);
        CU_ASSERT_EQUAL(scan.priority, 1);
        CU_ASSERT_TRUE(scan.done);
    }
}

static void mbox_lines_are_taken_out(void)
{
    static const char *const cases[][2] = {
        {"From a@b Mon\nSubject: x\n", "Subject: x\n"},
        {">From a@b Mon\nSubject: x\n", "Subject: x\n"},
        {"From: a\n", "From: a\n"},
        {"Fro", "Fro"},
        {">", ">"},
        {"From ", ""},
        {"From x", ""},
        {"\nFrom body\n", "\nFrom body\n"},
        {"Subject: y\nFrom a\n", "Subject: y\nFrom a\n"},
    };
    apr_size_t i, size;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size = 1; size <= strlen(cases[i][0]); size++) {
            header_scan_t scan;
            ZM_ASSERT_STR(scan_in_pieces(&scan, cases[i][0], size), cases[i][1]);
        }
}

/* -- journal ------------------------------------------------------------------------------ */

static void journal_lines_have_their_shape(void)
{
    journal_options_t options = {.file = path("log")};
    journal_t *journal;
    zm_error_t error;
    char tag[JOURNAL_TAG + 1];
    ZM_ASSERT_OK(journal_open(&journal, &options, zm_test_pool(), &error));
    journal_tag(tag, apr_time_from_sec(1795237187), 1, 64);
    ZM_ASSERT_STR(tag, "UE7rBBA"); /* the 21st, 04:59:47 */
    journal_line(journal, tag, 7, 'r', ZM_S("EHLO x\ry\tz"));
    journal_line(journal, NULL, 12345, '#', ZM_S("master"));
    journal_close(journal);
    ZM_ASSERT_STR(read_file("log"), "UE7rBBA0007r\tEHLO x?y\tz\n000000012345#\tmaster\n");
}

static void journal_lines_leave_together(void)
{
    journal_options_t options = {.file = path("log")};
    journal_t *journal;
    zm_loop_t *loop;
    zm_error_t error;
    int i;
    zm_clock_freeze(apr_time_from_sec(1), apr_time_from_sec(1));
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    ZM_ASSERT_OK(journal_open(&journal, &options, zm_test_pool(), &error));
    journal_attach(journal, loop);
    for (i = 0; i < 3; i++)
        journal_line(journal, NULL, i, '#', ZM_S("x"));
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    ZM_ASSERT_STR(read_file("log"), "");
    zm_clock_advance(APR_USEC_PER_SEC);
    ZM_ASSERT_OK(zm_loop_once(loop, 0));
    ZM_ASSERT_STR(read_file("log"), "00000000000#\tx\n00000000001#\tx\n00000000002#\tx\n");
    journal_close(journal);
    zm_clock_thaw();
}

static void the_journal_follows_a_rotation(void)
{
    journal_options_t options = {.file = path("log")};
    journal_t *journal;
    zm_error_t error;
    zm_clock_freeze(apr_time_from_sec(1), apr_time_from_sec(1));
    ZM_ASSERT_OK(journal_open(&journal, &options, zm_test_pool(), &error));
    journal_line(journal, NULL, 1, '#', ZM_S("old"));
    ZM_ASSERT_OK(zm_file_rename(NULL, path("log"), NULL, path("log.1")));
    zm_clock_advance(2 * APR_USEC_PER_SEC);
    journal_line(journal, NULL, 2, '#', ZM_S("new"));
    journal_close(journal);
    zm_clock_thaw();
    ZM_ASSERT_STR(read_file("log.1"), "00000000001#\told\n");
    ZM_ASSERT_STR(read_file("log"), "00000000002#\tnew\n");
}

/* -- tally ---------------------------------------------------------------------------------- */

static void sessions_are_counted_over_workers(void)
{
    tally_t *master, *one, *two;
    zm_ip_t here, there;
    zm_error_t error;
    int64_t same, all;
    ZM_ASSERT_OK(zm_ip_parse(&here, ZM_S("192.0.2.1")));
    ZM_ASSERT_OK(zm_ip_parse(&there, ZM_S("2001:db8::1")));
    ZM_ASSERT_OK(tally_create(&master, path("tally"), zm_test_pool(), &error));
    ZM_ASSERT_OK(tally_attach(&one, path("tally"), 0, zm_test_pool(), &error));
    ZM_ASSERT_OK(tally_attach(&two, path("tally"), 5, zm_test_pool(), &error));
    tally_enter(one, TALLY_SMTP, &here, &same, &all);
    tally_enter(two, TALLY_SMTP, &there, &same, &all);
    CU_ASSERT_EQUAL(same, 1);
    CU_ASSERT_EQUAL(all, 2);
    tally_enter(two, TALLY_SMTP, &here, &same, &all);
    CU_ASSERT_EQUAL(same, 2);
    CU_ASSERT_EQUAL(all, 3);
    tally_enter(two, TALLY_SUBMIT, &here, &same, &all); /* a class of its own */
    CU_ASSERT_EQUAL(same, 1);
    CU_ASSERT_EQUAL(all, 1);
    CU_ASSERT_EQUAL(tally_total(one, TALLY_SUBMIT), 1);
    CU_ASSERT_EQUAL(tally_total(one, TALLY_SMTP), 3);
    CU_ASSERT_EQUAL(tally_total(one, TALLY_SMTPS), 0);
    tally_clear(master, 0); /* it died */
    tally_enter(two, TALLY_SMTP, &here, &same, &all);
    CU_ASSERT_EQUAL(same, 2);
    CU_ASSERT_EQUAL(all, 3);
    tally_leave(two, TALLY_SMTP, &here);
    ZM_ASSERT_OK(zm_ip_parse(&there, ZM_S("2001:db8::2"))); /* of the same /64 */
    tally_enter(two, TALLY_SMTP, &there, &same, &all);
    CU_ASSERT_EQUAL(same, 2);
    CU_ASSERT_EQUAL(tally_attach(&one, path("tally"), TALLY_SLOTS, zm_test_pool(), &error),
                    ZM_E_LIMIT);
}

/* -- names ------------------------------------------------------------------------------------ */

static zm_ip_t address(unsigned number)
{
    zm_ip_t ip = {4, {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
    return ip;
}

static void rates_are_those_of_the_last_hour(void)
{
    rates_t *rates = apr_pcalloc(zm_test_pool(), sizeof *rates);
    zm_ip_t here = address(1), there = address(2);
    apr_time_t now = apr_time_from_sec(1000000);
    rates_add(rates, &here, now, 1, 5);
    rates_add(rates, &here, now + RATES_SLOT, 2, 7);
    CU_ASSERT_EQUAL(rates_of(rates, &here, now + RATES_SLOT).messages, 3);
    CU_ASSERT_EQUAL(rates_of(rates, &here, now + RATES_SLOT).recipients, 12);
    CU_ASSERT_EQUAL(rates_of(rates, &there, now).messages, 0);
    CU_ASSERT_EQUAL(rates_of(rates, &here, now + 8 * RATES_SLOT).messages, 2);
    CU_ASSERT_EQUAL(rates_of(rates, &here, now + 9 * RATES_SLOT).messages, 0);
    rates_add(rates, &here, now + 9 * RATES_SLOT, 1, 1);
    CU_ASSERT_EQUAL(rates_of(rates, &here, now + 9 * RATES_SLOT).messages, 1);
}

static void more_addresses_than_places_are_forgotten_in_turn(void)
{
    rates_t *rates = apr_pcalloc(zm_test_pool(), sizeof *rates);
    apr_time_t now = apr_time_from_sec(1000000);
    zm_ip_t ip;
    unsigned i, known = 0;
    for (i = 0; i < 10 * RATES_PLACES; i++) {
        ip = address(i);
        rates_add(rates, &ip, now + (apr_time_t)i * 1000, 1, 1);
        CU_ASSERT_EQUAL(rates_of(rates, &ip, now + (apr_time_t)i * 1000).messages, 1);
    }
    for (i = 0; i < 10 * RATES_PLACES; i++) {
        ip = address(i);
        known += rates_of(rates, &ip, now + (apr_time_t)i * 1000).messages == 1;
    }
    CU_ASSERT_TRUE(known > RATES_PLACES / 2 && known <= RATES_PLACES);
}

static void local_names_are_read_again_when_they_change(void)
{
    localnames_t *names;
    zm_error_t error;
    zm_log_options_t log = {.program = "test", .file = path("log"), .level = ZM_LOG_ERROR};
    const char *const fallback[] = {"own.test", NULL};
    ZM_ASSERT_OK(zm_log_open(&log, &error));
    zm_clock_freeze(apr_time_from_sec(1), apr_time_from_sec(1));
    ZM_ASSERT_OK(
        localnames_open(&names, zm_test_directory(), fallback, NULL, zm_test_pool(), &error));
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("OWN.test")));
    write_file("localnames", "# us\na.test canon.test\n.b.test\n\n  Indented.test\n");
    CU_ASSERT_FALSE(localnames_has(names, ZM_S("a.test"))); /* not looked yet */
    zm_clock_advance(2 * APR_USEC_PER_SEC);
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("a.test")));
    CU_ASSERT_FALSE(localnames_has(names, ZM_S("own.test")));
    CU_ASSERT_FALSE(localnames_has(names, ZM_S("canon.test")));
    CU_ASSERT_FALSE(localnames_has(names, ZM_S("b.test")));
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("x.y.B.test")));
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("indented.test")));
    CU_ASSERT_FALSE(localnames_has(names, ZM_S("#")));
    CU_ASSERT_FALSE(localnames_has(names, ZM_S("")));
    zm_clock_thaw();
    zm_log_close();
}

static void control_files_of_qmail_name_domains_too(void)
{
    localnames_t *names;
    zm_error_t error;
    const char *const fallback[] = {"own.test", NULL};
    write_file("rcpthosts", "backup.test\n.wide.test\n");
    write_file("virtualdomains", "shop.test:ann\n.host.test:bob\nboss@mail2.test:root\n"
                                 "not.test:\n:all\n# c.test:x\nb\xc3\xbc"
                                 "cher.test:ann\n");
    ZM_ASSERT_OK(
        localnames_open(&names, zm_test_directory(), fallback, NULL, zm_test_pool(), &error));
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("own.test"))); /* neither localnames nor locals */
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("backup.test")));
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("a.wide.test")));
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("Shop.test")));
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("a.host.test")));
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("XN--bcher-kva.test")));
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("mail2.test")));
    CU_ASSERT_FALSE(localnames_has(names, ZM_S("not.test")));
    CU_ASSERT_FALSE(localnames_has(names, ZM_S("c.test")));
    CU_ASSERT_FALSE(localnames_has(names, ZM_S("other.test")));
    write_file("locals", "mine.test\n");
    ZM_ASSERT_OK(
        localnames_open(&names, zm_test_directory(), fallback, NULL, zm_test_pool(), &error));
    CU_ASSERT_TRUE(localnames_has(names, ZM_S("mine.test")));
    CU_ASSERT_FALSE(localnames_has(names, ZM_S("own.test")));
}

static void mail_conf_is_read_as_a_shell_would(void)
{
    mailconf_t conf;
    zm_zenv_t *zenv;
    zm_error_t error;
    const char *text = apr_psprintf(zm_test_pool(), "MAILCONF=%s\n", path("mail.conf"));
    ZM_ASSERT_OK(
        zm_zenv_parse(&zenv, zm_str(text), "zmailer.conf", "/usr", NULL, zm_test_pool(), &error));
    ZM_ASSERT_OK(mailconf_read(&conf, zenv, zm_test_pool(), &error));
    CU_ASSERT_PTR_NULL(conf.hostname);
    write_file("mail.conf", "# x\norgdomain=example.org # us\nhostname=\"relay.$orgdomain\"\n"
                            "if [ -f x ]; then\n  mydomain='a$b'\nfi\nexport FOO\n");
    ZM_ASSERT_OK(mailconf_read(&conf, zenv, zm_test_pool(), &error));
    ZM_ASSERT_STR(conf.orgdomain, "example.org");
    ZM_ASSERT_STR(conf.hostname, "relay.example.org");
    ZM_ASSERT_STR(conf.mydomain, "a$b");
    ZM_ASSERT_STR(mailconf_hostname(&conf, zenv, zm_test_pool()), "relay.example.org");
    write_file("mail.conf", "mydomain=b\xc3\xbc"
                            "cher.test\n");
    ZM_ASSERT_OK(mailconf_read(&conf, zenv, zm_test_pool(), &error));
    ZM_ASSERT_STR(conf.mydomain, "xn--bcher-kva.test");
    CU_ASSERT_PTR_NULL(conf.hostname);
    zm_zenv_set(zenv, "MYHOSTNAME", "told.example.org");
    ZM_ASSERT_STR(mailconf_hostname(&conf, zenv, zm_test_pool()), "told.example.org");
}

ZM_TESTS("smtpserver parts", ZM_TEST(rates_are_those_of_the_last_hour),
         ZM_TEST(more_addresses_than_places_are_forgotten_in_turn),
         ZM_TEST(headers_are_counted_whatever_the_pieces), ZM_TEST(mbox_lines_are_taken_out),
         ZM_TEST(journal_lines_have_their_shape), ZM_TEST(journal_lines_leave_together),
         ZM_TEST(the_journal_follows_a_rotation), ZM_TEST(sessions_are_counted_over_workers),
         ZM_TEST(local_names_are_read_again_when_they_change),
         ZM_TEST(control_files_of_qmail_name_domains_too),
         ZM_TEST(mail_conf_is_read_as_a_shell_would))
