/**
 * Compiling: from the source text of a database to the entries of a map.
 *
 * Plain sources have a line "key value" each: the key is the first word, the
 * value the rest of the line; empty lines and lines whose first non-blank
 * character is '#' do not count.  Alias sources are described in
 * mta/mail/aliases.h; their keys are always mapped to lower case.  Policy sources have
 * a line "key attribute value [attribute value ...]" each, and become the records
 * of mta/map/policy.h.
 *
 * Of equal keys the first counts, and the others are told; or their values are
 * joined: with a comma, LF and TAB, or as the attributes of one policy record.
 */
#ifndef ZM_MTA_DB_COMPILE_H
#define ZM_MTA_DB_COMPILE_H

#include "mta/map/map.h"

typedef enum zm_compile_form_t {
    ZM_COMPILE_PLAIN,
    ZM_COMPILE_ALIASES,
    ZM_COMPILE_POLICY
} zm_compile_form_t;

typedef enum zm_compile_note_t {
    ZM_COMPILE_ERROR,     /**< the line is left out */
    ZM_COMPILE_DUPLICATE, /**< the key stands in an earlier line, too, and that one counts */
    ZM_COMPILE_REMARK     /**< the line counts, and should be written otherwise */
} zm_compile_note_t;

typedef struct zm_compile_t {
    zm_compile_form_t form;
    int fold;    /**< 'l', 'u' or 0: case mapping of plain keys (ASCII) */
    bool append; /**< join the values of equal keys */
    /** Something about a line; the text lives during the call. */
    void (*note)(void *baton, zm_compile_note_t what, unsigned line, const char *text);
    /** Called now and then with the entries and lines so far; may be null. */
    void (*progress)(void *baton, uint64_t entries, unsigned line);
    void *baton;
    /* what came of it */
    uint64_t entries;
    uint64_t longest, total; /**< bytes of the longest value and of all keys and values */
    unsigned errors, duplicates, remarks;
} zm_compile_t;

/**
 * Adds the entries of the text to a new map, between zm_map_begin and commit.
 * Errors are those of the map; faults of the text are notes.
 */
apr_status_t zm_compile(zm_compile_t *compile, zm_str_t text, zm_map_t *map, apr_pool_t *pool,
                        zm_error_t *error);

#endif
