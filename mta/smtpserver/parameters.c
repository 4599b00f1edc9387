#include "mta/smtpserver/parameters.h"

#include <string.h>

#include "mta/mail/encoded_word.h"
#include "mta/mail/smtp_path.h"
#include "mta/mail/xtext.h"

/* A reader of "NAME=VALUE" words. */
typedef struct words_t {
    zm_str_t text;
    apr_size_t at; /* of what comes next */
    int flags;
    apr_size_t start; /* of the word that was read */
    zm_str_t name, value;
    bool has_value;
    parameter_problem_t *problem;
} words_t;

static bool fail(words_t *words, int code, const char *enhanced, const char *text, apr_size_t at)
{
    words->problem->code = code;
    words->problem->enhanced = enhanced;
    words->problem->text = text;
    words->problem->at = at;
    return false;
}

static bool bad_value(words_t *words, const char *text)
{
    return fail(words, 501, "5.5.4", text,
                words->has_value ? (apr_size_t)(words->value.data - words->text.data)
                                 : words->start);
}

/* The next word, or its absence: *more tells.  False: the blanks are wrong. */
static bool next_word(words_t *words, bool *more)
{
    apr_size_t end;
    apr_size_t blanks = 0;
    while (words->at < words->text.length && zm_is_blank(words->text.data[words->at])) {
        if (words->text.data[words->at] == '\t' && !(words->flags & PARAMETERS_SLOPPY))
            return fail(words, 501, "5.5.4", "a TAB between parameters", words->at);
        if (++blanks > 1 && (words->flags & PARAMETERS_STRICT))
            return fail(words, 501, "5.5.4", "more than one blank between parameters", words->at);
        words->at++;
    }
    *more = words->at < words->text.length;
    if (!*more)
        return true;
    words->start = end = words->at;
    while (end < words->text.length && !zm_is_blank(words->text.data[end]))
        end++;
    words->at = end;
    words->name = zm_str_of(words->text.data + words->start, end - words->start);
    words->has_value = zm_str_cut(words->name, '=', &words->name, &words->value);
    return true;
}

static bool is(const words_t *words, const char *name)
{
    return zm_str_equal_nocase(words->name, zm_str(name));
}

static bool value_is(const words_t *words, const char *value)
{
    return zm_str_equal_nocase(words->value, zm_str(value));
}

static bool unknown(words_t *words)
{
    return fail(words, 555, "5.5.4", "unknown parameter", words->start);
}

/* -- MAIL -------------------------------------------------------------------------- */

static bool read_size(words_t *words, mail_parameters_t *parameters)
{
    if (parameters->has_size)
        return fail(words, 501, "5.5.4", "SIZE twice", words->start);
    if (!words->has_value || words->value.length > 20 ||
        zm_str_u64(words->value, &parameters->size) != APR_SUCCESS || parameters->size > INT64_MAX)
        return bad_value(words, "SIZE wants a number of octets");
    parameters->has_size = true;
    return true;
}

static bool read_body(words_t *words, mail_parameters_t *parameters)
{
    if (parameters->body.length > 0)
        return fail(words, 501, "5.5.4", "BODY twice", words->start);
    if (!words->has_value || !(value_is(words, "7BIT") || value_is(words, "8BITMIME")))
        return bad_value(words, "BODY wants 7BIT or 8BITMIME");
    parameters->body = words->value;
    return true;
}

static bool read_ret(words_t *words, mail_parameters_t *parameters)
{
    if (parameters->ret.length > 0)
        return fail(words, 501, "5.5.4", "RET twice", words->start);
    if (!words->has_value || !(value_is(words, "FULL") || value_is(words, "HDRS")))
        return bad_value(words, "RET wants FULL or HDRS");
    parameters->ret = words->value;
    return true;
}

static bool read_envid(words_t *words, mail_parameters_t *parameters)
{
    apr_size_t at = 0;
    if (parameters->envid.length > 0)
        return fail(words, 501, "5.5.4", "ENVID twice", words->start);
    if (!words->has_value || words->value.length == 0)
        return bad_value(words, "ENVID wants a value");
    if (!zm_xtext_valid(words->value, &at))
        return fail(words, 501, "5.5.4", "a byte in ENVID that is not xtext",
                    (apr_size_t)(words->value.data - words->text.data) + at);
    parameters->envid = words->value;
    return true;
}

/* "<>" or xtext */
static bool read_auth(words_t *words, mail_parameters_t *parameters)
{
    apr_size_t at = 0;
    if (parameters->has_auth)
        return fail(words, 501, "5.5.4", "AUTH twice", words->start);
    if (!words->has_value || words->value.length == 0)
        return bad_value(words, "AUTH wants a value");
    if (!zm_str_equal_c(words->value, "<>") && !zm_xtext_valid(words->value, &at))
        return fail(words, 501, "5.5.4", "a byte in AUTH that is not xtext",
                    (apr_size_t)(words->value.data - words->text.data) + at);
    parameters->has_auth = true;
    return true;
}

#define BY_DIGITS 9

