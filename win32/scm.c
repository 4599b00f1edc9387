/*
 * Running under the service manager.
 *
 * Nothing tells a program that it is a service, so it tries to be one: a thread
 * of its own connects to the service manager, which refuses at once (error 1063)
 * when it did not start this process.  The manager's stop and shutdown become
 * the control event "stop", its parameter change "reload".  When the process
 * exits, the manager hears that it has stopped, and with which code.
 */
#include "win32/scm.h"

#include <stdlib.h>
#include <windows.h>

#include "platform/child.h"
#include "platform/control.h"

#define START_HINT_MS 30000
#define STOP_HINT_MS 60000

static SERVICE_STATUS_HANDLE manager; /* null: we are no service */
static HANDLE connected;              /* the manager's thread has come, or will not */
static CRITICAL_SECTION lock;
static bool attached, ended;

/* -- telling ------------------------------------------------------------------------ */

static void tell(DWORD new_state, DWORD code, DWORD hint)
{
    SERVICE_STATUS status = {.dwServiceType = SERVICE_WIN32_OWN_PROCESS};
    EnterCriticalSection(&lock);
    if (manager != NULL && !ended) {
        ended = new_state == SERVICE_STOPPED;
        status.dwCurrentState = new_state;
        status.dwWaitHint = hint;
        if (new_state == SERVICE_RUNNING)
            status.dwControlsAccepted =
                SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN | SERVICE_ACCEPT_PARAMCHANGE;
        if (code != 0) {
            status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
            status.dwServiceSpecificExitCode = code;
        }
        SetServiceStatus(manager, &status);
    }
    LeaveCriticalSection(&lock);
}

static void tell_stopped(void)
{
    tell(SERVICE_STOPPED, 0, 0);
}

/* -- being told ------------------------------------------------------------------------ */

static DWORD WINAPI on_control(DWORD control, DWORD kind, void *data, void *baton)
{
    (void)kind, (void)data, (void)baton;
    switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_SHUTDOWN:
        tell(SERVICE_STOP_PENDING, 0, STOP_HINT_MS);
        (void)zm_control_send(zm_process_own(), false, ZM_CONTROL_STOP);
        return NO_ERROR;
    case SERVICE_CONTROL_PARAMCHANGE:
        (void)zm_control_send(zm_process_own(), false, ZM_CONTROL_RELOAD);
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

void zm_scm_ready(void)
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
    if (manager == NULL)
        return;
    atexit(tell_stopped);
    tell(SERVICE_RUNNING, 0, 0);
}

void zm_scm_failed(int code)
{
    if (!attached)
        zm_scm_ready();
    tell(SERVICE_STOPPED, (DWORD)code, 0);
}
