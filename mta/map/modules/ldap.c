/*
 * ldap: a directory as a map.  The file says where it is and how to ask it; the
 * key stands for %s in the filter, escaped (RFC 4515), and the value is the
 * attribute of each entry that matches.
 *
 * The connection is made at the first lookup and kept; when it is lost it is
 * made once more.  What the directory does not say, or cannot say in time, is a
 * temporary failure.
 */
#include <ldap.h>
#if __has_include(<sasl/sasl.h>)
#include <sasl/sasl.h>
#define WITH_SASL 1
#else
#define WITH_SASL 0
#endif

#include <apr_strings.h>
#include <string.h>

#include "mta/map/module.h"
#include "mta/map/modules/settings.h"

#define DEFAULT_SECONDS 5

typedef struct ldap_map_t {
    const char *path;
    zm_file_info_t seen;
    const char *uri, *host, *port, *base, *scope, *bind_name, *password, *method, *filter;
    const char *attribute, *protocol, *start_tls, *tls_authorities, *debug, *timeout;
    const char *sasl_properties, *sasl_realm, *sasl_mechanism, *sasl_user, *sasl_for;
    unsigned seconds;
    int scope_number;
    LDAP *connection; /* null: there is none */
} ldap_map_t;

/* -- configuration ------------------------------------------------------------------------ */

static apr_status_t read_settings(ldap_map_t *map, const zm_map_options_t *options,
                                  apr_pool_t *pool, zm_error_t *error)
{
    const zm_setting_t table[] = {{"uri", &map->uri},
                                  {"ldaphost", &map->host},
                                  {"ldapport", &map->port},
                                  {"base", &map->base},
                                  {"scope", &map->scope},
                                  {"binddn", &map->bind_name},
                                  {"passwd", &map->password},
                                  {"authmethod", &map->method},
                                  {"sasl_secprops", &map->sasl_properties},
                                  {"sasl_realm", &map->sasl_realm},
                                  {"sasl_mech", &map->sasl_mechanism},
                                  {"sasl_authc_id", &map->sasl_user},
                                  {"sasl_authz_id", &map->sasl_for},
                                  {"filter", &map->filter},
                                  {"attr", &map->attribute},
                                  {"protocol", &map->protocol},
                                  {"start_tls", &map->start_tls},
                                  {"tls_cacert", &map->tls_authorities},
                                  {"debug", &map->debug},
                                  {"timeout", &map->timeout},
                                  {NULL, NULL}};
    zm_str_t master = ZM_S("");
    apr_status_t status = APR_SUCCESS;
    if (options->variable != NULL)
        master = options->variable(options->variable_baton, "LDAP_MASTER_CONF");
    if (master.length > 0)
        status = zm_settings_read(zm_str_c(pool, master), table, NULL, pool, error);
    if (status == APR_SUCCESS)
        status = zm_settings_read(map->path, table, &map->seen, pool, error);
    return status;
}

static bool says(const char *value, const char *word)
{
    return zm_str_equal_nocase(zm_str(value), zm_str(word));
}

static apr_status_t judge_scope(ldap_map_t *map, zm_error_t *error)
{
    static const struct {
        const char *word;
        int number;
    } scopes[] = {{"base", LDAP_SCOPE_BASE},
                  {"one", LDAP_SCOPE_ONELEVEL},
                  {"onelevel", LDAP_SCOPE_ONELEVEL},
                  {"sub", LDAP_SCOPE_SUBTREE},
                  {"subtree", LDAP_SCOPE_SUBTREE}};
    apr_size_t i;
    map->scope_number = LDAP_SCOPE_SUBTREE;
    for (i = 0; map->scope != NULL && strcmp(map->scope, scopes[i].word) != 0;)
        if (++i == sizeof scopes / sizeof scopes[0])
            return zm_error_set(error, ZM_E_CONFIG, "%s: scope is none of base, one, sub",
                                map->path);
    if (map->scope != NULL)
        map->scope_number = scopes[i].number;
    return APR_SUCCESS;
}

/* What the settings mean together. */
static apr_status_t judge_settings(ldap_map_t *map, apr_pool_t *pool, zm_error_t *error)
{
    if (map->uri == NULL && map->host == NULL)
        return zm_error_set(error, ZM_E_CONFIG, "%s: expected uri or ldaphost", map->path);
    if (map->filter == NULL || map->attribute == NULL)
        return zm_error_set(error, ZM_E_CONFIG, "%s: expected filter and attr", map->path);
    if (map->uri == NULL)
        map->uri = apr_pstrcat(pool, "ldap://", map->host, ":",
                               map->port != NULL ? map->port : "389", NULL);
    if (judge_scope(map, error) != APR_SUCCESS)
        return ZM_E_CONFIG;
    if (map->method != NULL && strcmp(map->method, "simple") != 0 &&
        (strcmp(map->method, "sasl") != 0 || !WITH_SASL))
        return zm_error_set(error, ZM_E_CONFIG, "%s: authmethod %s is not possible here", map->path,
                            map->method);
    if (map->start_tls != NULL && !says(map->start_tls, "on") && !says(map->start_tls, "off"))
        return zm_error_set(error, ZM_E_CONFIG, "%s: start_tls is neither on nor off", map->path);
    return zm_settings_seconds(map->timeout, DEFAULT_SECONDS, &map->seconds, error);
}

