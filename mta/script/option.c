/* Set options and their letters. */

#include "mta/script/interp.h"

static const struct {
    char letter;
    unsigned flag;
} flags[] = {{'a', ZM_FLAG_ALLEXPORT}, {'e', ZM_FLAG_ERREXIT},     {'f', ZM_FLAG_NOGLOB},
             {'h', ZM_FLAG_HASH},      {'i', ZM_FLAG_INTERACTIVE}, {'k', ZM_FLAG_KEYWORD},
             {'n', ZM_FLAG_NOEXEC},    {'s', ZM_FLAG_STDIN},       {'t', ZM_FLAG_ONECMD},
             {'u', ZM_FLAG_NOUNSET},   {'v', ZM_FLAG_VERBOSE},     {'x', ZM_FLAG_XTRACE},
             {'O', ZM_FLAG_OPTIMISE}};

unsigned zm_flag_of(char letter)
{
    apr_size_t i;
    for (i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (flags[i].letter == letter)
            return flags[i].flag;
    return 0;
}

zm_value_t zm_flags_value(zm_script_t *script)
{
    char text[sizeof flags / sizeof flags[0]];
    apr_size_t i, length = 0;
    for (i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (script->flags & flags[i].flag)
            text[length++] = flags[i].letter;
    return zm_make_string(script, text, length);
}
