#include "mta/admin/freezer.h"

#include <apr_strings.h>
#include <apr_time.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/spool_commands.h"
#include "mta/admin/upkeep.h"
#include "mta/conf/options.h"
#include "mta/conf/site.h"
#include "spool/layout.h"
#include "spool/notify.h"

#define DAY 86400
/* So much of a message is read to tell its envelope. */
#define ENVELOPE_LIMIT 65536

typedef struct freezer_t {
    const zm_zenv_t *zenv;
    zm_spool_t *spool;
    bool json, quiet;
    int code;
    int64_t before; /* expire: what came earlier goes */
    int listed;
    apr_pool_t *pool;
} freezer_t;

static void fail(freezer_t *freezer, int code, const char *text)
{
    fprintf(stderr, "zmailer: %s\n", text);
    if (freezer->code == 0)
        freezer->code = code;
}

static void done(const freezer_t *freezer, const char *what, const char *name,
                 const zm_object_info_t *info)
{
    char id[ZM_SPOOL_ID_SIZE];
    zm_layout_spool_id(id, info->id, info->mtime_s, info->mtime_ns);
    upkeep_note(freezer->zenv, apr_psprintf(freezer->pool, "%s: %s %s", id, what, name));
    if (!freezer->quiet)
        printf("%s %s\n", what, name);
}

/* -- finding ----------------------------------------------------------------------- */

typedef void each_fn(freezer_t *freezer, const char *name, const zm_name_t *parts);

/* Calls fn for every message; names may go meanwhile. */
static void each_message(freezer_t *freezer, each_fn *fn)
{
    zm_listing_t *listing;
    const char *name;
    zm_name_t parts;
    apr_status_t status =
        zm_spool_list(&listing, freezer->spool, ZM_DIR_FREEZER, false, freezer->pool);
    char reason[200];
    if (status == APR_SUCCESS) {
        while ((status = zm_listing_next(listing, &name)) == APR_SUCCESS)
            if (zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS && parts.numeric)
                fn(freezer, name, &parts);
        zm_listing_close(listing);
    }
    if (!APR_STATUS_IS_ENOENT(status))
        fail(freezer, 1,
             apr_psprintf(freezer->pool, "cannot list the freezer: %s",
                          zm_status_text(status, reason, sizeof reason)));
}

/* "4711", "4711policy-1", "freezer/4711policy-1": the name in the spool; null after a complaint. */
static const char *find(freezer_t *freezer, const char *word, zm_object_info_t *info)
{
    zm_str_t wanted = zm_str(word);
    const char *name, *found = NULL;
    zm_listing_t *listing;
    zm_name_t parts;
    uint64_t number;
    bool is_number;
    if (zm_str_starts(wanted, ZM_S(ZM_DIR_FREEZER "/")))
        wanted = zm_str_from(wanted, sizeof ZM_DIR_FREEZER);
    is_number = zm_str_u64(wanted, &number) == APR_SUCCESS;
    if (zm_spool_list(&listing, freezer->spool, ZM_DIR_FREEZER, false, freezer->pool) ==
        APR_SUCCESS) {
        while (found == NULL && zm_listing_next(listing, &name) == APR_SUCCESS)
            if (zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS && parts.numeric &&
                (zm_str_equal(parts.leaf, wanted) || (is_number && parts.id == number)))
                found = apr_pstrdup(freezer->pool, name);
        zm_listing_close(listing);
    }
    if (found != NULL && zm_spool_info(info, freezer->spool, found) == APR_SUCCESS)
        return found;
    fail(freezer, SPOOL_NOINPUT,
         apr_psprintf(freezer->pool, "there is no %s in the freezer; see \"zmailer freezer list\"",
                      word));
    return NULL;
}

/* -- list ---------------------------------------------------------------------------- */

typedef struct envelope_t {
    const char *sender, *recipient;
    int recipients;
} envelope_t;

