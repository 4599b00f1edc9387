/* zmailer(8): starting, stopping and asking after the daemons. */
#include <apr_file_info.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/upkeep.h"
#include "mta/admin/zmailer.h"
#include "platform/fs.h"

#define STOP_SECONDS 30
enum { EXIT_FAILED = 1, EXIT_FROZEN = 2, EXIT_NOT_RUNNING = 3, EXIT_PARTLY = 4 };

/* -- daemons ------------------------------------------------------------------------- */

bool zmailer_may_start(zmailer_t *zmailer, const char *what)
{
    const char *box = zm_zenv_get_or(zmailer->zenv, "MAILBOX", NULL);
    zm_file_info_t info;
    if (upkeep_frozen(zmailer->zenv, zmailer->pool)) {
        zmailer_fail(zmailer, EXIT_FROZEN,
                     apr_psprintf(zmailer->pool,
                                  "%s not started: the spool is frozen; after maintenance say "
                                  "\"zmailer thaw\"",
                                  what));
        return false;
    }
    if (box != NULL && strchr(box, '%') == NULL && /* with one it is a format */
        (zm_path_info(&info, NULL, apr_pstrcat(zmailer->pool, box, "/.", NULL)) != APR_SUCCESS ||
         info.kind != ZM_FILE_DIRECTORY)) {
        zmailer_fail(zmailer, EXIT_FAILED,
                     apr_psprintf(zmailer->pool,
                                  "%s not started: MAILBOX=%s is no directory; make it, or "
                                  "correct %s",
                                  what, box, zm_zenv_file(zmailer->zenv)));
        return false;
    }
    /* Where cores go; and no daemon keeps a file system busy that it does not need. */
    (void)apr_filepath_set(zm_zenv_postoffice(zmailer->zenv), zmailer->pool);
    return true;
}

