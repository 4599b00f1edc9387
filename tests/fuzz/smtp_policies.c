/*
 * What smtp reads about TLS: smtp-tls.conf, or an MTA-STS policy when the first byte is odd.  The
 * first line behind it is a destination.
 *
 * Reading ends; what is accepted is complete, and the choice for the destination is among it.
 */
#include <string.h>

#include "ta/smtp/tls_config.h"
#include "ta/smtp/tls_sts.h"
#include "tests/fuzz/fuzz.h"

static void on_notice(void *baton, const char *text)
{
    (void)baton;
    FUZZ_EXPECT(strncmp(text, "line ", 5) == 0);
}

static void read_config(zm_str_t destination, zm_str_t text, apr_pool_t *pool)
{
    zm_tls_config_t config;
    const zm_tls_policy_t *found, *policy;
    zm_tls_config_parse(&config, text, on_notice, NULL, pool);
    FUZZ_EXPECT(config.log_level >= 0 && config.log_level <= 2);
    for (policy = config.policies; policy != NULL; policy = policy->next)
        FUZZ_EXPECT(policy->domain[0] != '\0' && (config.strict || policy->level <= ZM_TLS_MAY));
    found = zm_tls_policy_find(&config, destination, pool);
    for (policy = config.policies; policy != NULL && policy != found; policy = policy->next)
        ;
    FUZZ_EXPECT(policy == found);
}

static void read_policy(zm_str_t host, zm_str_t text, apr_pool_t *pool)
{
    zm_error_t error;
    zm_sts_t sts;
    if (zm_sts_parse(&sts, text, pool, &error) != APR_SUCCESS) {
        FUZZ_EXPECT(error.text[0] != '\0');
        return;
    }
    FUZZ_EXPECT(sts.mode == ZM_STS_NONE || sts.mx[0] != NULL);
    FUZZ_EXPECT(sts.max_age >= 0 && sts.max_age <= 31557600);
    if (sts.mx[0] != NULL && sts.mx[0][0] != '*')
        FUZZ_EXPECT(zm_sts_allows(&sts, sts.mx[0]) || strchr(sts.mx[0], '.') != NULL);
    (void)zm_sts_allows(&sts, zm_str_c(pool, host));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    zm_str_t line, text;
    if (size == 0)
        return 0;
    zm_str_cut(zm_str_of((const char *)data + 1, size - 1), '\n', &line, &text);
    if (data[0] & 1)
        read_policy(line, text, pool);
    else
        read_config(line, text, pool);
    return 0;
}
