/*
 * Users and groups.  The system's lookups want a buffer of unknown size, and say
 * "not found" in several ways.
 */
#include "platform/identity.h"

#include <apr_portable.h>
#include <apr_strings.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/str.h"
#include "posix/become.h"

#define FIRST_BUFFER 1024
#define LARGEST_BUFFER (4u << 20)
#define NOBODY_ID 65534

/* -- lookups ---------------------------------------------------------------------- */

/* One call of the getXXbyYY_r family: 0 and *found, 0 and no *found, or an error number. */
typedef int lookup_fn(const void *key, void *record, char *buffer, size_t size, bool *found);

/* Some C libraries report an absent entry as an error of these numbers. */
static bool means_absent(int code)
{
    return code == ENOENT || code == ESRCH;
}

/* Runs a lookup with a buffer that grows until the entry fits; the caller frees *buffer. */
static apr_status_t look_up(lookup_fn *fn, const void *key, void *record, char **buffer)
{
    size_t size = FIRST_BUFFER;
    *buffer = NULL;
    for (;;) {
        bool found = false;
        int code;
        char *grown = realloc(*buffer, size);
        if (grown == NULL)
            return APR_ENOMEM;
        *buffer = grown;
        code = fn(key, record, *buffer, size, &found);
        if (code == EINTR)
            continue;
        if (code == ERANGE && size < LARGEST_BUFFER) {
            size *= 4;
            continue;
        }
        if (found)
            return APR_SUCCESS;
        return code == 0 || means_absent(code) ? APR_ENOENT : ZM_E_TEMPORARY;
    }
}

static int user_by_name(const void *key, void *record, char *buffer, size_t size, bool *found)
{
    struct passwd *result = NULL;
    int code = getpwnam_r(key, record, buffer, size, &result);
    *found = result != NULL;
    return code;
}

static int user_by_uid(const void *key, void *record, char *buffer, size_t size, bool *found)
{
    struct passwd *result = NULL;
    int code = getpwuid_r(*(const uid_t *)key, record, buffer, size, &result);
    *found = result != NULL;
    return code;
}

static int group_by_name(const void *key, void *record, char *buffer, size_t size, bool *found)
{
    struct group *result = NULL;
    int code = getgrnam_r(key, record, buffer, size, &result);
    *found = result != NULL;
    return code;
}

static int group_by_gid(const void *key, void *record, char *buffer, size_t size, bool *found)
{
    struct group *result = NULL;
    int code = getgrgid_r(*(const gid_t *)key, record, buffer, size, &result);
    *found = result != NULL;
    return code;
}

/* -- users -------------------------------------------------------------------------- */

static const char *full_name_of(const struct passwd *entry, apr_pool_t *pool)
{
    const char *gecos = entry->pw_gecos != NULL ? entry->pw_gecos : "";
    zm_buf_t name = ZM_BUF_INIT;
    char *copy;
    for (; *gecos != '\0' && *gecos != ','; gecos++) {
        if (*gecos != '&') {
            zm_buf_add_byte(&name, *gecos);
        } else if (entry->pw_name[0] != '\0') {
            zm_buf_add_byte(&name, (char)zm_to_upper((unsigned char)entry->pw_name[0]));
            zm_buf_add_c(&name, entry->pw_name + 1);
        }
    }
    copy = zm_str_c(pool, zm_buf_str(&name));
    zm_buf_free(&name);
    return copy;
}

static zm_user_t *copy_user(const struct passwd *entry, apr_pool_t *pool)
{
    zm_user_t *user = apr_palloc(pool, sizeof *user);
    user->uid = (zm_uid_t)entry->pw_uid;
    user->gid = (zm_uid_t)entry->pw_gid;
    user->name = apr_pstrdup(pool, entry->pw_name);
    user->full_name = full_name_of(entry, pool);
    user->home = apr_pstrdup(pool, entry->pw_dir != NULL ? entry->pw_dir : "");
    user->shell = apr_pstrdup(pool, entry->pw_shell != NULL ? entry->pw_shell : "");
    return user;
}

