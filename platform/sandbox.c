#include "platform/sandbox.h"

#include "platform/log.h"
#include "platform/system.h"

apr_status_t zm_sandbox_enter(const zm_sandbox_t *allowed, zm_error_t *error)
{
    apr_status_t status = zm_system_sandbox(allowed, error);
    if (status == ZM_E_UNSUPPORTED) {
        zm_error_set(error, status, "this system has no sandbox that fits");
        zm_log(ZM_LOG_NOTICE, NULL, "no sandbox", ZM_F_E("reason", status));
    } else if (status == APR_SUCCESS) {
        zm_log(ZM_LOG_DEBUG, NULL, "sandbox entered");
    }
    return status;
}
