#include "ta/agent/agent.h"

#include <string.h>

#include "mta/conf/site.h"
#include "platform/control.h"

static void pump(void *baton);
static void on_flush(zm_timer_t *timer, void *baton);

/* -- opening --------------------------------------------------------------- */

static void on_control(zm_control_t event, void *baton)
{
    zm_agent_t *agent = baton;
    if (event != ZM_CONTROL_STOP && event != ZM_CONTROL_SLOW_STOP && event != ZM_CONTROL_REOPEN)
        return;
    agent->stopping = true;
    if (agent->options.on_stop != NULL)
        agent->options.on_stop(agent, agent->options.baton);
}

static void read_site(zm_agent_t *agent)
{
    const char *tabs = zm_zenv_get(agent->zenv, "RFC822TABS");
    const char *log = zm_zenv_get(agent->zenv, "SYSLOGFLG");
    agent->keep_tabs = tabs != NULL && tabs[0] != '\0' && tabs[0] != '0';
    agent->for_clause = zm_zenv_get(agent->zenv, "NORECEIVEDFORCLAUSE") == NULL;
    if (log == NULL || strchr(log, 'T') != NULL)
        agent->log_style = 'T';
    else if (strchr(log, 't') != NULL)
        agent->log_style = 't';
}

static apr_status_t open_spool(zm_agent_t *agent, zm_error_t *error)
{
    if (agent->options.spool != NULL) {
        agent->spool = agent->options.spool;
        return APR_SUCCESS;
    }
    return zm_site_spool(&agent->spool, agent->zenv, NULL, agent->pool, error);
}

static apr_status_t open_loop(zm_agent_t *agent, zm_error_t *error)
{
    apr_status_t status;
    if (agent->options.loop != NULL) {
        agent->loop = agent->options.loop;
        return APR_SUCCESS;
    }
    status = zm_loop_create(&agent->loop, agent->pool);
    if (status == APR_SUCCESS)
        status = zm_control_listen(agent->loop, on_control, agent);
    if (status != APR_SUCCESS)
        zm_error_system(error, status, "cannot make an event loop");
    return status;
}

