#include "mta/submit/preamble.h"

#include <apr_env.h>
#include <apr_strings.h>
#include <string.h>

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 127;
}

const char *preamble_variable(const char *name, apr_pool_t *pool)
{
    char *value;
    return apr_env_get(&value, name, pool) == APR_SUCCESS && *value != '\0' ? value : NULL;
}

bool preamble_is_line(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if (is_control(text.data[i]))
            return false;
    return true;
}

/* Control characters as spaces, none at the ends. */
static zm_str_t clean(const char *text, apr_pool_t *pool)
{
    char *copy = apr_pstrdup(pool, text), *at;
    for (at = copy; *at != '\0'; at++)
        if (is_control(*at))
            *at = ' ';
    return zm_str_trim(zm_str(copy));
}

const char *preamble_phrase(const char *name, apr_pool_t *pool)
{
    zm_str_t text = clean(name, pool);
    zm_buf_t out = ZM_BUF_INIT;
    const char *result;
    apr_size_t i;
    bool quote;
    if (text.length == 0)
        return NULL;
    result = zm_str_c(pool, text);
    quote = strpbrk(result, ".,()<>[]@;:\\\"") != NULL;
    if (!quote)
        return result;
    zm_buf_add_byte(&out, '"');
    for (i = 0; i < text.length; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            zm_buf_add_byte(&out, '\\');
        zm_buf_add_byte(&out, text.data[i]);
    }
    zm_buf_add_byte(&out, '"');
    result = zm_str_c(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

/* As in a field of the account database: the name ends at a comma, and & is the login name. */
static const char *full_name(const char *value, const char *login, apr_pool_t *pool)
{
    zm_buf_t out = ZM_BUF_INIT;
    const char *phrase;
    for (; *value != '\0' && *value != ','; value++) {
        if (*value == '&' && login != NULL) {
            zm_buf_add_byte(&out, (char)zm_to_upper((unsigned char)login[0]));
            zm_buf_add_c(&out, login + 1);
        } else {
            zm_buf_add_byte(&out, *value);
        }
    }
    phrase = preamble_phrase(zm_buf_c(&out), pool);
    zm_buf_free(&out);
    return phrase;
}

static bool looks_like_an_address(const char *text)
{
    for (; *text != '\0'; text++)
        if (is_control(*text) || *text == ' ')
            return false;
    return true;
}

/* As the text of a comment. */
static const char *in_comment(const char *login, apr_pool_t *pool)
{
    char *copy = apr_pstrdup(pool, login), *at;
    for (at = copy; *at != '\0'; at++)
        if (is_control(*at) || strchr("()\\", *at) != NULL)
            *at = '?';
    return copy;
}

void preamble_read(preamble_t *preamble, const char *host, apr_pool_t *pool)
{
    const char *login = preamble_variable("LOGNAME", pool),
               *name = preamble_variable("FULLNAME", pool);
    const char *pretty = preamble_variable("PRETTYLOGIN", pool);
    if (login == NULL)
        login = preamble_variable("USERNAME", pool);
    if (login == NULL)
        login = preamble_variable("USER", pool);
    preamble->full_name = name != NULL ? full_name(name, login, pool) : NULL;
    preamble->login_name = pretty != NULL && looks_like_an_address(pretty) ? pretty : NULL;
    preamble->received =
        apr_psprintf(pool, "STDIN (%s@%s)", login ? in_comment(login, pool) : "\"?\?\"", host);
}
