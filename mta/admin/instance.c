#include "mta/admin/instance.h"

#include <apr_file_info.h>
#include <apr_strings.h>
#include <string.h>

#include "platform/fs.h"
#include "platform/identity.h"
#include "platform/service.h"
#include "platform/str.h"
#include "spool/spool.h"

#define FILE_LIMIT (16u << 20)

/* The work in hand: where, from where, and the first thing that went wrong. */
typedef struct making_t {
    const instance_options_t *options;
    const char *root;   /* absolute */
    const char *prefix; /* of the installation */
    const char *hostname;
    apr_pool_t *pool;
    zm_error_t *error;
} making_t;

static const char *below(const making_t *making, const char *path)
{
    return apr_pstrcat(making->pool, making->root, "/", path, NULL);
}

static apr_status_t make_directory(const making_t *making, const char *path, uint32_t mode)
{
    apr_status_t status = zm_dir_make_all(path, mode, making->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(making->error, status, "cannot make the directory %s", path);
    return APR_SUCCESS;
}

/* Writes a file unless there is one. */
static apr_status_t write_file(const making_t *making, const char *path, uint32_t mode,
                               zm_str_t text)
{
    zm_file_t *file;
    apr_status_t status = zm_file_open(&file, NULL, path,
                                       ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, mode,
                                       making->pool),
                 closed;
    if (APR_STATUS_IS_EEXIST(status))
        return APR_SUCCESS;
    if (status == APR_SUCCESS) {
        status = zm_file_write_at(file, 0, text.data, text.length);
        closed = zm_file_close(file);
        if (status == APR_SUCCESS)
            status = closed;
    }
    if (status != APR_SUCCESS)
        return zm_error_system(making->error, status, "cannot write %s", path);
    return APR_SUCCESS;
}

static apr_status_t copy_file(const making_t *making, const char *from, const char *to)
{
    apr_size_t length;
    char *data;
    apr_status_t status = zm_file_slurp(&data, &length, from, FILE_LIMIT, making->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(making->error, status, "cannot read %s", from);
    /* Passwords will be written into that one. */
    return write_file(making, to, strstr(to, "/scheduler.auth") != NULL ? 0600 : 0644,
                      zm_str_of(data, length));
}

static apr_status_t copy_tree(const making_t *making, const char *from, const char *to)
{
    const char *name;
    zm_file_kind_t kind;
    zm_dir_t *directory;
    apr_status_t status = make_directory(making, to, 0755);
    if (status != APR_SUCCESS)
        return status;
    status = zm_dir_open(&directory, NULL, from, making->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(making->error, status, "cannot read the installed files in %s",
                               from);
    while (status == APR_SUCCESS && zm_dir_next(directory, &name, &kind) == APR_SUCCESS) {
        const char *source = apr_pstrcat(making->pool, from, "/", name, NULL);
        const char *target = apr_pstrcat(making->pool, to, "/", name, NULL);
        if (kind == ZM_FILE_DIRECTORY)
            status = copy_tree(making, source, target);
        else if (kind == ZM_FILE_REGULAR)
            status = copy_file(making, source, target);
    }
    zm_dir_close(directory);
    return status;
}

/* "a,b" as lines, each with text after it. */
static void add_lines(zm_buf_t *out, const char *list, const char *after)
{
    zm_str_t rest = zm_str(list), word;
    bool more = rest.length > 0;
    while (more) {
        more = zm_str_cut(rest, ',', &word, &rest);
        word = zm_str_trim(word);
        if (word.length > 0)
            zm_buf_printf(out, "%.*s%s\n", (int)word.length, word.data, after);
    }
}

static apr_status_t write_zmailer_conf(const making_t *making)
{
    const instance_options_t *options = making->options;
    bool maildir = options->mailbox_form != NULL && strcmp(options->mailbox_form, "maildir") == 0;
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t status;
    zm_buf_printf(
        &text,
        "# The site variables of this private instance.\n"
        "MAILBIN=%s/" ZM_LIBEXEC_REL "\n"
        "MAILSHARE=%s/share\n"
        "MAILVAR=%s/var\n"
        "MAILBOX=%s/mail%s\n"
        "MAILUSERS=%s/var/db/mailusers\n"
        "POSTOFFICE=%s/postoffice\n"
        "LOGDIR=%s/log\n"
        "MYHOSTNAME=%s\n"
        "SCHEDULERDIRHASH=2\n"
        "ROUTEROPTIONS=\"-dWkn 2\"\n"
        "SCHEDULEROPTIONS=\"-S\"\n"
        "#SMTPOPTIONS=\"-l ${LOGDIR}/smtpserver\"   # a log of every session, line by line\n"
        "SYSLOGFLG=-\n",
        making->prefix, making->root, making->root, making->root, maildir ? "/%u/" : "",
        making->root, making->root, making->root, making->hostname);
    status = write_file(making, below(making, "etc/zmailer.conf"), 0644, zm_buf_str(&text));
    zm_buf_free(&text);
    return status;
}

static apr_status_t write_smtpserver_conf(const making_t *making)
{
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t status;
    zm_buf_printf(
        &text,
        "# The SMTP server of this private instance: this machine only.\n"
        "PARAM BindSmtp [127.0.0.1] %" APR_INT64_T_FMT "\n"
        "PARAM min-availspace 5000\n"
        "*  999 ve\n",
        (apr_int64_t)(making->options->smtp_port > 0 ? making->options->smtp_port : 2525));
    status = write_file(making, below(making, "share/smtpserver.conf"), 0644, zm_buf_str(&text));
    zm_buf_free(&text);
    return status;
}

static apr_status_t write_databases(const making_t *making)
{
    const instance_options_t *options = making->options;
    zm_credentials_t own = zm_identity_own();
    const char *name = making->hostname;
    zm_buf_t text = ZM_BUF_INIT;
    zm_user_t *user;
    apr_status_t status;

    zm_buf_printf(&text, "# Who this host is.\nhostname=%s\nmydomain=%s\norgdomain=%s\n", name,
                  name, name);
    status = write_file(making, below(making, "var/mail.conf"), 0644, zm_buf_str(&text));

    zm_buf_clear(&text);
    zm_buf_printf(&text, "# Domains whose mail is delivered here.\n%s\nlocalhost\n", name);
    add_lines(&text, options->local_domains ? options->local_domains : "", "");
    if (status == APR_SUCCESS)
        status = write_file(making, below(making, "var/db/localnames"), 0644, zm_buf_str(&text));

    zm_buf_clear(&text);
    zm_buf_add_c(&text, "# DOMAIN CHANNEL!HOST; \".\" is everything else.\n");
    if (options->smart_host != NULL)
        zm_buf_printf(&text, ".\tsmtp!%s\n", options->smart_host);
    if (status == APR_SUCCESS)
        status = write_file(making, below(making, "var/db/routes"), 0644, zm_buf_str(&text));

    zm_buf_clear(&text);
    zm_buf_add_c(&text, "# Mailboxes without a system account, one name a line.\n");
    add_lines(&text, options->users ? options->users : "", "");
    if (status == APR_SUCCESS)
        status = write_file(making, below(making, "var/db/mailusers"), 0644, zm_buf_str(&text));

    zm_buf_clear(&text);
    if (zm_user_by_uid(&user, own.uid, making->pool) != APR_SUCCESS)
        user = NULL;
    zm_buf_printf(&text,
                  "# NAME: ADDRESS, ADDRESS\npostmaster: %s\nmailer-daemon: postmaster\n"
                  "# Classic names of the same\nmailer: postmaster\npostmast: postmaster\n"
                  "postoffice: postmaster\n",
                  user ? user->name : "root");
    if (status == APR_SUCCESS)
        status = write_file(making, below(making, "var/db/aliases"), 0644, zm_buf_str(&text));
    zm_buf_free(&text);
    return status;
}

/* Hash directories made now cost nothing later; a missing one would be made with the first message
 * that needs it. */
static apr_status_t make_hash_directories(const making_t *making, const char *directory)
{
    char path[] = "?/?";
    char first, second;
    zm_file_t *top;
    apr_status_t status = zm_dir_handle(&top, NULL, below(making, directory), making->pool);
    for (first = 'A'; status == APR_SUCCESS && first <= 'Z'; first++) {
        path[0] = first;
        path[1] = '\0';
        status = zm_dir_make(top, path, 02750);
        path[1] = '/';
        for (second = 'A'; (status == APR_SUCCESS || APR_STATUS_IS_EEXIST(status)) && second <= 'Z';
             second++) {
            path[2] = second;
            status = zm_dir_make(top, path, 02750);
        }
        if (APR_STATUS_IS_EEXIST(status))
            status = APR_SUCCESS;
    }
    if (status != APR_SUCCESS)
        return zm_error_system(making->error, status, "cannot make directories in %s", directory);
    return zm_file_close(top);
}

apr_status_t instance_give(const char *path, zm_uid_t uid, apr_pool_t *pool, zm_error_t *error)
{
    const char *name;
    zm_file_kind_t kind;
    zm_dir_t *directory;
    zm_file_t *handle;
    apr_status_t status = zm_dir_handle(&handle, NULL, path, pool);
    if (status == APR_SUCCESS) {
        status = zm_file_set_owner(handle, uid, ZM_UID_NONE);
        zm_file_close(handle);
    }
    if (status == APR_SUCCESS)
        status = zm_dir_open(&directory, NULL, path, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot give %s to another account", path);
    while (status == APR_SUCCESS && zm_dir_next(directory, &name, &kind) == APR_SUCCESS) {
        const char *entry = apr_pstrcat(pool, path, "/", name, NULL);
        if (kind == ZM_FILE_DIRECTORY)
            status = instance_give(entry, uid, pool, error);
        else if ((status = zm_file_open(&handle, NULL, entry, ZM_OPEN_READ, 0, pool)) ==
                 APR_SUCCESS) {
            status = zm_file_set_owner(handle, uid, ZM_UID_NONE);
            zm_file_close(handle);
        }
    }
    zm_dir_close(directory);
    return status;
}

/* An emulated spool belongs to one account, that of the programs that do not run as root. */
static apr_status_t give_spool(const making_t *making)
{
    zm_user_t *user;
    if (!zm_identity_privileged() || zm_user_by_name(&user, "daemon", making->pool) != APR_SUCCESS)
        return APR_SUCCESS;
    return instance_give(below(making, "postoffice"), user->uid, making->pool, making->error);
}

static apr_status_t make_spool(const making_t *making)
{
    zm_spool_options_t options = {0};
    zm_spool_t *spool;
    apr_status_t status;
    options.location = below(making, "postoffice");
    if (making->options->engine != NULL)
        options.location =
            apr_pstrcat(making->pool, making->options->engine, ":", options.location, NULL);
    options.create = true;
    status = zm_spool_open(&spool, &options, making->pool, making->error);
    if (status == APR_SUCCESS && strcmp(zm_spool_engine_name(spool), "native") == 0 &&
        (status = make_hash_directories(making, "postoffice/queue")) == APR_SUCCESS)
        status = make_hash_directories(making, "postoffice/transport");
    if (status == APR_SUCCESS && strcmp(zm_spool_engine_name(spool), "emulated") == 0)
        status = give_spool(making);
    if (status == APR_SUCCESS)
        zm_spool_close(spool);
    return status;
}

apr_status_t instance_init(const instance_options_t *options, apr_pool_t *pool, zm_error_t *error)
{
    static const char *const directories[] = {"etc", "share", "var/db", "var/lists", "log"};
    making_t making = {options, NULL, NULL, options->hostname, pool, error};
    char host[256] = "localhost";
    apr_status_t status;
    char *root;
    apr_size_t i;

    status = zm_service_prefix(&making.prefix, pool);
    if (status == APR_SUCCESS)
        status = apr_filepath_merge(&root, NULL, options->root, 0, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot place an instance at %s", options->root);
    making.root = root;
    if (making.hostname == NULL) {
        (void)zm_identity_hostname(host, sizeof host);
        making.hostname = host;
    }
    for (i = 0; i < sizeof directories / sizeof directories[0]; i++)
        if ((status = make_directory(&making, below(&making, directories[i]), 0755)) != APR_SUCCESS)
            return status;
    /* Of root's instance users deliver as themselves, and make lock files beside their mailboxes.
     */
    status =
        make_directory(&making, below(&making, "mail"), zm_identity_privileged() ? 01777 : 0755);
    if (status != APR_SUCCESS)
        return status;
    if ((status = write_zmailer_conf(&making)) != APR_SUCCESS ||
        (status = write_smtpserver_conf(&making)) != APR_SUCCESS ||
        (status = copy_tree(&making, apr_pstrcat(pool, making.prefix, "/" ZM_SHARE_REL, NULL),
                            below(&making, "share"))) != APR_SUCCESS ||
        (status = write_databases(&making)) != APR_SUCCESS)
        return status;
    return make_spool(&making);
}
