#include "mta/smtpserver/localnames.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/conf/lines.h"
#include "mta/net/idn.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/log.h"

#define LOOK_INTERVAL APR_USEC_PER_SEC
#define NAME_LIMIT 255 /* of a domain name; longer ones are nobody's */

enum { LOCALNAMES, LOCALS, RCPTHOSTS, VIRTUALDOMAINS, FILES };

struct localnames_t {
    apr_pool_t *pool;
    const char *files[FILES];
    const char *const *fallback;
    const char *const *always;
    apr_pool_t *set_pool;       /* of the names, replaced when they are read again */
    apr_hash_t *set;            /* lower-case names; those of sub-domains with their dot */
    zm_file_info_t seen[FILES]; /* what was read; id 0: there was none */
    apr_time_t looked;
};

static void add(apr_hash_t *set, zm_str_t name, apr_pool_t *pool)
{
    zm_str_t lower = zm_str_lower(pool, zm_idn_ascii(name, pool));
    apr_hash_set(set, lower.data, (apr_ssize_t)lower.length, "");
}

static void add_list(apr_hash_t *set, const char *const *list, apr_pool_t *pool)
{
    for (; list != NULL && *list != NULL; list++)
        if (**list != '\0')
            add(set, zm_str(*list), pool);
}

/* Of "DOMAIN:USER" and "ADDRESS:USER", as virtualdomains has them; empty: names no domain of ours.
 */
static zm_str_t domain_of(zm_str_t word)
{
    zm_str_t key, prefix, user, domain;
    if (!zm_str_cut(word, ':', &key, &prefix) || prefix.length == 0)
        return ZM_S("");
    return zm_str_cut(key, '@', &user, &domain) ? domain : key;
}

static apr_status_t add_file(apr_hash_t *set, const localnames_t *names, int which,
                             apr_pool_t *pool, zm_error_t *error)
{
    zm_conf_lines_t *lines;
    zm_str_t line, word;
    apr_status_t status = zm_conf_lines_open(&lines, names->files[which], pool, error);
    if (status != APR_SUCCESS)
        return status;
    while (zm_conf_lines_next(lines, &line)) {
        if (!zm_str_word(&line, &word) || word.data[0] == '#')
            continue;
        if (which == VIRTUALDOMAINS)
            word = domain_of(word);
        if (word.length > 0)
            add(set, word, pool);
    }
    return APR_SUCCESS;
}

/* A new set, complete before it takes the place of the old one. */
static apr_status_t read_names(localnames_t *names, const bool exists[FILES], zm_error_t *error)
{
    apr_pool_t *pool;
    apr_hash_t *set;
    int i;
    apr_status_t status = apr_pool_create(&pool, names->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot read %s", names->files[LOCALNAMES]);
    set = apr_hash_make(pool);
    add_list(set, names->always, pool);
    if (!exists[LOCALNAMES] && !exists[LOCALS])
        add_list(set, names->fallback, pool);
    for (i = 0; i < FILES && status == APR_SUCCESS; i++)
        if (exists[i])
            status = add_file(set, names, i, pool, error);
    if (status != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return status;
    }
    if (names->set_pool != NULL)
        apr_pool_destroy(names->set_pool);
    names->set_pool = pool;
    names->set = set;
    return APR_SUCCESS;
}

/* Links are followed, so that a new target counts as a change. */
static bool look(const localnames_t *names, int which, zm_file_info_t *now)
{
    zm_file_t *file;
    apr_pool_t *pool;
    bool found = false;
    memset(now, 0, sizeof *now);
    if (apr_pool_create(&pool, names->pool) != APR_SUCCESS)
        return false;
    if (zm_file_open(&file, NULL, names->files[which], ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool) ==
        APR_SUCCESS) {
        found = zm_file_info(now, file) == APR_SUCCESS;
        (void)zm_file_close(file);
    }
    apr_pool_destroy(pool);
    return found;
}

static bool differs(const zm_file_info_t *a, const zm_file_info_t *b)
{
    return a->id != b->id || a->device != b->device || a->size != b->size ||
           a->mtime_s != b->mtime_s || a->mtime_ns != b->mtime_ns;
}

static void refresh(localnames_t *names)
{
    apr_time_t now = zm_clock_monotonic();
    zm_file_info_t found;
    zm_error_t error;
    bool exists[FILES], changed = false;
    int i;
    if (now - names->looked < LOOK_INTERVAL && now >= names->looked)
        return;
    names->looked = now;
    for (i = 0; i < FILES; i++) {
        exists[i] = look(names, i, &found);
        changed |= differs(&found, &names->seen[i]);
        names->seen[i] = found;
    }
    if (!changed)
        return;
    if (read_names(names, exists, &error) != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, NULL, "local names stay as they were", ZM_F_S("reason", error.text));
    else
        zm_log(ZM_LOG_NOTICE, NULL, "local names read again",
               ZM_F_S("file", names->files[LOCALNAMES]));
}

apr_status_t localnames_open(localnames_t **names, const char *directory,
                             const char *const *fallback, const char *const *always,
                             apr_pool_t *pool, zm_error_t *error)
{
    localnames_t *made = apr_pcalloc(pool, sizeof *made);
    zm_file_info_t there;
    apr_status_t status;
    static const char *const leaves[FILES] = {"localnames", "locals", "rcpthosts",
                                              "virtualdomains"};
    bool exists[FILES];
    int i;
    made->pool = pool;
    made->fallback = fallback;
    made->always = always;
    made->looked = zm_clock_monotonic();
    for (i = 0; i < FILES; i++) {
        made->files[i] = apr_pstrcat(pool, directory, "/", leaves[i], NULL);
        exists[i] = look(made, i, &made->seen[i]) ||
                    zm_path_info(&there, NULL, made->files[i]) == APR_SUCCESS;
    }
    status = read_names(made, exists, error);
    if (status == APR_SUCCESS)
        *names = made;
    return status;
}

bool localnames_has(localnames_t *names, zm_str_t domain)
{
    char lower[NAME_LIMIT];
    apr_size_t i;
    if (domain.length == 0 || domain.length > sizeof lower)
        return false;
    refresh(names);
    for (i = 0; i < domain.length; i++)
        lower[i] = (char)zm_to_lower((unsigned char)domain.data[i]);
    if (apr_hash_get(names->set, lower, (apr_ssize_t)domain.length) != NULL)
        return true;
    for (i = 1; i < domain.length; i++)
        if (lower[i] == '.' &&
            apr_hash_get(names->set, lower + i, (apr_ssize_t)(domain.length - i)) != NULL)
            return true;
    return false;
}
