/**
 * The command line of smtp and the site variables that it reads.
 */
#ifndef ZM_TA_SMTP_OPTIONS_H
#define ZM_TA_SMTP_OPTIONS_H

#include <apr_time.h>

#include "mta/conf/zenv.h"
#include "mta/net/ip.h"

typedef struct zm_smtp_options_t {
    const char *channel; /**< -c */
    const char *host;    /**< operand: first selector and destination; null: none */
    const char *punt;    /**< -F: connect there whatever the routing says */
    const char *helo; /**< -h, else our host name, or an address literal when that is no domain */
    const char *log;  /**< -l: protocol log */
    zm_endpoint_t source[2]; /**< -L, BINDADDR: for IPv4 and IPv6; family 0: not bound */
    bool try_only;           /**< -D: only try whether HOST takes connections */
    bool no_mx;              /**< -x */
    bool allow_self;         /**< -X: with -x, our own addresses are no error */
    bool ehlo_if_offered;    /**< -E: EHLO only when the greeting says ESMTP */
    bool no_pipelining;      /**< -P */
    bool one;                /**< -1: a connection for each message */
    bool lmtp;               /**< -M */
    bool keep_eight_bit;     /**< -H: 8-bit header bytes pass */
    bool eight_bit;          /**< -8: the peer takes 8 bits, and quoted-printable text is decoded */
    int seven_bit;           /**< -7: no 8BITMIME; twice: HELO, no extensions */
    bool prefer_ipv6;        /**< unless -6 */
    bool canon_rcpt;         /**< -O canon-rcpt: RCPT names what aliases of domains stand for */
    bool ignore_ezmlm;       /**< -O ignore-ezmlm */
    bool strict;             /**< -O strict-3.0 */
    bool raw_cr;             /**< -O raw-cr: bare CR and NUL are sent as they are */
    bool no_tls;             /**< -O no-tls: TLS only where -S demands it */
    const char *dkim_file, *arc_file; /**< -O dkim=, arc=: who is signed for (sign.h); null: none */
    const char *tls_file;             /**< -S: TLS settings; null: none */
    const char *secrets; /**< -A: who we are at other servers (secrets.h); null: nobody */
    bool auth_clear;     /**< -O auth-clear: passwords are sent without TLS too */
    uint16_t port;       /**< -p, default 25 */
    int jobs;            /**< --jobs: threads served at once */
    int64_t messages;    /**< --max-msgs: for a connection */
    int64_t send_buffer; /**< -w: bytes; 0: the system's */

    /* -T, microseconds */
    apr_interval_time_t connect, write, command, data, dot, idle;
    apr_interval_time_t tls_wait; /**< after a failure of TLS, until mail may go in clear */

    /* Site variables and the system. */
    const char *hostname;
    const char *default_charset; /**< DEFCHARSET; null: not set */
    const zm_ip_t *self_ips;     /**< SELFADDRESSES */
    int self_ip_count;
    const char *const *self_names; /**< null ended */
} zm_smtp_options_t;

/** Reads argv.  False: the process ends with *code. */
bool zm_smtp_command_line(zm_smtp_options_t *options, int argc, char **argv, int *code);
/** What options are without a command line. */
void zm_smtp_defaults(zm_smtp_options_t *options);

/** Whether addresses of a family can be connected to: either can, unless the source is of one. */
static inline bool zm_smtp_has_family(const zm_smtp_options_t *options, int family)
{
    return options->source[family == 6].ip.family != 0 ||
           options->source[family != 6].ip.family == 0;
}

/** Reads the site variables. */
apr_status_t zm_smtp_site(zm_smtp_options_t *options, const zm_zenv_t *zenv, apr_pool_t *pool,
                          zm_error_t *error);

#endif
