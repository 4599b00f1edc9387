/*
 * zmailcheck(8): looks whether all is well, for cron(8), and writes to the
 * postmaster when it is not.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/admin/daemons.h"
#include "mta/admin/spool_commands.h"
#include "mta/admin/upkeep.h"
#include "mta/conf/options.h"
#include "mta/conf/site.h"
#include "platform/clock.h"
#include "platform/machine.h"
#include "spool/layout.h"

enum { EXIT_ALERT = 1, EXIT_TRY_AGAIN = 75 };

typedef struct watch_t {
    apr_pool_t *pool;
    zm_zenv_t *zenv;
    zm_spool_t *spool;
    apr_array_header_t *reasons; /* const char * */
    zm_buf_t status;             /* what was looked at, a line each */
    bool json, silent;
    int told;
} watch_t;

static void note(watch_t *watch, const char *what, const char *state, const char *reason)
{
    zm_buf_printf(&watch->status, "%-24s %s\n", what, state);
    if (reason != NULL)
        APR_ARRAY_PUSH(watch->reasons, const char *) = reason;
    if (!watch->json)
        return;
    printf("%s{\"what\":", watch->told++ > 0 ? ",\n " : "{\"checks\":[");
    spool_json_string(what);
    spool_json_text("state", state);
    printf(",\"good\":%s}", reason == NULL ? "true" : "false");
}

/* -- what is looked at --------------------------------------------------------------------- */

static void check_load(watch_t *watch, int64_t limit)
{
    double load;
    const char *state;
    if (zm_machine_load(&load) != APR_SUCCESS)
        return;
    state = apr_psprintf(watch->pool, "%.2f", load);
    note(watch, "load", state,
         load * 100 > (double)limit ? apr_psprintf(watch->pool, "load %s", state) : NULL);
}

static void check_daemons(watch_t *watch)
{
    const daemon_t *daemon;
    if (upkeep_frozen(watch->zenv, watch->pool))
        note(watch, "spool", "frozen: no daemon starts until \"zmailer thaw\"", "spool frozen");
    for (daemon = daemons_of(watch->zenv, watch->pool); daemon->name != NULL; daemon++) {
        apr_int64_t pid = daemon_pid(daemon, watch->zenv, watch->pool);
        note(watch, daemon->name,
             pid != 0 ? apr_psprintf(watch->pool, "running (pid %" APR_INT64_T_FMT ")", pid)
                      : "not running",
             pid != 0 ? NULL : apr_psprintf(watch->pool, "no %s", daemon->name));
    }
}

static int64_t count(const watch_t *watch, const char *directory)
{
    zm_listing_t *listing;
    zm_name_t parts;
    const char *name;
    int64_t found = 0;
    apr_pool_t *pool;
    apr_pool_create(&pool, watch->pool);
    if (zm_spool_list(&listing, watch->spool, directory, false, pool) == APR_SUCCESS) {
        while (zm_listing_next(listing, &name) == APR_SUCCESS)
            found += zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS && parts.numeric;
        zm_listing_close(listing);
    }
    apr_pool_destroy(pool);
    return found;
}

static void check_count(watch_t *watch, const char *what, int64_t found, int64_t limit)
{
    const char *state = apr_psprintf(watch->pool, "%" APR_INT64_T_FMT " messages", found);
    note(watch, what, state,
         found > limit ? apr_psprintf(watch->pool, "%s in %s", state, what) : NULL);
}

static void check_queues(watch_t *watch, int64_t most_routing, int64_t most_waiting)
{
    zm_str_t word,
        rest = zm_str(zm_zenv_get_or(watch->zenv, "ROUTERDIRS", "router1:router2:router3:router4"));
    int64_t routing = count(watch, ZM_DIR_ROUTER);
    bool more = rest.length > 0;
    while (more) {
        more = zm_str_cut(rest, ':', &word, &rest);
        if (word.length > 0)
            routing += count(watch, zm_str_c(watch->pool, word));
    }
    check_count(watch, "router queue", routing, most_routing);
    check_count(watch, "transport queue", count(watch, ZM_DIR_TRANSPORT), most_waiting);
    check_count(watch, "deferred", count(watch, ZM_DIR_DEFERRED), most_routing);
    check_count(watch, "postman", count(watch, ZM_DIR_POSTMAN), INT64_MAX);
    check_count(watch, "freezer", count(watch, ZM_DIR_FREEZER), INT64_MAX);
}

/* -- telling ---------------------------------------------------------------------------------- */

static const char *all_reasons(const watch_t *watch)
{
    return apr_array_pstrcat(watch->pool, watch->reasons, ',');
}