static apr_status_t find_user(zm_user_t **user, lookup_fn *fn, const void *key, apr_pool_t *pool)
{
    struct passwd entry;
    char *buffer;
    apr_status_t status = look_up(fn, key, &entry, &buffer);
    if (status == APR_SUCCESS)
        *user = copy_user(&entry, pool);
    free(buffer);
    return status;
}

apr_status_t zm_user_by_name(zm_user_t **user, const char *name, apr_pool_t *pool)
{
    if (*name == '\0')
        return APR_ENOENT;
    return find_user(user, user_by_name, name, pool);
}

apr_status_t zm_user_by_uid(zm_user_t **user, zm_uid_t uid, apr_pool_t *pool)
{
    uid_t number = (uid_t)uid;
    if (uid < 0 || (zm_uid_t)number != uid)
        return APR_ENOENT;
    return find_user(user, user_by_uid, &number, pool);
}

void zm_user_each(void (*each)(void *baton, const zm_user_t *user), void *baton, apr_pool_t *pool)
{
    struct passwd *entry;
    apr_pool_t *one;
    if (apr_pool_create(&one, pool) != APR_SUCCESS)
        return;
    setpwent();
    while ((entry = getpwent()) != NULL) {
        each(baton, copy_user(entry, one));
        apr_pool_clear(one);
    }
    endpwent();
    apr_pool_destroy(one);
}

/* -- groups --------------------------------------------------------------------------- */

apr_status_t zm_group_by_name(zm_uid_t *gid, const char *name, apr_pool_t *pool)
{
    struct group entry;
    char *buffer;
    apr_status_t status;
    (void)pool;
    if (*name == '\0')
        return APR_ENOENT;
    status = look_up(group_by_name, name, &entry, &buffer);
    if (status == APR_SUCCESS)
        *gid = (zm_uid_t)entry.gr_gid;
    free(buffer);
    return status;
}

apr_status_t zm_group_members(const char *const **names, const char *group, apr_pool_t *pool)
{
    struct group entry;
    char *buffer;
    const char **copy;
    apr_size_t count = 0, i;
    apr_status_t status =
        *group == '\0' ? APR_ENOENT : look_up(group_by_name, group, &entry, &buffer);
    if (*group == '\0')
        return status;
    if (status == APR_SUCCESS) {
        while (entry.gr_mem[count] != NULL)
            count++;
        copy = apr_pcalloc(pool, (count + 1) * sizeof *copy);
        for (i = 0; i < count; i++)
            copy[i] = apr_pstrdup(pool, entry.gr_mem[i]);
        *names = copy;
    }
    free(buffer);
    return status;
}

bool zm_user_in_group(const char *user, zm_uid_t gid, apr_pool_t *pool)
{
    struct group entry;
    char *buffer, **member;
    zm_user_t *account;
    gid_t number = (gid_t)gid;
    bool found = false;
    if (gid < 0 || (zm_uid_t)number != gid)
        return false;
    if (zm_user_by_name(&account, user, pool) == APR_SUCCESS && account->gid == gid)
        return true;
    if (look_up(group_by_gid, &number, &entry, &buffer) == APR_SUCCESS)
        for (member = entry.gr_mem; *member != NULL && !found; member++)
            found = strcmp(*member, user) == 0;
    free(buffer);
    return found;
}

/* -- ourselves -------------------------------------------------------------------------- */

zm_credentials_t zm_identity_own(void)
{
    return (zm_credentials_t){(zm_uid_t)geteuid(), (zm_uid_t)getegid()};
}

zm_credentials_t zm_identity_real(void)
{
    return (zm_credentials_t){(zm_uid_t)getuid(), (zm_uid_t)getgid()};
}

bool zm_identity_privileged(void)
{
    return geteuid() == 0;
}

