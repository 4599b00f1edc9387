/** The map types of this folder, for type.c. */
#ifndef ZM_MAP_TYPES_H
#define ZM_MAP_TYPES_H

#include "mta/map/map.h"
#include "platform/fs.h"

extern const zm_map_type_t zm_map_incore, zm_map_unordered, zm_map_ordered, zm_map_sqlite,
    zm_map_regex, zm_map_bind, zm_map_hostsfile, zm_map_selfmatch;

/** The type of that name, historical names included; null: unknown. */
const zm_map_type_t *zm_map_type_find(const char *name);

/** Counts the units of work (zm_map_look_again); 0: the program does not tell. */
uint64_t zm_map_unit(void);
/** A lookup of this thread waits: tells who asked for it with zm_map_set_waiting. */
void zm_map_tell_waiting(void);
/** Whether an address without brackets is one of this machine, or of the variable SELFADDRESSES. */
bool zm_map_is_own_address(zm_str_t address, const zm_map_options_t *options, apr_pool_t *pool);

/* Files behind maps. */

/** Looks at the file that path leads to, through a link if it is one. */
apr_status_t zm_map_file_look(const char *path, zm_file_info_t *info);
/** Whether path holds another file, or another state of it, than was seen before. */
bool zm_map_file_changed(const char *path, const zm_file_info_t *seen);
apr_status_t zm_map_file_owner(const char *path, zm_uid_t *owner, zm_error_t *error);
/** Requires a file name. */
apr_status_t zm_map_needs_file(const zm_map_options_t *options, zm_error_t *error);

/** Takes a line of a text map apart: the key to the first bare blank (quotes kept), then the next
 * word. False: empty line. */
bool zm_map_text_line(zm_str_t line, zm_str_t *key, zm_str_t *value);

/** Order of text map keys: ASCII letters without case. */
int zm_map_text_compare(zm_str_t a, zm_str_t b);

#endif
