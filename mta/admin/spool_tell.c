#include <stdio.h>

#include "mta/admin/spool_commands.h"
#include "platform/clock.h"

/*
 * Names of files that somebody else put into a spool may be of any bytes.
 */

#define REPLACEMENT "\xef\xbf\xbd"

/* Octets of the UTF-8 character that begins here, and its code; 0: it is none. */
static int character(const unsigned char *text, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int i, length = text[0] < 0x80             ? 1
                    : (text[0] & 0xe0) == 0xc0 ? 2
                    : (text[0] & 0xf0) == 0xe0 ? 3
                    : (text[0] & 0xf8) == 0xf0 ? 4
                                               : 0;
    *code = length == 1 ? text[0] : text[0] & 0x7fu >> length;
    for (i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (text[i] & 0x3fu);
    }
    return length == 0 || *code < least[length] || *code > 0x10ffff ||
                   (*code >= 0xd800 && *code < 0xe000)
               ? 0
               : length;
}

/* -- for programs ------------------------------------------------------------------------- */

void spool_json_string(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    putchar('"');
    while (*at != '\0') {
        uint32_t code;
        int length = character(at, &code);
        if (length == 0)
            printf(REPLACEMENT);
        else if (code == '"' || code == '\\')
            printf("\\%c", *at);
        else if (code < ' ')
            printf("\\u%04x", (unsigned)code);
        else
            printf("%.*s", length, (const char *)at);
        at += length > 0 ? length : 1;
    }
    putchar('"');
}

void spool_json_text(const char *name, const char *value)
{
    printf(",\"%s\":", name);
    spool_json_string(value);
}

void spool_json_number(const char *name, uint64_t value)
{
    printf(",\"%s\":%llu", name, (unsigned long long)value);
}

/* -- for people ----------------------------------------------------------------------------- */

void spool_print_shown(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0') {
        uint32_t code;
        int i, length = character(at, &code);
        bool plain = length > 0 && code >= ' ' && code != '\\' && (code < 0x7f || code >= 0xa0);
        if (plain)
            printf("%.*s", length, (const char *)at);
        for (i = 0; !plain && i < (length > 0 ? length : 1); i++)
            printf("\\%03o", at[i]);
        at += length > 0 ? length : 1;
    }
}

void spool_tell_progress(const spool_command_t *command, const char *doing, uint64_t names,
                         apr_time_t *last)
{
    apr_time_t now = zm_clock_monotonic();
    if (command->quiet || now - *last < apr_time_from_sec(2))
        return;
    *last = now;
    if (names == 0)
        fprintf(stderr, "looking at the engine's own files ...\n");
    else
        fprintf(stderr, "%s %llu names ...\n", doing, (unsigned long long)names);
}
