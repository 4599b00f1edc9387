/*
 * zmailer(8) and the service manager of Windows: one service, which is this
 * program supervising the daemons.
 *
 * The service belongs to a configuration: its command line names the file.  Where
 * it is installed for ours, start and stop mean the service, so that there is never
 * a second copy of a daemon.
 */
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/upkeep.h"
#include "mta/admin/zmailer.h"
#include "mta/conf/options.h"
#include "platform/log.h"
#include "platform/manager.h"
#include "platform/service.h"

#define WAIT_SECONDS 60
enum { EXIT_FAILED = 1, EXIT_FROZEN = 2, EXIT_UNAVAILABLE = 69, EXIT_OS = 71 };

static const char *name_of(const zmailer_t *zmailer)
{
    return zm_zenv_get_or(zmailer->zenv, "SERVICENAME", "ZMailer");
}

/* "zmailer -Z FILE service run" */
static apr_status_t command_words(const char **words, const zmailer_t *zmailer)
{
    words[1] = "-Z";
    words[2] = zm_zenv_file(zmailer->zenv);
    words[3] = "service";
    words[4] = "run";
    words[5] = NULL;
    return zm_service_program(&words[0], zmailer->pool);
}

static int give(zmailer_t *zmailer, apr_status_t status, const zm_error_t *error)
{
    if (status != APR_SUCCESS)
        zmailer_fail(zmailer, status == ZM_E_UNSUPPORTED ? EXIT_UNAVAILABLE : EXIT_FAILED,
                     error->text);
    return zmailer->code;
}

/* -- installing -------------------------------------------------------------------------- */

/* What only the service may see, and what users read to submit mail.  A system that cannot do it
 * has another protection, or none: the service works, and the administrator is told. */
static void protect(zmailer_t *zmailer, const char *account)
{
    const zm_zenv_t *zenv = zmailer->zenv;
    apr_pool_t *pool = zmailer->pool;
    const char *box = zm_zenv_get_or(zenv, "MAILBOX", NULL);
    const char *config = apr_pstrdup(pool, zm_zenv_file(zenv));
    const struct {
        const char *path;
        bool read;
    } places[] = {
        {apr_psprintf(pool, "%.*s", (int)(strrchr(config, '/') - config), config), true},
        {zm_zenv_mailshare(zenv), true},
        {apr_pstrcat(pool, zm_zenv_mailshare(zenv), "/scheduler.auth", NULL), false},
        {zm_zenv_mailvar(zenv), true},
        {zm_zenv_postoffice(zenv), false},
        {zm_zenv_logdir(zenv), false},
        {box != NULL && strchr(box, '%') == NULL ? box : NULL, false},
    };
    apr_size_t i;
    for (i = 0; i < sizeof places / sizeof places[0]; i++) {
        zm_error_t error = {0};
        if (places[i].path != NULL && zm_manager_protect(places[i].path, account, places[i].read,
                                                         pool, &error) != APR_SUCCESS)
            fprintf(stderr, "zmailer: warning: %s\n", error.text);
    }
}

static int install(zmailer_t *zmailer, const char *account)
{
    const char *words[6];
    zm_manager_service_t service = {
        .name = name_of(zmailer),
        .display = apr_psprintf(zmailer->pool, "%s mail transfer agent", name_of(zmailer)),
        .description = "Takes mail from programs and over SMTP, and delivers it.",
        .argv = words,
        .account = account};
    zm_error_t error = {0};
    apr_status_t status = command_words(words, zmailer);
    if (status != APR_SUCCESS)
        return give(zmailer, zm_error_system(&error, status, "cannot find this program"), &error);
    status = zm_manager_install(&service, zmailer->pool, &error);
    if (status == APR_SUCCESS && strcmp(service.name, "ZMailer") == 0)
        status = zm_manager_remember(words[2], NULL, zmailer->pool, &error);
    if (status != APR_SUCCESS)
        return give(zmailer, status, &error);
    protect(zmailer, account != NULL ? account : zm_manager_account(service.name, zmailer->pool));
    zmailer_say(zmailer, "installed the service", service.name);
    return zmailer->code;
}

static int remove_service(zmailer_t *zmailer)
{
    zm_error_t error = {0};
    zm_manager_state_t state;
    const char *name = name_of(zmailer);
    apr_status_t status = APR_SUCCESS;
    if (zm_manager_ask(&state, name, zmailer->pool) == APR_SUCCESS &&
        state.phase != ZM_MANAGER_STOPPED)
        status = zm_manager_stop(name, WAIT_SECONDS, zmailer->pool, &error);
    if (status == APR_SUCCESS)
        status = zm_manager_remove(name, zmailer->pool, &error);
    if (status == APR_SUCCESS && strcmp(name, "ZMailer") == 0)
        status = zm_manager_remember(NULL, zm_zenv_file(zmailer->zenv), zmailer->pool, &error);
    if (status == APR_SUCCESS)
        zmailer_say(zmailer, "removed the service", name);
    return give(zmailer, status, &error);
}

/* -- being it ------------------------------------------------------------------------------ */

