/*
 * zm-crash: see README.md.
 *
 *     zm-crash --engine native|emulated --share DIR --scratch DIR [--seed N] [--states N] [--from
 * RUN]
 *              [--plant NAME] [--state ID]
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/log.h"
#include "platform/service.h"
#include "tests/crash/explore.h"

#define FEW_NAMES 4     /* pending name operations of which every prefix is tried */
#define SAMPLED_NAMES 3 /* prefixes tried of more */
#define SEEDS 2         /* outcomes for contents, beside none and all */
#define NESTED_IN 8     /* one state in so many crashes again while it recovers */
#define NESTED 4        /* how often */
#define THOROUGH 4 /* runs of which every moment is looked at; of the others it is one in three */
#define SHOWN 5    /* violations told in full */

typedef struct explorer_t {
    site_t site;
    play_t play;
    uint64_t seed, run;
    uint64_t wanted, judged, distinct, nested, violations, operations;
    uint64_t *seen;   /* fingerprints of states, a hash table */
    uint64_t *images; /* of disks alone */
    uint64_t distinct_images, room;
    char id[200];
} explorer_t;

/* -- sets of fingerprints ------------------------------------------------------------------- */

static bool add_to(uint64_t *set, uint64_t room, uint64_t value)
{
    uint64_t at = value % room;
    if (value == 0)
        value = 1;
    while (set[at] != 0 && set[at] != value)
        at = (at + 1) % room;
    if (set[at] == value)
        return false;
    set[at] = value;
    return true;
}

static bool is_new(explorer_t *explorer, const disk_t *disk, const crash_t *crash)
{
    uint64_t print = disk_fingerprint(disk);
    if (explorer->distinct >= explorer->room / 2)
        return true;
    explorer->distinct_images += add_to(explorer->images, explorer->room, print);
    return add_to(explorer->seen, explorer->room, print ^ judge_promises(crash));
}

/* A planted mistake needs to be found only once. */
static bool is_over(const explorer_t *explorer)
{
    return explorer->distinct_images >= explorer->wanted ||
           (explorer->play.plant != DISK_PLANT_NONE && explorer->violations >= SHOWN);
}

/* -- telling -------------------------------------------------------------------------------- */

static const char *const model_names[] = {"ordered", "loose"};
static const char *const fault_names[] = {
    "none",           "no-space",    "sync-error",        "directory-sync-error",
    "no-descriptors", "write-error", "no-space-for-names"};

static void show_trace(const disk_past_t *past, int names, int most)
{
    char text[1600];
    int i, pending = 0, first = past->now > most ? past->now - most : 0;
    for (i = 0; i < past->now; i++) {
        const char *fate = "durable ";
        if (pending < past->pending_count && past->pending[pending] == i)
            fate = pending++ < names ? "survived" : "lost    ";
        else if (!past->forced[i])
            fate = past->disk->ops[i].kind >= DISK_SYNC ? "        " : "unsynced";
        if (i >= first)
            printf("    %5d  %s  %s\n", i, fate, disk_op_text(past->disk, i, text, sizeof text));
    }
}

static void violation(explorer_t *explorer, const disk_past_t *past, const disk_choice_t *choice)
{
    if (++explorer->violations > SHOWN)
        return;
    printf("VIOLATION %s\n    %s\n", explorer->id, world.trouble);
    if (past != NULL && explorer->violations == 1)
        show_trace(past, choice->names, 40);
    fflush(stdout);
}

/* -- one state ------------------------------------------------------------------------------ */

static void judge_nested(explorer_t *explorer, const disk_t *recorded, const crash_t *before,
                         uint64_t random);

static void judge_state(explorer_t *explorer, const disk_past_t *past, const crash_t *crash,
                        const disk_choice_t *choice, bool may_nest)
{
    disk_t *disk = disk_image(past, choice);
    int events = world.event_count;
    uint64_t random = disk_mix(explorer->judged * 77 + explorer->seed);
    if (!is_new(explorer, disk, crash)) {
        disk_free(disk);
        return;
    }
    explorer->distinct++;
    explorer->judged++;
    may_nest = may_nest && random % NESTED_IN == 0;
    if (!judge(&explorer->site, disk, crash, may_nest))
        violation(explorer, past, choice);
    else if (may_nest)
        judge_nested(explorer, disk, crash, random >> 8);
    world_cut(events);
    disk_free(disk);
}

