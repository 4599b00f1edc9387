/**
 * The inside of a session, shared by the files that implement it:
 *
 *     session.c      its life: events of the stream, timers, the end
 *     reply.c        replies
 *     command.c      command lines, the table of verbs, small verbs
 *     greeting.c     the banner, HELO and EHLO
 *     transaction.c  MAIL and RCPT
 *     data.c         DATA: taking the message in, and making it the spool's
 *     chunk.c        BDAT, which comes to the same
 *     authres.c      who stands behind it: SPF, DKIM, ARC, DMARC
 *     inspection.c   those who look at a message before it is taken
 *     referral.c     questions to the router
 *     etrn.c         ETRN
 *     starttls.c     TLS
 *     auth.c         AUTH
 *
 * States:
 *
 *     HELLO --HELO/EHLO--> READY --MAIL--> RECIPIENT --RCPT--> RECIPIENT_OR_DATA
 *                            ^                                       | DATA
 *                            +------ reply <-- commit <-- CRLF.CRLF -+ (IN_DATA)
 *
 * BDAT takes the way over IN_CHUNK and CHUNKS (chunk.c).
 *
 * RSET, HELO and EHLO lead back to READY.  `waiting` is above all states: while
 * it is set, no command is read.
 */
#ifndef ZM_SMTPSERVER_SESSION_PARTS_H
#define ZM_SMTPSERVER_SESSION_PARTS_H

#include "mta/mail/smtp_path.h"
#include "mta/net/dot.h"
#include "mta/net/scram.h"
#include "mta/net/stream.h"
#include "mta/smtpserver/authres.h"
#include "mta/smtpserver/envelope.h"
#include "mta/smtpserver/filter.h"
#include "mta/smtpserver/header_scan.h"
#include "mta/smtpserver/hook.h"
#include "mta/smtpserver/hooking.h"
#include "mta/smtpserver/inspection.h"
#include "mta/smtpserver/milters.h"
#include "mta/smtpserver/peer.h"
#include "mta/smtpserver/session.h"
#include "mta/smtpserver/turn.h"

typedef enum session_state_t {
    SESSION_HELLO,
    SESSION_READY,
    SESSION_RECIPIENT,
    SESSION_RECIPIENT_OR_DATA,
    SESSION_IN_DATA,
    SESSION_CHUNKS, /* between two BDAT */
    SESSION_IN_CHUNK
} session_state_t;

/** starttls.h */
typedef enum session_tls_t {
    SESSION_TLS_NONE,
    SESSION_TLS_LISTENING,
    SESSION_TLS_PROMISED,
    SESSION_TLS_HANDSHAKE,
    SESSION_TLS_ON
} session_tls_t;

/** auth.h: what the next line of the client is. */
typedef enum session_auth_step_t {
    AUTH_IDLE, /* a command */
    AUTH_LOGIN_USER,
    AUTH_LOGIN_PASSWORD,
    AUTH_PLAIN_ALL,
    AUTH_SCRAM_FIRST,
    AUTH_SCRAM_LAST,
    AUTH_SCRAM_DONE /* nothing: our proof has been seen */
} session_auth_step_t;

typedef struct session_auth_t {
    session_auth_step_t step;
    int mechanism;            /* AUTH_ */
    zm_buf_t user;            /* who is trying */
    zm_buf_t known;           /* who it is; "": nobody has said so */
    zm_scram_server_t *scram; /* null: none is under way */
    int leaks;                /* lines after a refusal that may be secrets all the same */
} session_auth_t;

/** From MAIL to the end of data.  Lives in a pool of its own. */
typedef struct transaction_t {
    apr_pool_t *pool;
    zm_submission_t *submission; /* null before the first accepted recipient, and after a failure */
    apr_status_t failure;        /* of the spool: why submission is gone */
    zm_smtp_path_t sender_path;  /* points into pool */
    zm_str_t sender;             /* its address; "" for the null sender */
    mail_parameters_t mail;
    int64_t deadline;           /* by mail.by, in Unix seconds */
    zm_buf_t command;           /* arguments of the RCPT that is being asked about */
    apr_size_t column;          /* where they stood in their line */
    zm_smtp_path_t recipient;   /* points into command */
    rcpt_parameters_t rcpt;     /* likewise */
    zm_buf_t refused;           /* comment lines about refused recipients */
    int64_t attempts, accepted; /* RCPT commands; recipients */
    uint64_t announced;         /* octets, for the space check */
    /* data */
    zm_dot_decoder_t decoder;
    header_scan_t header;
    uint64_t octets; /* received */
    bool too_big;
    bool chunk_cr;       /* the last octet was a CR */
    bool chunk_refused;  /* a chunk was answered with an error: the rest is discarded */
    uint64_t authres_at; /* offset in the file of what authres says; 0: it is not asked */
    authres_t *authres;  /* null: not asked, or not yet */
    uint64_t content;    /* octet offset of the header in the submission */
    bool milters;        /* they look at it */
    zm_buf_t fields;     /* header fields that the policy daemon wants */
    bool hold;           /* it wants the message set aside */
    int hooked_code;     /* of its refusal at DATA; 0: none */
    char hooked_enhanced[16];
    zm_buf_t hooked_text;
    outcome_t outcome; /* of those who have looked at it */
} transaction_t;

