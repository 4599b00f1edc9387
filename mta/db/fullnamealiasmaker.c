/*
 * fullnamealiasmaker(8): aliases First.Last for the accounts of this system, from
 * their full names.  A name that two accounts have is left out, with a comment.
 */
#include <apr_general.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "platform/identity.h"

typedef struct maker_t {
    apr_pool_t *pool;
    int64_t least; /* uid */
    apr_hash_t *names;
    apr_array_header_t *order; /* of alias_t * */
} maker_t;

typedef struct alias_t {
    const char *name, *login;
    bool twice;
} alias_t;

/* "Ann B. Example" as "ann.b.example"; null: not two words, or not of plain letters. */
static const char *alias_of(const char *full_name, apr_pool_t *pool)
{
    zm_str_t rest = zm_str(full_name), word;
    zm_buf_t out = ZM_BUF_INIT;
    const char *alias = NULL;
    apr_size_t i;
    int words = 0;
    bool good = true;
    while (zm_str_word(&rest, &word)) {
        if (word.data[word.length - 1] == '.')
            word.length--;
        if (words++ > 0)
            zm_buf_add_byte(&out, '.');
        for (i = 0; i < word.length; i++) {
            good &= zm_is_alpha((unsigned char)word.data[i]) || word.data[i] == '-' ||
                    zm_is_digit((unsigned char)word.data[i]);
            zm_buf_add_byte(&out, (char)zm_to_lower((unsigned char)word.data[i]));
        }
        good &= word.length > 0;
    }
    if (good && words > 1)
        alias = zm_str_c(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return alias;
}

static void take(void *baton, const zm_user_t *user)
{
    maker_t *maker = baton;
    const char *name;
    alias_t *alias;
    if (user->uid < maker->least || user->full_name == NULL ||
        (name = alias_of(user->full_name, maker->pool)) == NULL)
        return;
    alias = apr_hash_get(maker->names, name, APR_HASH_KEY_STRING);
    if (alias != NULL) {
        alias->twice |= strcmp(alias->login, user->name) != 0;
        return;
    }
    alias = apr_palloc(maker->pool, sizeof *alias);
    *alias = (alias_t){name, apr_pstrdup(maker->pool, user->name), false};
    apr_hash_set(maker->names, name, APR_HASH_KEY_STRING, alias);
    APR_ARRAY_PUSH(maker->order, alias_t *) = alias;
}

int main(int argc, char **argv)
{
    maker_t maker = {.least = 1000};
    const zm_option_t table[] = {
        {'u', "least-uid", ZM_OPTION_NUMBER, &maker.least, NULL, "UID",
         "leave out accounts with smaller numbers (1000)"},
    };
    const zm_command_line_t line = {"fullnamealiasmaker",
                                    NULL,
                                    "write aliases for the full names of this system's accounts",
                                    table,
                                    1,
                                    NULL,
                                    0};
    int i, code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&maker.pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    maker.names = apr_hash_make(maker.pool);
    maker.order = apr_array_make(maker.pool, 64, sizeof(alias_t *));
    zm_user_each(take, &maker, maker.pool);
    for (i = 0; i < maker.order->nelts; i++) {
        const alias_t *alias = APR_ARRAY_IDX(maker.order, i, alias_t *);
        if (alias->twice)
            printf("# %s: more than one account has this name\n", alias->name);
        else
            printf("%s: %s\n", alias->name, alias->login);
    }
    return 0;
}
