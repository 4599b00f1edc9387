#include "mta/conf/site.h"

#include <apr_strings.h>
#include <string.h>

apr_status_t zm_site_spool(zm_spool_t **spool, const zm_zenv_t *zenv, zm_loop_t *loop,
                           apr_pool_t *pool, zm_error_t *error)
{
    zm_spool_options_t options = {0};
    bool sync;
    apr_status_t status = zm_zenv_switch(zenv, "SUBMIT_FSYNC", true, &sync, error);
    if (status != APR_SUCCESS)
        return status;
    options.location = zm_zenv_spool(zenv);
    options.loop = loop;
    options.unsynced = !sync;
    return zm_spool_open(spool, &options, pool, error);
}

apr_status_t zm_site_transport(zm_site_transport_t *transport, const zm_zenv_t *zenv,
                               zm_error_t *error)
{
    static const char *const words[] = {"dropbox", "socket", "socket,dropbox"};
    const char *set = zm_zenv_get_or(zenv, "SUBMIT_TRANSPORT", words[ZM_TRANSPORT_DROPBOX]);
    int i;
    for (i = ZM_TRANSPORT_DROPBOX; i <= ZM_TRANSPORT_EITHER; i++)
        if (strcmp(set, words[i]) == 0) {
            *transport = (zm_site_transport_t)i;
            return APR_SUCCESS;
        }
    return zm_error_set(error, ZM_E_CONFIG,
                        "%s: SUBMIT_TRANSPORT=%.100s: expected dropbox, socket, or socket,dropbox",
                        zm_zenv_file(zenv), set);
}

const char *zm_site_path(const zm_zenv_t *zenv, const char *variable, const char *below_postoffice,
                         apr_pool_t *pool)
{
    const char *value = zm_zenv_get_or(zenv, variable, NULL);
    if (value != NULL && strncmp(value, "UNIX:", 5) == 0)
        value += 5;
    return value ? value : apr_pstrcat(pool, zm_zenv_postoffice(zenv), "/", below_postoffice, NULL);
}

void zm_site_submitter(zm_submitter_t *submitter, const zm_zenv_t *zenv, zm_spool_t *spool,
                       apr_pool_t *pool)
{
    memset(submitter, 0, sizeof *submitter);
    submitter->spool = spool;
    submitter->router_notify = zm_site_path(zenv, "ROUTERNOTIFY", ".router.notify", pool);
    submitter->input_notify = zm_zenv_get_or(zenv, "INPUTNOTIFY", NULL);
    submitter->input_dirs = zm_zenv_get_or(zenv, "INPUTDIRS", NULL);
    submitter->router_dirs = zm_zenv_get_or(zenv, "ROUTERDIRS", "router1:router2:router3:router4");
    submitter->router_hash = zm_zenv_get_or(zenv, "ROUTERDIRHASH", "")[0] == '1';
    submitter->input_hash = zm_zenv_get_or(zenv, "INPUTDIRHASH", "")[0] == '1';
}

const char *zm_site_hostname(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    char buffer[256];
    const char *set = zm_zenv_get_or(zenv, "MYHOSTNAME", NULL);
    if (set != NULL)
        return set;
    if (zm_identity_hostname(buffer, sizeof buffer) != APR_SUCCESS)
        return "localhost";
    return apr_pstrdup(pool, buffer);
}

zm_credentials_t zm_site_trusted(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    zm_credentials_t who = {ZM_UID_NONE, ZM_UID_NONE};
    const char *name = zm_zenv_get_or(zenv, "TRUSTEDUSER", "daemon");
    zm_user_t *user;
    int64_t number;
    if (!zm_identity_privileged())
        return who;
    if (zm_str_i64(zm_str(name), &number) == APR_SUCCESS)
        who.uid = number;
    else if (zm_user_by_name(&user, name, pool) == APR_SUCCESS)
        who.uid = user->uid;
    return who;
}

bool zm_site_priority(int *priority, const char *text)
{
    static const struct {
        const char *word;
        int priority;
    } words[] = {{"high", 0}, {"normal", 0}, {"bulk", 1}, {"junk", 9}};
    int64_t number;
    apr_size_t i;
    *priority = 0;
    if (text == NULL || *text == '\0')
        return true;
    for (i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (zm_str_equal_nocase(zm_str(text), zm_str(words[i].word))) {
            *priority = words[i].priority;
            return true;
        }
    }
    if (zm_str_i64(zm_str(text), &number) != APR_SUCCESS)
        return false;
    *priority = number < 0 ? 0 : number > 1000 ? 1000 : (int)number;
    return true;
}
