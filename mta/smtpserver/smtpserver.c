/*
 * smtpserver(8): receives mail over SMTP.
 *
 * One program in several roles: the master of the daemon, its workers (--worker) and the
 * desks where they ask the router (--desk) and the content filter (--filters), all started by the master, one session on
 * standard input (-i, -n), and a check of the configuration (-N).
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/smtpserver/program.h"
#include "platform/fs.h"

static int complain(int code, const char *text)
{
    fprintf(stderr, "smtpserver: %s\n", text);
    return code;
}

/* Under another name the program has another configuration, if there is one of that name. */
static const char *config_file(const program_t *program)
{
    const char *given = program->arguments.config, *name = program->arguments.argv[0], *own;
    const char *share = zm_zenv_mailshare(program->zenv);
    zm_file_info_t info;
    if (given != NULL)
        return given;
    if (strrchr(name, '/') != NULL)
        name = strrchr(name, '/') + 1;
    own = apr_pstrcat(program->pool, share, "/", name, ".conf", NULL);
    if (zm_path_info(&info, NULL, own) == APR_SUCCESS)
        return own;
    return apr_pstrcat(program->pool, share, "/smtpserver.conf", NULL);
}

static int check(const program_t *program)
{
    config_t *config;
    zm_error_t error;
    apr_status_t status = program_config(program, &config, program->pool);
    int i;
    if (status == APR_SUCCESS && tls_engine_check(config, &error) != APR_SUCCESS) {
        APR_ARRAY_PUSH(config->errors, const char *) = error.text;
        status = ZM_E_CONFIG;
    }
    for (i = 0; i < config->notices->nelts; i++)
        printf("note: %s\n", APR_ARRAY_IDX(config->notices, i, const char *));
    for (i = 0; i < config->warnings->nelts; i++)
        printf("warning: %s\n", APR_ARRAY_IDX(config->warnings, i, const char *));
    for (i = 0; i < config->errors->nelts; i++)
        printf("error: %s\n", APR_ARRAY_IDX(config->errors, i, const char *));
    for (i = 0; i < config->groups->nelts; i++) {
        const char *problem = program_database_problem(program, config, i);
        if (problem != NULL)
            printf("warning: %s\n", problem);
    }
    if (status == APR_SUCCESS)
        printf("%s can be used\n", config->file);
    return status == APR_SUCCESS ? 0 : 1;
}

int main(int argc, char **argv)
{
    program_t program = {0};
    zm_error_t error = {0};
    int code;
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&program.pool, NULL);
    if (!arguments_read(&program.arguments, argc, argv, program.pool, &code))
        return code;
    if (zm_zenv_load(&program.zenv, &program.arguments.site, program.pool, &error) != APR_SUCCESS)
        return complain(ZM_EXIT_CONFIG, error.text);
    if (program.arguments.postoffice != NULL)
        zm_zenv_set(program.zenv, "POSTOFFICE", program.arguments.postoffice);
    program.config_file = config_file(&program);
    if (program.arguments.check)
        return check(&program);
    if (program.arguments.interactive || program.arguments.inetd)
        return interactive_run(&program);
    if (program_open_log(&program, &error) != APR_SUCCESS)
        return complain(ZM_EXIT_CONFIG, error.text);
    if (program.arguments.verify)
        return verifier_run(&program);
    if (program.arguments.desk > 0 || program.arguments.filters > 0 ||
        program.arguments.verifiers > 0)
        return desk_run(&program);
    return program.arguments.worker != NULL ? worker_run(&program) : master_run(&program);
}
