/*
 * Starting programs.
 *
 * Handles.  A child inherits exactly its standard streams.  They are made
 * inheritable only while a process is created, under a lock, and the list in the
 * start-up information keeps each child from what another one is just being
 * given.  Sockets go another way: see handover.h.
 *
 * Channel.  It is a loopback socket, not a pipe, because only sockets can be in
 * the parent's pollset, and because it half-closes like a Unix channel.  The
 * child's end is a synchronous handle, so an ordinary program reads and writes
 * it as its standard streams.
 *
 * Another account.  Its token cannot be had without its password.  Who is
 * privileged and asks for nobody gets a restricted token: the Administrators
 * group only denies, and no privilege is left.
 */
#include "win32/spawn.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "win32/control.h"
#include "win32/file.h"
#include "win32/handover.h"
#include "win32/sid.h"
#include "win32/socket.h"

#define HANDLE_LIMIT 64
#define LINE_LIMIT 32766 /* of CreateProcess */

/* -- the command line -------------------------------------------------------------------- */

/* As the C start-up code reads it: backslashes count only before a quote, where they are doubled.
 */
static wchar_t *quote(wchar_t *to, const wchar_t *argument)
{
    *to++ = L'"';
    for (;; argument++) {
        apr_size_t slashes = wcsspn(argument, L"\\"), copies = slashes;
        argument += slashes;
        if (*argument == L'\0' || *argument == L'"')
            copies = slashes * 2;
        wmemset(to, L'\\', copies);
        to += copies;
        if (*argument == L'\0')
            break;
        if (*argument == L'"')
            *to++ = L'\\';
        *to++ = *argument;
    }
    *to++ = L'"';
    return to;
}

apr_status_t zm_command_line(wchar_t **line, const char *const *argv, apr_pool_t *pool)
{
    apr_size_t room = 1;
    int i;
    wchar_t *end;
    for (i = 0; argv[i] != NULL; i++)
        room += strlen(argv[i]) * 2 + 3;
    *line = end = apr_palloc(pool, room * sizeof **line);
    for (i = 0; argv[i] != NULL; i++) {
        wchar_t *wide;
        if (zm_to_wide(&wide, argv[i], pool) != APR_SUCCESS)
            return APR_EINVAL;
        if (i > 0)
            *end++ = L' ';
        end = quote(end, wide);
    }
    *end = L'\0';
    return end - *line > LINE_LIMIT ? ZM_E_LIMIT : APR_SUCCESS;
}

/* -- the environment ---------------------------------------------------------------------- */

static bool same_name(const wchar_t *variable, const wchar_t *name)
{
    apr_size_t length = wcslen(name);
    return _wcsnicmp(variable, name, length) == 0 && variable[length] == L'=';
}

typedef struct block_t {
    wchar_t *text;
    apr_size_t length, capacity;
    apr_pool_t *pool;
} block_t;

static void add_variable(block_t *block, const wchar_t *variable)
{
    apr_size_t size = wcslen(variable) + 1;
    if (block->length + size + 1 > block->capacity) {
        wchar_t *old = block->text;
        block->capacity = (block->length + size) * 2 + 64;
        block->text = apr_palloc(block->pool, block->capacity * sizeof *old);
        if (old != NULL)
            wmemcpy(block->text, old, block->length);
    }
    wmemcpy(block->text + block->length, variable, size);
    block->length += size;
    block->text[block->length] = L'\0';
}

static bool has_variable(const block_t *block, const wchar_t *name)
{
    const wchar_t *variable;
    for (variable = block->text; variable != NULL && *variable != L'\0';
         variable += wcslen(variable) + 1)
        if (same_name(variable, name))
            return true;
    return false;
}

static void add_ours(block_t *block)
{
    wchar_t *all = GetEnvironmentStringsW();
    const wchar_t *variable;
    for (variable = all; *variable != L'\0'; variable += wcslen(variable) + 1)
        add_variable(block, variable);
    FreeEnvironmentStringsW(all);
}

