/*
 * The Windows event log: one source for all programs, and a category for each
 * kind of them.  messages.mc, which is in every program, has the texts; until
 * an installation has told the system so (manager_places.c) the viewer shows
 * program and line with a note that the description is missing.
 */
#include "platform/system.h"

#include <string.h>
#include <windows.h>

#include "win32/manager.h"

/* In messages.mc: ZM_EVENT_LINE and the categories. */
#define EVENT_LINE 0x100
#define CATEGORY_OTHER 5
#define LINE_UNITS 8192
#define IDENT_UNITS 64

static WORD type_of(zm_log_level_t level)
{
    switch (level) {
    case ZM_LOG_ERROR:
        return EVENTLOG_ERROR_TYPE;
    case ZM_LOG_WARNING:
        return EVENTLOG_WARNING_TYPE;
    case ZM_LOG_NOTICE:
    case ZM_LOG_INFO:
    case ZM_LOG_DEBUG:
        break;
    }
    return EVENTLOG_INFORMATION_TYPE;
}

/* Cuts what does not fit; returns text, always ended. */
static const wchar_t *widen(wchar_t *text, int units, const char *from)
{
    apr_size_t length = strlen(from);
    int made;
    if (length > (apr_size_t)units - 1)
        length = (apr_size_t)units - 1; /* no UTF-8 octet makes more than one unit */
    made = length == 0 ? 0 : MultiByteToWideChar(CP_UTF8, 0, from, (int)length, text, units - 1);
    text[made] = L'\0';
    return text;
}

static WORD category_of(const char *ident)
{
    static const struct {
        const char *ident;
        WORD category;
    } known[] = {{"router", 1},   {"scheduler", 2}, {"smtpserver", 3},
                 {"sendmail", 4}, {"rmail", 4},     {"vacation", 4}};
    apr_size_t i;
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].ident, ident) == 0)
            return known[i].category;
    return CATEGORY_OTHER;
}

void zm_system_log(zm_log_level_t level, bool secret, const char *ident, const char *line)
{
    wchar_t name[IDENT_UNITS], text[LINE_UNITS];
    const wchar_t *strings[2] = {widen(name, IDENT_UNITS, ident), widen(text, LINE_UNITS, line)};
    HANDLE log = RegisterEventSourceW(NULL, ZM_EVENT_SOURCE);
    (void)secret; /* the event log has no such place */
    if (log == NULL)
        return;
    ReportEventW(log, type_of(level), category_of(ident), EVENT_LINE, NULL, 2, 0, strings, NULL);
    DeregisterEventSource(log);
}
