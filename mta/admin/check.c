#include "mta/admin/check.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/check_dns.h"
#include "mta/admin/daemons.h"
#include "mta/admin/spool_commands.h"
#include "mta/conf/site.h"
#include "platform/fs.h"

#define PASSWORDS_LIMIT (1u << 20)

typedef struct check_t {
    const zm_zenv_t *zenv;
    bool json;
    int told, wrong;
    apr_pool_t *pool;
} check_t;

static void tell(check_t *check, const char *what, bool good, const char *detail)
{
    check->wrong += !good;
    if (check->json) {
        printf("%s{\"what\":", check->told++ > 0 ? ",\n " : "");
        spool_json_string(what);
        printf(",\"good\":%s", good ? "true" : "false");
        spool_json_text("detail", detail);
        printf("}");
        return;
    }
    printf("%-8s %s%s", good ? "ok" : "WRONG", what, *detail != '\0' ? ": " : "");
    spool_print_shown(detail);
    printf("\n");
}

/* What is not wrong, and worth a look. */
static void note(void *baton, const char *name, const char *value)
{
    check_t *check = baton;
    const char *text = check_variable(name);
    (void)value;
    if (text == NULL)
        return;
    if (!check->json) {
        printf("note     %s: %s\n", name, text);
        return;
    }
    printf("%s{\"what\":", check->told++ > 0 ? ",\n " : "");
    spool_json_string(name);
    printf(",\"good\":true");
    spool_json_text("note", text);
    printf("}");
}

static const char *below(const check_t *check, const char *directory, const char *name)
{
    return apr_pstrcat(check->pool, directory, "/", name, NULL);
}

/* -- what must be there ------------------------------------------------------------------ */

static bool is_there(check_t *check, const char *what, const char *path, zm_file_kind_t kind)
{
    zm_file_info_t info;
    char reason[200] = "";
    /* A link in the place of a directory is an administrator's. */
    const char *looked = kind == ZM_FILE_DIRECTORY ? below(check, path, ".") : path;
    apr_status_t status = zm_path_info(&info, NULL, looked);
    if (status != APR_SUCCESS)
        zm_status_text(status, reason, sizeof reason);
    else if (info.kind != kind)
        apr_cpystrn(reason, kind == ZM_FILE_DIRECTORY ? "is not a directory" : "is not a file",
                    sizeof reason);
    tell(check, what, reason[0] == '\0',
         reason[0] == '\0' ? path : apr_psprintf(check->pool, "%s: %s", path, reason));
    return reason[0] == '\0';
}

/* What everybody's mail depends on must not be for everybody to write. */
static void check_private(check_t *check, const char *path, unsigned forbidden)
{
    zm_file_info_t info;
    if (zm_path_info(&info, NULL, path) == APR_SUCCESS && (info.mode & forbidden) != 0)
        tell(check, "permissions", false,
             apr_psprintf(check->pool, "%s has %04o; others may %s it", path, info.mode,
                          (info.mode & forbidden & 022) != 0 ? "write" : "read"));
}

/* The account nobody, which everybody knows, is no secret; others are. */
static void check_passwords(check_t *check, const char *path)
{
    char *text;
    apr_size_t length;
    zm_str_t rest, line;
    bool more, secret = false;
    if (zm_file_slurp(&text, &length, path, PASSWORDS_LIMIT, check->pool) != APR_SUCCESS)
        return;
    rest = zm_str_of(text, length);
    for (more = true; more && !secret;) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        line = zm_str_trim(line);
        secret = line.length > 0 && line.data[0] != '#' && !zm_str_starts(line, ZM_S("nobody:"));
    }
    check_private(check, path, secret ? 077 : 022);
}

