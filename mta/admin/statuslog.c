/*
 * statuslog-ids-to-spoolids(8): old lines of the scheduler's statistics log,
 *
 *     MTIME FILEID DT1 DT2 STATE CHANNEL/HOST
 *
 * as they are written since messages have spool ids.  Other lines pass unchanged.
 */
#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "spool/layout.h"

static void convert(zm_str_t line)
{
    char id[ZM_SPOOL_ID_SIZE];
    uint64_t arrived, number;
    zm_str_t word, file, rest = line;
    if (zm_str_word(&rest, &word) && zm_str_u64(word, &arrived) == APR_SUCCESS &&
        arrived <= INT64_MAX / 2 && zm_str_word(&rest, &file) &&
        zm_str_u64(file, &number) == APR_SUCCESS) {
        zm_layout_spool_id(id, number, (int64_t)arrived, 0);
        rest = zm_str_trim(rest);
        printf("%s %.*s\n", id, (int)rest.length, rest.data);
    } else {
        printf("%.*s\n", (int)line.length, line.data);
    }
}

int main(int argc, char **argv)
{
    static char line[65536];
    const zm_command_line_t command = {"statuslog-ids-to-spoolids",
                                       NULL,
                                       "give old statistics of the scheduler, on standard input, "
                                       "spool ids",
                                       NULL,
                                       0,
                                       NULL,
                                       0};
    int code;
    apr_initialize();
    atexit(apr_terminate);
    if (!zm_options_parse(&command, &argc, argv, &code))
        return code;
    while (fgets(line, sizeof line, stdin) != NULL) {
        apr_size_t length = strlen(line);
        convert(zm_str_of(line, length > 0 && line[length - 1] == '\n' ? length - 1 : length));
    }
    return ferror(stdin) ? 74 : 0;
}
