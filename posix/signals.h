/** The signals that stand for control events. */
#ifndef ZM_POSIX_SIGNALS_H
#define ZM_POSIX_SIGNALS_H

#include "platform/control.h"

int zm_signal_of_control(zm_control_t event);

#endif
