/*
 * What an agent may say to the scheduler: lines of any kind, while a few jobs
 * wait.  A line of one byte moves things on: 'a' adds a job, 't' lets a minute
 * pass, 'g' ends the agent.
 *
 * Counts agree at every step: recipients in the queue with those of its jobs,
 * agents with the limit; and all can be taken down in the end.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scheduler_life.h"

static void step(life_t *life, zm_str_t line, apr_size_t turn)
{
    zm_scheduler_tick(life->scheduler);
    if (zm_str_equal_c(line, "a")) {
        life_add_job(life);
    } else if (zm_str_equal_c(line, "t")) {
        life_pass(life);
    } else if (life->agent_count > 0) {
        int number = (int)(turn % (unsigned)life->agent_count);
        if (zm_str_equal_c(line, "g"))
            life_agent_gone(life, number);
        else
            zm_ta_line(life->scheduler, life->agents[number], line);
    }
    zm_scheduler_settle(life->scheduler);
    life_check(life);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_str_t rest = zm_str_of((const char *)data, size), line;
    life_t life = {0};
    apr_size_t turn = 0;

    life_open(&life, fuzz_pool());
    while (rest.length > 0) {
        zm_str_t after = ZM_S("");
        zm_str_cut(rest, '\n', &line, &after);
        step(&life, line, turn++);
        rest = after;
    }
    life_close(&life);
    return 0;
}
