#include "mta/admin/auth_user.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/net/secret.h"
#include "platform/exec.h"
#include "platform/fs.h"

#define FILE_LIMIT (64u * 1024 * 1024)

typedef struct work_t {
    const char *path;
    bool quiet;
    apr_pool_t *pool;
} work_t;

/* about may be null. */
static int complain(int code, const char *about, const char *text)
{
    fprintf(stderr, "zmailer auth-user: %s%s%s\n", about != NULL ? about : "",
            about != NULL ? ": " : "", text);
    return code;
}

/* -- the password ------------------------------------------------------------------------------ */

static bool ask_at_terminal(char *password, apr_size_t size)
{
    char again[ZM_SECRET_PASSWORD + 2];
    apr_size_t room = size, more = sizeof again;
    return apr_password_get("Password: ", password, &room) == APR_SUCCESS &&
           apr_password_get("Once more: ", again, &more) == APR_SUCCESS &&
           strcmp(password, again) == 0;
}

static bool read_line(char *password, apr_size_t size)
{
    if (fgets(password, (int)size, stdin) == NULL)
        return false;
    password[strcspn(password, "\r\n")] = '\0';
    return true;
}

/* 0, or the exit code after a complaint. */
static int make_line(zm_buf_t *line, const char *user)
{
    char password[ZM_SECRET_PASSWORD + 2];
    bool terminal = zm_program_is_terminal(0);
    if (!zm_secret_user(zm_str(user)))
        return complain(ZM_EXIT_USAGE, user,
                        "no name for a user: they have no colons and control characters, and no - "
                        "or # in front");
    if (terminal && !ask_at_terminal(password, sizeof password))
        return complain(1, user, "the passwords are not the same");
    if (!terminal && !read_line(password, sizeof password))
        return complain(1, user, "expected a password on standard input");
    if (password[0] == '\0' || strlen(password) > ZM_SECRET_PASSWORD)
        return complain(1, user, "the password is empty, or too long");
    zm_buf_add_c(line, user);
    zm_buf_add_byte(line, ':');
    if (zm_secret_make(line, zm_str(password)) != APR_SUCCESS)
        return complain(71, user, "there are no random numbers");
    zm_buf_add_byte(line, '\n');
    memset(password, 0, sizeof password);
    return 0;
}

/* -- the file ------------------------------------------------------------------------------------
 */

static int fail(const work_t *work, apr_status_t status)
{
    char reason[120];
    return complain(1, work->path, apr_strerror(status, reason, sizeof reason));
}

