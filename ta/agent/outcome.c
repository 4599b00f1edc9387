#include "ta/agent/outcome.h"

#include <string.h>

#define TEXT_LIMIT 8192
#define PART_LIMIT 2048

bool zm_result_temporary(int result)
{
    switch (result) {
    case ZM_RESULT_SOFTWARE:
    case ZM_RESULT_OSERR:
    case ZM_RESULT_CANTCREAT:
    case ZM_RESULT_IOERR:
    case ZM_RESULT_TEMPFAIL:
    case ZM_RESULT_DEFERBACK:
    case ZM_RESULT_DEFERALL:
        return true;
    default:
        return false;
    }
}

static bool known_permanent(int result)
{
    switch (result) {
    case ZM_RESULT_NOUSER:
    case ZM_RESULT_NOHOST:
    case ZM_RESULT_UNAVAILABLE:
    case ZM_RESULT_NOPERM:
    case ZM_RESULT_PROTOCOL:
    case ZM_RESULT_USAGE:
        return true;
    default:
        return false;
    }
}

static bool abnormal(int result)
{
    return result == ZM_RESULT_NOPERM || result == ZM_RESULT_PROTOCOL || result == ZM_RESULT_USAGE;
}

zm_verdict_t zm_outcome_verdict(const zm_outcome_t *outcome, bool success)
{
    if (outcome->result == ZM_RESULT_OK)
        return success ? (zm_verdict_t){"ok2", '+', true, false}
                       : (zm_verdict_t){"ok3", '+', false, false};
    if (outcome->result == ZM_RESULT_DEFERALL)
        return (zm_verdict_t){"deferall", ' ', false, true};
    if (outcome->result == ZM_RESULT_DEFERBACK)
        return (zm_verdict_t){"deferback", ' ', false, true};
    if (zm_result_temporary(outcome->result))
        return (zm_verdict_t){outcome->retry > 0 ? "retryat" : "deferred", ' ', false, true};
    if (known_permanent(outcome->result))
        return (zm_verdict_t){"error2", '-', true, false};
    return (zm_verdict_t){"error", '-', false, true};
}

/* Adds a part that may hold no field separator of the line or of the notary string. */
static void add_part(zm_buf_t *out, zm_str_t part)
{
    apr_size_t length = part.length < PART_LIMIT ? part.length : PART_LIMIT;
    apr_size_t start = out->length;
    zm_buf_add(out, part.data, length);
    for (char *at = out->data + start; length > 0; at++, length--) {
        if (*at == '\n')
            *at = '\r';
        else if (*at == '\t')
            *at = ' ';
        else if (*at == '\0' || *at == 1)
            *at = '?';
    }
}

/* The class digit of an enhanced status code says the same as the result, so that nobody
 * downstream has to decide between the two. */
static void add_status(zm_buf_t *out, const zm_outcome_t *outcome)
{
    apr_size_t at = out->length;
    char class = outcome->result == ZM_RESULT_OK        ? '2'
                 : zm_result_temporary(outcome->result) ? '4'
                                                        : '5';
    add_part(out, outcome->status);
    if (outcome->status.length > 1 && outcome->status.data[1] == '.')
        out->data[at] = class;
}

void zm_outcome_notary(const zm_outcome_t *outcome, zm_str_t fallback, zm_buf_t *out)
{
    const char *action = outcome->action;
    if (action == NULL)
        action = outcome->result == ZM_RESULT_OK ? "delivered" : "failed";
    add_part(out, outcome->address.length > 0 ? outcome->address : fallback);
    zm_buf_add_byte(out, 1);
    zm_buf_add_c(out, action);
    zm_buf_add_byte(out, 1);
    add_status(out, outcome);
    zm_buf_add_byte(out, 1);
    add_part(out, outcome->diagnostic);
    zm_buf_add_byte(out, 1);
    add_part(out, outcome->remote);
    if (outcome->remote_ip.length > 0) {
        zm_buf_add_c(out, " (");
        add_part(out, outcome->remote_ip);
        zm_buf_add_byte(out, ')');
    }
    if (outcome->agent.length > 0) {
        zm_buf_add_byte(out, 1);
        add_part(out, outcome->agent);
    }
}

void zm_outcome_text(const zm_outcome_t *outcome, zm_buf_t *out)
{
    apr_size_t length = outcome->text.length < TEXT_LIMIT ? outcome->text.length : TEXT_LIMIT;
    apr_size_t start = out->length;
    zm_buf_add(out, outcome->text.data, length);
    for (char *at = out->data + start; length > 0; at++, length--) {
        if (*at == '\n')
            *at = '\r';
        else if (*at == '\0')
            *at = '?';
    }
    if (abnormal(outcome->result))
        zm_buf_printf(out, " (result %d is abnormal)", outcome->result);
}

void zm_outcome_words(const zm_outcome_t *outcome, const zm_verdict_t *verdict, zm_buf_t *out)
{
    zm_buf_add_c(out, verdict->keyword);
    zm_buf_add_byte(out, ' ');
    if (strcmp(verdict->keyword, "retryat") == 0)
        zm_buf_printf(out, "+%lld ", (long long)outcome->retry);
    if (strcmp(verdict->keyword, "error") == 0)
        zm_buf_printf(out, "Unknown sysexits error code %d!", outcome->result);
    else
        zm_outcome_text(outcome, out);
}
