#include "mta/net/ip.h"
#include "tests/unit/harness.h"

static const char *reprint(const char *text)
{
    static char buffer[ZM_IP_TEXT];
    zm_ip_t ip;
    return zm_ip_parse(&ip, zm_str(text)) == APR_SUCCESS ? zm_ip_print(&ip, buffer) : "bad";
}

static void addresses_print_in_their_shortest_form(void)
{
    ZM_ASSERT_STR(reprint("192.0.2.1"), "192.0.2.1");
    ZM_ASSERT_STR(reprint("2001:0DB8:0:0:0:0:0:1"), "2001:db8::1");
    ZM_ASSERT_STR(reprint("::"), "::");
    ZM_ASSERT_STR(reprint("::1"), "::1");
    ZM_ASSERT_STR(reprint("1::"), "1::");
    ZM_ASSERT_STR(reprint("1:0:0:2:0:0:0:3"), "1:0:0:2::3");
    ZM_ASSERT_STR(reprint("1:0:2:3:4:5:6:7"), "1:0:2:3:4:5:6:7");
    ZM_ASSERT_STR(reprint("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0");
    ZM_ASSERT_STR(reprint("64:ff9b::192.0.2.33"), "64:ff9b::c000:221");
    ZM_ASSERT_STR(reprint("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
                  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void mapped_address_is_its_ipv4_address(void)
{
    ZM_ASSERT_STR(reprint("::ffff:192.0.2.1"), "192.0.2.1");
    ZM_ASSERT_STR(reprint("::ffff:c000:201"), "192.0.2.1");
}

static void malformed_addresses_are_refused(void)
{
    static const char *const bad[] = {"",
                                      "1.2.3",
                                      "1.2.3.4.5",
                                      "1.2.3.256",
                                      "01.2.3.4",
                                      "1.2.3.4 ",
                                      "1..2.3",
                                      "+1.2.3.4",
                                      ":",
                                      ":::",
                                      "1::2::3",
                                      "1:2:3:4:5:6:7",
                                      "12345::",
                                      "1:2:3:4:5:6:7:8:9",
                                      "fe80::1%eth0",
                                      "::1.2.3",
                                      "1:2:3:4:5:6:7:1.2.3.4",
                                      "g::",
                                      "1:",
                                      "1:2:3:4:5:6:7:8::",
                                      "::1.2.3.4:5",
                                      ":1::",
                                      "1.2.3.4::"};
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        zm_ip_t ip;
        CU_ASSERT_EQUAL(zm_ip_parse(&ip, zm_str(bad[i])), ZM_E_SYNTAX);
    }
}

static void nul_inside_an_address_is_refused(void)
{
    zm_ip_t ip;
    CU_ASSERT_EQUAL(zm_ip_parse(&ip, zm_str_of("1.2.3.4\0", 8)), ZM_E_SYNTAX);
}

static void literals_need_brackets_and_the_tag_of_ipv6(void)
{
    char text[ZM_IP_TEXT];
    zm_ip_t ip;
    ZM_ASSERT_OK(zm_ip_parse_literal(&ip, zm_str("[192.0.2.1]")));
    ZM_ASSERT_STR(zm_ip_print_literal(&ip, text), "[192.0.2.1]");
    ZM_ASSERT_OK(zm_ip_parse_literal(&ip, zm_str("[ipv6:2001:db8::1]")));
    ZM_ASSERT_STR(zm_ip_print_literal(&ip, text), "[IPv6:2001:db8::1]");
    CU_ASSERT_EQUAL(zm_ip_parse_literal(&ip, zm_str("[2001:db8::1]")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_ip_parse_literal(&ip, zm_str("[IPv6:192.0.2.1]")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_ip_parse_literal(&ip, zm_str("192.0.2.1")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_ip_parse_literal(&ip, zm_str("[")), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_ip_parse_literal(&ip, zm_str("[]")), ZM_E_SYNTAX);
}

static const char *endpoint(const char *given)
{
    static char text[ZM_IP_TEXT];
    zm_endpoint_t where;
    if (zm_endpoint_parse(&where, zm_str(given), 25) != APR_SUCCESS)
        return "bad";
    return zm_endpoint_print(&where, text);
}

static void endpoints_take_every_usual_form(void)
{
    ZM_ASSERT_STR(endpoint("192.0.2.1"), "192.0.2.1:25");
    ZM_ASSERT_STR(endpoint("192.0.2.1:2525"), "192.0.2.1:2525");
    ZM_ASSERT_STR(endpoint("[192.0.2.1]:0"), "192.0.2.1:0");
    ZM_ASSERT_STR(endpoint("[192.0.2.1],26"), "192.0.2.1:26");
    ZM_ASSERT_STR(endpoint("::1"), "[::1]:25");
    ZM_ASSERT_STR(endpoint("[::1]:587"), "[::1]:587");
    ZM_ASSERT_STR(endpoint("[IPv6:::1]:587"), "[::1]:587");
    ZM_ASSERT_STR(endpoint("::1 587"), "[::1]:587");
    ZM_ASSERT_STR(endpoint("*:25"), "*:25");
    ZM_ASSERT_STR(endpoint("1.2.3.4:65536"), "bad");
    ZM_ASSERT_STR(endpoint("1.2.3.4:"), "bad");
    ZM_ASSERT_STR(endpoint("[1.2.3.4]x"), "bad");
    ZM_ASSERT_STR(endpoint("[1.2.3.4"), "bad");
    ZM_ASSERT_STR(endpoint("mail.example"), "bad");
    ZM_ASSERT_STR(endpoint(""), "bad");
}

static int inside(const char *network_text, const char *address)
{
    zm_network_t network;
    zm_ip_t ip;
    if (zm_network_parse(&network, zm_str(network_text)) != APR_SUCCESS)
        return -1;
    return zm_ip_parse(&ip, zm_str(address)) == APR_SUCCESS && zm_network_contains(&network, &ip);
}

static void networks_contain_their_addresses_only(void)
{
    CU_ASSERT_EQUAL(inside("192.0.2.0/24", "192.0.2.255"), 1);
    CU_ASSERT_EQUAL(inside("192.0.2.0/24", "192.0.3.0"), 0);
    CU_ASSERT_EQUAL(inside("192.0.2.128/25", "192.0.2.127"), 0);
    CU_ASSERT_EQUAL(inside("0.0.0.0/0", "203.0.113.9"), 1);
    CU_ASSERT_EQUAL(inside("0.0.0.0/0", "::1"), 0);
    CU_ASSERT_EQUAL(inside("192.0.2.7", "192.0.2.7"), 1);
    CU_ASSERT_EQUAL(inside("192.0.2.7", "192.0.2.6"), 0);
    CU_ASSERT_EQUAL(inside("2001:db8::/33", "2001:db8:7fff::1"), 1);
    CU_ASSERT_EQUAL(inside("2001:db8::/33", "2001:db8:8000::1"), 0);
    CU_ASSERT_EQUAL(inside("192.0.2.0/24", "::ffff:192.0.2.9"), 1);
}

static void networks_with_stray_bits_or_width_are_refused(void)
{
    CU_ASSERT_EQUAL(inside("192.0.2.1/24", "192.0.2.1"), -1);
    CU_ASSERT_EQUAL(inside("192.0.2.0/33", "192.0.2.1"), -1);
    CU_ASSERT_EQUAL(inside("2001:db8::/129", "::1"), -1);
    CU_ASSERT_EQUAL(inside("192.0.2.0/", "192.0.2.1"), -1);
    CU_ASSERT_EQUAL(inside("192.0.2.0/-1", "192.0.2.1"), -1);
}

static void special_addresses_are_recognised(void)
{
    zm_ip_t ip;
    zm_ip_parse(&ip, zm_str("127.1.2.3"));
    CU_ASSERT_TRUE(zm_ip_is_loopback(&ip));
    zm_ip_parse(&ip, zm_str("::1"));
    CU_ASSERT_TRUE(zm_ip_is_loopback(&ip));
    zm_ip_parse(&ip, zm_str("::"));
    CU_ASSERT_TRUE(zm_ip_is_unspecified(&ip));
    CU_ASSERT_FALSE(zm_ip_is_loopback(&ip));
    zm_ip_parse(&ip, zm_str("0.1.2.3"));
    CU_ASSERT_TRUE(zm_ip_is_unspecified(&ip));
    zm_ip_parse(&ip, zm_str("224.0.0.1"));
    CU_ASSERT_TRUE(zm_ip_is_multicast(&ip));
    zm_ip_parse(&ip, zm_str("ff02::1"));
    CU_ASSERT_TRUE(zm_ip_is_multicast(&ip));
}

static void reverse_names_follow_both_families(void)
{
    zm_ip_t ip;
    zm_ip_parse(&ip, zm_str("192.0.2.1"));
    ZM_ASSERT_STR(zm_ip_reverse_name(&ip, NULL, zm_test_pool()), "1.2.0.192.in-addr.arpa");
    ZM_ASSERT_STR(zm_ip_reverse_name(&ip, "bl.test", zm_test_pool()), "1.2.0.192.bl.test");
    zm_ip_parse(&ip, zm_str("2001:db8::1"));
    ZM_ASSERT_STR(zm_ip_reverse_name(&ip, NULL, zm_test_pool()),
                  "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

static void endpoints_survive_the_way_through_the_system_form(void)
{
    static const char *const each[] = {"192.0.2.1:25", "[2001:db8::1]:65535"};
    apr_size_t i;
    for (i = 0; i < sizeof each / sizeof each[0]; i++) {
        char text[ZM_IP_TEXT];
        zm_endpoint_t given, back;
        ZM_ASSERT_OK(zm_endpoint_parse(&given, zm_str(each[i]), 0));
        back = zm_endpoint_of(zm_endpoint_sockaddr(&given, true, zm_test_pool()));
        ZM_ASSERT_STR(zm_endpoint_print(&back, text), each[i]);
    }
}

ZM_TESTS("net ip", ZM_TEST(addresses_print_in_their_shortest_form),
         ZM_TEST(mapped_address_is_its_ipv4_address), ZM_TEST(malformed_addresses_are_refused),
         ZM_TEST(nul_inside_an_address_is_refused),
         ZM_TEST(literals_need_brackets_and_the_tag_of_ipv6),
         ZM_TEST(endpoints_take_every_usual_form), ZM_TEST(networks_contain_their_addresses_only),
         ZM_TEST(networks_with_stray_bits_or_width_are_refused),
         ZM_TEST(special_addresses_are_recognised), ZM_TEST(reverse_names_follow_both_families),
         ZM_TEST(endpoints_survive_the_way_through_the_system_form))