static apr_status_t write_letter(const watch_t *watch, zm_submission_t *submission)
{
    zm_buf_t text = ZM_BUF_INIT;
    char date[64];
    apr_status_t status = zm_submit_line(submission, "channel", ZM_S("error"));
    if (status == APR_SUCCESS)
        status = zm_submit_line(submission, "todsn", ZM_S("NOTIFY=NEVER"));
    if (status == APR_SUCCESS)
        status = zm_submit_line(submission, "to", ZM_S("postmaster"));
    if (status == APR_SUCCESS)
        status = zm_submit_env_end(submission);
    zm_clock_rfc5322(date, sizeof date, zm_clock_wall(), 0);
    zm_buf_printf(&text,
                  "From: zmailcheck <postmaster>\nTo: postmaster\nDate: %s\n"
                  "Subject: Zmailer Alert:%s\nAuto-Submitted: auto-generated\n\n%s on %s\n\n",
                  date, all_reasons(watch), all_reasons(watch),
                  zm_site_hostname(watch->zenv, watch->pool));
    zm_buf_add_str(&text, zm_buf_str(&watch->status));
    if (status == APR_SUCCESS)
        status = zm_submit_write(submission, text.data, text.length);
    zm_buf_free(&text);
    return status;
}

/* It lies in the spool until there is a router again; standard error tells at once. */
static int write_to_postmaster(const watch_t *watch)
{
    zm_submit_options_t options = {0, zm_site_trusted(watch->zenv, watch->pool).uid, ZM_UID_NONE};
    zm_submission_t *submission;
    zm_submitter_t submitter;
    char reason[200];
    apr_status_t status;
    zm_site_submitter(&submitter, watch->zenv, watch->spool, watch->pool);
    status = zm_submit_begin(&submission, &submitter, &options);
    if (status == APR_SUCCESS) {
        status = write_letter(watch, submission);
        if (status == APR_SUCCESS)
            status = zm_submit_commit_wait(submission, NULL, watch->pool);
        else
            zm_submit_abort(submission);
    }
    if (status == APR_SUCCESS)
        return EXIT_ALERT;
    fprintf(stderr, "zmailcheck: the postmaster cannot be written to: %s\n",
            zm_status_text(status, reason, sizeof reason));
    return EXIT_TRY_AGAIN;
}

static int tell(watch_t *watch)
{
    if (watch->json)
        printf("],\"good\":%s}\n", watch->reasons->nelts == 0 ? "true" : "false");
    if (watch->reasons->nelts == 0)
        return 0;
    if (!watch->json) {
        fprintf(stderr, "zmailcheck: %s\n", all_reasons(watch));
        fwrite(watch->status.data, 1, watch->status.length, stdout);
    }
    return watch->silent ? EXIT_ALERT : write_to_postmaster(watch);
}

int main(int argc, char **argv)
{
    watch_t watch = {0};
    zm_zenv_options_t site = {0};
    zm_error_t error = {0};
    int64_t load, routing, waiting;
    const zm_option_t table[] = {
        {'n', "dry-run", ZM_OPTION_FLAG, &watch.silent, NULL, NULL,
         "do not write to the postmaster"},
        {0, "json", ZM_OPTION_FLAG, &watch.json, NULL, NULL,
         "tell all that was looked at, as JSON"},
    };
    const zm_command_line_t line = {"zmailcheck",
                                    NULL,
                                    "write to the postmaster when something is wrong",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    int code;

    if (!zm_options_start(&line, &argc, argv, &watch.pool, &watch.zenv, &code))
        return code;
    if (zm_zenv_number(watch.zenv, "MAX_LOAD", 300, 0, INT32_MAX, &load, &error) != APR_SUCCESS ||
        zm_zenv_number(watch.zenv, "MAX_NR", 1000, 0, INT32_MAX, &routing, &error) != APR_SUCCESS ||
        zm_zenv_number(watch.zenv, "MAX_NT", 1000, 0, INT32_MAX, &waiting, &error) != APR_SUCCESS ||
        zm_site_spool(&watch.spool, watch.zenv, NULL, watch.pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "zmailcheck: %s\n", error.text);
        return ZM_EXIT_CONFIG;
    }
    watch.reasons = apr_array_make(watch.pool, 8, sizeof(const char *));
    check_load(&watch, load);
    check_daemons(&watch);
    check_queues(&watch, routing, waiting);
    code = tell(&watch);
    zm_buf_free(&watch.status);
    zm_spool_close(watch.spool);
    return code;
}
