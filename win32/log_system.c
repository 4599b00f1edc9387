/*
 * The Windows event log.  Without a message file of ours the viewer shows the
 * line with a note that the description is missing; the line itself is whole.
 */
#include "platform/system.h"

#include <string.h>
#include <windows.h>

#define EVENT_ID 1
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

void zm_system_log(zm_log_level_t level, const char *ident, const char *line)
{
    wchar_t name[IDENT_UNITS], text[LINE_UNITS];
    const wchar_t *strings[1] = {widen(text, LINE_UNITS, line)};
    HANDLE log = RegisterEventSourceW(NULL, widen(name, IDENT_UNITS, ident));
    if (log == NULL)
        return;
    ReportEventW(log, type_of(level), 0, EVENT_ID, NULL, 1, 0, strings, NULL);
    DeregisterEventSource(log);
}
