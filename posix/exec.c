#include "platform/exec.h"

#include <errno.h>
#include <unistd.h>

apr_status_t zm_program_exec(const char *const *argv, zm_error_t *error)
{
    /* execv changes nothing in the strings; its prototype is older than const */
    union {
        const char *const *given;
        char *const *taken;
    } words = {argv};
    execv(argv[0], words.taken);
    return zm_error_system(error, errno, "cannot run %s", argv[0]);
}

bool zm_program_is_terminal(int stream)
{
    return isatty(stream) == 1;
}

void zm_program_binary_streams(void)
{
}
