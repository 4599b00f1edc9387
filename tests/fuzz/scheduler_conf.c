/*
 * scheduler.conf and the choice of clauses.  The text before the first empty
 * line is a destination, the rest the file.
 *
 * A file that is refused tells at least one problem; one that is taken gives
 * the same selection for the same destination, with sane limits.
 */
#include "mta/scheduler/config.h"
#include "mta/scheduler/pattern.h"
#include "tests/fuzz/fuzz.h"

static zm_zenv_t *site(apr_pool_t *pool)
{
    static const char text[] = "POSTOFFICE=/po\nMAILSHARE=/s\nMAILBIN=/b\nLOGDIR=/l\n";
    zm_zenv_t *zenv = NULL;
    zm_error_t error;
    FUZZ_EXPECT(zm_zenv_parse(&zenv, zm_str(text), "z", "/", NULL, pool, &error) == APR_SUCCESS);
    return zenv;
}

static void check_selection(zm_config_t *config, zm_str_t channel, zm_str_t host)
{
    const zm_selection_t *selection = zm_config_select(config, channel, host);
    const zm_params_t *params = &selection->params;
    int i;

    FUZZ_EXPECT(selection == zm_config_select(config, channel, host));
    FUZZ_EXPECT(params->interval > 0 && params->skew > 0 && params->maxthr > 0);
    FUZZ_EXPECT(params->maxta > 0 && params->maxchannel > 0 && params->maxring > 0);
    FUZZ_EXPECT(params->overfeed >= 0 && params->retry_count <= ZM_RETRIES_MAX);
    for (i = 0; i < selection->clause_count; i++)
        FUZZ_EXPECT(zm_pattern_match(zm_str(selection->clauses[i]->channel), channel));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_config_options_t options = {"fuzz.conf", NULL, false, 100};
    zm_str_t input = zm_str_of((const char *)data, size), first, rest, channel, host;
    zm_buf_t problems = ZM_BUF_INIT;
    zm_config_t *config = NULL;
    apr_pool_t *pool = fuzz_pool();

    if (!zm_str_cut(input, '\n', &first, &rest))
        rest = ZM_S("");
    if (!zm_str_cut(first, '/', &channel, &host))
        host = ZM_S("");
    options.zenv = site(pool);
    if (zm_config_parse(&config, rest, &options, &problems, pool) == APR_SUCCESS)
        check_selection(config, channel, host);
    else
        FUZZ_EXPECT(problems.length > 0);
    zm_buf_free(&problems);
    return 0;
}
