/* The parameters of message authentication. */
#include <apr_strings.h>

#include "mta/smtpserver/config_parts.h"

void config_auth_results(config_reader_t *reader)
{
    config_group_t *group = reader->group;
    zm_str_t word = reader->words[0];
    if (zm_str_equal_nocase(word, ZM_S("off")))
        group->auth_results = AUTHRES_OFF;
    else if (zm_str_equal_nocase(word, ZM_S("header")))
        group->auth_results = AUTHRES_HEADER;
    else if (zm_str_equal_nocase(word, ZM_S("enforce")))
        group->auth_results = AUTHRES_ENFORCE;
    else
        config_error(reader, "PARAM auth-results: expected off, header or enforce, not %.*s",
                     (int)word.length, word.data);
}

/* Each line adds to those before it. */
void config_arc_trusted(config_reader_t *reader)
{
    zm_str_t rest = reader->rest, word;
    while (zm_str_word(&rest, &word) && word.data[0] != '#')
        reader->group->arc_trusted =
            apr_pstrcat(reader->pool, reader->group->arc_trusted, " ",
                        zm_str_c(reader->pool, zm_str_lower(reader->pool, word)), NULL);
}
