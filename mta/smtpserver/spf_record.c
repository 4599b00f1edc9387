#include <apr_strings.h>
#include <string.h>

#include "mta/smtpserver/spf_parts.h"
#include "platform/clock.h"

#define NAME_LIMIT 253
#define MOST_EXPLAINED 400 /* octets */

/* -- terms ------------------------------------------------------------------------------- */

bool spf_terms(zm_str_t text, zm_str_t *terms)
{
    static const zm_str_t version = ZM_STR("v=spf1");
    if (!zm_str_starts_nocase(text, version) ||
        (text.length > version.length && text.data[version.length] != ' '))
        return false;
    *terms = zm_str_from(text, version.length);
    return true;
}

static bool read_width(zm_str_t text, int most, int *width)
{
    uint64_t number;
    if (zm_str_u64(text, &number) != APR_SUCCESS || number > (uint64_t)most ||
        (text.length > 1 && text.data[0] == '0'))
        return false;
    *width = (int)number;
    return true;
}

/* "[:DOMAIN][/WIDTH4][//WIDTH6]" */
static bool read_address_part(spf_term_t *term, zm_str_t rest)
{
    zm_str_t widths = {"", 0}, four, six;
    apr_size_t i;
    bool macro = false;
    term->width4 = 32;
    term->width6 = 128;
    for (i = 0; i < rest.length && (macro || rest.data[i] != '/'); i++)
        if (rest.data[i] == '{')
            macro = true;
        else if (rest.data[i] == '}')
            macro = false;
    if (i < rest.length)
        widths = zm_str_from(rest, i);
    rest.length = i;
    if (rest.length > 0) {
        term->domain = zm_str_from(rest, 1);
        if (rest.data[0] != ':' || term->domain.length == 0)
            return false;
    }
    if (widths.length == 0)
        return true;
    if (zm_str_starts(widths, ZM_S("//")))
        return read_width(zm_str_from(widths, 2), 128, &term->width6);
    four = zm_str_from(widths, 1);
    i = 0;
    while (i < four.length && four.data[i] != '/')
        i++;
    six = zm_str_from(four, i);
    four.length = i;
    return read_width(four, 32, &term->width4) &&
           (six.length == 0 || (zm_str_starts(six, ZM_S("//")) &&
                                read_width(zm_str_from(six, 2), 128, &term->width6)));
}

/* ":ADDRESS[/WIDTH]" of that family */
static bool read_network(spf_term_t *term, zm_str_t rest, int family)
{
    zm_str_t address, width;
    int bits = family == 4 ? 32 : 128;
    if (rest.length < 2 || rest.data[0] != ':')
        return false;
    if (zm_str_cut(zm_str_from(rest, 1), '/', &address, &width) && !read_width(width, bits, &bits))
        return false;
    term->network.width = (uint8_t)bits;
    return zm_ip_parse(&term->network.ip, address) == APR_SUCCESS &&
           (term->network.ip.family == family || term->network.ip.family == 4) &&
           !(family == 4 && zm_str_find(address, ':') >= 0);
}

static bool read_domain(spf_term_t *term, zm_str_t rest, bool needed)
{
    if (rest.length == 0)
        return !needed;
    term->domain = zm_str_from(rest, 1);
    return rest.data[0] == ':' && term->domain.length > 0;
}

static bool read_mechanism(spf_term_t *term, zm_str_t name, zm_str_t rest)
{
    static const struct {
        const char *name;
        spf_kind_t kind;
    } known[] = {{"all", SPF_ALL}, {"include", SPF_INCLUDE}, {"a", SPF_A},
                 {"mx", SPF_MX},   {"ptr", SPF_PTR},         {"ip4", SPF_IP},
                 {"ip6", SPF_IP},  {"exists", SPF_EXISTS}};
    apr_size_t i;
    for (i = 0; i < sizeof known / sizeof known[0]; i++)
        if (zm_str_equal_nocase(name, zm_str(known[i].name)))
            break;
    if (i == sizeof known / sizeof known[0])
        return false;
    term->kind = known[i].kind;
    switch (term->kind) {
    case SPF_ALL:
        return rest.length == 0;
    case SPF_IP:
        return read_network(term, rest, known[i].name[2] == '4' ? 4 : 6);
    case SPF_A:
    case SPF_MX:
        return read_address_part(term, rest);
    default:
        return read_domain(term, rest, term->kind != SPF_PTR);
    }
}

