/*
 * Installing, asking, starting and stopping services.
 *
 * What older systems, and Wine, do not know of a service's settings (delayed
 * start, the kind of its identity) is left out there: the service works without.
 */
#include "platform/manager.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "win32/file.h"
#include "win32/manager.h"
#include "win32/spawn.h"

#define DAY_SECONDS 86400
#define POLL_MS 50

/* -- opening ---------------------------------------------------------------------------- */

typedef struct opened_t {
    SC_HANDLE manager, service;
} opened_t;

static void close_all(opened_t *opened)
{
    if (opened->service != NULL)
        CloseServiceHandle(opened->service);
    if (opened->manager != NULL)
        CloseServiceHandle(opened->manager);
    memset(opened, 0, sizeof *opened);
}

static apr_status_t service_status(DWORD code)
{
    switch (code) {
    case ERROR_SERVICE_DOES_NOT_EXIST:
    case ERROR_SERVICE_MARKED_FOR_DELETE:
        return APR_ENOENT;
    default:
        return zm_os_status(code);
    }
}

static apr_status_t open_service(opened_t *opened, const char *name, DWORD access, apr_pool_t *pool)
{
    wchar_t *wide;
    apr_status_t status = zm_to_wide(&wide, name, pool);
    memset(opened, 0, sizeof *opened);
    if (status != APR_SUCCESS)
        return status;
    opened->manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    if (opened->manager != NULL)
        opened->service = OpenServiceW(opened->manager, wide, access);
    if (opened->service != NULL)
        return APR_SUCCESS;
    status = service_status(GetLastError());
    close_all(opened);
    return status;
}

static apr_status_t cannot(zm_error_t *error, apr_status_t status, const char *what,
                           const char *name)
{
    if (status == APR_ENOENT)
        return zm_error_set(error, status, "there is no service %s", name);
    return zm_error_system(error, status, "cannot %s the service %s", what, name);
}

/* -- installing --------------------------------------------------------------------------- */

const char *zm_manager_account(const char *name, apr_pool_t *pool)
{
    return apr_pstrcat(pool, "NT SERVICE\\", name, NULL);
}

static apr_status_t create(opened_t *opened, const zm_manager_service_t *service,
                           const wchar_t *line, apr_pool_t *pool)
{
    static const wchar_t after[] = L"Tcpip\0Afd\0";
    const char *account =
        service->account != NULL ? service->account : zm_manager_account(service->name, pool);
    wchar_t *name, *display, *who;
    apr_status_t status = zm_to_wide(&name, service->name, pool);
    if (status == APR_SUCCESS)
        status = zm_to_wide(&display, service->display, pool);
    if (status == APR_SUCCESS)
        status = zm_to_wide(&who, account, pool);
    if (status != APR_SUCCESS)
        return status;
    memset(opened, 0, sizeof *opened);
    opened->manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CREATE_SERVICE);
    if (opened->manager == NULL)
        return zm_last_status();
    opened->service = CreateServiceW(opened->manager, name, display, SERVICE_ALL_ACCESS,
                                     SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START,
                                     SERVICE_ERROR_NORMAL, line, NULL, NULL, after, who, NULL);
    if (opened->service != NULL)
        return APR_SUCCESS;
    if (GetLastError() != ERROR_SERVICE_EXISTS)
        return service_status(GetLastError());
    opened->service = OpenServiceW(opened->manager, name, SERVICE_ALL_ACCESS);
    if (opened->service != NULL &&
        ChangeServiceConfigW(opened->service, SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START,
                             SERVICE_ERROR_NORMAL, line, NULL, NULL, after, who, NULL, display))
        return APR_SUCCESS;
    return zm_last_status();
}

/* Started again twice, after 5 and 60 seconds; a third crash within a day is left to people.  A
 * service that ends with an error code counts as crashed, but not one that is frozen (it says so at
 * its start, before it runs). */
