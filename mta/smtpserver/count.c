#include "mta/smtpserver/count.h"

void count_more(const session_t *session, zm_counter_t counter, uint64_t more)
{
    zm_counter_add(session->server->counters, counter, (int64_t)more);
}

void count(const session_t *session, zm_counter_t counter)
{
    count_more(session, counter, 1);
}

void count_command(session_t *session, zm_counter_t counter, bool three)
{
    session->counted = three ? counter : ZM_COUNTERS;
    if (counter != ZM_COUNTERS)
        count(session, counter);
}

/* In the list of counters "ok" follows the command, and "bad" follows "ok". */
void count_reply(session_t *session, int code)
{
    if (session->counted == ZM_COUNTERS || code / 100 == 3)
        return;
    count(session, (zm_counter_t)((int)session->counted + (code < 400 ? 1 : 2)));
    session->counted = ZM_COUNTERS;
}

void count_mail(const session_t *session, const mail_parameters_t *parameters)
{
    if (parameters->has_size)
        count(session, ZM_COUNT_SS_Smtp_Opt_SIZE);
    if (zm_str_equal_nocase(parameters->body, ZM_S("8BITMIME")))
        count(session, ZM_COUNT_SS_Smtp_Opt_BODY_8BITMIME);
    else if (parameters->body.length > 0)
        count(session, ZM_COUNT_SS_Smtp_Opt_BODY_7BIT);
    if (parameters->by_mode != '\0')
        count(session, ZM_COUNT_SS_Smtp_Opt_DELIVERBY);
    if (parameters->ret.length > 0)
        count(session, ZM_COUNT_SS_Smtp_Opt_RETURN);
    if (parameters->has_auth)
        count(session, ZM_COUNT_SS_Smtp_Opt_AUTH);
    if (parameters->envid.length > 0)
        count(session, ZM_COUNT_SS_Smtp_Opt_ENVID);
}

void count_rcpt(const session_t *session, const rcpt_parameters_t *parameters)
{
    if (parameters->notify.length > 0)
        count(session, ZM_COUNT_SS_Smtp_Opt_NOTIFY);
    if (parameters->orcpt.length > 0)
        count(session, ZM_COUNT_SS_Smtp_Opt_ORCPT);
}

static uint64_t kilobytes(uint64_t octets)
{
    return (octets + 1023) / 1024;
}

void count_received(const session_t *session)
{
    const transaction_t *transaction = session->transaction;
    bool chunks = session->counted == ZM_COUNT_SS_SMTP_BDAT;
    count(session, ZM_COUNT_SS_ReceivedMessages);
    count_more(session, ZM_COUNT_SS_ReceivedRecipients, (uint64_t)transaction->accepted);
    count_more(session, chunks ? ZM_COUNT_SS_SMTP_BDAT_kB : ZM_COUNT_SS_SMTP_DATA_kB,
               kilobytes(transaction->octets));
}

void count_transmitted(const session_t *session, uint64_t octets, int64_t recipients)
{
    count(session, ZM_COUNT_SS_TransmittedMessages);
    count_more(session, ZM_COUNT_SS_TransmittedRecipients, (uint64_t)recipients);
    count_more(session, ZM_COUNT_SS_SMTP_input_spool_kB, kilobytes(octets));
}
