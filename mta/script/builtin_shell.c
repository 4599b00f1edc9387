/* Built-ins of the shell core that ask something of the system: input, directory, children, time.
 */

#include <apr_file_info.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <apr_time.h>

#include "mta/script/interp.h"
#include "mta/script/scope.h"
#include "platform/exec.h"

/* -- read -------------------------------------------------------------------------------- */

/* One line without its end, CR and NUL.  False at the end of input before any byte. */
static bool read_line(zm_script_t *script, zm_buf_t *line)
{
    zm_stream_t *stream = script->fds[0];
    bool any = false;
    int byte;
    while (stream != NULL && (byte = zm_stream_byte(stream)) >= 0) {
        any = true;
        if (byte == '\n')
            break;
        if (byte != '\r' && byte != '\0')
            zm_buf_add_byte(line, (char)byte);
        if (line->length >= script->limits.memory)
            break;
    }
    return any;
}

static int do_read(zm_call_t *call)
{
    zm_script_t *script = call->script;
    zm_buf_t line = ZM_BUF_INIT;
    const bool *ifs = script->ifs;
    apr_size_t i, at = 0;
    bool any;
    if (call->count == 0) {
        zm_call_complain(call, "usage: read name...");
        return 64;
    }
    any = read_line(script, &line);
    for (i = 0; i < call->count; i++) {
        zm_str_t name = zm_call_arg(call, i);
        apr_size_t start;
        while (at < line.length && ifs[(unsigned char)line.data[at]])
            at++;
        start = at;
        if (i + 1 == call->count)
            at = line.length;
        while (at < line.length && !ifs[(unsigned char)line.data[at]])
            at++;
        zm_script_set(script, name,
                      at > start ? zm_make_string(script, line.data + start, at - start)
                                 : ZM_VALUE_NULL);
    }
    zm_buf_free(&line);
    return any ? 0 : 1;
}

/* -- directory and modes -------------------------------------------------------------------- */

static int change_directory(zm_call_t *call, const char *path, bool announce)
{
    apr_pool_t *pool = call->script->arena.pool;
    char *now;
    if (apr_filepath_set(path, pool) != APR_SUCCESS)
        return 2;
    if (announce && apr_filepath_get(&now, 0, pool) == APR_SUCCESS)
        zm_call_print(call, "%s\n", now);
    return 0;
}

static bool searches_path(zm_str_t name)
{
    return !(zm_str_starts(name, ZM_S("/")) || zm_str_starts(name, ZM_S("./")) ||
             zm_str_starts(name, ZM_S("../")) || zm_str_equal_c(name, ".") ||
             zm_str_equal_c(name, ".."));
}

static int do_cd(zm_call_t *call)
{
    zm_script_t *script = call->script;
    zm_str_t name = zm_call_arg(call, 0), rest, directory;
    bool more;
    if (call->count > 1) {
        zm_call_complain(call, "usage: cd [directory]");
        return 64;
    }
    if (call->count == 0) {
        name = zm_script_get_str(script, "HOME");
        if (name.length == 0) {
            zm_call_complain(call, "HOME is not set");
            return 1;
        }
    }
    rest = zm_script_get_str(script, "CDPATH");
    more = rest.length > 0 && searches_path(name);
    while (more) {
        more = zm_str_cut(rest, ':', &directory, &rest);
        if (directory.length > 0 &&
            change_directory(call,
                             apr_psprintf(script->arena.pool, "%.*s/%.*s", (int)directory.length,
                                          directory.data, (int)name.length, name.data),
                             !zm_str_equal_c(directory, ".")) == 0)
            return 0;
    }
    if (change_directory(call, zm_str_c(script->arena.pool, name), false) == 0)
        return 0;
    zm_call_complain(call, "%.*s: cannot change to that directory", (int)name.length, name.data);
    return 2;
}

/* Three octal digits; the answer without arguments has a zero before them. */
static int do_umask(zm_call_t *call)
{
    zm_str_t text = zm_call_arg(call, 0);
    unsigned mask = 0;
    apr_size_t i;
    if (call->count == 0) {
        mask = zm_program_umask(0);
        zm_program_umask(mask);
        zm_call_print(call, "%03o\n", mask);
        return 0;
    }
    for (i = 0; i < text.length && text.data[i] >= '0' && text.data[i] <= '7' && mask <= 0777; i++)
        mask = mask * 8 + (unsigned)(text.data[i] - '0');
    if (call->count > 1 || text.length == 0 || i < text.length || mask > 0777) {
        zm_call_complain(call, "usage: umask [octal mask]");
        return 64;
    }
    zm_program_umask(mask);
    return 0;
}

/* -- time and children ------------------------------------------------------------------------ */

static int do_sleep(zm_call_t *call)
{
    uint64_t seconds;
    if (call->count != 1 || zm_str_u64(zm_call_arg(call, 0), &seconds) != APR_SUCCESS ||
        seconds == 0 || seconds > 86400) {
        zm_call_complain(call, "usage: sleep seconds (1 to 86400)");
        return 64;
    }
    for (; seconds > 0 && !zm_traps_wait(call->script); seconds--)
        apr_sleep(apr_time_from_sec(1));
    return 0;
}

static int do_wait(zm_call_t *call)
{
    zm_script_t *script = call->script;
    zm_background_t **link = &script->background;
    uint64_t wanted = 0;
    int status = 0;
    if (call->count > 0 && zm_str_u64(zm_call_arg(call, 0), &wanted) != APR_SUCCESS) {
        zm_call_complain(call, "usage: wait [number]");
        return 64;
    }
    while (*link != NULL) {
        zm_background_t *background = *link;
        apr_exit_why_e why = APR_PROC_EXIT;
        int code = 0;
        if (wanted != 0 && (uint64_t)background->process.pid != wanted) {
            link = &background->next;
            continue;
        }
        if (apr_proc_wait(&background->process, &code, &why, APR_WAIT) == APR_CHILD_DONE)
            status = APR_PROC_CHECK_EXIT(why) ? code : 128 + code;
        *link = background->next;
        apr_pool_destroy(background->pool);
    }
    return wanted == 0 ? 0 : status;
}

static int do_times(zm_call_t *call)
{
    apr_time_t user, system;
    unsigned u, s;
    zm_program_child_times(&user, &system);
    u = (unsigned)apr_time_sec(user);
    s = (unsigned)apr_time_sec(system);
    zm_call_print(call, "%um%us %um%us\n", u / 60, u % 60, s / 60, s % 60);
    return 0;
}

void zm_builtin_shell_define(zm_script_t *script)
{
    zm_script_define(script, "umask", ZM_BUILTIN_ARGV, do_umask, NULL);
    zm_script_define(script, "times", ZM_BUILTIN_ARGV, do_times, NULL);
    zm_script_define(script, "read", ZM_BUILTIN_ARGV, do_read, NULL);
    zm_script_define(script, "cd", ZM_BUILTIN_ARGV, do_cd, NULL);
    zm_script_define(script, "sleep", ZM_BUILTIN_ARGV, do_sleep, NULL);
    zm_script_define(script, "wait", ZM_BUILTIN_ARGV, do_wait, NULL);
}