/* Who writes to whom, as far as the first lines tell. */
static void read_envelope(envelope_t *envelope, freezer_t *freezer, const char *name,
                          apr_pool_t *pool)
{
    apr_size_t length = ENVELOPE_LIMIT;
    char *data = apr_palloc(pool, length);
    zm_object_t *object;
    zm_str_t rest, line;
    bool more = true;
    memset(envelope, 0, sizeof *envelope);
    if (zm_object_open(&object, freezer->spool, name, ZM_OBJECT_READ) != APR_SUCCESS)
        return;
    if (zm_object_read(object, 0, data, &length) != APR_SUCCESS)
        length = 0;
    zm_object_close(object);
    rest = zm_str_of(data, length);
    while (more && (more = zm_str_cut(rest, '\n', &line, &rest))) {
        if (zm_str_starts(line, ZM_S("env-e")))
            break;
        if (zm_str_starts(line, ZM_S("from ")))
            envelope->sender = zm_str_c(pool, zm_str_from(line, 5));
        else if (zm_str_starts(line, ZM_S("channel error")))
            envelope->sender = "<>";
        else if (zm_str_starts(line, ZM_S("to ")) && envelope->recipients++ == 0)
            envelope->recipient = zm_str_c(pool, zm_str_from(line, 3));
    }
}

static void print_json(const freezer_t *freezer, const char *name, const zm_name_t *parts,
                       const zm_object_info_t *info, const envelope_t *envelope)
{
    char id[ZM_SPOOL_ID_SIZE];
    zm_layout_spool_id(id, info->id, info->mtime_s, info->mtime_ns);
    printf("%s{\"name\":", freezer->listed > 0 ? ",\n " : "");
    spool_json_string(name);
    spool_json_number("id", parts->id);
    spool_json_text("spool_id", id);
    spool_json_number("size", info->size);
    printf(",\"arrived\":%lld", (long long)info->mtime_s);
    if (envelope->sender != NULL)
        spool_json_text("sender", envelope->sender);
    if (envelope->recipient != NULL)
        spool_json_text("recipient", envelope->recipient);
    spool_json_number("recipients", (uint64_t)envelope->recipients);
    printf("}");
}

static void print_line(const char *name, const zm_object_info_t *info, const envelope_t *envelope)
{
    apr_time_exp_t at;
    apr_size_t length = 0;
    char when[40] = "?";
    if (apr_time_exp_gmt(&at, apr_time_from_sec(info->mtime_s)) == APR_SUCCESS)
        apr_strftime(when, &length, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &at);
    printf("%s %9llu ", when, (unsigned long long)info->size);
    spool_print_shown(name);
    printf("  ");
    spool_print_shown(envelope->sender ? envelope->sender : "?");
    printf(" -> ");
    spool_print_shown(envelope->recipient ? envelope->recipient : "?");
    if (envelope->recipients > 1)
        printf(" and %d more", envelope->recipients - 1);
    printf("\n");
}

static void list_one(freezer_t *freezer, const char *name, const zm_name_t *parts)
{
    zm_object_info_t info;
    envelope_t envelope;
    apr_pool_t *pool;
    if (zm_spool_info(&info, freezer->spool, name) != APR_SUCCESS ||
        apr_pool_create(&pool, freezer->pool) != APR_SUCCESS)
        return;
    read_envelope(&envelope, freezer, name, pool);
    if (freezer->json)
        print_json(freezer, name, parts, &info, &envelope);
    else
        print_line(name, &info, &envelope);
    freezer->listed++;
    apr_pool_destroy(pool);
}

static void list(freezer_t *freezer)
{
    if (freezer->json)
        printf("[");
    each_message(freezer, list_one);
    if (freezer->json)
        printf("]\n");
    else if (freezer->listed == 0 && !freezer->quiet)
        printf("the freezer is empty\n");
}

/* -- the others ------------------------------------------------------------------------ */

static void show(freezer_t *freezer, const char *word)
{
    zm_object_info_t info;
    zm_object_t *object;
    uint64_t offset = 0;
    char buffer[16384];
    apr_size_t length = sizeof buffer;
    const char *name = find(freezer, word, &info);
    apr_status_t status;
    char reason[200];
    if (name == NULL)
        return;
    status = zm_object_open(&object, freezer->spool, name, ZM_OBJECT_READ);
    if (status == APR_SUCCESS) {
        while ((status = zm_object_read(object, offset, buffer, &length)) == APR_SUCCESS) {
            fwrite(buffer, 1, length, stdout);
            offset += length;
            length = sizeof buffer;
        }
        zm_object_close(object);
    }
    if (!APR_STATUS_IS_EOF(status))
        fail(freezer, 1,
             apr_psprintf(freezer->pool, "cannot read %s: %s", name,
                          zm_status_text(status, reason, sizeof reason)));
}

