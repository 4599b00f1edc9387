/* External programs. */

#include <apr_env.h>
#include <apr_file_info.h>
#include <apr_signal.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_thread_proc.h>
#include <stdlib.h>
#include <string.h>

#include "mta/script/interp.h"
#include "mta/script/scope.h"

/* -- finding ------------------------------------------------------------------------- */

static bool is_executable(const char *path, apr_pool_t *pool)
{
    apr_finfo_t info = {0};
    apr_status_t status = apr_stat(&info, path, APR_FINFO_TYPE | APR_FINFO_PROT, pool);
    if (status != APR_SUCCESS && status != APR_INCOMPLETE)
        return false;
    return info.filetype == APR_REG &&
           (!(info.valid & APR_FINFO_PROT) ||
            (info.protection & (APR_FPROT_UEXECUTE | APR_FPROT_GEXECUTE | APR_FPROT_WEXECUTE)) !=
                0);
}

/* The path itself, or with the suffix of programs where the system has one. */
static const char *executable(const char *path, apr_pool_t *pool)
{
    if (is_executable(path, pool))
        return path;
    path = apr_pstrcat(pool, path, ".exe", NULL);
    return is_executable(path, pool) ? path : NULL;
}

const char *zm_external_find(zm_script_t *script, zm_str_t name)
{
    apr_pool_t *pool = script->arena.pool;
    zm_value_t path = ZM_VALUE_NULL;
    zm_str_t rest, directory;
    bool more = true;
    if (name.length == 0)
        return NULL;
    if (zm_str_find(name, '/') >= 0)
        return executable(zm_str_c(pool, name), pool);
    zm_variable_get(script, script->symbol_path, &path);
    for (rest = zm_value_str(path); more;) {
        const char *found;
        more = zm_str_cut(rest, ':', &directory, &rest);
        if (directory.length == 0)
            directory = ZM_S(".");
        found = executable(apr_psprintf(pool, "%.*s/%.*s", (int)directory.length, directory.data,
                                        (int)name.length, name.data),
                           pool);
        if (found != NULL)
            return found;
    }
    return NULL;
}

/* Finds by symbol, whose path is remembered. */
static const char *locate(zm_script_t *script, zm_symbol_t *symbol, zm_str_t name)
{
    const char *path;
    if (symbol != NULL && symbol->path != NULL)
        return symbol->path;
    path = zm_external_find(script, name);
    if (path != NULL && symbol != NULL) {
        symbol->path = malloc(strlen(path) + 1);
        if (symbol->path == NULL)
            abort();
        memcpy(symbol->path, path, strlen(path) + 1);
    }
    return path;
}

/* -- environment --------------------------------------------------------------------------- */

typedef struct zm_environment_t {
    apr_array_header_t *entries;
    apr_pool_t *pool;
} zm_environment_t;

static void add_entry(zm_environment_t *environment, zm_str_t name, zm_str_t value)
{
    *(const char **)apr_array_push(environment->entries) = apr_psprintf(
        environment->pool, "%.*s=%.*s", (int)name.length, name.data, (int)value.length, value.data);
}

static void add_exported(zm_symbol_t *symbol, void *baton)
{
    if (symbol->is_exported)
        add_entry(baton, symbol->name, symbol->exported);
}

static const char *const *environment_of(zm_script_t *script, apr_pool_t *pool)
{
    zm_environment_t environment = {apr_array_make(pool, 50, sizeof(char *)), pool};
    const zm_prefix_t *prefix;
    for (prefix = script->prefix; prefix != NULL; prefix = prefix->outer)
        add_entry(&environment, prefix->symbol->name, zm_value_str(prefix->symbol->cell.value));
    zm_symbols_each(&script->symbols, add_exported, &environment);
    *(const char **)apr_array_push(environment.entries) = NULL;
    return (const char *const *)(void *)environment.entries->elts;
}

/* -- descriptors ------------------------------------------------------------------------------- */

