#include "mta/scheduler/account.h"

#include <openssl/crypto.h>
#include <string.h>

#include "mta/net/challenge.h"

typedef struct account_t {
    zm_str_t user, password, addresses;
    int rights;
} account_t;

/* -- lines --------------------------------------------------------------------------------- */

static int rights_of(zm_str_t tokens)
{
    static const struct {
        const char *word;
        int right;
    } words[] = {{"SNMP", ZM_MAY_SNMP}, {"QQ", ZM_MAY_QUEUE},  {"TT", ZM_MAY_THREADS},
                 {"ETRN", ZM_MAY_ETRN}, {"KILL", ZM_MAY_KILL}, {"ALL", ZM_MAY_ALL}};
    zm_str_t word;
    int rights = 0;
    while (zm_str_word(&tokens, &word)) {
        unsigned i;
        for (i = 0; i < sizeof words / sizeof words[0]; i++)
            if (zm_str_equal_c(word, words[i].word))
                rights |= words[i].right;
    }
    return rights;
}

static bool next_account(zm_str_t *rest, account_t *account)
{
    zm_str_t line, tokens;
    while (rest->length > 0) {
        zm_str_t after = ZM_S("");
        zm_str_cut(*rest, '\n', &line, &after);
        *rest = after;
        if (line.length > 0 && line.data[line.length - 1] == '\r')
            line.length--;
        if (line.length == 0 || line.data[0] == '#' || line.data[0] == '*')
            continue;
        account->addresses = ZM_S("");
        if (!zm_str_cut(line, ':', &account->user, &line) ||
            !zm_str_cut(line, ':', &account->password, &line))
            continue;
        if (!zm_str_cut(line, ':', &tokens, &account->addresses))
            account->addresses = ZM_S("");
        account->rights = rights_of(tokens);
        if (account->rights != 0)
            return true;
    }
    return false;
}

/* -- addresses ----------------------------------------------------------------------------- */

static bool next_item(zm_str_t *rest, zm_str_t *item)
{
    apr_size_t i = 0, start;
    while (i < rest->length && (zm_is_space(rest->data[i]) || rest->data[i] == ','))
        i++;
    start = i;
    while (i < rest->length && !zm_is_space(rest->data[i]) && rest->data[i] != ',')
        i++;
    *item = zm_str_of(rest->data + start, i - start);
    *rest = zm_str_from(*rest, i);
    return item->length > 0;
}

/* "[ADDRESS]/WIDTH" */
static bool item_matches(zm_str_t item, const zm_ip_t *peer)
{
    zm_network_t network = {{0, {0}}, 0};
    zm_str_t inside, width = ZM_S("");
    uint64_t bits;
    apr_ssize_t end = zm_str_find(item, ']');
    apr_size_t i;

    if (item.length < 3 || item.data[0] != '[' || end < 0)
        return false;
    inside = zm_str_of(item.data + 1, (apr_size_t)end - 1);
    if (item.length > (apr_size_t)end + 2 && item.data[end + 1] == '/')
        width = zm_str_of(item.data + end + 2, item.length - (apr_size_t)end - 2);
    if (zm_str_equal_nocase(inside, ZM_S("unix")))
        return peer->family == 0;
    if (zm_str_starts_nocase(inside, ZM_S("ipv6.")) || zm_str_starts_nocase(inside, ZM_S("ipv6:")))
        inside = zm_str_from(inside, 5);
    if (zm_ip_parse(&network.ip, inside) != APR_SUCCESS)
        return false;
    bits = network.ip.family == 4 ? 32 : 128;
    if (width.length > 0 &&
        (zm_str_u64(width, &bits) != APR_SUCCESS || bits > (network.ip.family == 4 ? 32 : 128)))
        return false;
    network.width = (uint8_t)bits;
    for (i = (bits + 7) / 8; i < 16; i++) /* bits beyond the width do not count */
        network.ip.bytes[i] = 0;
    if (bits % 8 != 0)
        network.ip.bytes[bits / 8] &= (uint8_t)(0xff << (8 - bits % 8));
    return peer->family != 0 && zm_network_contains(&network, peer);
}

static bool admits(zm_str_t addresses, const zm_ip_t *peer)
{
    zm_str_t item;
    if (zm_str_trim(addresses).length == 0)
        return true;
    while (next_item(&addresses, &item)) {
        bool refuses = item.data[0] == '!';
        if (refuses)
            item = zm_str_from(item, 1);
        if (item_matches(item, peer))
            return !refuses;
    }
    return false;
}

/* -- questions ----------------------------------------------------------------------------- */

bool zm_accounts_admit(zm_str_t file, const zm_ip_t *peer)
{
    account_t account;
    while (next_account(&file, &account))
        if (admits(account.addresses, peer))
            return true;
    return false;
}

int zm_accounts_login(zm_str_t file, const zm_ip_t *peer, zm_str_t challenge, zm_str_t user,
                      zm_str_t answer)
{
    account_t account;
    char expected[33];

    while (next_account(&file, &account)) {
        if (!zm_str_equal(account.user, user) || !admits(account.addresses, peer))
            continue;
        zm_challenge_answer(expected, challenge, account.password);
        if (answer.length == 32 && strlen(expected) == 32 &&
            CRYPTO_memcmp(answer.data, expected, 32) == 0)
            return account.rights;
        return 0; /* the first line of that user from there is the one */
    }
    return 0;
}