static void release(freezer_t *freezer, const char *word)
{
    zm_object_info_t info;
    const char *name = find(freezer, word, &info), *leaf;
    apr_status_t status;
    char reason[200];
    if (name == NULL)
        return;
    leaf = apr_psprintf(freezer->pool, "%" APR_UINT64_T_FMT, info.id);
    status = zm_spool_rename(freezer->spool, name,
                             apr_pstrcat(freezer->pool, ZM_DIR_ROUTER "/", leaf, NULL));
    if (status != APR_SUCCESS) {
        fail(freezer, 1,
             apr_psprintf(freezer->pool, "cannot release %s: %s", name,
                          zm_status_text(status, reason, sizeof reason)));
        return;
    }
    zm_notify_send(zm_site_path(freezer->zenv, "ROUTERNOTIFY", ".router.notify", freezer->pool),
                   ZM_DIR_ROUTER, leaf);
    done(freezer, "released", name, &info);
}

static void remove_one(freezer_t *freezer, const char *name, const zm_object_info_t *info)
{
    apr_status_t status = zm_spool_unlink(freezer->spool, name);
    char reason[200];
    if (status == APR_SUCCESS)
        done(freezer, "deleted", name, info);
    else
        fail(freezer, 1,
             apr_psprintf(freezer->pool, "cannot delete %s: %s", name,
                          zm_status_text(status, reason, sizeof reason)));
}

static void delete (freezer_t *freezer, const char *word)
{
    zm_object_info_t info;
    const char *name = find(freezer, word, &info);
    if (name != NULL)
        remove_one(freezer, name, &info);
}

static void expire_one(freezer_t *freezer, const char *name, const zm_name_t *parts)
{
    zm_object_info_t info;
    (void)parts;
    if (zm_spool_info(&info, freezer->spool, name) == APR_SUCCESS && info.mtime_s < freezer->before)
        remove_one(freezer, name, &info);
}

static void expire(freezer_t *freezer, const char *word)
{
    uint64_t days;
    if (zm_str_u64(zm_str(word), &days) != APR_SUCCESS || days > 36500) {
        fail(freezer, ZM_EXIT_USAGE,
             apr_psprintf(freezer->pool, "expire: \"%s\" is no number of days", word));
        return;
    }
    freezer->before = apr_time_sec(apr_time_now()) - (int64_t)days * DAY;
    each_message(freezer, expire_one);
}

int freezer_command(const char *const *words, int count, const zm_zenv_t *zenv, bool json,
                    bool quiet, apr_pool_t *pool)
{
    static const struct {
        const char *word;
        void (*run)(freezer_t *freezer, const char *operand);
        int most; /* operands, of which there must be one */
    } commands[] = {{"show", show, 1000000},
                    {"release", release, 1000000},
                    {"delete", delete, 1000000},
                    {"expire", expire, 1}};
    freezer_t freezer = {.zenv = zenv, .json = json, .quiet = quiet, .pool = pool};
    const char *word = count > 0 ? words[0] : "";
    zm_error_t error = {0};
    apr_size_t i;
    int k;
    for (i = 0; i < 4 && strcmp(word, commands[i].word) != 0; i++)
        ;
    if (i < 4 ? count < 2 || count - 1 > commands[i].most
              : count != 1 || strcmp(word, "list") != 0) {
        fprintf(stderr, "zmailer: usage: zmailer freezer list | show NAME ... | release NAME ... | "
                        "delete NAME ... | expire DAYS\n");
        return ZM_EXIT_USAGE;
    }
    if (zm_site_spool(&freezer.spool, zenv, NULL, pool, &error) != APR_SUCCESS)
        return spool_fail(&error);
    if (i == 4)
        list(&freezer);
    for (k = 1; i < 4 && k < count; k++)
        commands[i].run(&freezer, words[k]);
    zm_spool_close(freezer.spool);
    return freezer.code;
}
