#include "ta/smtp/tls_config.h"

#include <apr_strings.h>
#include <stddef.h>
#include <string.h>

#include "mta/net/idn.h"

#define LONGEST_LINE 1023
#define MOST_LOGGED 2

typedef struct parser_t {
    zm_tls_config_t *config;
    zm_tls_policy_t **end;
    zm_tls_notice_fn *notice;
    void *baton;
    apr_pool_t *pool;
    int line;
} parser_t;

struct keyword_t;
/* Sets what a line asks for; rest: what follows the keyword. */
typedef void keyword_fn(parser_t *parser, const struct keyword_t *keyword, zm_str_t rest);

typedef struct keyword_t {
    const char *name;
    keyword_fn *set;
    apr_size_t offset; /* of a text in zm_tls_config_t */
} keyword_t;

static const char *place(const parser_t *parser, const char *text)
{
    return apr_psprintf(parser->pool, "line %d: %s", parser->line, text);
}

static void problem(parser_t *parser, const char *text)
{
    if (parser->config->problem == NULL)
        parser->config->problem = place(parser, text);
}

static void notice(const parser_t *parser, const char *text)
{
    parser->notice(parser->baton, place(parser, text));
}

/* -- keywords --------------------------------------------------------------- */

static void set_text(parser_t *parser, const keyword_t *keyword, zm_str_t rest)
{
    zm_str_t word;
    if (!zm_str_word(&rest, &word))
        problem(parser, apr_psprintf(parser->pool, "%s needs a value", keyword->name));
    else
        *(const char **)((char *)parser->config + keyword->offset) = zm_str_c(parser->pool, word);
}

static void set_mta_sts(parser_t *parser, const keyword_t *keyword, zm_str_t rest)
{
    set_text(parser, keyword, rest);
    parser->config->strict = true; /* any of its policies may be */
}

static void set_log_level(parser_t *parser, const keyword_t *keyword, zm_str_t rest)
{
    zm_str_t word = {"", 0};
    uint64_t level;
    (void)zm_str_word(&rest, &word);
    if (zm_str_u64(word, &level) != APR_SUCCESS)
        problem(parser, apr_psprintf(parser->pool, "%s needs a number", keyword->name));
    else
        parser->config->log_level = level > MOST_LOGGED ? MOST_LOGGED : (int)level;
}

static void set_least(parser_t *parser, const keyword_t *keyword, zm_str_t rest)
{
    zm_str_t word = {"", 0};
    (void)zm_str_word(&rest, &word);
    if (zm_str_starts_nocase(word, ZM_S("TLSv")))
        word = zm_str_from(word, 4);
    if (zm_str_equal_c(word, "1"))
        word = ZM_S("1.0");
    if (word.length == 3 && word.data[0] == '1' && word.data[1] == '.' && word.data[2] >= '0' &&
        word.data[2] <= '3')
        parser->config->client.least = zm_str_c(parser->pool, word);
    else
        problem(parser,
                apr_psprintf(parser->pool, "%s: expected 1.0, 1.1, 1.2 or 1.3", keyword->name));
}

static void set_dane(parser_t *parser, const keyword_t *keyword, zm_str_t rest)
{
    zm_str_t word = {"", 0};
    (void)zm_str_word(&rest, &word);
    if (zm_str_equal_nocase(word, ZM_S("yes")))
        parser->config->dane = parser->config->ask_dane = parser->config->strict = true;
    else if (zm_str_equal_nocase(word, ZM_S("no")))
        parser->config->dane = false;
    else
        problem(parser, apr_psprintf(parser->pool, "%s: expected yes or no", keyword->name));
}

static void ignore(parser_t *parser, const keyword_t *keyword, zm_str_t rest)
{
    (void)parser;
    (void)keyword;
    (void)rest;
}

/* -- policies --------------------------------------------------------------- */

static zm_tls_policy_t *make_policy(const parser_t *parser, const char *domain,
                                    zm_tls_level_t level)
{
    zm_tls_policy_t *policy = apr_pcalloc(parser->pool, sizeof *policy);
    policy->domain = domain;
    policy->level = level;
    parser->config->strict |= level > ZM_TLS_MAY;
    parser->config->ask_dane |= level == ZM_TLS_DANE;
    return policy;
}

/* It must not lose to a "tls-policy *" that stands before it. */
static void set_demand(parser_t *parser, const keyword_t *keyword, zm_str_t rest)
{
    zm_tls_policy_t *policy = make_policy(parser, "*", ZM_TLS_ENCRYPT);
    (void)keyword;
    (void)rest;
    policy->next = parser->config->policies;
    if (policy->next == NULL)
        parser->end = &policy->next;
    parser->config->policies = policy;
}

/* "[192.0.2.1]:25" and "[IPv6:::1]" as "[192.0.2.1]" and so on; names in lower case without their
 * last dot.  Null: neither. */
static const char *normal_domain(zm_str_t domain, apr_pool_t *pool)
{
    zm_endpoint_t endpoint;
    char text[ZM_IP_TEXT];
    if (domain.length > 0 && domain.data[0] == '[')
        return zm_endpoint_parse(&endpoint, domain, 0) == APR_SUCCESS && endpoint.ip.family != 0
                   ? apr_psprintf(pool, "[%s]", zm_ip_print(&endpoint.ip, text))
                   : NULL;
    if (domain.length > 1 && domain.data[domain.length - 1] == '.')
        domain.length--;
    return zm_str_c(pool, zm_str_lower(pool, zm_idn_ascii(domain, pool)));
}

