/*
 * What is demanded of every state of the disk after a crash, once recovery has
 * run and everything that can be delivered is delivered:
 *
 *   - the spool opens, and recovery succeeds;
 *   - what has a name in router/, queue/, deferred/, postman/ is whole;
 *   - every recipient of an accepted letter was served: by a delivery, or by a
 *     report to its sender when the agent refused it;
 *   - nothing is delivered again that was durably recorded as delivered;
 *   - nothing is left: no message, no control file, no temporary one, and in the
 *     emulated engine no row and no body without name, but what repair parks.
 */
#include <apr_strings.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "spool/check.h"
#include "spool/control.h"
#include "spool/layout.h"
#include "spool/recover.h"
#include "tests/crash/explore.h"

#define OBJECT_LIMIT (1 << 20)

/* -- objects -------------------------------------------------------------------------------- */

typedef void object_fn(system_t *system, const char *name, zm_str_t text, void *baton,
                       apr_pool_t *pool);

static bool read_object(system_t *system, const char *name, zm_str_t *text, apr_pool_t *pool)
{
    zm_object_t *object;
    char *data;
    apr_size_t length;
    apr_status_t status = zm_object_open(&object, system->route, name, ZM_OBJECT_READ);
    if (status == APR_SUCCESS) {
        status = zm_object_read_all(object, &data, &length, OBJECT_LIMIT, pool);
        zm_object_close(object);
    }
    if (status != APR_SUCCESS)
        return false;
    *text = zm_str_of(data, length);
    return true;
}

static void each_object(system_t *system, const char *directory, object_fn *fn, void *baton)
{
    zm_listing_t *listing;
    const char *name;
    zm_str_t text;
    apr_pool_t *pool;
    apr_pool_create(&pool, system->pool);
    if (zm_spool_list(&listing, system->route, directory, false, pool) == APR_SUCCESS) {
        while (zm_listing_next(listing, &name) == APR_SUCCESS) {
            name = apr_pstrdup(pool, name);
            if (!read_object(system, name, &text, pool))
                world_trouble("%s cannot be read", name);
            else
                fn(system, name, text, baton, pool);
        }
        zm_listing_close(listing);
    }
    apr_pool_destroy(pool);
}

static const letter_t *letter_of(zm_str_t text)
{
    int i;
    for (i = 0; i < world.letter_count; i++)
        if (world.letters[i].length == text.length &&
            memcmp(letter_text(&world.letters[i]), text.data, text.length) == 0)
            return &world.letters[i];
    return NULL;
}

/* The last line of a report is its closing boundary. */
static bool is_whole_report(zm_str_t text)
{
    return text.length > 200 && memcmp(text.data, "channel error\n", 14) == 0 &&
           memcmp(text.data + text.length - 3, "--\n", 3) == 0;
}

static bool is_leftover(const char *name)
{
    return strstr(name, ":leftover") != NULL;
}

/* But what repair parked before a second crash, which nobody was told of. */
static void must_be_whole(system_t *system, const char *name, zm_str_t text, void *baton,
                          apr_pool_t *pool)
{
    (void)system;
    (void)baton;
    (void)pool;
    if (!is_leftover(name) && letter_of(text) == NULL && !is_whole_report(text))
        world_trouble("%s is not whole: %lu bytes, beginning with \"%.20s\"", name,
                      (unsigned long)text.length, text.length > 0 ? text.data : "");
}

static const char *const directories[] = {ZM_DIR_ROUTER, ZM_DIR_QUEUE, ZM_DIR_DEFERRED,
                                          ZM_DIR_POSTMAN};
#define DIRECTORIES ((int)(sizeof directories / sizeof directories[0]))

/* -- what is recorded as done --------------------------------------------------------------- */

typedef struct done_t {
    crash_t *crash;
    uint32_t present[LETTERS];
} done_t;

static void note_tags(system_t *system, const char *name, const letter_t *letter, done_t *done,
                      apr_pool_t *pool)
{
    const char *control = apr_pstrcat(pool, ZM_DIR_TRANSPORT, strchr(name, '/'), NULL);
    zm_control_file_t *file;
    zm_str_t text;
    int i, k;
    if (!read_object(system, control, &text, pool) ||
        zm_control_parse(&file, text.data, text.length, pool, NULL) != APR_SUCCESS ||
        !file->complete)
        return;
    for (i = 0; i < file->recipient_count; i++)
        for (k = 0; k < letter->count; k++)
            if (file->recipients[i].tag == '+' &&
                zm_str_starts(file->recipients[i].quad.user, zm_str(letter->recipients[k])))
                done->crash->done[letter->token - 1] |= 1u << k;
}

