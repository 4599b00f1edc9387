/*
 * Syslog.  openlog keeps the pointer it is given and one program may speak under
 * several names, so both calls are made under one lock.
 */
#include "platform/system.h"

#include <pthread.h>
#include <string.h>
#include <syslog.h>

#ifdef LOG_AUTHPRIV
#define FACILITY_SECRET LOG_AUTHPRIV
#else
#define FACILITY_SECRET LOG_AUTH
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char current_ident[64];

static int priority_of(zm_log_level_t level)
{
    switch (level) {
    case ZM_LOG_ERROR:
        return LOG_ERR;
    case ZM_LOG_WARNING:
        return LOG_WARNING;
    case ZM_LOG_NOTICE:
        return LOG_NOTICE;
    case ZM_LOG_INFO:
        return LOG_INFO;
    case ZM_LOG_DEBUG:
        break;
    }
    return LOG_DEBUG;
}

void zm_system_log(zm_log_level_t level, bool secret, const char *ident, const char *line)
{
    apr_size_t length = strlen(ident);
    if (length >= sizeof current_ident)
        length = sizeof current_ident - 1;
    pthread_mutex_lock(&lock);
    if (strncmp(current_ident, ident, length) != 0 || current_ident[length] != '\0' ||
        length == 0) {
        memcpy(current_ident, ident, length);
        current_ident[length] = '\0';
        openlog(current_ident, LOG_PID, LOG_MAIL);
    }
    syslog((secret ? FACILITY_SECRET : LOG_MAIL) | priority_of(level), "%s", line);
    pthread_mutex_unlock(&lock);
}
