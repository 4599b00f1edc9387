#include <apr_strings.h>
#include <string.h>

#include "spool/control.h"
#include "spool/internal.h"
#include "spool/layout.h"

/*
 * queue/ and transport/ hold pairs: a message and, under the same name, what
 * became of its routing.  What a pair lacks is judged by recovery's own rules, so
 * check announces what the router would do at its next start.
 */

#define CONTROL_LIMIT (256 * 1024 * 1024)

typedef struct pair_t {
    zm_checking_t *checking;
    apr_pool_t *pool;
    const char *name; /* as it was found */
    zm_name_t parts;
    const char *target; /* of a move */
    uint64_t offset;    /* of a recipient */
} pair_t;

static bool exists(const pair_t *pair, const char *name)
{
    zm_object_info_t info;
    return zm_spool_info(&info, pair->checking->spool, name) == APR_SUCCESS;
}

/* The name with another directory and hash. */
static const char *elsewhere(const pair_t *pair, const char *directory, const char *prefix)
{
    return apr_psprintf(pair->pool, "%s/%s%.*s", directory, prefix, (int)pair->parts.leaf.length,
                        pair->parts.leaf.data);
}

static const char *beside(const pair_t *pair, const char *directory)
{
    return elsewhere(pair, directory, zm_str_c(pair->pool, pair->parts.prefix));
}

static void tell(pair_t *pair, const char *kind, const char *detail, const char *remedy,
                 zm_remedy_fn *do_it)
{
    zm_finding_t finding = {.kind = kind, .name = pair->name, .detail = detail, .remedy = remedy};
    zm_check_tell(pair->checking->options, pair->checking->report, &finding, do_it, pair);
}

static void tell_unreadable(pair_t *pair, apr_status_t status)
{
    char reason[200];
    tell(pair, ZM_FINDING_UNREADABLE,
         apr_pstrcat(pair->pool, "cannot be read: ", zm_status_text(status, reason, sizeof reason),
                     NULL),
         NULL, NULL);
}

/* -- messages --------------------------------------------------------------------------- */

static apr_status_t recover_message(void *baton)
{
    pair_t *pair = baton;
    return zm_recover_message(pair->checking->spool, pair->name, pair->pool);
}

static apr_status_t park(void *baton)
{
    pair_t *pair = baton;
    return zm_spool_rename(pair->checking->spool, pair->name, pair->target);
}

/* The control file first: what a crash leaves between the two is what recovery joins again. */
static apr_status_t rehash(void *baton)
{
    pair_t *pair = baton;
    zm_spool_t *spool = pair->checking->spool;
    const char *control = beside(pair, ZM_DIR_TRANSPORT);
    apr_status_t status = zm_spool_rename(
        spool, control,
        apr_pstrcat(pair->pool, ZM_DIR_TRANSPORT, pair->target + strlen(ZM_DIR_QUEUE), NULL));
    return status != APR_SUCCESS ? status : zm_spool_rename(spool, pair->name, pair->target);
}

/* Whether a complete control file stands where another number of hash levels would put it. */
static bool has_control_elsewhere(const pair_t *pair)
{
    apr_status_t trouble;
    int levels;
    for (levels = 0; levels <= 2; levels++) {
        char prefix[ZM_HASH_PREFIX_SIZE];
        zm_layout_hash(prefix, pair->parts.id, levels);
        if (!zm_str_equal_c(pair->parts.prefix, prefix) &&
            zm_recover_judge(pair->checking->spool, elsewhere(pair, ZM_DIR_TRANSPORT, prefix),
                             &trouble, pair->pool) == ZM_VERDICT_COMPLETE)
            return true;
    }
    return false;
}

static void check_hash(pair_t *pair)
{
    char prefix[ZM_HASH_PREFIX_SIZE];
    int levels = (int)(pair->parts.prefix.length / 2);
    zm_layout_hash(prefix, pair->parts.id, levels < 2 ? levels : 2);
    if (zm_str_equal_c(pair->parts.prefix, prefix))
        return;
    pair->target = elsewhere(pair, ZM_DIR_QUEUE, prefix);
    tell(pair, ZM_FINDING_WRONG_HASH, "stands in hash directories that are not its number's",
         apr_psprintf(pair->pool, "move it and its control file to %s", prefix), rehash);
}

