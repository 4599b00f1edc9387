/**
 * mail(3): submitting mail to ZMailer from a program.  Link with -lzmailer.
 *
 *     FILE *message = mail_open(MSG_RFC822);
 *     if (message == NULL) ...
 *     fprintf(message, "from <ann@example.org>\nto <bob@example.net>\nenv-end\n");
 *     fprintf(message, "Subject: Greetings\n\nHello.\n");
 *     if (mail_close(message) != 0) ... not queued: errno tells why
 *
 * First come envelope lines, one "keyword value" each, then the header, an empty
 * line and the body.  mail_close returns 0 only when the message is safe.  All
 * functions may be used from several threads on different streams.
 */
#ifndef ZMAILER_H
#define ZMAILER_H

#include <stdio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POSTMASTER "postmaster"
#define DEFERREDDIR "deferred"
#define FREEZERDIR "freezer"
#define POSTMANDIR "postman"
#define PUBLICDIR "public"
#define QUEUEDIR "queue"
#define ROUTERDIR "router"
#define TRANSPORTDIR "transport"
#define FORMSDIR "forms"
#define SUFFIXCHARS " abcdefghijklmnopqrstuvwxyz"
#define PID_ROUTER ".pid.router"
#define PID_SCHEDULER ".pid.scheduler"
#define PID_SMTPSERVER ".pid.smtpserver"
#define MSG_DEFAULT ((const char *)0)
#define MSG_RFC822 ""
#define _MAILPRIO_HIGH 0
#define _MAILPRIO_NORMAL 0
#define _MAILPRIO_BULK 1
#define _MAILPRIO_JUNK 9

/** The spool; null: POSTOFFICE of the site's zmailer.conf. */
extern const char *postoffice;
/** Which input directory: one of _MAILPRIO_*. Looked at by mail_open. */
extern int mail_priority;
/** The program's name in messages; an application may define its own. */
extern const char *progname;

/** A new message stream, positioned after the first envelope lines.  NULL and errno. */
FILE *mail_open(const char *type);
/** Finishes and submits.  0, or -1 and errno: EBADF for a stream that is not ours, ENOSPC, EIO ...
 */
int mail_close(FILE *stream);
/** The same; tells the message's number and arrival time, from which its spool id is made.  Null
 * pointers are allowed. */
int _mail_close_(FILE *stream, long *ino, time_t *mtime, long *mtime_ns);
/** async non-zero: does not wait for the disk. */
int _mail_close_async(FILE *stream, long *ino, time_t *mtime, long *mtime_ns, int async);
/** Finishes the message and puts it in another directory of the spool, with a suffix behind its
 * number; nobody is told. */
int mail_close_alternate(FILE *stream, const char *where, const char *suffix);
int mail_close_alternate_async(FILE *stream, const char *where, const char *suffix, int async);
/** Throws the message away. */
int mail_abort(FILE *stream);
/** The scratch file's path; NULL: it has none that others could use. */
char *mail_fname(FILE *stream);

/** Makes a file below the spool from a template whose first '%' is replaced by each of SUFFIXCHARS
 * in turn until the name is free.  *path becomes its absolute path (allocated by mail_alloc). */
FILE *_mail_fopen(char **path);
/** Renames a file to such a name. */
int mail_link(const char *from, char **path);

void *mail_alloc(unsigned size);
void *mail_realloc(void *memory, unsigned size);
void mail_free(void *memory);
/** Our host's name; "unknown" when there is none. */
const char *mail_host(void);
int getmyhostname(char *buffer, int size);

#ifdef __cplusplus
}
#endif

#endif