static apr_file_t *scratch_file(apr_pool_t *pool)
{
    const char *directory;
    char *path;
    apr_file_t *file;
    if (apr_temp_dir_get(&directory, pool) != APR_SUCCESS)
        directory = "/tmp";
    path = apr_pstrcat(pool, directory, "/zmshXXXXXX", NULL);
    if (apr_file_mktemp(&file, path,
                        APR_FOPEN_READ | APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_EXCL |
                            APR_FOPEN_BINARY | APR_FOPEN_DELONCLOSE,
                        pool) != APR_SUCCESS)
        return NULL;
    return file;
}

/* Standard input: the file itself, or what waits in memory through a scratch file. */
static apr_file_t *input_file(zm_script_t *script, apr_pool_t *pool)
{
    zm_stream_t *stream = script->fds[0];
    zm_buf_t text = ZM_BUF_INIT;
    apr_file_t *file;
    apr_off_t offset;
    if (stream != NULL && stream->kind == ZM_STREAM_FILE) {
        offset = (apr_off_t)stream->at - (apr_off_t)stream->text.length;
        if (offset == 0)
            return stream->file;
        if (apr_file_seek(stream->file, APR_CUR, &offset) == APR_SUCCESS) {
            zm_buf_clear(&stream->text);
            stream->at = 0;
            return stream->file;
        }
    }
    file = scratch_file(pool);
    if (file == NULL)
        return NULL;
    if (stream != NULL)
        zm_stream_drain(stream, &text, script->limits.memory);
    offset = 0;
    if (text.length > 0)
        apr_file_write_full(file, text.data, text.length, NULL);
    apr_file_seek(file, APR_SET, &offset);
    zm_buf_free(&text);
    return file;
}

static bool is_memory(const zm_stream_t *stream)
{
    return stream != NULL && (stream->kind == ZM_STREAM_COLLECT || stream->kind == ZM_STREAM_SINK);
}

/* Decides where the three standard descriptors of the program go. */
static apr_status_t connect_streams(zm_script_t *script, zm_external_t *program,
                                    apr_procattr_t *attributes)
{
    zm_stream_t *output = script->fds[1], *errors = script->fds[2];
    apr_file_t *input = input_file(script, program->pool), *file, *reader;
    apr_status_t status;
    if (input == NULL)
        return APR_ENOENT;
    status = apr_procattr_child_in_set(attributes, input, NULL);
    if (status != APR_SUCCESS)
        return status;
    if (is_memory(output)) {
        status = apr_file_pipe_create_ex(&reader, &file, APR_FULL_BLOCK, program->pool);
        if (status != APR_SUCCESS)
            return status;
        apr_file_inherit_unset(reader);
        apr_file_inherit_unset(file);
        program->output = zm_stream_hold(output);
        program->reader = reader;
        program->writer = file;
    } else {
        file = output != NULL && output->kind == ZM_STREAM_FILE ? output->file
                                                                : scratch_file(program->pool);
    }
    if (file == NULL ||
        (status = apr_procattr_child_out_set(attributes, file, NULL)) != APR_SUCCESS)
        return file == NULL ? APR_ENOENT : status;
    if (errors != output) {
        file = errors != NULL && errors->kind == ZM_STREAM_FILE ? errors->file
                                                                : scratch_file(program->pool);
        if (is_memory(errors))
            program->errors = file;
    }
    return file == NULL ? APR_ENOENT : apr_procattr_child_err_set(attributes, file, NULL);
}

/* -- starting ---------------------------------------------------------------------------------- */

static apr_status_t start(zm_script_t *script, zm_external_t *program, const char *path,
                          const zm_value_t *words, uint32_t count)
{
    const char **argv = apr_palloc(program->pool, (count + 1) * sizeof *argv);
    apr_procattr_t *attributes;
    apr_status_t status;
    uint32_t i;
    for (i = 0; i < count; i++)
        argv[i] = zm_str_c(program->pool, zm_value_str(words[i]));
    argv[count] = NULL;
    status = apr_procattr_create(&attributes, program->pool);
    if (status == APR_SUCCESS)
        status = apr_procattr_cmdtype_set(attributes, APR_PROGRAM);
    if (status == APR_SUCCESS)
        status = apr_procattr_error_check_set(attributes, 1);
    if (status == APR_SUCCESS)
        status = connect_streams(script, program, attributes);
    if (status == APR_SUCCESS)
        status = apr_proc_create(&program->process, path, argv,
                                 environment_of(script, program->pool), attributes, program->pool);
    if (program->writer != NULL)
        apr_file_close(program->writer);
    return status;
}