static void name_state(explorer_t *explorer, const disk_past_t *past, const disk_choice_t *choice,
                       bool further)
{
    size_t used = 0;
    if (further)
        used = strcspn(explorer->id, "+");
    else
        used =
            (size_t)snprintf(explorer->id, sizeof explorer->id, "%s/%" PRIu64 "/%s/",
                             explorer->site.engine, explorer->run, model_names[past->disk->model]);
    snprintf(explorer->id + used, sizeof explorer->id - used, "%s%d/%d/%" PRIu64,
             further ? "+" : "", past->now, choice->names, choice->data);
}

/* It crashes again, somewhere on the way that it has just gone to the end. */
static void judge_nested(explorer_t *explorer, const disk_t *recorded, const crash_t *before,
                         uint64_t random)
{
    crash_t crash = *before;
    layer_t *layer = &crash.layers[crash.layer_count++];
    disk_choice_t choice;
    int i;
    for (i = 0; i < NESTED && recorded->op_count > 0; i++) {
        disk_past_t *past = disk_past(recorded);
        int now;
        random = disk_mix(random + (uint64_t)i);
        now = (int)(random % (uint64_t)(recorded->op_count + 1));
        while (past->now < now)
            disk_past_step(past);
        choice.names = (int)((random >> 20) % (uint64_t)(past->pending_count + 1));
        choice.data = (random >> 40) % 6;
        *layer = (layer_t){world.event_count, now};
        name_state(explorer, past, &choice, true);
        explorer->nested++;
        judge_state(explorer, past, &crash, &choice, false);
        disk_past_free(past);
    }
}

/* -- all states of a run ----------------------------------------------------------------------- */

static void explore_contents(explorer_t *explorer, const disk_past_t *past, const crash_t *crash,
                             int names, uint64_t random)
{
    disk_choice_t choice = {.names = names};
    int i;
    for (i = 0; i < 2 + SEEDS && !is_over(explorer); i++) {
        choice.data = i < 2 ? (uint64_t)i : 2 + disk_mix(random + (uint64_t)i) % 1000000;
        name_state(explorer, past, &choice, false);
        judge_state(explorer, past, crash, &choice, true);
    }
}

static void explore_moment(explorer_t *explorer, const disk_past_t *past, const crash_t *crash)
{
    int all = past->pending_count, i;
    uint64_t random = disk_mix((uint64_t)past->now * 1000003 + explorer->run + explorer->seed);
    if (all <= FEW_NAMES) {
        for (i = 0; i <= all; i++)
            explore_contents(explorer, past, crash, i, random + (uint64_t)i * 17);
        return;
    }
    explore_contents(explorer, past, crash, 0, random);
    explore_contents(explorer, past, crash, all, random + 1);
    explore_contents(explorer, past, crash, all - 1, random + 2);
    for (i = 0; i < SAMPLED_NAMES; i++)
        explore_contents(explorer, past, crash,
                         (int)(disk_mix(random + 10 + (uint64_t)i) % (uint64_t)all),
                         random + 3 + (uint64_t)i);
}

static void find_done(explorer_t *explorer, const disk_past_t *past, crash_t *crash)
{
    disk_choice_t least = {0, 0};
    disk_t *disk = disk_image(past, &least);
    judge_done(&explorer->site, disk, crash);
    disk_free(disk);
}

static void at_moment(const disk_past_t *past, crash_t *crash)
{
    crash->layer_count = 1;
    crash->layers[0] = (layer_t){world.event_count, past->now};
}

static bool is_chosen(const explorer_t *explorer, int now)
{
    return disk_mix(explorer->play.seed + (uint64_t)now) % 3 == 0;
}

static void explore_run(explorer_t *explorer, const disk_t *disk)
{
    disk_past_t *past = disk_past(disk);
    crash_t crash = {0};
    at_moment(past, &crash);
    find_done(explorer, past, &crash);
    while (!is_over(explorer)) {
        disk_kind_t kind;
        at_moment(past, &crash);
        if (explorer->run < THOROUGH || is_chosen(explorer, past->now))
            explore_moment(explorer, past, &crash);
        if (past->now == disk->op_count)
            break;
        kind = disk->ops[past->now].kind;
        disk_past_step(past);
        at_moment(past, &crash);
        if (kind >= DISK_SYNC)
            find_done(explorer, past, &crash);
    }
    disk_past_free(past);
}

