#include "ta/sm/options.h"

#include <apr_strings.h>
#include <stdio.h>

#include "mta/conf/options.h"
#include "mta/conf/site.h"
#include "ta/agent/agent.h"
#include "ta/agent/limits.h"

#define STALL_LIMIT 600  /* seconds */
#define TOTAL_LIMIT 1800 /* seconds that a program may take */

static bool usage(const char *text, int *code)
{
    fprintf(stderr, "# sm: %s\n", text);
    *code = ZM_EXIT_USAGE;
    return false;
}

bool zm_sm_command_line(zm_sm_options_t *options, int argc, char **argv, int *code)
{
    const char *width = NULL;
    const zm_option_t table[] = {
        {'c', "channel", ZM_OPTION_TEXT, &options->channel, NULL, "NAME", "serve this channel"},
        {'h', "host", ZM_OPTION_TEXT, &options->host, NULL, "HOST", "only recipients of this host"},
        {'f', "table", ZM_OPTION_TEXT, &options->table, NULL, "FILE",
         "the table of mailers (sm.conf)"},
        {'8', NULL, ZM_OPTION_FLAG, &options->eight_bit, NULL, NULL,
         "the mailer is 8-bit clean; decode quoted-printable text"},
        {'H', NULL, ZM_OPTION_FLAG, &options->keep_eight_bit, NULL, NULL,
         "leave 8-bit header bytes alone"},
        {'Q', NULL, ZM_OPTION_FLAG, &options->code_blanks, NULL, NULL,
         "encode blanks, too, when encoding to quoted-printable"},
        {'v', "verbose", ZM_OPTION_COUNT, &options->verbose, NULL, NULL,
         "tell the scheduler's log what is run"},
        {'O', NULL, ZM_OPTION_CALL_ARG, &options->strict, zm_agent_keyword, "WORD", "strict-3.0"},
        {'w', NULL, ZM_OPTION_TEXT, &width, NULL, "WIDTH", NULL},
    };
    const zm_command_line_t line = {"sm",
                                    "MAILER",
                                    "give mail to a program, by the table of mailers",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    NULL,
                                    0};
    *options = (zm_sm_options_t){0};
    if (!zm_options_parse(&line, &argc, argv, code))
        return false;
    if (argc != 2)
        return usage("expected the name of one mailer", code);
    if (options->channel == NULL && options->host == NULL)
        return usage("expected -c CHANNEL or -h HOST", code);
    options->mailer = argv[1];
    return true;
}

apr_status_t zm_sm_site(zm_sm_options_t *options, const zm_zenv_t *zenv, apr_pool_t *pool,
                        zm_error_t *error)
{
    apr_status_t status;
    options->hostname = zm_site_hostname(zenv, pool);
    options->charset = zm_zenv_get_or(zenv, "DEFCHARSET", NULL);
    if (options->table == NULL)
        options->table = apr_pstrcat(pool, zm_zenv_mailshare(zenv), "/sm.conf", NULL);
    status = zm_zenv_interval(zenv, "MBOX_PIPE_TIMEOUT", STALL_LIMIT, &options->stall_limit, error);
    options->total_limit = TOTAL_LIMIT > options->stall_limit ? TOTAL_LIMIT : options->stall_limit;
    if (status == APR_SUCCESS)
        status = zm_zenv_switch(zenv, "SM_ALLOW_SHELL", false, &options->allow_shell, error);
    if (status == APR_SUCCESS)
        status = zm_limits_parse(&options->limits, zm_zenv_get(zenv, "MBOX_PIPE_LIMITS"), error);
    return status;
}