static bool level_of(zm_str_t word, zm_tls_level_t *level)
{
    static const char *const names[] = {"none", "may", "encrypt", "verify", "dane"};
    int i;
    for (i = 0; i < 5; i++)
        if (zm_str_equal_nocase(word, zm_str(names[i]))) {
            *level = (zm_tls_level_t)i;
            return true;
        }
    return false;
}

static const char *const *names_of(const parser_t *parser, zm_str_t rest)
{
    const char **names = apr_pcalloc(parser->pool, sizeof *names * (rest.length / 2 + 2));
    zm_str_t word;
    int count = 0;
    while (zm_str_word(&rest, &word) && word.data[0] != '#')
        names[count++] = zm_str_c(parser->pool, word);
    return count > 0 ? names : NULL;
}

/* What cannot be understood may have been meant to be strict. */
static void set_policy(parser_t *parser, const keyword_t *keyword, zm_str_t rest)
{
    zm_str_t domain, word;
    const char *normal = NULL;
    zm_tls_level_t level;
    zm_tls_policy_t *policy;
    bool complete = zm_str_word(&rest, &domain) && zm_str_word(&rest, &word);
    (void)keyword;
    if (complete)
        normal = normal_domain(domain, parser->pool);
    if (normal == NULL || !level_of(word, &level)) {
        parser->config->strict = true;
        problem(parser, "tls-policy: expected a domain, .domain, [address] or *, and none, may, "
                        "encrypt, verify or dane");
        return;
    }
    if (level == ZM_TLS_DANE && normal[0] == '[')
        problem(parser, "tls-policy: an address has no TLSA records, so it cannot have dane");
    policy = make_policy(parser, normal, level);
    if (level == ZM_TLS_VERIFY)
        policy->names = names_of(parser, rest);
    *parser->end = policy;
    parser->end = &policy->next;
}

/* -- the file --------------------------------------------------------------- */

static const keyword_t keywords[] = {
    {"tls-cert-file", set_text, offsetof(zm_tls_config_t, client.certificate)},
    {"tls-key-file", set_text, offsetof(zm_tls_config_t, client.key)},
    {"tls-dcert-file", set_text, offsetof(zm_tls_config_t, client.second_certificate)},
    {"tls-dkey-file", set_text, offsetof(zm_tls_config_t, client.second_key)},
    {"tls-CAfile", set_text, offsetof(zm_tls_config_t, client.authorities)},
    {"tls-CApath", set_text, offsetof(zm_tls_config_t, client.authority_directory)},
    {"tls-cipher-list", set_text, offsetof(zm_tls_config_t, client.ciphers)},
    {"tls-ciphersuites", set_text, offsetof(zm_tls_config_t, client.ciphersuites)},
    {"tls-mtasts", set_mta_sts, offsetof(zm_tls_config_t, mta_sts)},
    {"tls-loglevel", set_log_level, 0},
    {"tls-min-version", set_least, 0},
    {"tls-dane", set_dane, 0},
    {"tls-policy", set_policy, 0},
    {"demand-tls-mode", set_demand, 0},
    {"tls-strict-rfc2487", ignore, 0},
    {"tls-random-source", ignore, 0},
    {"no-tls-readahead", ignore, 0},
    {"tls-use-scache", ignore, 0},
    {"tls-scache-timeout", ignore, 0},
};

static void parse_line(parser_t *parser, zm_str_t line)
{
    zm_str_t rest = zm_str_trim(line), word;
    apr_size_t i;
    if (rest.length == 0 || rest.data[0] == '#' || rest.data[0] == ';')
        return;
    if (line.length > LONGEST_LINE || memchr(line.data, '\0', line.length) != NULL) {
        parser->config->strict = true;
        problem(parser,
                line.length > LONGEST_LINE ? "longer than 1023 bytes" : "it has a NUL byte");
        return;
    }
    (void)zm_str_word(&rest, &word);
    for (i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (zm_str_equal_nocase(word, zm_str(keywords[i].name))) {
            keywords[i].set(parser, &keywords[i], rest);
            return;
        }
    notice(parser, apr_psprintf(parser->pool, "unknown keyword %.*s", (int)word.length, word.data));
}

void zm_tls_config_parse(zm_tls_config_t *config, zm_str_t text, zm_tls_notice_fn *notice_fn,
                         void *baton, apr_pool_t *pool)
{
    parser_t parser = {config, &config->policies, notice_fn, baton, pool, 0};
    zm_str_t line;
    bool more;
    *config = (zm_tls_config_t){0};
    do {
        more = zm_str_cut(text, '\n', &line, &text);
        parser.line++;
        parse_line(&parser, line);
    } while (more);
}

/* -- the choice ------------------------------------------------------------- */

static const zm_tls_policy_t *find(const zm_tls_config_t *config, const char *domain)
{
    const zm_tls_policy_t *policy = config->policies;
    while (policy != NULL && strcmp(policy->domain, domain) != 0)
        policy = policy->next;
    return policy;
}

const zm_tls_policy_t *zm_tls_policy_find(const zm_tls_config_t *config, zm_str_t destination,
                                          apr_pool_t *pool)
{
    const char *domain = normal_domain(destination, pool), *dot;
    const zm_tls_policy_t *policy = NULL;
    if (domain != NULL && strcmp(domain, "*") != 0)
        policy = find(config, domain);
    if (policy == NULL && domain != NULL && domain[0] != '[')
        for (dot = strchr(domain, '.'); policy == NULL && dot != NULL; dot = strchr(dot + 1, '.'))
            policy = find(config, dot);
    return policy != NULL ? policy : find(config, "*");
}
