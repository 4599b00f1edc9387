/*
 * From destinations to addresses, with a name service of our own.
 */
#include "tests/unit/harness.h"

#include <apr_strings.h>

#include "ta/smtp/route.h"
#include "tests/unit/mta/net/fake_dns.h"
#include "tests/unit/mta/net/net_help.h"

static const fake_record_t zone[] = {{"mx.test", ZM_DNS_MX, 300, "20 late.test"},
                                     {"mx.test", ZM_DNS_MX, 300, "10 early.test"},
                                     {"late.test", ZM_DNS_A, 300, "198.51.100.20"},
                                     {"early.test", ZM_DNS_A, 300, "198.51.100.10"},
                                     {"early.test", ZM_DNS_AAAA, 300, "2001:db8::10"},
                                     {"plain.test", ZM_DNS_A, 300, "198.51.100.1"},
                                     {"plain.test", ZM_DNS_AAAA, 300, "2001:db8::1"},
                                     {"six.test", ZM_DNS_AAAA, 300, "2001:db8::6"},
                                     {"null.test", ZM_DNS_MX, 300, "0 "},
                                     {"empty.test", ZM_DNS_TXT, 300, "x"},
                                     {"bare.test", ZM_DNS_MX, 300, "10 empty.test"},
                                     {"we1.test", ZM_DNS_MX, 300, "10 us.test"},
                                     {"we1.test", ZM_DNS_MX, 300, "20 late.test"},
                                     {"we2.test", ZM_DNS_MX, 300, "10 early.test"},
                                     {"we2.test", ZM_DNS_MX, 300, "20 us.test"},
                                     {"we2.test", ZM_DNS_MX, 300, "20 late.test"},
                                     {"we3.test", ZM_DNS_MX, 300, "10 early.test"},
                                     {"we3.test", ZM_DNS_MX, 300, "30 home.test"},
                                     {"we3.test", ZM_DNS_MX, 300, "40 late.test"},
                                     {"we4.test", ZM_DNS_MX, 300, "10 servfail.us.test"},
                                     {"we4.test", ZM_DNS_MX, 300, "20 late.test"},
                                     {"home.test", ZM_DNS_A, 300, "127.0.0.1"},
                                     {"us.test", ZM_DNS_A, 300, "198.51.100.99"},
                                     {"ring1.test", ZM_DNS_CNAME, 300, "apart2.test"},
                                     {"apart2.test", ZM_DNS_CNAME, 300, "apart3.test"},
                                     {"apart3.test", ZM_DNS_CNAME, 300, "apart2.test"},
                                     {"alias.test", ZM_DNS_CNAME, 300, "plain.test"},
                                     {NULL, ZM_DNS_A, 0, NULL}};

static zm_loop_t *loop;
static fake_dns_t *service;
static zm_dns_t *dns;
static zm_smtp_options_t options;
static int found;
static const zm_route_t *route;

static void on_route(const zm_route_t *result, void *baton)
{
    (void)baton;
    route = result;
    found = 1;
}

static void begin(void)
{
    zm_dns_options_t dns_options = {.timeout = apr_time_from_sec(5)};
    loop = net_loop();
    service = fake_dns_start(loop, zone, zm_test_pool());
    dns_options.servers = fake_dns_address(service);
    ZM_ASSERT_OK(zm_dns_create(&dns, loop, &dns_options, NULL));
    zm_smtp_defaults(&options);
    options.hostname = options.helo = "us.test";
}

static void end(void)
{
    zm_dns_destroy(dns);
    fake_dns_stop(service);
}

/* The hops in one line, or why there are none. */
static const char *find(const char *destination)
{
    apr_pool_t *pool = zm_test_pool();
    const char *text = "";
    int i;
    found = 0;
    zm_route_find(zm_str(destination), false, &options, dns, on_route, NULL, pool);
    net_run_until(loop, &found);
    if (route->count == 0)
        return apr_psprintf(pool, "%d %s", route->result, route->status);
    for (i = 0; i < route->count; i++) {
        char ip[ZM_IP_TEXT];
        if (route->hops[i].to.ip.family == 6 && !route->exchangers && options.no_mx)
            continue;
        text = apr_pstrcat(pool, text, i > 0 ? " " : "", route->hops[i].name, "=",
                           zm_endpoint_print(&route->hops[i].to, ip), NULL);
    }
    return text;
}

/* Machines without IPv6 sockets do not ask for such addresses. */
static bool has_ipv6(void)
{
    return strstr(find("early.test"), "2001:db8::10") != NULL;
}

static void literals_are_taken_as_they_are(void)
{
    begin();
    ZM_ASSERT_STR(find("[198.51.100.7]"), "[198.51.100.7]=198.51.100.7:25");
    CU_ASSERT_TRUE(route->hops[0].literal);
    ZM_ASSERT_STR(find("[198.51.100.7]:2525"), "[198.51.100.7]:2525=198.51.100.7:2525");
    ZM_ASSERT_STR(find("\"[198.51.100.7]\""), "[198.51.100.7]=198.51.100.7:25");
    ZM_ASSERT_STR(find("[IPv6:2001:db8::7]:26"), "[IPv6:2001:db8::7]:26=[2001:db8::7]:26");
    ZM_ASSERT_STR(find("[198.51.100]"), "68 5.1.2");
    ZM_ASSERT_STR(find("[127.0.0.1]"), "[127.0.0.1]=127.0.0.1:25");
    end();
}

