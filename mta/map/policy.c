/* Keys and records of policy databases. */
#include "mta/map/policy.h"

#include <string.h>

static const struct {
    const char *name;
    bool is_switch;
} attributes[ZM_POLICY_ATTRIBUTES] = {
    [ZM_POLICY_ALIAS] = {"=", false},
    [ZM_POLICY_REJECTNET] = {"rejectnet", true},
    [ZM_POLICY_FREEZENET] = {"freezenet", true},
    [ZM_POLICY_REJECTSOURCE] = {"rejectsource", true},
    [ZM_POLICY_FREEZESOURCE] = {"freezesource", true},
    [ZM_POLICY_RELAYCUSTOMER] = {"relaycustomer", true},
    [ZM_POLICY_RELAYCUSTNET] = {"relaycustnet", true},
    [ZM_POLICY_RELAYTARGET] = {"relaytarget", true},
    [ZM_POLICY_ACCEPTIFMX] = {"acceptifmx", true},
    [ZM_POLICY_ACCEPTIFDNS] = {"acceptifdns", true},
    [ZM_POLICY_SENDEROKWITHDNS] = {"senderokwithdns", true},
    [ZM_POLICY_FREEZE] = {"freeze", true},
    [ZM_POLICY_SENDERNORELAY] = {"sendernorelay", true},
    [ZM_POLICY_TESTDNSRBL] = {"test-dns-rbl", false},
    [ZM_POLICY_MESSAGE] = {"message", false},
    [ZM_POLICY_LOCALDOMAIN] = {"localdomain", true},
    [ZM_POLICY_MAXINSIZE] = {"maxinsize", false},
    [ZM_POLICY_MAXOUTSIZE] = {"maxoutsize", false},
    [ZM_POLICY_FULLTRUSTNET] = {"fulltrustnet", true},
    [ZM_POLICY_TRUSTRECIPIENTS] = {"trustrecipients", true},
    [ZM_POLICY_TRUSTWHOSON] = {"trust-whoson", true},
    [ZM_POLICY_RCPTDNSRBL] = {"rcpt-dns-rbl", false},
    [ZM_POLICY_TESTRCPTDNSRBL] = {"test-rcpt-dns-rbl", true},
    [ZM_POLICY_WARNRCPTDNSRBL] = {"warn-rcpt-dns-rbl", true},
    [ZM_POLICY_FILTERING] = {"filtering", true},
    [ZM_POLICY_MAXSAMEIPSOURCE] = {"maxsameipsource", false},
    [ZM_POLICY_SPF] = {"spf", true},
    [ZM_POLICY_RATELIMITMSGS] = {"ratelimitmsgs", false},
};

const char *zm_policy_name(unsigned attribute)
{
    return attribute > 0 && attribute < ZM_POLICY_ATTRIBUTES ? attributes[attribute].name : "";
}

unsigned zm_policy_by_name(zm_str_t name)
{
    unsigned i;
    for (i = 1; i < ZM_POLICY_ATTRIBUTES; i++)
        if (i != ZM_POLICY_WARNRCPTDNSRBL && zm_str_equal_c(name, attributes[i].name))
            return i;
    return 0;
}

bool zm_policy_is_switch(unsigned attribute)
{
    return attribute > 0 && attribute < ZM_POLICY_ATTRIBUTES && attributes[attribute].is_switch;
}

/* -- keys -------------------------------------------------------------------------------------- */

static void add_address(zm_buf_t *out, const zm_ip_t *ip, unsigned width)
{
    unsigned size = ip->family == 4 ? 4 : 16, i;
    zm_buf_add_byte(out, (char)(size + 3));
    zm_buf_add_byte(out, (char)(ip->family == 4 ? ZM_POLICY_IPV4 : ZM_POLICY_IPV6));
    for (i = 0; i < size; i++) {
        unsigned bits = width >= 8 * (i + 1) ? 8 : width > 8 * i ? width - 8 * i : 0;
        zm_buf_add_byte(out, (char)(ip->bytes[i] & (0xff00u >> bits)));
    }
    zm_buf_add_byte(out, (char)width);
}

/* "[1.2.3.0]/24", "1.2.3.0/24", "[ipv6:2001:db8::]/32", "[ipv6.2001:db8::]/32", "2001:db8::/32" */
static bool add_network(zm_buf_t *out, zm_str_t word, const char **problem)
{
    zm_str_t address, width;
    zm_ip_t ip;
    bool six;
    uint64_t bits;
    zm_str_cut(word, '/', &address, &width);
    if (address.length > 0 && address.data[0] == '[') {
        if (address.data[address.length - 1] != ']') {
            *problem = "the address has no \"]\"";
            return false;
        }
        address = zm_str_of(address.data + 1, address.length - 2);
    }
    if (address.length > 5 && zm_str_equal_nocase(zm_str_of(address.data, 4), ZM_S("ipv6")) &&
        (address.data[4] == ':' || address.data[4] == '.'))
        address = zm_str_from(address, 5);
    six = zm_str_find(address, ':') >= 0;
    if (zm_ip_parse(&ip, address) != APR_SUCCESS) {
        *problem = six ? "this is no IPv6 address" : "this is no IPv4 address";
        return false;
    }
    if (zm_str_u64(width, &bits) != APR_SUCCESS || bits > (six ? 128 : 32)) {
        *problem = six ? "the width is not 0 to 128" : "the width is not 0 to 32";
        return false;
    }
    if (six && ip.family == 4) /* in its IPv6 form, whose first 96 bits are the form */
        bits = bits > 96 ? bits - 96 : 0;
    add_address(out, &ip, (unsigned)bits);
    return true;
}

