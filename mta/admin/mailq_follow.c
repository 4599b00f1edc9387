#include "mta/admin/mailq.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "platform/clock.h"

/* Between two looks. */
#define PAUSE APR_USEC_PER_SEC

/* What is compared of a thread; the times in its fields change all the time. */
typedef struct state_t {
    const char *place, *fields, *essence;
    bool seen;
} state_t;

typedef struct follow_t {
    mailq_t *mailq;
    apr_pool_t *pool; /* of this look */
    apr_hash_t *states;
} follow_t;

static void stamp(void)
{
    apr_time_exp_t now;
    apr_time_exp_lt(&now, zm_clock_wall());
    printf("%02d:%02d:%02d", now.tm_hour, now.tm_min, now.tm_sec);
}

static void tell(const follow_t *follow, const char *event, const state_t *state)
{
    if (follow->mailq->json) {
        zm_str_t channel, host;
        zm_str_cut(zm_str(state->place), '/', &channel, &host);
        printf("{\"event\":");
        mailq_json_string(zm_str(event));
        printf(",\"time\":%lld", (long long)apr_time_sec(zm_clock_wall()));
        mailq_json_field("channel", channel);
        mailq_json_field("host", host);
        mailq_json_members(zm_str(state->fields));
        printf("}\n");
    } else {
        const char *at;
        stamp();
        printf(" %-7s %s ", event, state->place);
        for (at = state->fields; *at != '\0'; at++)
            putchar(*at == '\t' ? ' ' : *at);
        putchar('\n');
    }
}

/* N, R and A, whether it is being served, and why it is not. */
static const char *essence_of(zm_str_t fields, apr_pool_t *pool)
{
    static const char *const names[] = {"N", "R", "A", "S", "pend"};
    const char *text = "";
    int i;
    for (i = 0; i < 5; i++)
        text = apr_pstrcat(pool, text, "|", zm_str_c(pool, mailq_thread_field(fields, names[i])),
                           NULL);
    return text;
}

static void look_at(mailq_t *mailq, zm_str_t channel, zm_str_t host, zm_str_t fields)
{
    follow_t *follow = mailq->baton;
    state_t *state = apr_pcalloc(follow->pool, sizeof *state), *before;

    state->place = apr_pstrcat(follow->pool, zm_str_c(follow->pool, channel), "/",
                               zm_str_c(follow->pool, host), NULL);
    state->fields = zm_str_c(follow->pool, fields);
    state->essence = essence_of(fields, follow->pool);
    before = apr_hash_get((apr_hash_t *)mailq->previous, state->place, APR_HASH_KEY_STRING);
    if (before == NULL)
        tell(follow, "new", state);
    else if (strcmp(before->essence, state->essence) != 0)
        tell(follow, "changed", state);
    if (before != NULL)
        before->seen = true;
    apr_hash_set(follow->states, state->place, APR_HASH_KEY_STRING, state);
}

static void tell_gone(const follow_t *follow, apr_hash_t *before, apr_pool_t *pool)
{
    apr_hash_index_t *at;
    for (at = apr_hash_first(pool, before); at != NULL; at = apr_hash_next(at)) {
        void *value;
        state_t *state;
        apr_hash_this(at, NULL, NULL, &value);
        state = value;
        if (!state->seen)
            tell(follow, "gone", state);
    }
}

int mailq_follow(mailq_t *mailq)
{
    follow_t follow = {mailq, NULL, NULL};
    apr_pool_t *old = NULL;
    apr_hash_t *before;
    int code = 0;

    apr_pool_create(&old, mailq->pool);
    before = apr_hash_make(old);
    mailq->baton = &follow;
    while (code == 0 && !mailq->at_end) {
        apr_pool_create(&follow.pool, mailq->pool);
        follow.states = apr_hash_make(follow.pool);
        mailq->previous = before;
        code = mailq_each_thread(mailq, look_at);
        if (code != 0)
            break;
        tell_gone(&follow, before, follow.pool);
        fflush(stdout);
        apr_pool_destroy(old);
        old = follow.pool;
        before = follow.states;
        apr_sleep(PAUSE);
    }
    mailq->baton = NULL;
    return code;
}
