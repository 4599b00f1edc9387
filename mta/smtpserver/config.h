/**
 * smtpserver.conf: what the file says, read once at start and again on reload.
 *
 * The file is a list of lines:
 *
 *     # comment
 *     PARAM maxsize 10000000          # a parameter: keyword in any case, up to three words
 *     PARAM newgroup                  # what follows alters a copy of the default group
 *     PARAM BindSmtp [192.0.2.1] 25
 *     localhost  999  ve              # a HELO pattern: pattern.h
 *
 * Words are separated by blanks and may stand in "..." or '...'; $NAME, ${NAME}
 * and $(NAME) stand for site variables; a word that starts with '#' begins a
 * comment.  The values of hdr220, help, sasl-mechanisms and
 * contact-pointer-message are the rest of the line as it stands.
 *
 * Files of earlier versions load.  Parameters of features that this version does
 * not have are known by name: one that would only add something gives a notice,
 * one that would keep somebody out a warning.  Unknown parameters and flags, and
 * values out of range, give warnings too; values that cannot be read are errors.
 */
#ifndef ZM_SMTPSERVER_CONFIG_H
#define ZM_SMTPSERVER_CONFIG_H

#include <apr_tables.h>

#include "mta/conf/zenv.h"
#include "mta/net/ip.h"
#include "mta/smtpserver/pattern.h"
#include "mta/smtpserver/service.h"

typedef struct config_group_t config_group_t;

#define CONFIG_MILTERS 4

/** TLS of a group. */
typedef struct config_tls_t {
    bool use;                                /**< offered, or spoken from the first byte on */
    const char *certificate, *key;           /**< PEM files; of a pair, either stands for both */
    const char *certificate2, *key2;         /**< a pair of another type; null: none */
    const char *authorities, *authority_dir; /**< of clients' certificates; null: none */
    const char *ciphers, *suites;            /**< null: the library's choice */
    const char *least;                       /**< version, "1.2" or "1.3" */
    bool ask, require; /**< clients for a certificate; it must be there and valid */
    bool enforce;      /**< no mail without TLS */
    bool resume;       /**< sessions are gone on with */
    bool sniff;        /**< clients may begin with TLS where others begin with SMTP */
    int64_t depth;     /**< authorities between a client's certificate and a trusted one */
    int64_t seconds;   /**< that sessions can be gone on with */
    int64_t log_level; /**< 0, 1: certificates, 2: each step of a handshake */
} config_tls_t;

/** AUTH of a group. */
typedef struct config_auth_t {
    bool use;            /**< offered */
    bool in_clear;       /**< passwords may come without TLS */
    bool not_on_25;      /**< not by listeners of BindSmtp, whatever their port is */
    bool old_syntax;     /**< "AUTH=" too, for clients of another time */
    bool named_scram;    /**< sasl-mechanisms has it by name */
    unsigned mechanisms; /**< a set of 1 << AUTH_ */
    const char *program; /**< that knows users; null: none */
    const char *users;   /**< file of users (mta/net/secret.h); null: none */
    const char *user_prompt, *password_prompt;
    int64_t failures; /**< within the hour, after which nobody is heard */
} config_auth_t;

/** Mechanisms, the best first. */
enum { AUTH_SCRAM_PLUS, AUTH_SCRAM, AUTH_PLAIN, AUTH_LOGIN, AUTH_MECHANISMS };
extern const char *const config_mechanisms[AUTH_MECHANISMS];

/** A place to listen at. */
typedef struct config_bind_t {
    zm_endpoint_t where; /**< family 0: every address, of both families where the host can */
    bool port_given;     /**< else BindPort or the option decides, when all has been read */
    bool submit;         /**< for submission: clients must say who they are */
    bool tls;            /**< TLS from the first byte on */
    bool classic;        /**< by BindAddress, which brings what listen-submit asks for */
    config_group_t *group;
    unsigned line; /**< where it stands in the file; 0: implied */
} config_bind_t;

/** What is done to know who stands behind a message (authres.h). */
typedef enum config_authres_t {
    AUTHRES_DEFAULT, /**< header, but nothing for submissions and clients on this host */
    AUTHRES_OFF,
    AUTHRES_HEADER,
    AUTHRES_ENFORCE
} config_authres_t;

