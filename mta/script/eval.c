/* Running the tree: everything but simple commands, pipes and sifts. */

#include <string.h>

#include "mta/script/interp.h"
#include "mta/script/pattern.h"
#include "mta/script/reclaim.h"
#include "mta/script/scope.h"

/* A failed expansion outside of a simple command only leaves its status. */
static zm_flow_t skipped(zm_flow_t flow)
{
    return flow == ZM_FLOW_SKIP ? ZM_FLOW_NORMAL : flow;
}

static zm_flow_t eval_list(zm_script_t *script, const zm_node_t *node)
{
    uint32_t i;
    for (i = 0; i < node->u.list.count; i++) {
        zm_flow_t flow = zm_eval(script, node->u.list.items[i]);
        if (flow != ZM_FLOW_NORMAL)
            return flow;
    }
    return ZM_FLOW_NORMAL;
}

static zm_flow_t eval_and_or(zm_script_t *script, const zm_node_t *node)
{
    while (node != NULL && (node->kind == ZM_NODE_AND || node->kind == ZM_NODE_OR)) {
        zm_flow_t flow = zm_eval(script, node->u.pair.left);
        if (flow != ZM_FLOW_NORMAL)
            return flow;
        if ((node->kind == ZM_NODE_AND) != (script->status == 0))
            return ZM_FLOW_NORMAL;
        node = node->u.pair.right;
    }
    return zm_eval(script, node);
}

static zm_flow_t eval_if(zm_script_t *script, const zm_node_t *node)
{
    while (node != NULL && node->kind == ZM_NODE_IF) {
        zm_flow_t flow = zm_eval(script, node->u.branch.condition);
        if (flow != ZM_FLOW_NORMAL)
            return flow;
        if (script->status == 0)
            return zm_eval(script, node->u.branch.then);
        node = node->u.branch.otherwise;
        if (node == NULL || node->kind != ZM_NODE_IF)
            break;
    }
    return zm_eval(script, node);
}

/* -- loops --------------------------------------------------------------------------- */

/* What an iteration that ended with flow means for its loop: true to go on with the next one. */
static bool loop_goes_on(zm_script_t *script, zm_flow_t *flow)
{
    if (*flow == ZM_FLOW_NORMAL)
        return true;
    if ((*flow != ZM_FLOW_BREAK && *flow != ZM_FLOW_CONTINUE) || --script->levels > 0)
        return false;
    if (*flow == ZM_FLOW_BREAK) {
        *flow = ZM_FLOW_NORMAL;
        return false;
    }
    *flow = ZM_FLOW_NORMAL;
    return true;
}

static zm_flow_t eval_while(zm_script_t *script, const zm_node_t *node)
{
    bool wanted = node->kind == ZM_NODE_WHILE;
    zm_flow_t flow = ZM_FLOW_NORMAL;
    zm_reclaim_t reclaim;
    zm_reclaim_begin(script, &reclaim);
    script->loops++;
    for (;;) {
        if (!zm_step(script)) {
            flow = ZM_FLOW_ABORT;
            break;
        }
        flow = zm_eval(script, node->u.pair.left);
        if (flow == ZM_FLOW_NORMAL) {
            if ((script->status == 0) != wanted)
                break;
            flow = zm_eval(script, node->u.pair.right);
        }
        if (!loop_goes_on(script, &flow))
            break;
        zm_reclaim_turn(script, &reclaim);
    }
    script->loops--;
    zm_reclaim_end(script, &reclaim);
    return flow;
}

static zm_flow_t eval_for(zm_script_t *script, const zm_node_t *node)
{
    uint32_t base = script->stack_top, count, i, mark;
    const zm_value_t *items;
    zm_flow_t flow = zm_expand_words(script, &node->u.loop.words);
    if (flow != ZM_FLOW_NORMAL) {
        script->stack_top = base;
        return skipped(flow);
    }
    items = script->stack + base;
    count = script->stack_top - base;
    if (node->u.loop.arguments) {
        items = script->frame->args;
        count = script->frame->count;
    }
    if (count > 0) {
        zm_reclaim_t reclaim;
        mark = zm_scope_enter(script);
        zm_reclaim_begin(script, &reclaim);
        script->loops++;
        for (i = 0; i < count; i++) {
            if (!zm_step(script)) {
                flow = ZM_FLOW_ABORT;
                break;
            }
            zm_scope_local(script, node->u.loop.variable, items[i]);
            flow = zm_eval(script, node->u.loop.body);
            if (!loop_goes_on(script, &flow))
                break;
            if (i + 1 < count)
                zm_reclaim_turn(script, &reclaim);
        }
        script->loops--;
        zm_reclaim_end(script, &reclaim);
        zm_scope_leave(script, mark);
    }
    script->stack_top = base;
    return flow;
}