static void add_details(SC_HANDLE handle, const zm_manager_service_t *service, apr_pool_t *pool)
{
    SC_ACTION actions[] = {
        {SC_ACTION_RESTART, 5000}, {SC_ACTION_RESTART, 60000}, {SC_ACTION_NONE, 0}};
    SERVICE_FAILURE_ACTIONSW recovery = {
        .dwResetPeriod = DAY_SECONDS, .cActions = 3, .lpsaActions = actions};
    SERVICE_DELAYED_AUTO_START_INFO delayed = {TRUE};
    SERVICE_SID_INFO sid = {SERVICE_SID_TYPE_UNRESTRICTED};
    SERVICE_DESCRIPTIONW description;
    wchar_t *text;
    if (zm_to_wide(&text, service->description, pool) == APR_SUCCESS) {
        description.lpDescription = text;
        ChangeServiceConfig2W(handle, SERVICE_CONFIG_DESCRIPTION, &description);
    }
    ChangeServiceConfig2W(handle, SERVICE_CONFIG_FAILURE_ACTIONS, &recovery);
    ChangeServiceConfig2W(handle, SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &delayed);
    ChangeServiceConfig2W(handle, SERVICE_CONFIG_SERVICE_SID_INFO, &sid);
}

apr_status_t zm_manager_install(const zm_manager_service_t *service, apr_pool_t *pool,
                                zm_error_t *error)
{
    opened_t opened = {NULL, NULL};
    wchar_t *line;
    apr_status_t status = zm_command_line(&line, service->argv, pool);
    if (status == APR_SUCCESS)
        status = create(&opened, service, line, pool);
    if (status == APR_SUCCESS)
        add_details(opened.service, service, pool);
    close_all(&opened);
    if (status != APR_SUCCESS)
        return cannot(error, status, "install", service->name);
    status = zm_manager_add_source(service->argv[0], pool);
    return status == APR_SUCCESS
               ? status
               : zm_error_system(error, status, "cannot make our events known to the event log");
}

apr_status_t zm_manager_remove(const char *name, apr_pool_t *pool, zm_error_t *error)
{
    opened_t opened;
    apr_status_t status = open_service(&opened, name, DELETE, pool);
    if (status == APR_SUCCESS && !DeleteService(opened.service))
        status = service_status(GetLastError());
    close_all(&opened);
    if (status != APR_SUCCESS)
        return cannot(error, status, "remove", name);
    zm_manager_remove_source(pool);
    return APR_SUCCESS;
}

/* -- asking ---------------------------------------------------------------------------------- */

apr_status_t zm_manager_command(const char **command, const char *const *argv, apr_pool_t *pool)
{
    wchar_t *line;
    apr_status_t status = zm_command_line(&line, argv, pool);
    if (status == APR_SUCCESS)
        *command = zm_from_wide(line, pool);
    return status;
}

static apr_status_t query(SERVICE_STATUS_PROCESS *status, SC_HANDLE handle)
{
    DWORD size;
    return QueryServiceStatusEx(handle, SC_STATUS_PROCESS_INFO, (BYTE *)status, sizeof *status,
                                &size)
               ? APR_SUCCESS
               : service_status(GetLastError());
}

static int code_of(const SERVICE_STATUS_PROCESS *status)
{
    if (status->dwWin32ExitCode == ERROR_SERVICE_SPECIFIC_ERROR)
        return (int)status->dwServiceSpecificExitCode;
    return status->dwWin32ExitCode == ERROR_SERVICE_NEVER_STARTED ? 0
                                                                  : (int)status->dwWin32ExitCode;
}

apr_status_t zm_manager_ask(zm_manager_state_t *state, const char *name, apr_pool_t *pool)
{
    opened_t opened;
    SERVICE_STATUS_PROCESS now = {0};
    QUERY_SERVICE_CONFIGW *config = apr_palloc(pool, 8192); /* the most there is */
    DWORD size;
    apr_status_t status =
        open_service(&opened, name, SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG, pool);
    if (status == APR_SUCCESS)
        status = query(&now, opened.service);
    if (status == APR_SUCCESS && !QueryServiceConfigW(opened.service, config, 8192, &size))
        status = service_status(GetLastError());
    close_all(&opened);
    if (status != APR_SUCCESS)
        return status;
    memset(state, 0, sizeof *state);
    state->phase = now.dwCurrentState == SERVICE_STOPPED         ? ZM_MANAGER_STOPPED
                   : now.dwCurrentState == SERVICE_START_PENDING ? ZM_MANAGER_STARTING
                   : now.dwCurrentState == SERVICE_STOP_PENDING  ? ZM_MANAGER_STOPPING
                                                                 : ZM_MANAGER_RUNNING;
    state->pid = state->phase != ZM_MANAGER_STOPPED ? (apr_int64_t)now.dwProcessId : 0;
    state->code = code_of(&now);
    state->command = zm_from_wide(config->lpBinaryPathName, pool);
    return APR_SUCCESS;
}

