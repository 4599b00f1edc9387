#include "mta/smtpserver/pattern.h"

#include <string.h>

/* -- matching -------------------------------------------------------------------- */

/* One byte against the set that starts behind "["; *end is behind the "]".  A set without an end
 * matches nothing. */
static bool in_set(const char *set, char byte, const char **end)
{
    bool negated = *set == '!' || *set == '^', found = false, first = true;
    if (negated)
        set++;
    for (; *set != '\0' && (*set != ']' || first); first = false) {
        unsigned char low, high;
        if (*set == '\\' && set[1] != '\0')
            set++;
        low = high = (unsigned char)*set++;
        if (*set == '-' && set[1] != ']' && set[1] != '\0') {
            set++;
            if (*set == '\\' && set[1] != '\0')
                set++;
            high = (unsigned char)*set++;
        }
        found |= (unsigned char)byte >= low && (unsigned char)byte <= high;
    }
    if (*set == '\0') {
        *end = set;
        return false;
    }
    *end = set + 1;
    return found != negated;
}

/* One element of the glob other than "*" against one byte; *next is behind the element. */
static bool match_one(const char *glob, char byte, const char **next)
{
    *next = glob + 1;
    switch (*glob) {
    case '\0':
        return false;
    case '?':
        return true;
    case '[':
        return in_set(glob + 1, byte, next);
    case '\\':
        if (glob[1] != '\0') {
            *next = glob + 2;
            return glob[1] == byte;
        }
        return byte == '\\';
    default:
        return *glob == byte;
    }
}

/* Only the last "*" ever needs another try, so the work is at most length times length. */
bool pattern_match(const char *glob, zm_str_t name)
{
    const char *star = NULL, *next;
    apr_size_t at = 0, star_at = 0;
    for (;;) {
        if (*glob == '*') {
            star = ++glob;
            star_at = at;
        } else if (at == name.length && *glob == '\0') {
            return true;
        } else if (at < name.length &&
                   match_one(glob, (char)zm_to_lower((unsigned char)name.data[at]), &next)) {
            glob = next;
            at++;
        } else if (star != NULL && star_at < name.length) {
            glob = star;
            at = ++star_at;
        } else {
            return false;
        }
    }
}

const pattern_t *pattern_find(const pattern_list_t *list, zm_str_t name)
{
    const pattern_t *pattern;
    for (pattern = list->first; pattern != NULL; pattern = pattern->next)
        if (pattern_match(pattern->glob, name))
            return pattern;
    return NULL;
}

/* -- reading --------------------------------------------------------------------- */

bool pattern_flags(zm_str_t letters, int *flags, char *bad)
{
    bool good = true;
    apr_size_t i;
    for (i = 0; i < letters.length; i++) {
        switch (letters.data[i]) {
        case 'R':
            *flags |= PATTERN_FULL;
            break;
        case 'S':
            *flags |= PATTERN_SLOPPY;
            break;
        case 'v':
            *flags |= PATTERN_VERIFY;
            break;
        case 'e':
            *flags |= PATTERN_EXPAND;
            break;
        case '-':
            *flags |= PATTERN_NO_GREET;
            break;
        case 'f':
            *flags |= PATTERN_FROM;
            break;
        case 't':
            *flags |= PATTERN_TO;
            break;
        case 'F':
            *flags |= PATTERN_NO_FROM;
            break;
        case 'T':
            *flags |= PATTERN_NO_TO;
            break;
        case 'h':
            *flags |= PATTERN_HELLO;
            break;
        case 'D': /* keeping aborted input */
            *flags |= PATTERN_DEBUG;
            break;
        default:
            *bad = letters.data[i];
            good = false;
        }
    }
    if (*flags & PATTERN_SLOPPY)
        *flags &= ~PATTERN_FULL;
    return good;
}

/* Takes the load limit off *rest, if one stands there. */
static apr_status_t take_load(zm_str_t *rest, int *load, const char **problem)
{
    zm_str_t after = *rest, word;
    int64_t number;
    *load = PATTERN_NO_LOAD;
    if (!zm_str_word(&after, &word))
        return APR_SUCCESS;
    if (zm_str_equal_c(word, "*")) {
        *rest = after;
    } else if (zm_is_digit(word.data[0])) {
        if (zm_str_i64(word, &number) != APR_SUCCESS || number > 1000000) {
            *problem = "expected a number or * as the highest load average";
            return ZM_E_SYNTAX;
        }
        *load = number < 2 ? 2 : (int)number;
        *rest = after;
    }
    return APR_SUCCESS;
}

apr_status_t pattern_add(pattern_list_t *list, zm_str_t line, const char **problem,
                         apr_pool_t *pool)
{
    pattern_t *made = apr_pcalloc(pool, sizeof *made);
    zm_str_t rest = line, word;
    apr_status_t status;
    if (!zm_str_word(&rest, &word)) {
        *problem = "expected a HELO pattern";
        return ZM_E_SYNTAX;
    }
    made->glob = zm_str_lower(pool, word).data;
    status = take_load(&rest, &made->max_load, problem);
    if (status != APR_SUCCESS)
        return status;
    rest = zm_str_trim(rest);
    if (rest.length > 0 && rest.data[0] == '!') {
        made->flags = PATTERN_REJECT;
        rest = zm_str_trim(zm_str_from(rest, 1));
        made->text = zm_str_c(pool, rest);
    } else if (zm_str_word(&rest, &word) && word.data[0] != '#') {
        (void)pattern_flags(word, &made->flags, &made->unknown);
    }
    if (list->last != NULL)
        list->last->next = made;
    else
        list->first = made;
    list->last = made;
    return APR_SUCCESS;
}
