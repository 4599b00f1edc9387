/**
 * The inside of a session, shared by the files that implement it:
 *
 *     session.c       life: connecting, ending, losing
 *     session_talk.c  commands out, replies in
 *     tls_session.c   STARTTLS
 *     auth_session.c  AUTH
 */
#ifndef ZM_TA_SMTP_SESSION_PARTS_H
#define ZM_TA_SMTP_SESSION_PARTS_H

#include "mta/net/socket.h"
#include "ta/smtp/log.h"
#include "ta/smtp/session.h"
#include "ta/smtp/tls_client.h"

typedef enum zm_expect_t {
    ZM_EXPECT_GREETING,
    ZM_EXPECT_EHLO,
    ZM_EXPECT_HELO,
    ZM_EXPECT_STARTTLS,
    ZM_EXPECT_AUTH,
    ZM_EXPECT_RSET,
    ZM_EXPECT_MAIL,
    ZM_EXPECT_RCPT,
    ZM_EXPECT_DATA,
    ZM_EXPECT_DOT,
    ZM_EXPECT_VOID_DOT /**< ends the letter that nobody was to get */
} zm_expect_t;

typedef struct zm_expected_t {
    zm_expect_t what;
    int index; /**< of the recipient; -1: of none */
    zm_transaction_t *transaction;
} zm_expected_t;

typedef enum zm_session_state_t {
    ZM_SESSION_CONNECTING,
    ZM_SESSION_HELLO, /**< greeting and EHLO */
    ZM_SESSION_READY,
    ZM_SESSION_OVER /**< nothing more is to happen: being freed */
} zm_session_state_t;

typedef struct zm_session_auth_t zm_session_auth_t;

struct zm_session_t {
    apr_pool_t *pool;
    zm_smtp_t *smtp;
    zm_session_owner_t owner;
    zm_hop_t hop;
    bool literal, helo_only;
    zm_session_state_t state;
    zm_connect_t *connect;
    zm_stream_t *stream;
    zm_peer_t peer;
    zm_tls_rule_t rule;
    bool tls_started;        /**< the server has agreed to STARTTLS */
    bool secure;             /**< it has answered under TLS */
    zm_session_auth_t *auth; /**< under way; null: none is */
    unsigned number;         /**< in the protocol log */
    zm_reply_t reply;
    zm_timer_t timer; /**< for the reply to the front of the queue */

    zm_expected_t *queue; /**< ring */
    int front, waiting, room;

    zm_transaction_t *sending; /**< its commands are going out */
    zm_transaction_t *flying;  /**< its letter is out or on its way out, and unanswered */
    int64_t taken;             /**< transactions taken in this session */
    int64_t delivered;         /**< letters accepted */
    bool reset_first;          /**< RSET before the next MAIL */
    bool tired;                /**< no more transactions: close when this is done */
    bool streaming;            /**< a long letter is being written */
    bool interrupted;
    bool talking; /**< zm_session_talk is on the stack */
};

/** Queues an expected reply; arms the timer when it is the front. */
void zm_session_expect(zm_session_t *session, zm_expect_t what, zm_transaction_t *transaction,
                       int index);
/** Sends everything that can be sent now. */
void zm_session_talk(zm_session_t *session);
/** Handles input that has arrived. */
void zm_session_listen(zm_session_t *session);
/** A long letter has been handed to the system. */
void zm_session_letter_sent(zm_session_t *session);

typedef enum zm_tls_step_t {
    ZM_TLS_GO_ON, /**< there is as much TLS as there must be */
    ZM_TLS_ASK,   /**< STARTTLS is to be sent */
    ZM_TLS_GONE   /**< the server cannot give what it must: the session is freed */
} zm_tls_step_t;

/** What is to happen after a greeting that was answered. */
zm_tls_step_t zm_session_tls_step(zm_session_t *session);
/** The reply to STARTTLS has come.  False: the session is freed. */
bool zm_session_tls_start(zm_session_t *session);
/** The connection is lost while opening: when TLS is the cause, ends the session and is true. */
bool zm_session_tls_lost(zm_session_t *session, const char *text);

typedef enum zm_auth_step_t {
    ZM_AUTH_GO_ON, /**< we are known as well as we must be */
    ZM_AUTH_ASKED, /**< something was said, and a reply is expected */
    ZM_AUTH_GONE   /**< the server does not let us in, or cannot be told: the session is freed */
} zm_auth_step_t;

/** What is to happen when there is as much TLS as there must be. */
zm_auth_step_t zm_session_auth_step(zm_session_t *session);
/** A reply to what was said has come. */
zm_auth_step_t zm_session_auth_reply(zm_session_t *session);
/** Forgets secrets. */
void zm_session_auth_end(zm_session_t *session);
/** Says what no log may tell; shown stands there instead. */
void zm_session_say_secret(zm_session_t *session, zm_str_t text, const char *shown,
                           zm_expect_t what);

/** The connection is lost or no good any more.  text: why, for people.  The session is freed. */
void zm_session_lose(zm_session_t *session, const char *text);
/** The session cannot be opened.  The session is freed. */
void zm_session_refuse(zm_session_t *session, const zm_refusal_t *refusal);
/** Ends a session that is through: QUIT, and tell the owner.  The session is freed. */
void zm_session_finish(zm_session_t *session);

#endif
