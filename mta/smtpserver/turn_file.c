#include "mta/smtpserver/turn_file.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/mailqsock.h"
#include "platform/child.h"
#include "spool/layout.h"

/* A file on its way to transport/NUMBER-etrn. */
typedef struct filing_t {
    turn_filed_fn *done;
    void *baton;
} filing_t;

static void on_published(apr_status_t status, const zm_published_t *published, void *baton)
{
    filing_t filing = *(filing_t *)baton;
    (void)published;
    free(baton);
    filing.done(status, filing.baton);
}

/* The dot keeps the scheduler from looking at it before it is complete. */
static apr_status_t create(zm_object_t **object, zm_spool_t *spool)
{
    static unsigned number;
    char scratch[64];
    zm_create_options_t options = {
        .directory = ZM_DIR_TRANSPORT, .scratch = scratch, .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    apr_snprintf(scratch, sizeof scratch, "..etrn-%" APR_INT64_T_FMT ".%u", zm_process_own(),
                 number++);
    return zm_object_create(object, spool, &options);
}

static void file(void *baton, zm_str_t content, turn_filed_fn *done, void *done_baton)
{
    zm_target_t target = {.directory = ZM_DIR_TRANSPORT, .suffix = "-etrn"};
    filing_t *filing = calloc(1, sizeof *filing);
    zm_object_t *object = NULL;
    apr_status_t status = filing != NULL ? create(&object, baton) : APR_ENOMEM;
    if (status == APR_SUCCESS)
        status = zm_object_write(object, content.data, content.length);
    if (status != APR_SUCCESS) {
        if (object != NULL)
            zm_object_discard(object);
        free(filing);
        done(status, done_baton);
        return;
    }
    filing->done = done;
    filing->baton = done_baton;
    zm_object_publish(object, &target, on_published, filing);
}

/* The scheduler of this host, which lets nobody start deliveries unless its accounts say otherwise.
 */
static const apr_array_header_t *own_node(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    apr_array_header_t *nodes = apr_array_make(pool, 1, sizeof(config_node_t));
    config_node_t *node = apr_array_push(nodes);
    const char *file = apr_pstrcat(pool, zm_zenv_mailshare(zenv), "/scheduler.conf", NULL);
    zm_mailqsock_t sock;
    memset(node, 0, sizeof *node);
    node->host = "localhost";
    node->user = node->password = "nobody";
    if (zm_mailqsock_parse(&sock, zm_mailqsock_configured(file, zenv, pool), pool) != APR_SUCCESS) {
        sock.path = NULL;
        sock.port = ZM_MAILQ_PORT;
    }
    node->path = sock.path;
    node->port = sock.port;
    return nodes;
}

turns_t *turn_file_turns(zm_spool_t *spool, zm_loop_t *loop, const char *hostname,
                         const config_t *config, const zm_zenv_t *zenv, apr_pool_t *pool)
{
    turns_options_t options = {
        .hostname = hostname, .nodes = config->nodes, .file = file, .baton = spool};
    if (config->nodes->nelts == 0) {
        options.nodes = own_node(zenv, pool);
        options.quiet = true;
    }
    return turns_create(loop, &options, pool);
}
