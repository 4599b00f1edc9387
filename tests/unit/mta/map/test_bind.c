#include <apr_env.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include "mta/map/map.h"
#include "platform/clock.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/net/fake_dns.h"

static const fake_record_t zone[] = {{"mail.test", ZM_DNS_MX, 300, "20 late.test"},
                                     {"mail.test", ZM_DNS_MX, 60, "10 here.test"},
                                     {"mail.test", ZM_DNS_MX, 300, "5 best.test"},
                                     {"ours.test", ZM_DNS_MX, 300, "5 here.test"},
                                     {"ours.test", ZM_DNS_MX, 300, "10 best.test"},
                                     {"byip.test", ZM_DNS_MX, 300, "5 loop.test"},
                                     {"loop.test", ZM_DNS_A, 300, "127.0.0.1"},
                                     {"none.test", ZM_DNS_MX, 300, "0 "},
                                     {"best.test", ZM_DNS_A, 300, "198.51.100.1"},
                                     {"best.test", ZM_DNS_A, 300, "198.51.100.2"},
                                     {"best.test", ZM_DNS_AAAA, 300, "2001:db8::1"},
                                     {"late.test", ZM_DNS_A, 300, "198.51.100.3"},
                                     {"alias.test", ZM_DNS_CNAME, 30, "best.test"},
                                     {"mxonly.test", ZM_DNS_MX, 30, "5 best.test"},
                                     {"textonly.test", ZM_DNS_TXT, 30, "some |text"},
                                     {"1.100.51.198.in-addr.arpa", ZM_DNS_PTR, 300, "best.test"},
                                     {NULL, ZM_DNS_A, 0, NULL}};

/* The server answers on a thread of its own, since lookups wait. */
typedef struct server_t {
    zm_loop_t *loop;
    fake_dns_t *dns;
    apr_thread_t *thread;
} server_t;