/* Without these a Windows program finds neither its system nor its network. */
static void add_indispensable(block_t *block)
{
    static const wchar_t *const names[] = {L"SystemRoot", L"SystemDrive"};
    wchar_t text[MAX_PATH + 32];
    apr_size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        apr_size_t used = (apr_size_t)swprintf(text, MAX_PATH, L"%ls=", names[i]);
        DWORD length = GetEnvironmentVariableW(names[i], text + used, MAX_PATH);
        if (length > 0 && length < MAX_PATH && !has_variable(block, names[i]))
            add_variable(block, text);
    }
}

static apr_status_t make_environment(wchar_t **block_text, const zm_child_spec_t *spec,
                                     apr_pool_t *pool)
{
    block_t block = {NULL, 0, 0, pool};
    int i;
    if (spec->environment == NULL)
        add_ours(&block);
    for (i = 0; spec->environment != NULL && spec->environment[i] != NULL; i++) {
        wchar_t *wide;
        if (zm_to_wide(&wide, spec->environment[i], pool) != APR_SUCCESS)
            return APR_EINVAL;
        add_variable(&block, wide);
    }
    add_indispensable(&block);
    *block_text = block.text;
    return APR_SUCCESS;
}

/* -- inherited handles ------------------------------------------------------------------------ */

static SRWLOCK inheritance_lock = SRWLOCK_INIT;

/* Null and strange handles are left out; twice the same would be refused. */
static int keep_valid(HANDLE *kept, const HANDLE *handles, int count)
{
    int i, j, number = 0;
    for (i = 0; i < count && number < HANDLE_LIMIT; i++) {
        DWORD flags;
        if (handles[i] == NULL || handles[i] == INVALID_HANDLE_VALUE ||
            !GetHandleInformation(handles[i], &flags))
            continue;
        for (j = 0; j < number && kept[j] != handles[i]; j++)
            ;
        if (j == number)
            kept[number++] = handles[i];
    }
    return number;
}

static void set_inheritable(const HANDLE *handles, int count, DWORD *before, bool restore)
{
    int i;
    for (i = 0; i < count; i++) {
        if (!restore)
            GetHandleInformation(handles[i], &before[i]);
        SetHandleInformation(handles[i], HANDLE_FLAG_INHERIT,
                             restore ? before[i] & HANDLE_FLAG_INHERIT : HANDLE_FLAG_INHERIT);
    }
}

static BOOL create_with_list(PROCESS_INFORMATION *process, const wchar_t *program, wchar_t *line,
                             wchar_t *environment, const wchar_t *directory, DWORD flags,
                             HANDLE token, STARTUPINFOEXW *start)
{
    flags |= EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT;
    if (token != NULL)
        return CreateProcessAsUserW(token, program, line, NULL, NULL, TRUE, flags, environment,
                                    directory, &start->StartupInfo, process);
    return CreateProcessW(program, line, NULL, NULL, TRUE, flags, environment, directory,
                          &start->StartupInfo, process);
}

apr_status_t zm_create_process(PROCESS_INFORMATION *process, const wchar_t *program, wchar_t *line,
                               wchar_t *environment, const wchar_t *directory, DWORD flags,
                               HANDLE token, const HANDLE standard[3], const HANDLE *handles,
                               int count)
{
    union {
        max_align_t aligned;
        char bytes[512];
    } attributes;
    STARTUPINFOEXW start = {.StartupInfo = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES}};
    HANDLE kept[HANDLE_LIMIT];
    DWORD before[HANDLE_LIMIT];
    SIZE_T size = sizeof attributes;
    int number = keep_valid(kept, handles, count);
    BOOL made;
    DWORD error;

    start.StartupInfo.hStdInput = standard[0];
    start.StartupInfo.hStdOutput = standard[1];
    start.StartupInfo.hStdError = standard[2];
    start.lpAttributeList = (LPPROC_THREAD_ATTRIBUTE_LIST)&attributes;
    if (!InitializeProcThreadAttributeList(start.lpAttributeList, 1, 0, &size))
        return zm_last_status();
    made = number == 0 ||
           UpdateProcThreadAttribute(start.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                     kept, (SIZE_T)number * sizeof kept[0], NULL, NULL);
    if (made) {
        AcquireSRWLockExclusive(&inheritance_lock);
        set_inheritable(kept, number, before, false);
        made =
            create_with_list(process, program, line, environment, directory, flags, token, &start);
        error = GetLastError();
        set_inheritable(kept, number, before, true);
        ReleaseSRWLockExclusive(&inheritance_lock);
    } else {
        error = GetLastError();
    }
    DeleteProcThreadAttributeList(start.lpAttributeList);
    return made ? APR_SUCCESS : zm_os_status(error);
}