static void exchangers_come_in_the_order_of_preference(void)
{
    if (zm_test_on_wine()) /* which lets every address be bound, as if it were ours */
        return;
    begin();
    ZM_ASSERT_STR(find("mx.test"),
                  has_ipv6()
                      ? (find("mx.test"), "early.test=[2001:db8::10]:25 "
                                          "early.test=198.51.100.10:25 late.test=198.51.100.20:25")
                      : "early.test=198.51.100.10:25 late.test=198.51.100.20:25");
    options.prefer_ipv6 = false;
    CU_ASSERT_EQUAL(strncmp(find("mx.test"), "early.test=198.51.100.10:25 ", 28), 0);
    end();
}

static void destinations_behind_one_another_are_tried_in_order(void)
{
    if (zm_test_on_wine())
        return;
    begin();
    options.prefer_ipv6 = false;
    ZM_ASSERT_STR(find("[198.51.100.7]:587,[198.51.100.8]"),
                  "[198.51.100.7]:587=198.51.100.7:587 [198.51.100.8]=198.51.100.8:25");
    CU_ASSERT_EQUAL(strncmp(find("late.test,[198.51.100.7],plain.test"),
                            "late.test=198.51.100.20:25 [198.51.100.7]=198.51.100.7:25 plain.", 64),
                    0);
    CU_ASSERT_FALSE(route->hops[0].literal);
    CU_ASSERT_TRUE(route->hops[1].literal);
    ZM_ASSERT_STR(find("nowhere.test,[198.51.100.7]"), "[198.51.100.7]=198.51.100.7:25");
    ZM_ASSERT_STR(find("nowhere.test,null.test"), "68 5.4.4");
    ZM_ASSERT_STR(find(","), "68 5.4.4");
    end();
}

static void names_without_exchangers_stand_for_themselves(void)
{
    begin();
    CU_ASSERT_EQUAL(strncmp(find("plain.test"), "plain.test=198.51.100.1:25", 26), 0);
    CU_ASSERT_EQUAL(strncmp(find("alias.test"), "alias.test=198.51.100.1:25", 26), 0);
    if (has_ipv6())
        ZM_ASSERT_STR(find("six.test"), "six.test=[2001:db8::6]:25");
    options.source[0].ip = (zm_ip_t){4, {192, 0, 2, 1}}; /* we come from there: no IPv6 */
    ZM_ASSERT_STR(find("plain.test"), "plain.test=198.51.100.1:25");
    ZM_ASSERT_STR(find("six.test"), "69 5.4.4");
    options.source[0].ip.family = 0;
    options.no_mx = true;
    ZM_ASSERT_STR(find("late.test"), "late.test=198.51.100.20:25");
    ZM_ASSERT_STR(find("mx.test"), "69 5.4.4");
    end();
}

static void what_does_not_exist_fails_for_good(void)
{
    begin();
    ZM_ASSERT_STR(find("nowhere.test"), "68 5.4.4");
    ZM_ASSERT_STR(find("null.test"), "68 5.1.10");
    ZM_ASSERT_STR(find("bare.test"), "69 5.4.4");
    ZM_ASSERT_STR(find("empty.test"), "69 5.4.4");
    ZM_ASSERT_STR(find("ring1.test"), "68 5.4.3");
    end();
}

static void what_cannot_be_told_now_waits(void)
{
    begin();
    fake_dns_stop(service);
    zm_dns_destroy(dns);
    ZM_ASSERT_OK(zm_dns_create(&dns, loop,
                               &(zm_dns_options_t){.servers = fake_dns_address(service),
                                                   .timeout = apr_time_from_msec(20),
                                                   .tries = 1},
                               NULL));
    ZM_ASSERT_STR(find("mx.test"), "100 4.4.3");
    zm_dns_destroy(dns);
}

static void we_are_not_our_own_next_hop(void)
{
    if (zm_test_on_wine())
        return;
    begin();
    ZM_ASSERT_STR(find("we1.test"), "68 5.4.6");
    options.prefer_ipv6 = false;
    CU_ASSERT_PTR_NULL(strstr(find("we2.test"), "late.test"));
    CU_ASSERT_PTR_NOT_NULL(strstr(find("we2.test"), "early.test"));
    CU_ASSERT_PTR_NULL(strstr(find("we3.test"), "late.test"));
    CU_ASSERT_PTR_NULL(strstr(find("we3.test"), "home.test"));
    end();
}

static void we_know_our_name_without_its_address(void)
{
    if (zm_test_on_wine())
        return;
    begin();
    options.hostname = options.helo = "servfail.us.test";
    ZM_ASSERT_STR(find("we4.test"), "68 5.4.6");
    end();
}

static void the_old_way_is_there_on_request(void)
{
    if (zm_test_on_wine())
        return;
    begin();
    options.strict = true;
    ZM_ASSERT_STR(find("we1.test"), "69 5.4.4"); /* it has no address of its own */
    end();
}

static void addresses_of_a_cluster_are_ours(void)
{
    zm_ip_t own;
    begin();
    zm_ip_parse(&own, ZM_S("198.51.100.10"));
    options.self_ips = &own;
    options.self_ip_count = 1;
    ZM_ASSERT_STR(find("mx.test"), "68 5.4.6");
    end();
}

ZM_TESTS("smtp route", ZM_TEST(literals_are_taken_as_they_are),
         ZM_TEST(exchangers_come_in_the_order_of_preference),
         ZM_TEST(destinations_behind_one_another_are_tried_in_order),
         ZM_TEST(names_without_exchangers_stand_for_themselves),
         ZM_TEST(what_does_not_exist_fails_for_good), ZM_TEST(what_cannot_be_told_now_waits),
         ZM_TEST(we_are_not_our_own_next_hop), ZM_TEST(addresses_of_a_cluster_are_ours),
         ZM_TEST(we_know_our_name_without_its_address), ZM_TEST(the_old_way_is_there_on_request))