bool zm_external_start(zm_script_t *script, zm_external_t *program, zm_symbol_t *symbol,
                       const zm_value_t *words, uint32_t count)
{
    zm_str_t name = count > 0 ? zm_value_str(words[0]) : ZM_S("");
    const char *path;
    apr_status_t status;
    char text[200];
    *program = (zm_external_t){0};
    script->status = 1;
    if (script->no_programs) {
        zm_complain(script, "%.*s: external programs are not allowed here", (int)name.length,
                    name.data);
        return false;
    }
    path = locate(script, symbol, name);
    if (path == NULL) {
        zm_complain(script, "%.*s: not found", (int)name.length, name.data);
        return false;
    }
    apr_pool_create(&program->pool, script->pool);
    status = start(script, program, path, words, count);
    if (status == APR_SUCCESS)
        return true;
    zm_complain(script, "%s: %s", path, apr_strerror(status, text, sizeof text));
    script->status = APR_STATUS_IS_EAGAIN(status) || APR_STATUS_IS_ENOMEM(status) ? 128 : 1;
    zm_stream_release(script, program->output);
    apr_pool_destroy(program->pool);
    return false;
}

/* -- ending ------------------------------------------------------------------------------------ */

static void copy_output(zm_script_t *script, apr_file_t *from, zm_stream_t *to)
{
    char buffer[4096];
    for (;;) {
        apr_size_t length = sizeof buffer;
        if (apr_file_read(from, buffer, &length) != APR_SUCCESS || length == 0)
            return;
        zm_stream_write(script, to, zm_str_of(buffer, length));
    }
}

static void set_status(zm_script_t *script, int code, apr_exit_why_e why)
{
    if (APR_PROC_CHECK_EXIT(why)) {
        script->status = code;
        return;
    }
    script->status = 128 + code;
    if (code != 13) /* a broken pipe is how the head of a pipeline ends */
        zm_complain(script, "%s", apr_signal_description_get(code));
}

void zm_external_finish(zm_script_t *script, zm_external_t *program)
{
    apr_exit_why_e why = APR_PROC_EXIT;
    int code = 1;
    apr_off_t start_offset = 0;
    if (program->output != NULL)
        copy_output(script, program->reader, program->output);
    if (apr_proc_wait(&program->process, &code, &why, APR_WAIT) == APR_CHILD_DONE)
        set_status(script, code, why);
    else
        script->status = 1;
    if (program->errors != NULL && script->fds[2] != NULL) {
        apr_file_seek(program->errors, APR_SET, &start_offset);
        copy_output(script, program->errors, script->fds[2]);
    }
    zm_stream_release(script, program->output);
    apr_pool_destroy(program->pool);
}

void zm_external_background(zm_script_t *script, zm_symbol_t *symbol, const zm_value_t *words,
                            uint32_t count)
{
    zm_external_t program;
    zm_background_t *background;
    zm_buf_t text = ZM_BUF_INIT;
    zm_stream_t *output = script->fds[1], *errors = script->fds[2];
    bool started;
    /* what it writes later cannot be collected any more */
    if (is_memory(output))
        script->fds[1] = NULL;
    if (is_memory(errors))
        script->fds[2] = NULL;
    started = zm_external_start(script, &program, symbol, words, count);
    script->fds[1] = output;
    script->fds[2] = errors;
    if (!started)
        return;
    background = apr_palloc(program.pool, sizeof *background);
    background->process = program.process;
    background->pool = program.pool;
    background->next = script->background;
    script->background = background;
    zm_buf_printf(&text, "%" APR_INT64_T_FMT "\n", (apr_int64_t)program.process.pid);
    zm_write(script, 1, zm_buf_str(&text));
    zm_buf_free(&text);
    script->status = 0;
}
