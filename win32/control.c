/*
 * Control events are named event objects "Global\zmailer-PID-NAME".  One thread
 * waits for all of them and posts what happened to the loop.  Ctrl-C in a
 * console, its closing, and the end of the session are a stop.
 *
 * A process group is a job object "Global\zmailer-PID-group", named after its
 * leader, which child.c makes.
 */
#include "win32/control.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "platform/child.h"
#include "win32/file.h"
#include "win32/sid.h"

#define NAME_UNITS 80
#define GROUP_LIMIT 1024 /* processes of one group that are told */

static struct {
    zm_loop_t *loop;
    zm_control_fn *fn; /* null: nobody listens */
    void *baton;
    HANDLE thread;
    HANDLE events[ZM_CONTROL_COUNT + 1]; /* the last: stop listening */
} listener;

const char *zm_control_name(zm_control_t event)
{
    static const char *const names[] = {"stop", "slow-stop", "reopen", "reload", "dump"};
    return (unsigned)event < ZM_CONTROL_COUNT ? names[event] : "unknown";
}

static void event_name(wchar_t *name, DWORD pid, zm_control_t event)
{
    swprintf(name, NAME_UNITS, L"Global\\zmailer-%lu-%hs", pid, zm_control_name(event));
}

void zm_group_name(wchar_t *name, DWORD pid)
{
    swprintf(name, ZM_GROUP_NAME_UNITS, L"Global\\zmailer-%lu-group", pid);
}

/* -- listening --------------------------------------------------------------------------- */

/* On the loop.  The event is its own baton: its number is all there is to say. */
static void deliver(void *baton)
{
    if (listener.fn != NULL)
        listener.fn((zm_control_t)(intptr_t)baton, listener.baton);
}

static DWORD WINAPI wait_for_events(void *baton)
{
    (void)baton;
    for (;;) {
        DWORD which =
            WaitForMultipleObjects(ZM_CONTROL_COUNT + 1, listener.events, FALSE, INFINITE);
        if (which >= WAIT_OBJECT_0 + ZM_CONTROL_COUNT)
            return 0;
        zm_loop_post(listener.loop, deliver, (void *)(intptr_t)(which - WAIT_OBJECT_0));
    }
}

/*
 * After the return of this handler from anything but Ctrl-C and Ctrl-Break the
 * system ends the process; so it waits to be ended by the stop instead.
 */
static BOOL WINAPI on_console(DWORD kind)
{
    if (listener.fn == NULL)
        return FALSE;
    SetEvent(listener.events[ZM_CONTROL_STOP]);
    if (kind == CTRL_CLOSE_EVENT || kind == CTRL_LOGOFF_EVENT || kind == CTRL_SHUTDOWN_EVENT)
        Sleep(INFINITE);
    return TRUE;
}

static void close_events(void)
{
    int i;
    for (i = 0; i <= ZM_CONTROL_COUNT; i++)
        if (listener.events[i] != NULL)
            CloseHandle(listener.events[i]);
}

static apr_status_t open_events(void)
{
    wchar_t name[NAME_UNITS];
    int i;
    for (i = 0; i < ZM_CONTROL_COUNT; i++) {
        event_name(name, GetCurrentProcessId(), (zm_control_t)i);
        listener.events[i] = CreateEventW(zm_private_security(), FALSE, FALSE, name);
        if (listener.events[i] == NULL)
            return zm_last_status();
    }
    listener.events[i] = CreateEventW(NULL, FALSE, FALSE, NULL);
    return listener.events[i] == NULL ? zm_last_status() : APR_SUCCESS;
}

static apr_status_t stop_listening(void *data)
{
    (void)data;
    SetConsoleCtrlHandler(on_console, FALSE);
    SetEvent(listener.events[ZM_CONTROL_COUNT]);
    WaitForSingleObject(listener.thread, INFINITE);
    CloseHandle(listener.thread);
    close_events();
    memset(&listener, 0, sizeof listener);
    return APR_SUCCESS;
}

apr_status_t zm_control_listen(zm_loop_t *loop, zm_control_fn *fn, void *baton)
{
    apr_status_t status;
    if (listener.fn != NULL)
        return ZM_E_BUSY;
    listener.loop = loop;
    status = open_events();
    if (status == APR_SUCCESS) {
        listener.thread = CreateThread(NULL, 65536, wait_for_events, NULL, 0, NULL);
        if (listener.thread == NULL)
            status = zm_last_status();
    }
    if (status != APR_SUCCESS) {
        close_events();
        memset(&listener, 0, sizeof listener);
        return status;
    }
    listener.fn = fn;
    listener.baton = baton;
    apr_pool_pre_cleanup_register(zm_loop_pool(loop), NULL, stop_listening);
    SetConsoleCtrlHandler(NULL, FALSE); /* who started us may have had Ctrl-C ignored */
    SetConsoleCtrlHandler(on_console, TRUE);
    return APR_SUCCESS;
}

/* -- declining --------------------------------------------------------------------------- */

static BOOL WINAPI on_console_declined(DWORD kind)
{
    if (kind == CTRL_CLOSE_EVENT || kind == CTRL_LOGOFF_EVENT || kind == CTRL_SHUTDOWN_EVENT)
        Sleep(INFINITE);
    return TRUE;
}

