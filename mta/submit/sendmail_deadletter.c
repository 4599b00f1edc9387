#include "mta/submit/sendmail_deadletter.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <string.h>

#include "platform/exec.h"
#include "platform/fs.h"
#include "platform/identity.h"

bool sendmail_saves(const sendmail_t *sendmail)
{
    char mode = sendmail->options->error_mode;
    zm_error_t error;
    bool wanted;
    if (zm_identity_real().uid == 0 ||
        zm_zenv_switch(sendmail->zenv, "DEADLETTER", true, &wanted, &error) != APR_SUCCESS ||
        !wanted)
        return false;
    return mode == 'p' || mode == 'm' || (mode == '\0' && zm_program_is_terminal(2));
}

/* The message behind a separator line; lines that look like one get a '>'. */
static void add_mailbox_text(zm_buf_t *out, zm_str_t text, const char *login)
{
    char date[APR_CTIME_LEN];
    zm_str_t rest = text, line;
    bool more = text.length > 0;
    apr_ctime(date, apr_time_now());
    zm_buf_printf(out, "From %s %s\n", login, date);
    while (more) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        if (!more && line.length == 0)
            break;
        if (zm_str_starts(line, ZM_S("From ")))
            zm_buf_add_byte(out, '>');
        zm_buf_add_str(out, line);
        zm_buf_add_byte(out, '\n');
    }
    zm_buf_add_byte(out, '\n');
}

static apr_status_t append(const char *path, zm_str_t text, apr_pool_t *pool)
{
    zm_file_t *file;
    zm_file_info_t info;
    apr_status_t closed,
        status = zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND,
                              0600, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_info(&info, file);
    if (status == APR_SUCCESS && (info.kind != ZM_FILE_REGULAR || info.links > 1))
        status = ZM_E_UNSAFE;
    if (status == APR_SUCCESS)
        status = zm_file_append(file, text.data, text.length);
    closed = zm_file_close(file);
    return status != APR_SUCCESS ? status : closed;
}

int sendmail_save(const sendmail_t *sendmail, zm_str_t text, int code)
{
    zm_buf_t out = ZM_BUF_INIT;
    const char *path;
    apr_status_t status;
    zm_user_t *user;
    char reason[200];
    status = zm_user_by_uid(&user, zm_identity_real().uid, sendmail->pool);
    if (status != APR_SUCCESS || user->home[0] == '\0')
        return sendmail_complain(sendmail,
                                 APR_STATUS_IS_ENOENT(status) ? SENDMAIL_EXIT_NO_USER : code,
                                 "the message is not saved: you have no home directory");
    path = apr_pstrcat(sendmail->pool, user->home, "/dead.letter", NULL);
    add_mailbox_text(&out, text, user->name);
    status = append(path, zm_buf_str(&out), sendmail->pool);
    zm_buf_free(&out);
    if (status == APR_SUCCESS)
        return sendmail_complain(sendmail, code,
                                 apr_psprintf(sendmail->pool, "the message is saved in %s", path));
    return sendmail_complain(sendmail, SENDMAIL_EXIT_CANNOT_CREATE,
                             apr_psprintf(sendmail->pool, "the message is not saved in %s: %s",
                                          path, zm_status_text(status, reason, sizeof reason)));
}
