/**
 * A session and its client in one test: the client writes, the loop runs until
 * nothing moves, and the client reads what came back.  The clocks stand still
 * unless a test moves them.
 */
#ifndef ZM_TESTS_SESSION_HELP_H
#define ZM_TESTS_SESSION_HELP_H

#include "mta/smtpserver/session.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/net/net_help.h"
#include "tests/unit/mta/smtpserver/fake_submit.h"

typedef struct client_t {
    server_t server;
    apr_socket_t *socket; /* the client's end */
    int ended;            /* sessions that are over */
    bool submit;          /* later sessions come to a listener for submission */
    uint16_t port;        /* they come to that port; 0: 25 */
    config_t *config;
    const char *filed;   /* the last command file for the scheduler; null: none */
    apr_status_t filing; /* what becomes of it */
} client_t;

/** A server with that configuration (a pattern line is added) and a client from that address, or
 * null: on standard input.  Local domains: local.test, and those below .sub.test. */
client_t *client_connect(const char *config, const char *address);
/** Another session with the same server; the earlier socket stays with the caller. */
void client_again(client_t *client, const char *address);

#define STRANGER "192.0.2.9"
#define HERE "127.0.0.1"
#define BEGIN "MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@local.test>\r\nDATA\r\n"

/** Takes the banner and says EHLO; the reply to that. */
const char *hello(client_t *client);
/** A whole message; the reply to its end. */
const char *send_text(client_t *client, const char *data);
/** Sends text (after what is there has been done) and gives all that came back. */
const char *say(client_t *client, const char *text);
/** As say, but waits for something to come back, as where others are asked meanwhile. */
const char *reply_to(client_t *client, const char *text);
const char *say_bytes(client_t *client, const char *data, apr_size_t length);
/** Moves the clocks on and gives what came back. */
const char *later(client_t *client, int seconds);
/** Ends the client's side, and what the session said to that. */
const char *hang_up(client_t *client);
void client_done(client_t *client);

/** Number of lines in a reply. */
int line_count(const char *text);
bool has(const char *text, const char *part);

#define ASSERT_HAS(text, part) zm_test_assert_has((text), (part), __FILE__, __LINE__)
void zm_test_assert_has(const char *text, const char *part, const char *file, int line);

#endif
