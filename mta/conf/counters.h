/**
 * Counters of the whole system, in a file that all programs map.
 *
 * The file is $POSTOFFICE/.zmailer.counters, or what SNMPSHAREDFILE names,
 * unless that is a segment of the original ZMailer, which is left alone.  It
 * begins with a head of 32 octets,
 *
 *     0  32 bits  ZM_COUNTERS_MAGIC, in the order of octets of the machine
 *     4  32 bits  number of counters
 *     8  64 bits  when it was made, Unix seconds
 *     16 16 octets of zero
 *
 * and holds 64 bits for each counter after that, in the order of
 * counter_names.h.  A file of another size is replaced by the first daemon
 * that finds it.  Counters are changed without locks.  A program that cannot
 * map the file counts in memory of its own.
 */
#ifndef ZM_MTA_CONF_COUNTERS_H
#define ZM_MTA_CONF_COUNTERS_H

#include "mta/conf/zenv.h"

#define ZM_COUNTERS_MAGIC 0x34000002u

/** ZM_COUNT_SC_ReceivedMessages and so on; the names are those of the listing with '_' for what is
 * neither letter nor digit. */
typedef enum zm_counter_t {
#define ZM_COUNTER(id, name) ZM_COUNT_##id,
#define ZM_COUNTER_GROUP
#include "mta/conf/counter_names.h"
#undef ZM_COUNTER
#undef ZM_COUNTER_GROUP
    ZM_COUNTERS
} zm_counter_t;

typedef struct zm_counters_t zm_counters_t;

/** What agents count, each program for itself. */
typedef enum zm_agent_counter_t {
    ZM_AGENT_STARTS,
    ZM_AGENT_PROCESSES,
    ZM_AGENT_IDLE_STATES,
    ZM_AGENT_MESSAGES,
    ZM_AGENT_DELIVERY_STARTS,
    ZM_AGENT_RECIPIENTS_OK,
    ZM_AGENT_RECIPIENTS_RETRY,
    ZM_AGENT_RECIPIENTS_FAIL
} zm_agent_counter_t;
/** The counter of the agent "smtp", "mailbox", ...; ZM_COUNTERS for one that has none. */
zm_counter_t zm_counter_of_agent(const char *name, zm_agent_counter_t which);

/**
 * Maps the counters of a site.  make: makes the file when it is not there, which
 * only daemons do.  Never fails: without a file the counters are our own.
 */
zm_counters_t *zm_counters_open(const zm_zenv_t *zenv, bool make, apr_pool_t *pool);
/** The counters as they are now, for those who may only read them; null: they cannot be read. */
zm_counters_t *zm_counters_read(const zm_zenv_t *zenv, apr_pool_t *pool);
/** Whether others see what is counted. */
bool zm_counters_shared(const zm_counters_t *counters);

void zm_counter_add(zm_counters_t *counters, zm_counter_t counter,
                    int64_t more); /**< null allowed */
void zm_counter_set(zm_counters_t *counters, zm_counter_t counter, int64_t value);
int64_t zm_counter_get(const zm_counters_t *counters, zm_counter_t counter);

/** This process has started: its number, the time, and one start more, in three counters that begin
 * with pid (ZM_COUNT_SYS_RouterMasterPID, ...). */
void zm_counters_started(zm_counters_t *counters, zm_counter_t pid);

/** Its name in the listing; "" for none. */
const char *zm_counter_name(zm_counter_t counter);

/** Appends its value as the listing has it: the time now and the load averages too. */
void zm_counter_print(zm_buf_t *out, const zm_counters_t *counters, zm_counter_t counter);

/** The listing: a first line, then a line for each counter, with empty lines between groups. */
void zm_counters_print(zm_buf_t *out, const zm_counters_t *counters);

#endif