static bool read_modifier(spf_term_t *term, zm_str_t name, zm_str_t value)
{
    apr_size_t i;
    if (name.length == 0 || !zm_is_alpha(name.data[0]))
        return false;
    for (i = 0; i < name.length; i++)
        if (!zm_is_alpha(name.data[i]) && !zm_is_digit(name.data[i]) &&
            strchr("-_.", name.data[i]) == NULL)
            return false;
    term->kind = zm_str_equal_nocase(name, ZM_S("redirect")) ? SPF_REDIRECT
                 : zm_str_equal_nocase(name, ZM_S("exp"))    ? SPF_EXP
                                                             : SPF_OTHER;
    if (term->kind == SPF_OTHER)
        return true;
    term->domain = value;
    return value.length > 0;
}

bool spf_next(zm_str_t *record, spf_term_t *term, bool *good)
{
    static const char qualifiers[] = "+-?~";
    static const spf_result_t results[] = {SPF_PASS, SPF_FAIL, SPF_NEUTRAL, SPF_SOFTFAIL};
    zm_str_t word, name;
    const char *qualifier;
    apr_size_t end = 0;
    *good = true;
    if (!zm_str_word(record, &word))
        return false;
    memset(term, 0, sizeof *term);
    term->domain = ZM_S("");
    term->result = SPF_PASS;
    while (end < word.length && strchr(":/=", word.data[end]) == NULL)
        end++;
    if (end < word.length && word.data[end] == '=') {
        *good = read_modifier(term, zm_str_of(word.data, end), zm_str_from(word, end + 1));
        return *good;
    }
    qualifier = word.data[0] != '\0' ? strchr(qualifiers, word.data[0]) : NULL;
    name = zm_str_of(word.data, end);
    if (qualifier != NULL) {
        term->result = results[qualifier - qualifiers];
        name = zm_str_from(name, 1);
    }
    *good = read_mechanism(term, name, zm_str_from(word, end));
    return *good;
}

/* -- macros ------------------------------------------------------------------------------ */

static const char *dotted_ip(const zm_ip_t *ip, apr_pool_t *pool)
{
    static const char digits[] = "0123456789abcdef";
    char text[64];
    int i;
    if (ip->family == 4) {
        char plain[ZM_IP_TEXT];
        return apr_pstrdup(pool, zm_ip_print(ip, plain));
    }
    for (i = 0; i < 16; i++) {
        text[4 * i] = digits[ip->bytes[i] >> 4];
        text[4 * i + 2] = digits[ip->bytes[i] & 15];
        text[4 * i + 1] = text[4 * i + 3] = '.';
    }
    text[63] = '\0';
    return apr_pstrdup(pool, text);
}

static bool value_of(char letter, const spf_values_t *values, apr_pool_t *pool, zm_str_t *value)
{
    switch (zm_to_lower(letter)) {
    case 's':
        *value =
            zm_str(apr_psprintf(pool, "%.*s@%.*s", (int)values->local.length, values->local.data,
                                (int)values->domain.length, values->domain.data));
        return true;
    case 'l':
        *value = values->local;
        return true;
    case 'o':
        *value = values->domain;
        return true;
    case 'd':
        *value = values->current;
        return true;
    case 'i':
        *value = zm_str(dotted_ip(&values->ip, pool));
        return true;
    case 'p': /* whoever uses it should not (RFC 7208, 7.2) */
        *value = ZM_S("unknown");
        return true;
    case 'v':
        *value = values->ip.family == 4 ? ZM_S("in-addr") : ZM_S("ip6");
        return true;
    case 'h':
        *value = values->helo;
        return true;
    default:
        return false;
    }
}

/* Those that may stand in explanations only. */
static bool value_to_explain(char letter, const spf_values_t *values, apr_pool_t *pool,
                             zm_str_t *value)
{
    char plain[ZM_IP_TEXT];
    switch (zm_to_lower(letter)) {
    case 'c':
        *value = zm_str(apr_pstrdup(pool, zm_ip_print(&values->ip, plain)));
        return true;
    case 'r':
        *value = values->receiver.length > 0 ? values->receiver : ZM_S("unknown");
        return true;
    case 't':
        *value = zm_str(apr_psprintf(pool, "%" APR_INT64_T_FMT, apr_time_sec(zm_clock_wall())));
        return true;
    default:
        return value_of(letter, values, pool, value);
    }
}

#define MOST_PARTS 128

/* Splits, turns round, keeps the last so many, and joins with dots. */
static void transform(zm_buf_t *out, zm_str_t value, uint64_t keep, bool reverse,
                      const char *delimiters)
{
    zm_str_t parts[MOST_PARTS];
    apr_size_t start = 0, i, count = 0, first;
    for (i = 0; i <= value.length && count < MOST_PARTS; i++) {
        if (i < value.length &&
            (value.data[i] == '\0' || strchr(delimiters, value.data[i]) == NULL))
            continue;
        parts[count++] = zm_str_of(value.data + start, i - start);
        start = i + 1;
    }
    first = keep > 0 && keep < count ? count - (apr_size_t)keep : 0;
    for (i = first; i < count; i++) {
        if (i > first)
            zm_buf_add_byte(out, '.');
        /* turned round, the last so many are the first so many of what there was */
        zm_buf_add_str(out, reverse ? parts[count - 1 - i] : parts[i]);
    }
}

