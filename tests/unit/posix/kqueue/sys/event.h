/**
 * As much of kqueue as watching directories takes, for Linux, so that posix/dirwatch_kqueue.c is
 * also compiled and tried there: names and meanings are those of the manual pages of FreeBSD.
 * kqueue.c does it with inotify.
 */
#ifndef ZM_TESTS_KQUEUE_H
#define ZM_TESTS_KQUEUE_H

#include <stdint.h>
#include <time.h>

#define EVFILT_VNODE (-4)

#define EV_ADD 0x0001
#define EV_CLEAR 0x0020
#define EV_ERROR 0x4000

#define NOTE_DELETE 0x0001
#define NOTE_WRITE 0x0002
#define NOTE_EXTEND 0x0004
#define NOTE_RENAME 0x0020
#define NOTE_REVOKE 0x0040

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned fflags;
    int64_t data;
    void *udata;
    uint64_t ext[4];
};

#define EV_SET(event, id, kind, what, notes, value, own)                                           \
    (*(event) = (struct kevent){.ident = (id),                                                     \
                                .filter = (kind),                                                  \
                                .flags = (what),                                                   \
                                .fflags = (notes),                                                 \
                                .data = (value),                                                   \
                                .udata = (own)})

int kqueue(void);
int kevent(int queue, const struct kevent *changes, int change_count, struct kevent *events,
           int event_count, const struct timespec *timeout);

#endif
