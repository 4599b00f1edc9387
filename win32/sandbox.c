#include "platform/system.h"

/* A service's account is its sandbox here: it is given few rights when the service is installed. */
apr_status_t zm_system_sandbox(const zm_sandbox_t *allowed, zm_error_t *error)
{
    (void)allowed;
    (void)error;
    return ZM_E_UNSUPPORTED;
}