/* -- starting and stopping ----------------------------------------------------------------------
 */

/* Until it is in one of two states. */
static apr_status_t await(SERVICE_STATUS_PROCESS *now, const opened_t *opened, DWORD wanted,
                          DWORD other, int seconds)
{
    ULONGLONG until = GetTickCount64() + (ULONGLONG)seconds * 1000;
    for (;;) {
        apr_status_t status = query(now, opened->service);
        if (status != APR_SUCCESS || now->dwCurrentState == wanted || now->dwCurrentState == other)
            return status;
        if (GetTickCount64() > until)
            return APR_TIMEUP;
        Sleep(POLL_MS);
    }
}

apr_status_t zm_manager_start(const char *name, int seconds, apr_pool_t *pool, zm_error_t *error)
{
    opened_t opened;
    SERVICE_STATUS_PROCESS now = {0};
    apr_status_t status = open_service(&opened, name, SERVICE_START | SERVICE_QUERY_STATUS, pool);
    if (status == APR_SUCCESS && !StartServiceW(opened.service, 0, NULL) &&
        GetLastError() != ERROR_SERVICE_ALREADY_RUNNING)
        status = service_status(GetLastError());
    if (status == APR_SUCCESS)
        status = await(&now, &opened, SERVICE_RUNNING, SERVICE_STOPPED, seconds);
    close_all(&opened);
    if (status != APR_SUCCESS)
        return cannot(error, status, "start", name);
    if (now.dwCurrentState == SERVICE_RUNNING)
        return APR_SUCCESS;
    return zm_error_set(error, ZM_E_STOPPED,
                        "the service %s ended while it started, with code %d; the event log has "
                        "the reason",
                        name, code_of(&now));
}

/* A service that is starting or stopping takes no control: what comes of that is waited for. */
static apr_status_t send_stop(const opened_t *opened, ULONGLONG until)
{
    SERVICE_STATUS answer;
    while (!ControlService(opened->service, SERVICE_CONTROL_STOP, &answer)) {
        DWORD code = GetLastError();
        if (code == ERROR_SERVICE_NOT_ACTIVE)
            break;
        if (code != ERROR_SERVICE_CANNOT_ACCEPT_CTRL || GetTickCount64() > until)
            return service_status(code);
        Sleep(POLL_MS);
    }
    return APR_SUCCESS;
}

apr_status_t zm_manager_stop(const char *name, int seconds, apr_pool_t *pool, zm_error_t *error)
{
    opened_t opened;
    SERVICE_STATUS_PROCESS now = {0};
    apr_status_t status = open_service(&opened, name, SERVICE_STOP | SERVICE_QUERY_STATUS, pool);
    if (status == APR_SUCCESS)
        status = send_stop(&opened, GetTickCount64() + (ULONGLONG)seconds * 1000);
    if (status == APR_SUCCESS)
        status = await(&now, &opened, SERVICE_STOPPED, SERVICE_STOPPED, seconds);
    close_all(&opened);
    return status == APR_SUCCESS ? status : cannot(error, status, "stop", name);
}

apr_status_t zm_manager_control(const char *name, zm_control_t event, apr_pool_t *pool,
                                zm_error_t *error)
{
    bool reload = event == ZM_CONTROL_RELOAD;
    opened_t opened;
    SERVICE_STATUS answer;
    apr_status_t status;
    if (!reload && event != ZM_CONTROL_REOPEN)
        return zm_error_set(error, ZM_E_UNSUPPORTED, "a service has no control for \"%s\"",
                            zm_control_name(event));
    status = open_service(&opened, name,
                          reload ? SERVICE_PAUSE_CONTINUE : SERVICE_USER_DEFINED_CONTROL, pool);
    if (status == APR_SUCCESS &&
        !ControlService(opened.service,
                        reload ? SERVICE_CONTROL_PARAMCHANGE : ZM_SERVICE_CONTROL_REOPEN, &answer))
        status = service_status(GetLastError());
    close_all(&opened);
    return status == APR_SUCCESS ? status : cannot(error, status, "reach", name);
}