/* Every other run has the other kind of disk; in two of three something fails. */
static void set_up_run(explorer_t *explorer)
{
    play_t *play = &explorer->play;
    play->seed = disk_mix(explorer->seed * 1000003 + explorer->run);
    play->steps = 24;
    play->model = explorer->run % 2 == 0 ? DISK_ORDERED : DISK_LOOSE;
    play->fault = explorer->run / 2 % 3 == 0
                      ? DISK_FAULT_NONE
                      : (disk_fault_t)(1 + explorer->run / 6 % (DISK_FAULT_COUNT - 1));
    if (play->plant == DISK_PLANT_IGNORE_EIO)
        play->fault = explorer->run / 2 % 2 == 0 ? DISK_FAULT_SYNC : DISK_FAULT_SYNC_NAMES;
}

static void end_of_run(explorer_t *explorer)
{
    crash_t none = {.layer_count = 0};
    int i;
    (void)none;
    snprintf(explorer->id, sizeof explorer->id, "%s/%" PRIu64 " (no crash, fault: %s)",
             explorer->site.engine, explorer->run, fault_names[explorer->play.fault]);
    for (i = 0; i < world.letter_count && world.trouble[0] == '\0'; i++) {
        const letter_t *letter = &world.letters[i];
        int r;
        for (r = 0; r < letter->count && letter->accepted >= 0; r++)
            if (world_served(letter->token, r, 0, INT32_MAX) == 0)
                world_trouble("letter %d, which was accepted, never reached %s", letter->token,
                              letter->recipients[r]);
    }
    if (world.trouble[0] != '\0')
        violation(explorer, NULL, NULL);
    world.trouble[0] = '\0';
}

static disk_t *make_run(explorer_t *explorer)
{
    disk_t *disk;
    set_up_run(explorer);
    disk = play(&explorer->site, &explorer->play);
    disk_mount(NULL);
    explorer->operations += (uint64_t)disk->op_count;
    return disk;
}

static void explore(explorer_t *explorer)
{
    while (!is_over(explorer)) {
        disk_t *disk = make_run(explorer);
        end_of_run(explorer);
        disk->plant = DISK_PLANT_NONE;
        explore_run(explorer, disk);
        disk_free(disk);
        explorer->run++;
        if (explorer->play.plant != DISK_PLANT_NONE && explorer->violations > 0)
            break;
    }
}

/* -- one state by its name --------------------------------------------------------------------- */

static void log_loudly(void)
{
    zm_log_options_t log = {.program = "zm-crash", .level = ZM_LOG_DEBUG};
    zm_log_open(&log, NULL);
}

static void judge_loudly(explorer_t *explorer, const disk_past_t *past, const crash_t *crash,
                         const disk_choice_t *choice, const char *further)
{
    disk_t *disk = disk_image(past, choice);
    crash_t again = *crash;
    disk_past_t *later;
    disk_choice_t next;
    int now;
    bool fine;
    show_trace(past, choice->names, past->now);
    if (further == NULL)
        log_loudly();
    fine = judge(&explorer->site, disk, crash, further != NULL);
    if (further != NULL && sscanf(further, "%d/%d/%" SCNu64, &now, &next.names, &next.data) == 3) {
        later = disk_past(disk);
        while (later->now < now && later->now < disk->op_count)
            disk_past_step(later);
        again.layers[again.layer_count++] = (layer_t){world.event_count, now};
        printf("-- and again\n");
        judge_loudly(explorer, later, &again, &next, NULL);
        disk_past_free(later);
    } else {
        printf("%s\n", fine ? "nothing is wrong with it" : world.trouble);
        explorer->violations += !fine;
    }
    disk_free(disk);
}

