/**
 * What a session makes of a policy daemon (hook.h): it is asked after the rules about whom nothing
 * is asked, and before all others.
 */
#ifndef ZM_SMTPSERVER_HOOKING_H
#define ZM_SMTPSERVER_HOOKING_H

#include "mta/smtpserver/policy.h"

struct session_t;
struct server_t;

/** When it is asked: parts of config_group_t.hook_stages. */
enum { HOOKING_HELO = 1, HOOKING_MAIL = 2, HOOKING_RCPT = 4, HOOKING_DATA = 8, HOOKING_ALL = 15 };

typedef void hooking_fn(struct session_t *session, const policy_verdict_t *verdict);

/** Whether the daemon is asked at a stage about this client. */
bool hooking_wanted(const struct session_t *session, int stage);
/** Asks; then is called later with what was decided; null: nothing. */
void hooking_ask(struct session_t *session, int stage, hooking_fn *then);

#endif
