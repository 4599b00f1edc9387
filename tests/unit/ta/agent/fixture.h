/**
 * A spool with messages in it and a scheduler's end of the channel, for tests
 * of transport agents.
 */
#ifndef ZM_TESTS_UNIT_TA_AGENT_FIXTURE_H
#define ZM_TESTS_UNIT_TA_AGENT_FIXTURE_H

#include "mta/conf/zenv.h"
#include "spool/control.h"
#include "ta/agent/agent.h"

typedef struct zm_fixture_t {
    apr_pool_t *pool;
    zm_loop_t *loop;
    zm_spool_t *spool;
    zm_zenv_t *zenv;
    apr_socket_t *scheduler, *agent; /* the two ends of the channel */
    zm_buf_t heard;                  /* what the agent said so far */
} zm_fixture_t;

/** site: lines of zmailer.conf besides POSTOFFICE. */
zm_fixture_t *zm_fixture(const char *site);

typedef struct zm_fixture_recipient_t {
    const char *channel, *host, *user;
    int64_t privilege;
    const char *dsn; /**< null: none */
} zm_fixture_recipient_t;

typedef struct zm_fixture_letter_t {
    const char *sender;     /**< null: the null path */
    const char *header;     /**< null: "Received: by here; Mon\nTo: x\n" */
    const char *body;       /**< null: "Hello\n" */
    apr_size_t body_length; /**< 0: strlen */
    const char *envid, *ret;
    zm_fixture_recipient_t recipients[8]; /* ended by a null channel */
    const char *second_header;            /**< recipients from `second` on have this header block */
    int second;
} zm_fixture_letter_t;

/** Puts message and control file into the spool and returns the path to feed ("A/B/4711"). */
const char *zm_fixture_letter(zm_fixture_t *fixture, const zm_fixture_letter_t *letter);

/** The control file as it stands now. */
zm_str_t zm_fixture_control(zm_fixture_t *fixture, const char *path);
/** Its tags, in the order of the recipients: "+- ". */
const char *zm_fixture_tags(zm_fixture_t *fixture, const char *path);
/** Its recipient and diagnostic lines, parsed. */
zm_control_file_t *zm_fixture_parsed(zm_fixture_t *fixture, const char *path);

/** Feeds a line to the agent. */
void zm_fixture_feed(zm_fixture_t *fixture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** The scheduler says no more. */
void zm_fixture_end(zm_fixture_t *fixture);
/** Everything that the agent has said so far. */
const char *zm_fixture_heard(zm_fixture_t *fixture);
/** How often a text stands in what the agent said. */
int zm_fixture_count(zm_fixture_t *fixture, const char *text);

/** Options of an agent in this fixture. */
zm_agent_options_t zm_fixture_agent(zm_fixture_t *fixture, const char *name, const char *channel);

#endif
