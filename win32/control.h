/** What child.c and spawn.c share with control.c. */
#ifndef ZM_WIN32_CONTROL_H
#define ZM_WIN32_CONTROL_H

#include "platform/control.h"

#include <windows.h>

/** The exit code of a process that was killed: an error of the customer's range, which no program
 * returns. */
#define ZM_EXIT_KILLED 0xE0000009u

/** The name of the job object that stands for the process group that pid leads. */
#define ZM_GROUP_NAME_UNITS 80
void zm_group_name(wchar_t *name, DWORD pid);

#endif
