/**
 * The explorer: runs that are recorded (play.c), states of the disk after a
 * crash (explore.c), and what is demanded of each (judge.c).
 */
#ifndef ZM_TESTS_CRASH_EXPLORE_H
#define ZM_TESTS_CRASH_EXPLORE_H

#include "tests/crash/system.h"

/** What is put into a run besides letters. */
typedef struct play_t {
    uint64_t seed;
    disk_model_t model;
    disk_plant_t plant;
    disk_fault_t fault;
    int steps;
} play_t;

/** Records a run; null when even without a crash something went wrong (world.trouble says what). */
disk_t *play(site_t *site, const play_t *play);
/** Routes and delivers until the spool is empty, or says in world.trouble what stays. */
void play_out(system_t *system);
/** The point in time at which runs begin, and at which crashed systems start again. */
void play_clock(int hours);

/** Which events have happened: up to the event of that index, those up to that operation. */
typedef struct layer_t {
    int events, operations;
} layer_t;

#define LAYERS 3

/** A crash: how much of the world had happened, and what the disk surely knows of it. */
typedef struct crash_t {
    layer_t layers[LAYERS];
    int layer_count;
    uint32_t done[LETTERS]; /**< bit r: durably recorded that recipient r was served */
} crash_t;

/** Starts a system on a disk as a crash left it and looks at everything.  False: world.trouble. */
bool judge(site_t *site, disk_t *disk, const crash_t *crash, bool record);
/** What a disk records as done; the disk is what is durable at least. */
void judge_done(site_t *site, disk_t *disk, crash_t *crash);
/** A fingerprint of what was promised. */
uint64_t judge_promises(const crash_t *crash);

#endif
