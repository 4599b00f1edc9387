#include "mta/smtpserver/program.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/conf/site.h"
#include "mta/map/policy.h"
#include "mta/smtpserver/filter.h"
#include "mta/smtpserver/hook.h"
#include "mta/smtpserver/localnames.h"
#include "mta/smtpserver/mailconf.h"
#include "mta/smtpserver/turn_file.h"
#include "platform/fs.h"
#include "platform/log.h"
#include "platform/sandbox.h"
#include "platform/service.h"
#include "spool/layout.h"

/* -- configuration ---------------------------------------------------------------------- */

apr_status_t program_config(const program_t *program, config_t **config, apr_pool_t *pool)
{
    const arguments_t *arguments = &program->arguments;
    config_options_t options = {.zenv = program->zenv,
                                .max_size = arguments->max_size,
                                .port = arguments->port,
                                .family = arguments->ipv4   ? 4
                                          : arguments->ipv6 ? 6
                                                            : 0,
                                .style = arguments->style};
    return config_load(config, program->config_file, &options, pool);
}

const char *program_database_problem(const program_t *program, const config_t *config, int number)
{
    const config_group_t *group = APR_ARRAY_IDX(config->groups, number, config_group_t *);
    zm_map_options_t options = {.file = group->policy_file};
    zm_policy_answer_t answer = {.reason = NULL};
    zm_error_t error = {0};
    zm_map_t *map;
    zm_ip_t ip = {4, {127, 0, 0, 1}};
    if (group->policy_type == NULL ||
        (zm_map_create(&map, group->policy_type, &options, program->pool, &error) == APR_SUCCESS &&
         zm_policy_ip(&answer, map, 0, &ip, program->pool) != ZM_MAP_FAILED))
        return NULL;
    return apr_psprintf(program->pool,
                        "the policy database %s cannot be read (%s), so all clients are turned "
                        "away; \"zmailer newdb\" makes it",
                        group->policy_file, answer.reason != NULL ? answer.reason : error.text);
}

/* -- logs --------------------------------------------------------------------------------- */

const char *program_log_file(const program_t *program)
{
    const arguments_t *arguments = &program->arguments;
    if (arguments->log != NULL)
        return arguments->log;
    if (arguments->foreground || arguments->debug >= 2)
        return NULL;
    return apr_pstrcat(program->pool, zm_zenv_logdir(program->zenv), "/smtpserver.log", NULL);
}

const char *program_session_log(const program_t *program, apr_pool_t *pool)
{
    const arguments_t *arguments = &program->arguments;
    mailconf_t mailconf = {0};
    zm_error_t error;
    if (arguments->session_log == NULL || arguments->suffix == NULL ||
        strcmp(arguments->suffix, "local") != 0)
        return arguments->session_log;
    (void)mailconf_read(&mailconf, program->zenv, pool, &error); /* the system's name then */
    return apr_pstrcat(pool, arguments->session_log, ".",
                       mailconf_hostname(&mailconf, program->zenv, pool), NULL);
}

apr_status_t program_open_log(const program_t *program, zm_error_t *error)
{
    const arguments_t *arguments = &program->arguments;
    zm_log_options_t options = {.program = "smtpserver",
                                .file = program_log_file(program),
                                .level = arguments->debug > 0 ? ZM_LOG_DEBUG : ZM_LOG_INFO,
                                .system = arguments->session_syslog};
    return zm_log_open(&options, error);
}

/* -- other processes of this program ------------------------------------------------------- */

const char *const *program_command(const program_t *program, const char *word, const char *value,
                                   apr_pool_t *pool)
{
    const arguments_t *arguments = &program->arguments;
    apr_array_header_t *argv = apr_array_make(pool, arguments->argc + 3, sizeof(const char *));
    const char *self;
    int i;
    if (zm_service_program(&self, pool) != APR_SUCCESS)
        self = arguments->argv[0];
    APR_ARRAY_PUSH(argv, const char *) = self;
    for (i = 1; i < arguments->argc; i++)
        APR_ARRAY_PUSH(argv, const char *) = arguments->argv[i];
    if (word != NULL)
        APR_ARRAY_PUSH(argv, const char *) = word;
    if (value != NULL)
        APR_ARRAY_PUSH(argv, const char *) = value;
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    return (const char *const *)argv->elts;
}