/* -- what the specification says --------------------------------------------------------------- */

static DWORD priority_flag(const zm_child_spec_t *spec)
{
    if (spec->nice == 0)
        return 0;
    if (spec->nice >= 10)
        return IDLE_PRIORITY_CLASS;
    if (spec->nice > 0)
        return BELOW_NORMAL_PRIORITY_CLASS;
    return spec->nice > -10 ? ABOVE_NORMAL_PRIORITY_CLASS : HIGH_PRIORITY_CLASS;
}

static apr_status_t restricted_token(HANDLE *token)
{
    BYTE administrators[SECURITY_MAX_SID_SIZE];
    DWORD size = sizeof administrators;
    SID_AND_ATTRIBUTES denied = {administrators, 0};
    HANDLE own;
    apr_status_t status = APR_SUCCESS;
    if (!CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, administrators, &size) ||
        !OpenProcessToken(GetCurrentProcess(), TOKEN_DUPLICATE | TOKEN_QUERY | TOKEN_ASSIGN_PRIMARY,
                          &own))
        return zm_last_status();
    if (!CreateRestrictedToken(own, DISABLE_MAX_PRIVILEGE, 1, &denied, 0, NULL, 0, NULL, token))
        status = zm_last_status();
    CloseHandle(own);
    return status;
}

static apr_status_t token_for(HANDLE *token, const zm_child_spec_t *spec, zm_error_t *error)
{
    apr_status_t status;
    *token = NULL;
    if (spec->as == NULL || spec->as->uid == zm_identity_own().uid)
        return APR_SUCCESS;
    if (zm_identity_own().uid != 0 || spec->as->uid != ZM_UID_NOBODY)
        return zm_error_set(error, ZM_E_UNSUPPORTED,
                            "cannot start %s as account %lld: Windows gives no account to a "
                            "program without its password",
                            spec->argv[0], (long long)spec->as->uid);
    status = restricted_token(token);
    return status == APR_SUCCESS
               ? status
               : zm_error_system(error, status, "cannot give up rights for %s", spec->argv[0]);
}

/* Short enough paths go without "\\?\", which the programs themselves would see. */
static wchar_t *plain(const zm_wide_path_t *wide, apr_pool_t *pool)
{
    wchar_t *kept = zm_wide_path_keep(wide, pool);
    return wcslen(kept) < MAX_PATH
               ? kept
               : apr_pmemdup(pool, wide->text, (wcslen(wide->text) + 1) * sizeof *wide->text);
}

