/*
 * Directory watches where the system has neither inotify nor kqueue: none, so that callers rescan.
 */
#include "platform/fs.h"

apr_status_t zm_dirwatch_open(zm_dirwatch_t **watch, zm_loop_t *loop, const char *path,
                              zm_dirwatch_fn *fn, void *baton)
{
    zm_file_info_t info;
    (void)watch;
    (void)loop;
    (void)fn;
    (void)baton;
    apr_status_t status = zm_path_info(&info, NULL, path);
    if (status != APR_SUCCESS)
        return status;
    return info.kind == ZM_FILE_DIRECTORY ? ZM_E_UNSUPPORTED : APR_ENOTDIR;
}

void zm_dirwatch_close(zm_dirwatch_t *watch)
{
    (void)watch;
}