static void note_done(system_t *system, const char *name, zm_str_t text, void *baton,
                      apr_pool_t *pool)
{
    const letter_t *letter = letter_of(text);
    done_t *done = baton;
    if (letter == NULL)
        return;
    done->present[letter->token - 1] = 1;
    if (strncmp(name, ZM_DIR_QUEUE "/", sizeof ZM_DIR_QUEUE) == 0)
        note_tags(system, name, letter, done, pool);
}

static bool promised(const letter_t *letter, const crash_t *crash)
{
    return letter->accepted >= 0 && letter->accepted <= crash->layers[0].operations;
}

/* Only what is on the disk counts, so no recovery is run here. */
void judge_done(site_t *site, disk_t *disk, crash_t *crash)
{
    zm_spool_options_t options = {.location = SYSTEM_SPOOL, .sync_threads = 1};
    system_t system = {.site = site};
    done_t done = {.crash = crash};
    zm_error_t error;
    int i;
    memset(crash->done, 0, sizeof crash->done);
    disk_mount(disk);
    apr_pool_create(&system.pool, site->pool);
    if (zm_spool_open(&system.route, &options, system.pool, &error) == APR_SUCCESS) {
        for (i = 0; i < DIRECTORIES; i++)
            each_object(&system, directories[i], note_done, &done);
        zm_spool_close(system.route);
        for (i = 0; i < world.letter_count; i++)
            if (promised(&world.letters[i], crash) && !done.present[i])
                crash->done[i] = UINT32_MAX;
    }
    apr_pool_destroy(system.pool);
    disk_mount(NULL);
}

/* -- events --------------------------------------------------------------------------------- */

static int served(const crash_t *crash, event_kind_t kind, int token, int recipient)
{
    int i, layer = 0, count = 0;
    for (i = 0; i < world.event_count; i++) {
        const event_t *event = &world.events[i];
        while (layer < crash->layer_count && i >= crash->layers[layer].events)
            layer++;
        if (event->kind == kind && event->token == token && event->recipient == recipient &&
            (layer == crash->layer_count || event->at <= crash->layers[layer].operations))
            count++;
    }
    return count;
}

static int served_afterwards(const crash_t *crash, int token, int recipient)
{
    int i, count = 0;
    for (i = crash->layers[crash->layer_count - 1].events; i < world.event_count; i++)
        count += world.events[i].kind == EVENT_DELIVERED && world.events[i].token == token &&
                 world.events[i].recipient == recipient;
    return count;
}

uint64_t judge_promises(const crash_t *crash)
{
    uint64_t h = 1;
    int i, r;
    for (i = 0; i < world.letter_count; i++) {
        const letter_t *letter = &world.letters[i];
        h = disk_mix(h * 31 + crash->done[i] + (promised(letter, crash) ? 7u : 0));
        for (r = 0; r < letter->count; r++)
            h = h * 3 + (uint64_t)(served(crash, EVENT_DELIVERED, letter->token, r) +
                                   served(crash, EVENT_REPORTED, letter->token, r) * 2);
    }
    return h;
}

static void check_letter(const letter_t *letter, const crash_t *crash)
{
    int r;
    for (r = 0; r < letter->count; r++) {
        bool refused = strcmp(letter->recipients[r], "fails") == 0;
        if ((crash->done[letter->token - 1] & 1u << r) != 0 &&
            served_afterwards(crash, letter->token, r) > 0)
            world_trouble("letter %d was delivered to %s again, though that was on record",
                          letter->token, letter->recipients[r]);
        if (!promised(letter, crash))
            continue;
        if (!refused && served(crash, EVENT_DELIVERED, letter->token, r) == 0)
            world_trouble("letter %d, which was accepted, never reached %s", letter->token,
                          letter->recipients[r]);
        if ((refused || letter->success[r]) && served(crash, EVENT_REPORTED, letter->token, r) == 0)
            world_trouble("the sender of letter %d was never told about %s", letter->token,
                          letter->recipients[r]);
    }
}

/* -- leaks ---------------------------------------------------------------------------------- */

static int64_t count_rows(sqlite3 *db, const char *table)
{
    char text[100];
    sqlite3_stmt *statement = NULL;
    int64_t count = -1;
    snprintf(text, sizeof text, "SELECT count(*) FROM %s", table);
    if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return count;
}

