/* Which clauses a destination gets: the second half of config.h. */
#include <apr_strings.h>
#include <string.h>

#include "mta/scheduler/command.h"
#include "mta/scheduler/config.h"
#include "mta/scheduler/pattern.h"

static bool matches(const zm_clause_t *clause, zm_str_t channel, zm_str_t host)
{
    return zm_pattern_match(zm_str(clause->channel), channel) &&
           (strcmp(clause->host, "*") == 0 || zm_pattern_match(zm_str(clause->host), host));
}

static const char *identity(const zm_clause_t *const *clauses, int count, apr_pool_t *pool)
{
    const char *text = "";
    int i;
    for (i = 0; i < count; i++)
        text = apr_psprintf(pool, "%s%s%s/%s#%d", text, i > 0 ? " + " : "", clauses[i]->channel,
                            clauses[i]->host, clauses[i]->ordinal);
    return text;
}

/* The last clause's inheritance is the ground; what each sets itself is put on it in order. */
static zm_selection_t *build(zm_config_t *config, const zm_clause_t *const *clauses, int count)
{
    zm_selection_t *selection = apr_pcalloc(config->pool, sizeof *selection);
    const zm_clause_t *last = clauses[count - 1];
    int i;

    selection->params = last->params;
    for (i = 0; i < count; i++)
        zm_params_apply(&selection->params, &clauses[i]->params, clauses[i]->own);
    selection->label = apr_psprintf(config->pool, "%s/%s", last->channel, last->host);
    selection->identity = identity(clauses, count, config->pool);
    selection->clauses = apr_pmemdup(config->pool, clauses, (apr_size_t)count * sizeof clauses[0]);
    selection->clause_count = count;
    selection->with_host =
        selection->params.command != NULL && zm_command_names_host(selection->params.command);
    return selection;
}

static const zm_selection_t *find(zm_config_t *config, const zm_clause_t *const *clauses, int count)
{
    zm_selection_t *made;
    const zm_selection_t *selection;

    for (selection = config->selections; selection != NULL; selection = selection->next)
        if (selection->clause_count == count &&
            memcmp(selection->clauses, clauses, (apr_size_t)count * sizeof clauses[0]) == 0)
            return selection;
    made = build(config, clauses, count);
    made->next = config->selections;
    return config->selections = made;
}

const zm_selection_t *zm_config_select(zm_config_t *config, zm_str_t channel, zm_str_t host)
{
    enum { MOST = 32 };
    const zm_clause_t *clauses[MOST];
    int i, count = 0;

    for (i = 0; i < config->clause_count && count < MOST; i++) {
        zm_clause_t *clause = config->clauses[i];
        if (!matches(clause, channel, host))
            continue;
        clauses[count++] = clause;
        if (!zm_params_has_command(clause->given))
            continue;
        if (count > 1)
            break;
        if (clause->alone == NULL)
            clause->alone = build(config, clauses, 1);
        return clause->alone;
    }
    return count > 0 ? find(config, clauses, count) : &config->none;
}

const zm_selection_t *zm_config_reroute(zm_config_t *config)
{
    zm_selection_t *made;

    if (config->reroute != NULL)
        return config->reroute;
    made = apr_pcalloc(config->pool, sizeof *made);
    made->params = config->defaults;
    made->params.command = "reroute -c $channel";
    made->params.as = zm_identity_own(); /* it may act for any sender */
    made->params.queueonly = false;
    made->params.maxthr = 1;
    made->label = made->identity = "reroute";
    return config->reroute = made;
}
