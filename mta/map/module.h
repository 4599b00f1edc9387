/**
 * Modules: map types in shared libraries, for libraries that not every
 * installation has.
 *
 * The module of type T is the file LIBEXEC/map/T.so (LIBEXEC as in
 * PREFIX/libexec/zmailer).  It is loaded when the type is first asked for, stays
 * loaded, and exports the variable zm_map_module.
 */
#ifndef ZM_MAP_MODULE_H
#define ZM_MAP_MODULE_H

#include "mta/map/map.h"

#define ZM_MAP_MODULE_VERSION 1

typedef struct zm_map_module_t {
    unsigned version;          /**< ZM_MAP_MODULE_VERSION */
    unsigned type_size;        /**< sizeof(zm_map_type_t) when it was compiled */
    const zm_map_type_t *type; /**< the type, of the file's name */
} zm_map_module_t;

/** The type of a module, loaded now if need be.  Null: there is none; error says why when one is
 * known by that name. */
const zm_map_type_t *zm_map_module_find(const char *name, zm_error_t *error);

#endif
