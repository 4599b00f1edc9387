#include "mta/scheduler/explain.h"

#include <stdio.h>

#include "mta/conf/options.h"
#include "mta/scheduler/command.h"

static void add_clauses(zm_buf_t *out, const zm_config_t *config, const zm_selection_t *selection)
{
    int i;
    for (i = 0; i < selection->clause_count; i++)
        zm_buf_printf(out, "clause %s/%s at %s:%u\n", selection->clauses[i]->channel,
                      selection->clauses[i]->host, config->file, selection->clauses[i]->line);
    if (selection->clause_count == 0)
        zm_buf_printf(out, "no clause of %s matches: such recipients stay queued\n", config->file);
    else if (selection->params.command == NULL)
        zm_buf_add_c(out, "no clause sets a command: such recipients stay queued\n");
}

static void add_program(zm_buf_t *out, const zm_config_t *config, const zm_selection_t *selection,
                        zm_str_t channel, zm_str_t host, apr_pool_t *pool)
{
    zm_command_for_t what = {channel, host, selection->params.source, 0};
    zm_command_t command;
    zm_error_t error;
    int i;

    if (selection->params.command == NULL)
        return;
    if (zm_command_build(&command, selection->params.command, &what, config->zenv, pool, &error) !=
        APR_SUCCESS) {
        zm_buf_printf(out, "the command cannot be used: %s\n", error.text);
        return;
    }
    zm_buf_add_c(out, "runs");
    for (i = 0; command.argv[i] != NULL; i++)
        zm_buf_printf(out, " %s", command.argv[i]);
    zm_buf_add_byte(out, '\n');
    if (selection->with_host)
        zm_buf_add_c(out, "one agent for each host, since the command names it\n");
}

int zm_explain_destination(const zm_daemon_options_t *options, const char *destination,
                           apr_pool_t *pool)
{
    zm_config_t *config = zm_daemon_config(options, pool, false);
    zm_buf_t out = ZM_BUF_INIT;
    const zm_selection_t *selection;
    zm_str_t channel, host;

    if (config == NULL)
        return ZM_EXIT_CONFIG;
    if (!zm_str_cut(zm_str_lower(pool, zm_str(destination)), '/', &channel, &host)) {
        fprintf(stderr, "scheduler: --check takes CHANNEL/HOST\n");
        return ZM_EXIT_USAGE;
    }
    selection = zm_config_select(config, channel, host);
    add_clauses(&out, config, selection);
    add_program(&out, config, selection, channel, host, pool);
    zm_params_print(&out, &selection->params, "  ");
    fwrite(out.data, 1, out.length, stdout);
    zm_buf_free(&out);
    return 0;
}