static void add_text(zm_buf_t *out, zm_policy_class_t class, zm_str_t text)
{
    apr_size_t i;
    zm_buf_add_byte(out, (char)(text.length + 3));
    zm_buf_add_byte(out, (char)class);
    for (i = 0; i < text.length; i++)
        zm_buf_add_byte(out, (char)zm_to_lower((unsigned char)text.data[i]));
    zm_buf_add_byte(out, '\0');
}

bool zm_policy_add_key(zm_buf_t *out, zm_str_t word, const char **problem)
{
    if (zm_str_find(word, '\0') >= 0) {
        *problem = "the key has a NUL in it";
        return false;
    }
    if (zm_str_find(word, '/') >= 0)
        return add_network(out, word, problem);
    if (word.length == 0 || word.length > ZM_POLICY_KEY_TEXT) {
        *problem = word.length == 0 ? "there is no key" : "the key is longer than 252 bytes";
        return false;
    }
    add_text(out,
             zm_str_find(word, '@') >= 0 ? ZM_POLICY_USER
             : word.data[0] == '_'       ? ZM_POLICY_TAG
                                         : ZM_POLICY_DOMAIN,
             word);
    return true;
}

unsigned zm_policy_key_class(zm_str_t key)
{
    unsigned class = key.length >= 3 ? (unsigned char)key.data[1] : 0;
    if (class == 0 || (unsigned char)key.data[0] != key.length || class > ZM_POLICY_USER)
        return 0;
    if (class == ZM_POLICY_IPV4)
        return key.length == 7 && key.data[6] >= 0 && key.data[6] <= 32 ? class : 0;
    if (class == ZM_POLICY_IPV6)
        return key.length == 19 && (unsigned char)key.data[18] <= 128 ? class : 0;
    return memchr(key.data + 2, '\0', key.length - 2) == key.data + key.length - 1 ? class : 0;
}

/* -- records ----------------------------------------------------------------------------------- */

void zm_policy_add_entry(zm_buf_t *out, unsigned attribute, zm_str_t value)
{
    zm_buf_add_byte(out, (char)(value.length + 3));
    zm_buf_add_byte(out, (char)attribute);
    zm_buf_add_str(out, value);
    zm_buf_add_byte(out, '\0');
}

bool zm_policy_next(zm_str_t *record, unsigned *attribute, zm_str_t *value)
{
    apr_size_t length = record->length > 0 ? (unsigned char)record->data[0] : 0;
    if (length < 3 || length > record->length || record->data[length - 1] != '\0')
        return false;
    *attribute = (unsigned char)record->data[1];
    *value = zm_str_of(record->data + 2, length - 3);
    record->data += length;
    record->length -= length;
    return zm_str_find(*value, '\0') < 0;
}

static void print_key(zm_buf_t *out, zm_str_t key, unsigned class)
{
    char text[ZM_IP_TEXT];
    zm_ip_t ip = {0};
    if (class != ZM_POLICY_IPV4 && class != ZM_POLICY_IPV6) {
        zm_buf_add(out, key.data + 2, key.length - 3);
        return;
    }
    ip.family = class == ZM_POLICY_IPV4 ? 4 : 6;
    memcpy(ip.bytes, key.data + 2, key.length - 3);
    zm_buf_printf(out, class == ZM_POLICY_IPV4 ? "[%s]/%u" : "[ipv6:%s]/%u", zm_ip_print(&ip, text),
                  (unsigned char)key.data[key.length - 1]);
}

bool zm_policy_print(zm_buf_t *out, zm_str_t key, zm_str_t record)
{
    unsigned class = zm_policy_key_class(key), attribute;
    const char *space = "";
    zm_str_t value;
    if (class == 0)
        return false;
    print_key(out, key, class);
    zm_buf_add_byte(out, '\t');
    while (zm_policy_next(&record, &attribute, &value)) {
        if (zm_policy_name(attribute)[0] == '\0')
            zm_buf_printf(out, "%s# attribute %u", space, attribute);
        else
            zm_buf_printf(out, "%s%s \"%.*s\"", space, zm_policy_name(attribute), (int)value.length,
                          value.data);
        space = " ";
    }
    zm_buf_add_byte(out, '\n');
    return record.length == 0;
}
