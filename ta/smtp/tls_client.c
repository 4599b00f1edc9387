#include "ta/smtp/tls_client.h"

#include <apr_strings.h>
#include <stdarg.h>

#include "platform/clock.h"
#include "platform/fs.h"
#include "ta/smtp/servers.h"
#include "ta/smtp/tls_sts.h"

#define LARGEST_FILE 1048576
#define IN_CLEAR apr_time_from_sec(3600) /* after a failure; then TLS is tried again */
#define LEVELS (ZM_TLS_DANE + 1)

struct zm_tls_client_t {
    zm_agent_t *agent;
    const zm_smtp_options_t *options;
    zm_tls_config_t config;
    zm_tls_t *contexts[LEVELS];
    const char *trouble;
    bool off; /* there is no TLS */
    zm_servers_t failed;
};

/* -- telling ---------------------------------------------------------------- */

void zm_tls_client_tell(zm_tls_client_t *client, zm_log_level_t severity, const char *format, ...)
{
    zm_buf_t text = ZM_BUF_INIT;
    va_list arguments;
    va_start(arguments, format);
    zm_buf_vprintf(&text, format, arguments);
    va_end(arguments);
    zm_log_syslog(severity, "smtp", "%s", zm_buf_c(&text));
    zm_agent_note(client->agent, "%s", zm_buf_c(&text));
    zm_buf_free(&text);
}

bool zm_tls_client_tells(const zm_tls_client_t *client, int level)
{
    return level <= client->config.log_level;
}

/* -- settings --------------------------------------------------------------- */

static void on_notice(void *baton, const char *text)
{
    zm_tls_client_t *client = baton;
    zm_tls_client_tell(client, ZM_LOG_WARNING, "%s: %s", client->options->tls_file, text);
}

/* A wrong setting: without TLS from now on, or, where some mail needs it, not at all. */
static void fail(zm_tls_client_t *client, const char *reason)
{
    const char *file = client->options->tls_file;
    apr_pool_t *pool = client->agent->pool;
    client->off = true;
    if (file != NULL && client->config.strict)
        client->trouble = apr_psprintf(pool, "%s: %s", file, reason);
    zm_tls_client_tell(client, ZM_LOG_ERROR, "%s%s%s; %s", file != NULL ? file : "",
                       file != NULL ? ": " : "", reason,
                       client->trouble != NULL ? "all mail waits" : "mail goes without TLS");
}

/* Policies above `may` take nothing weaker, whatever the file says. */
static apr_status_t make_context(zm_tls_client_t *client, zm_tls_level_t level, zm_error_t *error)
{
    zm_tls_options_t options = client->config.client;
    options.verify = level == ZM_TLS_VERIFY;
    options.dane = level == ZM_TLS_DANE;
    if (options.ciphers != NULL && level >= ZM_TLS_ENCRYPT)
        options.ciphers =
            apr_pstrcat(client->agent->pool, options.ciphers, ":!eNULL:!aNULL:!EXP", NULL);
    return zm_tls_create(&client->contexts[level], &options, error);
}

/* All contexts that can be needed, so that what is wrong shows before any mail does. */
static void load(zm_tls_client_t *client)
{
    apr_pool_t *pool = client->agent->pool;
    zm_error_t error;
    char *data;
    apr_size_t length;
    zm_file_t *file;
    int level;
    apr_status_t status = zm_file_open(&file, NULL, client->options->tls_file,
                                       ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status == APR_SUCCESS) {
        status = zm_file_slurp_file(&data, &length, file, LARGEST_FILE, pool);
        zm_file_close(file);
    }
    if (status != APR_SUCCESS) {
        char reason[120];
        client->config.strict = true; /* who knows what it asks for */
        fail(client, zm_status_text(status, reason, sizeof reason));
        return;
    }
    zm_tls_config_parse(&client->config, zm_str_of(data, length), on_notice, client, pool);
    if (client->config.problem != NULL) {
        fail(client, client->config.problem);
        return;
    }
    for (level = ZM_TLS_MAY; level <= (client->config.strict ? ZM_TLS_DANE : ZM_TLS_MAY); level++)
        if (make_context(client, (zm_tls_level_t)level, &error) != APR_SUCCESS) {
            fail(client, apr_pstrdup(pool, error.text));
            return;
        }
}

