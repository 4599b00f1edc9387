/**
 * What became of one recipient, and the two texts made of it: the notary string
 * and the keyword of the result line.  Pure functions.
 */
#ifndef ZM_TA_AGENT_OUTCOME_H
#define ZM_TA_AGENT_OUTCOME_H

#include <apr_time.h>
#include <stdbool.h>
#include <stdint.h>

#include "platform/str.h"

/** Results, numbered as in sysexits.h; the last two never leave the process. */
typedef enum zm_result_t {
    ZM_RESULT_OK = 0,
    ZM_RESULT_USAGE = 64,       /**< permanent, abnormal */
    ZM_RESULT_DATAERR = 65,     /**< permanent, logged by the scheduler */
    ZM_RESULT_NOUSER = 67,      /**< permanent */
    ZM_RESULT_NOHOST = 68,      /**< permanent */
    ZM_RESULT_UNAVAILABLE = 69, /**< permanent */
    ZM_RESULT_SOFTWARE = 70,    /**< temporary */
    ZM_RESULT_OSERR = 71,       /**< temporary */
    ZM_RESULT_CANTCREAT = 73,   /**< temporary */
    ZM_RESULT_IOERR = 74,       /**< temporary */
    ZM_RESULT_TEMPFAIL = 75,    /**< temporary */
    ZM_RESULT_PROTOCOL = 76,    /**< permanent, abnormal */
    ZM_RESULT_NOPERM = 77,      /**< permanent, abnormal */
    ZM_RESULT_DEFERBACK = 90,   /**< temporary: after other messages */
    ZM_RESULT_DEFERALL = 100    /**< temporary: the whole thread */
} zm_result_t;

bool zm_result_temporary(int result);

typedef struct zm_outcome_t {
    int result;          /**< zm_result_t, or an exit status of a program */
    int64_t retry;       /**< seconds, with a temporary result: not before that; 0: not said */
    zm_str_t address;    /**< final recipient; empty: the user of the recipient line */
    const char *action;  /**< "delivered", "relayed", "failed"; null: derived from the result */
    zm_str_t status;     /**< "5.1.1 (bad mailbox)"; its class is made to agree with the result */
    zm_str_t diagnostic; /**< "smtp; 550 (No such user)" */
    zm_str_t remote;     /**< "dns; host.name", "X-IP-addr; [1.2.3.4]" */
    zm_str_t remote_ip;  /**< "addr|port|localaddr|localport" */
    zm_str_t agent;      /**< "smtp[123]" */
    zm_str_t text;       /**< LF in it becomes CR, shown as a line break */
    apr_interval_time_t spent; /**< microseconds of this attempt */
    const char *conversion;    /**< for the system log: "NONE", "QP"; null: not said */
} zm_outcome_t;

/** How an outcome is told and kept. */
typedef struct zm_verdict_t {
    const char *keyword; /**< "ok3", "error2", ... */
    char tag;            /**< of the recipient line: ' ', '+' or '-' */
    bool recorded;       /**< a d record goes into the control file */
    bool with_notary;    /**< the result line carries the notary string */
} zm_verdict_t;

/** success: the recipient asked for a report of success and it is ours to cause. */
zm_verdict_t zm_outcome_verdict(const zm_outcome_t *outcome, bool success);

/** Appends the notary string.  fallback: the address when the outcome has none. */
void zm_outcome_notary(const zm_outcome_t *outcome, zm_str_t fallback, zm_buf_t *out);

/** Appends the text field: bounded, one line, with the remark that abnormal results get. */
void zm_outcome_text(const zm_outcome_t *outcome, zm_buf_t *out);

/** Appends what stands between the last TAB and the LF of a result line: keyword, blank, text. */
void zm_outcome_words(const zm_outcome_t *outcome, const zm_verdict_t *verdict, zm_buf_t *out);

#endif
