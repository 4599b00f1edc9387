#include "ta/smtp/smtp.h"

#include <apr_strings.h>

#include "platform/child.h"
#include "ta/smtp/lane.h"
#include "ta/smtp/log.h"
#include "ta/smtp/sign.h"
#include "ta/smtp/tls_client.h"

static void on_job(zm_agent_t *agent, const zm_job_line_t *line, void *baton)
{
    if (line->host.length == 0) {
        zm_agent_note(agent, "no host given for %.*s", (int)line->path.length, line->path.data);
        zm_agent_done(agent, line->path, line->host, line->with_host);
        return;
    }
    zm_lanes_feed(baton, line);
}

static void on_stop(zm_agent_t *agent, void *baton)
{
    (void)agent;
    zm_lanes_interrupt(baton);
}

apr_status_t zm_smtp_open(zm_smtp_t *smtp, zm_smtp_options_t *options, zm_agent_options_t *agent,
                          apr_pool_t *pool, zm_error_t *error)
{
    zm_dns_options_t dns = {0};
    apr_status_t status;
    *smtp = (zm_smtp_t){0};
    smtp->options = options;
    smtp->lanes = apr_hash_make(pool);
    smtp->identity = apr_psprintf(pool, "smtp[%" APR_INT64_T_FMT "]", zm_process_own());
    agent->name = "smtp";
    agent->channel = options->channel;
    agent->host = options->host;
    agent->jobs = options->jobs;
    agent->on_job = on_job;
    agent->on_stop = on_stop;
    agent->baton = smtp;
    status = zm_agent_open(&smtp->agent, agent, pool, error);
    if (status == APR_SUCCESS)
        status = zm_smtp_site(options, smtp->agent->zenv, pool, error);
    if (status != APR_SUCCESS)
        return status;
    smtp->loop = smtp->agent->loop;
    if (options->log != NULL) {
        status = zm_protocol_log_open(&smtp->log, options->log, pool);
        if (status != APR_SUCCESS)
            return zm_error_system(error, status, "cannot open the log %s", options->log);
    }
    smtp->signing = zm_signing_open(options, smtp->agent, pool);
    zm_tls_client_open(&smtp->tls, options, smtp->agent);
    dns.dnssec = zm_tls_client_needs_proof(smtp->tls);
    status = zm_dns_create(&smtp->dns, smtp->loop, &dns, error);
    if (status == APR_SUCCESS && dns.dnssec && !zm_dns_trusted(smtp->dns))
        zm_tls_client_tell(smtp->tls, ZM_LOG_WARNING,
                           "the name servers are not trusted to tell what DNSSEC proves, so there "
                           "is no DANE: see tls-dane in smtp-tls.conf(5)");
    return status;
}

int zm_smtp_run(zm_smtp_t *smtp)
{
    zm_agent_serve(smtp->agent);
    return zm_smtp_close(smtp);
}

int zm_smtp_close(zm_smtp_t *smtp)
{
    zm_lanes_close(smtp);
    zm_dns_destroy(smtp->dns);
    zm_servers_free(&smtp->no_bdat);
    zm_buf_free(&smtp->scratch);
    return zm_agent_end(smtp->agent);
}