static apr_status_t close_client(void *data)
{
    zm_tls_client_t *client = data;
    int level;
    for (level = 0; level < LEVELS; level++)
        if (client->contexts[level] != NULL)
            zm_tls_destroy(client->contexts[level]);
    zm_servers_free(&client->failed);
    return APR_SUCCESS;
}

void zm_tls_client_open(zm_tls_client_t **result, const zm_smtp_options_t *options,
                        zm_agent_t *agent)
{
    zm_tls_client_t *client = apr_pcalloc(agent->pool, sizeof *client);
    client->agent = agent;
    client->options = options;
    apr_pool_cleanup_register(agent->pool, client, close_client, apr_pool_cleanup_null);
    if (options->tls_file != NULL)
        load(client);
    *result = client;
}

const char *zm_tls_client_trouble(const zm_tls_client_t *client)
{
    return client->trouble;
}

zm_tls_t *zm_tls_client_context(zm_tls_client_t *client, zm_tls_level_t level)
{
    zm_error_t error;
    if (!client->off && client->contexts[level] == NULL &&
        make_context(client, level, &error) != APR_SUCCESS)
        fail(client, apr_pstrdup(client->agent->pool, error.text));
    return client->off ? NULL : client->contexts[level];
}

/* -- rules ------------------------------------------------------------------ */

/* What the domain says of itself; the administrator's word on just this domain goes before it. */
static void obey_sts(zm_tls_rule_t *rule, zm_tls_client_t *client, const zm_hop_t *hop,
                     apr_pool_t *pool)
{
    const char *origin;
    zm_sts_t sts;
    zm_error_t error;
    apr_status_t status = zm_sts_load(&sts, client->config.mta_sts, zm_str(hop->domain),
                                      (int64_t)apr_time_sec(zm_clock_wall()), pool, &error);
    if (status != APR_SUCCESS) {
        zm_tls_client_tell(client, ZM_LOG_WARNING, "%s", error.text);
        if (status != ZM_E_SYNTAX)
            rule->refusal = apr_pstrdup(pool, error.text);
        return;
    }
    if (sts.mode == ZM_STS_NONE)
        return;
    origin = apr_pstrcat(pool, "MTA-STS of ", hop->domain, NULL);
    if (sts.mode == ZM_STS_TESTING) {
        rule->tested = origin;
        if (!zm_sts_allows(&sts, hop->name))
            zm_tls_client_tell(client, ZM_LOG_WARNING,
                               "%s, in testing mode: %s would be refused: not named", origin,
                               hop->name);
        return;
    }
    rule->origin = origin;
    rule->level = ZM_TLS_VERIFY;
    rule->names = NULL;
    rule->named = true;
    if (!zm_sts_allows(&sts, hop->name))
        rule->refusal = apr_psprintf(pool, "%s does not name %s", rule->origin, hop->name);
}

bool zm_tls_client_needs_proof(const zm_tls_client_t *client)
{
    return client->config.ask_dane && !client->off;
}

bool zm_tls_client_asks_dane(const zm_tls_client_t *client, const zm_hop_t *hop, apr_pool_t *pool)
{
    const zm_tls_policy_t *policy;
    if (!zm_tls_client_needs_proof(client) || hop->literal || hop->unix_path != NULL)
        return false;
    policy = zm_tls_policy_find(&client->config, zm_str(hop->domain), pool);
    if (policy == NULL)
        return client->config.dane && !hop->relaxed && !client->options->no_tls;
    return policy->level == ZM_TLS_DANE ||
           (client->config.dane && !hop->relaxed && policy->level != ZM_TLS_NONE &&
            policy->level != ZM_TLS_VERIFY);
}

