/*
 * Becoming another program: a Windows process cannot, so it starts the other one
 * with its own streams, waits, and ends as that one ended.
 */
#include "platform/exec.h"

#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "win32/spawn.h"

apr_status_t zm_program_exec(const char *const *argv, zm_error_t *error)
{
    zm_child_spec_t spec = {.argv = argv, .io = ZM_CHILD_INHERIT};
    PROCESS_INFORMATION process;
    apr_pool_t *scratch;
    DWORD code = EXIT_FAILURE;
    apr_status_t status;

    apr_pool_create(&scratch, NULL);
    fflush(NULL);
    status = zm_spawn(&process, &spec, INVALID_SOCKET, scratch, error);
    apr_pool_destroy(scratch);
    if (status != APR_SUCCESS)
        return status;
    SetConsoleCtrlHandler(NULL, TRUE); /* Ctrl-C is for the other program */
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    exit((int)code);
}

bool zm_program_is_terminal(int stream)
{
    return _isatty(stream) != 0;
}

void zm_program_fill_streams(void)
{
    /* The C library knows a stream without a handle, and opens nothing in its place. */
}

void zm_program_binary_streams(void)
{
    /* Done by startup.c. */
}

unsigned zm_program_umask(unsigned mask)
{
    return (unsigned)_umask((int)mask);
}

void zm_program_child_times(apr_time_t *user, apr_time_t *system)
{
    *user = *system = 0; /* Windows does not add up what children used */
}
