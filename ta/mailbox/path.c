#include "ta/mailbox/path.h"

#include <apr_strings.h>
#include <string.h>

#define PATH_LIMIT 2047
#define LEVEL_LIMIT 10

static const char *const usual_places[] = {"/var/mail", "/usr/mail", "/var/spool/mail",
                                           "/usr/spool/mail", NULL};

/* -- hashes ---------------------------------------------------------------- */

uint32_t zm_hash_pjw(const char *name)
{
    uint32_t hash = 0;
    for (; *name != '\0'; name++) {
        uint32_t top;
        hash = (hash << 4) + (unsigned char)*name;
        top = hash & ~0x0fffffffu;
        if (top != 0)
            hash = (hash ^ (top >> 24)) ^ top;
    }
    return hash;
}

static uint32_t crc_entry(uint32_t index)
{
    uint32_t sum = 0;
    int bit;
    for (bit = 0; bit < 7; bit++)
        if ((index >> bit) & 1)
            sum ^= 0x48000000u >> bit;
    return sum;
}

uint32_t zm_hash_crc(const char *name)
{
    uint32_t hash = 0;
    for (; *name != '\0'; name++)
        hash = (hash >> 7) ^ crc_entry((hash ^ (unsigned char)*name) & 0x7f);
    return hash;
}

static char next_letter(uint32_t *rest)
{
    char letter = (char)('A' + *rest % 26);
    *rest /= 26;
    return letter;
}

/* -- building a path ------------------------------------------------------- */

/* Part of a path that came with the mail: one file name, and not a hidden one. */
static bool safe_part(const char *part)
{
    const char *at;
    if (part[0] == '\0' || part[0] == '.')
        return false;
    for (at = part; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 127 || *at == '/' || *at == '\\' || *at == ':')
            return false;
    return true;
}

static void add_hash_levels(zm_buf_t *out, uint32_t hash, int levels)
{
    char letters[LEVEL_LIMIT];
    int i;
    levels = levels < LEVEL_LIMIT ? levels : LEVEL_LIMIT;
    for (i = 0; i < levels; i++)
        letters[i] = next_letter(&hash);
    while (levels-- > 0) {
        zm_buf_add_byte(out, letters[levels]);
        zm_buf_add_byte(out, '/');
    }
}

static void add_plain(zm_buf_t *out, const char *directory, const zm_mailbox_options_t *options,
                      const char *name)
{
    int i, length = (int)strlen(name);
    zm_buf_add_c(out, directory);
    if (out->length == 0 || out->data[out->length - 1] != '/')
        zm_buf_add_byte(out, '/');
    if (options->crc_levels > 0)
        add_hash_levels(out, zm_hash_crc(name), options->crc_levels);
    else
        add_hash_levels(out, zm_hash_pjw(name), options->pjw_levels);
    for (i = 0; i < options->name_levels && i < length && i < LEVEL_LIMIT; i++) {
        zm_buf_add_byte(out, name[i]);
        zm_buf_add_byte(out, '/');
    }
    zm_buf_add_c(out, name);
}

typedef struct format_t {
    const zm_mbox_user_t *user;
    uint32_t pjw, crc;
} format_t;

static void restart(format_t *format)
{
    if (format->pjw == 0)
        format->pjw = zm_hash_pjw(format->user->name);
    if (format->crc == 0)
        format->crc = zm_hash_crc(format->user->name);
}

/* What a letter after '%' stands for; null when it means nothing here. */
static const char *value_of(format_t *format, char letter, apr_pool_t *pool)
{
    const zm_mbox_user_t *user = format->user;
    const char *domain = user->domain[0] != '\0' ? user->domain : "defaultdomain";
    const char *value;
    restart(format);
    switch (letter) {
    case '%':
        return "%";
    case 'h':
        return user->home;
    case 'x':
        return apr_psprintf(pool, "%c", next_letter(&format->pjw));
    case 'X':
        return apr_psprintf(pool, "%c", next_letter(&format->crc));
    case 'u':
        value = user->name;
        break;
    case 'a':
        value = user->address;
        break;
    case 'D':
        value = domain;
        break;
    case 'd':
        value = apr_pstrmemdup(pool, domain, strcspn(domain, "."));
        break;
    case 'U':
        value = user->full_name;
        break;
    default:
        return NULL;
    }
    return value != NULL && safe_part(value) ? value : NULL;
}

static apr_status_t add_format(zm_buf_t *out, const char *entry, const zm_mbox_user_t *user,
                               apr_pool_t *pool)
{
    format_t format = {user, 0, 0};
    for (; *entry != '\0'; entry++) {
        const char *value;
        if (*entry != '%') {
            zm_buf_add_byte(out, *entry);
            continue;
        }
        value = value_of(&format, *++entry, pool);
        if (value == NULL)
            return *entry != '\0' && strchr("uaDdU", *entry) != NULL ? ZM_E_SYNTAX : ZM_E_CONFIG;
        zm_buf_add_c(out, value);
    }
    return APR_SUCCESS;
}

/* -- the search ------------------------------------------------------------ */

static bool is_directory(const char *path, apr_pool_t *pool)
{
    zm_file_info_t info;
    /* "/." looks through a link, as /var/spool/mail often is one */
    return zm_path_info(&info, NULL, apr_pstrcat(pool, path, "/.", NULL)) == APR_SUCCESS &&
           info.kind == ZM_FILE_DIRECTORY;
}

