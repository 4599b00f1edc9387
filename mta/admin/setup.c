#include "mta/admin/setup.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/options.h"
#include "platform/exec.h"
#include "platform/fs.h"
#include "platform/service.h"
#include "spool/layout.h"
#include "spool/spool.h"

enum { EXIT_FAILED = 1 };

/* -- what was said ------------------------------------------------------------------------- */

static bool is_alnum(char c)
{
    return zm_is_digit((unsigned char)c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* These are written into files that scripts read. */
static bool is_plain(const char *text, const char *more)
{
    for (; *text != '\0'; text++)
        if (!is_alnum(*text) && strchr(more, *text) == NULL && (unsigned char)*text < 128)
            return false;
    return true;
}

static bool is_variable(const char *text)
{
    const char *sign = strchr(text, '='), *at;
    if (sign == NULL || sign == text || zm_is_digit((unsigned char)*text))
        return false;
    for (at = text; at < sign; at++)
        if (!is_alnum(*at) && *at != '_')
            return false;
    for (at = sign + 1; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || strchr("\"'\\`", *at) != NULL)
            return false;
    return true;
}

static apr_status_t check_options(const setup_options_t *options, zm_error_t *error)
{
    const instance_options_t *said = options->instance;
    int i;
    if (said->hostname != NULL && (*said->hostname == '\0' || !is_plain(said->hostname, ".-")))
        return zm_error_set(error, ZM_E_SYNTAX, "--hostname \"%s\": expected a name such as %s",
                            said->hostname, "mx.example.org");
    if (said->smart_host != NULL && !is_plain(said->smart_host, ".-:[]"))
        return zm_error_set(error, ZM_E_SYNTAX,
                            "--smart-host \"%s\": expected a name or [ADDRESS]:PORT",
                            said->smart_host);
    if (said->local_domains != NULL && !is_plain(said->local_domains, ".-, "))
        return zm_error_set(error, ZM_E_SYNTAX,
                            "--local-domains \"%s\": expected domains with commas between them",
                            said->local_domains);
    if (options->postmaster != NULL &&
        (*options->postmaster == '\0' || !is_plain(options->postmaster, ".-_+@, ")))
        return zm_error_set(error, ZM_E_SYNTAX, "--postmaster \"%s\": expected addresses",
                            options->postmaster);
    for (i = 0; i < options->variables->nelts; i++)
        if (!is_variable(APR_ARRAY_IDX(options->variables, i, const char *)))
            return zm_error_set(error, ZM_E_SYNTAX,
                                "--set \"%s\": expected NAME=VALUE without quotes",
                                APR_ARRAY_IDX(options->variables, i, const char *));
    return APR_SUCCESS;
}

/* An answer at the terminal; null: just Enter. */
static const char *ask(const setup_t *setup, const char *question, const char *now)
{
    char line[512];
    zm_str_t text;
    printf("%s [%s]: ", question, now != NULL ? now : "");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        return NULL;
    text = zm_str_trim(zm_str(line));
    return text.length > 0 ? zm_str_c(setup->pool, text) : NULL;
}

static void ask_all(const setup_t *setup, setup_options_t *options)
{
    instance_options_t *said = options->instance;
    if (said->hostname == NULL)
        said->hostname = ask(setup, "Our host name", setup->hostname);
    if (said->local_domains == NULL)
        said->local_domains =
            ask(setup, "Further domains whose mail is delivered here (a,b)", NULL);
    if (said->smart_host == NULL)
        said->smart_host = ask(setup, "Send all other mail to (Enter: where DNS says)", NULL);
    if (options->postmaster == NULL)
        options->postmaster = ask(setup, "Who gets the postmaster's mail (Enter: as it is)", NULL);
}

/* -- zmailer.conf ---------------------------------------------------------------------------- */

/* The file that programs will find, whether it is there or to be made. */
static const char *find_file(const setup_t *setup, const zm_zenv_options_t *where, bool *there)
{
    const char *own = apr_pstrcat(setup->pool, setup->prefix, "/etc/zmailer/zmailer.conf", NULL);
    const char *common = "/etc/zmailer/zmailer.conf";
    zm_file_info_t info;
    if (where->file != NULL || where->root != NULL)
        own = where->file != NULL
                  ? where->file
                  : apr_pstrcat(setup->pool, where->root, "/etc/zmailer.conf", NULL);
    *there = zm_path_info(&info, NULL, own) == APR_SUCCESS;
    if (where->file != NULL || where->root != NULL || *there)
        return own;
    *there = zm_path_info(&info, NULL, common) == APR_SUCCESS;
    return *there || strcmp(setup->prefix, "/usr") == 0 ? common : own;
}

static void add_first_text(const setup_t *setup, zm_buf_t *text)
{
    const char *slash = strrchr(setup->file, '/');
    zm_buf_printf(text,
                  "# The site variables; see zmailer.conf(5).\n"
                  "POSTOFFICE=/var/spool/postoffice\n"
                  "MAILSHARE=%.*s\n"
                  "MAILVAR=/var/zmailer\n"
                  "LOGDIR=/var/log/zmailer\n"
                  "ROUTERUSER=daemon\n"
                  "ROUTEROPTIONS=\"-dWkn 4\"\n"
                  "SMTPOPTIONS=\"-l ${LOGDIR}/smtpserver\"\n",
                  (int)(slash - setup->file), setup->file);
}

static void set_variable(const setup_t *setup, zm_buf_t *text, const char *name, const char *value)
{
    const char *quote = strpbrk(value, " \t#;&|<>()") != NULL ? "\"" : "";
    setup_set_line(text, apr_pstrcat(setup->pool, name, "=", NULL),
                   apr_pstrcat(setup->pool, name, "=", quote, value, quote, NULL));
}

/* Reads it, with the changes that were asked for, and writes these. */
static apr_status_t configure(setup_t *setup, const zm_zenv_options_t *where, bool there)
{
    const setup_options_t *options = setup->options;
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t status = setup_read(setup, setup->file, &text);
    int i;
    if (status == APR_SUCCESS && !there)
        add_first_text(setup, &text);
    if (options->instance->hostname != NULL || !there)
        set_variable(setup, &text, "MYHOSTNAME", setup->hostname);
    for (i = 0; i < options->variables->nelts; i++) {
        char *name = apr_pstrdup(setup->pool, APR_ARRAY_IDX(options->variables, i, const char *));
        char *sign = strchr(name, '=');
        *sign = '\0';
        set_variable(setup, &text, name, sign + 1);
    }
    if (status == APR_SUCCESS)
        status = zm_zenv_parse(&setup->zenv, zm_buf_str(&text), setup->file, setup->prefix, where,
                               setup->pool, setup->error);
    if (status == APR_SUCCESS)
        status =
            setup_directory(setup,
                            apr_pstrmemdup(setup->pool, setup->file,
                                           (apr_size_t)(strrchr(setup->file, '/') - setup->file)),
                            0755);
    if (status == APR_SUCCESS)
        status = setup_write(setup, setup->file, 0644, zm_buf_str(&text));
    zm_buf_free(&text);
    return status;
}

/* -- below $MAILVAR ---------------------------------------------------------------------------- */

static const char *below(const setup_t *setup, const char *name)
{
    return apr_pstrcat(setup->pool, zm_zenv_mailvar(setup->zenv), "/", name, NULL);
}

/* What the last line with that beginning says; null: there is none. */
static const char *value_of(const setup_t *setup, const zm_buf_t *text, const char *begin)
{
    zm_str_t rest = zm_buf_str(text), line;
    const char *value = NULL;
    bool more = rest.length > 0;
    while (more) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        if (zm_str_starts(line, zm_str(begin)))
            value = zm_str_c(setup->pool, zm_str_trim(zm_str_from(line, strlen(begin))));
    }
    return value;
}

/* mail.conf: hostname, and what was the same as the old one. */
static apr_status_t name_host(setup_t *setup)
{
    static const char *const names[] = {"hostname=", "mydomain=", "orgdomain="};
    const char *path = below(setup, "mail.conf"), *old;
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t status = setup_read(setup, path, &text);
    bool made = text.length == 0;
    int i;
    if (made)
        zm_buf_add_c(&text, "# Who this host is.\n");
    old = value_of(setup, &text, names[0]);
    for (i = 0; i < 3 && (made || setup->options->instance->hostname != NULL); i++) {
        const char *now = value_of(setup, &text, names[i]);
        if (made || i == 0 || (old != NULL && now != NULL && strcmp(now, old) == 0))
            setup_set_line(&text, names[i],
                           apr_pstrcat(setup->pool, names[i], setup->hostname, NULL));
    }
    if (status == APR_SUCCESS)
        status = setup_write(setup, path, 0644, zm_buf_str(&text));
    zm_buf_free(&text);
    return status;
}

static void add_domain(zm_buf_t *text, const char *domain)
{
    if (!setup_has_line(zm_buf_str(text), domain))
        setup_set_line(text, "\n", domain); /* no line begins so: it is added */
}

static apr_status_t name_domains(setup_t *setup)
{
    const char *path = below(setup, "db/localnames");
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t status = setup_read(setup, path, &text);
    bool made = text.length == 0;
    zm_str_t rest = zm_str(setup->options->instance->local_domains), word;
    bool more = rest.length > 0;
    if (made) {
        zm_buf_add_c(&text, "# Domains whose mail is delivered here.\n");
        add_domain(&text, "localhost");
    }
    if (made || setup->options->instance->hostname != NULL)
        add_domain(&text, setup->hostname);
    while (more) {
        more = zm_str_cut(rest, ',', &word, &rest);
        word = zm_str_trim(word);
        if (word.length > 0)
            add_domain(&text, zm_str_c(setup->pool, word));
    }
    if (status == APR_SUCCESS)
        status = setup_write(setup, path, 0644, zm_buf_str(&text));
    zm_buf_free(&text);
    return status;
}

/* routes: ". smtp!HOST" is for all that no other line is about. */
static apr_status_t route_rest(setup_t *setup)
{
    const char *path = below(setup, "db/routes"), *host = setup->options->instance->smart_host;
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t status = setup_read(setup, path, &text);
    if (text.length == 0)
        zm_buf_add_c(&text, "# DOMAIN CHANNEL!HOST; \".\" is everything else.\n");
    if (host != NULL) {
        setup_set_line(&text, ". ", NULL);
        setup_set_line(&text, ".\t",
                       *host != '\0' ? apr_pstrcat(setup->pool, ".\tsmtp!", host, NULL) : NULL);
    }
    if (status == APR_SUCCESS)
        status = setup_write(setup, path, 0644, zm_buf_str(&text));
    zm_buf_free(&text);
    return status;
}

static apr_status_t name_postmaster(setup_t *setup)
{
    const char *path = below(setup, "db/aliases"), *who = setup->options->postmaster;
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t status = setup_read(setup, path, &text);
    if (text.length == 0)
        zm_buf_printf(&text,
                      "# NAME: ADDRESS, ADDRESS\npostmaster: %s\nmailer-daemon: postmaster\n"
                      "# Classic names of the same\nmailer: postmaster\npostmast: postmaster\n"
                      "postoffice: postmaster\n",
                      who != NULL ? who : "root");
    else if (who != NULL)
        setup_set_line(&text, "postmaster:", apr_pstrcat(setup->pool, "postmaster: ", who, NULL));
    if (status == APR_SUCCESS)
        status = setup_write(setup, path, 0644, zm_buf_str(&text));
    zm_buf_free(&text);
    return status;
}

/* -- the spool -----------------------------------------------------------------------------------
 */

/* What making a spool leaves when it is cut short, and what may be wherever a spool is put. */
static bool may_be_there(const char *name)
{
    static const char *const others[] = {"turn", "locks", "bodies", "lost+found"};
    const zm_layout_directory_t *entry;
    apr_size_t i;
    for (entry = zm_layout_directories; entry->name != NULL; entry++)
        if (strcmp(name, entry->name) == 0)
            return true;
    for (i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(name, others[i]) == 0)
            return true;
    return name[0] == '.';
}

/* All that is in a new spool is given away: nobody else's files may be there. */
static apr_status_t check_place(const setup_t *setup, const char *place)
{
    zm_dir_t *directory;
    const char *name;
    apr_status_t status =
        zm_dir_open(&directory, NULL, apr_pstrcat(setup->pool, place, "/.", NULL), setup->pool);
    if (status != APR_SUCCESS)
        return APR_SUCCESS; /* it is to be made, or whoever makes it tells what is wrong */
    while (status == APR_SUCCESS && zm_dir_next(directory, &name, NULL) == APR_SUCCESS)
        if (!may_be_there(name))
            status = zm_error_set(setup->error, ZM_E_CONFIG,
                                  "POSTOFFICE=%s: it has %s in it, and is no spool; name a "
                                  "directory that is new or empty",
                                  place, name);
    zm_dir_close(directory);
    return status;
}

/* A new one of root's belongs to the account of the router's workers. */
static apr_status_t make_spool(setup_t *setup)
{
    const char *place = zm_zenv_postoffice(setup->zenv), *engine = setup->options->instance->engine;
    const char *account = zm_zenv_get_or(setup->zenv, "ROUTERUSER", "daemon");
    zm_spool_options_t options = {.location = zm_zenv_spool(setup->zenv), .create = true};
    zm_file_info_t info;
    zm_spool_t *spool;
    zm_user_t *user;
    bool made =
        zm_path_info(&info, NULL, apr_pstrcat(setup->pool, place, "/" ZM_DIR_ROUTER "/.", NULL)) !=
            APR_SUCCESS &&
        zm_path_info(&info, NULL, apr_pstrcat(setup->pool, place, "/spool.db", NULL)) !=
            APR_SUCCESS;
    apr_status_t status = made ? check_place(setup, place) : APR_SUCCESS;
    if (status != APR_SUCCESS)
        return status;
    if (made && engine != NULL)
        options.location = apr_pstrcat(setup->pool, engine, ":", place, NULL);
    if (!setup->options->dry_run) {
        status = zm_spool_open(&spool, &options, setup->pool, setup->error);
        if (status != APR_SUCCESS)
            return status;
        zm_spool_close(spool);
        if (made && zm_identity_privileged() &&
            zm_user_by_name(&user, account, setup->pool) == APR_SUCCESS &&
            (status = instance_give(place, user->uid, setup->pool, setup->error)) != APR_SUCCESS)
            return status;
    }
    setup_tell(setup, place, made ? "made" : "kept", "the spool");
    return APR_SUCCESS;
}

/* -- the whole ------------------------------------------------------------------------------------
 */

static apr_status_t make_all(setup_t *setup, const zm_zenv_options_t *where, bool there)
{
    apr_status_t status = configure(setup, where, there);
    if (status != APR_SUCCESS ||
        (status = setup_directory(setup, below(setup, "db"), 0755)) != APR_SUCCESS ||
        (status = setup_directory(setup, below(setup, "lists"), 0755)) != APR_SUCCESS ||
        (status = setup_directory(setup, zm_zenv_logdir(setup->zenv), 0755)) != APR_SUCCESS ||
        (status = setup_stock(setup)) != APR_SUCCESS ||
        (status = name_host(setup)) != APR_SUCCESS ||
        (status = name_domains(setup)) != APR_SUCCESS ||
        (status = route_rest(setup)) != APR_SUCCESS ||
        (status = name_postmaster(setup)) != APR_SUCCESS)
        return status;
    return make_spool(setup);
}

/* Our name so far: the one that is configured, else the system's. */
static apr_status_t learn(setup_t *setup, const zm_zenv_options_t *where, bool there)
{
    static char host[256] = "localhost";
    apr_status_t status;
    (void)zm_identity_hostname(host, sizeof host);
    setup->hostname = host;
    if (!there)
        return APR_SUCCESS;
    status = zm_zenv_load(&setup->zenv, where, setup->pool, setup->error);
    if (status == APR_SUCCESS)
        setup->hostname = zm_zenv_get_or(setup->zenv, "MYHOSTNAME", host);
    return status;
}

/* A private instance is made first, and then is like any other. */
static apr_status_t make_instance(setup_t *setup, const char *root)
{
    instance_options_t options = *setup->options->instance;
    options.root = root;
    if (options.smart_host != NULL && *options.smart_host == '\0')
        options.smart_host = NULL;
    return instance_init(&options, setup->pool, setup->error);
}

static int fail(const zm_error_t *error, apr_status_t status)
{
    fprintf(stderr, "zmailer: %s\n", error->text);
    return status == ZM_E_SYNTAX   ? ZM_EXIT_USAGE
           : status == ZM_E_CONFIG ? ZM_EXIT_CONFIG
                                   : EXIT_FAILED;
}

int setup_run(const setup_options_t *said, const zm_zenv_options_t *where, apr_pool_t *pool)
{
    setup_options_t options = *said;
    zm_zenv_options_t place = *where;
    zm_error_t error = {0};
    setup_t setup = {.options = &options, .pool = pool, .error = &error};
    bool there;
    apr_status_t status = zm_service_prefix(&setup.prefix, pool);
    if (status != APR_SUCCESS) {
        zm_error_set(&error, status, "cannot tell where this program is installed");
        return fail(&error, status);
    }
    setup.file = find_file(&setup, where, &there);
    if (strchr(setup.file, '/') == NULL)
        setup.file = apr_pstrcat(pool, "./", setup.file, NULL);
    place.file = setup.file;
    place.root = NULL;
    if ((status = learn(&setup, &place, there)) != APR_SUCCESS)
        return fail(&error, status);
    if (options.ask && zm_program_is_terminal(0) && zm_program_is_terminal(1))
        ask_all(&setup, &options);
    if ((status = check_options(&options, &error)) != APR_SUCCESS)
        return fail(&error, status);
    if (where->root != NULL && !there && !options.dry_run) {
        if ((status = make_instance(&setup, where->root)) != APR_SUCCESS)
            return fail(&error, status);
        there = true;
    }
    if (options.instance->hostname != NULL)
        setup.hostname = options.instance->hostname;
    if (options.json)
        printf("{\"done\":[");
    status = make_all(&setup, &place, there);
    if (options.json)
        printf("],\"changed\":%d}\n", setup.changed);
    else if (status == APR_SUCCESS && !options.quiet)
        printf("%s%d changed; see %s\n", options.dry_run ? "nothing done; to be " : "",
               setup.changed, setup.file);
    return status == APR_SUCCESS ? 0 : fail(&error, status);
}
