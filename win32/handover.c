/*
 * Not by inheritance: an inherited handle of a socket is one for ReadFile and
 * WriteFile, but that the socket library of the child accepts it is not promised.
 */
#include "win32/handover.h"

#include <sddl.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "win32/file.h"
#include "win32/socket.h"

#define NAME_UNITS 64

typedef struct handover_t {
    DWORD count;
    BOOL given[ZM_HANDOVER_LIMIT];
    WSAPROTOCOL_INFOW sockets[ZM_HANDOVER_LIMIT];
} handover_t;

static void name_of(wchar_t *name, DWORD pid)
{
    swprintf(name, NAME_UNITS, L"Local\\zmailer-%lu-sockets", pid);
}

/* Everybody may read: a child with fewer rights than ours must, and what it says is of use to no
 * other process. */
static apr_status_t make_mapping(HANDLE *mapping, DWORD pid)
{
    wchar_t name[NAME_UNITS];
    SECURITY_ATTRIBUTES readable = {sizeof readable, NULL, FALSE};
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(
            L"D:(A;;GR;;;WD)(A;;GA;;;OW)(A;;GA;;;SY)", SDDL_REVISION_1,
            &readable.lpSecurityDescriptor, NULL))
        return zm_last_status();
    name_of(name, pid);
    *mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, &readable, PAGE_READWRITE, 0,
                                  sizeof(handover_t), name);
    LocalFree(readable.lpSecurityDescriptor);
    if (*mapping == NULL)
        return zm_last_status();
    if (GetLastError() != ERROR_ALREADY_EXISTS)
        return APR_SUCCESS;
    CloseHandle(*mapping); /* somebody waits for this process number with a mapping of his own */
    return ZM_E_UNSAFE;
}

static apr_status_t fill(handover_t *handover, DWORD pid, const SOCKET *sockets, int count)
{
    int i;
    for (i = 0; i < count && i < ZM_HANDOVER_LIMIT; i++) {
        if (sockets[i] == INVALID_SOCKET)
            continue;
        if (WSADuplicateSocketW(sockets[i], pid, &handover->sockets[i]) != 0)
            return zm_socket_status();
        handover->given[i] = TRUE;
    }
    handover->count = (DWORD)count;
    return APR_SUCCESS;
}

apr_status_t zm_handover_give(const PROCESS_INFORMATION *process, const SOCKET *sockets, int count)
{
    HANDLE mapping, theirs;
    handover_t *view;
    apr_status_t status = make_mapping(&mapping, process->dwProcessId);
    if (status != APR_SUCCESS)
        return status;
    view = MapViewOfFile(mapping, FILE_MAP_WRITE, 0, 0, sizeof *view);
    if (view == NULL) {
        status = zm_last_status();
    } else {
        status = fill(view, process->dwProcessId, sockets, count);
        UnmapViewOfFile(view);
    }
    if (status == APR_SUCCESS && !DuplicateHandle(GetCurrentProcess(), mapping, process->hProcess,
                                                  &theirs, FILE_MAP_READ, FALSE, 0))
        status = zm_last_status();
    CloseHandle(mapping);
    return status;
}

apr_status_t zm_handover_take(SOCKET *taken, int place)
{
    wchar_t name[NAME_UNITS];
    HANDLE mapping;
    const handover_t *view;
    WSAPROTOCOL_INFOW info;
    bool given = false;
    name_of(name, GetCurrentProcessId());
    mapping = OpenFileMappingW(FILE_MAP_READ, FALSE, name);
    if (mapping == NULL)
        return APR_EBADF;
    view = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, sizeof *view);
    if (view != NULL) {
        given = place >= 0 && place < ZM_HANDOVER_LIMIT && (DWORD)place < view->count &&
                view->given[place];
        if (given)
            info = view->sockets[place];
        UnmapViewOfFile(view);
    }
    CloseHandle(mapping);
    if (!given)
        return APR_EBADF;
    *taken = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
                        WSA_FLAG_NO_HANDLE_INHERIT);
    return *taken == INVALID_SOCKET ? zm_socket_status() : APR_SUCCESS;
}
