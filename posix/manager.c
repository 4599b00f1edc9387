/* Nothing here installs itself: packages bring units and scripts, see deploy/. */
#include "platform/manager.h"

static apr_status_t unsupported(zm_error_t *error)
{
    return zm_error_set(error, ZM_E_UNSUPPORTED,
                        "services of this system are files of the installation: units of systemd, "
                        "or scripts in rc.d");
}

apr_status_t zm_manager_install(const zm_manager_service_t *service, apr_pool_t *pool,
                                zm_error_t *error)
{
    (void)service, (void)pool;
    return unsupported(error);
}

apr_status_t zm_manager_remove(const char *name, apr_pool_t *pool, zm_error_t *error)
{
    (void)name, (void)pool;
    return unsupported(error);
}

apr_status_t zm_manager_ask(zm_manager_state_t *state, const char *name, apr_pool_t *pool)
{
    (void)state, (void)name, (void)pool;
    return APR_ENOENT;
}

apr_status_t zm_manager_command(const char **command, const char *const *argv, apr_pool_t *pool)
{
    (void)command, (void)argv, (void)pool;
    return ZM_E_UNSUPPORTED;
}

apr_status_t zm_manager_start(const char *name, int seconds, apr_pool_t *pool, zm_error_t *error)
{
    (void)name, (void)seconds, (void)pool;
    return unsupported(error);
}

apr_status_t zm_manager_stop(const char *name, int seconds, apr_pool_t *pool, zm_error_t *error)
{
    (void)name, (void)seconds, (void)pool;
    return unsupported(error);
}

apr_status_t zm_manager_control(const char *name, zm_control_t event, apr_pool_t *pool,
                                zm_error_t *error)
{
    (void)name, (void)event, (void)pool;
    return unsupported(error);
}

apr_status_t zm_manager_protect(const char *path, const char *account, bool users_read,
                                apr_pool_t *pool, zm_error_t *error)
{
    (void)path, (void)account, (void)users_read, (void)pool;
    return unsupported(error);
}

const char *zm_manager_account(const char *name, apr_pool_t *pool)
{
    (void)pool;
    return name;
}

void zm_manager_enter(void)
{
}

const char *zm_manager_configuration(const char *usual, apr_pool_t *pool)
{
    (void)pool;
    return usual;
}

apr_status_t zm_manager_remember(const char *file, const char *was, apr_pool_t *pool,
                                 zm_error_t *error)
{
    (void)file, (void)was, (void)pool;
    return unsupported(error);
}
