/*
 * Domains of recipients that are aliases (-O canon-rcpt), with a name service of our own.
 */
#include <apr_env.h>
#include <apr_strings.h>

#include "tests/unit/mta/net/fake_dns.h"
#include "tests/unit/ta/smtp/relay_help.h"

static const fake_record_t zone[] = {{"alias.test", ZM_DNS_CNAME, 300, "real.test"},
                                     {"real.test", ZM_DNS_MX, 300, "10 mx.test"},
                                     {"bare.test", ZM_DNS_CNAME, 300, "host.test"},
                                     {"host.test", ZM_DNS_A, 300, "192.0.2.1"},
                                     {"odd.test", ZM_DNS_CNAME, 300, "od)d.test"},
                                     {"od)d.test", ZM_DNS_MX, 300, "10 mx.test"},
                                     {NULL, ZM_DNS_A, 0, NULL}};

static fake_dns_t *service;

static apr_status_t end_service(void *data)
{
    fake_dns_stop(data);
    apr_env_delete("RESOLVER", zm_test_pool());
    return APR_SUCCESS;
}

static void begin_named(void)
{
    begin();
    service = fake_dns_start(fixture->loop, zone, fixture->pool);
    apr_pool_pre_cleanup_register(fixture->pool, service, end_service);
    apr_env_set("RESOLVER", fake_dns_address(service), fixture->pool);
    options.canon_rcpt = true;
}

static void aliases_are_named_by_what_they_stand_for(void)
{
    const char *path;
    begin_named();
    path = send_letter((zm_fixture_letter_t){
        .recipients = {{"smtp", "", "a@alias.test", 0, NULL},
                       {"smtp", "", "b@real.test", 0, NULL},
                       {"smtp", "", "\"c@d\"@Alias.TEST", 0, "NOTIFY=FAILURE"},
                       {"smtp", "", "e@bare.test", 0, NULL},
                       {"smtp", "", "f@nowhere.test", 0, NULL},
                       {"smtp", "", "g@odd.test", 0, NULL},
                       {"smtp", "", "h@[192.0.2.1]", 0, NULL},
                       {"smtp", "", "i@servfail.test", 0, NULL}}});
    send_to("z");
    run();
    TAGS(path, "++++++++");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(zm_buf_c(&server.talk),
               "RCPT To:<a@real.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;a@alias.test\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "RCPT To:<b@real.test> "));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "RCPT To:<\"c@d\"@real.test> "));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "RCPT To:<e@host.test> "));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "RCPT To:<f@nowhere.test> "));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "RCPT To:<g@odd.test> "));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "RCPT To:<h@[192.0.2.1]> "));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "RCPT To:<i@servfail.test> "));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&server.talk), "RCPT To:<z> "));
    CU_ASSERT_EQUAL(server.sessions, 1);
}

static void names_do_not_outlive_their_letter(void)
{
    const char *path;
    begin_named();
    server.ehlo.list[0] = "250 test";
    server.mail.list[0] = "CLOSE"; /* the letter comes again, in another session */
    path = send_letter((zm_fixture_letter_t){
        .recipients = {{"smtp", "", "a@x", 0, NULL}, {"smtp", "", "b@bare.test", 0, NULL}}});
    run();
    TAGS(path, "  ");
    begin_named();
    path = send_to("a@alias.test");
    zm_server_stop(&server); /* nobody takes it */
    run();
    TAGS(path, " ");
}

ZM_TESTS("smtp canon", ZM_TEST(aliases_are_named_by_what_they_stand_for),
         ZM_TEST(names_do_not_outlive_their_letter))
