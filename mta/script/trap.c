/* Traps: script text run when a signal was noted, and at the end. */

#include <stdlib.h>
#include <string.h>

#include "mta/script/interp.h"

void zm_trap_set(zm_script_t *script, int number, const char *text)
{
    char *copy = NULL;
    if (text != NULL) {
        copy = malloc(strlen(text) + 1);
        if (copy == NULL)
            abort();
        memcpy(copy, text, strlen(text) + 1);
    }
    free(script->traps[number]);
    script->traps[number] = copy;
    if (number > 0 && script->on_trap != NULL)
        script->on_trap(script->on_trap_baton, number,
                        copy == NULL      ? ZM_TRAP_DEFAULT
                        : copy[0] == '\0' ? ZM_TRAP_IGNORE
                                          : ZM_TRAP_CATCH);
}

/* The status of the interrupted command survives a trap. */
static zm_flow_t run_one(zm_script_t *script, int number)
{
    zm_result_t result = script->result;
    bool want_value = script->want_value;
    int status = script->status;
    zm_flow_t flow;
    zm_unit_t *unit;
    zm_str_t text = zm_str(script->traps[number]);
    if (zm_unit_parse(&unit, script, text, "trap", true, NULL) != APR_SUCCESS)
        return ZM_FLOW_NORMAL;
    script->in_trap = true;
    script->want_value = false;
    flow = zm_run_unit(script, unit);
    zm_unit_release(script, unit);
    script->in_trap = false;
    script->want_value = want_value;
    script->result = result;
    if (flow == ZM_FLOW_NORMAL)
        script->status = status;
    return flow;
}

zm_flow_t zm_traps_run(zm_script_t *script, bool held_too)
{
    zm_flow_t flow = ZM_FLOW_NORMAL;
    int number;
    script->any_pending = 0;
    for (number = 1; number < ZM_SIGNALS && flow == ZM_FLOW_NORMAL; number++) {
        if (script->pending[number] == 0)
            continue;
        if (script->held[number] && !held_too)
            continue; /* waits for zm_script_run_traps */
        script->pending[number] = 0;
        if (script->traps[number] != NULL && script->traps[number][0] != '\0')
            flow = run_one(script, number);
    }
    return flow;
}

void zm_script_signal(zm_script_t *script, int number)
{
    if (number <= 0 || number >= ZM_SIGNALS)
        return;
    script->pending[number] = 1;
    script->any_pending = 1;
}

void zm_script_on_trap(zm_script_t *script, zm_script_trap_fn *fn, void *baton)
{
    script->on_trap = fn;
    script->on_trap_baton = baton;
}

void zm_script_hold_trap(zm_script_t *script, int number, bool hold)
{
    if (number > 0 && number < ZM_SIGNALS)
        script->held[number] = hold;
}