/* -- definitions ------------------------------------------------------------------------ */

static void define(zm_script_t *script, zm_function_t *function)
{
    zm_symbol_t *symbol = function->name;
    zm_unit_hold(function->unit);
    if (symbol->function != NULL)
        zm_unit_release(script, symbol->function->unit);
    symbol->function = function;
}

static void make_local(zm_script_t *script, const zm_node_t *node)
{
    uint32_t i;
    for (i = 0; i < node->u.local.count; i++)
        zm_scope_local(script, node->u.local.symbols[i], ZM_VALUE_NIL);
}

/* -- case ---------------------------------------------------------------------------------- */

zm_flow_t zm_eval_case(zm_script_t *script, const zm_node_t *node)
{
    zm_value_t subject;
    uint32_t i, j;
    zm_flow_t flow = zm_expand_value(script, node->u.choice.subject, &subject);
    if (flow != ZM_FLOW_NORMAL || subject.is_list)
        return skipped(flow);
    for (i = 0; i < node->u.choice.count; i++) {
        const zm_arm_t *arm = &node->u.choice.arms[i];
        for (j = 0; j < arm->patterns.count; j++) {
            bool matched;
            flow = zm_pattern_match_word(script, arm->patterns.words[j], zm_value_str(subject),
                                         &matched);
            if (flow != ZM_FLOW_NORMAL)
                return skipped(flow);
            if (matched)
                return zm_eval(script, arm->body);
        }
    }
    return ZM_FLOW_NORMAL;
}

static zm_flow_t eval_group(zm_script_t *script, const zm_node_t *node)
{
    uint32_t mark = zm_scope_enter(script);
    zm_flow_t flow = zm_eval(script, node->u.body);
    zm_scope_leave(script, mark);
    return flow;
}

zm_flow_t zm_eval_redirected(zm_script_t *script, const zm_node_t *node)
{
    zm_saved_t *saved;
    zm_flow_t flow;
    if (zm_redirect(script, node->u.redirect.redirects, &saved, &flow))
        flow = zm_eval(script, node->u.redirect.body);
    zm_redirect_undo(script, saved);
    return skipped(flow);
}

zm_flow_t zm_eval(zm_script_t *script, const zm_node_t *node)
{
    if (node == NULL || script->flags & ZM_FLAG_NOEXEC)
        return ZM_FLOW_NORMAL;
    if (node->kind == ZM_NODE_SIMPLE)
        return zm_eval_simple(script, node, NULL, NULL);
    if (!zm_stack_ok(script))
        return ZM_FLOW_ABORT;
    switch (node->kind) {
    case ZM_NODE_LIST:
        return eval_list(script, node);
    case ZM_NODE_AND:
    case ZM_NODE_OR:
        return eval_and_or(script, node);
    case ZM_NODE_PIPE:
        return zm_eval_pipe(script, node);
    case ZM_NODE_GROUP:
        return eval_group(script, node);
    case ZM_NODE_SUBSHELL:
        return zm_eval_subshell(script, node->u.body);
    case ZM_NODE_IF:
        return eval_if(script, node);
    case ZM_NODE_WHILE:
    case ZM_NODE_UNTIL:
        return eval_while(script, node);
    case ZM_NODE_FOR:
        return eval_for(script, node);
    case ZM_NODE_CASE:
        return zm_eval_case(script, node);
    case ZM_NODE_SIFT:
        return zm_eval_sift(script, node);
    case ZM_NODE_REDIRECT:
        return zm_eval_redirected(script, node);
    case ZM_NODE_LOCAL:
        make_local(script, node);
        return ZM_FLOW_NORMAL;
    case ZM_NODE_FUNCTION:
        define(script, node->u.function);
        return ZM_FLOW_NORMAL;
    case ZM_NODE_SIMPLE:
        break;
    }
    return ZM_FLOW_NORMAL;
}
