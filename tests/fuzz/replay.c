/* Runs a fuzz target over the files of a directory, in place of libFuzzer. */
#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_strings.h>

#include "tests/fuzz/fuzz.h"

static int replay(const char *path, apr_pool_t *pool)
{
    apr_file_t *file;
    apr_finfo_t info;
    apr_size_t length;
    uint8_t *data;
    if (apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, 0, pool) != APR_SUCCESS ||
        apr_file_info_get(&info, APR_FINFO_SIZE, file) != APR_SUCCESS) {
        fprintf(stderr, "cannot read %s\n", path);
        return 1;
    }
    data = malloc((size_t)info.size + 1); /* not from a pool: sanitizers see its end */
    if (data == NULL)
        return 1;
    apr_file_read_full(file, data, (apr_size_t)info.size, &length);
    apr_file_close(file);
    printf("%s\n", path);
    LLVMFuzzerTestOneInput(data, length);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    apr_pool_t *pool;
    apr_dir_t *directory;
    apr_finfo_t info;
    int failures = 0, count = 0;
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    if (argc != 2 || apr_dir_open(&directory, argv[1], pool) != APR_SUCCESS) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    while (apr_dir_read(&info, APR_FINFO_NAME, directory) == APR_SUCCESS) {
        if (info.name[0] == '.')
            continue;
        failures += replay(apr_pstrcat(pool, argv[1], "/", info.name, NULL), pool);
        count++;
    }
    apr_dir_close(directory);
    printf("%d inputs\n", count);
    return failures > 0 || count == 0;
}
