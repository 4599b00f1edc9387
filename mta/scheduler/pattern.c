#include "mta/scheduler/pattern.h"

/* Enough for any sane pattern; keeps "{a,a}{a,a}..." and "*a*a*a" from taking for ever. */
#define STEP_LIMIT 20000

/* What remains to be matched: this text, then the next ones. Alternatives put their tail in the
 * chain. */
typedef struct part_t {
    const char *at, *end;
    const struct part_t *next;
} part_t;

static bool match(const part_t *pattern, const char *text, const char *end, int *steps);

static bool equal(char a, char b)
{
    return zm_to_lower(a) == zm_to_lower(b);
}

/* Finds the end of a bracket list that starts after '['; null when it is not closed. */
static const char *list_end(const char *at, const char *end)
{
    const char *first = at < end && *at == '^' ? at + 1 : at;
    for (at = first; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if (*at == ']' && at > first)
            return at;
    }
    return NULL;
}

static bool in_list(const char *at, const char *end, char byte)
{
    bool inverted = *at == '^', found = false;
    int c = zm_to_lower((unsigned char)byte);

    for (at += inverted; at < end; at++) {
        int low, high;
        if (*at == '\\' && at + 1 < end)
            at++;
        low = high = zm_to_lower((unsigned char)*at);
        if (at + 2 < end && at[1] == '-') {
            high = zm_to_lower((unsigned char)at[2]);
            at += 2;
        }
        found |= c >= low && c <= high;
    }
    return found != inverted;
}

/* The '}' that belongs to the '{' before at, or null. */
static const char *brace_end(const char *at, const char *end)
{
    int depth = 1;
    for (; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if (*at == '{')
            depth++;
        else if (*at == '}' && --depth == 0)
            return at;
    }
    return NULL;
}

static const char *alternative_end(const char *at, const char *end)
{
    int depth = 0;
    for (; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if (*at == '{')
            depth++;
        else if (*at == '}')
            depth--;
        else if (*at == ',' && depth == 0)
            break;
    }
    return at;
}

static bool match_alternatives(const char *at, const char *close, const part_t *tail,
                               const char *text, const char *end, int *steps)
{
    for (;;) {
        const char *stop = alternative_end(at, close);
        part_t alternative = {at, stop, tail};
        if (match(&alternative, text, end, steps))
            return true;
        if (stop == close)
            return false;
        at = stop + 1;
    }
}

static bool match_star(const part_t *rest, const char *text, const char *end, int *steps)
{
    if (rest->at == rest->end && rest->next == NULL)
        return true;
    for (; text <= end; text++)
        if (match(rest, text, end, steps))
            return true;
    return false;
}

static bool match(const part_t *pattern, const char *text, const char *end, int *steps)
{
    part_t now = *pattern;

    while (--*steps > 0) {
        const char *close;
        if (now.at == now.end) {
            if (now.next == NULL)
                return text == end;
            now = *now.next;
            continue;
        }
        switch (*now.at++) {
        case '*':
            return match_star(&now, text, end, steps);
        case '?':
            if (text++ == end)
                return false;
            continue;
        case '[':
            close = list_end(now.at, now.end);
            if (close == NULL)
                break;
            if (text == end || !in_list(now.at, close, *text++))
                return false;
            now.at = close + 1;
            continue;
        case '{':
            close = brace_end(now.at, now.end);
            if (close == NULL)
                break;
            {
                part_t tail = {close + 1, now.end, now.next};
                return match_alternatives(now.at, close, &tail, text, end, steps);
            }
        case '\\':
            if (now.at < now.end)
                now.at++;
            break;
        default:
            break;
        }
        if (text == end || !equal(now.at[-1], *text++))
            return false;
    }
    return false;
}

bool zm_pattern_match(zm_str_t pattern, zm_str_t text)
{
    part_t whole = {pattern.data, pattern.data + pattern.length, NULL};
    int steps = STEP_LIMIT;
    return match(&whole, text.data, text.data + text.length, &steps);
}