static apr_status_t read_file(const work_t *work, zm_str_t *text)
{
    char *data;
    apr_size_t length;
    zm_file_t *file;
    apr_status_t status =
        zm_file_open(&file, NULL, work->path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, work->pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_slurp_file(&data, &length, file, FILE_LIMIT, work->pool);
    (void)zm_file_close(file);
    if (status == APR_SUCCESS)
        *text = zm_str_of(data, length);
    return status;
}

/* The new file takes the place of the old one whole, so that readers see one of both. */
static apr_status_t write_file(const work_t *work, zm_str_t text)
{
    const char *draft = apr_pstrcat(work->pool, work->path, ".new", NULL);
    zm_file_t *file;
    apr_status_t status;
    (void)zm_file_unlink(NULL, draft); /* what an earlier run has left */
    status = zm_file_open(&file, NULL, draft, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE,
                          0600, work->pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_write_at(file, 0, text.data, text.length);
    if (status == APR_SUCCESS)
        status = zm_file_sync(file);
    if (status == APR_SUCCESS)
        status = zm_file_close(file);
    if (status == APR_SUCCESS)
        status = zm_file_replace(NULL, draft, NULL, work->path);
    return status;
}

/* Whether a line is the user's. */
static bool is_of(zm_str_t line, const char *user)
{
    zm_str_t name, secret;
    return line.length > 0 && line.data[0] != '#' && zm_str_cut(line, ':', &name, &secret) &&
           zm_str_equal_c(name, user);
}

/* Copies all lines but the user's; how many those are. */
static int copy_others(zm_buf_t *to, zm_str_t text, const char *user)
{
    int found = 0;
    while (text.length > 0) {
        zm_str_t line;
        if (!zm_str_cut(text, '\n', &line, &text))
            text = ZM_S("");
        if (is_of(line, user)) {
            found++;
        } else {
            zm_buf_add_str(to, line);
            zm_buf_add_byte(to, '\n');
        }
    }
    return found;
}

static int add(const work_t *work, const char *user)
{
    zm_buf_t made = ZM_BUF_INIT, line = ZM_BUF_INIT;
    zm_str_t text = ZM_S("");
    apr_status_t status = read_file(work, &text);
    int code = make_line(&line, user), found;
    if (code == 0 && status != APR_SUCCESS && !APR_STATUS_IS_ENOENT(status))
        code = fail(work, status);
    if (code == 0) {
        found = copy_others(&made, text, user);
        zm_buf_add_str(&made, zm_buf_str(&line));
        status = write_file(work, zm_buf_str(&made));
        if (status != APR_SUCCESS)
            code = fail(work, status);
        else if (!work->quiet)
            printf("%s %s in %s\n", user, found > 0 ? "has a new password" : "is a new user",
                   work->path);
    }
    zm_buf_free_secret(&made);
    zm_buf_free_secret(&line);
    return code;
}

static int take_away(const work_t *work, const char *user)
{
    zm_buf_t made = ZM_BUF_INIT;
    zm_str_t text;
    apr_status_t status = read_file(work, &text);
    int found = 0;
    if (status == APR_SUCCESS) {
        found = copy_others(&made, text, user);
        if (found > 0)
            status = write_file(work, zm_buf_str(&made));
    }
    zm_buf_free_secret(&made);
    if (status != APR_SUCCESS)
        return fail(work, status);
    if (found == 0)
        return complain(1, user, "is not in the file");
    if (!work->quiet)
        printf("%s is no user any more in %s\n", user, work->path);
    return 0;
}

static int list(const work_t *work)
{
    zm_str_t text, line, name, secret;
    apr_status_t status = read_file(work, &text);
    if (status != APR_SUCCESS)
        return fail(work, status);
    while (text.length > 0) {
        if (!zm_str_cut(text, '\n', &line, &text))
            text = ZM_S("");
        if (line.length > 0 && line.data[0] != '#' && zm_str_cut(line, ':', &name, &secret))
            printf("%.*s\n", (int)name.length, name.data);
    }
    return 0;
}

static int print_line(const char *user)
{
    zm_buf_t line = ZM_BUF_INIT;
    int code = make_line(&line, user);
    if (code == 0)
        printf("%s", zm_buf_c(&line));
    zm_buf_free_secret(&line);
    return code;
}

/* -- the command ----------------------------------------------------------------------------------
 */

static bool is(const char *const *words, int count, const char *name, int least)
{
    return count >= least && count <= least + 1 && strcmp(words[0], name) == 0;
}

int auth_user_command(const char *const *words, int count, const zm_zenv_t *zenv, bool quiet,
                      apr_pool_t *pool)
{
    work_t work = {apr_pstrcat(pool, zm_zenv_mailvar(zenv), "/db/smtp-users", NULL), quiet, pool};
    bool lists = is(words, count, "list", 1);
    if (count == (lists ? 2 : 3))
        work.path = words[count - 1];
    if (lists)
        return list(&work);
    if (is(words, count, "add", 2))
        return add(&work, words[1]);
    if (is(words, count, "remove", 2))
        return take_away(&work, words[1]);
    if (count == 2 && strcmp(words[0], "line") == 0)
        return print_line(words[1]);
    return complain(ZM_EXIT_USAGE, NULL,
                    "expected add NAME [FILE], remove NAME [FILE], list [FILE], or line NAME");
}
