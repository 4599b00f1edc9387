/* Built-ins on text: names, quoting, case, dates, the system log. */

#include <apr_file_info.h>
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/script/interp.h"
#include "platform/clock.h"
#include "platform/identity.h"
#include "platform/log.h"

static int usage(zm_call_t *call, const char *text)
{
    zm_call_complain(call, "usage: %s %s", call->name, text);
    return 64;
}

/* -- files ----------------------------------------------------------------------------- */

static int do_basename(zm_call_t *call)
{
    zm_str_t name = zm_call_arg(call, 0), suffix = zm_call_arg(call, 1);
    apr_size_t i;
    if (call->count == 0 || call->count > 2)
        return usage(call, "path [suffix]");
    for (i = name.length; i > 0 && name.data[i - 1] != '/';)
        i--;
    name = zm_str_from(name, i);
    if (suffix.length > 0 && name.length > suffix.length &&
        memcmp(name.data + name.length - suffix.length, suffix.data, suffix.length) == 0)
        name.length -= suffix.length;
    zm_call_print(call, "%.*s\n", (int)name.length, name.data);
    return 0;
}

static int do_cat(zm_call_t *call)
{
    zm_script_t *script = call->script;
    apr_size_t i;
    if (call->count == 0)
        zm_call_write(call, zm_call_read_all(call));
    for (i = 0; i < call->count; i++) {
        zm_stream_t *stream;
        apr_finfo_t info;
        zm_buf_t text = ZM_BUF_INIT;
        if (zm_stream_open(&stream, script, zm_call_arg_c(call, i), APR_FOPEN_READ) != APR_SUCCESS)
            continue;
        if (apr_file_info_get(&info, APR_FINFO_TYPE, stream->file) == APR_SUCCESS &&
            info.filetype == APR_REG)
            zm_stream_drain(stream, &text, script->limits.memory);
        zm_stream_release(script, stream);
        zm_call_write(call, zm_buf_str(&text));
        zm_buf_free(&text);
    }
    return 0;
}

/* -- quoting ------------------------------------------------------------------------------ */

typedef struct zm_quoting_t {
    bool has_quotes, open, needs;
    zm_str_t text, added;
    char blank; /* stands for each blank; NUL: blanks stay */
} zm_quoting_t;

static bool needs_quotes(char c, char next, bool inside, bool blanks_count)
{
    unsigned char byte = (unsigned char)c;
    if (c == ' ')
        return blanks_count;
    if (byte < ' ' || byte >= 127 || strchr("()<>;|", c) != NULL)
        return true;
    return inside && (c == '@' || (c == ':' && next == ':'));
}

static void analyse(zm_quoting_t *quoting)
{
    zm_str_t text = quoting->text;
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        char c = text.data[i], next = i + 1 < text.length ? text.data[i + 1] : '\0';
        if (c == '\\') {
            i++;
        } else if (c == '"') {
            quoting->has_quotes = true;
            quoting->open = !quoting->open;
        } else if (needs_quotes(c, next, quoting->open, quoting->blank == '\0')) {
            quoting->needs = true;
        }
    }
}

static bool read_quoting(zm_call_t *call, zm_quoting_t *quoting)
{
    apr_size_t i = 0;
    while (i < call->count) {
        zm_str_t word = zm_call_arg(call, i), value = zm_call_arg(call, i + 1);
        if (zm_str_equal_c(word, "--")) {
            i++;
            break;
        }
        if (zm_str_equal_c(word, "-s")) {
            if (value.length != 1 || strchr("\"\\", value.data[0]) != NULL ||
                needs_quotes(value.data[0], '\0', true, true))
                return false;
            quoting->blank = value.data[0];
        } else if (zm_str_equal_c(word, "-a") && i + 1 < call->count) {
            quoting->added = value;
        } else {
            break;
        }
        i += 2;
    }
    quoting->text = zm_call_arg(call, i);
    return i + 1 == call->count;
}

static void put(zm_quoting_t *quoting, zm_buf_t *out, char c)
{
    zm_buf_add_byte(out, c == ' ' && quoting->blank != '\0' ? quoting->blank : c);
}

/* The text without its quotes; backslash pairs stay. */
static void unquote(zm_quoting_t *quoting, zm_buf_t *out)
{
    zm_str_t text = quoting->text;
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        if (text.data[i] == '"')
            continue;
        put(quoting, out, text.data[i]);
        if (text.data[i] == '\\' && i + 1 < text.length)
            put(quoting, out, text.data[++i]);
    }
}

static int write_quoted(zm_call_t *call, zm_quoting_t *quoting, zm_buf_t *out)
{
    if (quoting->added.length > 0) {
        zm_buf_add_str(out, quoting->added);
        zm_buf_add_byte(out, '\n');
    }
    zm_call_write(call, zm_buf_str(out));
    zm_buf_free(out);
    return 0;
}

static int do_condquote(zm_call_t *call)
{
    zm_quoting_t quoting = {0};
    zm_buf_t out = ZM_BUF_INIT;
    apr_size_t i;
    bool wrap;
    if (!read_quoting(call, &quoting))
        return usage(call, "[-s character] [-a text] [--] text");
    analyse(&quoting);
    if (quoting.has_quotes && !quoting.open && !quoting.needs) {
        unquote(&quoting, &out);
        return write_quoted(call, &quoting, &out);
    }
    wrap = quoting.needs && !quoting.has_quotes;
    if (wrap)
        zm_buf_add_byte(&out, '"');
    for (i = 0; i < quoting.text.length; i++)
        put(&quoting, &out, quoting.text.data[i]);
    if (wrap)
        zm_buf_add_byte(&out, '"');
    return write_quoted(call, &quoting, &out);
}