static apr_status_t ldap_map_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                                  zm_error_t *error)
{
    ldap_map_t *map = apr_pcalloc(pool, sizeof *map);
    apr_status_t status;
    map->path = options->file;
    status = read_settings(map, options, pool, error);
    if (status == APR_SUCCESS)
        status = judge_settings(map, pool, error);
    *state = map;
    return status;
}

static void disconnect(ldap_map_t *map)
{
    if (map->connection != NULL)
        ldap_unbind_ext_s(map->connection, NULL, NULL);
    map->connection = NULL;
}

static void ldap_map_close(void *state)
{
    disconnect(state);
}

/* -- connection ------------------------------------------------------------------------------ */

#if WITH_SASL
/* Answers what the mechanism asks for from the settings. */
static int interact(LDAP *connection, unsigned flags, void *defaults, void *questions)
{
    const ldap_map_t *map = defaults;
    sasl_interact_t *question;
    (void)connection;
    (void)flags;
    for (question = questions; question->id != SASL_CB_LIST_END; question++) {
        const char *answer = question->id == SASL_CB_AUTHNAME   ? map->sasl_user
                             : question->id == SASL_CB_USER     ? map->sasl_for
                             : question->id == SASL_CB_PASS     ? map->password
                             : question->id == SASL_CB_GETREALM ? map->sasl_realm
                                                                : NULL;
        if (answer == NULL)
            answer = question->defresult != NULL ? question->defresult : "";
        question->result = answer;
        question->len = (unsigned)strlen(answer);
    }
    return LDAP_SUCCESS;
}
#endif

static int authenticate(ldap_map_t *map)
{
    struct berval password = {0, NULL};
    union {
        const char *given;
        char *wanted; /* the library only reads it */
    } secret = {map->password != NULL ? map->password : ""};
#if WITH_SASL
    if (map->method != NULL && strcmp(map->method, "sasl") == 0) {
        if (map->sasl_properties != NULL)
            ldap_set_option(map->connection, LDAP_OPT_X_SASL_SECPROPS, map->sasl_properties);
        return ldap_sasl_interactive_bind_s(map->connection, map->bind_name, map->sasl_mechanism,
                                            NULL, NULL, LDAP_SASL_QUIET, interact, map);
    }
#endif
    if (map->bind_name == NULL)
        return LDAP_SUCCESS; /* anonymous: nothing to say */
    password.bv_val = secret.wanted;
    password.bv_len = strlen(secret.given);
    return ldap_sasl_bind_s(map->connection, map->bind_name, LDAP_SASL_SIMPLE, &password, NULL,
                            NULL, NULL);
}

/* TLS as the settings want it: whom to believe, and from the start of it on. */
static int secure(ldap_map_t *map)
{
    const int client = 0;
    int code = LDAP_SUCCESS;
    if (map->tls_authorities != NULL) {
        code = ldap_set_option(map->connection, LDAP_OPT_X_TLS_CACERTFILE, map->tls_authorities);
        if (code == LDAP_SUCCESS)
            code = ldap_set_option(map->connection, LDAP_OPT_X_TLS_NEWCTX, &client);
    }
    if (code == LDAP_SUCCESS && map->start_tls != NULL && says(map->start_tls, "on"))
        code = ldap_start_tls_s(map->connection, NULL, NULL);
    return code;
}

