/* Pipelines, background programs and subshells. */

#include <apr_file_info.h>
#include <apr_strings.h>
#include <stdlib.h>

#include "mta/script/interp.h"
#include "mta/script/scope.h"

/* -- pipelines ------------------------------------------------------------------------- */

typedef struct zm_pipeline_t {
    zm_external_t *programs; /* running, to be waited for when the last command has ended */
    uint32_t count;
} zm_pipeline_t;

/* The command of a simple node when it is certainly an external program. */
static bool is_program(const zm_node_t *node)
{
    const zm_symbol_t *symbol;
    if (node->kind != ZM_NODE_SIMPLE)
        return false;
    symbol = node->u.simple.command;
    return symbol != NULL && symbol->function == NULL && symbol->builtin == NULL;
}

/* A command in the process: runs to its end; what it wrote is the input of the next. */
static zm_flow_t run_collected(zm_script_t *script, const zm_node_t *node, zm_stream_t **next)
{
    zm_stream_t *collected = zm_stream_new(script, ZM_STREAM_COLLECT), *outer = script->fds[1];
    bool outer_want = script->want_value;
    zm_flow_t flow;
    script->fds[1] = zm_stream_hold(collected);
    script->want_value = false;
    flow = zm_eval(script, node);
    script->want_value = outer_want;
    zm_descriptor_set(script, 1, outer);
    collected->kind = ZM_STREAM_TEXT;
    *next = collected;
    return flow;
}

/* A program: started, its output is the input of the next through a pipe of the system. */
static zm_flow_t run_piped(zm_script_t *script, const zm_node_t *node, zm_pipeline_t *pipeline,
                           zm_stream_t **next)
{
    zm_stream_t *reader, *writer, *outer = script->fds[1];
    zm_external_t *program = &pipeline->programs[pipeline->count];
    bool started = false;
    zm_flow_t flow;
    reader = zm_stream_new(script, ZM_STREAM_FILE);
    writer = zm_stream_new(script, ZM_STREAM_FILE);
    apr_pool_create(&reader->pool, script->pool);
    apr_pool_create(&writer->pool, script->pool);
    *next = reader;
    if (apr_file_pipe_create_ex(&reader->file, &writer->file, APR_FULL_BLOCK, reader->pool) !=
        APR_SUCCESS) {
        reader->kind = writer->kind = ZM_STREAM_NULL;
        zm_complain(script, "cannot make a pipe");
    } else {
        apr_file_inherit_unset(reader->file);
        apr_file_inherit_unset(writer->file);
    }
    script->fds[1] = writer;
    flow = zm_eval_simple(script, node, program, &started);
    if (writer->kind == ZM_STREAM_FILE)
        apr_file_close(writer->file);
    writer->kind = ZM_STREAM_NULL;
    zm_descriptor_set(script, 1, outer);
    if (started)
        pipeline->count++;
    return flow;
}

static zm_flow_t run_member(zm_script_t *script, const zm_node_t *node, uint32_t index,
                            zm_pipeline_t *pipeline)
{
    zm_stream_t *next;
    zm_flow_t flow;
    if (index + 1 == node->u.list.count)
        return zm_eval(script, node->u.list.items[index]);
    if (is_program(node->u.list.items[index]))
        flow = run_piped(script, node->u.list.items[index], pipeline, &next);
    else
        flow = run_collected(script, node->u.list.items[index], &next);
    zm_descriptor_set(script, 0, next);
    return flow;
}

static zm_flow_t run_background(zm_script_t *script, const zm_node_t *node)
{
    const zm_node_t *command = node->u.list.items[0];
    uint32_t base = script->stack_top;
    zm_flow_t flow;
    if (node->u.list.count > 1 || !is_program(command) || command->u.simple.words.count == 0) {
        zm_complain(script, "only a single program can run in the background");
        script->status = 1;
        return ZM_FLOW_NORMAL;
    }
    flow = zm_expand_words(script, &command->u.simple.words);
    if (flow == ZM_FLOW_NORMAL && script->stack_top > base) {
        zm_saved_t *saved;
        zm_stream_t *input = script->fds[0];
        script->fds[0] = zm_stream_new(script, ZM_STREAM_NULL);
        if (zm_redirect(script, command->u.simple.redirects, &saved, &flow))
            zm_external_background(script, command->u.simple.command, script->stack + base,
                                   script->stack_top - base);
        zm_redirect_undo(script, saved);
        zm_descriptor_set(script, 0, input);
    }
    script->stack_top = base;
    return flow == ZM_FLOW_SKIP ? ZM_FLOW_NORMAL : flow;
}

