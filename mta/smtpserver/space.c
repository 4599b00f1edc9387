#include "mta/smtpserver/space.h"

#include "platform/clock.h"

#define ASK_INTERVAL APR_USEC_PER_SEC

void space_init(space_t *space, zm_spool_t *spool, uint64_t reserve)
{
    space->spool = spool;
    space->reserve = reserve;
    space->asked = 0;
    space->free = 0;
}

static void ask(space_t *space)
{
    apr_time_t now = zm_clock_monotonic();
    uint64_t objects;
    if (space->asked != 0 && now - space->asked < ASK_INTERVAL)
        return;
    space->asked = now;
    if (zm_spool_free_space(space->spool, &space->free, &objects) != APR_SUCCESS)
        space->free = UINT64_MAX; /* writing will tell */
    else if (objects == 0)
        space->free = 0;
}

uint64_t space_usable(space_t *space)
{
    ask(space);
    return space->free > space->reserve ? space->free - space->reserve : 0;
}

void space_taken(space_t *space, uint64_t bytes)
{
    if (space->free != UINT64_MAX)
        space->free -= bytes < space->free ? bytes : space->free;
}