/* -- giving up rights --------------------------------------------------------------------- */

zm_credentials_t program_account(const program_t *program)
{
    zm_credentials_t who = zm_site_trusted(program->zenv, program->pool);
    zm_user_t *user;
    if (who.uid == ZM_UID_NONE || who.uid == 0)
        who = zm_identity_nobody(NULL, program->pool);
    else if (zm_user_by_uid(&user, who.uid, program->pool) == APR_SUCCESS)
        who.gid = user->gid;
    if (who.gid == ZM_UID_NONE)
        who.gid = zm_identity_nobody(NULL, program->pool).gid;
    return who;
}

void program_give_freezer(const program_t *program)
{
    zm_spool_t *spool;
    zm_error_t error = {0};
    apr_status_t status;
    if (!zm_identity_privileged())
        return;
    status = zm_site_spool(&spool, program->zenv, NULL, program->pool, &error);
    if (status == APR_SUCCESS) {
        status = zm_spool_own_directory(spool, ZM_DIR_FREEZER, program_account(program).uid);
        zm_spool_close(spool);
    }
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_WARNING, NULL, "messages cannot be put aside", ZM_F_S("into", ZM_DIR_FREEZER),
               ZM_F_E("reason", status));
}

static const char *inspection_path(const program_t *program)
{
    return apr_pstrcat(program->pool, zm_zenv_postoffice(program->zenv), "/.inspect", NULL);
}

void program_make_inspection(const program_t *program)
{
    const char *path = inspection_path(program);
    zm_file_t *directory;
    zm_spool_t *spool;
    zm_error_t error = {0};
    bool native;
    apr_status_t status = zm_site_spool(&spool, program->zenv, NULL, program->pool, &error);
    if (status != APR_SUCCESS)
        return; /* the workers tell */
    native = strcmp(zm_spool_engine_name(spool), "native") == 0;
    zm_spool_close(spool);
    if (native)
        return;
    status = zm_dir_make_all(path, 0700, program->pool);
    if (status == APR_SUCCESS && zm_identity_privileged())
        status = zm_dir_handle(&directory, NULL, path, program->pool);
    if (status == APR_SUCCESS && zm_identity_privileged()) {
        status = zm_file_set_owner(directory, program_account(program).uid, ZM_UID_NONE);
        (void)zm_file_close(directory);
    }
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_WARNING, NULL, "content filters cannot be asked", ZM_F_S("directory", path),
               ZM_F_E("reason", status));
    filter_sweep(path, program->pool);
}

apr_status_t program_drop_rights(const program_t *program, zm_error_t *error)
{
    zm_credentials_t who;
    apr_status_t status;
    if (!zm_identity_privileged())
        return APR_SUCCESS;
    who = program_account(program);
    status = zm_identity_become(&who, error);
    if (status == ZM_E_UNSUPPORTED || APR_STATUS_IS_ENOTIMPL(status)) {
        zm_log(ZM_LOG_WARNING, NULL, "rights are kept", ZM_F_S("reason", error->text));
        return APR_SUCCESS;
    }
    return status;
}

/* The directories that may be read: those of policy databases, and where systems keep what
 * /etc/resolv.conf is a link to, among them. */
