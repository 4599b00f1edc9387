#include "tests/crash/system.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/site.h"
#include "mta/router/worker.h"
#include "platform/fs.h"
#include "platform/log.h"
#include "spool/emulated.h"
#include "spool/internal.h"
#include "spool/recover.h"

/* -- the site ------------------------------------------------------------------------------- */

static bool write_file(site_t *site, const char *leaf, const char *text)
{
    char *path = apr_pstrcat(site->pool, site->directory, "/", leaf, NULL),
         *slash = strrchr(path, '/');
    zm_file_t *file;
    bool written;
    *slash = '\0';
    if (zm_dir_make_all(path, 0755, site->pool) != APR_SUCCESS)
        return false;
    *slash = '/';
    if (zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE, 0644,
                     site->pool) != APR_SUCCESS)
        return false;
    written = zm_file_write_at(file, 0, text, strlen(text)) == APR_SUCCESS;
    return zm_file_close(file) == APR_SUCCESS && written;
}

static const char *const files[][2] = {
    {"var/mail.conf", "hostname=mail.test\nmydomain=mail.test\norgdomain=mail.test\n"},
    {"var/db/mailusers", "root\nalice\nbob\nlater\nfails\n"},
    {"var/db/localnames", "mail.test\nlocalhost\n"},
};

static bool write_files(site_t *site)
{
    apr_size_t i;
    for (i = 0; i < sizeof files / sizeof files[0]; i++)
        if (!write_file(site, files[i][0], files[i][1]))
            return false;
    return true;
}

void site_close(site_t *site)
{
    static const char *const folders[] = {"var/db", "var", ""};
    apr_size_t i;
    agent_end();
    for (i = 0; i < sizeof files / sizeof files[0]; i++)
        zm_file_unlink(NULL, apr_pstrcat(site->pool, site->directory, "/", files[i][0], NULL));
    for (i = 0; i < sizeof folders / sizeof folders[0]; i++)
        zm_dir_remove(NULL, apr_pstrcat(site->pool, site->directory, "/", folders[i], NULL));
}

static bool open_worker(site_t *site, zm_error_t *error)
{
    router_worker_options_t options = {0};
    options.zenv = site->zenv;
    options.config = apr_pstrcat(site->pool, zm_zenv_mailshare(site->zenv), "/router.cf", NULL);
    if (router_worker_open(&site->worker, &options, site->pool, error) != APR_SUCCESS)
        return false;
    zm_spool_close(site->worker->spool); /* each system gives it its own */
    site->worker->spool = NULL;
    return true;
}

bool site_open(site_t *site, const char *engine, const char *share, apr_pool_t *pool)
{
    const char *text;
    zm_error_t error = {0};
    site->pool = pool;
    site->engine = engine;
    if (!write_files(site))
        return false;
    text = apr_psprintf(pool,
                        "POSTOFFICE=memory:/unused\nMAILSHARE=%s\nMAILVAR=%s/var\nLOGDIR=%s\n"
                        "MAILBIN=%s\nMAILUSERS=%s/var/db/mailusers\nSYSLOGFLG=-\n"
                        "ROUTERNOTIFY=/nonexistent/r\nSCHEDULERNOTIFY=/nonexistent/s\n",
                        share, site->directory, site->directory, site->directory, site->directory);
    if (zm_zenv_parse(&site->zenv, zm_str(text), "zmailer.conf", "/", NULL, pool, &error) !=
            APR_SUCCESS ||
        zm_loop_create(&site->loop, pool) != APR_SUCCESS || !agent_prepare(site, &error) ||
        !open_worker(site, &error)) {
        fprintf(stderr, "zm-crash: %s\n", error.text);
        return false;
    }
    return true;
}

/* -- the spool ------------------------------------------------------------------------------ */

static bool open_spool(system_t *system, zm_spool_t **spool, bool create, zm_error_t *error)
{
    zm_spool_options_t options = {.loop = system->site->loop, .sync_threads = 1};
    options.create = create;
    options.location = create
                           ? apr_pstrcat(system->pool, system->site->engine, ":" SYSTEM_SPOOL, NULL)
                           : SYSTEM_SPOOL;
    *spool = NULL;
    return zm_spool_open(spool, &options, system->pool, error) == APR_SUCCESS;
}

static bool open_spools(system_t *system, bool create, bool shared, zm_error_t *error)
{
    if (!open_spool(system, &system->deliver, create, error))
        return false;
    if (shared) {
        system->submit = system->route = system->deliver;
        return true;
    }
    return open_spool(system, &system->submit, false, error) &&
           open_spool(system, &system->route, false, error);
}

static void close_spools(system_t *system)
{
    if (system->submit != system->deliver)
        zm_spool_close(system->submit);
    if (system->route != system->deliver)
        zm_spool_close(system->route);
    zm_spool_close(system->deliver);
}

static bool recover(system_t *system, zm_error_t *error)
{
    zm_recover_options_t options = {0};
    zm_recover_report_t report;
    return zm_spool_recover(system->route, &options, &report, system->pool, error) == APR_SUCCESS;
}

