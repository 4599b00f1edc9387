/**
 * Names in the spool: directories, hashing and spool ids.  Pure functions;
 * nothing here touches the disk.
 */
#ifndef ZM_SPOOL_LAYOUT_H
#define ZM_SPOOL_LAYOUT_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "platform/str.h"

#define ZM_DIR_PUBLIC "public"
#define ZM_DIR_ROUTER "router"
#define ZM_DIR_QUEUE "queue"
#define ZM_DIR_TRANSPORT "transport"
#define ZM_DIR_DEFERRED "deferred"
#define ZM_DIR_POSTMAN "postman"
#define ZM_DIR_FREEZER "freezer"

/** A directory of the standard layout and its mode (02755, 03777, ...). */
typedef struct zm_layout_directory_t {
    const char *name;
    uint32_t mode;
} zm_layout_directory_t;
extern const zm_layout_directory_t zm_layout_directories[]; /**< ends with a null name */

/** Longest results of the functions below, NUL included. */
#define ZM_HASH_PREFIX_SIZE 5
#define ZM_SPOOL_ID_SIZE 40

#define ZM_LEAF_LIMIT 255       /**< bytes of one part of a name */
#define ZM_HASH_DEPTH_LIMIT 8   /**< hash directories in one name; scanners go no deeper */

/**
 * Whether a leaf or directory is one that every system can hold: no control byte,
 * '/', '\\', wildcard, quote, device name, final dot or blank, and not the single
 * letter of a hash directory.  ':' is allowed in the leaves of postman/
 * ("4711:orphan") and public/ ("HOST:PID") only: these are classic names, and on
 * systems where ':' is special the engine writes another byte in its place.
 */
bool zm_layout_leaf_valid(zm_str_t directory, zm_str_t leaf);
bool zm_layout_directory_valid(zm_str_t directory);

/** "", "X/" or "X/Y/" for an id. */
void zm_layout_hash(char prefix[ZM_HASH_PREFIX_SIZE], uint64_t id, int levels);

/** "transport/A/B/4711" */
char *zm_layout_name(apr_pool_t *pool, const char *directory, int levels, uint64_t id);

/** A name taken apart.  Strings point into the name. */
typedef struct zm_name_t {
    zm_str_t directory; /**< "transport" */
    zm_str_t prefix;    /**< "", "A/" or "A/B/" (deeper ones come from foreign spools) */
    zm_str_t leaf;      /**< "4711" */
    bool numeric;       /**< leaf starts with 0-9: a message or control file */
    uint64_t id;        /**< the leading digits; UINT64_MAX, which no object has, when they are too many */
} zm_name_t;
/** ZM_E_SYNTAX when it is not a well-formed name. */
apr_status_t zm_layout_parse(zm_name_t *parts, zm_str_t name);

/** The spool id: log identity of a message, "S" INO and 8 or 13 characters of its arrival time (UTC). */
void zm_layout_spool_id(char id[ZM_SPOOL_ID_SIZE], uint64_t object, int64_t mtime_s, uint32_t mtime_ns);

#endif