static void check_rows(void)
{
    static const char *const tables[] = {"objects", "names", "dead"};
    sqlite3 *db;
    apr_size_t i;
    if (sqlite3_open_v2(SYSTEM_SPOOL "/spool.db", &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        for (i = 0; i < sizeof tables / sizeof tables[0]; i++)
            if (count_rows(db, tables[i]) != 0)
                world_trouble("%d rows are left in the table %s", (int)count_rows(db, tables[i]),
                              tables[i]);
    }
    sqlite3_close(db);
}

static int count_files(const disk_t *disk, int at)
{
    const disk_inode_t *inode = disk->inodes[at];
    int i, count = inode->directory ? 0 : 1;
    for (i = 0; i < inode->entry_count; i++)
        if (inode->entries[i].inode >= 0)
            count += count_files(disk, inode->entries[i].inode);
    return count;
}

static int files_below(disk_t *disk, const char *path)
{
    const char *leaf;
    int parent, inode;
    return disk_find(disk, 0, path, &parent, &leaf, &inode) == APR_SUCCESS && inode >= 0
               ? count_files(disk, inode)
               : 0;
}

/* Whatever is not in public/, which is swept by age, belongs to nobody any more. */
static void check_files(disk_t *disk, const char *path)
{
    if (files_below(disk, path) > 0)
        world_trouble("%d files are left in %s", files_below(disk, path), path);
}

static void ignore(const zm_finding_t *finding, void *baton)
{
    (void)finding;
    (void)baton;
}

static void take_leftover(system_t *system, const char *name, zm_str_t text, void *baton,
                          apr_pool_t *pool)
{
    (void)text;
    (void)baton;
    (void)pool;
    if (is_leftover(name) && zm_spool_unlink(system->route, name) != APR_SUCCESS)
        world_trouble("%s cannot be removed", name);
}

/*
 * A large body that was complete when the crash came, and its row not yet durable,
 * cannot be told from mail that an older copy of the database does not know: recovery
 * leaves it to an administrator, who has it parked and looks.
 */
static void repair_bodies(system_t *system, disk_t *disk)
{
    zm_check_options_t options = {.repair = true, .fn = ignore};
    zm_check_report_t report;
    zm_error_t error = {0};
    if (files_below(disk, "/spool/bodies") > 0 &&
        zm_spool_check(system->route, &options, &report, system->pool, &error) != APR_SUCCESS)
        world_trouble("repair fails: %s", error.text);
    each_object(system, ZM_DIR_POSTMAN, take_leftover, NULL);
}

static void recover_again(system_t *system)
{
    zm_recover_options_t options = {0};
    zm_recover_report_t report;
    zm_error_t error = {0};
    if (zm_spool_recover(system->route, &options, &report, system->pool, &error) != APR_SUCCESS)
        world_trouble("recovery fails afterwards: %s", error.text);
}

static void check_leaks(system_t *system, disk_t *disk)
{
    if (strcmp(system->site->engine, "native") == 0) {
        check_files(disk, "/spool/router");
        check_files(disk, "/spool/queue");
        check_files(disk, "/spool/transport");
        return;
    }
    recover_again(system);
    repair_bodies(system, disk);
    recover_again(system);
    check_rows();
    check_files(disk, "/spool/bodies");
}

/* -- the judgement -------------------------------------------------------------------------- */

bool judge(site_t *site, disk_t *disk, const crash_t *crash, bool record)
{
    system_t *system;
    zm_error_t error = {0};
    int i;
    world.trouble[0] = '\0';
    play_clock(20 * crash->layer_count);
    disk_seed((uint64_t)crash->layer_count);
    disk_mount(disk);
    if (record)
        disk_record(disk);
    if (!system_open(&system, site, false, true, &error)) {
        world_trouble("the spool cannot be opened and recovered: %s", error.text);
    } else {
        for (i = 0; i < DIRECTORIES; i++)
            each_object(system, directories[i], must_be_whole, NULL);
        each_object(system, ZM_DIR_POSTMAN, take_leftover, NULL);
        if (world.trouble[0] == '\0')
            play_out(system);
        for (i = 0; i < world.letter_count && world.trouble[0] == '\0'; i++)
            check_letter(&world.letters[i], crash);
        if (world.trouble[0] == '\0')
            check_leaks(system, disk);
    }
    system_close(system);
    disk_mount(NULL);
    return world.trouble[0] == '\0';
}