/** What may differ from listener to listener.  Numbers are int64_t so that one table sets them. */
struct config_group_t {
    int number;                                           /**< 0: the default group */
    bool bound;                                           /**< has listeners of its own */
    int64_t bind_port;                                    /**< 0: not given */
    int64_t backlog, receive_buffer, send_buffer;         /**< buffers in bytes; 0: the system's */
    int64_t error_recipients;                             /**< attempts allowed to a null sender */
    int64_t recipients;                                   /**< attempts allowed in a transaction */
    double tarpit_initial, tarpit_exponent, tarpit_limit; /**< seconds, factor, seconds */
    bool ehlo, pipelining, eight_bit, chunking, dsn, enhanced, multiline, require_tls;
    bool smtputf8; /**< addresses and headers may go beyond ASCII */
    bool etrn;
    const char *policy_type, *policy_file; /**< of its policy database; null: none */
    bool listen_submit;                    /**< BindAddress, or its absence, means port 587 too */
    bool listen_tls;                       /**< and 465 */
    config_tls_t tls;
    config_auth_t auth;
    int64_t submit_auth;   /**< who must say who he is: 0 not this host, 1 everybody, -1 not set */
    int64_t spf_threshold; /**< POLICY_SPF_: results worth less are refused */
    bool spf_received;     /**< a field in the header tells the result */
    config_authres_t auth_results;
    const char
        *arc_trusted;   /**< domains between blanks, each also for those below it; "" for none */
    bool names;         /**< clients' names are asked of the domain name service */
    bool vrfy, expn;    /**< VRFY and EXPN are put to the router */
    int64_t deliver_by; /**< DELIVERBY: the least seconds, 0: any; -1: it is off */
    bool rcvd_auth, rcvd_tls, rcvd_tls_peer; /**< what Received tells of a client */
    bool never_notify;                       /**< store NOTIFY=NEVER whatever was asked for */
    const char *contact;
    const service_t *milters[CONFIG_MILTERS]; /**< that look at messages, in this order */
    int milter_count;
    const service_t *hook; /**< a policy daemon; null: none */
    int hook_stages;       /**< HOOKING_: when it is asked */
};

/** A scheduler that is told of ETRN. */
typedef struct config_node_t {
    const char *host; /**< its name; or ip, or path */
    zm_ip_t ip;       /**< family 0: host must be looked up */
    uint16_t port;
    const char *path; /**< of a local socket; null: none */
    const char *user, *password;
} config_node_t;

#define CONFIG_NODES 40

typedef enum config_newline_t {
    NEWLINE_REJECT,
    NEWLINE_NORMALIZE,
    NEWLINE_ACCEPT
} config_newline_t;

/** What happens to a message that cannot be looked at. */
typedef enum config_failmode_t { FAIL_DEFER, FAIL_ACCEPT, FAIL_FREEZE } config_failmode_t;

/** The content filter: a program or a server at a socket; both null: none. */
typedef struct config_filter_t {
    const char *program, *socket;
    int64_t most; /**< programs at a time */
    bool debug;   /**< it is logged why messages are not looked at */
} config_filter_t;

#define CONFIG_GREETING_LINES 5
#define CONFIG_HELP_LINES 41

typedef struct config_t {
    const char *file;
    int64_t max_size;     /**< bytes, 0: no limit */
    int64_t min_space;    /**< KiB that must stay free */
    int64_t same_address; /**< sessions from one address */
    int64_t sessions;     /**< sessions in all */
    int64_t unknown_commands;
    int64_t max_received;                               /**< Received headers that make a loop */
    int64_t command_timeout, data_timeout, greet_delay; /**< seconds */
    bool sum_size;       /**< SIZE= counts once for each recipient in the space check */
    bool percent_hack;   /**< % and ! in local parts are looked through */
    bool source_route;   /**< keep @a,@b:c@d */
    bool accept_unknown; /**< what policy databases say nothing about */
    bool submission;     /**< MSA-mode: what submit of a listener means, for all */
    bool lmtp;           /**< sessions at other ports than 25 speak LMTP */
    bool router;         /**< the router is asked about senders and recipients */
    bool router_named;   /**< but only where a pattern has f or t */
    int64_t routers;     /**< that answer, at most */
    config_filter_t filter;
    config_failmode_t failmode;
    config_newline_t bare_newline;
    const char *greeting[CONFIG_GREETING_LINES];
    int greeting_lines;
    const char *help[CONFIG_HELP_LINES];
    int help_lines;
    apr_array_header_t *nodes; /**< of config_node_t */
    pattern_list_t patterns;
    config_group_t *standard;     /**< the default group */
    apr_array_header_t *groups;   /**< of config_group_t *, the default group first */
    apr_array_header_t *binds;    /**< of config_bind_t */
    apr_array_header_t *notices;  /**< of const char *: what an administrator should know */
    apr_array_header_t *warnings; /**< of const char *: and what he must look at */
    apr_array_header_t *errors;   /**< of const char *: why the file cannot be used */
} config_t;

/** What the command line contributes. */
typedef struct config_options_t {
    const zm_zenv_t *zenv;
    int64_t max_size; /**< -M */
    int64_t port;     /**< -p; 0: 25 */
    int family;       /**< 4 or 6 of -4, -6; 0: both */
    int style;        /**< PATTERN_ flags of greetings that no pattern matches */
} config_options_t;

/**
 * Reads the file.  Everything lives in pool.  ZM_E_CONFIG when it has errors:
 * config->errors has all of them, each "FILE:LINE: text"; the config is made in
 * any case, and not to be used then.  A file that cannot be read is one error.
 */
apr_status_t config_load(config_t **config, const char *file, const config_options_t *options,
                         apr_pool_t *pool);

/** The same over text in memory. */
apr_status_t config_parse(config_t **config, zm_str_t text, const char *file,
                          const config_options_t *options, apr_pool_t *pool);

/** Whether a group wants to know who clients are, and has somebody to ask. */
bool config_wants_auth(const config_t *config);

#endif