static int connect_now(ldap_map_t *map)
{
    struct timeval limit = {(time_t)map->seconds, 0};
    int version = map->protocol != NULL && strcmp(map->protocol, "2") == 0 ? 2 : 3, code;
    if (map->connection != NULL)
        return LDAP_SUCCESS;
    code = ldap_initialize(&map->connection, map->uri);
    if (code != LDAP_SUCCESS) {
        map->connection = NULL;
        return code;
    }
    ldap_set_option(map->connection, LDAP_OPT_PROTOCOL_VERSION, &version);
    ldap_set_option(map->connection, LDAP_OPT_NETWORK_TIMEOUT, &limit);
    ldap_set_option(map->connection, LDAP_OPT_TIMEOUT, &limit);
    ldap_set_option(map->connection, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    code = secure(map);
    if (code == LDAP_SUCCESS)
        code = authenticate(map);
    if (code != LDAP_SUCCESS)
        disconnect(map);
    return code;
}

/* -- lookup ------------------------------------------------------------------------------------ */

/* The filter with the key in it. */
static const char *make_filter(const ldap_map_t *map, zm_str_t key, apr_pool_t *pool)
{
    zm_buf_t filter = ZM_BUF_INIT;
    const char *at, *result;
    apr_size_t i;
    for (at = map->filter; *at != '\0'; at++) {
        if (*at != '%' || (at[1] != 's' && at[1] != '%')) {
            zm_buf_add_byte(&filter, *at);
        } else if (*++at == '%') {
            zm_buf_add_byte(&filter, '%');
        } else {
            for (i = 0; i < key.length; i++) {
                unsigned char c = (unsigned char)key.data[i];
                if (c < ' ' || c > 126 || strchr("*()\\", c) != NULL)
                    zm_buf_printf(&filter, "\\%02x", c);
                else
                    zm_buf_add_byte(&filter, (char)c);
            }
        }
    }
    result = zm_str_c(pool, zm_buf_str(&filter));
    zm_buf_free(&filter);
    return result;
}

static int search(ldap_map_t *map, const char *filter, LDAPMessage **result, apr_pool_t *pool)
{
    struct timeval limit = {(time_t)map->seconds, 0};
    char *attributes[] = {apr_pstrdup(pool, map->attribute), NULL};
    int code = connect_now(map);
    *result = NULL;
    if (code != LDAP_SUCCESS)
        return code;
    code = ldap_search_ext_s(map->connection, map->base != NULL ? map->base : "", map->scope_number,
                             filter, attributes, 0, NULL, NULL, &limit, ZM_SETTINGS_MOST_VALUES + 1,
                             result);
    if (code == LDAP_SUCCESS)
        return code;
    if (*result != NULL)
        ldap_msgfree(*result);
    *result = NULL;
    return code;
}

/* The first value of the attribute of each entry. */
static zm_map_outcome_t collect(const ldap_map_t *map, LDAPMessage *result, zm_map_answer_t *answer,
                                apr_pool_t *pool)
{
    apr_array_header_t *values = apr_array_make(pool, 4, sizeof(zm_str_t));
    LDAPMessage *entry;
    for (entry = ldap_first_entry(map->connection, result); entry != NULL;
         entry = ldap_next_entry(map->connection, entry)) {
        struct berval **found = ldap_get_values_len(map->connection, entry, map->attribute);
        if (found != NULL && found[0] != NULL)
            zm_settings_add(values, zm_str_of(found[0]->bv_val, found[0]->bv_len));
        ldap_value_free_len(found);
    }
    return zm_settings_answer(answer, values, map->path);
}

static zm_map_outcome_t ldap_map_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                        apr_pool_t *pool)
{
    ldap_map_t *map = state;
    const char *filter = make_filter(map, key, pool);
    bool connected = map->connection != NULL;
    zm_map_outcome_t outcome;
    LDAPMessage *result;
    int code = search(map, filter, &result, pool);
    if (connected && (code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR ||
                      code == LDAP_UNAVAILABLE)) { /* it may have been away meanwhile */
        disconnect(map);
        code = search(map, filter, &result, pool);
    }
    if (code == LDAP_SUCCESS) {
        outcome = collect(map, result, answer, pool);
        ldap_msgfree(result);
        return outcome;
    }
    /* a base that is not there may be one that we may not see: no answer either */
    disconnect(map);
    answer->reason = apr_pstrcat(pool, "IO:", map->path, ": ", ldap_err2string(code), NULL);
    return ZM_MAP_FAILED;
}

static bool ldap_map_changed(void *state)
{
    const ldap_map_t *map = state;
    return zm_settings_changed(map->path, &map->seen);
}

static apr_status_t ldap_map_check(const zm_map_options_t *options, zm_error_t *error)
{
    if (options->file == NULL || options->file[0] == '\0')
        return zm_error_set(error, ZM_E_CONFIG, "the type ldap needs a configuration file");
    return APR_SUCCESS;
}

static const zm_map_type_t type = {.name = "ldap",
                                   .answers_lists = true,
                                   .waits = true,
                                   .blocks = true,
                                   .check = ldap_map_check,
                                   .open = ldap_map_open,
                                   .close = ldap_map_close,
                                   .lookup = ldap_map_lookup,
                                   .changed = ldap_map_changed};
extern const zm_map_module_t zm_map_module;
const zm_map_module_t zm_map_module = {ZM_MAP_MODULE_VERSION, sizeof type, &type};
