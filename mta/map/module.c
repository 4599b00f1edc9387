#include "mta/map/module.h"

#include <apr_allocator.h>
#include <apr_dso.h>
#include <apr_strings.h>
#include <string.h>

#include "platform/service.h"

/* The names that have modules, and the file of each. */
static const struct {
    const char *name, *file;
} modules[] = {{"ldap", "ldap"},   {"pgsql", "pgsql"},   {"postgresql", "pgsql"},
               {"mysql", "mysql"}, {"mariadb", "mysql"}, {"yp", "yp"}};
#define MODULES (sizeof modules / sizeof modules[0])

static const zm_map_type_t *loaded[MODULES];
static apr_pool_t *pool; /* of what is loaded, until the program ends */
static apr_allocator_t *allocator;

static const zm_map_type_t *load(const char *file, zm_error_t *error)
{
    const char *prefix, *path;
    char text[200];
    apr_dso_handle_t *handle;
    apr_dso_handle_sym_t symbol;
    const zm_map_module_t *module;
    apr_status_t status = zm_service_prefix(&prefix, pool);
    if (status != APR_SUCCESS) {
        zm_error_system(error, status, "cannot tell where this program is installed");
        return NULL;
    }
    path = apr_pstrcat(pool, prefix, "/" ZM_LIBEXEC_REL "/map/", file, ".so", NULL);
    status = apr_dso_load(&handle, path, pool);
    if (status != APR_SUCCESS) {
        zm_error_set(error, ZM_E_UNSUPPORTED, "%s", apr_dso_error(handle, text, sizeof text));
        return NULL;
    }
    status = apr_dso_sym(&symbol, handle, "zm_map_module");
    module = symbol;
    if (status == APR_SUCCESS && module->version == ZM_MAP_MODULE_VERSION &&
        module->type_size == sizeof(zm_map_type_t))
        return module->type;
    apr_dso_unload(handle);
    zm_error_set(error, ZM_E_UNSUPPORTED, "%s is of another version", path);
    return NULL;
}

const zm_map_type_t *zm_map_module_find(const char *name, zm_error_t *error)
{
    apr_size_t i = 0;
    zm_error_set(error, ZM_E_UNSUPPORTED, "there is no such type");
    while (i < MODULES && strcmp(modules[i].name, name) != 0)
        i++;
    if (i == MODULES)
        return NULL;
    if (allocator == NULL && apr_allocator_create(&allocator) != APR_SUCCESS)
        return NULL;
    if (loaded[i] == NULL &&
        (pool != NULL || apr_pool_create_unmanaged_ex(&pool, NULL, allocator) == APR_SUCCESS))
        loaded[i] = load(modules[i].file, error);
    return loaded[i];
}