/* "%v": the verb, "%d": the daemon ("smtpserver@NAME" for one of several). */
static const char *fill_in(const zmailer_t *zmailer, zm_str_t word, const char *verb,
                           const daemon_t *daemon)
{
    char *name = apr_pstrdup(zmailer->pool, daemon->name), *slash = strchr(name, '/');
    zm_buf_t out = ZM_BUF_INIT;
    const char *text;
    apr_size_t i;
    if (slash != NULL)
        *slash = '@';
    for (i = 0; i < word.length; i++)
        if (word.data[i] != '%' || i + 1 == word.length)
            zm_buf_add_byte(&out, word.data[i]);
        else if (word.data[++i] == 'v')
            zm_buf_add_c(&out, verb);
        else if (word.data[i] == 'd')
            zm_buf_add_c(&out, name);
        else
            zm_buf_add_byte(&out, word.data[i]);
    text = zm_str_c(zmailer->pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return text;
}

/* Where a service manager keeps the daemons, it is to start and stop them: else there would be one
 * that it does not know of.  False: there is none. */
static bool delegate(zmailer_t *zmailer, const daemon_t *daemon, const char *verb)
{
    apr_array_header_t *argv = apr_array_make(zmailer->pool, 4, sizeof(const char *));
    zm_str_t rest = zm_str(zm_zenv_get_or(zmailer->zenv, "SERVICE_MANAGER", "")), word;
    zm_error_t error = {0};
    int code;
    if (rest.length == 0 || zmailer->foreground)
        return false;
    while (zm_str_word(&rest, &word))
        APR_ARRAY_PUSH(argv, const char *) = fill_in(zmailer, word, verb, daemon);
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    code = daemon_run("SERVICE_MANAGER", (const char *const *)argv->elts, zmailer->pool, &error);
    if (code != 0)
        zmailer_fail(zmailer, EXIT_FAILED,
                     error.text[0] != '\0'
                         ? error.text
                         : apr_psprintf(zmailer->pool, "%s: SERVICE_MANAGER %s ended with %d",
                                        daemon->name, verb, code));
    else
        zmailer_say(zmailer, daemon->name, strcmp(verb, "stop") == 0 ? "stopped" : "started");
    return true;
}

static void start_one(zmailer_t *zmailer, const daemon_t *daemon)
{
    zm_error_t error = {0};
    int code;
    if (!zmailer_may_start(zmailer, apr_pstrcat(zmailer->pool, daemon->name, " is", NULL)))
        return;
    if (delegate(zmailer, daemon, "restart"))
        return;
    if (zmailer->foreground) {
        daemon_become(daemon, zmailer->zenv, zmailer->pool, &error);
        zmailer_fail(zmailer, 69, error.text);
        return;
    }
    (void)daemon_stop(daemon, false, STOP_SECONDS, zmailer->zenv, zmailer->pool);
    code = daemon_start(daemon, zmailer->zenv, zmailer->pool, &error);
    if (code != 0)
        zmailer_fail(zmailer, code,
                     error.text[0]
                         ? error.text
                         : apr_psprintf(zmailer->pool,
                                        "%s did not start (exit status %d); "
                                        "its reason stands above or in %s",
                                        daemon->name, code, zm_zenv_logdir(zmailer->zenv)));
    else
        zmailer_say(zmailer, daemon->name, "started");
}

static void stop_one(zmailer_t *zmailer, const daemon_t *daemon)
{
    char reason[200];
    apr_status_t status;
    if (zmailer->manner != ZMAILER_NUKE && delegate(zmailer, daemon, "stop"))
        return;
    status = daemon_stop(daemon, zmailer->manner == ZMAILER_NUKE, STOP_SECONDS, zmailer->zenv,
                         zmailer->pool);
    if (status == APR_SUCCESS)
        zmailer_say(zmailer, daemon->name, "stopped");
    else if (APR_STATUS_IS_ENOENT(status))
        zmailer_say(zmailer, daemon->name, "was not running");
    else if (APR_STATUS_IS_TIMEUP(status))
        zmailer_fail(
            zmailer, 1,
            apr_psprintf(zmailer->pool,
                         "%s is still running after %d s; \"zmailer nuke %s\" ends it at once",
                         daemon->name, STOP_SECONDS, daemon->name));
    else
        zmailer_fail(zmailer, 1,
                     apr_psprintf(zmailer->pool, "cannot stop %s: %s", daemon->name,
                                  zm_status_text(status, reason, sizeof reason)));
}

static void supervise(zmailer_t *zmailer, const daemon_t *const *list, int count)
{
    int code;
    if (!zmailer_may_start(zmailer, "the daemons are"))
        return;
    code = daemons_supervise(list, count, false, zmailer->zenv, zmailer->pool);
    if (code != 0)
        zmailer_fail(zmailer, code, "the daemons cannot be supervised");
}

static void start_or_stop(zmailer_t *zmailer, const apr_array_header_t *found)
{
    const daemon_t *const *list = (const daemon_t *const *)found->elts;
    int i;
    if (zmailer->manner == ZMAILER_START && zmailer->foreground && found->nelts > 1) {
        supervise(zmailer, list, found->nelts);
        return;
    }
    for (i = 0; i < found->nelts; i++) /* receivers stop first, so that nothing new arrives */
        if (zmailer->manner == ZMAILER_START)
            start_one(zmailer, list[i]);
        else
            stop_one(zmailer, list[found->nelts - 1 - i]);
}

bool zmailer_daemon(zmailer_t *zmailer, const char *word)
{
    apr_array_header_t *found = apr_array_make(zmailer->pool, 8, sizeof(const daemon_t *));
    const daemon_t *daemon;
    for (daemon = daemons_of(zmailer->zenv, zmailer->pool); daemon->name != NULL; daemon++)
        if (word == NULL || daemon_is(daemon, word))
            APR_ARRAY_PUSH(found, const daemon_t *) = daemon;
    if (found->nelts > 0 && !zmailer_service_does(zmailer, word))
        start_or_stop(zmailer, found);
    return found->nelts > 0;
}

void zmailer_all_daemons(zmailer_t *zmailer)
{
    (void)zmailer_daemon(zmailer, NULL);
}

void zmailer_status(zmailer_t *zmailer)
{
    const daemon_t *daemon;
    int running = 0, count = 0;
    if (zmailer->json)
        printf("{");
    for (daemon = daemons_of(zmailer->zenv, zmailer->pool); daemon->name != NULL;
         daemon++, count++) {
        apr_int64_t pid = daemon_pid(daemon, zmailer->zenv, zmailer->pool);
        running += pid != 0;
        if (zmailer->json)
            printf("%s\"%s\":{\"running\":%s,\"pid\":%" APR_INT64_T_FMT "}", count ? "," : "",
                   daemon->name, pid ? "true" : "false", pid);
        else if (pid != 0)
            printf("%-12s running (pid %" APR_INT64_T_FMT ")\n", daemon->name, pid);
        else
            printf("%-12s not running\n", daemon->name);
    }
    if (zmailer->json)
        printf("}\n");
    else
        zmailer_service_status(zmailer);
    if (upkeep_frozen(zmailer->zenv, zmailer->pool) && !zmailer->json)
        printf("the spool is frozen: no daemon starts until \"zmailer thaw\"\n");
    if (running < count && zmailer->code == 0)
        zmailer->code = running == 0 ? EXIT_NOT_RUNNING : EXIT_PARTLY;
}

void zmailer_control(zmailer_t *zmailer, zm_control_t event)
{
    const daemon_t *daemon;
    char reason[200];
    if (zmailer_service_hears(zmailer, event))
        return;
    for (daemon = daemons_of(zmailer->zenv, zmailer->pool); daemon->name != NULL; daemon++) {
        apr_status_t result = daemon_control(daemon, event, zmailer->zenv, zmailer->pool);
        if (result == APR_SUCCESS)
            zmailer_say(zmailer, daemon->name, "told");
        else if (!APR_STATUS_IS_ENOENT(result))
            zmailer_fail(zmailer, 1,
                         apr_psprintf(zmailer->pool, "cannot reach %s: %s", daemon->name,
                                      zm_status_text(result, reason, sizeof reason)));
    }
}
