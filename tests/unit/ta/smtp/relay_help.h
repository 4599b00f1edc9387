/**
 * The whole agent against a scripted server: what the tests of both files begin and end with.
 */
#ifndef ZM_TESTS_RELAY_HELP_H
#define ZM_TESTS_RELAY_HELP_H

#include "ta/smtp/lane.h"
#include "ta/smtp/session.h"
#include "ta/smtp/smtp.h"
#include "tests/unit/harness.h"
#include "tests/unit/ta/agent/fixture.h"
#include "tests/unit/ta/smtp/server.h"

extern zm_fixture_t *fixture;
extern zm_server_t server;
extern zm_smtp_options_t options;
extern zm_smtp_t smtp;

/** A new fixture, a server that waits and the usual options. */
void begin(void);
/** Puts a letter into the spool and feeds it; the name of its control file. */
const char *send_letter(zm_fixture_letter_t letter);
const char *send_to(const char *user);
/** One of three million octets, in lines of that length (with the LF) that begin with a dot. */
const char *send_long_letter(apr_size_t line);
/** Runs the agent until everything that was fed is done. */
void run(void);
/** Lets both ends of what is open yet come to their end. */
void say_goodbye(void);

#define TALK(expected) ZM_ASSERT_STR(zm_buf_c(&server.talk), expected)
#define HEARD(text) CU_ASSERT_EQUAL(zm_fixture_count(fixture, text), 1)
#define TAGS(path, tags) ZM_ASSERT_STR(zm_fixture_tags(fixture, path), tags)

#endif