static const char *const *readable(const program_t *program, const config_t *config)
{
    static const char *const always[] = {"/etc", "/usr/share/zoneinfo", "/run/systemd/resolve",
                                         "/run/resolvconf", "/run/NetworkManager"};
    apr_array_header_t *list = apr_array_make(program->pool, 8, sizeof(const char *));
    apr_size_t k;
    int i;
    APR_ARRAY_PUSH(list, const char *) = zm_zenv_mailvar(program->zenv);
    APR_ARRAY_PUSH(list, const char *) = zm_zenv_mailshare(program->zenv);
    for (k = 0; k < sizeof always / sizeof always[0]; k++)
        APR_ARRAY_PUSH(list, const char *) = always[k];
    for (i = 0; i < config->groups->nelts; i++) {
        const char *file = APR_ARRAY_IDX(config->groups, i, config_group_t *)->policy_file;
        const char *end = file != NULL ? strrchr(file, '/') : NULL;
        if (end != NULL && end != file)
            APR_ARRAY_PUSH(list, const char *) =
                apr_pstrndup(program->pool, file, (apr_size_t)(end - file));
    }
    APR_ARRAY_PUSH(list, const char *) = NULL;
    return (const char *const *)(const void *)list->elts;
}

apr_status_t program_confine(const program_t *program, const config_t *config, zm_error_t *error)
{
    const zm_zenv_t *zenv = program->zenv;
    const char *write[] = {zm_zenv_postoffice(zenv), zm_zenv_logdir(zenv), NULL};
    const zm_sandbox_t allowed = {
        .read = readable(program, config), .write = write, .network = true};
    apr_status_t status = program_drop_rights(program, error);
    if (status != APR_SUCCESS)
        return status;
    status = zm_sandbox_enter(&allowed, error);
    return status == ZM_E_UNSUPPORTED ? APR_SUCCESS : status;
}

/* -- the server ------------------------------------------------------------------------------ */

static const char *const *own_addresses(const zm_zenv_t *zenv, apr_pool_t *pool)
{
    apr_array_header_t *list = apr_array_make(pool, 4, sizeof(const char *));
    zm_str_t rest = zm_str(zm_zenv_get_or(zenv, "SELFADDRESSES", "")), word;
    bool more = rest.length > 0;
    while (more) {
        more = zm_str_cut(rest, ',', &word, &rest);
        APR_ARRAY_PUSH(list, const char *) = zm_str_c(pool, zm_str_trim(word));
    }
    APR_ARRAY_PUSH(list, const char *) = NULL;
    return (const char *const *)list->elts;
}

/* Without a resolver clients have no names.  A program on standard input needs none, unless the
 * policy is tried out. */
static void make_resolver(const program_t *program, server_t *server)
{
    const arguments_t *arguments = &program->arguments;
    zm_error_t error = {0};
    if (arguments->interactive &&
        (arguments->pretend.ip.family == 0 || server->config->standard->policy_type == NULL))
        return;
    if (zm_dns_create(&server->dns, server->loop, NULL, &error) == APR_SUCCESS)
        return;
    server->dns = NULL;
    zm_log(ZM_LOG_WARNING, NULL, "no resolver", ZM_F_S("reason", error.text));
}

static apr_status_t make_policy(server_t *server, const zm_zenv_t *zenv, const mailconf_t *mailconf,
                                apr_pool_t *pool, zm_error_t *error)
{
    const apr_array_header_t *groups = server->config->groups;
    policy_database_t *databases = apr_pcalloc(pool, (apr_size_t)groups->nelts * sizeof *databases);
    policy_options_t options = {.percent_hack = server->config->percent_hack,
                                .hostname = server->hostname,
                                .accept_unknown = server->config->accept_unknown,
                                .databases = databases,
                                .database_count = groups->nelts,
                                .dns = server->dns,
                                .loop = server->loop,
                                .own = own_addresses(zenv, pool)};
    int i;
    const char **fallback = apr_pcalloc(pool, 3 * sizeof *fallback);
    const char *directory = apr_pstrcat(pool, zm_zenv_mailvar(zenv), "/db", NULL);
    apr_status_t status;
    for (i = 0; i < groups->nelts; i++) {
        const config_group_t *group = APR_ARRAY_IDX(groups, i, config_group_t *);
        databases[i] = (policy_database_t){group->policy_type, group->policy_file};
    }
    fallback[0] = server->hostname;
    fallback[1] = mailconf->mydomain;
    status = localnames_open(&options.names, directory, fallback, options.own, pool, error);
    return status != APR_SUCCESS ? status : policy_create(&server->policy, &options, pool);
}

