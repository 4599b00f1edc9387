/*
 * Running under the service manager.
 *
 * Nothing tells a program that it is a service, so it tries to be one: a thread
 * of its own connects to the service manager, which refuses at once (error 1063)
 * when it did not start this process.  The manager's stop and shutdown become
 * the control event "stop", its parameter change "reload", its control 128
 * "reopen logs".  When the process exits, the manager hears that it has stopped,
 * and with which code.  A program that knows that it is a service connects at its
 * beginning (zm_manager_enter), others when they are ready.
 *
 *     START_PENDING --ready--> RUNNING --stop--> STOP_PENDING --exit--> STOPPED
 *
 * While it stops a thread tells every second that it goes on.
 */
#include "win32/scm.h"

#include <stdlib.h>
#include <windows.h>

#include "platform/child.h"
#include "platform/control.h"
#include "platform/system.h"
#include "win32/manager.h"

#define START_HINT_MS 30000
#define STOP_HINT_MS 5000
#define STOP_TICK_MS 1000

static SERVICE_STATUS_HANDLE manager; /* null: we are no service */
static HANDLE connected;              /* the manager's thread has come, or will not */
static CRITICAL_SECTION lock;
static bool attached, ended, serving;
static DWORD checkpoint;

/* -- telling ------------------------------------------------------------------------ */

static void tell_locked(DWORD new_state, DWORD code, DWORD hint)
{
    SERVICE_STATUS status = {.dwServiceType = SERVICE_WIN32_OWN_PROCESS};
    if (manager != NULL && !ended) {
        ended = new_state == SERVICE_STOPPED;
        status.dwCurrentState = new_state;
        status.dwWaitHint = hint;
        if (hint != 0)
            status.dwCheckPoint = ++checkpoint;
        if (new_state == SERVICE_RUNNING)
            status.dwControlsAccepted =
                SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN | SERVICE_ACCEPT_PARAMCHANGE;
        if (code != 0) {
            status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
            status.dwServiceSpecificExitCode = code;
        }
        SetServiceStatus(manager, &status);
    }
}

static void tell(DWORD new_state, DWORD code, DWORD hint)
{
    EnterCriticalSection(&lock);
    tell_locked(new_state, code, hint);
    LeaveCriticalSection(&lock);
}

static void tell_stopped(void)
{
    tell(SERVICE_STOPPED, 0, 0);
}

static DWORD WINAPI keep_telling(void *baton)
{
    (void)baton;
    do {
        tell(SERVICE_STOP_PENDING, 0, STOP_HINT_MS);
        Sleep(STOP_TICK_MS);
    } while (!ended);
    return 0;
}

static void begin_to_stop(void)
{
    HANDLE thread = CreateThread(NULL, 65536, keep_telling, NULL, 0, NULL);
    if (thread != NULL)
        CloseHandle(thread);
    (void)zm_control_send(zm_process_own(), false, ZM_CONTROL_STOP);
}

/* -- being told ------------------------------------------------------------------------ */

static DWORD WINAPI on_control(DWORD control, DWORD kind, void *data, void *baton)
{
    (void)kind, (void)data, (void)baton;
    switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_SHUTDOWN:
        begin_to_stop();
        return NO_ERROR;
    case SERVICE_CONTROL_PARAMCHANGE:
        (void)zm_control_send(zm_process_own(), false, ZM_CONTROL_RELOAD);
        return NO_ERROR;
    case ZM_SERVICE_CONTROL_REOPEN:
        (void)zm_control_send(zm_process_own(), false, ZM_CONTROL_REOPEN);
        return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE:
        return NO_ERROR;
    default:
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
}

/* On a thread of the manager's, which ends here: the work is done by the main thread. */
static void WINAPI service_main(DWORD count, LPWSTR *arguments)
{
    (void)count;
    manager = RegisterServiceCtrlHandlerExW(arguments[0], on_control, NULL);
    SetEvent(connected);
}

/* Returns when the service has stopped, or at once when we are none. */
static DWORD WINAPI dispatch(void *baton)
{
    static wchar_t any_name[] = L"";
    const SERVICE_TABLE_ENTRYW table[] = {{any_name, service_main}, {NULL, NULL}};
    (void)baton;
    StartServiceCtrlDispatcherW(table);
    SetEvent(connected);
    return 0;
}

static void attach(void)
{
    HANDLE thread;
    if (attached)
        return;
    attached = true;
    InitializeCriticalSection(&lock);
    connected = CreateEventW(NULL, TRUE, FALSE, NULL);
    thread = CreateThread(NULL, 0, dispatch, NULL, 0, NULL);
    if (connected == NULL || thread == NULL)
        return;
    WaitForSingleObject(connected, START_HINT_MS);
    CloseHandle(thread);
    if (manager != NULL)
        atexit(tell_stopped);
}

void zm_manager_enter(void)
{
    attach();
    if (manager != NULL)
        tell(SERVICE_START_PENDING, 0, START_HINT_MS);
}

void zm_scm_ready(void)
{
    attach();
    if (serving)
        return;
    serving = true;
    if (manager != NULL)
        tell(SERVICE_RUNNING, 0, 0);
}

void zm_scm_failed(int code, const char *reason)
{
    attach();
    if (manager == NULL)
        return;
    zm_system_log(ZM_LOG_ERROR, false, "zmailer", reason);
    tell(SERVICE_STOPPED, (DWORD)code, 0);
}
