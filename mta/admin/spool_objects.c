#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/spool_commands.h"
#include "platform/clock.h"
#include "spool/layout.h"

#define PIECE 65536
#define PROGRESS_EVERY 1000

/* -- what an object is ------------------------------------------------------------------- */

static const char *time_text(int64_t seconds, char *buffer, apr_size_t size)
{
    apr_time_exp_t at;
    apr_size_t length = 0;
    if (apr_time_exp_gmt(&at, apr_time_from_sec(seconds)) != APR_SUCCESS ||
        apr_strftime(buffer, &length, size, "%Y-%m-%dT%H:%M:%SZ", &at) != APR_SUCCESS)
        apr_cpystrn(buffer, "?", size);
    return buffer;
}

static void print_json(const char *name, const zm_object_info_t *info)
{
    char id[ZM_SPOOL_ID_SIZE];
    zm_layout_spool_id(id, info->id, info->mtime_s, info->mtime_ns);
    printf("{\"name\":");
    spool_json_string(name);
    spool_json_number("id", info->id);
    spool_json_text("spool_id", id);
    spool_json_number("size", info->size);
    printf(",\"mtime\":%lld.%09u", (long long)info->mtime_s, (unsigned)info->mtime_ns);
    spool_json_number("links", info->links);
    printf(",\"mode\":\"%04o\",\"uid\":%lld,\"gid\":%lld}", (unsigned)info->mode,
           (long long)info->uid, (long long)info->gid);
}

static void print_long(const char *name, const zm_object_info_t *info)
{
    char when[40];
    printf("%04o %2u %6lld %6lld %10llu %s %s\n", (unsigned)info->mode, (unsigned)info->links,
           (long long)info->uid, (long long)info->gid, (unsigned long long)info->size,
           time_text(info->mtime_s, when, sizeof when), name);
}

static void print_stat(const char *name, const zm_object_info_t *info)
{
    char when[40], id[ZM_SPOOL_ID_SIZE];
    zm_layout_spool_id(id, info->id, info->mtime_s, info->mtime_ns);
    printf("%s\n  number %llu, spool id %s\n  %llu bytes, arrived %s\n"
           "  mode %04o, owner %lld:%lld, %u name%s\n",
           name, (unsigned long long)info->id, id, (unsigned long long)info->size,
           time_text(info->mtime_s, when, sizeof when), (unsigned)info->mode, (long long)info->uid,
           (long long)info->gid, (unsigned)info->links, info->links == 1 ? "" : "s");
}

/* -- stat ---------------------------------------------------------------------------------- */

static int stat_objects(spool_command_t *command, zm_spool_t *spool)
{
    int i, code = 0;
    bool any = false;
    if (command->json)
        printf("[");
    for (i = 0; i < command->argc; i++) {
        zm_object_info_t info;
        apr_status_t status = zm_spool_info(&info, spool, command->argv[i]);
        if (status != APR_SUCCESS) {
            code = spool_fail_status(status, "look at", command->argv[i]);
            continue;
        }
        if (command->json)
            printf("%s", any ? "," : "");
        any = true;
        if (command->json)
            print_json(command->argv[i], &info);
        else
            print_stat(command->argv[i], &info);
    }
    if (command->json)
        printf("]\n");
    return code;
}

typedef struct sum_t {
    uint64_t names, bytes;
    int64_t oldest;
} sum_t;