static void *APR_THREAD_FUNC serve(apr_thread_t *thread, void *baton)
{
    (void)zm_loop_run(((server_t *)baton)->loop);
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

static void end(void *baton)
{
    zm_loop_stop(((server_t *)baton)->loop);
}

static server_t *start(void)
{
    server_t *server = apr_pcalloc(zm_test_pool(), sizeof *server);
    ZM_ASSERT_OK(zm_loop_create(&server->loop, zm_test_pool()));
    server->dns = fake_dns_start(server->loop, zone, zm_test_pool());
    ZM_ASSERT_OK(apr_env_set("RESOLVER", fake_dns_address(server->dns), zm_test_pool()));
    ZM_ASSERT_OK(apr_thread_create(&server->thread, NULL, serve, server, zm_test_pool()));
    return server;
}

static void stop(server_t *server)
{
    apr_status_t status;
    ZM_ASSERT_OK(zm_loop_post(server->loop, end, server));
    ZM_ASSERT_OK(apr_thread_join(&status, server->thread));
    fake_dns_stop(server->dns);
}

static zm_str_t variable(void *baton, const char *name)
{
    (void)baton;
    return strcmp(name, "hostname") == 0 ? ZM_S("Here.test") : ZM_S("");
}

/* The answer as text: values with blanks between them and the time to live; "-" for absent, "!"
 * and the reason for failed. */
static const char *look(const char *type, const char *subtype, const char *key)
{
    zm_map_options_t options = {.subtype = subtype, .variable = variable};
    const char *text = "";
    zm_map_answer_t answer;
    zm_map_outcome_t outcome;
    zm_error_t error;
    zm_map_t *map = NULL;
    apr_size_t i;
    ZM_ASSERT_OK(zm_map_create(&map, type, &options, zm_test_pool(), &error));
    outcome = zm_map_lookup(map, zm_str(key), &answer, zm_test_pool());
    if (outcome == ZM_MAP_FAILED)
        return apr_pstrcat(zm_test_pool(), "!", answer.reason, NULL);
    if (outcome == ZM_MAP_ABSENT)
        return "-";
    if (answer.count == 0)
        return apr_psprintf(zm_test_pool(), "%s %u", zm_str_c(zm_test_pool(), answer.value),
                            answer.ttl);
    for (i = 0; i < answer.count; i++)
        text = apr_pstrcat(zm_test_pool(), text, zm_str_c(zm_test_pool(), answer.values[i]), " ",
                           NULL);
    return apr_psprintf(zm_test_pool(), "(%s) %u", text, answer.ttl);
}

static void exchangers_come_in_order_up_to_this_host(void)
{
    server_t *server = start();
    ZM_ASSERT_STR(look("bind", "mx", "mail.test"), "(best.test ) 60");
    ZM_ASSERT_STR(look("bind", "MX", "mxonly.test"), "(best.test ) 30");
    ZM_ASSERT_STR(look("bind", "mxwks", "mxonly.test"), "(best.test ) 30");
    ZM_ASSERT_STR(look("bind", "mx", "ours.test"), "-");
    ZM_ASSERT_STR(look("bind", "mx", "none.test"), "-");
    ZM_ASSERT_STR(look("bind", "mx", "best.test"), "-");
    ZM_ASSERT_STR(look("bind", "mx", "nosuch.test"), "-");
    stop(server);
}

static void the_best_exchanger_is_told_by_name_and_address(void)
{
    server_t *server = start();
    ZM_ASSERT_STR(look("bind", "mxlocal", "ours.test"), "(ours.test ) 300");
    ZM_ASSERT_STR(look("bind", "mxlocal", "byip.test"), "(byip.test ) 300");
    if (!zm_test_on_wine()) /* where a socket can be bound to any address */
        ZM_ASSERT_STR(look("bind", "mxlocal", "mail.test"), "-");
    ZM_ASSERT_STR(look("bind", "mxlocal", "best.test"), "-");
    stop(server);
}

static void other_records_are_found(void)
{
    server_t *server = start();
    ZM_ASSERT_STR(look("bind", "a", "best.test"), "(198.51.100.1 198.51.100.2 ) 300");
    ZM_ASSERT_STR(look("bind", "aaaa", "best.test"), "(2001:db8::1 ) 300");
    ZM_ASSERT_STR(look("bind", "aaaa", "late.test"), "-");
    ZM_ASSERT_STR(look("bind", "ptr", "1.100.51.198.in-addr.arpa"), "best.test 300");
    ZM_ASSERT_STR(look("bind", "txt", "textonly.test"), "some text 30");
    ZM_ASSERT_STR(look("bind", "cname", "alias.test"), "best.test 30");
    ZM_ASSERT_STR(look("bind", "cname", "best.test"), "best.test 300");
    ZM_ASSERT_STR(look("bind", "cname", "nosuch.test"), "-");
    ZM_ASSERT_STR(look("bind", "any", "alias.test"), "best.test 30");
    ZM_ASSERT_STR(look("bind", "any", "mxonly.test"), "mxonly.test 30");
    ZM_ASSERT_STR(look("bind", "any", "textonly.test"), "-");
    ZM_ASSERT_STR(look("bind", "wks", "best.test"), "best.test 0");
    ZM_ASSERT_STR(look("hostsfile", NULL, "alias.test"), "best.test 30");
    ZM_ASSERT_STR(look("hostsfile", NULL, "nosuch.test"), "-");
    stop(server);
}

static void trouble_of_a_server_is_no_absence(void)
{
    server_t *server = start();
    ZM_ASSERT_STR(look("bind", "mx", "servfail.test"), "!NS:servfail.test/mx");
    ZM_ASSERT_STR(look("bind", "a", "refused.test"), "!NS:refused.test/a");
    ZM_ASSERT_STR(look("bind", "cname", "garbage.test"), "!NS:garbage.test/cname");
    ZM_ASSERT_STR(look("hostsfile", NULL, "servfail.test"), "!NS:servfail.test/a");
    stop(server);
}

static void a_name_that_failed_is_not_asked_again_in_the_same_unit(void)
{
    server_t *server = start();
    zm_map_options_t options = {.subtype = "mx", .variable = variable};
    zm_map_answer_t answer;
    zm_error_t error;
    zm_map_t *map = NULL;
    int asked, i;
    ZM_ASSERT_OK(zm_map_create(&map, "bind", &options, zm_test_pool(), &error));
    zm_map_look_again();
    CU_ASSERT_EQUAL(zm_map_lookup(map, ZM_S("servfail.test"), &answer, zm_test_pool()),
                    ZM_MAP_FAILED);
    asked = fake_dns_udp_count(server->dns);
    for (i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(zm_map_lookup(map, ZM_S("SERVFAIL.test"), &answer, zm_test_pool()),
                        ZM_MAP_FAILED);
    CU_ASSERT_EQUAL(fake_dns_udp_count(server->dns), asked);
    zm_map_look_again();
    (void)zm_map_lookup(map, ZM_S("servfail.test"), &answer, zm_test_pool());
    CU_ASSERT(fake_dns_udp_count(server->dns) > asked);
    stop(server);
}

static void what_to_ask_for_must_be_said(void)
{
    zm_map_options_t options = {0}, odd = {.subtype = "axfr"};
    zm_error_t error;
    zm_map_t *map;
    CU_ASSERT_EQUAL(zm_map_create(&map, "bind", &options, zm_test_pool(), &error), ZM_E_CONFIG);
    CU_ASSERT_EQUAL(zm_map_create(&map, "bind", &odd, zm_test_pool(), &error), ZM_E_CONFIG);
}

static void this_machine_is_told_by_its_addresses(void)
{
    ZM_ASSERT_STR(look("selfmatch", NULL, "127.9.9.9"), "2 0");
    ZM_ASSERT_STR(look("selfmatch", NULL, "0.1.2.3"), "3 0");
    ZM_ASSERT_STR(look("selfmatch", NULL, "240.1.2.3"), "3 0");
    if (!zm_test_on_wine())
        ZM_ASSERT_STR(look("selfmatch", NULL, "198.51.100.1"), "-");
    ZM_ASSERT_STR(look("selfmatch", NULL, "no address"), "-");
    ZM_ASSERT_STR(look("selfmatch", NULL, "IPv6:2001:db8::1"), "-");
}

ZM_TESTS("bind", ZM_TEST(exchangers_come_in_order_up_to_this_host),
         ZM_TEST(the_best_exchanger_is_told_by_name_and_address), ZM_TEST(other_records_are_found),
         ZM_TEST(trouble_of_a_server_is_no_absence),
         ZM_TEST(a_name_that_failed_is_not_asked_again_in_the_same_unit),
         ZM_TEST(what_to_ask_for_must_be_said), ZM_TEST(this_machine_is_told_by_its_addresses))
