/**
 * Streams: what a script's descriptors refer to.
 *
 * A stream is a file of the system, text in memory to be read, text being
 * collected, or a sink of the C program.  Descriptors are entries of a small
 * table of the interpreter; those of the process are touched only for external
 * programs.  Streams are counted: `exec 3>&1` makes two descriptors of one.
 */
#ifndef ZM_SCRIPT_IO_H
#define ZM_SCRIPT_IO_H

#include <apr_file_io.h>

#include "mta/script/flow.h"
#include "mta/script/script.h"
#include "mta/script/tree.h"

#define ZM_DESCRIPTORS 32

typedef enum zm_stream_kind_t {
    ZM_STREAM_NULL, /**< reads end of file, writes vanish */
    ZM_STREAM_FILE,
    ZM_STREAM_TEXT,    /**< read from text */
    ZM_STREAM_COLLECT, /**< written into text */
    ZM_STREAM_SINK
} zm_stream_kind_t;

typedef struct zm_stream_t {
    zm_stream_kind_t kind;
    unsigned holders;
    apr_file_t *file;
    apr_pool_t *pool; /**< of the file when the stream owns it, else null */
    zm_buf_t text;    /**< COLLECT: what was written; TEXT, FILE: what waits to be read */
    apr_size_t at;    /**< read position in text */
    bool failed;      /**< writing failed once */
    zm_script_sink_fn *sink;
    void *sink_baton;
    int sink_stream;
    struct zm_stream_t *next_free;
} zm_stream_t;

/** New streams are held once. */
zm_stream_t *zm_stream_new(zm_script_t *script, zm_stream_kind_t kind);
/** Reads a copy of that text. */
zm_stream_t *zm_stream_text(zm_script_t *script, zm_str_t text);
zm_stream_t *zm_stream_hold(zm_stream_t *stream);
void zm_stream_release(zm_script_t *script, zm_stream_t *stream); /**< null allowed */

void zm_stream_write(zm_script_t *script, zm_stream_t *stream, zm_str_t text);
/** The next byte, or -1 at the end. */
int zm_stream_byte(zm_stream_t *stream);
/** Everything up to the end, appended; at most limit bytes. */
void zm_stream_drain(zm_stream_t *stream, zm_buf_t *out, apr_size_t limit);
/** Reads a script into text: without the mark that editors put before UTF-8, and with lines that
 * end in LF alone. */
zm_str_t zm_stream_source(zm_stream_t *stream, zm_buf_t *text);
/** Opens a file as a stream; flags as for apr_file_open. */
apr_status_t zm_stream_open(zm_stream_t **stream, zm_script_t *script, const char *path,
                            apr_int32_t flags);

/** Writes to a descriptor; closed ones swallow it. */
void zm_write(zm_script_t *script, int descriptor, zm_str_t text);
/** Makes the descriptor refer to the stream, whose hold passes over (null: closed). */
void zm_descriptor_set(zm_script_t *script, int descriptor, zm_stream_t *stream);

/** What redirections replaced. */
typedef struct zm_saved_t {
    int descriptor;
    zm_stream_t *stream;
    struct zm_saved_t *next;
} zm_saved_t;

/**
 * Performs redirections in order.  *saved is what zm_redirect_undo needs, also
 * after a failure.  False: one could not be made (reported, status set), or an
 * expansion changed the flow of control (*flow is not NORMAL).
 */
bool zm_redirect(zm_script_t *script, const zm_redirect_t *redirects, zm_saved_t **saved,
                 zm_flow_t *flow);
void zm_redirect_undo(zm_script_t *script, zm_saved_t *saved);
/** Makes them permanent (exec). */
void zm_redirect_keep(zm_script_t *script, zm_saved_t *saved);

#endif
