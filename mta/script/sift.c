/* The sift statements: labels tried one after the other on a subject that follows its variables. */

#include <apr_strings.h>

#include "mta/script/interp.h"
#include "mta/script/regex.h"
#include "mta/script/scope.h"
#include "mta/script/sift_token.h"

/*
 * As the original has it (old_sift): whether a subject changed is one flag for
 * all sifts, which every evaluation of a subject clears and the end of a sift
 * too; and a function whose subject calls a function with a sift in it ends
 * there, in silence.  Configurations may unknowingly live on that.
 */

typedef struct zm_sifting_t {
    const zm_sift_t *sift;
    zm_match_t match;
    zm_match_t *outer; /* match record of the enclosing sift */
    zm_str_t subject;
    zm_sift_tokens_t tokens;
    bool split; /* tokens are those of the subject */
    zm_dependencies_t dependencies;
} zm_sifting_t;

/* Evaluates the subject, with \N referring to the enclosing sift. */
static zm_flow_t evaluate_subject(zm_script_t *script, zm_sifting_t *sifting)
{
    zm_match_t *own = script->match;
    zm_value_t value;
    uint32_t mark = zm_track_begin(script);
    uint64_t begun = script->sift_count;
    zm_flow_t flow;
    script->match = sifting->outer;
    flow = zm_expand_value(script, sifting->sift->subject, &value);
    script->match = own;
    zm_track_end(script, mark, &sifting->dependencies);
    sifting->subject = zm_value_str(value);
    sifting->split = false;
    script->sift_forgot = script->version;
    if (script->old_sift && script->sift_count != begun && flow == ZM_FLOW_NORMAL) {
        zm_result_clear(script);
        flow = ZM_FLOW_RETURN;
    }
    return flow;
}

static bool subject_changed(const zm_script_t *script, const zm_sifting_t *sifting)
{
    return zm_track_changed(&sifting->dependencies, script->old_sift ? script->sift_forgot : 0);
}

/* -- labels ------------------------------------------------------------------------------ */

/* Compiles a label, kept for the life of the unit.  False: it cannot be (reported). */
static bool compile(zm_script_t *script, const zm_sift_t *sift, zm_label_t *label, zm_str_t text)
{
    apr_pool_t *pool = sift->unit->pool;
    zm_error_t error;
    apr_status_t status;
    zm_str_t wrapped;
    char *bytes = apr_palloc(pool, text.length + 2);
    bytes[0] = '^';
    if (text.length > 0)
        memcpy(bytes + 1, text.data, text.length);
    bytes[text.length + 1] = '$';
    wrapped = zm_str_of(bytes, text.length + 2);
    if (sift->tokens)
        status = zm_sift_pattern_compile(&label->pattern, wrapped, pool, &error);
    else
        status = zm_regex_compile(&label->regex, wrapped, pool, &error);
    if (status == APR_SUCCESS)
        return true;
    zm_complain(script, "regexp %.*s: %s", (int)text.length, text.data, error.text);
    return false;
}

/* Makes the label ready to match.  *ready is false when it cannot match. */
static zm_flow_t prepare(zm_script_t *script, const zm_sift_t *sift, zm_label_t *label, bool *ready)
{
    bool compiled = label->regex != NULL || label->pattern != NULL;
    zm_value_t value = zm_value_of(label->text);
    *ready = true;
    if (label->word != NULL && (!compiled || label->effects)) {
        zm_flow_t flow = zm_expand_value(script, label->word, &value);
        if (flow != ZM_FLOW_NORMAL)
            return flow;
    }
    if (!compiled)
        *ready = compile(script, sift, label, zm_value_str(value));
    return ZM_FLOW_NORMAL;
}

