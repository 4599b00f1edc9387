#include "ta/agent/envelope.h"

#include "mta/mail/dsn_address.h"
#include "mta/mail/encoded_word.h"
#include "mta/mail/xtext.h"

#define ADDRESS_LIMIT 998

static const char *fault(zm_str_t address, bool may_be_empty, bool beyond)
{
    bool quoted = false;
    apr_size_t i;
    if (address.length == 0)
        return may_be_empty ? NULL : "it is empty";
    if (address.length > ADDRESS_LIMIT)
        return "it is too long";
    for (i = 0; i < address.length; i++) {
        unsigned char byte = (unsigned char)address.data[i];
        if (byte < ' ' || byte == 127)
            return "it has control characters";
        if (byte > 127 && !beyond)
            return "it is not ASCII";
        if (byte == '\\' && i + 1 < address.length && (unsigned char)address.data[i + 1] >= ' ') {
            i++;
            continue;
        }
        if (byte == '"')
            quoted = !quoted;
        else if (!quoted && (byte == ' ' || byte == '<' || byte == '>'))
            return "it has blanks or brackets outside quotes";
    }
    if (beyond && !zm_is_utf8(address))
        return "it is neither ASCII nor UTF-8";
    return quoted ? "its quotes are not closed" : NULL;
}

const char *zm_envelope_fault(zm_str_t address, bool may_be_empty)
{
    return fault(address, may_be_empty, false);
}

const char *zm_envelope_fault_beyond(zm_str_t address, bool may_be_empty)
{
    return fault(address, may_be_empty, true);
}

/* Parameters come from the submitter: only what the protocol allows there may pass. */
static bool sendable(zm_str_t xtext)
{
    apr_size_t ignored;
    return xtext.length > 0 && xtext.length <= 500 && zm_xtext_valid(xtext, &ignored);
}

void zm_envelope_mail_dsn(const zm_job_t *job, zm_buf_t *out)
{
    if (sendable(job->file->envid)) {
        zm_buf_add_c(out, " ENVID=");
        zm_buf_add_str(out, job->file->envid);
    }
    if (zm_str_equal_nocase(job->file->ret, ZM_S("FULL")))
        zm_buf_add_c(out, " RET=FULL");
    else if (zm_str_equal_nocase(job->file->ret, ZM_S("HDRS")))
        zm_buf_add_c(out, " RET=HDRS");
}

/* Whether the submitter said what to notify of; failure alone may be our own reading of silence. */
static bool has_notify(zm_str_t parameters)
{
    zm_str_t word;
    while (zm_str_word(&parameters, &word))
        if (zm_str_starts_nocase(word, ZM_S("NOTIFY=")))
            return true;
    return false;
}

static void add_notify(const zm_recipient_t *recipient, zm_buf_t *out)
{
    const zm_dsn_t *dsn = &recipient->dsn;
    zm_buf_add_c(out, " NOTIFY=");
    if (dsn->never) {
        zm_buf_add_c(out, "NEVER");
        return;
    }
    if (!has_notify(recipient->line->dsn) || (!dsn->success && !dsn->failure && !dsn->delay)) {
        zm_buf_add_c(out, "FAILURE,DELAY");
        return;
    }
    if (dsn->success)
        zm_buf_add_c(out, dsn->failure || dsn->delay ? "SUCCESS," : "SUCCESS");
    if (dsn->failure)
        zm_buf_add_c(out, dsn->delay ? "FAILURE," : "FAILURE");
    if (dsn->delay)
        zm_buf_add_c(out, "DELAY");
}

void zm_envelope_rcpt_dsn(const zm_recipient_t *recipient, zm_buf_t *out)
{
    zm_str_t type, address;
    add_notify(recipient, out);
    zm_buf_add_c(out, " ORCPT=");
    if (zm_str_cut(recipient->dsn.orcpt, ';', &type, &address) && type.length > 0 &&
        zm_envelope_fault(type, false) == NULL && sendable(address)) {
        zm_buf_add_str(out, recipient->dsn.orcpt);
        return;
    }
    zm_dsn_add_orcpt(out, recipient->user);
}

void zm_envelope_by(zm_recipient_t *const *recipients, int count, int64_t now, zm_buf_t *out)
{
    const zm_dsn_t *first = &recipients[0]->dsn;
    int i;
    for (i = 0; i < count; i++) {
        const zm_dsn_t *dsn = &recipients[i]->dsn;
        if (!dsn->has_by || dsn->by != first->by || dsn->by_mode != first->by_mode ||
            dsn->by_trace != first->by_trace)
            return;
    }
    if (first->by > now || first->by_mode == 'N')
        zm_buf_printf(out, " BY=%lld;%c%s", (long long)(first->by - now), first->by_mode,
                      first->by_trace ? "T" : "");
}
