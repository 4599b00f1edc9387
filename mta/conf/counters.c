#include "mta/conf/counters.h"

#include <apr_mmap.h>
#include <apr_strings.h>
#include <stdatomic.h>
#include <string.h>

#include "platform/child.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/machine.h"

/* Of the shared memory of original programs. */
#define FOREIGN_MAGIC 0x33120006u
#define VALUE_COLUMN 42

typedef struct head_t {
    uint32_t magic, count;
    int64_t made;
    char reserved[16];
} head_t;

typedef struct segment_t {
    head_t head;
    _Atomic int64_t values[ZM_COUNTERS];
} segment_t;

struct zm_counters_t {
    segment_t *segment;
    bool shared;
};

static const struct {
    const char *name;
} names[ZM_COUNTERS + 1] = {
#define ZM_COUNTER(id, name) {name},
#define ZM_COUNTER_GROUP
#include "mta/conf/counter_names.h"
#undef ZM_COUNTER
#undef ZM_COUNTER_GROUP
    {""}};

const char *zm_counter_name(zm_counter_t counter)
{
    return counter < ZM_COUNTERS ? names[counter].name : "";
}

/* -- the file ------------------------------------------------------------------------------ */

static bool is_foreign(const char *path, apr_pool_t *pool)
{
    zm_file_t *file;
    uint32_t magic = 0;
    apr_size_t length = sizeof magic;
    bool foreign;

    if (zm_file_open(&file, NULL, path, ZM_OPEN_READ, 0, pool) != APR_SUCCESS)
        return false;
    foreign = zm_file_read_at(file, 0, &magic, &length) == APR_SUCCESS && length == sizeof magic &&
              magic == FOREIGN_MAGIC;
    zm_file_close(file);
    return foreign;
}

static const char *path_of(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    const char *path = zm_zenv_get_or(zenv, "SNMPSHAREDFILE", NULL);
    if (path != NULL && path[0] != '\0' && !is_foreign(path, pool))
        return path;
    return apr_pstrcat(pool, zm_zenv_postoffice(zenv), "/.zmailer.counters", NULL);
}

/* A whole new file under a name of its own, then in its place: nobody sees half of one. */
static apr_status_t make_file(const char *path, apr_pool_t *pool)
{
    const char *scratch =
        apr_psprintf(pool, "%s.%" APR_INT64_T_FMT, path, (apr_int64_t)zm_process_own());
    segment_t *empty = apr_pcalloc(pool, sizeof *empty);
    zm_file_t *file;
    apr_status_t status = zm_file_open(
        &file, NULL, scratch, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE, 0664, pool);

    if (status != APR_SUCCESS)
        return status;
    empty->head.magic = ZM_COUNTERS_MAGIC;
    empty->head.count = ZM_COUNTERS;
    empty->head.made = apr_time_sec(zm_clock_wall());
    status = zm_file_write_at(file, 0, empty, sizeof *empty);
    zm_file_close(file);
    if (status == APR_SUCCESS)
        status = zm_file_replace(NULL, scratch, NULL, path);
    else
        zm_file_unlink(NULL, scratch);
    return status;
}

static segment_t *map_file(const char *path, apr_pool_t *pool)
{
    apr_file_t *file;
    apr_finfo_t info;
    apr_mmap_t *map;
    segment_t *segment;

    if (apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_WRITE | APR_FOPEN_BINARY, 0, pool) !=
        APR_SUCCESS)
        return NULL;
    if (apr_file_info_get(&info, APR_FINFO_SIZE, file) != APR_SUCCESS ||
        (apr_uint64_t)info.size != sizeof *segment ||
        apr_mmap_create(&map, file, 0, sizeof *segment, APR_MMAP_READ | APR_MMAP_WRITE, pool) !=
            APR_SUCCESS) {
        apr_file_close(file);
        return NULL;
    }
    apr_file_close(file);
    segment = map->mm;
    return segment->head.magic == ZM_COUNTERS_MAGIC && segment->head.count == ZM_COUNTERS ? segment
                                                                                          : NULL;
}

zm_counters_t *zm_counters_open(const zm_zenv_t *zenv, bool make, apr_pool_t *pool)
{
    zm_counters_t *counters = apr_pcalloc(pool, sizeof *counters);
    const char *path = path_of(zenv, pool);

    counters->segment = map_file(path, pool);
    if (counters->segment == NULL && make && make_file(path, pool) == APR_SUCCESS)
        counters->segment = map_file(path, pool);
    counters->shared = counters->segment != NULL;
    if (counters->segment == NULL) {
        counters->segment = apr_pcalloc(pool, sizeof *counters->segment);
        counters->segment->head.made = apr_time_sec(zm_clock_wall());
    }
    return counters;
}

zm_counters_t *zm_counters_read(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    zm_counters_t *counters = apr_pcalloc(pool, sizeof *counters);
    segment_t *segment;
    apr_size_t length;
    char *data;

    if (zm_file_slurp(&data, &length, path_of(zenv, pool), 2 * sizeof *segment, pool) !=
            APR_SUCCESS ||
        length != sizeof *segment)
        return NULL;
    segment = apr_palloc(pool, sizeof *segment);
    memcpy(segment, data, sizeof *segment);
    counters->segment = segment;
    return segment->head.magic == ZM_COUNTERS_MAGIC && segment->head.count == ZM_COUNTERS ? counters
                                                                                          : NULL;
}

bool zm_counters_shared(const zm_counters_t *counters)
{
    return counters->shared;
}

/* -- counting ------------------------------------------------------------------------------ */

