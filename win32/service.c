/*
 * Going into the background.
 *
 * A Windows process cannot fork, so it starts itself again with the same command
 * line, without console and standard streams, and waits for the verdict of the
 * second one on a pipe, whose handle stands in the second one's environment.
 */
#include "platform/service.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "win32/file.h"
#include "win32/scm.h"
#include "win32/spawn.h"

#define VERDICT_VARIABLE L"ZM_VERDICT_PIPE"
#define READY 'R'
#define FAIL 'F'
#define TEXT_LIMIT 1000
#define EXIT_OS_ERROR 71 /* EX_OSERR */

typedef struct verdict_t {
    char kind;
    unsigned char code;
    char text[TEXT_LIMIT + 1];
} verdict_t;

/* In a background process that is not ready yet: */
static HANDLE verdict_pipe;

/* -- the original process --------------------------------------------------------------- */

__attribute__((noreturn)) static void wait_for_verdict(HANDLE pipe_end, HANDLE process)
{
    verdict_t verdict = {0};
    DWORD length = 0, got, code = 0;
    while (
        length < sizeof verdict &&
        ReadFile(pipe_end, (char *)&verdict + length, (DWORD)sizeof verdict - length, &got, NULL) &&
        got > 0)
        length += got;
    if (length > 0 && verdict.kind == READY)
        _exit(0);
    if (length > offsetof(verdict_t, text) && verdict.kind == FAIL) {
        verdict.text[TEXT_LIMIT] = '\0';
        fprintf(stderr, "%s\n", verdict.text);
        fflush(stderr);
        _exit(verdict.code);
    }
    WaitForSingleObject(process, INFINITE);
    GetExitCodeProcess(process, &code);
    fprintf(stderr, "the daemon ended while it was starting, exit code %lu\n", code);
    fflush(stderr);
    _exit(code != 0 ? (int)code : EXIT_OS_ERROR);
}

static apr_status_t start_again(HANDLE writing, PROCESS_INFORMATION *process)
{
    static const HANDLE none[3];
    wchar_t number[32], program[ZM_WIDE_MAX];
    DWORD length = GetModuleFileNameW(NULL, program, ZM_WIDE_MAX);
    apr_status_t status;
    wchar_t *line = _wcsdup(GetCommandLineW()); /* it is written to */
    if (length == 0 || length >= ZM_WIDE_MAX || line == NULL) {
        free(line);
        return APR_ENOMEM;
    }
    swprintf(number, 32, L"%llu", (unsigned long long)(uintptr_t)writing);
    SetEnvironmentVariableW(VERDICT_VARIABLE, number);
    status =
        zm_create_process(process, program, line, NULL, NULL,
                          DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP, NULL, none, &writing, 1);
    SetEnvironmentVariableW(VERDICT_VARIABLE, NULL);
    free(line);
    return status;
}

/* -- the background process ----------------------------------------------------------------- */

static bool take_verdict_pipe(void)
{
    wchar_t number[32];
    DWORD length = GetEnvironmentVariableW(VERDICT_VARIABLE, number, 32);
    if (length == 0 || length >= 32)
        return false;
    SetEnvironmentVariableW(VERDICT_VARIABLE, NULL);
    verdict_pipe = (HANDLE)(uintptr_t)wcstoull(number, NULL, 10);
    if (GetFileType(verdict_pipe) != FILE_TYPE_PIPE)
        verdict_pipe = NULL;
    else
        SetHandleInformation(verdict_pipe, HANDLE_FLAG_INHERIT, 0);
    return true;
}

apr_status_t zm_service_detach(zm_error_t *error)
{
    HANDLE reading, writing;
    PROCESS_INFORMATION process;
    apr_status_t status;
    if (take_verdict_pipe())
        return APR_SUCCESS;
    if (!CreatePipe(&reading, &writing, NULL, 0))
        return zm_error_system(error, zm_last_status(), "cannot detach");
    fflush(NULL);
    status = start_again(writing, &process);
    CloseHandle(writing);
    if (status == APR_SUCCESS)
        wait_for_verdict(reading, process.hProcess);
    CloseHandle(reading);
    return zm_error_system(error, status, "cannot detach");
}

/* -- readiness --------------------------------------------------------------------------------- */

static void tell_original(const void *data, apr_size_t length)
{
    DWORD put;
    WriteFile(verdict_pipe, data, (DWORD)length, &put, NULL);
    CloseHandle(verdict_pipe);
    verdict_pipe = NULL;
}

void zm_service_ready(void)
{
    const char ready = READY;
    if (verdict_pipe != NULL)
        tell_original(&ready, 1);
    else
        zm_scm_ready();
}

void zm_service_fail(int code, const char *text)
{
    verdict_t verdict = {.kind = FAIL, .code = (unsigned char)code};
    if (verdict_pipe != NULL) {
        apr_size_t length = strlen(text);
        if (length > TEXT_LIMIT)
            length = TEXT_LIMIT;
        memcpy(verdict.text, text, length);
        tell_original(&verdict, offsetof(verdict_t, text) + length + 1);
    } else {
        fprintf(stderr, "%s\n", text);
        zm_scm_failed(code, text);
    }
    exit(code);
}
