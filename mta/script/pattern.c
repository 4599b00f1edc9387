#include "mta/script/pattern.h"

#include <string.h>

/* Tests c against the set whose '[' is at *at; moves *at behind it.  Without ']' the '[' is
 * literal. */
static bool in_set(const zm_pattern_char_t *pattern, apr_size_t length, apr_size_t *at,
                   unsigned char c)
{
    apr_size_t i = *at + 1, first;
    bool negated = i < length && pattern[i] == '!', found = false;
    if (negated)
        i++;
    first = i;
    for (; i < length && (pattern[i] != ']' || i == first); i++) {
        unsigned low = pattern[i] & 0xff, high = low;
        if (i + 2 < length && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
            high = pattern[i + 2] & 0xff;
            i += 2;
        }
        found = found || (c >= low && c <= high);
    }
    if (i >= length) {
        *at += 1;
        return c == '[';
    }
    *at = i + 1;
    return found != negated;
}

bool zm_pattern_fits(const zm_pattern_char_t *pattern, apr_size_t length, zm_str_t text)
{
    apr_size_t at = 0, from = 0, star = 0, star_from = 0;
    bool starred = false;
    for (;;) {
        if (at < length && pattern[at] == '*') {
            starred = true;
            star = ++at;
            star_from = from;
            continue;
        }
        if (from == text.length) {
            if (at == length)
                return true;
        } else if (at < length) {
            unsigned char c = (unsigned char)text.data[from];
            apr_size_t next = at + 1;
            bool same = pattern[at] == '?' || (pattern[at] & 0xff) == c;
            if (pattern[at] == '[') {
                next = at;
                same = in_set(pattern, length, &next, c);
            }
            if (same) {
                at = next;
                from++;
                continue;
            }
        }
        if (!starred || star_from == text.length)
            return false;
        at = star;
        from = ++star_from;
    }
}

typedef struct zm_fragments_t {
    zm_buf_t bytes; /* of zm_pattern_char_t */
} zm_fragments_t;

static void add_fragment(void *baton, zm_str_t text, bool literal)
{
    zm_fragments_t *fragments = baton;
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        zm_pattern_char_t c = (unsigned char)text.data[i];
        if (literal)
            c |= ZM_PATTERN_LITERAL;
        zm_buf_add(&fragments->bytes, &c, sizeof c);
    }
}

static bool has_special(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if (strchr("*?[|", text.data[i]) != NULL)
            return true;
    return false;
}

static bool match_alternatives(const zm_fragments_t *fragments, zm_str_t subject)
{
    const zm_pattern_char_t *pattern =
        (const zm_pattern_char_t *)(const void *)fragments->bytes.data;
    apr_size_t length = fragments->bytes.length / sizeof *pattern, start = 0, i;
    if (length == 0)
        return subject.length == 0;
    for (i = 0; i <= length; i++) {
        if (i < length && pattern[i] != '|')
            continue;
        if (zm_pattern_fits(pattern + start, i - start, subject))
            return true;
        start = i + 1;
    }
    return false;
}

zm_flow_t zm_pattern_match_word(zm_script_t *script, const zm_word_t *word, zm_str_t subject,
                                bool *matched)
{
    zm_fragments_t fragments = {ZM_BUF_INIT};
    zm_flow_t flow;
    if (word->count == 1 && word->parts[0].kind == ZM_PART_TEXT) {
        zm_str_t text = zm_value_str(word->parts[0].u.text);
        if (word->parts[0].quoted || !has_special(text)) {
            *matched = zm_str_equal(text, subject);
            return ZM_FLOW_NORMAL;
        }
        if (zm_str_equal_c(text, "*")) {
            *matched = true;
            return ZM_FLOW_NORMAL;
        }
    }
    flow = zm_expand_fragments(script, word, add_fragment, &fragments);
    *matched = flow == ZM_FLOW_NORMAL && match_alternatives(&fragments, subject);
    zm_buf_free(&fragments.bytes);
    return flow;
}