static void check_places(check_t *check)
{
    static const char *const files[] = {"router.cf", "scheduler.conf", "smtpserver.conf"};
    const char *share = zm_zenv_mailshare(check->zenv), *box;
    const daemon_t *daemon;
    zm_file_info_t info;
    apr_size_t i;
    tell(check, "zmailer.conf", true, zm_zenv_file(check->zenv));
    check_private(check, zm_zenv_file(check->zenv), 022);
    zm_zenv_each(check->zenv, note, check);
    for (i = 0; i < sizeof files / sizeof files[0]; i++)
        if (zm_path_info(&info, NULL, below(check, below(check, share, files[i]), ".")) ==
            APR_SUCCESS)
            check_private(check, below(check, share, files[i]), 022); /* a file for each server */
        else if (is_there(check, files[i], below(check, share, files[i]), ZM_FILE_REGULAR))
            check_private(check, below(check, share, files[i]), 022);
    check_passwords(check, below(check, share, "scheduler.auth"));
    for (daemon = daemons_of(check->zenv, check->pool); daemon->name != NULL; daemon++)
        is_there(check, daemon->name, below(check, zm_zenv_mailbin(check->zenv), daemon->program),
                 ZM_FILE_REGULAR);
    is_there(check, "MAILVAR", zm_zenv_mailvar(check->zenv), ZM_FILE_DIRECTORY);
    is_there(check, "LOGDIR", zm_zenv_logdir(check->zenv), ZM_FILE_DIRECTORY);
    box = zm_zenv_get_or(check->zenv, "MAILBOX", NULL);
    if (box != NULL && strchr(box, '%') == NULL) /* with one it is a format */
        is_there(check, "MAILBOX", box, ZM_FILE_DIRECTORY);
}

static void check_spool(check_t *check)
{
    zm_error_t error = {0};
    zm_spool_t *spool;
    if (zm_site_spool(&spool, check->zenv, NULL, check->pool, &error) == APR_SUCCESS) {
        tell(check, "spool", true, zm_spool_location(spool));
        zm_spool_close(spool);
    } else {
        tell(check, "spool", false, error.text);
    }
}

/* -- accounts ------------------------------------------------------------------------------ */

static bool is_member(const char *name, apr_pool_t *pool)
{
    zm_uid_t gid;
    return zm_group_by_name(&gid, "zmailer", pool) == APR_SUCCESS &&
           zm_user_in_group(name, gid, pool);
}

/* Only root's programs work for more than one account. */
static void check_accounts(check_t *check)
{
    const char *trusted = zm_zenv_get_or(check->zenv, "TRUSTEDUSER", "daemon");
    zm_uid_t owner = zm_site_trusted(check->zenv, check->pool).uid;
    zm_credentials_t nobody =
        zm_identity_nobody(zm_zenv_get_or(check->zenv, "NOBODY", NULL), check->pool);
    zm_user_t *user;
    const char *name = "";
    if (!zm_identity_privileged())
        return;
    if (owner == ZM_UID_NONE)
        tell(check, "TRUSTEDUSER", false,
             apr_psprintf(check->pool, "there is no account %s; root itself submits", trusted));
    else
        tell(check, "TRUSTEDUSER", true, trusted);
    if (zm_user_by_uid(&user, nobody.uid, check->pool) == APR_SUCCESS)
        name = user->name;
    if (nobody.uid == 0 || nobody.uid == owner)
        tell(check, "NOBODY", false,
             apr_psprintf(check->pool,
                          "uid %" APR_INT64_T_FMT
                          " is that of %s; it must be an account of its own",
                          (apr_int64_t)nobody.uid, nobody.uid == 0 ? "root" : trusted));
    else if (*name != '\0' && is_member(name, check->pool))
        tell(check, "NOBODY", false,
             apr_psprintf(check->pool,
                          "%s is in the group zmailer, whose members are believed "
                          "whatever they write; take it out",
                          name));
    else
        tell(check, "NOBODY", true,
             apr_psprintf(check->pool, "uid %" APR_INT64_T_FMT, (apr_int64_t)nobody.uid));
}

/* -- files that give rights ------------------------------------------------------------------ */

