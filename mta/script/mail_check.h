/** Whether mail has come, for the prompts of a dialogue (dialogue.h). */
#ifndef ZM_SCRIPT_MAIL_CHECK_H
#define ZM_SCRIPT_MAIL_CHECK_H

#include "mta/script/script.h"

typedef struct zm_mail_check_t zm_mail_check_t;

zm_mail_check_t *zm_mail_check_create(zm_script_t *script, apr_pool_t *pool);

/** Appends to text a line for each file with new mail, at most once in MAILCHECK seconds. */
void zm_mail_check(zm_mail_check_t *check, zm_buf_t *text);

#endif