struct session_t {
    session_t *previous, *next; /* in the list of the server */
    server_t *server;
    const config_group_t *group;
    apr_pool_t *pool;
    zm_stream_t *stream; /* null: closed */
    session_options_t options;
    char client_text[ZM_IP_TEXT]; /* "[192.0.2.9]", or "[local]" */
    session_state_t state;
    session_tls_t tls;
    session_auth_t auth;
    int style;         /* PATTERN_ flags in force */
    bool greeted_ehlo; /* the last greeting was EHLO */
    bool helo_good;
    bool denied; /* refused at the start: only QUIT is heard */
    bool batch;
    bool submission; /* clients must say who they are, or be trusted */
    bool barred;     /* and this one is not trusted otherwise */
    bool lmtp;
    int64_t copies;      /* of the next reply: LMTP answers data once for each recipient */
    bool sender_refused; /* the last MAIL was refused by policy */
    bool source_route_cut;
    zm_buf_t helo; /* the greeting as it came */

    /* waiting for an answer, a commit or the end of a delay */
    bool waiting;
    bool asking, answered; /* within policy_ask */
    policy_ask_t *ask;
    void (*resume)(session_t *session, const policy_verdict_t *verdict);
    inquiry_t inquiry; /* a question to the router */
    void (*heard)(session_t *session, const inquiry_answer_t *answer);
    int unheard;             /* questions that nobody answered */
    filter_ask_t *filtering; /* the content filter is being asked */
    milters_t *milters;      /* null: none has been asked */
    milters_fn *milters_then;
    hook_ask_t *hook; /* the policy daemon is being asked */
    int hooking_stage;
    hooking_fn *hooking_then;
    policy_stage_t asked_stage; /* the policy is asked when it has answered */
    void (*asked_then)(session_t *session, const policy_verdict_t *verdict);
    policy_state_t policy;
    peer_t *peer; /* null: the client has no names worth asking for */
    turn_t *turn; /* ETRN under way */
    zm_buf_t turn_host;
    bool committing;
    zm_timer_t delay;
    bool held_back; /* replies go to held until the delay is over */
    zm_buf_t held;
    double tarpit; /* seconds of the next delay */
    double tarpit_sum;
    int delayed;     /* seconds of the delay under way */
    bool banner_due; /* the delay is that before the banner */

    int depth;       /* calls from outside that are under way */
    bool over;       /* nothing more is done; it will be freed */
    bool finished;   /* the stream was told so */
    bool stopping;   /* end at the next chance */
    const char *why; /* for the log */
    bool quit;       /* the client has said so */

    uint64_t chunk_size, chunk_left; /* octets of the BDAT under way */
    bool chunk_last;
    session_state_t chunk_return; /* the state that a BDAT out of place leads back to */

    zm_counter_t counted; /* of the command whose reply is due; ZM_COUNTERS: none */
    uint64_t stored;      /* octets of the message that is being committed */
    int unknown, errors;
    transaction_t *transaction;
    unsigned messages;

    char tag[JOURNAL_TAG + 1];
    apr_time_t started;       /* monotonic */
    apr_time_t waiting_since; /* monotonic: when the last whole command came, or data began */
};

/* -- session.c ----------------------------------------------------------------------- */

/** Ends the session after its replies have been sent. */
void session_finish(session_t *session, const char *why);
/** No input is taken until session_go_on. */
void session_wait(session_t *session);
void session_go_on(session_t *session);
/** The largest message that this client may send; 0: any. */
int64_t session_max_size(const session_t *session);
/** Puts a question to the policy; then is called with the answer, at once or later. */
void session_ask(session_t *session, policy_stage_t stage,
                 void (*then)(session_t *session, const policy_verdict_t *verdict));
/** Puts a question to the router; then is called with the answer, later.  A session that gets too
 * few answers is ended. */
void session_inquire(session_t *session, const char *key, zm_str_t argument,
                     void (*then)(session_t *session, const inquiry_answer_t *answer));
/** To be called before a reply that a nuisance gets: the reply comes after a delay, if one is
 * configured. */
