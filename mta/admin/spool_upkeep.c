#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/spool_commands.h"
#include "platform/clock.h"
#include "spool/convert.h"
#include "spool/probe.h"

/* -- probe and init ------------------------------------------------------------------------ */

static void print_guarantee(const spool_command_t *command, const zm_probe_t *probe, int which)
{
    if (command->json) {
        printf("%s{\"name\":", which > 0 ? "," : "");
        spool_json_string(zm_guarantee_name((zm_guarantee_t)which));
        printf(",\"holds\":%s", probe->holds[which] ? "true" : "false");
        spool_json_text("evidence", probe->evidence[which]);
        printf("}");
    } else {
        printf("%-14s %-6s %s\n", zm_guarantee_name((zm_guarantee_t)which),
               probe->holds[which] ? "holds" : "FAILS", probe->evidence[which]);
    }
}

/* A directory that is named, or where the installation's spool stands. */
static const char *probe_directory(spool_command_t *command, int *code)
{
    const char *location =
        spool_location(command, command->argc > 0 ? command->argv[0] : NULL, code);
    const char *colon = location != NULL ? strchr(location, ':') : NULL;
    return colon != NULL && colon - location > 1 &&
                   memchr(location, '/', (size_t)(colon - location)) == NULL
               ? colon + 1
               : location;
}

int spool_probe(spool_command_t *command)
{
    int i, failing = -1, code = 0;
    const char *directory = probe_directory(command, &code), *why;
    zm_probe_t probe;
    zm_error_t error = {0};
    if (directory == NULL)
        return code;
    if (zm_probe(&probe, directory, command->pool, &error) != APR_SUCCESS)
        return spool_fail(&error);
    for (i = ZM_GUARANTEE_COUNT - 1; i >= 0; i--)
        if (!probe.holds[i])
            failing = i;
    why = failing < 0
              ? "the file system has every guarantee"
              : apr_psprintf(command->pool, "\"%s\" fails: %s",
                             zm_guarantee_name((zm_guarantee_t)failing), probe.evidence[failing]);
    if (command->json) {
        printf("{\"directory\":");
        spool_json_string(directory);
        printf(",\"guarantees\":[");
    }
    for (i = 0; i < ZM_GUARANTEE_COUNT; i++)
        print_guarantee(command, &probe, i);
    if (command->json) {
        printf("]");
        spool_json_text("engine", failing < 0 ? "native" : "emulated");
        spool_json_text("why", why);
        printf("}\n");
    } else {
        printf("engine         %-6s %s\n", failing < 0 ? "native" : "emulated", why);
    }
    return 0;
}

int spool_init(spool_command_t *command)
{
    int code = 0;
    zm_spool_options_t options = {.create = true};
    zm_spool_t *spool;
    zm_error_t error = {0};
    options.location = spool_location(command, command->argc > 0 ? command->argv[0] : NULL, &code);
    if (options.location == NULL)
        return code;
    if (command->engine != NULL)
        options.location = apr_pstrcat(command->pool, command->engine, ":", options.location, NULL);
    if (zm_spool_open(&spool, &options, command->pool, &error) != APR_SUCCESS)
        return spool_fail(&error);
    if (command->json) {
        printf("{\"spool\":");
        spool_json_string(zm_spool_location(spool));
        spool_json_text("engine", zm_spool_engine_name(spool));
        printf("}\n");
    } else if (!command->quiet) {
        printf("the spool %s is there, engine %s\n", zm_spool_location(spool),
               zm_spool_engine_name(spool));
    }
    zm_spool_close(spool);
    return 0;
}

/* -- telling what is found -------------------------------------------------------------------- */

typedef struct telling_t {
    const spool_command_t *command;
    const char *doing; /* "examined", "taken over" */
    bool planned;      /* all findings were told before: only what is done is news */
    apr_time_t last;
    bool any;
} telling_t;

static void on_progress(uint64_t examined, void *baton)
{
    telling_t *telling = baton;
    spool_tell_progress(telling->command, telling->doing, examined, &telling->last);
}

static void print_json(telling_t *telling, const zm_finding_t *finding)
{
    char reason[200];
    printf("%s\n{\"kind\":", telling->any ? "," : "");
    spool_json_string(finding->kind);
    spool_json_text("name", finding->name);
    spool_json_text("detail", finding->detail);
    if (finding->remedy != NULL)
        spool_json_text("remedy", finding->remedy);
    if (finding->tried)
        printf(",\"repaired\":%s", finding->status == APR_SUCCESS ? "true" : "false");
    if (finding->tried && finding->status != APR_SUCCESS)
        spool_json_text("failure", zm_status_text(finding->status, reason, sizeof reason));
    printf("}");
}

static void on_finding(const zm_finding_t *finding, void *baton)
{
    telling_t *telling = baton;
    char reason[200];
    if (telling->command->json) {
        print_json(telling, finding);
    } else if (!finding->tried && telling->planned) {
        return;
    } else if (!finding->tried) {
        printf("%s: ", finding->kind);
        spool_print_shown(finding->name);
        printf(": %s\n", finding->detail);
        if (finding->remedy != NULL)
            printf("    repair will %s\n", finding->remedy);
    } else if (finding->status == APR_SUCCESS) {
        spool_print_shown(finding->name);
        printf(": done: %s\n", finding->remedy);
    } else {
        spool_print_shown(finding->name);
        printf(": FAILED to %s: %s\n", finding->remedy,
               zm_status_text(finding->status, reason, sizeof reason));
    }
    telling->any = true;
    fflush(stdout);
}

