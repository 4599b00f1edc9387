#include "mta/scheduler/duration.h"

#include <stdio.h>
#include <string.h>

static const char *print(char *buffer, int64_t seconds, bool words)
{
    static const char *const names[] = {"day", "hour", "min", "sec"};
    static const int64_t units[] = {86400, 3600, 60, 1};
    int i, large = 0;
    apr_size_t length, start = seconds < 0 ? 1 : 0;

    snprintf(buffer, ZM_DURATION_SIZE, "%s",
             seconds < 0   ? "-"
             : seconds > 0 ? ""
             : words       ? "0 sec"
                           : "0s");
    if (seconds < 0)
        seconds = seconds == INT64_MIN ? INT64_MAX : -seconds;
    length = strlen(buffer);
    for (i = 0; i < 4 && (i < 2 || large < 2); i++) {
        long long value = seconds / units[i];
        char *end = buffer + length;
        seconds %= units[i];
        if (value == 0)
            continue;
        large += i < 2;
        if (words)
            snprintf(end, ZM_DURATION_SIZE - length, "%s%lld %s%s", length > start ? " " : "",
                     value, names[i], value == 1 ? "" : "s");
        else
            snprintf(end, ZM_DURATION_SIZE - length, "%lld%c", value, names[i][0]);
        length += strlen(end);
    }
    return buffer;
}

const char *zm_duration_long(char buffer[ZM_DURATION_SIZE], int64_t seconds)
{
    return print(buffer, seconds, true);
}

const char *zm_duration_short(char buffer[ZM_DURATION_SIZE], int64_t seconds)
{
    return print(buffer, seconds, false);
}
