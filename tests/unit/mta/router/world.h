/**
 * A router's world for one test: a spool in memory, a site's files in a
 * directory of the test, and a worker in this process.
 *
 *     world_t *world = world_begin();
 *     world_file(world, "var/db/localnames", "mail.test\n");
 *     world_start(world);
 *     uint64_t id = world_submit(world, world_root(), "to bob\n\nHello.\n");
 *     world_route(world, id);
 *     ... world_control(world, id) ...
 *     world_end(world);
 */
#ifndef ZM_TESTS_ROUTER_WORLD_H
#define ZM_TESTS_ROUTER_WORLD_H

#include "mta/router/message.h"
#include "mta/router/worker.h"
#include "spool/control.h"
#include "tests/unit/harness.h"

#define WORLD_STRANGER 54322 /* an owner without an account */

typedef struct world_t {
    const char *directory; /* etc/, share -> the stock files, var/, log */
    zm_zenv_t *zenv;
    zm_spool_t *spool;
    router_worker_t *worker; /* null before world_start */
    const char *config;      /* router.cf to load */
    bool illegal_object;
} world_t;

/** A site mail.test with the mailboxes root, alice and bob, and no aliases. */
world_t *world_begin(void);
/** The same in a directory of its own below that of the test. */
world_t *world_begin_in(const char *directory);
/** Writes a file of the site, before world_start. */
void world_file(world_t *world, const char *path, const char *text);
/** Adds a line to zmailer.conf, before world_start. */
void world_set(world_t *world, const char *line);
/** Adds an entry to a compiled database: ("aliases", "team", "alice, bob"). */
void world_map(world_t *world, const char *name, const char *key, const char *value);
/** Loads the configuration.  False, with *reason set, when it does not load. */
bool world_try_start(world_t *world, const char **reason);
void world_start(world_t *world);
void world_end(world_t *world);

/** Puts a message file into router/; its number. */
uint64_t world_submit(world_t *world, zm_uid_t owner, const char *text);
uint64_t world_submit_mode(world_t *world, zm_uid_t owner, uint32_t mode, const char *text,
                           apr_size_t length);
void world_route(world_t *world, uint64_t id);
/** A site with these rules of its own (null: none), started. */
world_t *world_with(const char *local);
/** Submits as a trusted owner and routes; the number. */
uint64_t world_take(world_t *world, const char *text);

/** The control file's text; null when there is none. */
const char *world_control_text(world_t *world, uint64_t id);
/** The control file taken apart; fails the test when there is none. */
zm_control_file_t *world_control(world_t *world, uint64_t id);
/** The header block of the first recipient. */
const char *world_header(world_t *world, uint64_t id);
/** All recipients, "local/bob@mail.test/bob@mail.test/65534 ...", in the order of the file. */
const char *world_recipients(world_t *world, uint64_t id);
/** The names in a directory of the spool, blank separated and sorted. */
const char *world_names(world_t *world, const char *directory);
/** An object's text, null when it is not there. */
const char *world_contents(world_t *world, const char *name);
/** The only message in router/: what the router submitted itself; null: none. */
const char *world_report(world_t *world);
/** What has been logged so far. */
const char *world_log(world_t *world);
bool world_logged(world_t *world, const char *piece);

/** What the configuration makes of an address: "(smtp a.test u@a.test) (local - bob)". */
const char *world_routes(world_t *world, const char *address, const char *type);
/** What a function or built-in of the configuration gives: its value or what it prints; "?N" when
 * it fails with N. */
const char *world_call(world_t *world, const char *words);

/** Whether the text has that piece; prints both when it has not. */
bool world_has(const char *text, const char *piece);
/** `before`, so many times the piece, `after`. */
char *world_repeated(const char *before, const char *piece, int times, const char *after);
const char *world_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** Where a message goes that is not queued: "postman/12.nosender". */
const char *world_side(const char *directory, uint64_t id, const char *why);

/** An owner who is trusted: root, or the account that runs the test. */
zm_uid_t world_root(void);
/** An account of the system that is not trusted. */
zm_user_t *world_account(void);

#endif
