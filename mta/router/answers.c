#include "mta/router/answers.h"

#include <apr_hash.h>

#include "platform/clock.h"

typedef struct answer_t {
    zm_str_t text;
    apr_time_t until;
} answer_t;

/*
 * Two generations: when the young one is full or as old as an answer may become,
 * it takes the place of the old one, whose memory is given back whole.
 */
typedef struct generation_t {
    apr_pool_t *pool;
    apr_hash_t *table;
    apr_time_t began;
} generation_t;

struct router_answers_t {
    generation_t young, old;
};

static void begin(generation_t *generation)
{
    apr_pool_clear(generation->pool);
    generation->table = apr_hash_make(generation->pool);
    generation->began = zm_clock_monotonic();
}

router_answers_t *router_answers_create(apr_pool_t *pool)
{
    router_answers_t *answers = apr_pcalloc(pool, sizeof *answers);
    apr_pool_create(&answers->young.pool, pool);
    apr_pool_create(&answers->old.pool, pool);
    router_answers_forget(answers);
    return answers;
}

void router_answers_forget(router_answers_t *answers)
{
    begin(&answers->young);
    begin(&answers->old);
}

static void turn(router_answers_t *answers)
{
    generation_t old = answers->old;
    if (apr_hash_count(answers->young.table) < ROUTER_ANSWERS / 2 &&
        zm_clock_monotonic() - answers->young.began < ROUTER_ANSWER_LIFE)
        return;
    answers->old = answers->young;
    answers->young = old;
    begin(&answers->young);
}

static const answer_t *look(const generation_t *generation, zm_str_t question)
{
    const answer_t *answer =
        apr_hash_get(generation->table, question.data, (apr_ssize_t)question.length);
    return answer != NULL && zm_clock_monotonic() < answer->until ? answer : NULL;
}

bool router_answers_find(router_answers_t *answers, zm_str_t question, zm_str_t *answer)
{
    const answer_t *found = look(&answers->young, question);
    if (found == NULL)
        found = look(&answers->old, question);
    if (found != NULL)
        *answer = found->text;
    return found != NULL;
}

/* Whether each of its lines says yes or no for good. */
static bool is_final(zm_str_t answer)
{
    zm_str_t line;
    bool more = answer.length > 0;
    while (more) {
        more = zm_str_cut(answer, '\n', &line, &answer);
        if (line.length > 0 && line.data[0] != '2' && line.data[0] != '5')
            return false;
    }
    return true;
}

void router_answers_keep(router_answers_t *answers, zm_str_t question, zm_str_t answer)
{
    answer_t *kept;
    zm_str_t key;
    if (answer.length == 0 || question.length + answer.length > ROUTER_ANSWER_SIZE ||
        !is_final(answer))
        return;
    turn(answers);
    kept = apr_palloc(answers->young.pool, sizeof *kept);
    key = zm_str_copy(answers->young.pool, question);
    kept->text = zm_str_copy(answers->young.pool, answer);
    kept->until = zm_clock_monotonic() + ROUTER_ANSWER_LIFE;
    apr_hash_set(answers->young.table, key.data, (apr_ssize_t)key.length, kept);
}
