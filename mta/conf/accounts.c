#include "mta/conf/accounts.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include "platform/fs.h"

#define FILE_LIMIT (64u << 20)

struct zm_accounts_t {
    const char *file;  /* MAILUSERS, null: none */
    apr_pool_t *pool;  /* of the names, cleared when the file is read again */
    apr_hash_t *names; /* name -> itself */
    zm_file_info_t seen;
};

static bool changed(const zm_file_info_t *a, const zm_file_info_t *b)
{
    return a->id != b->id || a->size != b->size || a->mtime_s != b->mtime_s ||
           a->mtime_ns != b->mtime_ns;
}

static void add_line(zm_accounts_t *accounts, zm_str_t line)
{
    zm_str_t text, comment, name;
    const char *copy;
    zm_str_cut(line, '#', &text, &comment);
    if (!zm_str_word(&text, &name))
        return;
    copy = zm_str_c(accounts->pool, name);
    apr_hash_set(accounts->names, copy, APR_HASH_KEY_STRING, copy);
}

static apr_status_t read_names(zm_accounts_t *accounts, zm_error_t *error)
{
    apr_size_t length;
    zm_file_info_t info;
    zm_str_t rest, line;
    bool more = true;
    char *data;
    apr_status_t status = zm_path_info(&info, NULL, accounts->file);
    if (status != APR_SUCCESS)
        return zm_error_system(error, ZM_E_CONFIG, "MAILUSERS=%s cannot be read", accounts->file);
    if (accounts->names != NULL && !changed(&info, &accounts->seen))
        return APR_SUCCESS;
    if (info.kind != ZM_FILE_REGULAR || (info.mode & 022) != 0)
        return zm_error_set(error, ZM_E_UNSAFE,
                            "MAILUSERS=%s must be a regular file that only its owner can write",
                            accounts->file);
    apr_pool_clear(accounts->pool);
    accounts->names = apr_hash_make(accounts->pool);
    status = zm_file_slurp(&data, &length, accounts->file, FILE_LIMIT, accounts->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "MAILUSERS=%s cannot be read", accounts->file);
    accounts->seen = info;
    for (rest = zm_str_of(data, length); more;) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        add_line(accounts, line);
    }
    return APR_SUCCESS;
}

apr_status_t zm_accounts_open(zm_accounts_t **accounts, const zm_zenv_t *zenv, apr_pool_t *pool,
                              zm_error_t *error)
{
    zm_accounts_t *made = apr_pcalloc(pool, sizeof *made);
    apr_status_t status = apr_pool_create(&made->pool, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot read MAILUSERS");
    made->file = zm_zenv_get_or(zenv, "MAILUSERS", NULL);
    *accounts = made;
    return made->file != NULL ? read_names(made, error) : APR_SUCCESS;
}

apr_status_t zm_accounts_find(zm_account_t **account, zm_accounts_t *accounts, const char *name,
                              apr_pool_t *pool)
{
    zm_account_t *found = apr_pcalloc(pool, sizeof *found);
    zm_user_t *user;
    apr_status_t status;
    *account = found;
    if (accounts->file != NULL) {
        zm_error_t error;
        if (read_names(accounts, &error) != APR_SUCCESS)
            return ZM_E_TEMPORARY;
        if (apr_hash_get(accounts->names, name, APR_HASH_KEY_STRING) != NULL) {
            found->name = apr_pstrdup(pool, name);
            found->uid = accounts->seen.uid;
            found->gid = accounts->seen.gid;
            found->mailbox_only = true;
            return APR_SUCCESS;
        }
    }
    status = zm_user_by_name(&user, name, pool);
    if (status != APR_SUCCESS)
        return status;
    found->name = user->name;
    found->uid = user->uid;
    found->gid = user->gid;
    found->home = user->home;
    found->shell = user->shell;
    found->full_name = user->full_name;
    return APR_SUCCESS;
}