/* What the name service proves of a server goes before what its domain says over the web (RFC 8461,
 * 2).  Records that nobody can use still tell that there is TLS (RFC 7672, 2.2). */
static void obey_dane(zm_tls_rule_t *rule, zm_tls_client_t *client, const zm_hop_t *hop,
                      apr_pool_t *pool)
{
    const zm_dane_t *dane = hop->dane;
    bool demanded = rule->level == ZM_TLS_DANE, found = dane->state == ZM_DANE_FOUND;
    zm_tls_t *tls = zm_tls_client_context(client, ZM_TLS_DANE);
    if (dane->state == ZM_DANE_FAILED)
        rule->refusal =
            apr_psprintf(pool, "TLSA records of %s cannot be had: %s", dane->owner, dane->reason);
    else if (found && tls != NULL && zm_tls_dane_usable(tls, &dane->records) > 0) {
        rule->level = ZM_TLS_DANE;
        rule->dane = &dane->records;
        rule->origin = apr_pstrcat(pool, "TLSA records of ", dane->owner, NULL);
        rule->tested = rule->refusal = NULL;
    } else if (demanded)
        rule->refusal =
            apr_psprintf(pool, "%s has no TLSA records that %s; %s demands them", dane->owner,
                         found ? "can be used" : "DNSSEC proves", rule->origin);
    else if (found && rule->level < ZM_TLS_ENCRYPT) {
        rule->level = ZM_TLS_ENCRYPT;
        rule->origin = apr_pstrcat(pool, "TLSA records of ", dane->owner, NULL);
    }
}

void zm_tls_rule_for(zm_tls_rule_t *rule, zm_tls_client_t *client, const zm_hop_t *hop,
                     apr_pool_t *pool)
{
    const zm_tls_policy_t *policy;
    *rule = (zm_tls_rule_t){.level = client->options->no_tls ? ZM_TLS_NONE : ZM_TLS_MAY,
                            .origin = client->options->no_tls ? "-O no-tls" : "no policy"};
    if (hop->unix_path != NULL) {
        *rule = (zm_tls_rule_t){.level = ZM_TLS_NONE, .origin = "a local socket"};
        return;
    }
    rule->named = hop->literal || hop->proved_name;
    policy = zm_tls_policy_find(&client->config, zm_str(hop->domain), pool);
    if (policy != NULL) {
        rule->named |= policy->level == ZM_TLS_VERIFY && policy->names != NULL;
        rule->level = policy->level;
        rule->names = policy->names;
        rule->origin = apr_pstrcat(pool, "tls-policy ", policy->domain, NULL);
    }
    if (client->config.mta_sts != NULL && !hop->literal && !hop->relaxed &&
        rule->level != ZM_TLS_DANE &&
        (policy == NULL || policy->domain[0] == '.' || policy->domain[0] == '*'))
        obey_sts(rule, client, hop, pool);
    if (hop->dane != NULL)
        obey_dane(rule, client, hop, pool);
}

/* -- servers that failed ---------------------------------------------------- */

static apr_interval_time_t kept(const zm_tls_client_t *client)
{
    return client->options->tls_wait + IN_CLEAR;
}

void zm_tls_client_failed(zm_tls_client_t *client, const zm_endpoint_t *server)
{
    zm_servers_add(&client->failed, server, kept(client));
}

void zm_tls_client_succeeded(zm_tls_client_t *client, const zm_endpoint_t *server)
{
    zm_servers_forget(&client->failed, server);
}

bool zm_tls_client_in_clear(zm_tls_client_t *client, const zm_endpoint_t *server)
{
    return zm_servers_have(&client->failed, server, client->options->tls_wait, kept(client));
}
