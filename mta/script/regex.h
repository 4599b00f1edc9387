/**
 * Regular expressions of ssift labels.
 *
 * The dialect is the language's own: `{}` are ordinary, `a**` is allowed,
 * brackets know no backslash and no classes, `^` and `$` match at every line.
 * It is translated to PCRE2, whose order of trying alternatives is the one that
 * the language prescribes (the first successful path decides sub-matches).
 * The work of one match is bounded.
 */
#ifndef ZM_SCRIPT_REGEX_H
#define ZM_SCRIPT_REGEX_H

#include "platform/str.h"

typedef struct zm_regex_t zm_regex_t;
typedef struct zm_regex_scratch_t zm_regex_scratch_t;

/** Working memory for matches, one an interpreter. */
zm_regex_scratch_t *zm_regex_scratch(apr_pool_t *pool);

/** Compiles text as it is (the caller has wrapped it in ^ and $).  ZM_E_SYNTAX with the reason in
 * error. */
apr_status_t zm_regex_compile(zm_regex_t **regex, zm_str_t text, apr_pool_t *pool,
                              zm_error_t *error);

/**
 * Searches subject.  APR_SUCCESS with groups[0..9] (data null: unmatched) and
 * their number; APR_ENOENT no match; ZM_E_LIMIT too much work.
 */
apr_status_t zm_regex_match(const zm_regex_t *regex, zm_str_t subject, zm_str_t groups[10],
                            unsigned *count, zm_regex_scratch_t *scratch);

/** The PCRE2 pattern for a text of the dialect, for tests; appended.  ZM_E_SYNTAX as above. */
apr_status_t zm_regex_translate(zm_str_t text, zm_buf_t *out, zm_error_t *error);

#endif