const char *check_distrust(const char *path, unsigned limit, apr_pool_t *pool)
{
    const char *slash = strrchr(path, '/');
    zm_file_info_t file, directory;
    unsigned considered = 07777;
    if (slash == NULL || zm_path_info(&file, NULL, path) != APR_SUCCESS ||
        zm_path_info(&directory, NULL,
                     apr_pstrcat(pool, apr_pstrmemdup(pool, path, (apr_size_t)(slash - path)), "/.",
                                 NULL)) != APR_SUCCESS)
        return "it cannot be looked at";
    if (file.kind != ZM_FILE_REGULAR)
        return "it is no plain file";
    if ((directory.mode & 011) == 0) /* who cannot come to the file cannot write it */
        considered = 07700;
    else if ((directory.mode & 001) == 0)
        considered = 07770;
    if ((file.mode & considered & ~limit) != 0)
        return apr_psprintf(pool, "it has permissions %04o, and may have %04o", file.mode, limit);
    if ((directory.mode & 022) != 0 && (directory.mode & 01000) == 0)
        return "others may write its directory";
    if (directory.uid != 0 && directory.uid != file.uid)
        return apr_psprintf(pool, "its directory belongs to another account, uid %" APR_INT64_T_FMT,
                            (apr_int64_t)directory.uid);
    return NULL;
}

static bool is_key(zm_str_t name)
{
    return zm_str_ends_nocase(name, ZM_S("key.pem")) || zm_str_ends_nocase(name, ZM_S(".key"));
}

/* The files in a directory of MAILVAR, by the rule that the router has for them. */
static void check_directory(check_t *check, const char *what, unsigned limit)
{
    const char *path = below(check, zm_zenv_mailvar(check->zenv), what), *name, *why;
    zm_dir_t *directory;
    zm_file_kind_t kind;
    apr_pool_t *pool;
    int count = 0, wrong = 0;
    if (zm_dir_open(&directory, NULL, below(check, path, "."), check->pool) != APR_SUCCESS)
        return; /* not every site has all of them */
    apr_pool_create(&pool, check->pool);
    while (zm_dir_next(directory, &name, &kind) == APR_SUCCESS) {
        const char *file = apr_pstrcat(pool, path, "/", name, NULL);
        if (kind == ZM_FILE_REGULAR && ++count > 0 &&
            (why = check_distrust(file, is_key(zm_str(name)) ? 0600 : limit, pool)) != NULL) {
            wrong++;
            tell(check, what, false, apr_psprintf(pool, "%s: %s", file, why));
        }
        apr_pool_clear(pool);
    }
    zm_dir_close(directory);
    apr_pool_destroy(pool);
    if (wrong == 0)
        tell(check, what, true, apr_psprintf(check->pool, "%d files in %s", count, path));
}

static void check_forward(void *baton, const zm_user_t *user)
{
    check_t *check = baton;
    const char *path, *why;
    zm_file_info_t info;
    if (user->home[0] != '/')
        return;
    path = below(check, user->home, ".forward");
    if (zm_path_info(&info, NULL, path) != APR_SUCCESS)
        return;
    why = check_distrust(path, 0644, check->pool);
    if (why == NULL && info.uid != user->uid && info.uid != 0)
        why = "it belongs to another account";
    if (why != NULL)
        tell(check, ".forward", false,
             apr_psprintf(check->pool, "%s: %s; programs and files in it are refused", path, why));
}

static void tell_other(void *baton, const char *what, bool good, const char *detail)
{
    tell(baton, what, good, detail);
}

int check_all(const zm_zenv_t *zenv, const check_options_t *options, apr_pool_t *pool)
{
    check_t check = {.zenv = zenv, .json = options->json, .pool = pool};
    if (options->json)
        printf("{\"checks\":[");
    check_places(&check);
    check_spool(&check);
    check_accounts(&check);
    check_directory(&check, "db", 0644);
    check_directory(&check, "lists", 0664);
    check_directory(&check, "fqlists", 0664);
    check_directory(&check, "modlists", 0664);
    zm_user_each(check_forward, &check, pool);
    if (options->dns || options->zones != NULL)
        check_dns(zenv, options->zones, tell_other, &check, pool);
    if (options->json)
        printf("],\"wrong\":%d}\n", check.wrong);
    return check.wrong;
}