/* The events exist, so that nobody takes us for a program without ears and ends it (send_to). */
apr_status_t zm_control_decline(void)
{
    apr_status_t status;
    if (listener.fn != NULL)
        return ZM_E_BUSY;
    status = open_events();
    if (status != APR_SUCCESS)
        close_events();
    else if (!SetConsoleCtrlHandler(on_console_declined, TRUE))
        status = zm_last_status();
    return status;
}

#define CAUGHT_LIMIT 32
static zm_signal_fn *caught[CAUGHT_LIMIT];

/* The runtime forgets a handler when it calls it. */
static void __cdecl on_signal(int number)
{
    signal(number, on_signal);
    if (number >= 0 && number < CAUGHT_LIMIT && caught[number] != NULL)
        caught[number](number);
}

apr_status_t zm_control_catch(int number, zm_signal_fn *fn)
{
    static const int known[] = {SIGINT, SIGILL, SIGFPE, SIGSEGV, SIGTERM, SIGBREAK, SIGABRT};
    apr_size_t i;
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i] == number) {
            caught[number] = fn;
            return signal(number, fn != NULL ? on_signal : SIG_DFL) == SIG_ERR ? APR_EINVAL
                                                                               : APR_SUCCESS;
        }
    return APR_EINVAL;
}

/* -- sending ------------------------------------------------------------------------------- */

static apr_status_t check_pid(apr_int64_t pid)
{
    return pid > 4 && pid <= UINT32_MAX ? APR_SUCCESS
                                        : APR_EINVAL; /* 0 and 4 are the system's own */
}

static apr_status_t terminate(DWORD pid)
{
    HANDLE process = OpenProcess(PROCESS_TERMINATE, FALSE, pid);
    apr_status_t status = APR_SUCCESS;
    if (process == NULL)
        return GetLastError() == ERROR_INVALID_PARAMETER ? ZM_E_GONE : zm_last_status();
    if (!TerminateProcess(process, ZM_EXIT_KILLED) && zm_process_alive(pid))
        status = zm_last_status();
    CloseHandle(process);
    return status;
}

/* As on Unix a stop ends a program that does not listen. */
static apr_status_t send_to(DWORD pid, zm_control_t event)
{
    wchar_t name[NAME_UNITS];
    HANDLE handle;
    apr_status_t status;
    event_name(name, pid, event);
    handle = OpenEventW(EVENT_MODIFY_STATE, FALSE, name);
    if (handle == NULL) {
        if (GetLastError() != ERROR_FILE_NOT_FOUND)
            return zm_last_status();
        if (!zm_process_alive(pid))
            return ZM_E_GONE;
        return event == ZM_CONTROL_STOP || event == ZM_CONTROL_SLOW_STOP ? terminate(pid)
                                                                         : ZM_E_UNSUPPORTED;
    }
    status = SetEvent(handle) ? APR_SUCCESS : zm_last_status();
    CloseHandle(handle);
    return status;
}

static apr_status_t open_group(HANDLE *job, DWORD pid, DWORD access)
{
    wchar_t name[ZM_GROUP_NAME_UNITS];
    zm_group_name(name, pid);
    *job = OpenJobObjectW(access, FALSE, name);
    if (*job != NULL)
        return APR_SUCCESS;
    return GetLastError() == ERROR_FILE_NOT_FOUND ? ZM_E_GONE : zm_last_status();
}

static apr_status_t send_to_group(DWORD leader, zm_control_t event)
{
    struct {
        JOBOBJECT_BASIC_PROCESS_ID_LIST list;
        ULONG_PTR room[GROUP_LIMIT];
    } members;
    HANDLE job;
    DWORD i;
    apr_status_t status = open_group(&job, leader, JOB_OBJECT_QUERY);
    if (status != APR_SUCCESS)
        return status == ZM_E_GONE ? send_to(leader, event) : status;
    memset(&members, 0, sizeof members);
    if (!QueryInformationJobObject(job, JobObjectBasicProcessIdList, &members, sizeof members,
                                   NULL) &&
        GetLastError() != ERROR_MORE_DATA)
        status = zm_last_status();
    CloseHandle(job);
    for (i = 0; i < members.list.NumberOfProcessIdsInList; i++)
        (void)send_to((DWORD)members.list.ProcessIdList[i], event); /* some may end meanwhile */
    return status;
}

apr_status_t zm_control_send(apr_int64_t pid, bool group, zm_control_t event)
{
    apr_status_t status = check_pid(pid);
    if (status != APR_SUCCESS || (unsigned)event >= ZM_CONTROL_COUNT)
        return APR_EINVAL;
    return group ? send_to_group((DWORD)pid, event) : send_to((DWORD)pid, event);
}

apr_status_t zm_control_kill(apr_int64_t pid, bool group)
{
    HANDLE job;
    apr_status_t status = check_pid(pid);
    if (status != APR_SUCCESS)
        return status;
    if (!group)
        return terminate((DWORD)pid);
    status = open_group(&job, (DWORD)pid, JOB_OBJECT_TERMINATE);
    if (status != APR_SUCCESS)
        return status == ZM_E_GONE ? terminate((DWORD)pid) : status;
    status = TerminateJobObject(job, ZM_EXIT_KILLED) ? APR_SUCCESS : zm_last_status();
    CloseHandle(job);
    return status;
}