/* Nobody reads what is printed from here on. */
static int run(zmailer_t *zmailer)
{
    zm_log_options_t log = {
        .program = "zmailer",
        .file = apr_pstrcat(zmailer->pool, zm_zenv_logdir(zmailer->zenv), "/zmailer", NULL),
        .level = ZM_LOG_INFO,
        .system = true};
    apr_array_header_t *list = apr_array_make(zmailer->pool, 8, sizeof(const daemon_t *));
    const daemon_t *daemon;
    zm_error_t error = {0};
    int code;
    zm_manager_enter();
    if (upkeep_frozen(zmailer->zenv, zmailer->pool))
        zm_service_fail(EXIT_FROZEN,
                        "the daemons are not started: the spool is frozen; after maintenance say "
                        "\"zmailer thaw\"");
    if (zm_log_open(&log, &error) != APR_SUCCESS)
        zm_service_fail(EXIT_OS, error.text);
    if (!zmailer_may_start(zmailer, "the daemons are"))
        zm_service_fail(EXIT_FAILED, "the daemons are not started: MAILBOX is no directory");
    for (daemon = daemons_of(zmailer->zenv, zmailer->pool); daemon->name != NULL; daemon++)
        APR_ARRAY_PUSH(list, const daemon_t *) = daemon;
    zm_log(ZM_LOG_NOTICE, NULL, "service starts", ZM_F_S("name", name_of(zmailer)));
    code = daemons_supervise((const daemon_t *const *)list->elts, list->nelts, true, zmailer->zenv,
                             zmailer->pool);
    zm_log(ZM_LOG_NOTICE, NULL, "service ends", ZM_F_I("code", code));
    if (code != 0)
        zm_service_fail(code, "the daemons cannot be supervised");
    return 0;
}

int zmailer_service(zmailer_t *zmailer, const char *const *words, int count)
{
    const char *word = count > 0 ? words[0] : "";
    if (strcmp(word, "install") == 0 && count <= 2)
        return install(zmailer, count == 2 ? words[1] : NULL);
    if (strcmp(word, "remove") == 0 && count == 1)
        return remove_service(zmailer);
    if (strcmp(word, "run") == 0 && count == 1)
        return run(zmailer);
    zmailer_fail(zmailer, ZM_EXIT_USAGE, "say service install [ACCOUNT], remove or run");
    return zmailer->code;
}

/* -- in place of the daemons ------------------------------------------------------------------ */

static bool owns(zm_manager_state_t *state, const zmailer_t *zmailer)
{
    const char *words[6], *ours;
    return zm_manager_ask(state, name_of(zmailer), zmailer->pool) == APR_SUCCESS &&
           command_words(words, zmailer) == APR_SUCCESS &&
           zm_manager_command(&ours, words, zmailer->pool) == APR_SUCCESS &&
           strcmp(ours, state->command) == 0;
}

static void start_service(zmailer_t *zmailer, const zm_manager_state_t *state)
{
    zm_error_t error = {0};
    apr_status_t status = APR_SUCCESS;
    if (!zmailer_may_start(zmailer, "the service is"))
        return;
    if (state->phase != ZM_MANAGER_STOPPED) /* as for daemons: a start is a new start */
        status = zm_manager_stop(name_of(zmailer), WAIT_SECONDS, zmailer->pool, &error);
    if (status == APR_SUCCESS)
        status = zm_manager_start(name_of(zmailer), WAIT_SECONDS, zmailer->pool, &error);
    if (status == APR_SUCCESS)
        zmailer_say(zmailer, name_of(zmailer), "started");
    (void)give(zmailer, status, &error);
}

bool zmailer_service_does(zmailer_t *zmailer, const char *one)
{
    zm_manager_state_t state;
    zm_error_t error = {0};
    const char *name = name_of(zmailer);
    if (zmailer->foreground || !owns(&state, zmailer))
        return false;
    if (one != NULL && zmailer->manner == ZMAILER_START)
        zmailer_fail(zmailer, EXIT_FAILED,
                     apr_psprintf(zmailer->pool,
                                  "the service %s starts all daemons: say \"zmailer start\"",
                                  name));
    else if (zmailer->manner == ZMAILER_START)
        start_service(zmailer, &state);
    else if (zmailer->manner == ZMAILER_NUKE || one != NULL)
        return false; /* the service starts it again */
    else if (state.phase == ZM_MANAGER_STOPPED)
        return false; /* perhaps something runs beside it */
    else if (zm_manager_stop(name, WAIT_SECONDS, zmailer->pool, &error) == APR_SUCCESS)
        zmailer_say(zmailer, name, "stopped");
    else
        (void)give(zmailer, error.status, &error);
    return true;
}

bool zmailer_service_hears(zmailer_t *zmailer, zm_control_t event)
{
    zm_manager_state_t state;
    zm_error_t error = {0};
    if (!owns(&state, zmailer) || state.phase != ZM_MANAGER_RUNNING)
        return false;
    if (give(zmailer, zm_manager_control(name_of(zmailer), event, zmailer->pool, &error), &error) ==
        0)
        zmailer_say(zmailer, name_of(zmailer), "told");
    return true;
}

void zmailer_service_status(zmailer_t *zmailer)
{
    static const char *const phases[] = {"stopped", "starting", "running", "stopping"};
    zm_manager_state_t state;
    if (!owns(&state, zmailer))
        return;
    printf("service %s: %s", name_of(zmailer), phases[state.phase]);
    if (state.pid != 0)
        printf(" (pid %" APR_INT64_T_FMT ")", state.pid);
    else if (state.code != 0)
        printf(", ended with code %d", state.code);
    printf("\n");
}
