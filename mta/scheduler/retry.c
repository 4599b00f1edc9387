#include "mta/scheduler/retry.h"

static int64_t align(int64_t when, int64_t interval, int64_t skew)
{
    int64_t offset = when % interval;
    if (offset <= interval / 2)
        return when - (offset + skew - 1) / skew;
    return when + (interval - offset + skew - 1) / skew;
}

int64_t zm_retry_next(const zm_params_t *params, uint16_t *index, int64_t now, uint32_t random)
{
    int64_t when;
    if (params->retry_count == 0)
        return 0;
    if (*index >= params->retry_count)
        *index = (uint16_t)(random % (uint32_t)params->retry_count);
    when = align(now + params->retries[*index] * params->interval, params->interval, params->skew);
    ++*index;
    return when > now ? when : now + 1;
}

int64_t zm_retry_preview(const zm_params_t *params, uint16_t index, int64_t now)
{
    if (index >= params->retry_count)
        index = (uint16_t)(params->retry_count - 1);
    return zm_retry_next(params, &index, now, 0);
}