static bool match_label(zm_script_t *script, zm_sifting_t *sifting, const zm_label_t *label)
{
    zm_str_t groups[10];
    unsigned count = 0, i;
    apr_status_t status;
    if (sifting->sift->tokens) {
        if (!sifting->split) {
            zm_sift_tokens_split(&sifting->tokens, sifting->subject, script->arena.pool);
            zm_arena_charge(&script->arena, sifting->tokens.count * sizeof(zm_sift_token_t) * 2);
            sifting->split = true;
        }
        status = zm_sift_pattern_match(label->pattern, &sifting->tokens, groups, &count,
                                       script->arena.pool);
    } else {
        status =
            zm_regex_match(label->regex, sifting->subject, groups, &count, script->regex_scratch);
    }
    if (status == ZM_E_LIMIT)
        zm_complain(script, "regexp %.*s: gave up after too much backtracking",
                    (int)label->text.length, label->text.data);
    if (status != APR_SUCCESS)
        return false;
    sifting->match.matched = true;
    sifting->match.count = count;
    for (i = 0; i < 10; i++)
        sifting->match.groups[i] = groups[i];
    if (script->trace_mask & ZM_TRACE_MATCH)
        script->trace(script->trace_baton, ZM_TRACE_MATCH, script->activations, label->text,
                      zm_value_of(sifting->subject));
    return true;
}

/* One attempt: re-evaluates the subject if need be, matches. */
static zm_flow_t attempt(zm_script_t *script, zm_sifting_t *sifting, zm_label_t *label,
                         bool *matched)
{
    zm_flow_t flow = ZM_FLOW_NORMAL;
    *matched = false;
    if (!zm_step(script))
        return ZM_FLOW_ABORT;
    if (subject_changed(script, sifting))
        flow = evaluate_subject(script, sifting);
    if (flow == ZM_FLOW_NORMAL)
        flow = prepare(script, sifting->sift, label, matched);
    if (script->trace_mask & ZM_TRACE_COMPARE)
        script->trace(script->trace_baton, ZM_TRACE_COMPARE, script->activations, label->text,
                      zm_value_of(sifting->subject));
    if (flow == ZM_FLOW_NORMAL && *matched)
        *matched = match_label(script, sifting, label);
    return flow;
}

/* -- the statement --------------------------------------------------------------------------- */

/* Runs an arm.  *index moves on unless the arm said continue; *over when the sift ends here. */
static zm_flow_t run_arm(zm_script_t *script, const zm_label_t *label, uint32_t *index, bool *over)
{
    zm_flow_t flow = zm_eval(script, label->body);
    *over = true;
    if (flow == ZM_FLOW_NORMAL) {
        *over = false;
        ++*index;
        return flow;
    }
    if ((flow != ZM_FLOW_BREAK && flow != ZM_FLOW_CONTINUE) || --script->levels > 0)
        return flow;
    *over = flow == ZM_FLOW_BREAK;
    return ZM_FLOW_NORMAL;
}

static zm_flow_t try_labels(zm_script_t *script, zm_sifting_t *sifting)
{
    const zm_sift_t *sift = sifting->sift;
    uint32_t index = 0, attempts = 0;
    zm_flow_t flow = ZM_FLOW_NORMAL;
    while (index < sift->count && flow == ZM_FLOW_NORMAL) {
        bool matched, over = false;
        if (++attempts > ZM_SIFT_LABELS) {
            zm_complain(script, "a sift tried its labels %d times: left (line %u of \"%s\")",
                        ZM_SIFT_LABELS, sift->line, sift->unit->name);
            break;
        }
        flow = attempt(script, sifting, &sift->labels[index], &matched);
        if (flow != ZM_FLOW_NORMAL)
            break;
        if (matched)
            flow = run_arm(script, &sift->labels[index], &index, &over);
        else
            index++;
        if (over)
            break;
    }
    return flow;
}

zm_flow_t zm_eval_sift(zm_script_t *script, const zm_node_t *node)
{
    zm_sifting_t sifting = {.sift = &node->u.sift, .outer = script->match};
    zm_flow_t flow;
    script->sift_count++;
    flow = evaluate_subject(script, &sifting);
    if (flow == ZM_FLOW_NORMAL) {
        sifting.match.tokens = sifting.sift->tokens;
        script->match = &sifting.match;
        script->loops++;
        flow = try_labels(script, &sifting);
        script->loops--;
        script->match = sifting.outer;
        script->sift_forgot = script->version;
    }
    return flow == ZM_FLOW_SKIP ? ZM_FLOW_NORMAL : flow;
}