static int do_dequote(zm_call_t *call)
{
    zm_quoting_t quoting = {0};
    zm_buf_t out = ZM_BUF_INIT;
    if (!read_quoting(call, &quoting))
        return usage(call, "[-s character] [-a text] [--] text");
    unquote(&quoting, &out);
    return write_quoted(call, &quoting, &out);
}

/* -- case ----------------------------------------------------------------------------------- */

static int do_recase(zm_call_t *call)
{
    char how = 'l';
    apr_size_t i = 0, at;
    zm_str_t word = zm_call_arg(call, 0), text;
    zm_buf_t out = ZM_BUF_INIT;
    bool inside = false;
    if (word.length == 2 && word.data[0] == '-' && strchr("ulp", word.data[1]) != NULL) {
        how = word.data[1];
        i++;
    }
    if (zm_str_equal_c(zm_call_arg(call, i), "--"))
        i++;
    if (i + 1 != call->count)
        return usage(call, "[-u|-l|-p] [--] text");
    text = zm_call_arg(call, i);
    for (at = 0; at < text.length; at++) {
        char c = text.data[at];
        bool upper = how == 'u' || (how == 'p' && !inside);
        inside = zm_is_alpha(c) || zm_is_digit(c);
        zm_buf_add_byte(&out, (char)(upper ? zm_to_upper(c) : zm_to_lower(c)));
    }
    zm_buf_add_byte(&out, '\n');
    zm_call_write(call, zm_buf_str(&out));
    zm_buf_free(&out);
    return 0;
}

/* -- dates, names, the log --------------------------------------------------------------------- */

static int do_rfc822date(zm_call_t *call)
{
    char text[64];
    apr_time_t now = zm_clock_wall();
    int64_t later = 0;
    if (zm_str_equal_c(zm_call_arg(call, 0), "-s") &&
        (call->count == 1 ||
         (call->count == 2 && zm_str_i64(zm_call_arg(call, 1), &later) == APR_SUCCESS))) {
        zm_call_print(call, "%" APR_INT64_T_FMT "\n", (apr_int64_t)(apr_time_sec(now) + later));
        return 0;
    }
    if (call->count > 0)
        return usage(call, "[-s [seconds to add]]");
    zm_clock_rfc5322(text, sizeof text, now, 0);
    zm_call_print(call, "%s\n", text);
    return 0;
}

static int do_hostname(zm_call_t *call)
{
    char name[300];
    if (call->count > 1)
        return usage(call, "[name]");
    if (call->count == 1) /* of a router; nothing depends on it here */
        return 0;
    if (zm_identity_hostname(name, sizeof name) != APR_SUCCESS)
        return 1;
    zm_call_print(call, "%s\n", name);
    return 0;
}

static bool log_level(zm_str_t name, zm_log_level_t *level)
{
    static const struct {
        const char *name;
        zm_log_level_t level;
    } levels[] = {{"debug", ZM_LOG_DEBUG},     {"info", ZM_LOG_INFO},  {"notice", ZM_LOG_NOTICE},
                  {"warning", ZM_LOG_WARNING}, {"err", ZM_LOG_ERROR},  {"crit", ZM_LOG_ERROR},
                  {"alert", ZM_LOG_ERROR},     {"emerg", ZM_LOG_ERROR}};
    apr_size_t i;
    for (i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (zm_str_equal_c(name, levels[i].name)) {
            *level = levels[i].level;
            return true;
        }
    return false;
}

static int do_logger(zm_call_t *call)
{
    zm_log_level_t level = ZM_LOG_INFO;
    apr_size_t i = 0;
    zm_str_t text;
    if (zm_str_equal_c(zm_call_arg(call, 0), "-p")) {
        if (!log_level(zm_call_arg(call, 1), &level))
            return usage(call, "[-p debug|info|notice|warning|err|crit|alert|emerg] text");
        i = 2;
    }
    if (i + 1 != call->count)
        return usage(call, "[-p priority] text");
    text = zm_call_arg(call, i);
    zm_log_syslog(level, call->script->program, "%.*s", (int)text.length, text.data);
    return 0;
}

static int do_nothing(zm_call_t *call)
{
    (void)call;
    return 0;
}

void zm_builtin_text_define(zm_script_t *script)
{
    static const struct {
        const char *name;
        zm_builtin_fn *fn;
    } list[] = {{"basename", do_basename},       {"cat", do_cat},
                {"condquote", do_condquote},     {"dequote", do_dequote},
                {"recase", do_recase},           {"rfc822date", do_rfc822date},
                {"hostname", do_hostname},       {"logger", do_logger},
                {"syslog", do_logger},           {"zapDSNnotify", do_nothing},
                {"postzapDSNnotify", do_nothing}};
    apr_size_t i;
    for (i = 0; i < sizeof list / sizeof list[0]; i++)
        zm_script_define(script, list[i].name, ZM_BUILTIN_ARGV, list[i].fn, NULL);
}