static apr_status_t add_up(sum_t *sum, zm_spool_t *spool, const char *directory,
                           const spool_command_t *command)
{
    zm_listing_t *listing;
    const char *name;
    const char *doing = apr_psprintf(command->pool, "%s: counted", directory);
    apr_time_t last = zm_clock_monotonic();
    apr_status_t status = zm_spool_list(&listing, spool, directory, true, command->pool);
    if (status != APR_SUCCESS)
        return status;
    while ((status = zm_listing_next(listing, &name)) == APR_SUCCESS) {
        zm_object_info_t info;
        if (zm_spool_info(&info, spool, name) != APR_SUCCESS)
            continue; /* gone meanwhile, or none of ours */
        if (++sum->names % PROGRESS_EVERY == 0)
            spool_tell_progress(command, doing, sum->names, &last);
        sum->bytes += info.size;
        if (sum->oldest == 0 || info.mtime_s < sum->oldest)
            sum->oldest = info.mtime_s;
    }
    zm_listing_close(listing);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

static void print_sum(const spool_command_t *command, const char *directory, const sum_t *sum,
                      bool first)
{
    char when[40] = "";
    if (command->json) {
        printf("%s{\"name\":", first ? "" : ",");
        spool_json_string(directory);
        spool_json_number("objects", sum->names);
        spool_json_number("bytes", sum->bytes);
        if (sum->oldest != 0)
            printf(",\"oldest\":%lld", (long long)sum->oldest);
        printf("}");
        return;
    }
    if (sum->oldest != 0)
        time_text(sum->oldest, when, sizeof when);
    printf("%-12s %10llu objects %15llu bytes%s%s\n", directory, (unsigned long long)sum->names,
           (unsigned long long)sum->bytes, sum->oldest != 0 ? ", oldest " : "", when);
}

static int stat_spool(spool_command_t *command, zm_spool_t *spool)
{
    uint64_t bytes = 0, objects = 0;
    apr_array_header_t *names;
    int i;
    apr_status_t status = zm_spool_free_space(spool, &bytes, &objects);
    if (status == APR_SUCCESS)
        status = zm_spool_directories(&names, spool, command->pool);
    if (status != APR_SUCCESS)
        return spool_fail_status(status, "examine", zm_spool_location(spool));
    if (command->json) {
        printf("{\"spool\":");
        spool_json_string(zm_spool_location(spool));
        spool_json_text("engine", zm_spool_engine_name(spool));
        spool_json_number("free_bytes", bytes);
        if (objects != UINT64_MAX)
            spool_json_number("free_objects", objects);
        printf(",\"directories\":[");
    } else {
        printf("%s: engine %s, %llu MB free", zm_spool_location(spool), zm_spool_engine_name(spool),
               (unsigned long long)(bytes / 1000000));
        if (objects != UINT64_MAX)
            printf(", room for %llu objects", (unsigned long long)objects);
        printf("\n");
    }
    for (i = 0; i < names->nelts; i++) {
        const char *directory = APR_ARRAY_IDX(names, i, const char *);
        sum_t sum = {0};
        status = add_up(&sum, spool, directory, command);
        if (status != APR_SUCCESS)
            return spool_fail_status(status, "list", directory);
        print_sum(command, directory, &sum, i == 0);
    }
    if (command->json)
        printf("]}\n");
    return 0;
}

int spool_stat(spool_command_t *command)
{
    int code = 0;
    zm_spool_t *spool = spool_open(command, NULL, &code);
    if (spool == NULL)
        return code;
    code = command->argc > 0 ? stat_objects(command, spool) : stat_spool(command, spool);
    zm_spool_close(spool);
    return code;
}

/* -- ls -------------------------------------------------------------------------------------- */

static int list_directory(spool_command_t *command, zm_spool_t *spool, const char *directory,
                          bool *any)
{
    zm_listing_t *listing;
    const char *name;
    apr_status_t status = zm_spool_list(&listing, spool, directory, true, command->pool);
    if (status != APR_SUCCESS)
        return spool_fail_status(status, "list", directory);
    while ((status = zm_listing_next(listing, &name)) == APR_SUCCESS) {
        zm_object_info_t info;
        if ((command->json || command->details) && zm_spool_info(&info, spool, name) != APR_SUCCESS)
            continue;
        if (command->json) {
            printf("%s\n", *any ? "," : "");
            print_json(name, &info);
        } else if (command->details) {
            print_long(name, &info);
        } else {
            printf("%s\n", name);
        }
        *any = true;
    }
    zm_listing_close(listing);
    return APR_STATUS_IS_ENOENT(status) ? 0 : spool_fail_status(status, "list", directory);
}

static int list_directories(spool_command_t *command, zm_spool_t *spool)
{
    apr_array_header_t *names;
    int i;
    apr_status_t status = zm_spool_directories(&names, spool, command->pool);
    if (status != APR_SUCCESS)
        return spool_fail_status(status, "list", zm_spool_location(spool));
    for (i = 0; i < names->nelts; i++) {
        if (command->json)
            printf("%s", i > 0 ? "," : "");
        if (command->json)
            spool_json_string(APR_ARRAY_IDX(names, i, const char *));
        else
            printf("%s\n", APR_ARRAY_IDX(names, i, const char *));
    }
    return 0;
}

int spool_ls(spool_command_t *command)
{
    int i, one, code = 0;
    bool any = false;
    zm_spool_t *spool = spool_open(command, NULL, &code);
    if (spool == NULL)
        return code;
    if (command->json)
        printf("[");
    if (command->argc == 0)
        code = list_directories(command, spool);
    for (i = 0; i < command->argc; i++) {
        one = list_directory(command, spool, command->argv[i], &any);
        code = code != 0 ? code : one;
    }
    if (command->json)
        printf("]\n");
    zm_spool_close(spool);
    return code;
}

/* -- cat --------------------------------------------------------------------------------------- */

static int cat_one(zm_spool_t *spool, const char *name)
{
    static char piece[PIECE];
    zm_object_t *object;
    uint64_t offset = 0;
    apr_status_t status = zm_object_open(&object, spool, name, ZM_OBJECT_READ);
    if (status != APR_SUCCESS)
        return spool_fail_status(status, "open", name);
    for (;;) {
        apr_size_t length = sizeof piece;
        status = zm_object_read(object, offset, piece, &length);
        if (status != APR_SUCCESS)
            break;
        if (fwrite(piece, 1, length, stdout) != length)
            break;
        offset += length;
    }
    zm_object_close(object);
    if (status == APR_SUCCESS || fflush(stdout) != 0) {
        fprintf(stderr, "zmailer: cannot write to standard output\n");
        return SPOOL_IOERR;
    }
    return APR_STATUS_IS_EOF(status) ? 0 : spool_fail_status(status, "read", name);
}

int spool_cat(spool_command_t *command)
{
    int i, one, code = 0;
    zm_spool_t *spool = spool_open(command, NULL, &code);
    if (spool == NULL)
        return code;
    for (i = 0; i < command->argc; i++) {
        one = cat_one(spool, command->argv[i]);
        code = code != 0 ? code : one;
    }
    zm_spool_close(spool);
    return code;
}
