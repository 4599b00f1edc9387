#include "ta/mailbox/options.h"

#include <string.h>

#include "mta/conf/options.h"
#include "ta/agent/agent.h"
#include "ta/agent/limits.h"

#define COMSAT_PORT 512

static apr_status_t edquot(void *target, const char *argument, zm_error_t *error)
{
    (void)error;
    if (strcmp(argument, "edquot") == 0)
        *(bool *)target = true;
    return APR_SUCCESS; /* other words have always been ignored */
}

bool zm_mailbox_command_line(zm_mailbox_options_t *options, int argc, char **argv, int *code)
{
    bool ignored = false;
    const zm_option_t table[] = {
        {'c', "channel", ZM_OPTION_TEXT, &options->channel, NULL, "NAME", "serve this channel"},
        {'h', "host", ZM_OPTION_TEXT, &options->host, NULL, "HOST", "only recipients of this host"},
        {'d', "directory", ZM_OPTION_TEXT, &options->directory, NULL, "PATH",
         "mailbox directory, or a format with %u"},
        {'D', NULL, ZM_OPTION_COUNT, &options->name_levels, NULL, NULL,
         "a directory level of letters of the name, each time"},
        {'P', NULL, ZM_OPTION_COUNT, &options->pjw_levels, NULL, NULL,
         "a directory level of the PJW hash, each time"},
        {'X', NULL, ZM_OPTION_COUNT, &options->crc_levels, NULL, NULL,
         "a directory level of the CRC hash, each time"},
        {'C', "canonical", ZM_OPTION_FLAG, &options->canonical, NULL, NULL,
         "name mailboxes as the account is spelt"},
        {'F', NULL, ZM_OPTION_CALL_ARG, &options->quota_permanent, edquot, "edquot",
         "a full quota is a permanent failure"},
        {'U', "uidl", ZM_OPTION_FLAG, &options->uidl, NULL, NULL, "add X-UIDL fields"},
        {'M', "mmdf", ZM_OPTION_FLAG, &options->mmdf, NULL, NULL, "write MMDF folders"},
        {'8', NULL, ZM_OPTION_FLAG, &options->decode, NULL, NULL,
         "decode quoted-printable text to 8 bits"},
        {'H', NULL, ZM_OPTION_FLAG, &options->keep_eight_bit, NULL, NULL,
         "leave 8-bit header bytes alone"},
        {'g', NULL, ZM_OPTION_FLAG, &options->no_create, NULL, NULL,
         "do not create missing mailboxes"},
        {'O', NULL, ZM_OPTION_CALL_ARG, &ignored, zm_agent_keyword, "WORD", "strict-3.0"},
        {'l', "log", ZM_OPTION_TEXT, &options->log, NULL, "FILE", "append a line per delivery"},
        {'q', "quota", ZM_OPTION_NUMBER, &options->quota, NULL, "BYTES",
         "the most that a mailbox file may have"},
        {'a', NULL, ZM_OPTION_FLAG, &options->lose_read_time, NULL, NULL,
         "do not keep the time when a mailbox was last read"},
        {'b', NULL, ZM_OPTION_FLAG, &options->no_biff, NULL, NULL, "never tell comsat"},
        {'S', NULL, ZM_OPTION_FLAG, &ignored, NULL, NULL, NULL},
        {'r', NULL, ZM_OPTION_FLAG, &ignored, NULL, NULL, NULL},
        {'R', NULL, ZM_OPTION_FLAG, &ignored, NULL, NULL, NULL},
    };
    const zm_command_line_t line = {"mailbox",
                                    NULL,
                                    "deliver to mailboxes, files and programs",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    NULL,
                                    0};
    *options = (zm_mailbox_options_t){0};
    options->channel = "local";
    return zm_options_parse(&line, &argc, argv, code);
}

/* With L and F both, L: on some file systems they are one lock, and we would wait for ourselves. */
static apr_status_t lock_letters(zm_str_t letters, bool *dot, char *kernel, zm_error_t *error)
{
    apr_size_t i;
    *kernel = 0;
    for (i = 0; i < letters.length; i++)
        switch (letters.data[i]) {
        case '"':
            break;
        case '.':
            *dot = true;
            break;
        case 'L':
            *kernel = 'L';
            break;
        case 'F':
            if (*kernel == 0)
                *kernel = 'F';
            break;
        default:
            return zm_error_set(error, ZM_E_CONFIG, "MBOXLOCKS: unknown letter '%c'",
                                letters.data[i]);
        }
    if (*kernel == 0)
        return zm_error_set(error, ZM_E_CONFIG,
                            "MBOXLOCKS: each side of the colon needs L or F, a lock of the kernel");
    return APR_SUCCESS;
}

apr_status_t zm_mailbox_locks(zm_mailbox_options_t *options, const char *text, zm_error_t *error)
{
    bool ignored = false, both;
    zm_str_t mailboxes, files;
    apr_status_t status;
    options->dotlock = false;
    both = zm_str_cut(zm_str(text), ':', &mailboxes, &files);
    status = lock_letters(mailboxes, &options->dotlock, &options->mailbox_lock, error);
    options->file_lock = options->mailbox_lock;
    return status == APR_SUCCESS && both ? lock_letters(files, &ignored, &options->file_lock, error)
                                         : status;
}

apr_status_t zm_mailbox_site(zm_mailbox_options_t *options, const zm_zenv_t *zenv, apr_pool_t *pool,
                             zm_error_t *error)
{
    const char *aware = zm_zenv_get_or(zenv, "DOMAIN_AWARE_GETPWNAM", "");
    apr_status_t status;
    options->privileged = zm_identity_privileged();
    options->charset = zm_zenv_get_or(zenv, "DEFCHARSET", NULL);
    options->domain_aware = strcmp(aware, "1") == 0;
    options->nobody = zm_identity_nobody(zm_zenv_get(zenv, "NOBODY"), pool);
    if (options->directory == NULL)
        options->directory = zm_zenv_get_or(zenv, "MAILBOX", NULL);
    options->biff_port = COMSAT_PORT;
    status = zm_mailbox_locks(options, zm_zenv_get_or(zenv, "MBOXLOCKS", ".L:L"), error);
    if (status == APR_SUCCESS)
        status = zm_zenv_switch(zenv, "MBOX_BIFF", false, &options->biff, error);
    if (status == APR_SUCCESS)
        status = zm_zenv_switch(zenv, "MBOX_ALLOW_ROOT_PIPES", false, &options->root_pipes, error);
    if (status == APR_SUCCESS)
        status = zm_zenv_interval(zenv, "MBOX_PIPE_TIMEOUT", 600, &options->stall_limit, error);
    if (status == APR_SUCCESS)
        status = zm_limits_parse(&options->limits, zm_zenv_get(zenv, "MBOX_PIPE_LIMITS"), error);
    if (status == APR_SUCCESS)
        status = zm_accounts_open(&options->accounts, zenv, pool, error);
    return status;
}