static apr_status_t finish(zm_mbox_path_t *path, zm_buf_t *text, apr_pool_t *pool)
{
    zm_file_info_t info;
    apr_status_t status;
    char *slash;
    if (text->length > PATH_LIMIT)
        return ZM_E_LIMIT;
    path->path = apr_pstrmemdup(pool, text->data, text->length);
    path->maildir = text->length > 0 && text->data[text->length - 1] == '/';
    path->directory = apr_pstrmemdup(pool, text->data, text->length - (path->maildir ? 1 : 0));
    slash = strrchr(path->directory, '/');
    if (slash == NULL || slash == path->directory)
        return ZM_E_CONFIG;
    *slash = '\0';
    status = zm_path_info(&info, NULL,
                          path->maildir ? apr_pstrcat(pool, path->path, ".", NULL) : path->path);
    path->exists = status == APR_SUCCESS;
    if (status == APR_SUCCESS || APR_STATUS_IS_ENOENT(status) || APR_STATUS_IS_EACCES(status) ||
        APR_STATUS_IS_ENOTDIR(status))
        return APR_SUCCESS;
    return status;
}

static apr_status_t try_entry(zm_mbox_path_t *path, const char *entry,
                              const zm_mailbox_options_t *options, const zm_mbox_user_t *user,
                              apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t status = APR_SUCCESS;
    if (strchr(entry, '%') != NULL)
        status = add_format(&text, entry, user, pool);
    else if (!safe_part(user->name))
        status = ZM_E_SYNTAX;
    else if (!is_directory(entry, pool))
        status = ZM_E_CONFIG;
    else
        add_plain(&text, entry, options, user->name);
    if (status == APR_SUCCESS)
        status = finish(path, &text, pool);
    zm_buf_free(&text);
    return status;
}

apr_status_t zm_mbox_path(zm_mbox_path_t *path, const zm_mailbox_options_t *options,
                          const zm_mbox_user_t *user, apr_pool_t *pool)
{
    const char *const one[] = {options->directory, NULL};
    const char *const *entry = options->directory != NULL ? one : usual_places;
    zm_mbox_path_t first = {0};
    apr_status_t worst = ZM_E_CONFIG;
    for (; *entry != NULL; entry++) {
        apr_status_t status = try_entry(path, *entry, options, user, pool);
        if (status == APR_SUCCESS && path->exists)
            return APR_SUCCESS;
        if (status == APR_SUCCESS && first.path == NULL)
            first = *path;
        else if (status != APR_SUCCESS && status != ZM_E_CONFIG)
            worst = status;
    }
    *path = first;
    return first.path != NULL ? APR_SUCCESS : worst;
}

/* -- who can have put a directory there ------------------------------------- */

#define MOST_LINKS 40

static bool is_roots(const zm_file_info_t *info, bool last)
{
    uint32_t others = last ? 0002 : 0022;
    if (info->uid != 0)
        return false;
    return info->kind == ZM_FILE_SYMLINK || (info->mode & others) == 0 || (info->mode & 01000) != 0;
}

typedef struct walk_t {
    const char *done; /* a path without links; "" for the root */
    const char *rest; /* what follows it */
    int links;
    zm_file_info_t *info; /* of done */
    apr_pool_t *pool;
} walk_t;

static bool look_at(walk_t *walk, const char *path, bool last)
{
    return zm_path_info(walk->info, NULL, path) == APR_SUCCESS && is_roots(walk->info, last);
}

/* A link of root's may lead to where others choose: what it says is walked like the path itself. */
static bool follow(walk_t *walk, const char *link)
{
    const char *target;
    if (++walk->links > MOST_LINKS || zm_path_link_target(&target, link, walk->pool) != APR_SUCCESS)
        return false;
    if (target[0] == '/')
        walk->done = "";
    walk->rest = apr_pstrcat(walk->pool, target, "/", walk->rest, NULL);
    return true;
}

static bool step(walk_t *walk)
{
    apr_size_t length = strcspn(walk->rest, "/");
    const char *name = apr_pstrmemdup(walk->pool, walk->rest, length), *path, *slash;
    walk->rest += length;
    walk->rest += strspn(walk->rest, "/");
    if (length == 0 || strcmp(name, ".") == 0)
        return true;
    if (strcmp(name, "..") == 0) { /* it was looked at on the way */
        slash = strrchr(walk->done, '/');
        if (slash != NULL)
            walk->done = apr_pstrmemdup(walk->pool, walk->done, (apr_size_t)(slash - walk->done));
        return true;
    }
    path = apr_pstrcat(walk->pool, walk->done, "/", name, NULL);
    if (!look_at(walk, path, walk->rest[0] == '\0'))
        return false;
    if (walk->info->kind == ZM_FILE_SYMLINK)
        return follow(walk, path);
    walk->done = path;
    return true;
}

bool zm_mbox_roots_alone(zm_file_info_t *info, const char *directory, apr_pool_t *pool)
{
    walk_t walk = {.done = "", .rest = directory, .info = info, .pool = pool};
    if (directory[0] != '/' || !look_at(&walk, "/", false))
        return false;
    while (walk.rest[0] != '\0')
        if (!step(&walk))
            return false;
    return look_at(&walk, apr_pstrcat(pool, walk.done, "/.", NULL), true) &&
           info->kind == ZM_FILE_DIRECTORY;
}
