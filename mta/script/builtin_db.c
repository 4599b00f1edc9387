/* The db built-in: looking into relations and changing them. */

#include <string.h>

#include "mta/script/interp.h"

static int failed(zm_call_t *call, const zm_relation_entry_t *entry, const zm_error_t *error)
{
    if (error->status == ZM_E_LIMIT)
        zm_abort(call->script, "%s: %s", entry->name, error->text);
    if (error->status == ZM_E_UNSUPPORTED)
        zm_call_complain(call, "%s: relations of type %s have no such operation", entry->name,
                         zm_map_type(zm_relation_map(entry->relation)));
    else
        zm_call_complain(call, "%s: %s", entry->name, error->text);
    return 1;
}

static int add(zm_call_t *call, zm_relation_entry_t *entry)
{
    zm_error_t error = {0};
    zm_str_t key =
        zm_relation_fold(entry->relation, zm_call_arg(call, 2), call->script->arena.pool);
    if (call->count != 4) {
        zm_call_complain(call, "usage: db add relation key value");
        return 1;
    }
    error.status = zm_map_add(zm_relation_map(entry->relation), key, zm_call_arg(call, 3), &error);
    return error.status == APR_SUCCESS ? 0 : failed(call, entry, &error);
}

static int delete_key(zm_call_t *call, zm_relation_entry_t *entry)
{
    zm_error_t error = {0};
    zm_str_t key =
        zm_relation_fold(entry->relation, zm_call_arg(call, 2), call->script->arena.pool);
    if (call->count != 3) {
        zm_call_complain(call, "usage: db remove relation key");
        return 1;
    }
    error.status = zm_map_remove(zm_relation_map(entry->relation), key, &error);
    if (APR_STATUS_IS_ENOENT(error.status)) {
        zm_call_complain(call, "%s: has no key %.*s", entry->name, (int)key.length, key.data);
        return 1;
    }
    return error.status == APR_SUCCESS ? 0 : failed(call, entry, &error);
}

static int print_owner(zm_call_t *call, zm_relation_entry_t *entry)
{
    zm_error_t error = {0};
    zm_uid_t owner;
    error.status = zm_map_owner(zm_relation_map(entry->relation), &owner, &error);
    if (error.status != APR_SUCCESS)
        return failed(call, entry, &error);
    zm_call_print(call, "%" APR_INT64_T_FMT "\n", (apr_int64_t)owner);
    return 0;
}

static int print_count(zm_call_t *call, zm_relation_entry_t *entry)
{
    zm_error_t error = {0};
    uint64_t count;
    error.status = zm_map_count(zm_relation_map(entry->relation), &count, &error);
    if (error.status != APR_SUCCESS)
        return failed(call, entry, &error);
    zm_call_print(call, "%" APR_UINT64_T_FMT "\n", (apr_uint64_t)count);
    return 0;
}

static bool print_entry(void *baton, zm_str_t key, zm_str_t value)
{
    zm_call_t *call = baton;
    zm_call_write(call, key);
    if (value.data != NULL) {
        zm_call_write(call, ZM_S("\t"));
        zm_call_write(call, value);
    }
    zm_call_write(call, ZM_S("\n"));
    return zm_step(call->script);
}

static int print_all(zm_call_t *call, zm_relation_entry_t *entry)
{
    zm_error_t error = {0};
    error.status = zm_map_each(zm_relation_map(entry->relation), print_entry, call, &error);
    return error.status == APR_SUCCESS ? 0 : failed(call, entry, &error);
}

/* -- the table of contents ------------------------------------------------------------------ */

static const char *flags_of(const zm_relation_options_t *options, char *text)
{
    char *at = text;
    if (options->fold != 0)
        *at++ = (char)options->fold;
    if (options->post != ZM_POST_NONE)
        *at++ = options->post == ZM_POST_BOOLEAN   ? 'b'
                : options->post == ZM_POST_NONNULL ? 'n'
                                                   : 'i';
    if (options->check)
        *at++ = 'm';
    if (options->negative)
        *at++ = 'N';
    if (options->percent)
        *at++ = '%';
    if (at == text)
        *at++ = '-';
    *at = '\0';
    return text;
}

static int print_contents(zm_call_t *call)
{
    const zm_relation_entry_t *entry;
    for (entry = call->script->relations; entry != NULL; entry = entry->next) {
        const zm_relation_options_t *options = zm_relation_options(entry->relation);
        char flags[8];
        zm_call_print(call, "%-15s %s%s%s %" APR_SIZE_T_FMT "/%d %u %s %s\n", entry->name,
                      options->type, options->map.subtype == NULL ? "" : ",",
                      options->map.subtype == NULL ? "" : options->map.subtype,
                      zm_relation_cached(entry->relation), options->cache < 0 ? 0 : options->cache,
                      options->ttl, flags_of(options, flags),
                      options->map.file == NULL ? "-" : options->map.file);
    }
    return 0;
}

static int do_db(zm_call_t *call)
{
    zm_str_t command = zm_call_arg(call, 0), name = zm_call_arg(call, 1);
    char letter = command.length > 0 ? command.data[0] : '\0';
    zm_relation_entry_t *entry;
    if (letter == 't' || letter == 'i')
        return print_contents(call);
    if (letter == '\0' || strchr("ardfnopc", letter) == NULL || call->count < 2) {
        zm_call_complain(
            call, "usage: db add|remove|flush|owner|print|count|toc [relation [key [value]]]");
        return 1;
    }
    entry = zm_relation_find(call->script, name);
    if (entry == NULL) {
        zm_call_complain(call, "%.*s: no such relation", (int)name.length, name.data);
        return 2;
    }
    switch (letter) {
    case 'a':
        return add(call, entry);
    case 'r':
    case 'd':
        return delete_key(call, entry);
    case 'f':
    case 'n':
        if (zm_relation_flush(entry->relation) != ZM_E_UNSUPPORTED)
            return 0;
        zm_call_complain(call, "%.*s: a relation of this type keeps nothing but its cache",
                         (int)name.length, name.data);
        return 1;
    case 'o':
        return print_owner(call, entry);
    case 'p':
        return print_all(call, entry);
    default:
        return print_count(call, entry);
    }
}

void zm_builtin_db_define(zm_script_t *script)
{
    zm_script_define(script, "db", ZM_BUILTIN_ARGV, do_db, NULL);
}
