#include "mta/smtpserver/config.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/smtpserver/config_parts.h"
#include "mta/smtpserver/policy.h"

/* -- messages -------------------------------------------------------------------- */

static void add_message(apr_array_header_t *list, const config_reader_t *reader, const char *text)
{
    const char *file = reader->config->file;
    unsigned line = reader->lines != NULL ? reader->lines->number : 0;
    APR_ARRAY_PUSH(list, const char *) =
        line > 0 ? apr_psprintf(reader->pool, "%s:%u: %s", file, line, text)
                 : apr_psprintf(reader->pool, "%s: %s", file, text);
}

void config_error(config_reader_t *reader, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_message(reader->config->errors, reader, apr_pvsprintf(reader->pool, format, arguments));
    va_end(arguments);
}

void config_warning(config_reader_t *reader, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_message(reader->config->warnings, reader, apr_pvsprintf(reader->pool, format, arguments));
    va_end(arguments);
}

void config_notice(config_reader_t *reader, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_message(reader->config->notices, reader, apr_pvsprintf(reader->pool, format, arguments));
    va_end(arguments);
}

/* -- defaults -------------------------------------------------------------------- */

static config_group_t *default_group(apr_pool_t *pool)
{
    config_group_t *group = apr_pcalloc(pool, sizeof *group);
    group->backlog = 20000;
    group->error_recipients = 3;
    group->recipients = 10000;
    group->ehlo = group->pipelining = group->eight_bit = group->chunking = group->dsn = true;
    group->enhanced = group->multiline = group->etrn = group->names = true;
    group->require_tls = true;
    group->submit_auth = group->deliver_by = -1;
    group->auth.mechanisms = (1u << AUTH_MECHANISMS) - 1;
    group->auth.user_prompt = "Username:";
    group->auth.password_prompt = "Password:";
    group->auth.failures = 20;
    group->tls.least = "1.2";
    group->tls.depth = 5;
    group->tls.seconds = 3600;
    group->spf_threshold = POLICY_SPF_SOFTFAIL;
    group->arc_trusted = "";
    group->contact = "Ask HELP for our contact information.";
    return group;
}

static config_t *default_config(const char *file, const config_options_t *options, apr_pool_t *pool)
{
    config_t *config = apr_pcalloc(pool, sizeof *config);
    config->file = apr_pstrdup(pool, file);
    config->max_size = options->max_size;
    config->min_space = 5000;
    config->same_address = 100;
    config->sessions = 800;
    config->unknown_commands = 10;
    config->max_received = 50;
    config->command_timeout = config->data_timeout = 300;
    config->percent_hack = true;
    config->routers = config->filter.most = 2;
    config->source_route = zm_zenv_get(options->zenv, "ALLOWSOURCEROUTE") != NULL;
    config->bare_newline = NEWLINE_REJECT;
    config->standard = default_group(pool);
    config->groups = apr_array_make(pool, 4, sizeof(config_group_t *));
    APR_ARRAY_PUSH(config->groups, config_group_t *) = config->standard;
    config->binds = apr_array_make(pool, 4, sizeof(config_bind_t));
    config->nodes = apr_array_make(pool, 4, sizeof(config_node_t));
    config->notices = apr_array_make(pool, 4, sizeof(const char *));
    config->warnings = apr_array_make(pool, 4, sizeof(const char *));
    config->errors = apr_array_make(pool, 4, sizeof(const char *));
    return config;
}

void config_new_group(config_reader_t *reader)
{
    config_group_t *group = apr_pmemdup(reader->pool, reader->config->standard, sizeof *group);
    group->bound = false;
    group->number = reader->config->groups->nelts;
    APR_ARRAY_PUSH(reader->config->groups, config_group_t *) = group;
    reader->group = group;
}

/* -- lines ----------------------------------------------------------------------- */

/* Takes a word, quoted or not, off *rest.  False: there is none, or a comment begins. */
static bool take_word(config_reader_t *reader, zm_str_t *rest, zm_str_t *word)
{
    apr_size_t end = 0;
    char quote;
    while (rest->length > 0 && zm_is_blank(rest->data[0]))
        *rest = zm_str_from(*rest, 1);
    if (rest->length == 0 || rest->data[0] == '#')
        return false;
    quote = rest->data[0];
    if (quote != '"' && quote != '\'')
        return zm_str_word(rest, word);
    *rest = zm_str_from(*rest, 1);
    while (end < rest->length && rest->data[end] != quote)
        end++;
    *word = zm_str_of(rest->data, end);
    if (end == rest->length)
        config_warning(reader, "PARAM %.*s: expected a closing %c", (int)reader->keyword.length,
                       reader->keyword.data, quote);
    else
        end++;
    *rest = zm_str_from(*rest, end);
    return true;
}

