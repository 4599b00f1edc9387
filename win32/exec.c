#include "platform/exec.h"

#include <fcntl.h>
#include <io.h>
#include <process.h>
#include <stdlib.h>

apr_status_t zm_program_exec(const char *const *argv, zm_error_t *error)
{
    intptr_t code = _spawnv(_P_WAIT, argv[0], argv);
    if (code >= 0)
        exit((int)code);
    return zm_error_system(error, apr_get_os_error(), "cannot run %s", argv[0]);
}

bool zm_program_is_terminal(int stream)
{
    return _isatty(stream) != 0;
}

void zm_program_binary_streams(void)
{
    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
}