static bool show_state(explorer_t *explorer, const char *id)
{
    char model[20];
    disk_choice_t choice;
    disk_past_t *past;
    disk_t *disk;
    crash_t crash = {0};
    int now;
    const char *rest = strchr(id, '/');
    if (rest != NULL && strchr(rest + 1, '/') == NULL &&
        sscanf(rest, "/%" SCNu64, &explorer->run) == 1) {
        log_loudly();
        disk_free(make_run(explorer));
        end_of_run(explorer);
        return true;
    }
    if (rest == NULL || sscanf(rest, "/%" SCNu64 "/%19[a-z]/%d/%d/%" SCNu64, &explorer->run, model,
                               &now, &choice.names, &choice.data) != 5)
        return false;
    disk = make_run(explorer);
    disk->plant = DISK_PLANT_NONE;
    world.trouble[0] = '\0';
    past = disk_past(disk);
    while (past->now < now && past->now < disk->op_count)
        disk_past_step(past);
    at_moment(past, &crash);
    find_done(explorer, past, &crash);
    judge_loudly(explorer, past, &crash, &choice,
                 strchr(id, '+') != NULL ? strchr(id, '+') + 1 : NULL);
    disk_past_free(past);
    disk_free(disk);
    return true;
}

/* -- the program ------------------------------------------------------------------------------- */

static disk_plant_t plant_named(const char *name)
{
    static const char *const names[] = {"none", "no-dir-sync", "rename-before-sync", "ignore-eio"};
    int i;
    for (i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0)
            return (disk_plant_t)i;
    fprintf(stderr, "zm-crash: no mistake is named %s\n", name);
    exit(64);
}

static void usage(void)
{
    fprintf(stderr, "usage: zm-crash --engine native|emulated --share DIR --scratch DIR "
                    "[--seed N] [--states N] [--from RUN] [--plant NAME] [--state ID]\n");
    exit(64);
}

static const char *options_of(explorer_t *explorer, int argc, char **argv, const char **share)
{
    const char *state = NULL;
    int i;
    for (i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--engine") == 0)
            explorer->site.engine = value;
        else if (strcmp(argv[i], "--share") == 0)
            *share = value;
        else if (strcmp(argv[i], "--scratch") == 0)
            explorer->site.directory = value;
        else if (strcmp(argv[i], "--seed") == 0)
            explorer->seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--states") == 0)
            explorer->wanted = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--from") == 0)
            explorer->run = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--plant") == 0)
            explorer->play.plant = plant_named(value);
        else if (strcmp(argv[i], "--state") == 0)
            state = value;
        else
            usage();
    }
    if (i != argc || explorer->site.engine == NULL || *share == NULL ||
        explorer->site.directory == NULL)
        usage();
    return state;
}

static void open_log(void)
{
    zm_log_options_t log = {.program = "zm-crash", .file = "/dev/null", .level = ZM_LOG_ERROR};
    zm_log_open(&log, NULL);
}

int main(int argc, char **argv)
{
    explorer_t explorer = {.seed = 1, .wanted = 50000};
    const char *share = NULL, *state;
    apr_pool_t *pool;
    apr_time_t began;
    apr_app_initialize(&argc, (const char *const **)&argv, NULL);
    apr_pool_create(&pool, NULL);
    state = options_of(&explorer, argc, argv, &share);
    began = apr_time_now();
    explorer.room = explorer.wanted * 4 + 1000;
    explorer.seen = calloc(explorer.room, sizeof *explorer.seen);
    explorer.images = calloc(explorer.room, sizeof *explorer.images);
    open_log();
    if (explorer.seen == NULL || explorer.images == NULL || disk_vfs_register() != 0 ||
        !site_open(&explorer.site, explorer.site.engine, share, pool)) {
        fprintf(stderr, "zm-crash: cannot be set up\n");
        return 2;
    }
    if (state != NULL && !show_state(&explorer, state))
        usage();
    if (state == NULL) {
        explore(&explorer);
        printf("%s, seed %" PRIu64 ": %" PRIu64 " states judged (%" PRIu64
               " different disks, %" PRIu64 " after a second crash) of %" PRIu64
               " runs with %" PRIu64 " operations; %" PRIu64 " violations; %.1f s\n",
               explorer.site.engine, explorer.seed, explorer.judged, explorer.distinct_images,
               explorer.nested, explorer.run, explorer.operations, explorer.violations,
               (double)(apr_time_now() - began) / 1e6);
    }
    site_close(&explorer.site);
    world_end();
    disk_free_spare();
    free(explorer.seen);
    free(explorer.images);
    zm_log_close();
    apr_pool_destroy(pool);
    return explorer.violations == 0 ? 0 : 1;
}
