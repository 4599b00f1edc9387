/* What a group needs for the AUTH that it wants. */
#include <apr_file_info.h>
#include <apr_strings.h>

#include "mta/smtpserver/config_parts.h"

const char *const config_mechanisms[AUTH_MECHANISMS] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256",
                                                        "PLAIN", "LOGIN"};

static int find(zm_str_t name)
{
    int i;
    for (i = 0; i < AUTH_MECHANISMS; i++)
        if (zm_str_equal_nocase(name, zm_str(config_mechanisms[i])))
            return i;
    return -1;
}

/* Names with blanks or commas between them. */
void config_auth_mechanisms(config_reader_t *reader)
{
    config_auth_t *auth = &reader->group->auth;
    char *text = zm_str_c(reader->pool, reader->rest), *c;
    zm_str_t rest = zm_str(text), word;
    for (c = text; *c != '\0'; c++)
        if (*c == ',' || *c == '"' || *c == '\'')
            *c = ' ';
    auth->mechanisms = 0;
    auth->named_scram = false;
    while (zm_str_word(&rest, &word) && word.data[0] != '#') {
        int at = find(word);
        if (at < 0)
            config_warning(reader,
                           "PARAM sasl-mechanisms: there is no %.*s; known are %s, %s, %s "
                           "and %s",
                           (int)word.length, word.data, config_mechanisms[0], config_mechanisms[1],
                           config_mechanisms[2], config_mechanisms[3]);
        else
            auth->mechanisms |= 1u << at;
    }
    auth->named_scram = (auth->mechanisms & (1u << AUTH_SCRAM | 1u << AUTH_SCRAM_PLUS)) != 0;
}

void config_auth_path(config_reader_t *reader)
{
    const char *path = zm_str_c(reader->pool, reader->words[0]), *root;
    bool from_root = path[0] == '/'; /* of the drive, where there are drives */
    apr_status_t status = apr_filepath_root(&root, &path, 0, reader->pool);
    if (status != APR_SUCCESS && !(status == APR_EINCOMPLETE && from_root))
        config_error(reader, "PARAM %.*s: expected an absolute path, not %.*s",
                     (int)reader->keyword.length, reader->keyword.data,
                     (int)reader->words[0].length, reader->words[0].data);
}

/* The program is asked for passwords, which SCRAM does not tell. */
static void choose_mechanisms(config_auth_t *auth)
{
    const unsigned scram = 1u << AUTH_SCRAM | 1u << AUTH_SCRAM_PLUS;
    if (auth->users == NULL || (auth->program != NULL && !auth->named_scram))
        auth->mechanisms &= ~scram;
}

void config_finish_auth(config_reader_t *reader)
{
    const config_t *config = reader->config;
    int i;
    for (i = 0; i < config->groups->nelts; i++) {
        config_group_t *group = APR_ARRAY_IDX(config->groups, i, config_group_t *);
        config_auth_t *auth = &group->auth;
        const char *where =
            i == 0 ? "the default group" : apr_psprintf(reader->pool, "group %d", i);
        choose_mechanisms(auth);
        if (!auth->use)
            continue;
        if (auth->program == NULL && auth->users == NULL) {
            config_warning(reader,
                           "PARAM smtp-auth: %s has neither auth-user-file nor "
                           "SMTP-auth-pipe, so AUTH is not offered",
                           where);
            auth->use = false;
        } else if (!group->tls.use && !auth->in_clear) {
            config_warning(reader,
                           "PARAM smtp-auth: %s has no use-tls, without which no passwords "
                           "are taken",
                           where);
        }
    }
}

bool config_wants_auth(const config_t *config)
{
    int i;
    for (i = 0; i < config->groups->nelts; i++)
        if (APR_ARRAY_IDX(config->groups, i, config_group_t *)->auth.use)
            return true;
    return false;
}