/* "[-]SECONDS;MODE[T]", where MODE is N or R */
static bool read_by(words_t *words, mail_parameters_t *parameters)
{
    static const char form[] = "BY wants SECONDS;R or SECONDS;N, and perhaps T behind it";
    zm_str_t time, mode;
    apr_size_t i;
    if (parameters->by_mode != '\0')
        return fail(words, 501, "5.5.4", "BY twice", words->start);
    if (!words->has_value || !zm_str_cut(words->value, ';', &time, &mode) ||
        !(zm_str_starts(time, ZM_S("-")) || (time.length > 0 && zm_is_digit(time.data[0]))) ||
        time.length > BY_DIGITS + (apr_size_t)(time.data[0] == '-') ||
        zm_str_i64(time, &parameters->by) != APR_SUCCESS || mode.length > 2)
        return bad_value(words, form);
    for (i = 0; i < mode.length; i++) {
        char letter = (char)zm_to_upper((unsigned char)mode.data[i]);
        if (letter == 'T' && !parameters->by_trace)
            parameters->by_trace = true;
        else if ((letter == 'N' || letter == 'R') && parameters->by_mode == '\0')
            parameters->by_mode = letter;
        else
            return bad_value(words, form);
    }
    if (parameters->by_mode == '\0')
        return bad_value(words, form);
    if (parameters->by_mode == 'R' && parameters->by <= 0)
        return bad_value(words, "a message cannot be returned before it is sent");
    return true;
}

/* One that has no value. */
static bool read_flag(words_t *words, bool *flag)
{
    if (*flag)
        return fail(words, 501, "5.5.4", "the same parameter twice", words->start);
    if (words->has_value)
        return bad_value(words, "this parameter has no value");
    *flag = true;
    return true;
}

bool parameters_of_mail(mail_parameters_t *parameters, zm_str_t text, int flags,
                        parameter_problem_t *problem)
{
    words_t words = {.text = text, .flags = flags, .problem = problem};
    bool more, good;
    memset(parameters, 0, sizeof *parameters);
    while ((good = next_word(&words, &more)) && more) {
        if (is(&words, "SIZE"))
            good = read_size(&words, parameters);
        else if (is(&words, "BODY") && (flags & PARAMETERS_8BITMIME))
            good = read_body(&words, parameters);
        else if (is(&words, "RET") && (flags & PARAMETERS_DSN))
            good = read_ret(&words, parameters);
        else if (is(&words, "ENVID") && (flags & PARAMETERS_DSN))
            good = read_envid(&words, parameters);
        else if (is(&words, "BY") && (flags & PARAMETERS_DELIVERBY))
            good = read_by(&words, parameters);
        else if (is(&words, "SMTPUTF8") && (flags & PARAMETERS_SMTPUTF8))
            good = read_flag(&words, &parameters->smtputf8);
        else if (is(&words, "REQUIRETLS") && (flags & PARAMETERS_REQUIRETLS))
            good = read_flag(&words, &parameters->require_tls);
        else if (is(&words, "AUTH") && (flags & PARAMETERS_AUTH))
            good = read_auth(&words, parameters);
        else
            good = unknown(&words);
        if (!good)
            return false;
    }
    return good;
}

/* -- RCPT -------------------------------------------------------------------------- */

/* NEVER alone, or a list of the other three. */
static bool notify_is_good(zm_str_t value)
{
    zm_str_t rest = value, word;
    bool more = true;
    if (zm_str_equal_nocase(value, ZM_S("NEVER")))
        return true;
    while (more) {
        more = zm_str_cut(rest, ',', &word, &rest);
        if (!zm_str_equal_nocase(word, ZM_S("SUCCESS")) &&
            !zm_str_equal_nocase(word, ZM_S("FAILURE")) &&
            !zm_str_equal_nocase(word, ZM_S("DELAY")))
            return false;
    }
    return true;
}

static bool read_notify(words_t *words, rcpt_parameters_t *parameters)
{
    if (parameters->notify.length > 0)
        return fail(words, 501, "5.5.4", "NOTIFY twice", words->start);
    if (!words->has_value || !notify_is_good(words->value))
        return bad_value(words, "NOTIFY wants NEVER, or a list of SUCCESS, FAILURE and DELAY");
    parameters->notify = words->value;
    return true;
}

/* "utf-8;" with letters beyond ASCII: each octet of them stands for one that xtext allows. */
static bool is_international_orcpt(const words_t *words)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_smtp_problem_t problem;
    apr_size_t i;
    bool good = (words->flags & PARAMETERS_SMTPUTF8) != 0 && zm_is_utf8(words->value) &&
                zm_str_starts_nocase(words->value, ZM_S("utf-8;"));
    for (i = 0; good && i < words->value.length; i++)
        zm_buf_add_byte(&text, (words->value.data[i] & 0x80) != 0 ? 'x' : words->value.data[i]);
    good = good && zm_smtp_orcpt(zm_buf_str(&text), &problem);
    zm_buf_free(&text);
    return good;
}

static bool read_orcpt(words_t *words, rcpt_parameters_t *parameters)
{
    zm_smtp_problem_t path_problem;
    if (parameters->orcpt.length > 0)
        return fail(words, 501, "5.5.4", "ORCPT twice", words->start);
    if (!words->has_value || words->value.length == 0)
        return bad_value(words, "ORCPT wants TYPE;ADDRESS");
    if (!is_international_orcpt(words) && !zm_smtp_orcpt(words->value, &path_problem))
        return fail(words, 501, "5.5.4", path_problem.text,
                    (apr_size_t)(words->value.data - words->text.data) + path_problem.at);
    parameters->orcpt = words->value;
    return true;
}

bool parameters_of_rcpt(rcpt_parameters_t *parameters, zm_str_t text, int flags,
                        parameter_problem_t *problem)
{
    words_t words = {.text = text, .flags = flags, .problem = problem};
    bool more, good;
    memset(parameters, 0, sizeof *parameters);
    while ((good = next_word(&words, &more)) && more) {
        if (is(&words, "NOTIFY") && (flags & PARAMETERS_DSN))
            good = read_notify(&words, parameters);
        else if (is(&words, "ORCPT") && (flags & PARAMETERS_DSN))
            good = read_orcpt(&words, parameters);
        else
            good = unknown(&words);
        if (!good)
            return false;
    }
    return good;
}