static bool is_alone(const program_t *program)
{
    return program->arguments.interactive || program->arguments.inetd;
}

static void make_filters(const program_t *program, server_t *server, apr_pool_t *pool)
{
    const config_filter_t *filter = &server->config->filter;
    filters_options_t options = {
        .loop = server->loop, .socket = filter->socket, .copies = inspection_path(program)};
    if (filter->program == NULL && filter->socket == NULL)
        return;
    if (filter->program != NULL)
        options.desk = inquiries_create(server->loop, program_desk_path(program, CLERK_FILTER),
                                        is_alone(program) ? 0 : INQUIRY_ATTACH, pool);
    server->filters = filters_create(&options, pool);
}

static void make_hooks(server_t *server, apr_pool_t *pool)
{
    const apr_array_header_t *groups = server->config->groups;
    int i;
    server->hooks = apr_pcalloc(pool, (apr_size_t)(groups->nelts + 1) * sizeof(hook_t *));
    for (i = 0; i < groups->nelts; i++) {
        const config_group_t *group = APR_ARRAY_IDX(groups, i, config_group_t *);
        if (group->hook != NULL)
            server->hooks[i] = hook_create(server->loop, server->dns, group->hook, pool);
    }
}

apr_status_t program_server(const program_t *program, server_t *server, const config_t *config,
                            zm_loop_t *loop, apr_pool_t *pool, zm_error_t *error)
{
    const arguments_t *arguments = &program->arguments;
    const zm_zenv_t *zenv = program->zenv;
    const char *syslog = zm_zenv_get_or(zenv, "SYSLOGFLG", "");
    mailconf_t mailconf;
    zm_spool_t *spool;
    apr_status_t status = mailconf_read(&mailconf, zenv, pool, error);
    if (status != APR_SUCCESS)
        return status;
    server->loop = loop;
    server->config = config;
    server->hostname = mailconf_hostname(&mailconf, zenv, pool);
    server->batch = arguments->batch;
    server->gullible = arguments->gullible;
    server->helo_check = arguments->helo_check;
    server->strictness = arguments->strictness;
    server->style = arguments->style;
    server->max_load = arguments->max_load;
    server->syslog = strpbrk(syslog, "Ss") != NULL;
    make_resolver(program, server);
    status = apr_pool_create(&server->scratch_pool, pool);
    if (status == APR_SUCCESS)
        status = make_policy(server, zenv, &mailconf, pool, error);
    if (status != APR_SUCCESS)
        return status;
    status = zm_site_spool(&spool, zenv, loop, pool, error);
    if (status != APR_SUCCESS)
        return status;
    server->submitter = apr_pcalloc(pool, sizeof *server->submitter);
    zm_site_submitter(server->submitter, zenv, spool, pool);
    space_init(&server->space, spool, (uint64_t)config->min_space * 1024);
    server->turns = turn_file_turns(spool, loop, server->hostname, config, zenv, pool);
    if (config->router)
        server->inquiries = inquiries_create(loop, program_desk_path(program, CLERK_ROUTER),
                                             is_alone(program) ? 0 : INQUIRY_ATTACH, pool);
    make_filters(program, server, pool);
    make_hooks(server, pool);
    if (config_wants_auth(config) && !is_alone(program))
        server->verifiers = inquiries_create(loop, program_desk_path(program, CLERK_VERIFIER),
                                             INQUIRY_ATTACH, pool);
    return APR_SUCCESS;
}

void program_server_end(server_t *server)
{
    int i;
    inquiries_close(server->inquiries);
    filters_close(server->filters);
    for (i = 0; server->hooks != NULL && i < server->config->groups->nelts; i++)
        hook_close(server->hooks[i]);
    inquiries_close(server->verifiers);
    turns_close(server->turns);
    if (server->dns != NULL)
        zm_dns_destroy(server->dns);
    if (server->submitter != NULL)
        zm_spool_close(server->submitter->spool);
    journal_close(server->journal);
    zm_buf_free(&server->scratch);
    zm_buf_free(&server->text);
    zm_buf_free(&server->line);
}
