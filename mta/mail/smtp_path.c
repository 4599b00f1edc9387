#include "mta/mail/smtp_path.h"

#include <string.h>

#include "mta/mail/encoded_word.h"

typedef struct scan_t {
    zm_str_t text;
    apr_size_t at;
    int flags;
    zm_smtp_path_t *path;
    zm_smtp_problem_t *problem;
} scan_t;

static bool fail(scan_t *scan, apr_size_t at, const char *text)
{
    scan->problem->text = text;
    scan->problem->at = at;
    return false;
}

static bool at_end(const scan_t *scan)
{
    return scan->at >= scan->text.length;
}

static bool next_is(const scan_t *scan, char byte)
{
    return !at_end(scan) && scan->text.data[scan->at] == byte;
}

static bool take_if(scan_t *scan, char byte)
{
    if (!next_is(scan, byte))
        return false;
    scan->at++;
    return true;
}

/* What is allowed beyond ASCII is judged at the end, when it is whole. */
static bool is_beyond(const scan_t *scan, char byte)
{
    return (byte & 0x80) != 0 && (scan->flags & ZM_PATH_BEYOND) != 0;
}

static bool is_string_byte(char byte)
{
    return zm_is_alpha(byte) || zm_is_digit(byte) ||
           (byte != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", byte) != NULL);
}

/** A backslash and the byte after it. */
static bool take_pair(scan_t *scan, const char *reason)
{
    char byte;
    if (scan->at + 1 >= scan->text.length)
        return fail(scan, scan->text.length, reason);
    byte = scan->text.data[scan->at + 1];
    if (byte == '\0' || byte == '\r' || byte == '\n' || (byte & 0x80) != 0)
        return fail(scan, scan->at + 1, reason);
    scan->at += 2;
    return true;
}

static bool take_domain(scan_t *scan, zm_str_t *domain)
{
    zm_str_t rest = {scan->text.data + scan->at, scan->text.length - scan->at};
    apr_size_t end;
    if (rest.length == 0 || rest.data[0] == '>' || zm_is_blank(rest.data[0]))
        return fail(scan, scan->at, "expected a domain after @");
    if (!zm_smtp_domain_with(rest, scan->flags, &end, scan->problem)) {
        scan->problem->at += scan->at;
        return false;
    }
    *domain = zm_str_of(rest.data, end);
    scan->at += end;
    return true;
}

static bool take_route(scan_t *scan)
{
    apr_size_t start = scan->at;
    zm_str_t domain;
    do {
        if (!take_if(scan, '@'))
            return fail(scan, scan->at, "expected @ in the source route");
        if (!take_domain(scan, &domain))
            return false;
    } while (take_if(scan, ','));
    scan->path->route = zm_str_of(scan->text.data + start, scan->at - start);
    return take_if(scan, ':') || fail(scan, scan->at, "expected : after the source route");
}

static bool take_quoted(scan_t *scan)
{
    apr_size_t start = scan->at++;
    for (;;) {
        char byte;
        if (at_end(scan))
            return fail(scan, scan->text.length, "quoted string without its final quote");
        byte = scan->text.data[scan->at];
        if (byte == '"')
            break;
        if ((byte & 0x80) != 0 && !is_beyond(scan, byte))
            return fail(scan, scan->at, "8-bit character in a quoted string");
        if (byte == '\0' || byte == '\r' || byte == '\n')
            return fail(scan, scan->at, "this character cannot be part of a quoted string");
        if (byte == '\\') {
            if (!take_pair(scan, "bad escape in a quoted string"))
                return false;
        } else {
            scan->at++;
        }
    }
    if (scan->at == start + 1)
        return fail(scan, start, "empty quoted string");
    scan->at++;
    return true;
}

/** Whether the scan stands where a local part may end. */
static bool at_local_end(const scan_t *scan)
{
    return at_end(scan) || memchr("@> \t", scan->text.data[scan->at], 4) != NULL;
}

static bool take_dotstring(scan_t *scan)
{
    apr_size_t element = scan->at; /* where the current string began */
    bool strict = (scan->flags & ZM_PATH_FULL) != 0;
    while (!at_local_end(scan)) {
        char byte = scan->text.data[scan->at];
        if (byte == '.') {
            if (strict && scan->at == element)
                return fail(scan, scan->at, "dot without a word before it");
            element = ++scan->at;
        } else if (byte == '\\') {
            if (!take_pair(scan, "bad escape in the local part"))
                return false;
        } else if (is_string_byte(byte) || is_beyond(scan, byte)) {
            scan->at++;
        } else {
            return fail(scan, scan->at,
                        (byte & 0x80) != 0
                            ? "8-bit character in the local part"
                            : "this character cannot be part of an unquoted local part");
        }
    }
    if (strict && scan->at == element)
        return fail(scan, scan->at - 1, "dot at the end of the local part");
    return true;
}

static bool take_mailbox(scan_t *scan)
{
    apr_size_t start = scan->at;
    zm_smtp_path_t *path = scan->path;
    if (at_end(scan))
        return fail(scan, scan->at, "expected an address");
    if (next_is(scan, '@'))
        return fail(scan, scan->at, "expected a local part before @");
    if (at_local_end(scan))
        return fail(scan, scan->at, "expected an address");
    if (next_is(scan, '"') ? !take_quoted(scan) : !take_dotstring(scan))
        return false;
    path->local = zm_str_of(scan->text.data + start, scan->at - start);
    if (take_if(scan, '@')) {
        if (!take_domain(scan, &path->domain))
            return false;
        return !next_is(scan, ':') || fail(scan, scan->at, "unexpected : (a dot was meant?)");
    }
    if ((scan->flags & ZM_PATH_FULL) == 0 || ((scan->flags & ZM_PATH_POSTMASTER) != 0 &&
                                              zm_str_equal_nocase(path->local, ZM_S("postmaster"))))
        return true;
    return fail(scan, scan->at, "expected @ and a domain");
}

static void skip_blanks(scan_t *scan)
{
    while (!at_end(scan) && zm_is_blank(scan->text.data[scan->at]))
        scan->at++;
}

/** After "<": the rest of the path. */
static bool take_bracketed(scan_t *scan)
{
    zm_str_t rest;
    if ((scan->flags & ZM_PATH_SLOPPY) != 0)
        while (next_is(scan, '<') || (!at_end(scan) && zm_is_blank(scan->text.data[scan->at])))
            scan->at++;
    if (take_if(scan, '>'))
        return true;
    if (next_is(scan, '@') && !take_route(scan))
        return false;
    if (!take_mailbox(scan))
        return false;
    skip_blanks(scan);
    if (take_if(scan, '>'))
        return true;
    rest = zm_str_of(scan->text.data + scan->at, scan->text.length - scan->at);
    return fail(scan, scan->at,
                zm_str_find(rest, '>') >= 0 ? "unexpected text before >" : "expected > at the end");
}

/* UTF-8, without the control characters that it has beyond ASCII. */
static bool judge_beyond(scan_t *scan)
{
    zm_str_t text = {scan->text.data, scan->at};
    apr_size_t i;
    if (!zm_is_utf8(text))
        return fail(scan, 0, "the address is not UTF-8");
    for (i = 0; i + 1 < text.length; i++)
        if (text.data[i] == '\xC2' && (unsigned char)text.data[i + 1] < 0xA0)
            return fail(scan, i, "control character in the address");
    return true;
}

bool zm_smtp_path(zm_str_t text, int flags, zm_smtp_path_t *path, zm_smtp_problem_t *problem)
{
    scan_t scan = {text, 0, flags, path, problem};
    bool good;
    path->route = path->local = path->domain = ZM_S("");
    if (text.length == 0)
        return fail(&scan, 0, "expected an address");
    if (take_if(&scan, '<'))
        good = take_bracketed(&scan);
    else if ((flags & ZM_PATH_SLOPPY) == 0)
        return fail(&scan, 0, "expected <");
    else
        good = (!next_is(&scan, '@') || take_route(&scan)) && take_mailbox(&scan);
    path->end = scan.at;
    return good && judge_beyond(&scan);
}

/**
 * Whether an unquoted local part must be quoted in RFC 822 form: it has a
 * backslash, or an empty word at one of the joints of that grammar.
 */
static bool needs_quotes(zm_str_t local)
{
    bool after_joint = true;
    apr_size_t i;
    if (local.length == 0 || local.data[0] == '"')
        return false;
    for (i = 0; i < local.length; i++) {
        bool joint = memchr(".!%", local.data[i], 3) != NULL;
        if (local.data[i] == '\\' || (joint && after_joint))
            return true;
        after_joint = joint;
    }
    return after_joint;
}

zm_str_t zm_smtp_path_address(const zm_smtp_path_t *path, bool with_route, apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t copy;
    bool quote = needs_quotes(path->local);
    if (with_route && path->route.length > 0) {
        zm_buf_add_str(&text, path->route);
        zm_buf_add_byte(&text, ':');
    }
    if (quote)
        zm_buf_add_byte(&text, '"');
    zm_buf_add_str(&text, path->local);
    if (quote)
        zm_buf_add_byte(&text, '"');
    if (path->domain.length > 0) {
        zm_buf_add_byte(&text, '@');
        zm_buf_add_str(&text, path->domain);
    }
    copy = zm_str_copy(pool, zm_buf_str(&text));
    zm_buf_free(&text);
    return copy;
}