/* -- check and repair -------------------------------------------------------------------------- */

static int examine(spool_command_t *command, zm_spool_t *spool, bool repair,
                   zm_check_report_t *report)
{
    telling_t telling = {
        .command = command, .doing = "examined", .planned = repair, .last = zm_clock_monotonic()};
    zm_check_options_t options = {
        .repair = repair, .fn = on_finding, .progress = on_progress, .baton = &telling};
    zm_error_t error = {0};
    options.running = !repair && spool_user(command, zm_spool_location(spool)) != NULL;
    if (command->json)
        printf("{\"findings\":[");
    if (zm_spool_check(spool, &options, report, command->pool, &error) != APR_SUCCESS) {
        if (command->json)
            printf("]}\n");
        return spool_fail(&error);
    }
    if (command->json) {
        printf("]");
        spool_json_number("examined", report->examined);
        spool_json_number("repairable", report->repairable);
        spool_json_number("repaired", report->repaired);
        spool_json_number("failed", report->failed);
        printf("}\n");
    }
    return 0;
}

static void print_summary(const spool_command_t *command, const zm_check_report_t *report)
{
    if (command->json || command->quiet)
        return;
    if (report->findings == 0)
        printf("examined %llu names, nothing is wrong\n", (unsigned long long)report->examined);
    else
        printf("examined %llu names, %llu things are wrong, repair can put right %llu\n",
               (unsigned long long)report->examined, (unsigned long long)report->findings,
               (unsigned long long)report->repairable);
}

int spool_check(spool_command_t *command)
{
    int code = 0;
    zm_check_report_t report = {0};
    zm_spool_t *spool = spool_open(command, command->argc > 0 ? command->argv[0] : NULL, &code);
    if (spool == NULL)
        return code;
    code = examine(command, spool, false, &report);
    zm_spool_close(spool);
    if (code != 0)
        return code;
    print_summary(command, &report);
    return report.findings > 0 ? SPOOL_FINDINGS : 0;
}

/* The plan is told whole before anything is done; as JSON there is only the result. */
static int repair(spool_command_t *command, zm_spool_t *spool)
{
    zm_check_report_t report = {0};
    int code = 0;
    if (!command->json || command->dry_run) {
        code = examine(command, spool, false, &report);
        if (code != 0)
            return code;
        print_summary(command, &report);
        if (command->dry_run || report.repairable == 0)
            return report.findings > 0 ? SPOOL_FINDINGS : 0;
    }
    code = examine(command, spool, true, &report);
    if (code != 0)
        return code;
    if (!command->json && !command->quiet)
        printf("repaired %llu, failed %llu, left to you %llu\n",
               (unsigned long long)report.repaired, (unsigned long long)report.failed,
               (unsigned long long)(report.findings - report.repaired - report.failed));
    return report.findings > report.repaired ? SPOOL_FINDINGS : 0;
}

int spool_repair(spool_command_t *command)
{
    int code = 0;
    const char *user;
    zm_spool_t *spool = spool_open(command, command->argc > 0 ? command->argv[0] : NULL, &code);
    if (spool == NULL)
        return code;
    user = spool_user(command, zm_spool_location(spool));
    if (user != NULL && !command->dry_run) {
        fprintf(
            stderr,
            "zmailer: %s is running on this spool; \"zmailer stop\" first (--dry-run only looks)\n",
            user);
        code = SPOOL_TEMPFAIL;
    } else {
        code = repair(command, spool);
    }
    zm_spool_close(spool);
    return code;
}

/* -- convert ----------------------------------------------------------------------------------- */

/* The old spool's directory, for its pid files. */
static const char *directory_of(const char *location)
{
    const char *colon = strchr(location, ':');
    return colon != NULL && colon - location > 1 ? colon + 1 : location;
}

int spool_convert(spool_command_t *command)
{
    telling_t telling = {.command = command, .doing = "taken over", .last = zm_clock_monotonic()};
    zm_convert_options_t options = {.fn = on_finding, .progress = on_progress, .baton = &telling};
    const char *user = spool_user(command, directory_of(command->argv[0]));
    zm_convert_report_t report;
    zm_error_t error = {0};
    apr_status_t status;
    if (user != NULL) {
        fprintf(stderr, "zmailer: %s is running on this spool; \"zmailer stop\" first\n", user);
        return SPOOL_TEMPFAIL;
    }
    if (command->json)
        printf("{\"findings\":[");
    status = zm_spool_convert(command->argv[0], command->argv[1], &options, &report, command->pool,
                              &error);
    if (command->json) {
        printf("]");
        spool_json_number("objects", report.objects);
        spool_json_number("names", report.names);
        spool_json_number("bytes", report.bytes);
        spool_json_number("skipped", report.skipped);
        spool_json_number("damaged", report.damaged);
        printf("}\n");
    }
    if (status != APR_SUCCESS)
        return spool_fail(&error);
    if (!command->json && !command->quiet)
        printf("took over %llu objects with %llu names, %llu bytes; left out %llu unfinished and "
               "%llu damaged\n",
               (unsigned long long)report.objects, (unsigned long long)report.names,
               (unsigned long long)report.bytes, (unsigned long long)report.skipped,
               (unsigned long long)report.damaged);
    return report.damaged > 0 ? SPOOL_FINDINGS : 0;
}
