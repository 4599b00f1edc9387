#include "ta/smtp/tally.h"

static void add(const zm_smtp_t *smtp, zm_counter_t which, int64_t more)
{
    zm_counter_add(smtp->agent->counters, which, more);
}

/* -- connections ----------------------------------------------------------- */

void zm_tally_start(const zm_session_t *session)
{
    add(session->smtp, ZM_COUNT_TA_SMTP_SmtpStarts, 1);
}

void zm_tally_connected(const zm_session_t *session)
{
    add(session->smtp,
        session->peer.lmtp ? ZM_COUNT_TA_SMTP_LmtpConnects : ZM_COUNT_TA_SMTP_SmtpConnects, 1);
    add(session->smtp, ZM_COUNT_TA_SMTP_SmtpConnectsCnt_G, 1);
}

void zm_tally_not_connected(const zm_session_t *session)
{
    add(session->smtp, ZM_COUNT_TA_SMTP_SmtpConnectFails, 1);
}

void zm_tally_closed(const zm_session_t *session)
{
    add(session->smtp, ZM_COUNT_TA_SMTP_SmtpConnectsCnt_G, -1);
}

/* -- commands and replies -------------------------------------------------- */

typedef struct row_t {
    zm_counter_t sent, good, bad; /* ZM_COUNTERS: not counted */
} row_t;

static row_t row_of(const zm_session_t *session, zm_expect_t what)
{
    static const row_t lhlo = {ZM_COUNT_TA_SMTP_SmtpLHLO, ZM_COUNT_TA_SMTP_SmtpLHLOok,
                               ZM_COUNT_TA_SMTP_SmtpLHLOfail};
    switch (what) {
    case ZM_EXPECT_EHLO:
        return session->peer.lmtp ? lhlo
                                  : (row_t){ZM_COUNT_TA_SMTP_SmtpEHLO, ZM_COUNT_TA_SMTP_SmtpEHLOok,
                                            ZM_COUNT_TA_SMTP_SmtpEHLOfail};
    case ZM_EXPECT_HELO:
        return (row_t){ZM_COUNT_TA_SMTP_SmtpHELO, ZM_COUNT_TA_SMTP_SmtpHELOok,
                       ZM_COUNT_TA_SMTP_SmtpHELOfail};
    case ZM_EXPECT_MAIL:
        return (row_t){ZM_COUNT_TA_SMTP_SmtpMAIL, ZM_COUNT_TA_SMTP_SmtpMAILok, ZM_COUNTERS};
    case ZM_EXPECT_RCPT:
        return (row_t){ZM_COUNT_TA_SMTP_SmtpRCPT, ZM_COUNT_TA_SMTP_SmtpRCPTok, ZM_COUNTERS};
    case ZM_EXPECT_DATA:
        return (row_t){ZM_COUNT_TA_SMTP_SmtpDATA, ZM_COUNTERS, ZM_COUNTERS};
    default:
        return (row_t){ZM_COUNTERS, ZM_COUNTERS, ZM_COUNTERS};
    }
}

static void add_options(const zm_session_t *session, zm_str_t text)
{
    static const struct {
        const char *keyword;
        zm_counter_t counter;
    } options[] = {{"ENVID=", ZM_COUNT_TA_SMTP_sent_option_ENVID},
                   {"SIZE=", ZM_COUNT_TA_SMTP_sent_option_SIZE},
                   {"RET=", ZM_COUNT_TA_SMTP_sent_option_RET},
                   {"NOTIFY=", ZM_COUNT_TA_SMTP_sent_option_NOTIFY},
                   {"ORCPT=", ZM_COUNT_TA_SMTP_sent_option_ORCPT}};
    zm_str_t word;
    apr_size_t i;
    while (zm_str_word(&text, &word))
        for (i = 0; i < sizeof options / sizeof options[0]; i++)
            if (zm_str_starts(word, zm_str(options[i].keyword)))
                add(session->smtp, options[i].counter, 1);
}

void zm_tally_command(const zm_session_t *session, zm_expect_t what, zm_str_t text)
{
    row_t row = row_of(session, what);
    if (row.sent != ZM_COUNTERS)
        add(session->smtp, row.sent, 1);
    if (what == ZM_EXPECT_DOT)
        add(session->smtp, ZM_COUNT_TA_SMTP_SmtpBDAT, 1);
    if (what == ZM_EXPECT_MAIL || what == ZM_EXPECT_RCPT)
        add_options(session, text);
}

void zm_tally_reply(const zm_session_t *session, zm_expect_t what)
{
    row_t row = row_of(session, what);
    zm_counter_t which =
        session->reply.code >= 200 && session->reply.code < 300 ? row.good : row.bad;
    if (which != ZM_COUNTERS)
        add(session->smtp, which, 1);
}

void zm_tally_capabilities(const zm_session_t *session)
{
    const zm_peer_t *peer = &session->peer;
    const struct {
        bool has;
        zm_counter_t counter;
    } capabilities[] = {{peer->eight_bit_mime, ZM_COUNT_TA_SMTP_capa8BITMIME},
                        {peer->auth, ZM_COUNT_TA_SMTP_capaAUTH},
                        {peer->dsn, ZM_COUNT_TA_SMTP_capaDSN},
                        {peer->chunking, ZM_COUNT_TA_SMTP_capaCHUNKING},
                        {peer->deliver_by, ZM_COUNT_TA_SMTP_capaDELIVERBY},
                        {peer->enhanced, ZM_COUNT_TA_SMTP_capaENHANCEDSTATUSCODES},
                        {peer->pipelining, ZM_COUNT_TA_SMTP_capaPIPELINING},
                        {peer->size, ZM_COUNT_TA_SMTP_capaSIZE}};
    apr_size_t i;
    for (i = 0; i < sizeof capabilities / sizeof capabilities[0]; i++)
        if (capabilities[i].has)
            add(session->smtp, capabilities[i].counter, 1);
    if (peer->pipelining && !session->smtp->options->no_pipelining)
        add(session->smtp, ZM_COUNT_TA_SMTP_SmtpPIPELINING, 1);
}

/* -- letters --------------------------------------------------------------- */

void zm_tally_letter(const zm_session_t *session, const zm_transaction_t *transaction)
{
    zm_smtp_t *smtp = session->smtp;
    smtp->volume += zm_job_size_estimate(transaction->job);
    add(smtp, transaction->chunked ? ZM_COUNT_TA_SMTP_SmtpBDATok : ZM_COUNT_TA_SMTP_SmtpDATAok, 1);
    add(smtp,
        transaction->chunked ? ZM_COUNT_TA_SMTP_SmtpBDATvolume_kB
                             : ZM_COUNT_TA_SMTP_SmtpDATAvolume_kB,
        (int64_t)(smtp->volume / 1024));
    smtp->volume %= 1024;
}

void zm_tally_conversion(const zm_smtp_t *smtp, bool good)
{
    add(smtp, good ? ZM_COUNT_mtaSuccessfulConvertedMessages : ZM_COUNT_mtaFailedConvertedMessages,
        1);
}

void zm_tally_loop(const zm_smtp_t *smtp)
{
    add(smtp, ZM_COUNT_mtaLoopsDetected, 1);
}
