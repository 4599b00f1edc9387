#include "platform/password.h"

apr_status_t zm_password_hash(zm_buf_t *hash, const char *password, const char *like)
{
    (void)hash;
    (void)password;
    (void)like;
    return ZM_E_UNSUPPORTED;
}
