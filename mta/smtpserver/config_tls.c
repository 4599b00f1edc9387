/* What a group needs for the TLS that it wants. */
#include <apr_strings.h>

#include "mta/smtpserver/config_parts.h"

void config_tls_version(config_reader_t *reader)
{
    zm_str_t word = reader->words[0];
    if (zm_str_equal_nocase(word, ZM_S("TLSv1.2")))
        reader->group->tls.least = "1.2";
    else if (zm_str_equal_nocase(word, ZM_S("TLSv1.3")))
        reader->group->tls.least = "1.3";
    else
        config_error(reader, "PARAM tls-min-version: expected TLSv1.2 or TLSv1.3, not %.*s",
                     (int)word.length, word.data);
}

/* One file may hold both. */
static void complete_pair(const char **certificate, const char **key)
{
    if (*certificate == NULL)
        *certificate = *key;
    if (*key == NULL)
        *key = *certificate;
}

static void check_group(config_reader_t *reader, config_group_t *group)
{
    config_tls_t *tls = &group->tls;
    const char *where = group->number == 0 ? "the default group"
                                           : apr_psprintf(reader->pool, "group %d", group->number);
    complete_pair(&tls->certificate, &tls->key);
    complete_pair(&tls->certificate2, &tls->key2);
    if (tls->use && tls->certificate == NULL)
        config_error(reader, "PARAM use-tls: %s has no tls-cert-file", where);
    if (!tls->use && tls->enforce)
        config_error(reader, "PARAM tls-enforce-tls: %s has no use-tls, so nobody could send mail",
                     where);
    if (tls->use && (tls->ask || tls->require) && tls->authorities == NULL &&
        tls->authority_dir == NULL)
        config_error(reader,
                     "PARAM %s: %s has neither tls-CAfile nor tls-CApath to verify clients by",
                     tls->require ? "tls-require-cert" : "tls-ask-cert", where);
}

void config_finish_tls(config_reader_t *reader)
{
    const config_t *config = reader->config;
    int i;
    for (i = 0; i < config->groups->nelts; i++)
        check_group(reader, APR_ARRAY_IDX(config->groups, i, config_group_t *));
    for (i = 0; i < config->binds->nelts; i++) {
        const config_bind_t *bind = &APR_ARRAY_IDX(config->binds, i, config_bind_t);
        if (bind->tls && !bind->group->tls.use)
            config_error(reader, "port %u is for TLS, but its group has no use-tls",
                         bind->where.port);
    }
}
