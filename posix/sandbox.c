/*
 * Linux: Landlock rules.  Version 2 is needed: with version 1 no file can be
 * renamed or linked from one directory into another, and that is how a spool
 * works.  OpenBSD: unveil and pledge.
 */
#include "platform/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif
#if defined(__linux__) && defined(SYS_landlock_create_ruleset) && defined(__has_include)
#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#define HAVE_LANDLOCK 1
#endif
#endif

#ifdef HAVE_LANDLOCK

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define EXECUTING (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)
#define WRITING                                                                                    \
    (READING | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                     \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |   \
     LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE)
#define OF_FILES                                                                                   \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |   \
     LANDLOCK_ACCESS_FS_TRUNCATE)
#define ALL (WRITING | EXECUTING | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)

static apr_status_t allow(int ruleset, const char *path, uint64_t access, uint64_t handled)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access & handled};
    struct stat found;
    int result = 0, code;
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? APR_SUCCESS : errno;
    if (fstat(rule.parent_fd, &found) == 0 && !S_ISDIR(found.st_mode))
        rule.allowed_access &= OF_FILES;
    if (rule.allowed_access != 0)
        result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    code = errno;
    close(rule.parent_fd);
    return result < 0 ? code : APR_SUCCESS;
}

static apr_status_t allow_list(int ruleset, const char *const *paths, uint64_t access,
                               uint64_t handled, zm_error_t *error)
{
    for (; paths != NULL && *paths != NULL; paths++) {
        apr_status_t status = allow(ruleset, *paths, access, handled);
        if (status != APR_SUCCESS)
            return zm_error_system(error, status, "cannot allow %s in the sandbox", *paths);
    }
    return APR_SUCCESS;
}

static apr_status_t enforce(const zm_sandbox_t *allowed, zm_error_t *error)
{
    struct landlock_ruleset_attr attributes = {.handled_access_fs = ALL};
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    apr_status_t status;
    int ruleset;
    if (version < 2)
        return ZM_E_UNSUPPORTED;
    if (version < 3)
        attributes.handled_access_fs &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (ruleset < 0)
        return zm_error_system(error, errno, "cannot make the sandbox");
    status = allow_list(ruleset, allowed->read, READING, attributes.handled_access_fs, error);
    if (status == APR_SUCCESS)
        status = allow_list(ruleset, allowed->write, WRITING, attributes.handled_access_fs, error);
    if (status == APR_SUCCESS)
        status =
            allow_list(ruleset, allowed->execute, EXECUTING, attributes.handled_access_fs, error);
    if (status == APR_SUCCESS && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        status = zm_error_system(error, errno, "cannot enter the sandbox");
    close(ruleset);
    return status;
}

#elif defined(__OpenBSD__)

static apr_status_t unveil_list(const char *const *paths, const char *permissions,
                                zm_error_t *error)
{
    for (; paths != NULL && *paths != NULL; paths++)
        if (unveil(*paths, permissions) < 0 && errno != ENOENT)
            return zm_error_system(error, errno, "cannot allow %s in the sandbox", *paths);
    return APR_SUCCESS;
}

static apr_status_t enforce(const zm_sandbox_t *allowed, zm_error_t *error)
{
    char promises[200] = "stdio rpath wpath cpath fattr flock unix sendfd recvfd getpw";
    apr_status_t status = unveil_list(allowed->read, "r", error);
    if (status == APR_SUCCESS)
        status = unveil_list(allowed->write, "rwc", error);
    if (status == APR_SUCCESS)
        status = unveil_list(allowed->execute, "rx", error);
    if (status != APR_SUCCESS)
        return status;
    if (allowed->network)
        strlcat(promises, " inet dns", sizeof promises);
    if (allowed->children)
        strlcat(promises, " proc exec", sizeof promises);
    if (pledge(promises, NULL) < 0)
        return zm_error_system(error, errno, "cannot enter the sandbox");
    return APR_SUCCESS;
}

#else

static apr_status_t enforce(const zm_sandbox_t *allowed, zm_error_t *error)
{
    (void)allowed;
    (void)error;
    return ZM_E_UNSUPPORTED;
}

#endif

apr_status_t zm_system_sandbox(const zm_sandbox_t *allowed, zm_error_t *error)
{
#ifdef PR_SET_NO_NEW_PRIVS
    /* Alone it already keeps set-id programs from giving back what was dropped. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return zm_error_system(error, errno, "cannot forbid new privileges");
#endif
    return enforce(allowed, error);
}
