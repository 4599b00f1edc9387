/*
 * smtp: relays mail over SMTP or LMTP, to many hosts at once.
 */
#include <apr_general.h>
#include <stdio.h>

#include "ta/agent/outcome.h"
#include "ta/smtp/smtp.h"
#include "ta/smtp/trial.h"

int main(int argc, char **argv)
{
    zm_smtp_options_t options;
    zm_agent_options_t agent = {0};
    zm_error_t error = {0};
    zm_smtp_t smtp;
    apr_pool_t *pool;
    int code;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return ZM_RESULT_OSERR;
    if (!zm_smtp_command_line(&options, argc, argv, &code))
        return code;
    if (zm_smtp_open(&smtp, &options, &agent, pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "# smtp: %s\n", error.text);
        return ZM_RESULT_OSERR;
    }
    code = options.try_only ? zm_smtp_try(&smtp) : zm_smtp_run(&smtp);
    apr_terminate(); /* what the loop holds */
    return code;
}
