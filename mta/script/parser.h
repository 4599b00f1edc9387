/**
 * From text to a tree.
 *
 * A unit is parsed whole.  After an error nothing of it is usable; the error
 * names the place, and incomplete tells whether more text could repair it (for
 * interactive input).
 */
#ifndef ZM_SCRIPT_PARSER_H
#define ZM_SCRIPT_PARSER_H

#include "mta/script/tree.h"

typedef struct zm_parse_error_t {
    char text[200];  /**< what is wrong */
    unsigned line;   /**< from 1 */
    unsigned column; /**< from 1 */
    zm_str_t source; /**< the line, within the text parsed or the unit's pool */
    bool incomplete; /**< the text ended too early */
} zm_parse_error_t;

typedef struct zm_parse_context_t {
    zm_symbols_t *symbols;
    const bool *blank; /**< [256]: characters that separate words, besides blank and tab */
} zm_parse_context_t;

/**
 * Parses text into unit->body, allocating from unit->pool.  The text may go
 * afterwards.  ZM_E_SYNTAX with the error filled in.
 */
apr_status_t zm_parse(zm_unit_t *unit, zm_str_t text, const zm_parse_context_t *context,
                      zm_parse_error_t *error);

#endif
