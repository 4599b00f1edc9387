/* Windows keeps no load average. */
#include "platform/machine.h"

#include <winsock2.h>
#include <ws2tcpip.h>

#include <windows.h>

#include <iphlpapi.h>

#include <apr_strings.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "win32/file.h"

int zm_machine_processors(void)
{
    DWORD count = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return count > 0 ? (int)count : 1;
}

apr_status_t zm_machine_load(double *load)
{
    (void)load;
    return ZM_E_UNSUPPORTED;
}

apr_status_t zm_machine_loads(double *one, double *five)
{
    (void)one;
    (void)five;
    return ZM_E_UNSUPPORTED;
}

static bool print_address(char *text, const SOCKADDR *address)
{
    const void *bytes = NULL;
    if (address->sa_family == AF_INET) {
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *six =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        if (six->s6_addr[0] != 0xfe || (six->s6_addr[1] & 0xc0) != 0x80)
            bytes = six;
    }
    return bytes != NULL && inet_ntop(address->sa_family, bytes, text, INET6_ADDRSTRLEN) != NULL;
}

/* Under the name that people see, or the system's own. */
static bool is_called(const IP_ADAPTER_ADDRESSES *adapter, const char *name, apr_pool_t *pool)
{
    const char *friendly = zm_from_wide(adapter->FriendlyName, pool);
    return (friendly != NULL && strcmp(friendly, name) == 0) ||
           strcmp(adapter->AdapterName, name) == 0;
}

static void add_all(apr_array_header_t *list, const IP_ADAPTER_ADDRESSES *adapter, const char *name)
{
    char text[INET6_ADDRSTRLEN];
    for (; adapter != NULL; adapter = adapter->Next) {
        const IP_ADAPTER_UNICAST_ADDRESS *one;
        if (name != NULL && !is_called(adapter, name, list->pool))
            continue;
        for (one = adapter->FirstUnicastAddress; one != NULL; one = one->Next)
            if (print_address(text, one->Address.lpSockaddr))
                APR_ARRAY_PUSH(list, const char *) = apr_pstrdup(list->pool, text);
    }
}

/* name: null for all interfaces. */
static apr_status_t list_addresses(const char *const **addresses, const char *name,
                                   apr_pool_t *pool)
{
    const ULONG flags = GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_DNS_SERVER;
    apr_array_header_t *list = apr_array_make(pool, 8, sizeof(const char *));
    ULONG size = 16384, code = ERROR_BUFFER_OVERFLOW;
    IP_ADAPTER_ADDRESSES *first = NULL;
    int tries;
    for (tries = 0; tries < 4 && code == ERROR_BUFFER_OVERFLOW; tries++) {
        first = apr_palloc(pool, size);
        code = GetAdaptersAddresses(AF_UNSPEC, flags, NULL, first, &size);
    }
    if (code != ERROR_SUCCESS)
        return APR_FROM_OS_ERROR(code);
    add_all(list, first, name);
    APR_ARRAY_PUSH(list, const char *) = NULL;
    *addresses = (const char *const *)(const void *)list->elts;
    return APR_SUCCESS;
}

apr_status_t zm_machine_addresses(const char *const **addresses, apr_pool_t *pool)
{
    return list_addresses(addresses, NULL, pool);
}

apr_status_t zm_machine_interface(const char *const **addresses, const char *name, apr_pool_t *pool)
{
    return list_addresses(addresses, name, pool);
}

const char *zm_machine_hosts_file(apr_pool_t *pool)
{
    const char *root = getenv("SystemRoot");
    return apr_pstrcat(pool, root != NULL ? root : "C:\\Windows", "\\System32\\drivers\\etc\\hosts",
                       NULL);
}

/* -- names ------------------------------------------------------------------------------------- */

const char *zm_machine_canonical_name(const char *host, apr_pool_t *pool)
{
    struct addrinfo wanted = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *found;
    const char *name = host;
    if (getaddrinfo(host, NULL, &wanted, &found) != 0)
        return host;
    if (found->ai_canonname != NULL)
        name = apr_pstrdup(pool, found->ai_canonname);
    freeaddrinfo(found);
    return name;
}

/* Large pages would need a privilege and all of their memory at once. */
void zm_machine_large_pages(void *memory, apr_size_t size)
{
    (void)memory;
    (void)size;
}
