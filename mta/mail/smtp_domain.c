/* Domains, address literals and the other small grammars of SMTP commands. */
#include <string.h>

#include "mta/mail/smtp_path.h"
#include "mta/mail/xtext.h"

static bool fail(zm_smtp_problem_t *problem, apr_size_t at, const char *text)
{
    problem->text = text;
    problem->at = at;
    return false;
}

static bool is_alphanumeric(char byte)
{
    return zm_is_alpha(byte) || zm_is_digit(byte);
}

/** Four decimal bytes with dots between them, from *at on. */
static bool read_dotted_quad(zm_str_t text, apr_size_t *at, zm_smtp_problem_t *problem)
{
    int i;
    for (i = 0; i < 4; i++) {
        apr_size_t start;
        unsigned value = 0;
        if (i > 0) {
            if (*at >= text.length || text.data[*at] != '.')
                return fail(problem, *at, "expected . in the address literal");
            ++*at;
        }
        for (start = *at; *at < text.length && *at - start < 4 && zm_is_digit(text.data[*at]);
             ++*at)
            value = value * 10 + (unsigned)(text.data[*at] - '0');
        if (*at == start || *at - start > 3 || value > 255)
            return fail(problem, start, "expected a number from 0 to 255 in the address literal");
    }
    return true;
}

static bool is_hex(char byte)
{
    return zm_is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

/** Whether the element at `at` is the start of a dotted quad: digits and a dot. */
static bool is_quad(zm_str_t text, apr_size_t at)
{
    while (at < text.length && zm_is_digit(text.data[at]))
        at++;
    return at < text.length && text.data[at] == '.';
}

static bool read_ipv6(zm_str_t text, apr_size_t *at, zm_smtp_problem_t *problem)
{
    unsigned elements = 0;
    bool gap = false, done = false;
    if (*at < text.length && text.data[*at] == ':') {
        if (*at + 1 >= text.length || text.data[*at + 1] != ':')
            return fail(problem, *at, "lone : at the start of the IPv6 address");
        gap = true;
        *at += 2;
        done = *at >= text.length || !is_hex(text.data[*at]);
    }
    while (!done) {
        apr_size_t start = *at;
        if (is_quad(text, start)) {
            if (!read_dotted_quad(text, at, problem))
                return false;
            elements += 2;
            break;
        }
        while (*at < text.length && is_hex(text.data[*at]))
            ++*at;
        if (*at == start)
            return fail(problem, start, "expected hexadecimal digits in the IPv6 address");
        if (*at - start > 4)
            return fail(problem, start, "element of the IPv6 address is too large");
        elements++;
        if (*at >= text.length || text.data[*at] != ':')
            break;
        ++*at;
        if (*at < text.length && text.data[*at] == ':') {
            if (gap)
                return fail(problem, *at - 1, "second :: in the IPv6 address");
            gap = true;
            ++*at;
            done = *at >= text.length || !is_hex(text.data[*at]);
        }
    }
    if (elements > (gap ? 7u : 8u))
        return fail(problem, *at, "too many elements in the IPv6 address");
    if (!gap && elements < 8)
        return fail(problem, *at, "too few elements in the IPv6 address");
    return true;
}

bool zm_smtp_is_ipv6(zm_str_t text)
{
    zm_smtp_problem_t problem;
    apr_size_t at = 0;
    return text.length > 0 && read_ipv6(text, &at, &problem) && at == text.length;
}

static bool read_literal(zm_str_t text, apr_size_t *end, zm_smtp_problem_t *problem)
{
    zm_str_t rest = {text.data + 1, text.length - 1};
    apr_size_t at = 1;
    bool good;
    if (zm_str_starts_nocase(rest, ZM_S("IPv6:"))) {
        at += 5;
        good = read_ipv6(text, &at, problem);
    } else {
        good = read_dotted_quad(text, &at, problem);
    }
    if (!good)
        return false;
    if (at >= text.length || text.data[at] != ']')
        return fail(problem, at, "expected ] after the address literal");
    *end = at + 1;
    return true;
}

static bool read_names(zm_str_t text, bool beyond, apr_size_t *end, zm_smtp_problem_t *problem)
{
    apr_size_t at = 0;
    bool numeric = true;
    for (;;) {
        apr_size_t start = at;
        while (at < text.length &&
               (is_alphanumeric(text.data[at]) || (beyond && (text.data[at] & 0x80) != 0) ||
                (text.data[at] == '-' && at > start))) {
            numeric &= zm_is_digit(text.data[at]);
            at++;
        }
        if (at == start && at < text.length && text.data[at] != '.' && start == 0)
            return fail(problem, at, "expected a domain name");
        if (at == start && start == 0)
            return fail(problem, at,
                        at < text.length ? "domain starts with a dot" : "expected a domain name");
        if (at == start && (at >= text.length || strchr("> \t,:;@", text.data[at]) != NULL))
            return fail(problem, at - 1, "domain ends with a dot");
        if (at == start)
            return fail(problem, at, "expected a letter or digit in the domain name");
        if (at >= text.length || text.data[at] != '.')
            break;
        at++;
    }
    if (at < text.length && (text.data[at] == '_' || (text.data[at] & 0x80) != 0))
        return fail(problem, at, "this character cannot be part of a domain name");
    if (numeric)
        return fail(problem, 0, "numeric domain; write an address as [n.n.n.n]");
    *end = at;
    return true;
}

bool zm_smtp_domain(zm_str_t text, apr_size_t *end, zm_smtp_problem_t *problem)
{
    return zm_smtp_domain_with(text, 0, end, problem);
}

bool zm_smtp_domain_with(zm_str_t text, int flags, apr_size_t *end, zm_smtp_problem_t *problem)
{
    if (text.length > 0 && text.data[0] == '[')
        return read_literal(text, end, problem);
    if (text.length > 0 && text.data[0] == '#')
        return fail(problem, 0, "numbers with # are not supported; use an address literal");
    return read_names(text, (flags & ZM_PATH_BEYOND) != 0, end, problem);
}

bool zm_smtp_helo(zm_str_t text, zm_smtp_problem_t *problem)
{
    apr_size_t end;
    while (text.length > 0 && zm_is_blank(text.data[text.length - 1]))
        text.length--;
    if (!zm_smtp_domain(text, &end, problem))
        return false;
    return end == text.length || fail(problem, end, "text after the domain");
}

bool zm_smtp_orcpt(zm_str_t text, zm_smtp_problem_t *problem)
{
    apr_size_t i, position;
    zm_str_t type, address;
    if (!zm_str_cut(text, ';', &type, &address))
        return fail(problem, text.length, "expected an address type and ;");
    for (i = 0; i < type.length; i++)
        if (!is_alphanumeric(type.data[i]) &&
            (type.data[i] == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", type.data[i]) == NULL))
            return fail(problem, i, "this character cannot be part of an address type");
    if (type.length == 0)
        return fail(problem, 0, "expected an address type");
    if (!zm_xtext_valid(address, &position))
        return fail(problem, type.length + 1 + position, "invalid xtext character");
    return true;
}
