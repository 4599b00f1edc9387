/*
 * The table of mailers, sm.conf; the first line is the mailer that is wanted.
 *
 * A mailer that is found has a program and a command line.
 */
#include <string.h>

#include "ta/sm/table.h"
#include "tests/fuzz/fuzz.h"

static void on_warning(void *baton, const char *text)
{
    (void)baton;
    FUZZ_EXPECT(text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char site[] = "POSTOFFICE=/po\nMAILBIN=/bin\nMAILSHARE=/share\nLOGDIR=/log\n";
    apr_pool_t *pool = fuzz_pool();
    zm_str_t name, text;
    zm_mailer_t *mailer = NULL;
    zm_zenv_t *zenv;
    zm_error_t error = {0};
    FUZZ_EXPECT(zm_zenv_parse(&zenv, zm_str(site), "z", "/", NULL, pool, &error) == APR_SUCCESS);
    zm_str_cut(zm_str_of((const char *)data, size), '\n', &name, &text);
    if (zm_mailer_parse(&mailer, text, zm_str_c(pool, name), zenv, size & 1, on_warning, NULL, pool,
                        &error) != APR_SUCCESS) {
        FUZZ_EXPECT(error.text[0] != '\0');
        return 0;
    }
    FUZZ_EXPECT(mailer->program[0] == '/' ||
                (mailer->program[1] == ':' && strchr("/\\", mailer->program[2]) != NULL));
    FUZZ_EXPECT(mailer->words[0] != NULL);
    FUZZ_EXPECT(mailer->sender == 0 || mailer->sender == 'f' || mailer->sender == 'r');
    return 0;
}
