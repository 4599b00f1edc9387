/*
 * libzm-preload.so, for LD_PRELOAD: makes syncs slow, and kills the process at a
 * chosen step, or lets that step fail.
 *
 *     ZM_SYNC_DELAY=5000    microseconds more for each fsync, fdatasync, syncfs
 *     ZM_KILL_STEP=7        dies by SIGKILL at the 7th change of the disk
 *     ZM_KILL_AFTER=1       after it, not before
 *     ZM_FAIL=ENOSPC        steps fail: with EIO, ENOSPC or EMFILE, or writes are "short"
 *     ZM_FAIL_STEP=7        from the 7th that can fail so
 *     ZM_FAIL_FOR=3         so many of them; without it one
 *     ZM_KILL_BELOW=/spool  only files below it count, and directories that lie there
 *     ZM_STEPS=FILE         appends the number of steps to FILE at the end of the process
 *     ZM_NO_ACCOUNT=ann,5   the system cannot tell whether there are these users and groups
 *     ZM_SYSLOG=FILE        what goes to the system's log goes to FILE, with its priority before it
 *     ZM_NO_OPEN=/.forward  files whose path ends so cannot be opened, by EIO
 *
 * A step is a file being created, written, truncated, renamed, linked, unlinked or
 * synced, or a directory being made or synced.  With ZM_FAIL only those are
 * counted that can fail so: EMFILE when a file is opened, ENOSPC when something is
 * made, written or named, short when something is written.  A short write writes
 * half of what it was given.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { OPEN = 1, MAKE = 2, WRITE = 4, SYNC = 8, NAME = 16, REMOVE = 32, CUT = 64 };

static atomic_long steps;
static long delay, kill_step, fail_step, fail_for;
static int kill_after, fail_error, counted = MAKE | WRITE | SYNC | NAME | REMOVE | CUT;
static char below[PATH_MAX], told[PATH_MAX];

static long number(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? atol(text) : 0;
}

static void choose_failure(const char *name)
{
    fail_step = number("ZM_FAIL_STEP");
    fail_for = number("ZM_FAIL_FOR");
    if (fail_for == 0)
        fail_for = 1;
    if (strcmp(name, "EIO") == 0) {
        fail_error = EIO;
    } else if (strcmp(name, "ENOSPC") == 0) {
        fail_error = ENOSPC;
        counted = MAKE | WRITE | NAME | CUT;
    } else if (strcmp(name, "EMFILE") == 0) {
        fail_error = EMFILE;
        counted = OPEN | MAKE;
    } else if (strcmp(name, "short") == 0) {
        counted = WRITE;
    } else {
        fprintf(stderr, "libzm-preload: no failure is named %s\n", name);
        abort();
    }
}

__attribute__((constructor)) static void begin(void)
{
    const char *where = getenv("ZM_KILL_BELOW"), *file = getenv("ZM_STEPS");
    const char *failure = getenv("ZM_FAIL");
    delay = number("ZM_SYNC_DELAY");
    kill_step = number("ZM_KILL_STEP");
    kill_after = number("ZM_KILL_AFTER") != 0;
    if (failure != NULL)
        choose_failure(failure);
    if (where == NULL || realpath(where, below) == NULL)
        below[0] = '\0';
    snprintf(told, sizeof told, "%s", file != NULL ? file : "");
}

__attribute__((destructor)) static void end(void)
{
    FILE *file = told[0] != '\0' ? fopen(told, "a") : NULL;
    told[0] = '\0';
    if (file == NULL)
        return;
    fprintf(file, "%ld\n", (long)steps);
    fclose(file);
}

/* The path of an open file or directory; of AT_FDCWD the working directory. */
static int inside(int at)
{
    char link[64], path[PATH_MAX];
    ssize_t length;
    size_t wanted = strlen(below);
    if (wanted == 0)
        return 1;
    if (at == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = '\0';
    return strncmp(path, below, wanted) == 0 && (path[wanted] == '/' || path[wanted] == '\0');
}

static int inside_path(int at, const char *path)
{
    size_t wanted = strlen(below);
    if (path[0] != '/')
        return inside(at);
    return wanted == 0 ||
           (strncmp(path, below, wanted) == 0 && (path[wanted] == '/' || path[wanted] == '\0'));
}

static void die_if(long step)
{
    if (step == kill_step)
        kill(getpid(), SIGKILL);
}

/* The number of this step; 0 when it is none. */
static long before(int kind, int is_inside)
{
    long step;
    if ((kind & counted) == 0 || !is_inside)
        return 0;
    if (kill_step == 0 && fail_step == 0 && told[0] == '\0')
        return 0;
    step = atomic_fetch_add(&steps, 1) + 1;
    if (!kill_after)
        die_if(step);
    return step;
}

static int fails(long step)
{
    return fail_step != 0 && step >= fail_step && step < fail_step + fail_for;
}

static void after(long step)
{
    int error = errno;
    if (kill_after && step != 0)
        die_if(step);
    errno = error;
}

static void wait_a_while(void)
{
    struct timespec time = {delay / 1000000, delay % 1000000 * 1000};
    int error = errno;
    if (delay > 0)
        nanosleep(&time, NULL);
    errno = error;
}

/* The C library's own, which is wrapped too: our programs rename by it. */
typedef long syscall_fn(long number, ...);

static syscall_fn *kernel(void)
{
    static _Atomic(syscall_fn *) found;
    syscall_fn *fn = found;
    if (fn == NULL) {
        *(void **)&fn = dlsym(RTLD_NEXT, "syscall");
        found = fn;
    }
    return fn;
}

/* The rest of a wrapper: counts, fails or calls the system, counts again. */
#define AS_STEP(kind, is_inside, type, call)                                                       \
    do {                                                                                           \
        long step_ = before(kind, is_inside);                                                      \
        type result_ = -1;                                                                         \
        if (fails(step_))                                                                          \
            errno = fail_error;                                                                    \
        else                                                                                       \
            result_ = (type)(call);                                                                \
        after(step_);                                                                              \
        return result_;                                                                            \
    } while (0)

/* -- syncs ------------------------------------------------------------------------------------ */

#define SYNCER(name)                                                                               \
    int name(int file)                                                                             \
    {                                                                                              \
        wait_a_while();                                                                            \
        AS_STEP(SYNC, inside(file), int, kernel()(SYS_##name, file));                              \
    }

SYNCER(fsync)
SYNCER(fdatasync)
SYNCER(syncfs)

/* -- what the system cannot tell -------------------------------------------------------------- */

static int is_listed(const char *word)
{
    const char *at = getenv("ZM_NO_ACCOUNT");
    size_t length = strlen(word);
    for (; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return 1;
    }
    return 0;
}

/* A lookup by a name or number, of this library or of the next. */
#define LOOKUP(function, key_type, record, format)                                                 \
    int function(key_type key, struct record *entry, char *buffer, size_t size,                    \
                 struct record **result)                                                           \
    {                                                                                              \
        int (*next)(key_type, struct record *, char *, size_t, struct record **);                  \
        char word[300];                                                                            \
        snprintf(word, sizeof word, format, key);                                                  \
        *result = NULL;                                                                            \
        if (is_listed(word))                                                                       \
            return EIO;                                                                            \
        *(void **)&next = dlsym(RTLD_NEXT, #function);                                             \
        return next(key, entry, buffer, size, result);                                             \
    }

LOOKUP(getpwnam_r, const char *, passwd, "%s")
LOOKUP(getpwuid_r, uid_t, passwd, "%u")
LOOKUP(getgrnam_r, const char *, group, "%s")

/* -- the system's log ------------------------------------------------------------------------- */

static void tell(int priority, const char *format, va_list arguments)
{
    const char *path = getenv("ZM_SYSLOG");
    FILE *file = path != NULL ? fopen(path, "a") : NULL;
    if (file == NULL)
        return;
    fprintf(file, "%d ", priority);
    vfprintf(file, format, arguments);
    fputc('\n', file);
    fclose(file);
}

void(syslog)(int priority, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(priority, format, arguments);
    va_end(arguments);
}

void __syslog_chk(int priority, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list arguments;
    (void)flag;
    va_start(arguments, format);
    tell(priority, format, arguments);
    va_end(arguments);
}

static int cannot_open(const char *path)
{
    const char *end = getenv("ZM_NO_OPEN");
    size_t length = end != NULL ? strlen(end) : 0, whole = strlen(path);
    return length > 0 && whole >= length && strcmp(path + whole - length, end) == 0;
}

/* -- files ------------------------------------------------------------------------------------- */

int openat(int at, const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;
    va_start(arguments, flags);
    mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (cannot_open(path)) {
        errno = EIO;
        return -1;
    }
    AS_STEP((flags & (O_CREAT | O_TRUNC)) != 0 ? MAKE : OPEN, inside_path(at, path), int,
            kernel()(SYS_openat, at, path, flags, mode));
}

int openat64(int at, const char *path, int flags, ...) __attribute__((alias("openat")));

int open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;
    va_start(arguments, flags);
    mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (cannot_open(path)) {
        errno = EIO;
        return -1;
    }
    AS_STEP((flags & (O_CREAT | O_TRUNC)) != 0 ? MAKE : OPEN, inside_path(AT_FDCWD, path), int,
            kernel()(SYS_openat, AT_FDCWD, path, flags, mode));
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

/* What a short write leaves of a length. */
static size_t cut(long step, size_t length)
{
    return fails(step) && fail_error == 0 && length > 1 ? length / 2 : length;
}

static ssize_t put(int file, const void *data, size_t length, off_t offset)
{
    long step = before(WRITE, inside(file));
    ssize_t result = -1;
    length = cut(step, length);
    if (fails(step) && fail_error != 0)
        errno = fail_error;
    else if (offset < 0)
        result = (ssize_t)kernel()(SYS_write, file, data, length);
    else
        result = (ssize_t)kernel()(SYS_pwrite64, file, data, length, offset);
    after(step);
    return result;
}

ssize_t pwrite(int file, const void *data, size_t length, off_t offset)
{
    return put(file, data, length, offset);
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset)
    __attribute__((alias("pwrite")));

ssize_t write(int file, const void *data, size_t length)
{
    return put(file, data, length, -1);
}

int ftruncate(int file, off_t length)
{
    AS_STEP(CUT, inside(file), int, kernel()(SYS_ftruncate, file, length));
}

int ftruncate64(int file, off64_t length) __attribute__((alias("ftruncate")));

/* -- names ------------------------------------------------------------------------------------- */

int mkdirat(int at, const char *path, mode_t mode)
{
    AS_STEP(NAME, inside_path(at, path), int, kernel()(SYS_mkdirat, at, path, mode));
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    AS_STEP(NAME, inside_path(to_at, to), int,
            kernel()(SYS_linkat, from_at, from, to_at, to, flags));
}

int unlinkat(int at, const char *path, int flags)
{
    AS_STEP(REMOVE, inside_path(at, path), int, kernel()(SYS_unlinkat, at, path, flags));
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    AS_STEP(NAME, inside_path(to_at, to), int,
            kernel()(SYS_renameat2, from_at, from, to_at, to, flags));
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    AS_STEP(NAME, inside_path(to_at, to), int,
            kernel()(SYS_renameat2, from_at, from, to_at, to, 0u));
}

long syscall(long which, ...)
{
    long words[6], step = 0, result = -1;
    va_list arguments;
    int i;
    va_start(arguments, which);
    for (i = 0; i < 6; i++)
        words[i] = va_arg(arguments, long);
    va_end(arguments);
    if (which == SYS_renameat2)
        step = before(NAME, inside_path((int)words[2], (const char *)words[3]));
    if (fails(step))
        errno = fail_error;
    else
        result = kernel()(which, words[0], words[1], words[2], words[3], words[4], words[5]);
    after(step);
    return result;
}