void session_tarpit(session_t *session);
/** How long to wait for the next command. */
void session_await_command(session_t *session);
void session_await_data(session_t *session);
void session_log(session_t *session, char type, zm_str_t text);
void session_note(session_t *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Commands, until there are no more or one has to wait. */
void session_run(session_t *session);
/** The last thing that is done in a call from outside: the session may be gone afterwards. */
void session_settle(session_t *session);

/* -- reply.c ------------------------------------------------------------------------- */

/**
 * The last line of a reply.  enhanced may be null.  Bytes that do not belong into
 * a reply become '?'; a long text is folded into several lines.
 */
void reply(session_t *session, int code, const char *enhanced, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** A line before the last.  Left out when the configuration wants single lines. */
void reply_more(session_t *session, int code, const char *enhanced, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** A line before the last that belongs to the reply in any case: banner, EHLO, HELP. */
void reply_list(session_t *session, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** The same with an enhanced code, for VRFY and EXPN. */
void reply_part(session_t *session, int code, const char *enhanced, zm_str_t text);
/** A syntax error: a caret under the column of the command line, the reason, and the input. */
void reply_syntax(session_t *session, int code, const char *enhanced, apr_size_t column,
                  const char *reason, zm_str_t input);
/** To be called before the reply that refuses somebody: the line that tells whom to ask. */
void reply_contact(session_t *session, int code, const char *enhanced);
/** What a failure of the spool is to the client: 452 when there is no space, else 451. */
void reply_spool_failure(session_t *session, apr_status_t status);

/* -- command.c ------------------------------------------------------------------------ */

/** Reads and executes one command.  False: there is none (yet). */
bool command_next(session_t *session);
/** A protocol error: counts it, and ends a session that makes too many. */
void command_error(session_t *session, int code, const char *enhanced, const char *text);

/** A verb's function gets what follows the verb and its blanks; column is where that stands. */
typedef void command_fn(session_t *session, zm_str_t arguments, apr_size_t column);

/* -- the commands --------------------------------------------------------------------- */

void greeting_begin(session_t *session); /* greeting.c: asks whether the client is welcome */
void greeting_banner(session_t *session);
void command_helo(session_t *session, zm_str_t line, bool extended);
command_fn command_mail, command_rcpt; /* transaction.c */
command_fn command_data;               /* data.c */
command_fn command_bdat;               /* chunk.c */
command_fn command_starttls;           /* starttls.c */
command_fn command_auth;               /* auth.c */

/** Whether a client may demand that its message goes on over TLS only (RFC 8689): it came so. */
bool session_requires_tls(const session_t *session);
/** Whether addresses of this client may go beyond ASCII, when MAIL says so (RFC 6531). */
bool session_goes_beyond(const session_t *session);
/** Ends a transaction without a message.  Does nothing when there is none. */
void transaction_end(session_t *session);
/** The spool failed: what has been written is given up, and status remembered for the reply. */
void transaction_fail(transaction_t *transaction, apr_status_t status);

/** Take data in.  False: no more is here. */
bool data_input(session_t *session);
bool chunk_input(session_t *session);

/* -- referral.c ------------------------------------------------------------------------- */

/** Whether the router is to be asked about the sender, or a recipient, of this client. */
bool referral_of_sender(const session_t *session);
bool referral_of_recipient(const session_t *session);
/** Whether VRFY and EXPN are put to the router. */
bool referral_of_vrfy(const session_t *session);
bool referral_of_expn(const session_t *session);

/** What an answer comes to. */
typedef struct referral_t {
    bool accepted;
    bool answered;       /* line is the router's; else there is nothing to say but yes or no */
    inquiry_line_t line; /* text is valid as long as the answer */
} referral_t;

/** Reads an answer; one that accepts has no reply yet, the others do, but for their end. */
referral_t referral_read(const session_t *session, const inquiry_answer_t *answer);
/** The reply that refuses, after its delay. */
void referral_refuse(session_t *session, const referral_t *referral,
                     const inquiry_answer_t *answer);
/** The address as a question: brackets keep one that begins with '-' from being taken for an
 * option. */
zm_str_t referral_address(session_t *session, zm_str_t address);
command_fn command_vrfy, command_expn;
command_fn command_etrn; /* etrn.c */

/* -- data.c, for chunk.c ------------------------------------------------------------------ */

/** Whether a message without sender has been offered to more recipients than such a one may have.
 */
bool data_is_spray(const session_t *session);
/** Writes the end of the envelope and makes ready for data.  A failure is remembered. */
void data_begin(session_t *session);
/** Keeps text, which stands for that many octets of the wire. */
void data_take(session_t *session, apr_size_t octets, zm_str_t text);
/** All has come: commits, or refuses. */
void data_end(session_t *session);
/** Those who look at a message have let it pass: commits it. */
void data_commit(session_t *session);
/** The reply that says why a message is not taken. */
void data_refuse(session_t *session);
/** The connection has ended amid the data. */
void data_abandoned(session_t *session);
/** A session ends amid the data: notes it. */
void data_aborted(session_t *session, const char *why);

#endif
