/*
 * bitbucket(8): where a pipe in an alias puts mail that nobody wants.  It goes to
 * the end of /var/log/bitbucket, or of the file that LOG names, if that exists,
 * and else nowhere.  It never fails, since failures would be told to the sender.
 */
#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/exec.h"
#include "platform/fs.h"

#define WHERE "/var/log/bitbucket"

int main(int argc, char **argv)
{
    static char block[65536];
    const char *path = argc >= 3 && argv[1][0] == '-' && argv[1][1] == 'f' ? argv[2] : WHERE;
    zm_file_t *file = NULL;
    zm_file_info_t info;
    apr_pool_t *pool;
    apr_size_t length;
    zm_program_fill_streams();
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        puts("usage: bitbucket [-f FILE]\nAdds standard input to FILE (" WHERE
             "), if it exists.\n\n"
             "  -f FILE  use this file");
        return 0;
    }
    zm_program_binary_streams();
    if (zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_APPEND, 0, pool) != APR_SUCCESS ||
        zm_file_info(&info, file) != APR_SUCCESS || info.kind != ZM_FILE_REGULAR)
        file = NULL;
    while ((length = fread(block, 1, sizeof block, stdin)) > 0)
        if (file != NULL && zm_file_append(file, block, length) != APR_SUCCESS)
            file = NULL;
    return 0;
}