bool system_open(system_t **result, site_t *site, bool create, bool shared, zm_error_t *error)
{
    apr_pool_t *pool;
    system_t *system;
    apr_pool_create(&pool, site->pool);
    system = apr_pcalloc(pool, sizeof *system);
    system->pool = pool;
    system->site = site;
    *result = system;
    if (!open_spools(system, create, shared, error) || !recover(system, error))
        return false;
    zm_site_submitter(&system->submitter, site->zenv, system->submit, pool);
    site->worker->spool = system->route;
    site->worker->submitter.spool = system->route;
    if (router_opener_create(&site->worker->opener, system->route, NULL, pool, error) !=
        APR_SUCCESS)
        return false;
    return schedule_open(system, error);
}

void system_close(system_t *system)
{
    if (system->schedule != NULL)
        schedule_close(system->schedule);
    close_spools(system);
    zm_loop_once(system->site->loop, 0); /* what publishes posted */
    apr_pool_destroy(system->pool);
}

/* -- what programs do ----------------------------------------------------------------------- */

static apr_status_t write_envelope(zm_submission_t *submission, const letter_t *letter)
{
    zm_str_t rest = zm_str_of(letter_text(letter), letter->head), line, keyword;
    apr_status_t status = APR_SUCCESS;
    while (rest.length > 0 && status == APR_SUCCESS) {
        char word[20];
        zm_str_cut(rest, '\n', &line, &rest);
        if (!zm_str_word(&line, &keyword))
            break;
        memcpy(word, keyword.data, keyword.length);
        word[keyword.length] = '\0';
        status = zm_submit_line(submission, word, zm_str_trim(line));
    }
    return status;
}

static apr_status_t begin(zm_submission_t **submission, zm_submitter_t *submitter, letter_t *letter)
{
    zm_submit_options_t options = {.uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    apr_status_t status = zm_submit_begin(submission, submitter, &options);
    letter->begun = true;
    if (status != APR_SUCCESS)
        return status;
    status = write_envelope(*submission, letter);
    if (status == APR_SUCCESS)
        status = zm_submit_write(*submission, letter_text(letter) + letter->head,
                                 letter->length - letter->head);
    if (status != APR_SUCCESS)
        zm_submit_abort(*submission);
    return status;
}

static void note_success(apr_status_t status, const zm_published_t *published, void *baton)
{
    (void)published;
    if (status == APR_SUCCESS)
        ((letter_t *)baton)->accepted = disk_mounted()->op_count;
}

static apr_status_t commit(system_t *system, zm_submission_t *submission, letter_t *letter)
{
    zm_published_t published;
    apr_pool_t *pool;
    apr_status_t status;
    apr_pool_create(&pool, system->pool);
    status = zm_submit_commit_wait(submission, &published, pool);
    apr_pool_destroy(pool);
    note_success(status, NULL, letter);
    return status;
}

apr_status_t system_submit(system_t *system, letter_t *letter)
{
    zm_submission_t *submission;
    apr_status_t status = begin(&submission, &system->submitter, letter);
    return status != APR_SUCCESS ? status : commit(system, submission, letter);
}

/* All but the last wait for a thread; who waits for the last one does the work for all. */
void system_submit_group(system_t *system, letter_t *const *letters, int count)
{
    zm_submission_t *submissions[LETTERS];
    zm_submitter_t submitter = system->submitter;
    zm_error_t error;
    int i, begun = 0;
    if (!open_spool(system, &submitter.spool, false, &error))
        return;
    for (i = 0; i < count; i++)
        if (begin(&submissions[begun], &submitter, letters[i]) == APR_SUCCESS) {
            disk_threads(true);
            if (i < count - 1)
                zm_submit_commit(submissions[begun], note_success, letters[i]);
            else
                commit(system, submissions[begun], letters[i]);
            disk_threads(false);
            begun++;
        }
    zm_spool_close(submitter.spool); /* does what is left, and tells */
}

int system_route(system_t *system, int most)
{
    const char *names[LETTERS * 2], *name;
    zm_listing_t *listing;
    apr_pool_t *pool;
    int count = 0, i;
    apr_pool_create(&pool, system->pool);
    if (zm_spool_list(&listing, system->route, ZM_DIR_ROUTER, false, pool) == APR_SUCCESS) {
        while (count < most && count < LETTERS * 2 &&
               zm_listing_next(listing, &name) == APR_SUCCESS)
            names[count++] = apr_pstrdup(pool, name);
        zm_listing_close(listing);
    }
    for (i = 0; i < count; i++)
        router_worker_process(system->site->worker, names[i]);
    apr_pool_destroy(pool);
    return count;
}

void system_deliver(system_t *system)
{
    schedule_run(system->schedule);
}

void system_checkpoint(system_t *system)
{
    if (strcmp(system->site->engine, "emulated") == 0)
        (void)zm_emulated_checkpoint(zm_emulated(system->route->engine)); /* faults are put in */
}
