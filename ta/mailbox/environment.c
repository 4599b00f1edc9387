#include "ta/mailbox/environment.h"

#include <apr_env.h>
#include <apr_strings.h>
#include <string.h>

#define ROOM 40
#define DSN_LIMIT 999

typedef struct list_t {
    const char **items;
    int count;
    apr_pool_t *pool;
} list_t;

static void add(list_t *list, const char *name, zm_str_t value)
{
    char *item, *at;
    if (zm_str_find(value, '\0') >= 0 || list->count == ROOM)
        return;
    item = apr_pstrcat(list->pool, name, "=", zm_str_c(list->pool, value), NULL);
    for (at = item; *at != '\0'; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    list->items[list->count++] = item;
}

static void add_c(list_t *list, const char *name, const char *value)
{
    if (value != NULL)
        add(list, name, zm_str(value));
}

static void add_dsn(list_t *list, const char *name, zm_str_t value)
{
    if (value.length > 0 && value.length <= DSN_LIMIT)
        add(list, name, value);
}

static void add_notify(list_t *list, const zm_dsn_t *dsn)
{
    zm_buf_t words = ZM_BUF_INIT;
    const struct {
        bool on;
        const char *word;
    } flags[] = {{dsn->never, ",NEVER"},
                 {dsn->delay, ",DELAY"},
                 {dsn->failure, ",FAILURE"},
                 {dsn->success, ",SUCCESS"},
                 {dsn->trace, ",TRACE"}};
    apr_size_t i;
    for (i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (flags[i].on)
            zm_buf_add_c(&words, flags[i].word);
    if (words.length > 0)
        add(list, "NOTIFY", zm_str_from(zm_buf_str(&words), 1));
    zm_buf_free(&words);
}

static void add_message(list_t *list, const zm_job_t *job, const zm_group_t *group)
{
    int id = zm_fields_find(&group->fields, "Message-ID", 0);
    add_c(list, "MSGSPOOLID", job->spool_id);
    add(list, "MESSAGEID", job->file->message);
    if (id >= 0)
        add(list, "MESSAGE_ID", zm_field_value(&group->fields.items[id]));
}

static void add_site(list_t *list, const zm_zenv_t *zenv)
{
    char *zone = NULL;
    add_c(list, "SHELL", "/bin/sh");
    list->items[list->count++] = "IFS= \t\n"; /* the one value that has a line end on purpose */
    add_c(list, "PATH", zm_zenv_get_or(zenv, "PATH", "/usr/bin:/bin:/usr/ucb"));
    if (apr_env_get(&zone, "TZ", list->pool) == APR_SUCCESS)
        add_c(list, "TZ", zone);
    add_c(list, "ZCONFIG", zm_zenv_file(zenv));
    add_c(list, "MAILBIN", zm_zenv_mailbin(zenv));
    add_c(list, "MAILSHARE", zm_zenv_mailshare(zenv));
}

const char *const *zm_program_environment(const zm_job_t *job, const zm_group_t *group,
                                          const zm_recipient_t *recipient,
                                          const zm_destination_t *destination,
                                          const zm_user_t *account, apr_pool_t *pool)
{
    list_t list = {apr_pcalloc(pool, sizeof(char *) * (ROOM + 1)), 0, pool};
    const zm_dsn_t *dsn = &recipient->dsn;
    add_site(&list, job->agent->zenv);
    add_c(&list, "HOME", account->home);
    add_c(&list, "USER", account->name);
    add_c(&list, "LOGNAME", account->name);
    add(&list, "SENDER", group->sender.length > 0 ? group->sender : ZM_S("<>"));
    add_c(&list, "UID", apr_psprintf(pool, "%" APR_INT64_T_FMT, recipient->privilege));
    add(&list, "RECIPIENT", recipient->user);
    add_c(&list, "DOMAIN", destination->domain);
    add_c(&list, "EXTENSION", destination->detail);
    add_notify(&list, dsn);
    if (dsn->has_by)
        add_c(&list, "BY",
              apr_psprintf(pool, "%" APR_INT64_T_FMT ";%c%s", dsn->by, dsn->by_mode,
                           dsn->by_trace ? "T" : ""));
    add_dsn(&list, "ORCPT", dsn->orcpt);
    add_dsn(&list, "INRCPT", dsn->inrcpt);
    add_dsn(&list, "INFROM", dsn->infrom);
    add_dsn(&list, "EZMLM", dsn->ezmlm);
    add_dsn(&list, "ENVID", job->file->envid);
    add_message(&list, job, group);
    return list.items;
}
