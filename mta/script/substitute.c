/* Command substitution: a list run in place, its value or text taken. */

#include "mta/script/interp.h"

/*
 * Blanks at both ends go; a run of blanks becomes one: a newline if it begins
 * with one, else a blank.  In place.
 */
static apr_size_t normalise(char *text, apr_size_t length)
{
    apr_size_t from = 0, to = 0;
    while (from < length) {
        if (!zm_is_space((unsigned char)text[from])) {
            text[to++] = text[from++];
            continue;
        }
        if (to > 0)
            text[to++] = text[from] == '\n' ? '\n' : ' ';
        while (from < length && zm_is_space((unsigned char)text[from]))
            from++;
    }
    if (to > 0 && zm_is_space((unsigned char)text[to - 1]))
        to--;
    return to;
}

zm_flow_t zm_substitute(zm_script_t *script, const zm_node_t *list, zm_result_t *result)
{
    zm_stream_t *collected, *outer = script->fds[1];
    bool outer_want = script->want_value;
    zm_flow_t flow;
    *result = (zm_result_t){.count = 1, .one = ZM_VALUE_NULL};
    if (!zm_stack_ok(script))
        return ZM_FLOW_ABORT;
    collected = zm_stream_new(script, ZM_STREAM_COLLECT);
    script->fds[1] = zm_stream_hold(collected);
    script->want_value = true;
    zm_result_clear(script);
    flow = list == NULL ? ZM_FLOW_NORMAL : zm_eval(script, list);
    script->want_value = outer_want;
    zm_descriptor_set(script, 1, outer);
    if (flow == ZM_FLOW_NORMAL && script->result.set) {
        *result = script->result;
    } else if (flow == ZM_FLOW_NORMAL && collected->text.length > 0) {
        collected->text.length = normalise(collected->text.data, collected->text.length);
        result->one = zm_make_string(script, collected->text.data, collected->text.length);
    }
    if (flow != ZM_FLOW_RETURN)
        zm_result_clear(script);
    if (collected->holders > 1)
        collected->kind = ZM_STREAM_NULL; /* a descriptor made by exec outlives the substitution */
    zm_stream_release(script, collected);
    return flow;
}
