/*
 * The interpreter: the input is a script, run with small limits and without
 * programs, files, or anything else of the system.
 *
 * Afterwards the interpreter still works, and an aborted evaluation says why.
 */
#include <string.h>

#include "mta/script/script.h"
#include "tests/fuzz/fuzz.h"

static void swallow(void *baton, int stream, const char *data, apr_size_t length)
{
    (void)stream;
    (void)data;
    *(apr_size_t *)baton += length;
}

static int nothing(zm_call_t *call)
{
    (void)call;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const outside[] = {
        "cd", "glob",          "sleep",     "logger",    "syslog",       "test",
        "[",  "homedirectory", "uid2login", "login2uid", "groupmembers", "hostname"};
    zm_script_options_t options = {.limits = {.steps = 3000, .memory = 1 << 20, .depth = 30},
                                   .no_files = true,
                                   .no_programs = true};
    apr_pool_t *pool = fuzz_pool();
    zm_script_t *script;
    zm_error_t error = {0};
    zm_value_t value;
    apr_size_t written = 0;
    apr_status_t status;
    unsigned i;
    FUZZ_EXPECT(zm_script_create(&script, &options, pool) == APR_SUCCESS);
    for (i = 0; i < sizeof outside / sizeof outside[0]; i++)
        zm_script_define(script, outside[i], ZM_BUILTIN_ARGV, nothing, NULL);
    zm_script_set_output(script, 1, swallow, &written);
    zm_script_set_output(script, 2, swallow, &written);
    zm_script_set_input(script, "one line\nand another\n", 21);
    status = zm_script_run(script, zm_str_of((const char *)data, size), "fuzz", NULL, &error);
    FUZZ_EXPECT(status == APR_SUCCESS || error.text[0] != '\0');
    FUZZ_EXPECT(status == APR_SUCCESS || status == ZM_E_SYNTAX || status == ZM_E_LIMIT ||
                status == ZM_E_STOPPED || status == APR_EINCOMPLETE);
    zm_script_begin(script);
    zm_script_set(script, ZM_S("probe"), zm_script_string_c(script, "works"));
    zm_script_end(script);
    FUZZ_EXPECT(zm_script_get(script, ZM_S("probe"), &value));
    FUZZ_EXPECT(zm_str_equal_c(zm_value_str(value), "works"));
    fuzz_pool(); /* ends the interpreter */
    return 0;
}