zm_flow_t zm_eval_pipe(zm_script_t *script, const zm_node_t *node)
{
    zm_pipeline_t pipeline = {NULL, 0};
    zm_stream_t *input = script->fds[0];
    zm_flow_t flow = ZM_FLOW_NORMAL;
    int status;
    uint32_t i;
    if (!zm_step(script))
        return ZM_FLOW_ABORT;
    if (node->u.list.background)
        return run_background(script, node);
    pipeline.programs =
        zm_arena_alloc(&script->arena, node->u.list.count * sizeof *pipeline.programs);
    if (input != NULL)
        zm_stream_hold(input);
    for (i = 0; i < node->u.list.count && flow == ZM_FLOW_NORMAL; i++)
        flow = run_member(script, node, i, &pipeline);
    zm_descriptor_set(script, 0, input);
    status = script->status;
    for (i = 0; i < pipeline.count; i++)
        zm_external_finish(script, &pipeline.programs[i]);
    script->status = status;
    return flow;
}

/* -- subshells ------------------------------------------------------------------------------- */

typedef struct zm_outside_t {
    zm_snapshot_t *snapshot;
    zm_stream_t *fds[ZM_DESCRIPTORS];
    zm_frame_t *frame;
    char *directory;
    unsigned flags;
    uint32_t loops;
    bool want_value;
} zm_outside_t;

static void subshell_enter(zm_script_t *script, zm_outside_t *outside)
{
    int i;
    outside->snapshot = zm_snapshot_take(script);
    outside->frame = script->frame;
    outside->flags = script->flags;
    outside->loops = script->loops;
    outside->want_value = script->want_value;
    if (apr_filepath_get(&outside->directory, 0, script->arena.pool) != APR_SUCCESS)
        outside->directory = NULL;
    for (i = 0; i < ZM_DESCRIPTORS; i++) {
        outside->fds[i] = script->fds[i];
        if (script->fds[i] != NULL)
            zm_stream_hold(script->fds[i]);
    }
    for (i = 0; i < ZM_SIGNALS; i++)
        if (script->traps[i] != NULL && script->traps[i][0] != '\0')
            zm_trap_set(script, i, NULL);
    script->loops = 0;
    script->want_value = false;
}

static void subshell_leave(zm_script_t *script, zm_outside_t *outside)
{
    int i;
    if (outside->directory != NULL)
        apr_filepath_set(outside->directory, script->arena.pool);
    for (i = 0; i < ZM_DESCRIPTORS; i++)
        zm_descriptor_set(script, i, outside->fds[i]);
    script->flags = outside->flags;
    script->loops = outside->loops;
    script->want_value = outside->want_value;
    zm_snapshot_restore(script, outside->snapshot);
}

/*
 * A subshell runs in this process; its variables, functions, traps, options,
 * directory and descriptors are put back afterwards, so that it needs no fork.
 */
zm_flow_t zm_eval_subshell(zm_script_t *script, const zm_node_t *body)
{
    zm_frame_t frame = *script->frame;
    zm_outside_t outside;
    uint32_t mark;
    zm_flow_t flow;
    subshell_enter(script, &outside);
    script->frame = &frame;
    mark = zm_scope_enter(script);
    flow = zm_eval(script, body);
    if (flow == ZM_FLOW_EXIT)
        script->status = script->exit_status;
    if (flow != ZM_FLOW_ABORT && script->traps[0] != NULL) {
        int status = script->status;
        zm_script_run_exit_trap(script);
        script->status = status;
    }
    zm_scope_leave(script, mark);
    zm_result_clear(script);
    script->frame = outside.frame;
    subshell_leave(script, &outside);
    return flow == ZM_FLOW_ABORT ? flow : ZM_FLOW_NORMAL;
}
