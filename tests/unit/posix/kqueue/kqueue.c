/*
 * kqueue's view of directories, made with inotify: the queue is an inotify instance, whose events
 * are gathered to one for each watched descriptor (EV_CLEAR).  A descriptor that was closed is no
 * longer watched, as there.  Never waits, whatever the timeout; one queue at a time is enough for
 * the tests, so what is watched stands in one table.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/event.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHANGES (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
#define SLOTS 2000

typedef struct knote_t {
    struct kevent event; /* as it was added */
    int queue, number;   /* inotify's */
    ino_t inode;
    unsigned waiting; /* fflags to tell */
    bool deleted;
} knote_t;

static knote_t notes[SLOTS];
static int note_count;

static bool is_open(const knote_t *note)
{
    struct stat info;
    return fstat((int)note->event.ident, &info) == 0 && info.st_ino == note->inode;
}

int kqueue(void)
{
    return inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

static int add(int queue, const struct kevent *change)
{
    char path[40];
    struct stat info;
    knote_t note = {.event = *change, .queue = queue};
    int i;
    if (change->filter != EVFILT_VNODE || fstat((int)change->ident, &info) != 0) {
        errno = EBADF;
        return -1;
    }
    note.inode = info.st_ino;
    snprintf(path, sizeof path, "/proc/self/fd/%u", (unsigned)change->ident);
    note.number = inotify_add_watch(queue, path, CHANGES | IN_MOVE_SELF | IN_MASK_ADD);
    if (note.number < 0)
        return -1;
    strcat(path, "/..");
    (void)inotify_add_watch(queue, path, IN_DELETE | IN_MASK_ADD); /* see note_deleted */
    for (i = 0; i < note_count; i++)
        if ((notes[i].queue == queue && notes[i].event.ident == change->ident) ||
            !is_open(&notes[i]))
            break;
    if (i == SLOTS) {
        errno = ENOMEM;
        return -1;
    }
    note_count += i == note_count;
    notes[i] = note;
    return 0;
}

/* Of the end of a directory that is open inotify tells only who watches its parent. */
static void note_deleted(int queue)
{
    int i;
    for (i = 0; i < note_count; i++) {
        struct stat info;
        if (notes[i].queue == queue && !notes[i].deleted && is_open(&notes[i]) &&
            fstat((int)notes[i].event.ident, &info) == 0 && info.st_nlink == 0) {
            notes[i].deleted = true;
            notes[i].waiting |= NOTE_DELETE;
        }
    }
}

static void gather(int queue)
{
    union {
        struct inotify_event aligned;
        char bytes[8192];
    } buffer;
    ssize_t got;
    while ((got = read(queue, buffer.bytes, sizeof buffer.bytes)) > 0) {
        size_t at = 0;
        while (at + sizeof(struct inotify_event) <= (size_t)got) {
            const struct inotify_event *event = (const void *)(buffer.bytes + at);
            int i;
            for (i = 0; i < note_count; i++)
                if (notes[i].queue == queue && notes[i].number == event->wd)
                    notes[i].waiting |= ((event->mask & CHANGES) != 0 ? NOTE_WRITE : 0u) |
                                        ((event->mask & IN_MOVE_SELF) != 0 ? NOTE_RENAME : 0u);
            at += sizeof *event + event->len;
        }
    }
}

int kevent(int queue, const struct kevent *changes, int change_count, struct kevent *events,
           int event_count, const struct timespec *timeout)
{
    int i, told = 0;
    (void)timeout;
    for (i = 0; i < change_count; i++)
        if (add(queue, &changes[i]) != 0)
            return -1;
    gather(queue);
    note_deleted(queue);
    for (i = 0; i < note_count && told < event_count; i++) {
        unsigned now = notes[i].waiting & notes[i].event.fflags;
        if (notes[i].queue != queue || now == 0 || !is_open(&notes[i]))
            continue;
        notes[i].waiting = 0;
        events[told] = notes[i].event;
        events[told].flags = EV_CLEAR;
        events[told++].fflags = now;
    }
    return told;
}
