/** What manager.c and manager_places.c share. */
#ifndef ZM_WIN32_MANAGER_H
#define ZM_WIN32_MANAGER_H

#include "platform/manager.h"

/** The name of our events' source. */
#define ZM_EVENT_SOURCE L"ZMailer"

/** The control of a service for "reopen logs": the first that has no meaning of the system's. */
#define ZM_SERVICE_CONTROL_REOPEN 128

/** Makes a program, which has the messages in it (messages.mc), explain the events of our source.
 */
apr_status_t zm_manager_add_source(const char *program, apr_pool_t *pool);
/** The opposite, unless another installation explains them. */
void zm_manager_remove_source(apr_pool_t *pool);

#endif