static void check_unpaired(pair_t *pair)
{
    const char *temporary =
        apr_pstrcat(pair->pool, ".", zm_str_c(pair->pool, pair->parts.leaf), NULL);
    if (has_control_elsewhere(pair)) {
        tell(pair, ZM_FINDING_SPLIT, "its control file is in another hash directory",
             "move the message beside it", recover_message);
        return;
    }
    temporary = apr_pstrcat(pair->pool, ZM_DIR_TRANSPORT "/",
                            zm_str_c(pair->pool, pair->parts.prefix), temporary, NULL);
    tell(pair, ZM_FINDING_ORPHAN, "has no control file: nothing works on it",
         pair->checking->spool->marked || exists(pair, temporary)
             ? "give it back to the router"
             : "park it in " ZM_DIR_POSTMAN
               ": on a spool made by an original it is most likely finished",
         recover_message);
}

void zm_check_message(zm_checking_t *checking, const char *name, apr_pool_t *pool)
{
    pair_t pair = {.checking = checking, .pool = pool, .name = name};
    apr_status_t trouble = APR_SUCCESS;
    if (zm_layout_parse(&pair.parts, zm_str(name)) != APR_SUCCESS || pair.parts.leaf.data[0] == '.')
        return;
    if (!pair.parts.numeric) {
        pair.target = apr_psprintf(pool, ZM_DIR_POSTMAN "/%s", zm_str_c(pool, pair.parts.leaf));
        tell(&pair, ZM_FINDING_WRONG_NAME,
             "does not begin with a number: the scheduler passes it over",
             "park it in " ZM_DIR_POSTMAN, park);
        return;
    }
    switch (zm_recover_judge(checking->spool, beside(&pair, ZM_DIR_TRANSPORT), &trouble, pool)) {
    case ZM_VERDICT_COMPLETE:
        check_hash(&pair);
        break;
    case ZM_VERDICT_INCOMPLETE:
        tell(&pair, ZM_FINDING_HALF_WRITTEN, "its control file is cut short",
             "give it back to the router, and remove the control file", recover_message);
        break;
    case ZM_VERDICT_GONE:
        if (exists(&pair, name)) /* else it was finished just now */
            check_unpaired(&pair);
        break;
    case ZM_VERDICT_UNKNOWN:
        pair.name = beside(&pair, ZM_DIR_TRANSPORT);
        tell_unreadable(&pair, trouble);
        break;
    }
}

/* -- control files ------------------------------------------------------------------------ */

static apr_status_t remove_it(void *baton)
{
    pair_t *pair = baton;
    apr_status_t status = zm_spool_unlink(pair->checking->spool, pair->name);
    return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
}

static bool has_message(const pair_t *pair)
{
    int levels;
    if (exists(pair, beside(pair, ZM_DIR_QUEUE)))
        return true;
    for (levels = 0; levels <= 2; levels++) {
        char prefix[ZM_HASH_PREFIX_SIZE];
        zm_layout_hash(prefix, pair->parts.id, levels);
        if (exists(pair, elsewhere(pair, ZM_DIR_QUEUE, prefix)))
            return true;
    }
    return false;
}

static apr_status_t unlock(void *baton)
{
    pair_t *pair = baton;
    zm_object_t *object;
    apr_status_t status =
        zm_object_open(&object, pair->checking->spool, pair->name, ZM_OBJECT_UPDATE);
    if (status != APR_SUCCESS)
        return status;
    status = zm_control_mark(object, pair->offset, '~', ' ');
    zm_object_close(object);
    return status;
}

/* The message first: what a crash leaves between the two is routed again, and nothing is lost. */
static apr_status_t call_by_number(void *baton)
{
    pair_t *pair = baton;
    zm_spool_t *spool = pair->checking->spool;
    apr_status_t status =
        zm_spool_rename(spool, beside(pair, ZM_DIR_QUEUE),
                        apr_pstrcat(pair->pool, ZM_DIR_QUEUE "/", pair->target, NULL));
    return status != APR_SUCCESS
               ? status
               : zm_spool_rename(spool, pair->name,
                                 apr_pstrcat(pair->pool, ZM_DIR_TRANSPORT "/", pair->target, NULL));
}