apr_status_t zm_agent_open(zm_agent_t **result, const zm_agent_options_t *options, apr_pool_t *pool,
                           zm_error_t *error)
{
    zm_agent_t *agent = apr_pcalloc(pool, sizeof *agent);
    apr_status_t status = APR_SUCCESS;
    agent->pool = pool;
    agent->options = *options;
    agent->name = options->name;
    agent->channel = options->channel;
    agent->sticky = options->sticky;
    agent->zenv = options->zenv;
    if (options->host != NULL)
        zm_buf_add_c(&agent->host, options->host);
    if (agent->zenv == NULL)
        status = zm_zenv_load(&agent->zenv, NULL, pool, error);
    if (status != APR_SUCCESS)
        return status;
    read_site(agent);
    status = open_loop(agent, error);
    if (status == APR_SUCCESS)
        status = open_spool(agent, error);
    if (status != APR_SUCCESS)
        return status;
    zm_timer_init(&agent->flush, agent->loop, on_flush, agent);
    status = zm_channel_open(&agent->lines, options->socket, agent->loop, pump, agent, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot use standard input and output");
    agent->counters = zm_counters_open(agent->zenv, false, pool);
    zm_agent_count(agent, ZM_AGENT_STARTS, 1);
    zm_agent_count(agent, ZM_AGENT_PROCESSES, 1);
    *result = agent;
    return APR_SUCCESS;
}

void zm_agent_count(zm_agent_t *agent, zm_agent_counter_t which, int64_t more)
{
    zm_counter_add(agent->counters, zm_counter_of_agent(agent->name, which), more);
}

/* -- output ---------------------------------------------------------------- */

zm_buf_t *zm_agent_output(zm_agent_t *agent)
{
    return zm_channel_output(agent->lines);
}

void zm_agent_flush(zm_agent_t *agent)
{
    /* A scheduler that is gone ends us through end of input. */
    if (agent->options.on_job == NULL)
        zm_channel_flush(agent->lines, true);
    else if (!zm_timer_is_set(&agent->flush))
        zm_timer_set(&agent->flush, 0);
}

static void on_flush(zm_timer_t *timer, void *baton)
{
    zm_agent_t *agent = baton;
    (void)timer;
    zm_channel_flush(agent->lines, false);
}

static void say(zm_agent_t *agent, const char *verb, zm_str_t path)
{
    zm_buf_t *out = zm_agent_output(agent);
    zm_buf_add_c(out, verb);
    if (path.length > 0) {
        zm_buf_add_byte(out, ' ');
        zm_buf_add_str(out, path);
    }
    zm_buf_add_byte(out, '\n');
    zm_agent_flush(agent);
}

void zm_agent_resync(zm_agent_t *agent, zm_str_t path)
{
    say(agent, "#resync", path);
}

void zm_agent_note(zm_agent_t *agent, const char *format, ...)
{
    zm_buf_t *out = zm_agent_output(agent);
    va_list arguments;
    apr_size_t start;
    zm_buf_add_c(out, "# ");
    zm_buf_add_c(out, agent->name);
    zm_buf_add_c(out, ": ");
    start = out->length;
    va_start(arguments, format);
    zm_buf_vprintf(out, format, arguments);
    va_end(arguments);
    for (; start < out->length; start++)
        if (out->data[start] == '\n' || out->data[start] == '\r' || out->data[start] == '\0')
            out->data[start] = ' ';
    zm_buf_add_byte(out, '\n');
    zm_agent_flush(agent);
}

apr_status_t zm_agent_keyword(void *target, const char *word, zm_error_t *error)
{
    if (strcmp(word, "strict-3.0") != 0)
        return zm_error_set(error, ZM_E_SYNTAX, "-O %s: unknown", word);
    *(bool *)target = true;
    return APR_SUCCESS;
}

void zm_agent_fail(zm_agent_t *agent, int exit_code)
{
    agent->exit_code = exit_code;
    agent->stopping = true;
}

/* -- input ----------------------------------------------------------------- */

/* The next line of work; #idle lines are answered here.  APR_EOF, APR_EAGAIN. */
static apr_status_t take_job(zm_agent_t *agent, zm_job_line_t *job)
{
    zm_str_t line, host;
    for (;;) {
        apr_status_t status = zm_channel_line(agent->lines, &line);
        if (status != APR_SUCCESS)
            return status == APR_EAGAIN ? APR_EAGAIN : APR_EOF;
        if (line.length == 0)
            return APR_EOF;
        if (!zm_str_equal(line, ZM_S("#idle")))
            break;
        zm_agent_count(agent, ZM_AGENT_IDLE_STATES, 1);
        say(agent, "#hungry", ZM_S(""));
    }
    zm_agent_count(agent, ZM_AGENT_MESSAGES, 1);
    zm_buf_clear(&agent->line);
    zm_buf_add_str(&agent->line, line);
    job->with_host = zm_str_cut(zm_buf_str(&agent->line), '\t', &job->path, &host);
    if (job->with_host) {
        zm_buf_clear(&agent->host);
        zm_buf_add_str(&agent->host, host);
    }
    job->host = zm_buf_str(&agent->host);
    return APR_SUCCESS;
}

apr_status_t zm_agent_next(zm_agent_t *agent, zm_job_line_t *job)
{
    if (agent->stopping)
        return APR_EOF;
    say(agent, "#hungry", ZM_S(""));
    while (!agent->stopping) {
        apr_status_t status = take_job(agent, job);
        if (status != APR_EAGAIN)
            return status;
        if (zm_loop_once(agent->loop, -1) != APR_SUCCESS)
            return APR_EOF;
    }
    return APR_EOF;
}

/* Called when input has arrived: gives out all that can be given. */
static void pump(void *baton)
{
    zm_agent_t *agent = baton;
    zm_job_line_t job;
    if (agent->options.on_job == NULL)
        return;
    while (!agent->ended && !agent->stopping) {
        apr_status_t status = take_job(agent, &job);
        if (status == APR_EAGAIN)
            return;
        if (status != APR_SUCCESS) {
            agent->ended = true;
            return;
        }
        agent->running++;
        agent->options.on_job(agent, &job, agent->options.baton);
    }
}

void zm_agent_serve(zm_agent_t *agent)
{
    if (agent->options.jobs > 1)
        zm_buf_printf(zm_agent_output(agent), "#multi %d\n", agent->options.jobs);
    say(agent, "#hungry", ZM_S(""));
    pump(agent);
    while (!(agent->ended || agent->stopping) || agent->running > 0)
        if (zm_loop_once(agent->loop, -1) != APR_SUCCESS)
            return;
}

void zm_agent_done(zm_agent_t *agent, zm_str_t path, zm_str_t host, bool with_host)
{
    zm_buf_t *out = zm_agent_output(agent);
    zm_buf_add_c(out, "#hungry ");
    zm_buf_add_str(out, path);
    if (with_host) {
        zm_buf_add_byte(out, '\t');
        zm_buf_add_str(out, host);
    }
    zm_buf_add_byte(out, '\n');
    agent->running--;
    zm_agent_flush(agent);
}

int zm_agent_end(zm_agent_t *agent)
{
    zm_agent_count(agent, ZM_AGENT_PROCESSES, -1);
    zm_timer_cancel(&agent->flush);
    zm_channel_flush(agent->lines, true);
    zm_channel_close(agent->lines);
    if (agent->options.spool == NULL)
        zm_spool_close(agent->spool);
    zm_buf_free(&agent->host);
    zm_buf_free(&agent->line);
    return agent->exit_code;
}