zm_credentials_t zm_identity_nobody(const char *configured, apr_pool_t *pool)
{
    zm_user_t *user;
    uint64_t number;
    if (configured != NULL && zm_user_by_name(&user, configured, pool) == APR_SUCCESS)
        return (zm_credentials_t){user->uid, user->gid};
    if (configured != NULL && zm_str_u64(zm_str(configured), &number) == APR_SUCCESS &&
        number < UINT32_MAX) {
        if (zm_user_by_uid(&user, (zm_uid_t)number, pool) == APR_SUCCESS)
            return (zm_credentials_t){user->uid, user->gid};
        return (zm_credentials_t){(zm_uid_t)number, NOBODY_ID};
    }
    if (zm_user_by_name(&user, "nobody", pool) == APR_SUCCESS)
        return (zm_credentials_t){user->uid, user->gid};
    return (zm_credentials_t){NOBODY_ID, NOBODY_ID};
}

apr_status_t zm_identity_become(const zm_credentials_t *who, zm_error_t *error)
{
    int code;
    if (who->uid < 0 || who->gid < 0 || who->uid >= UINT32_MAX || who->gid >= UINT32_MAX)
        return zm_error_set(error, APR_EINVAL, "no account to become is given");
    code = zm_become((uid_t)who->uid, (gid_t)who->gid);
    if (code != 0)
        return zm_error_system(error, code, "cannot become user %lld, group %lld",
                               (long long)who->uid, (long long)who->gid);
    return APR_SUCCESS;
}

apr_status_t zm_identity_give_back(zm_error_t *error)
{
    uid_t uid = getuid(), owner = geteuid();
    gid_t gid = getgid(), group = getegid();
    if (owner == uid && group == gid)
        return APR_SUCCESS;
    /* The real ids are set too, so that the saved ones follow. */
    if ((group != gid && setregid(gid, gid) < 0) || (owner != uid && setreuid(uid, uid) < 0))
        return zm_error_system(error, errno, "cannot give up the rights of a set-id program");
    if (geteuid() != uid || getegid() != gid || (uid != 0 && owner != uid && seteuid(owner) == 0) ||
        (uid != 0 && group != gid && setegid(group) == 0))
        return zm_error_set(error, ZM_E_UNSAFE, "the rights of a set-id program do not go away");
    return APR_SUCCESS;
}

apr_status_t zm_identity_session(const char **name, apr_pool_t *pool)
{
    char buffer[256];
    int code = getlogin_r(buffer, sizeof buffer);
    if (code != 0 || buffer[0] == '\0')
        return APR_ENOENT;
    *name = apr_pstrdup(pool, buffer);
    return APR_SUCCESS;
}

/* -- others --------------------------------------------------------------------------------- */

apr_status_t zm_identity_peer(zm_credentials_t *who, apr_int64_t *pid, apr_socket_t *socket)
{
    apr_os_sock_t descriptor;
    apr_status_t status = apr_os_sock_get(&descriptor, socket);
    if (status != APR_SUCCESS)
        return status;
#if defined(SO_PEERCRED) && defined(__linux__)
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return errno;
    if (peer.uid == (uid_t)-1) /* not a local socket, or never connected */
        return ZM_E_UNSUPPORTED;
    *who = (zm_credentials_t){(zm_uid_t)peer.uid, (zm_uid_t)peer.gid};
    if (pid != NULL)
        *pid = peer.pid;
#else
    uid_t uid;
    gid_t gid;
    if (getpeereid(descriptor, &uid, &gid) < 0)
        return errno;
    *who = (zm_credentials_t){(zm_uid_t)uid, (zm_uid_t)gid};
    if (pid != NULL)
        *pid = 0;
#endif
    return APR_SUCCESS;
}

apr_status_t zm_identity_hostname(char *buffer, apr_size_t size)
{
    if (size == 0)
        return APR_EINVAL;
    if (gethostname(buffer, size) < 0)
        return errno;
    buffer[size - 1] = '\0'; /* POSIX does not promise one when it is cut */
    return APR_SUCCESS;
}