/* Agents find the message by the name that its control file gives. */
static void check_called(pair_t *pair, const zm_control_file_t *file)
{
    char prefix[ZM_HASH_PREFIX_SIZE];
    int levels = (int)(pair->parts.prefix.length / 2);
    const char *message, *control;
    zm_name_t called;
    if (file->message.length == 0 || zm_str_equal(file->message, pair->parts.leaf))
        return;
    message = apr_pstrcat(pair->pool, ZM_DIR_QUEUE "/", zm_str_c(pair->pool, file->message), NULL);
    pair->target = NULL;
    if (zm_layout_parse(&called, zm_str(message)) == APR_SUCCESS && called.numeric &&
        called.prefix.length == 0) {
        zm_layout_hash(prefix, called.id, levels < 2 ? levels : 2);
        pair->target = apr_pstrcat(pair->pool, prefix, zm_str_c(pair->pool, called.leaf), NULL);
        message = apr_pstrcat(pair->pool, ZM_DIR_QUEUE "/", pair->target, NULL);
        control = apr_pstrcat(pair->pool, ZM_DIR_TRANSPORT "/", pair->target, NULL);
        if (exists(pair, message) || exists(pair, control) ||
            !exists(pair, beside(pair, ZM_DIR_QUEUE)))
            pair->target = NULL;
    }
    tell(pair, ZM_FINDING_WRONG_NAME,
         apr_psprintf(pair->pool,
                      "says that its message is called %.*s: the scheduler passes it over",
                      (int)file->message.length, file->message.data),
         pair->target != NULL ? apr_psprintf(pair->pool, "call both %s", pair->target) : NULL,
         call_by_number);
}

static void check_locks(pair_t *pair, zm_object_t *object, const zm_control_file_t *file)
{
    int i;
    for (i = 0; i < file->recipient_count; i++) {
        const zm_control_recipient_t *recipient = &file->recipients[i];
        bool stale = false;
        if (recipient->tag != '~' ||
            zm_control_lock_stale(&stale, object, recipient->offset, recipient->pid_slot) !=
                APR_SUCCESS ||
            !stale)
            continue;
        pair->offset = recipient->offset;
        tell(pair, ZM_FINDING_STALE_LOCK,
             apr_psprintf(pair->pool,
                          "the recipient at %" APR_UINT64_T_FMT
                          " is claimed by process %" APR_INT64_T_FMT ", which is dead",
                          recipient->offset, (apr_int64_t)recipient->pid_slot),
             "take back the claim", unlock);
    }
}

/* A file of commands (a T line) has no message by intent; what cannot be parsed is seen from
 * queue/. */
static void check_contents(pair_t *pair)
{
    zm_object_t *object;
    zm_control_file_t *file = NULL;
    char *data;
    apr_size_t length;
    bool paired;
    apr_status_t status =
        zm_object_open(&object, pair->checking->spool, pair->name, ZM_OBJECT_UPDATE);
    if (APR_STATUS_IS_ENOENT(status))
        return;
    if (status != APR_SUCCESS && !pair->checking->options->repair) /* as on a read-only disk */
        status = zm_object_open(&object, pair->checking->spool, pair->name, ZM_OBJECT_READ);
    if (status == APR_SUCCESS) {
        status = zm_object_read_all(object, &data, &length, CONTROL_LIMIT, pair->pool);
        if (status != APR_SUCCESS)
            zm_object_close(object);
    }
    if (status != APR_SUCCESS) {
        tell_unreadable(pair, status);
        return;
    }
    paired = has_message(pair);
    status = zm_control_parse(&file, data, length, pair->pool, NULL);
    if (!paired && status != ZM_E_UNSUPPORTED && (status != APR_SUCCESS || file->turn_count == 0))
        tell(pair, ZM_FINDING_FINISHED, "has no message: its work is done", "remove it", remove_it);
    else if (status == APR_SUCCESS)
        check_locks(pair, object, file);
    zm_object_close(object);
    if (paired && status == APR_SUCCESS && file->complete)
        check_called(pair, file);
}

void zm_check_control(zm_checking_t *checking, const char *name, apr_pool_t *pool)
{
    pair_t pair = {.checking = checking, .pool = pool, .name = name};
    zm_str_t leaf;
    if (zm_layout_parse(&pair.parts, zm_str(name)) != APR_SUCCESS)
        return;
    leaf = pair.parts.leaf;
    if (leaf.data[0] == '.') {
        if (leaf.length > 1 && zm_is_digit((unsigned char)leaf.data[1]))
            tell(&pair, ZM_FINDING_TEMPORARY, "is a control file that a router was writing",
                 "remove it", remove_it);
    } else if (!pair.parts.numeric) {
        tell(&pair, ZM_FINDING_WRONG_NAME,
             "does not begin with a number: the scheduler passes it over", NULL, NULL);
    } else {
        check_contents(&pair);
    }
}
