#include "mta/net/dns_trust.h"

#include <apr_env.h>

#include "platform/fs.h"

#define FILE_OF_SERVERS "/etc/resolv.conf"
#define LARGEST_FILE 65536

static bool has_word(zm_str_t text, zm_str_t wanted)
{
    zm_str_t word;
    while (zm_str_word(&text, &word))
        if (zm_str_equal(word, wanted))
            return true;
    return false;
}

bool zm_dns_text_trusts(zm_str_t text)
{
    zm_str_t line, word;
    bool more, trusts = false;
    do {
        more = zm_str_cut(text, '\n', &line, &text);
        if (zm_str_word(&line, &word) && zm_str_equal(word, ZM_S("options")))
            trusts |= has_word(line, ZM_S("trust-ad"));
    } while (more);
    return trusts;
}

bool zm_dns_system_trusts(apr_pool_t *pool)
{
    char *data;
    apr_size_t length;
    if (apr_env_get(&data, "RES_OPTIONS", pool) == APR_SUCCESS &&
        has_word(zm_str(data), ZM_S("trust-ad")))
        return true;
    return zm_file_slurp(&data, &length, FILE_OF_SERVERS, LARGEST_FILE, pool) == APR_SUCCESS &&
           zm_dns_text_trusts(zm_str_of(data, length));
}
