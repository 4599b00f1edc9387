#include "platform/password.h"

#if defined(__has_include)
#if __has_include(<crypt.h>)
#include <crypt.h>
#endif
#endif
#include <unistd.h>

apr_status_t zm_password_hash(zm_buf_t *hash, const char *password, const char *like)
{
    const char *made = crypt(password, like);
    if (made == NULL || made[0] == '*')
        return ZM_E_UNSUPPORTED;
    zm_buf_add_c(hash, made);
    return APR_SUCCESS;
}
