/* Built-ins about accounts. */

#include <apr_strings.h>
#include <string.h>

#include "mta/script/interp.h"
#include "platform/identity.h"

static int usage(zm_call_t *call, const char *text)
{
    zm_call_complain(call, "usage: %s %s", call->name, text);
    return 64;
}

static zm_uid_t nobody(zm_call_t *call)
{
    zm_str_t configured = zm_script_get_str(call->script, "NOBODY");
    apr_pool_t *pool = call->script->arena.pool;
    return zm_identity_nobody(configured.length == 0 ? NULL : zm_str_c(pool, configured), pool).uid;
}

/* Adds to one of the relations that cache accounts, where the program has made them. */
static void remember(zm_call_t *call, const char *relation, const char *key, const char *value)
{
    zm_relation_entry_t *entry = zm_relation_find(call->script, zm_str(relation));
    if (entry != NULL && value != NULL)
        zm_map_add(zm_relation_map(entry->relation), zm_str(key), zm_str(value), NULL);
}

static int do_login2uid(zm_call_t *call)
{
    apr_pool_t *pool = call->script->arena.pool;
    const char *login = zm_call_arg_c(call, 0), *number;
    zm_user_t *user;
    if (call->count != 1)
        return usage(call, "login");
    if (zm_user_by_name(&user, login, pool) != APR_SUCCESS) {
        zm_call_print(call, "%" APR_INT64_T_FMT "\n", (apr_int64_t)nobody(call));
        return 0;
    }
    number = apr_psprintf(pool, "%" APR_INT64_T_FMT, (apr_int64_t)user->uid);
    remember(call, "pwnam", login, number);
    remember(call, "pwuid", number, login);
    remember(call, "fullname", login, user->full_name);
    zm_call_print(call, "%s\n", number);
    return 0;
}

static int do_uid2login(zm_call_t *call)
{
    zm_str_t text = zm_call_arg(call, 0);
    int64_t uid;
    zm_user_t *user;
    if (call->count != 1 || zm_str_i64(text, &uid) != APR_SUCCESS)
        return usage(call, "uid");
    if (zm_user_by_uid(&user, uid, call->script->arena.pool) != APR_SUCCESS) {
        zm_call_print(call, "uid#%.*s\n", (int)text.length, text.data);
        return 0;
    }
    remember(call, "pwuid", zm_call_arg_c(call, 0), user->name);
    zm_call_print(call, "%s\n", user->name);
    return 0;
}

static int do_homedirectory(zm_call_t *call)
{
    apr_pool_t *pool = call->script->arena.pool;
    const char *login = zm_call_arg_c(call, 0);
    zm_user_t *user;
    apr_status_t status;
    if (call->count != 1)
        return usage(call, "user");
    status = zm_user_by_name(&user, login, pool);
    if (APR_STATUS_IS_ENOENT(status))
        status = zm_user_by_name(&user, zm_str_lower(pool, zm_str(login)).data, pool);
    if (APR_STATUS_IS_ENOENT(status))
        return 2;
    if (status != APR_SUCCESS) {
        zm_script_defer(call->script, apr_psprintf(pool, "HOME:%s", login));
        return 3;
    }
    zm_call_print(call, "%s\n", user->home);
    return 0;
}

static int do_groupmembers(zm_call_t *call)
{
    const char *const *names;
    if (call->count != 1)
        return usage(call, "group");
    if (zm_group_members(&names, zm_call_arg_c(call, 0), call->script->arena.pool) != APR_SUCCESS)
        return 1;
    for (; *names != NULL; names++)
        zm_call_print(call, "%s\n", *names);
    return 0;
}

/*
 * An unprivileged program just calls the command.  A privileged one must bring
 * its own runas, which does the work elsewhere under the other account: this
 * process never lends itself.
 */
static int do_runas(zm_call_t *call)
{
    zm_script_result_t result;
    apr_status_t status;
    if (call->count < 2)
        return usage(call, "user command [argument...]");
    if (zm_identity_privileged()) {
        zm_user_t *user;
        int64_t uid = -1;
        if (zm_str_i64(zm_call_arg(call, 0), &uid) != APR_SUCCESS &&
            zm_user_by_name(&user, zm_call_arg_c(call, 0), call->script->arena.pool) == APR_SUCCESS)
            uid = user->uid;
        if (uid != zm_identity_own().uid) {
            zm_call_complain(call, "cannot become another user here");
            return 1;
        }
    }
    status = zm_call_call(call, zm_call_arg_c(call, 1), call->args + 2, call->count - 2, &result);
    if (APR_STATUS_IS_ENOENT(status)) {
        zm_call_complain(call, "%s: not a function or built-in", zm_call_arg_c(call, 1));
        return 1;
    }
    return status == APR_SUCCESS ? result.status : 1;
}

void zm_builtin_user_define(zm_script_t *script)
{
    zm_script_define(script, "login2uid", ZM_BUILTIN_ARGV, do_login2uid, NULL);
    zm_script_define(script, "uid2login", ZM_BUILTIN_ARGV, do_uid2login, NULL);
    zm_script_define(script, "homedirectory", ZM_BUILTIN_ARGV, do_homedirectory, NULL);
    zm_script_define(script, "groupmembers", ZM_BUILTIN_ARGV, do_groupmembers, NULL);
    zm_script_define(script, "runas", ZM_BUILTIN_ARGV, do_runas, NULL);
}
