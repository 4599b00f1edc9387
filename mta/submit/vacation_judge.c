#include "mta/submit/vacation_judge.h"

#include <apr_strings.h>
#include <string.h>

/* -- the sender ---------------------------------------------------------------------- */

/* What stands before the first '%', else the '@', of what is behind the last '!'. */
static zm_str_t local_part(zm_str_t address)
{
    apr_ssize_t at = zm_str_find(address, '%');
    apr_size_t i;
    if (at < 0)
        at = zm_str_find(address, '@');
    if (at >= 0)
        return zm_str_of(address.data, (apr_size_t)at);
    for (i = address.length; i > 0; i--)
        if (address.data[i - 1] == '!')
            return zm_str_from(address, i);
    return address;
}

const char *vacation_sender_forbids(const char *sender)
{
    static const char *const ends[] = {"-request", "postmaster", "uucp",   "mailer-daemon",
                                       "mailer",   "-relay",     "-owner", "-bounces"};
    static const char *const names[] = {"noreply",      "no-reply", "donotreply",
                                        "do-not-reply", "listserv", "majordomo",
                                        "root",         "www-data", "nobody"};
    zm_str_t address = zm_str_trim(zm_str(sender)), local;
    apr_size_t i;
    if (address.length > 1 && address.data[0] == '<' && address.data[address.length - 1] == '>')
        address = zm_str_of(address.data + 1, address.length - 2);
    if (address.length == 0)
        return "it has the null sender";
    local = local_part(address);
    for (i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (zm_str_ends_nocase(local, zm_str(ends[i])))
            return "its sender is a program";
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (zm_str_starts_nocase(local, zm_str(names[i])) &&
            (local.length == strlen(names[i]) || strchr("-+.=", local.data[strlen(names[i])])))
            return "its sender is a program";
    return zm_str_starts_nocase(local, ZM_S("owner-")) ? "its sender is a mailing list" : NULL;
}

/* -- fields ------------------------------------------------------------------------------ */

static zm_str_t value_of(const zm_headers_t *headers, const char *name, apr_pool_t *pool)
{
    zm_header_t *field = zm_headers_find(headers, name);
    return field != NULL ? zm_header_line(field, pool) : ZM_S("");
}

/* Whether a word stands in a list of words. */
static bool has_word(zm_str_t list, const char *word)
{
    apr_size_t i = 0, start;
    while (i < list.length) {
        while (i < list.length && strchr(" \t,;()", list.data[i]) != NULL)
            i++;
        start = i;
        while (i < list.length && strchr(" \t,;()", list.data[i]) == NULL)
            i++;
        if (zm_str_equal_nocase(zm_str_of(list.data + start, i - start), zm_str(word)))
            return true;
    }
    return false;
}

static zm_str_t first_word(zm_str_t text)
{
    apr_size_t i = 0;
    text = zm_str_trim(text);
    while (i < text.length && strchr(" \t;(", text.data[i]) == NULL)
        i++;
    return zm_str_of(text.data, i);
}

const char *vacation_header_forbids(const zm_headers_t *headers, apr_pool_t *pool)
{
    zm_str_t automatic = first_word(value_of(headers, "Auto-Submitted", pool));
    zm_str_t precedence = first_word(value_of(headers, "Precedence", pool));
    zm_str_t suppress = value_of(headers, "X-Auto-Response-Suppress", pool);
    const zm_header_t *field;
    if (automatic.length > 0 && !zm_str_equal_nocase(automatic, ZM_S("no")))
        return "a program has sent it (Auto-Submitted)";
    if (zm_str_starts_nocase(precedence, ZM_S("junk")) ||
        zm_str_starts_nocase(precedence, ZM_S("bulk")) ||
        zm_str_starts_nocase(precedence, ZM_S("list")) ||
        zm_str_starts_nocase(precedence, ZM_S("auto_reply")))
        return "it is mass mail (Precedence)";
    if (has_word(suppress, "All") || has_word(suppress, "OOF") || has_word(suppress, "AutoReply"))
        return "it wants no answer (X-Auto-Response-Suppress)";
    if (zm_headers_find(headers, "X-Autoreply") != NULL)
        return "it is an answer of a program (X-Autoreply)";
    if (zm_str_starts_nocase(value_of(headers, "X-Spam-Flag", pool), ZM_S("YES")))
        return "it is spam (X-Spam-Flag)";
    if (zm_str_equal_c(zm_str_trim(value_of(headers, "Return-Path", pool)), "<>"))
        return "it has the null sender (Return-Path)";
    if (zm_str_equal_nocase(first_word(value_of(headers, "Content-Type", pool)),
                            ZM_S("multipart/report")))
        return "it is a report (Content-Type)";
    for (field = headers->first; field != NULL; field = field->next)
        if (zm_str_starts_nocase(field->name, ZM_S("List-")))
            return "it comes from a mailing list";
    return NULL;
}

/* -- whom it is for ----------------------------------------------------------------------- */

bool vacation_is_one_of(zm_str_t address, const apr_array_header_t *names)
{
    zm_str_t local, domain;
    apr_ssize_t plus;
    int i;
    zm_address_split(address, &local, &domain);
    plus = zm_str_find(local, '+');
    for (i = 0; i < names->nelts; i++) {
        zm_str_t name = zm_str(APR_ARRAY_IDX(names, i, const char *));
        if (zm_str_equal_nocase(name, address))
            return true;
        if (zm_str_find(name, '@') < 0 &&
            (zm_str_equal_nocase(name, local) ||
             (plus > 0 && zm_str_equal_nocase(name, zm_str_of(local.data, (apr_size_t)plus)))))
            return true;
    }
    return false;
}

bool vacation_is_addressed(const zm_headers_t *headers, const apr_array_header_t *names)
{
    const zm_header_t *field;
    for (field = headers->first; field != NULL; field = field->next) {
        zm_address_t *item;
        if (field->parsed == NULL || field->rule->class != ZM_HEADER_RECIPIENT)
            continue;
        for (item = zm_address_good(field->parsed->first); item != NULL;
             item = zm_address_good(item->next))
            if (item->pure.length > 0 && vacation_is_one_of(item->pure, names))
                return true;
    }
    return false;
}
