#include <apr_strings.h>
#include <stdio.h>

#include "mta/router/commands.h"

#define ACCOUNT_LIFE apr_time_from_sec(2)

/*
 * Rules ask several things about a user one after the other, and the system takes
 * its time: the last answer is kept for a moment.
 */
static bool is_remembered(const router_worker_t *worker, zm_str_t name)
{
    apr_time_t age = apr_time_now() - worker->account_time;
    return worker->account != NULL && zm_str_equal(worker->account_name, name) && age >= 0 &&
           age < ACCOUNT_LIFE;
}

/* A name as it is, then in lower case. */
static apr_status_t find_account(const zm_account_t **account, router_worker_t *worker,
                                 zm_str_t name)
{
    apr_pool_t *pool = worker->account_pool;
    zm_account_t *found;
    zm_str_t lower;
    apr_status_t status;
    if (is_remembered(worker, name)) {
        *account = worker->account;
        return APR_SUCCESS;
    }
    worker->account = NULL;
    apr_pool_clear(pool);
    lower = zm_str_lower(pool, name);
    status = zm_accounts_find(&found, worker->accounts, zm_str_c(pool, name), pool);
    if (APR_STATUS_IS_ENOENT(status) && !zm_str_equal(lower, name))
        status = zm_accounts_find(&found, worker->accounts, zm_str_c(pool, lower), pool);
    if (status != APR_SUCCESS)
        return status;
    worker->account_name = zm_str_copy(pool, name);
    worker->account_time = apr_time_now();
    *account = worker->account = found;
    return APR_SUCCESS;
}

/* Names of accounts are short and plain; what is not is nobody's. */
static bool may_be_login(zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < name.length; i++)
        if (name.data[i] == '/' || name.data[i] == ':' || (unsigned char)name.data[i] <= ' ')
            return false;
    return name.length > 0 && name.length <= 256;
}

/* The system cannot tell now: whoever asked waits. */
static void defer_for(router_worker_t *worker, zm_str_t name)
{
    zm_script_defer(worker->script, apr_psprintf(zm_script_pool(worker->script), "HOME:%.*s",
                                                 (int)name.length, name.data));
}

/* homedirectory USER: 0 with the home directory (nothing for a mailbox without account), 2 unknown,
 * 3 cannot tell */
static int homedirectory(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    zm_str_t name = zm_call_arg(call, 0);
    const zm_account_t *account;
    apr_status_t status;
    if (call->count != 1) {
        zm_call_complain(call, "usage: homedirectory USER");
        return 64;
    }
    if (!may_be_login(name))
        return 2;
    status = find_account(&account, worker, name);
    if (status == APR_SUCCESS) {
        if (account->home != NULL)
            zm_call_print(call, "%s\n", account->home);
        return 0;
    }
    if (APR_STATUS_IS_ENOENT(status))
        return 2;
    defer_for(worker, name);
    return 3;
}

/* Scripts find in the relations pwnam, pwuid and fullname what was looked up for this message. */
static void cache(zm_call_t *call, const char *relation, zm_str_t key, zm_str_t value)
{
    zm_script_result_t result = {0};
    zm_value_t arguments[4] = {ZM_VALUE("add"), zm_value_of(zm_str(relation)), zm_value_of(key),
                               zm_value_of(value)};
    (void)zm_call_call(call, "db", arguments, 4, &result);
}

static void cache_account(zm_call_t *call, const char *login, zm_uid_t uid, const char *full_name)
{
    char number[24];
    snprintf(number, sizeof number, "%" APR_INT64_T_FMT, (apr_int64_t)uid);
    cache(call, "pwnam", zm_str(login), zm_str(number));
    cache(call, "pwuid", zm_str(number), zm_str(login));
    if (full_name != NULL && full_name[0] != '\0')
        cache(call, "fullname", zm_str(login), zm_str(full_name));
}

/* login2uid USER: its uid, that of nobody for the unknown, with `defer` set when it cannot be told
 * now */
static int login2uid(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    zm_str_t name = zm_call_arg(call, 0);
    const zm_account_t *account;
    zm_uid_t uid = worker->nobody;
    apr_status_t status;
    if (call->count != 1) {
        zm_call_complain(call, "usage: login2uid USER");
        return 64;
    }
    status = may_be_login(name) ? find_account(&account, worker, name) : APR_ENOENT;
    if (status == APR_SUCCESS) {
        uid = account->uid;
        cache_account(call, account->name, uid, account->full_name);
    } else if (!APR_STATUS_IS_ENOENT(status)) {
        defer_for(worker, name);
    }
    zm_call_print(call, "%" APR_INT64_T_FMT "\n", (apr_int64_t)uid);
    return 0;
}

/* uid2login UID: the login name; uid#N for the unknown, with `defer` set: what depends on it waits
 */
static int uid2login(zm_call_t *call)
{
    router_worker_t *worker = call->baton;
    zm_user_t *user;
    apr_status_t status;
    int64_t uid;
    if (call->count != 1 || zm_str_i64(zm_call_arg(call, 0), &uid) != APR_SUCCESS) {
        zm_call_complain(call, "usage: uid2login UID");
        return 64;
    }
    status = zm_user_by_uid(&user, uid, zm_script_pool(call->script));
    if (status == APR_SUCCESS) {
        zm_call_print(call, "%s\n", user->name);
        cache_account(call, user->name, uid, user->full_name);
        return 0;
    }
    zm_call_print(call, "uid#%" APR_INT64_T_FMT "\n", (apr_int64_t)uid);
    zm_script_defer(worker->script, apr_psprintf(zm_script_pool(worker->script),
                                                 "HOME:uid#%" APR_INT64_T_FMT, (apr_int64_t)uid));
    return 0;
}

/* groupmembers GROUP: its members, one a line; 1 without such a group, with `defer` set when it
 * cannot be told now */
static int groupmembers(zm_call_t *call)
{
    const char *const *names;
    apr_status_t status;
    if (call->count != 1) {
        zm_call_complain(call, "usage: groupmembers GROUP");
        return 64;
    }
    status = zm_group_members(&names, zm_call_arg_c(call, 0), zm_script_pool(call->script));
    if (status != APR_SUCCESS) {
        if (!APR_STATUS_IS_ENOENT(status))
            defer_for(call->baton, zm_call_arg(call, 0));
        return 1;
    }
    for (; *names != NULL; names++)
        zm_call_print(call, "%s\n", *names);
    return 0;
}

void router_commands_users(router_worker_t *worker)
{
    apr_pool_create(&worker->account_pool, worker->pool);
    zm_script_define(worker->script, "homedirectory", ZM_BUILTIN_ARGV, homedirectory, worker);
    zm_script_define(worker->script, "login2uid", ZM_BUILTIN_ARGV, login2uid, worker);
    zm_script_define(worker->script, "uid2login", ZM_BUILTIN_ARGV, uid2login, worker);
    zm_script_define(worker->script, "groupmembers", ZM_BUILTIN_ARGV, groupmembers, worker);
}
