#include "ta/sm/arguments.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#define WORD_LIMIT 8192

typedef struct maker_t {
    const zm_arguments_t *with;
    apr_pool_t *pool;
    apr_array_header_t *argv;
    zm_argument_fault_t fault;
} maker_t;

/* -- what is put in -------------------------------------------------------- */

/* A user part without the quotes that protect it: "a b"@x is a b@x. */
static zm_str_t without_quotes(zm_str_t user, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, user.length + 1);
    apr_size_t i, length = 0;
    for (i = 0; i < user.length; i++) {
        if (user.data[i] == '"')
            continue;
        if (user.data[i] == '\\' && i + 1 < user.length)
            i++;
        out[length++] = user.data[i];
    }
    return zm_str_of(out, length);
}

static void warn_of(maker_t *maker, zm_str_t macro)
{
    maker->with->warn(maker->with->baton,
                      apr_psprintf(maker->pool, "%s: %.*s is empty", maker->with->mailer->name,
                                   (int)macro.length, macro.data));
}

/* What a letter behind '$' stands for; *fault: who is to blame for what is in it. */
static zm_str_t value_of(maker_t *maker, char letter, zm_str_t user, zm_argument_fault_t *fault)
{
    const zm_arguments_t *with = maker->with;
    *fault = letter == 'g' ? ZM_ARGUMENTS_SENDER : ZM_ARGUMENTS_RECIPIENT;
    switch (letter) {
    case 'g':
        return with->sender;
    case 'h':
        return with->host;
    case 'u':
    case 'U':
        if (with->mailer->strip)
            user = without_quotes(user, maker->pool);
        return letter == 'U' ? zm_str_lower(maker->pool, user) : user;
    default:
        return ZM_S("");
    }
}

static bool has_control_bytes(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 127)
            return true;
    return false;
}

/* uux makes one text of its words and takes it apart again: what stands in parentheses stays one
 * word there, and a host is what comes before "!". */
static bool upsets_uux(char before, char after, zm_str_t value)
{
    apr_size_t i;
    for (i = 0; i < value.length; i++) {
        char c = value.data[i];
        if (before == '(' && (c == '(' || c == ')'))
            return true;
        if (after == '!' && !zm_is_alpha(c) && !zm_is_digit(c) &&
            (c == '\0' || strchr("!.-_", c) == NULL))
            return true;
    }
    return false;
}

/* Adds what stands at a '$' and returns its length in the template. */
static apr_size_t add_macro(maker_t *maker, zm_buf_t *out, const char *at, char before,
                            zm_str_t user, zm_argument_fault_t *from)
{
    zm_argument_fault_t fault = ZM_ARGUMENTS_GOOD;
    const char *end = at[1] == '{' ? strchr(at, '}') : at + 1;
    apr_size_t length;
    zm_str_t value;
    if (end == NULL || *end == '\0') { /* no macro: "$" at the end, "${" without "}" */
        zm_buf_add_byte(out, '$');
        return 1;
    }
    length = (apr_size_t)(end - at) + 1;
    if (at[1] == '{')
        value = zm_str(
            zm_zenv_get_or(maker->with->zenv, apr_pstrmemdup(maker->pool, at + 2, length - 3), ""));
    else
        value = value_of(maker, at[1], user, &fault);
    if (value.length == 0)
        warn_of(maker, zm_str_of(at, length));
    if (fault != ZM_ARGUMENTS_GOOD)
        *from = fault;
    if (fault != ZM_ARGUMENTS_GOOD &&
        (has_control_bytes(value) || upsets_uux(before, at[length], value)))
        maker->fault = fault;
    zm_buf_add_str(out, value);
    return length;
}

/* -- words ----------------------------------------------------------------- */

static void add_word(maker_t *maker, const char *word)
{
    APR_ARRAY_PUSH(maker->argv, const char *) = word;
}

/* Adds a word of the template with everything put in. */
static void add_filled(maker_t *maker, const char *word, zm_str_t user, bool options_over)
{
    zm_argument_fault_t from = ZM_ARGUMENTS_GOOD;
    zm_buf_t out = ZM_BUF_INIT;
    const char *at = word;
    while (*at != '\0')
        if (*at == '$')
            at += add_macro(maker, &out, at, at > word ? at[-1] : '\0', user, &from);
        else
            zm_buf_add_byte(&out, *at++);
    if (from != ZM_ARGUMENTS_GOOD &&
        (out.length > WORD_LIMIT ||
         (out.length > 0 && out.data[0] == '-' && word[0] != '-' && !options_over)))
        maker->fault = from;
    add_word(maker, apr_pstrmemdup(maker->pool, zm_buf_c(&out), out.length));
    zm_buf_free(&out);
}

static bool names_recipient(const char *word)
{
    for (; (word = strchr(word, '$')) != NULL; word++)
        if (word[1] == 'u' || word[1] == 'U')
            return true;
    return false;
}

static void add_sender_option(maker_t *maker)
{
    const zm_mailer_t *mailer = maker->with->mailer;
    if (mailer->sender == 0)
        return;
    add_word(maker, mailer->sender == 'f' ? "-f" : "-r");
    if (has_control_bytes(maker->with->sender) || maker->with->sender.length > WORD_LIMIT)
        maker->fault = ZM_ARGUMENTS_SENDER;
    add_word(maker, zm_str_c(maker->pool, maker->with->sender));
}

zm_argument_fault_t zm_arguments(const char *const **argv, const zm_arguments_t *with,
                                 const zm_str_t *users, int count, apr_pool_t *pool)
{
    maker_t maker = {with, pool, apr_array_make(pool, 16, sizeof(const char *)), ZM_ARGUMENTS_GOOD};
    const char *const *word;
    bool options_over = false;
    int i;
    for (word = with->mailer->words; *word != NULL; word++) {
        bool first = word == with->mailer->words;
        for (i = 0; i < (names_recipient(*word) ? count : 1); i++)
            add_filled(&maker, *word, users[i], options_over || first);
        if (first)
            add_sender_option(&maker);
        options_over = options_over || strcmp(*word, "--") == 0;
    }
    add_word(&maker, NULL);
    *argv = (const char *const *)maker.argv->elts;
    return maker.fault;
}