static void read_parameter(config_reader_t *reader, zm_str_t line)
{
    zm_str_t rest = line;
    if (!zm_str_word(&rest, &reader->keyword)) {
        config_warning(reader, "expected a keyword behind PARAM");
        return;
    }
    reader->count = 0;
    reader->rest = rest.length > 0 ? zm_str_from(rest, 1) : rest;
    if (!config_is_raw(reader->keyword)) {
        rest = zm_zenv_expand(reader->options->zenv, rest,
                              ZM_EXPAND_BRACES | ZM_EXPAND_NAMES | ZM_EXPAND_PARENS |
                                  ZM_EXPAND_DOLLARS,
                              NULL, NULL, reader->pool);
        while (reader->count < CONFIG_WORDS &&
               take_word(reader, &rest, &reader->words[reader->count]))
            reader->count++;
    }
    config_parameter(reader);
}

static void read_pattern(config_reader_t *reader, zm_str_t line)
{
    pattern_list_t *list = &reader->config->patterns;
    const char *problem;
    if (pattern_add(list, line, &problem, reader->pool) != APR_SUCCESS) {
        config_error(reader, "%s", problem);
        return;
    }
    if (list->last->unknown != '\0')
        config_warning(reader,
                       "the flag %c has no effect: flags are R S F T f t v e h D -, or !TEXT",
                       list->last->unknown);
    if ((list->last->flags & PATTERN_DEBUG) != 0 && !reader->noticed_debug) {
        config_notice(reader, "the flag D has no effect: input that breaks off is not kept");
        reader->noticed_debug = true;
    }
}

static void read_line(config_reader_t *reader, zm_str_t line)
{
    const zm_str_t param = ZM_STR("PARAM");
    if (line.length == 0 || line.data[0] == '#' || zm_is_space((unsigned char)line.data[0]))
        return;
    if (zm_str_starts(line, param))
        read_parameter(reader, zm_str_from(line, param.length));
    else
        read_pattern(reader, line);
}

static apr_status_t read_all(config_reader_t *reader)
{
    zm_str_t line;
    while (zm_conf_lines_next(reader->lines, &line))
        read_line(reader, line);
    reader->lines = NULL;
    config_finish_binds(reader);
    config_finish_tls(reader);
    config_finish_auth(reader);
    if (reader->config->patterns.first == NULL)
        config_notice(reader,
                      "no HELO pattern line: the server is not configured, and every client "
                      "will be turned away; add a line such as \"* 999 ve\"");
    return reader->config->errors->nelts == 0 ? APR_SUCCESS : ZM_E_CONFIG;
}

/* -- reading it ------------------------------------------------------------------ */

static config_reader_t *begin(config_t **config, const char *file, const config_options_t *options,
                              apr_pool_t *pool)
{
    config_reader_t *reader = apr_pcalloc(pool, sizeof *reader);
    *config = reader->config = default_config(file, options, pool);
    reader->group = reader->config->standard;
    reader->options = options;
    reader->pool = pool;
    return reader;
}

static apr_status_t unreadable(config_t *config, const zm_error_t *error, apr_pool_t *pool)
{
    APR_ARRAY_PUSH(config->errors, const char *) = apr_pstrdup(pool, error->text);
    return ZM_E_CONFIG;
}

apr_status_t config_load(config_t **config, const char *file, const config_options_t *options,
                         apr_pool_t *pool)
{
    config_reader_t *reader = begin(config, file, options, pool);
    zm_error_t error = {0};
    if (zm_conf_lines_open(&reader->lines, file, pool, &error) != APR_SUCCESS)
        return unreadable(*config, &error, pool);
    return read_all(reader);
}

apr_status_t config_parse(config_t **config, zm_str_t text, const char *file,
                          const config_options_t *options, apr_pool_t *pool)
{
    config_reader_t *reader = begin(config, file, options, pool);
    zm_error_t error = {0};
    if (zm_conf_lines_of(&reader->lines, text, file, pool, &error) != APR_SUCCESS)
        return unreadable(*config, &error, pool);
    return read_all(reader);
}
