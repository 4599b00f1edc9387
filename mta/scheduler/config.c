#include "mta/scheduler/config.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/conf/lines.h"
#include "mta/scheduler/command.h"
#include "mta/scheduler/tokens.h"

typedef struct reader_t {
    zm_config_t *config;
    const zm_config_options_t *options;
    zm_buf_t *problems;
    zm_clause_t *clause; /* being filled; null before the first */
    zm_clause_t defaults;
    bool failed;
    int capacity;
} reader_t;

static void problem(reader_t *reader, unsigned line, bool fatal, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void problem(reader_t *reader, unsigned line, bool fatal, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    zm_buf_printf(reader->problems, "%s:%u: %s", reader->config->file, line,
                  fatal ? "" : "warning: ");
    zm_buf_vprintf(reader->problems, format, arguments);
    zm_buf_add_byte(reader->problems, '\n');
    va_end(arguments);
    reader->failed |= fatal;
}

/* -- clauses ------------------------------------------------------------------------------- */

static void append_clause(reader_t *reader, zm_clause_t *clause)
{
    zm_config_t *config = reader->config;
    int i;

    if (config->clause_count == reader->capacity) {
        zm_clause_t **old = config->clauses;
        reader->capacity = reader->capacity * 2 + 16;
        config->clauses =
            apr_palloc(config->pool, (apr_size_t)reader->capacity * sizeof config->clauses[0]);
        if (config->clause_count > 0)
            memcpy(config->clauses, old, (apr_size_t)config->clause_count * sizeof old[0]);
    }
    clause->ordinal = 1;
    for (i = 0; i < config->clause_count; i++)
        if (strcmp(config->clauses[i]->channel, clause->channel) == 0 &&
            strcmp(config->clauses[i]->host, clause->host) == 0)
            clause->ordinal++;
    config->clauses[config->clause_count++] = clause;
}

static void begin_clause(reader_t *reader, const zm_token_t *token)
{
    apr_pool_t *pool = reader->config->pool;
    zm_clause_t *clause;
    zm_str_t channel, host;

    if (token->has_value)
        problem(reader, token->line, true, "\"%.*s\" is neither a clause nor a PARAM",
                (int)token->name.length, token->name.data);
    if (!zm_str_cut(token->name, '/', &channel, &host) || host.length == 0)
        host = ZM_S("*");
    if (channel.length == 0) {
        problem(reader, token->line, true, "a clause starts with CHANNEL/HOST, not with \"/\"");
        channel = ZM_S("*");
    }
    if (zm_str_equal_c(channel, "*") && zm_str_equal_c(host, "*")) {
        reader->clause = &reader->defaults;
        return;
    }
    clause = apr_pcalloc(pool, sizeof *clause);
    clause->channel = zm_str_lower(pool, channel).data;
    clause->host = zm_str_lower(pool, host).data;
    clause->line = token->line;
    clause->params = reader->defaults.params;
    clause->given = reader->defaults.own;
    append_clause(reader, clause);
    reader->clause = clause;
}

/* Clauses without parameters take those of the next that has some. */
static void share_parameters(reader_t *reader)
{
    zm_config_t *config = reader->config;
    const zm_clause_t *next = NULL;
    int i;

    for (i = config->clause_count - 1; i >= 0; i--) {
        zm_clause_t *clause = config->clauses[i];
        if (clause->own != 0) {
            next = clause;
            continue;
        }
        if (next == NULL) {
            problem(reader, clause->line, true,
                    "clause %s/%s has no parameters, and no clause with some follows",
                    clause->channel, clause->host);
            continue;
        }
        clause->params = next->params;
        clause->own = next->own;
        clause->given = next->given;
    }
}

/* -- parameters ---------------------------------------------------------------------------- */

static void own_priority(reader_t *reader, const zm_token_t *token)
{
    zm_config_t *config = reader->config;
    if (zm_str_i64(token->value, &config->own_nice) == APR_SUCCESS)
        config->own_priority = zm_str_equal_nocase(token->name, ZM_S("syspriority"));
}

static void parameter(reader_t *reader, const zm_token_t *token)
{
    const zm_keyword_t *keyword = zm_param_find(token->name);
    zm_error_t error;
    apr_status_t status;

    if (reader->clause == NULL) {
        problem(reader, token->line, true, "\"%.*s\" stands before the first clause",
                (int)token->name.length, token->name.data);
        return;
    }
    if (keyword == NULL) {
        problem(reader, token->line, true, "\"%.*s\" is not a parameter", (int)token->name.length,
                token->name.data);
        return;
    }
    if (!token->has_value && !zm_param_is_flag(keyword) && !zm_param_is_obsolete(keyword)) {
        problem(reader, token->line, true, "%.*s wants a value: %.*s=...", (int)token->name.length,
                token->name.data, (int)token->name.length, token->name.data);
        return;
    }
    if (zm_param_is_obsolete(keyword))
        problem(reader, token->line, false, "%.*s has no effect", (int)token->name.length,
                token->name.data);
    status = zm_param_set(&reader->clause->params, &reader->clause->own, keyword, token->value,
                          reader->config->pool, &error);
    if (status != APR_SUCCESS)
        problem(reader, token->line, true, "%s", error.text);
    else if (zm_param_is_own(keyword))
        own_priority(reader, token);
    reader->clause->given |= reader->clause->own;
}

/* -- PARAM lines --------------------------------------------------------------------------- */

static const char *expanded(reader_t *reader, zm_str_t value)
{
    return zm_zenv_expand(reader->options->zenv, value, ZM_EXPAND_BRACES | ZM_EXPAND_EMPTY, NULL,
                          NULL, reader->config->pool)
        .data;
}

static bool is_param(const zm_token_t *token, const char *name)
{
    return zm_str_equal_nocase(zm_str_from(token->name, 5), zm_str(name));
}

static void notify_socket(reader_t *reader, const zm_token_t *token)
{
    const char *value = expanded(reader, token->value);
    zm_str_t text = zm_str(value);
    if (zm_str_starts_nocase(text, ZM_S("UNIX:")))
        value += 5;
    else if (zm_str_starts_nocase(text, ZM_S("UDP:")))
        problem(reader, token->line, true, "a UDP notify socket is not supported");
    reader->config->notifysock = value;
}

static void global_param(reader_t *reader, const zm_token_t *token)
{
    zm_config_t *config = reader->config;

    if (!token->has_value) {
        problem(reader, token->line, true, "%.*s wants a value", (int)token->name.length,
                token->name.data);
    } else if (is_param(token, "authfile")) {
        config->authfile = expanded(reader, token->value);
    } else if (is_param(token, "mailqsock") || is_param(token, "mailsock") ||
               is_param(token, "mailqpath")) {
        config->mailqsock = expanded(reader, token->value);
    } else if (is_param(token, "notifysock")) {
        notify_socket(reader, token);
    } else if (is_param(token, "global-report-interval")) {
        if (zm_interval_parse(token->value, &config->report_interval) != APR_SUCCESS ||
            config->report_interval < 1)
            problem(reader, token->line, true,
                    "PARAMglobal-report-interval wants an interval such as 5m");
    } else if (is_param(token, "msgwriteasync")) {
        /* reports hold up nothing anyway: they are committed in the background */
    } else if (is_param(token, "store-error-on-error")) {
        config->store_error_on_error = !zm_str_equal_c(token->value, "0");
    } else {
        problem(reader, token->line, true, "%.*s is not known", (int)token->name.length,
                token->name.data);
    }
}

/* -- users --------------------------------------------------------------------------------- */

static bool resolve(const char *name, bool group, zm_uid_t *id, apr_pool_t *pool)
{
    int64_t number;
    zm_user_t *user;
    if (zm_str_i64(zm_str(name), &number) == APR_SUCCESS && number >= 0) {
        *id = number;
        return true;
    }
    if (group)
        return zm_group_by_name(id, name, pool) == APR_SUCCESS;
    if (zm_user_by_name(&user, name, pool) != APR_SUCCESS)
        return false;
    *id = user->uid;
    return true;
}

/* No clause is promised more agents than the process can have. */
static void clamp_limits(reader_t *reader)
{
    int64_t most = reader->options->most_children;
    int i;
    for (i = 0; i < reader->config->clause_count; i++) {
        zm_params_t *params = &reader->config->clauses[i]->params;
        if (params->maxta > most)
            params->maxta = most;
    }
}

/* An agent never gets root because nobody said otherwise. */
static void resolve_users(reader_t *reader)
{
    zm_config_t *config = reader->config;
    int i;

    for (i = 0; i < config->clause_count; i++) {
        zm_clause_t *clause = config->clauses[i];
        zm_params_t *params = &clause->params;
        if (params->source != NULL && params->command != NULL &&
            strstr(params->command, "${source}") == NULL)
            problem(reader, clause->line, true,
                    "clause %s/%s sets source, and its command does not say ${source}",
                    clause->channel, clause->host);
        if (!reader->options->privileged)
            continue;
        if (params->command != NULL && (params->user == NULL || params->group == NULL))
            problem(reader, clause->line, true,
                    "clause %s/%s sets no user or no group for its agents", clause->channel,
                    clause->host);
        if (params->user != NULL && !resolve(params->user, false, &params->as.uid, config->pool))
            problem(reader, clause->line, true, "user \"%s\" is not known", params->user);
        if (params->group != NULL && !resolve(params->group, true, &params->as.gid, config->pool))
            problem(reader, clause->line, true, "group \"%s\" is not known", params->group);
    }
}

/* -- the file ------------------------------------------------------------------------------ */

static void read_tokens(reader_t *reader, zm_str_t text)
{
    zm_tokens_t tokens;
    zm_token_t token;
    zm_error_t error;
    apr_status_t status;

    zm_tokens_begin(&tokens, text, reader->config->pool);
    while ((status = zm_tokens_next(&tokens, &token, &error)) != APR_EOF) {
        if (status != APR_SUCCESS)
            problem(reader, token.line, true, "%s", error.text);
        else if (token.name.length == 0)
            problem(reader, token.line, true, "a value without a name");
        else if (token.first_column && zm_str_starts_nocase(token.name, ZM_S("PARAM")))
            global_param(reader, &token);
        else if (token.first_column)
            begin_clause(reader, &token);
        else
            parameter(reader, &token);
    }
}

apr_status_t zm_config_parse(zm_config_t **config, zm_str_t text,
                             const zm_config_options_t *options, zm_buf_t *problems,
                             apr_pool_t *pool)
{
    reader_t reader = {.options = options, .problems = problems};

    reader.config = apr_pcalloc(pool, sizeof *reader.config);
    reader.config->pool = pool;
    reader.config->file = options->file;
    reader.config->zenv = options->zenv;
    reader.config->report_interval = 300;
    zm_params_defaults(&reader.defaults.params, options->most_children);
    read_tokens(&reader, text);
    reader.config->defaults = reader.defaults.params;
    share_parameters(&reader);
    clamp_limits(&reader);
    resolve_users(&reader);
    reader.config->none.params = reader.defaults.params;
    reader.config->none.params.command = NULL;
    reader.config->none.label = reader.config->none.identity = "-/-";
    if (reader.failed)
        return ZM_E_CONFIG;
    *config = reader.config;
    return APR_SUCCESS;
}

apr_status_t zm_config_load(zm_config_t **config, const zm_config_options_t *options,
                            zm_buf_t *problems, apr_pool_t *pool)
{
    zm_conf_lines_t *lines;
    zm_error_t error;
    apr_status_t status = zm_conf_lines_open(&lines, options->file, pool, &error);
    if (status != APR_SUCCESS) {
        zm_buf_printf(problems, "%s\n", error.text);
        return status;
    }
    return zm_config_parse(config, lines->text, options, problems, pool);
}
