#include "platform/machine.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__
#include <sched.h>
#endif

int zm_machine_processors(void)
{
    long count;
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
#endif
    count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

apr_status_t zm_machine_load(double *load)
{
    return getloadavg(load, 1) == 1 ? APR_SUCCESS : ZM_E_UNSUPPORTED;
}

apr_status_t zm_machine_loads(double *one, double *five)
{
    double loads[2];
    if (getloadavg(loads, 2) != 2)
        return ZM_E_UNSUPPORTED;
    *one = loads[0];
    *five = loads[1];
    return APR_SUCCESS;
}

static bool print_address(char *text, const struct sockaddr *address)
{
    const void *bytes = NULL;
    if (address == NULL)
        return false;
    if (address->sa_family == AF_INET) {
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *six =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        if (!IN6_IS_ADDR_LINKLOCAL(six))
            bytes = six;
    }
    return bytes != NULL && inet_ntop(address->sa_family, bytes, text, INET6_ADDRSTRLEN) != NULL;
}

/* name: null for all interfaces. */
static apr_status_t list_addresses(const char *const **addresses, const char *name,
                                   apr_pool_t *pool)
{
    apr_array_header_t *list = apr_array_make(pool, 8, sizeof(const char *));
    struct ifaddrs *first, *one;
    char text[INET6_ADDRSTRLEN];
    if (getifaddrs(&first) != 0)
        return errno;
    for (one = first; one != NULL; one = one->ifa_next)
        if ((name == NULL || strcmp(one->ifa_name, name) == 0) &&
            print_address(text, one->ifa_addr))
            APR_ARRAY_PUSH(list, const char *) = apr_pstrdup(pool, text);
    freeifaddrs(first);
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
    (void)pool;
    return "/etc/hosts";
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

/* -- large pages --------------------------------------------------------------------------- */

#define LARGE_PAGE ((uintptr_t)2 << 20)

void zm_machine_large_pages(void *memory, apr_size_t size)
{
#ifdef MADV_HUGEPAGE
    uintptr_t begin = ((uintptr_t)memory + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    uintptr_t end = ((uintptr_t)memory + size) & ~(LARGE_PAGE - 1);
    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
    (void)memory;
    (void)size;
#endif
}