static bool is_there(const wchar_t *path, bool directory)
{
    DWORD attributes = GetFileAttributesW(path);
    return attributes != INVALID_FILE_ATTRIBUTES &&
           ((attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) == directory;
}

/* Callers name programs as on Unix, without ".exe". */
static apr_status_t find_program(wchar_t **program, const char *path, apr_pool_t *pool)
{
    zm_wide_path_t wide;
    apr_status_t status = zm_wide_path(&wide, NULL, path);
    if (status != APR_SUCCESS)
        return status;
    if (!is_there(wide.text, false)) {
        if (wcslen(wide.text) + 5 > ZM_WIDE_MAX)
            return APR_ENOENT;
        wcscat(wide.text, L".exe");
        if (!is_there(wide.text, false))
            return APR_ENOENT;
    }
    *program = plain(&wide, pool);
    return APR_SUCCESS;
}

static apr_status_t find_directory(wchar_t **directory, const char *path, apr_pool_t *pool)
{
    zm_wide_path_t wide;
    apr_status_t status;
    *directory = NULL;
    if (path == NULL)
        return APR_SUCCESS;
    status = zm_wide_path(&wide, NULL, path);
    if (status == APR_SUCCESS && !is_there(wide.text, true))
        status = APR_ENOENT;
    if (status == APR_SUCCESS)
        *directory = plain(&wide, pool);
    return status;
}

static int list_standard(HANDLE *handles, HANDLE standard[3], const zm_child_spec_t *spec,
                         SOCKET channel)
{
    static const DWORD numbers[3] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    int i, count = 0;
    for (i = 0; i < 3; i++) {
        bool ours = spec->io == ZM_CHILD_INHERIT || (spec->io == ZM_CHILD_CHANNEL_01 && i == 2);
        standard[i] = ours ? GetStdHandle(numbers[i]) : (HANDLE)channel;
        handles[count++] = standard[i];
    }
    return count;
}

/* The channel is at place 0, passed socket n at place n + 1. */
static apr_status_t hand_over(const PROCESS_INFORMATION *process, const zm_child_spec_t *spec,
                              SOCKET channel)
{
    SOCKET sockets[ZM_HANDOVER_LIMIT] = {channel};
    int i, count = 1;
    for (i = 0; spec->pass != NULL && spec->pass[i] != NULL; i++) {
        if (count == ZM_HANDOVER_LIMIT)
            return ZM_E_LIMIT;
        sockets[count++] = zm_socket_handle(spec->pass[i]);
    }
    if (count == 1 && channel == INVALID_SOCKET)
        return APR_SUCCESS;
    return zm_handover_give(process, sockets, count);
}

/* The job's name lasts as long as a handle of it: its leader gets one, and never knows. */
static void make_group(const PROCESS_INFORMATION *process)
{
    wchar_t name[ZM_GROUP_NAME_UNITS];
    HANDLE job, theirs;
    zm_group_name(name, process->dwProcessId);
    job = CreateJobObjectW(NULL, name);
    if (job == NULL)
        return;
    if (AssignProcessToJobObject(job, process->hProcess))
        DuplicateHandle(GetCurrentProcess(), job, process->hProcess, &theirs, 0, FALSE,
                        DUPLICATE_SAME_ACCESS);
    CloseHandle(job);
}

apr_status_t zm_spawn(PROCESS_INFORMATION *process, const zm_child_spec_t *spec, SOCKET channel,
                      apr_pool_t *pool, zm_error_t *error)
{
    HANDLE handles[HANDLE_LIMIT], standard[3], token;
    wchar_t *program, *line, *environment, *directory;
    DWORD flags = CREATE_SUSPENDED | priority_flag(spec);
    int count;
    apr_status_t status =
        find_program(&program, spec->program != NULL ? spec->program : spec->argv[0], pool);

    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot start %s", spec->argv[0]);
    status = find_directory(&directory, spec->directory, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot start %s in %s", spec->argv[0],
                               spec->directory);
    status = zm_command_line(&line, spec->argv, pool);
    if (status == APR_SUCCESS)
        status = make_environment(&environment, spec, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot start %s with these arguments",
                               spec->argv[0]);
    status = token_for(&token, spec, error);
    if (status != APR_SUCCESS)
        return status;
    if (spec->new_group || spec->own_session)
        flags |= CREATE_NEW_PROCESS_GROUP;
    if (GetConsoleWindow() == NULL && spec->io != ZM_CHILD_INHERIT)
        flags |= CREATE_NO_WINDOW;
    count = list_standard(handles, standard, spec, channel);
    status = zm_create_process(process, program, line, environment, directory, flags, token,
                               standard, handles, count);
    if (token != NULL)
        CloseHandle(token);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot start %s", spec->argv[0]);
    status = hand_over(process, spec, channel);
    if (status != APR_SUCCESS) {
        TerminateProcess(process->hProcess, ZM_EXIT_KILLED);
        CloseHandle(process->hThread);
        CloseHandle(process->hProcess);
        return zm_error_system(error, status, "cannot hand sockets to %s", spec->argv[0]);
    }
    if (spec->new_group || spec->own_session)
        make_group(process);
    ResumeThread(process->hThread);
    return APR_SUCCESS;
}