/* As it stands in a URL: what letters in upper case ask for. */
static void escape(zm_buf_t *out, zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (zm_is_alpha(c) || zm_is_digit(c) || (c != '\0' && strchr("-._~", c) != NULL))
            zm_buf_add_byte(out, c);
        else
            zm_buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

static void add_value(zm_buf_t *out, zm_str_t value, uint64_t keep, bool reverse,
                      const char *delimiters, bool escaped)
{
    zm_buf_t made = ZM_BUF_INIT;
    if (!escaped) {
        transform(out, value, keep, reverse, delimiters);
        return;
    }
    transform(&made, value, keep, reverse, delimiters);
    escape(out, zm_buf_str(&made));
    zm_buf_free(&made);
}

typedef bool value_fn(char letter, const spf_values_t *values, apr_pool_t *pool, zm_str_t *value);

/* "{LETTER[DIGITS][r][DELIMITERS]}" from *at on. */
static bool expand_one(zm_buf_t *out, zm_str_t text, apr_size_t *at, const spf_values_t *values,
                       value_fn *find, apr_pool_t *pool)
{
    char delimiters[16];
    apr_size_t i = *at, used = 0;
    uint64_t keep = 0;
    bool reverse = false, digits = false, escaped;
    zm_str_t value;
    if (i + 1 >= text.length || !find(text.data[++i], values, pool, &value))
        return false;
    escaped = text.data[i] != zm_to_lower(text.data[i]);
    for (i++; i < text.length && zm_is_digit(text.data[i]); i++) {
        digits = true;
        keep = keep < 1000 ? keep * 10 + (uint64_t)(text.data[i] - '0') : keep;
    }
    if (digits && keep == 0)
        return false;
    if (i < text.length && zm_to_lower(text.data[i]) == 'r') {
        reverse = true;
        i++;
    }
    for (; i < text.length && text.data[i] != '}'; i++) {
        if (text.data[i] == '\0' || strchr(".-+,/_=", text.data[i]) == NULL ||
            used + 1 >= sizeof delimiters)
            return false;
        delimiters[used++] = text.data[i];
    }
    if (i >= text.length)
        return false;
    delimiters[used] = '\0';
    add_value(out, value, keep, reverse, used > 0 ? delimiters : ".", escaped);
    *at = i;
    return true;
}

/* Labels in front go when the name is too long for one. */
static zm_str_t shorten(zm_str_t name)
{
    while (name.length > NAME_LIMIT) {
        apr_ssize_t dot = zm_str_find(name, '.');
        if (dot < 0)
            break;
        name = zm_str_from(name, (apr_size_t)dot + 1);
    }
    return name;
}

/* From a blank on, unless blanks may not be: false. */
static bool expand(zm_buf_t *out, zm_str_t text, char least, const spf_values_t *values,
                   value_fn *find, apr_pool_t *pool)
{
    bool good = true;
    apr_size_t i;
    for (i = 0; i < text.length && good; i++) {
        if (text.data[i] != '%') {
            good = text.data[i] >= least && text.data[i] <= '~';
            zm_buf_add_byte(out, text.data[i]);
            continue;
        }
        if (++i >= text.length)
            good = false;
        else if (text.data[i] == '%')
            zm_buf_add_byte(out, '%');
        else if (text.data[i] == '_')
            zm_buf_add_byte(out, ' ');
        else if (text.data[i] == '-')
            zm_buf_add_c(out, "%20");
        else
            good = text.data[i] == '{' && expand_one(out, text, &i, values, find, pool);
    }
    return good;
}

const char *spf_expand(zm_str_t text, const spf_values_t *values, apr_pool_t *pool)
{
    zm_buf_t out = ZM_BUF_INIT;
    const char *made = NULL;
    if (expand(&out, text, '!', values, value_of, pool))
        made = zm_str_c(pool, shorten(zm_buf_str(&out)));
    zm_buf_free(&out);
    return made;
}

zm_str_t spf_explain(zm_str_t text, const spf_values_t *values, apr_pool_t *pool)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t made = {"", 0};
    apr_size_t i;
    if (expand(&out, text, ' ', values, value_to_explain, pool)) {
        made = zm_buf_str(&out);
        made.length = made.length > MOST_EXPLAINED ? MOST_EXPLAINED : made.length;
        for (i = 0; i < made.length; i++) /* the values come from the client */
            if (out.data[i] < ' ' || out.data[i] > '~')
                out.data[i] = '?';
        made = zm_str_copy(pool, zm_str_trim(made));
    }
    zm_buf_free(&out);
    return made;
}