void zm_counter_add(zm_counters_t *counters, zm_counter_t counter, int64_t more)
{
    if (counters != NULL && counter < ZM_COUNTERS)
        atomic_fetch_add_explicit(&counters->segment->values[counter], more, memory_order_relaxed);
}

void zm_counter_set(zm_counters_t *counters, zm_counter_t counter, int64_t value)
{
    if (counters != NULL && counter < ZM_COUNTERS)
        atomic_store_explicit(&counters->segment->values[counter], value, memory_order_relaxed);
}

int64_t zm_counter_get(const zm_counters_t *counters, zm_counter_t counter)
{
    if (counters == NULL || counter >= ZM_COUNTERS)
        return 0;
    return atomic_load_explicit(&counters->segment->values[counter], memory_order_relaxed);
}

void zm_counters_started(zm_counters_t *counters, zm_counter_t pid)
{
    zm_counter_set(counters, pid, zm_process_own());
    zm_counter_set(counters, (zm_counter_t)(pid + 1), apr_time_sec(zm_clock_wall()));
    zm_counter_add(counters, (zm_counter_t)(pid + 2), 1);
}

zm_counter_t zm_counter_of_agent(const char *name, zm_agent_counter_t which)
{
    static const struct {
        const char *name;
        zm_counter_t first, recipients;
    } agents[] = {
        {"smtp", ZM_COUNT_TA_SMTP_TaProcessStarts, ZM_COUNT_TA_SMTP_RcptsOk},
        {"sm", ZM_COUNT_TA_SMCM_TaProcessStarts, ZM_COUNT_TA_SMCM_RcptsOk},
        {"mailbox", ZM_COUNT_TA_MBOX_TaProcessStarts, ZM_COUNT_TA_MBOX_RcptsOk},
        {"hold", ZM_COUNT_TA_HOLD_TaProcessStarts, ZM_COUNT_TA_HOLD_RcptsOk},
        {"errormail", ZM_COUNT_TA_ERRM_TaProcessStarts, ZM_COUNT_TA_ERRM_RcptsOk},
        {"expirer", ZM_COUNT_TA_EXPI_TaProcessStarts, ZM_COUNT_TA_EXPI_RcptsOk},
        {"reroute", ZM_COUNT_TA_RERT_TaProcessStarts, ZM_COUNT_TA_RERT_RcptsOk},
    };
    apr_size_t i;
    for (i = 0; i < sizeof agents / sizeof agents[0]; i++)
        if (strcmp(agents[i].name, name) == 0)
            return (zm_counter_t)(which < ZM_AGENT_RECIPIENTS_OK
                                      ? (int)agents[i].first + (int)which
                                      : (int)agents[i].recipients + (int)which -
                                            (int)ZM_AGENT_RECIPIENTS_OK);
    return ZM_COUNTERS;
}

/* -- the listing --------------------------------------------------------------------------- */

/* NAME, blanks, and the value so that it ends in column 42. */
static void add_line(zm_buf_t *out, const char *name, const char *value)
{
    int width = VALUE_COLUMN - (int)strlen(name);
    zm_buf_printf(out, "%s%*s", name, width > 1 ? width : 1, value);
}

static int64_t value_of(const zm_counters_t *counters, zm_counter_t counter)
{
    if (counter == ZM_COUNT_Time_now)
        return apr_time_sec(zm_clock_wall());
    if (counter == ZM_COUNT_Block_creation_time)
        return counters->segment->head.made;
    return zm_counter_get(counters, counter);
}

static bool names_a_process(const char *name)
{
    apr_size_t length = strlen(name);
    return length > 3 && strcmp(name + length - 3, "PID") == 0;
}

#define VALUE_SIZE 40

static const char *value_text(char text[VALUE_SIZE], const zm_counters_t *counters,
                              zm_counter_t counter)
{
    bool first = counter == ZM_COUNT_SYS_Load_Avg_1_min_G;
    double one = 0, five = 0;

    if (!first && counter != ZM_COUNT_SYS_Load_Avg_5_min_G) {
        apr_snprintf(text, VALUE_SIZE, "%" APR_INT64_T_FMT,
                     (apr_int64_t)value_of(counters, counter));
        return text;
    }
    if (zm_machine_loads(&one, &five) != APR_SUCCESS)
        one = five = 0;
    apr_snprintf(text, VALUE_SIZE, "%.2f", first ? one : five);
    return text;
}

void zm_counter_print(zm_buf_t *out, const zm_counters_t *counters, zm_counter_t counter)
{
    char text[VALUE_SIZE];
    zm_buf_add_c(out, value_text(text, counters, counter));
}

static void add_counter(zm_buf_t *out, const zm_counters_t *counters, zm_counter_t counter)
{
    int64_t value = value_of(counters, counter);
    char text[VALUE_SIZE];

    add_line(out, names[counter].name, value_text(text, counters, counter));
    if (names_a_process(names[counter].name) && value > 0 && !zm_process_alive(value))
        zm_buf_add_c(out, " NOT PRESENT!");
    zm_buf_add_byte(out, '\n');
}

void zm_counters_print(zm_buf_t *out, const zm_counters_t *counters)
{
    zm_buf_printf(out, "ZMailer SHM segment dump; Magic=0x%08X\n", ZM_COUNTERS_MAGIC);
#define ZM_COUNTER(id, name) add_counter(out, counters, ZM_COUNT_##id);
#define ZM_COUNTER_GROUP zm_buf_add_byte(out, '\n');
#include "mta/conf/counter_names.h"
#undef ZM_COUNTER
#undef ZM_COUNTER_GROUP
}
