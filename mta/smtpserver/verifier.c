/*
 * A verifier: a process that knows who users are, as a clerk of the desk (clerk.h, desk.h) with
 * the master's rights.  It knows no network, reads what workers ask in a closed form, and answers
 * one question after another, so it may take its time.
 *
 *     plain TAB GROUP USER PASSWORD          235: right; 535: wrong
 *     first TAB GROUP USER                   250 SALT ITERATIONS
 *     last TAB GROUP USER MESSAGE PROOF      235 SIGNATURE; 535
 *
 * What is upper case is base64, but for GROUP and ITERATIONS; 454: nobody can say.
 *
 * Users are looked for in the file of the group, which is read anew for each question; those who
 * are not in it are asked of its program.  Users that do not exist take as long as others and have
 * a salt too, which stays the same.
 */
#include <apr_env.h>
#include <apr_file_info.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/net/base64.h"
#include "mta/net/secret.h"
#include "mta/net/stream.h"
#include "mta/smtpserver/program.h"
#include "platform/child.h"
#include "platform/fs.h"
#include "platform/log.h"

#define PROGRAM_PATIENCE apr_time_from_sec(30)
#define FILE_LIMIT (64u * 1024 * 1024)
#define LINE_LIMIT 8192
#define OUTPUT_LIMIT 4096 /* octets of what the program says */
#define CANNOT_SAY 75     /* exit status of a program, EX_TEMPFAIL */
#define OTHERS_MAY 027    /* bits of the mode that the file of users must not have */

typedef struct verifier_t {
    program_t *program;
    config_t *config;
    zm_loop_t *loop;
    zm_stream_t *channel;
    apr_pool_t *pool; /* of the question */
    /* the program at work */
    zm_child_t *child;
    zm_watch_t *watch;
    zm_timer_t patience;
    bool late;
    zm_str_t user;
    zm_buf_t output;
} verifier_t;

/* -- answers ----------------------------------------------------------------------------------- */

static void answer(verifier_t *verifier, const char *text)
{
    zm_stream_printf(verifier->channel, "%s\n#hungry\n", text);
    zm_stream_flush(verifier->channel);
}

static void cannot_say(verifier_t *verifier, const char *name, const char *reason)
{
    zm_log(ZM_LOG_ERROR, NULL, "users cannot be verified", ZM_F_S("by", name),
           ZM_F_S("reason", reason));
    answer(verifier, "454 nobody can say");
}

/* -- the file of users ----------------------------------------------------------------------------
 */

/* Null: it cannot be used, and the log says why. */
static const char *read_users(const char *path, apr_size_t *length, const char **reason,
                              apr_pool_t *pool)
{
    zm_file_t *file;
    zm_file_info_t info;
    char *data;
    apr_status_t status = zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    *reason = NULL;
    if (status == APR_SUCCESS)
        status = zm_file_info(&info, file);
    if (status == APR_SUCCESS && (info.mode & OTHERS_MAY) != 0)
        *reason = "others may read it, or its group write it; chmod 600";
    else if (status == APR_SUCCESS)
        status = zm_file_slurp_file(&data, length, file, FILE_LIMIT, pool);
    if (status != APR_SUCCESS)
        *reason = apr_strerror(status, apr_palloc(pool, 200), 200);
    return *reason == NULL ? data : NULL;
}

typedef struct users_t {
    zm_str_t file;
    bool known;      /* the user asked for is in it */
    zm_str_t secret; /* his, or another's */
} users_t;

/* False: nobody can say, and that has been answered. */
static bool look_up(verifier_t *verifier, const config_auth_t *auth, zm_str_t user, users_t *users)
{
    const char *reason;
    apr_size_t length = 0;
    const char *data;
    *users = (users_t){.known = false};
    if (auth->users == NULL)
        return true;
    data = read_users(auth->users, &length, &reason, verifier->pool);
    if (data == NULL) {
        cannot_say(verifier, auth->users, reason);
        return false;
    }
    users->file = zm_str_of(data, length);
    users->known = zm_secret_find(users->file, user, &users->secret);
    if (!users->known && !zm_secret_any(users->file, &users->secret))
        users->secret = ZM_S("");
    return true;
}

/* -- the program
 * ------------------------------------------------------------------------------------
 */

static const char *variable(verifier_t *verifier, const char *name, const char *otherwise)
{
    char *value;
    if (apr_env_get(&value, name, verifier->pool) != APR_SUCCESS)
        value = NULL;
    return value != NULL       ? apr_pstrcat(verifier->pool, name, "=", value, NULL)
           : otherwise != NULL ? apr_pstrcat(verifier->pool, name, "=", otherwise, NULL)
                               : NULL;
}

static const char *const *environment(verifier_t *verifier)
{
    const zm_zenv_t *zenv = verifier->program->zenv;
    apr_pool_t *pool = verifier->pool;
    apr_array_header_t *list = apr_array_make(pool, 8, sizeof(const char *));
    const char *zone = variable(verifier, "TZ", NULL),
               *root = variable(verifier, "SYSTEMROOT", NULL);
    APR_ARRAY_PUSH(list, const char *) = "SHELL=/bin/sh";
    APR_ARRAY_PUSH(list, const char *) = "IFS= \t\n";
    APR_ARRAY_PUSH(list, const char *) = apr_pstrcat(
        pool, "PATH=", zm_zenv_get_or(zenv, "PATH", "/usr/bin:/bin:/usr/sbin:/sbin"), NULL);
    APR_ARRAY_PUSH(list, const char *) = apr_pstrcat(pool, "ZCONFIG=", zm_zenv_file(zenv), NULL);
    if (zone != NULL)
        APR_ARRAY_PUSH(list, const char *) = zone;
    if (root != NULL) /* without which nothing starts on Windows */
        APR_ARRAY_PUSH(list, const char *) = root;
    APR_ARRAY_PUSH(list, const char *) = NULL;
    return (const char *const *)list->elts;
}

/* Takes what the program says.  What is more than enough is thrown away. */
static void hear(verifier_t *verifier)
{
    for (;;) {
        char piece[512];
        apr_size_t length = sizeof piece;
        apr_status_t status = apr_socket_recv(zm_child_channel(verifier->child), piece, &length);
        if (APR_STATUS_IS_EAGAIN(status))
            return;
        if (status != APR_SUCCESS || length == 0)
            break;
        if (verifier->output.length < OUTPUT_LIMIT)
            zm_buf_add(&verifier->output, piece, length);
    }
    zm_watch_close(verifier->watch);
    verifier->watch = NULL;
}

static void on_output(zm_watch_t *watch, int events, void *baton)
{
    (void)watch;
    (void)events;
    hear(baton);
}

/* Its first line is for those who look after users. */
static void tell_output(verifier_t *verifier)
{
    zm_str_t line, rest;
    (void)zm_str_cut(zm_buf_str(&verifier->output), '\n', &line, &rest);
    line = zm_str_trim(line);
    if (line.length > 0)
        zm_log_syslog_secret(ZM_LOG_INFO, "smtpserver", "%.*s: %.*s", (int)verifier->user.length,
                             verifier->user.data, (int)line.length, line.data);
}

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    verifier_t *verifier = baton;
    (void)child;
    zm_timer_cancel(&verifier->patience);
    if (verifier->watch != NULL)
        hear(verifier);
    zm_watch_close(verifier->watch);
    verifier->watch = NULL;
    zm_child_close(verifier->child);
    verifier->child = NULL;
    tell_output(verifier);
    zm_buf_free_secret(&verifier->output);
    if (verifier->late)
        cannot_say(verifier, "SMTP-auth-pipe", "the program took more than 30 seconds");
    else if (end->signalled || end->code == CANNOT_SAY)
        cannot_say(verifier, "SMTP-auth-pipe",
                   end->signalled ? "the program crashed" : "the program cannot say");
    else
        answer(verifier, end->code == 0 ? "235 right" : "535 wrong");
}

static void on_patience(zm_timer_t *timer, void *baton)
{
    verifier_t *verifier = baton;
    (void)timer;
    verifier->late = true;
    (void)zm_child_kill(verifier->child);
}

/* Who could change the program could read every password. */
static bool is_program_safe(const char *path, apr_pool_t *pool)
{
    apr_finfo_t info;
    apr_status_t status = apr_stat(&info, path, APR_FINFO_PROT, pool);
    return (status == APR_SUCCESS && (info.protection & APR_FPROT_WWRITE) == 0) ||
           status == APR_INCOMPLETE;
}

static void ask_program(verifier_t *verifier, const char *path, zm_str_t password)
{
    apr_pool_t *pool = verifier->pool;
    const char *argv[] = {path, zm_str_c(pool, verifier->user), NULL};
    zm_child_spec_t spec = {.argv = argv,
                            .environment = environment(verifier),
                            .directory = "/",
                            .io = ZM_CHILD_CHANNEL,
                            .own_session = true};
    zm_buf_t input = ZM_BUF_INIT;
    zm_error_t error = {0};
    apr_size_t length;
    if (!is_program_safe(path, pool)) {
        cannot_say(verifier, path, "it is not there, or every user may change it");
        return;
    }
    verifier->late = false;
    if (zm_child_start(&verifier->child, &spec, verifier->loop, on_end, verifier, &error) !=
        APR_SUCCESS) {
        verifier->child = NULL;
        cannot_say(verifier, path, error.text);
        return;
    }
    zm_timer_set(&verifier->patience, PROGRAM_PATIENCE);
    zm_buf_add_str(&input, password);
    zm_buf_add_byte(&input, '\n');
    length = input.length;
    (void)apr_socket_send(zm_child_channel(verifier->child), input.data, &length); /* it fits */
    zm_buf_free_secret(&input);
    (void)zm_child_half_close(verifier->child);
    if (zm_watch_open(&verifier->watch, verifier->loop, zm_child_channel(verifier->child), ZM_READ,
                      on_output, verifier) != APR_SUCCESS)
        verifier->watch = NULL; /* its end is told all the same */
}

/* -- questions
 * ------------------------------------------------------------------------------------- */

static void verify_password(verifier_t *verifier, const config_auth_t *auth, zm_str_t password)
{
    users_t users;
    bool match;
    if (!look_up(verifier, auth, verifier->user, &users))
        return;
    if (!users.known && auth->program != NULL) {
        ask_program(verifier, auth->program, password);
        return;
    }
    match = zm_secret_match(users.secret, password); /* also for nothing: it takes as long */
    answer(verifier, match && users.known ? "235 right" : "535 wrong");
}

/* Keys that fit no password, and are the same the next time: what they are made of is secret. */
static void make_keys(zm_scram_keys_t *keys, zm_str_t user, zm_str_t secret)
{
    memset(keys, 0, sizeof *keys);
    if (zm_secret_keys(keys, secret))
        keys->salt_length = keys->salt_length < 16 ? keys->salt_length : 16;
    else
        keys->salt_length = 16;
    if (keys->iterations < ZM_SCRAM_LEAST_ITERATIONS)
        keys->iterations = ZM_SECRET_ITERATIONS;
    zm_scram_hmac((const unsigned char *)secret.data, secret.length, user, keys->stored);
    memcpy(keys->salt, keys->stored, keys->salt_length);
    zm_scram_hmac(keys->salt, keys->salt_length, secret, keys->stored);
}

/* False: nobody can say, and that has been answered. */
static bool keys_of(verifier_t *verifier, const config_auth_t *auth, zm_scram_keys_t *keys,
                    bool *known)
{
    users_t users;
    if (!look_up(verifier, auth, verifier->user, &users))
        return false;
    *known = users.known && zm_secret_keys(keys, users.secret);
    if (!*known)
        make_keys(keys, verifier->user, users.secret);
    return true;
}

static void begin_proof(verifier_t *verifier, const config_auth_t *auth)
{
    zm_scram_keys_t keys;
    zm_buf_t text = ZM_BUF_INIT;
    bool known;
    if (!keys_of(verifier, auth, &keys, &known))
        return;
    zm_buf_add_c(&text, "250 ");
    zm_sasl_encode(&text, keys.salt, keys.salt_length);
    zm_buf_printf(&text, " %d", keys.iterations);
    answer(verifier, zm_buf_c(&text));
    zm_buf_free(&text);
}

static void verify_proof(verifier_t *verifier, const config_auth_t *auth, zm_str_t message,
                         zm_str_t proof)
{
    unsigned char signature[ZM_SCRAM_KEY];
    zm_scram_keys_t keys;
    zm_buf_t text = ZM_BUF_INIT;
    bool known;
    if (!keys_of(verifier, auth, &keys, &known))
        return;
    if (proof.length == ZM_SCRAM_KEY &&
        zm_scram_keys_prove(&keys, message, (const unsigned char *)proof.data, signature) &&
        known) {
        zm_buf_add_c(&text, "235 ");
        zm_sasl_encode(&text, signature, sizeof signature);
        answer(verifier, zm_buf_c(&text));
        zm_buf_free(&text);
    } else {
        answer(verifier, "535 wrong");
    }
}

#define WORDS 3

/* Decodes the words behind the group; they live in the pool of the question. */
static bool read_words(verifier_t *verifier, zm_str_t rest, zm_str_t words[WORDS], int *count)
{
    zm_str_t word;
    *count = 0;
    while (zm_str_word(&rest, &word)) {
        zm_buf_t bytes = ZM_BUF_INIT;
        if (*count == WORDS || zm_sasl_decode(&bytes, word) != APR_SUCCESS) {
            zm_buf_free(&bytes);
            return false;
        }
        words[(*count)++] = zm_str_copy(verifier->pool, zm_buf_str(&bytes));
        zm_buf_free_secret(&bytes);
    }
    return *count > 0;
}

static const config_auth_t *group_of(const verifier_t *verifier, zm_str_t *rest)
{
    zm_str_t word;
    uint64_t number;
    if (!zm_str_word(rest, &word) || zm_str_u64(word, &number) != APR_SUCCESS ||
        number >= (uint64_t)verifier->config->groups->nelts)
        return NULL;
    return &APR_ARRAY_IDX(verifier->config->groups, (int)number, config_group_t *)->auth;
}

static void take_question(verifier_t *verifier, zm_str_t line)
{
    zm_str_t key, rest, words[WORDS];
    const config_auth_t *auth = NULL;
    int count = 0;
    apr_pool_clear(verifier->pool);
    if (zm_str_cut(line, '\t', &key, &rest))
        auth = group_of(verifier, &rest);
    if (auth == NULL || !read_words(verifier, rest, words, &count) || !zm_secret_user(words[0])) {
        answer(verifier, "535 that is no question");
        return;
    }
    verifier->user = words[0];
    if (zm_str_equal_c(key, "plain") && count == 2)
        verify_password(verifier, auth, words[1]);
    else if (zm_str_equal_c(key, "first") && count == 1)
        begin_proof(verifier, auth);
    else if (zm_str_equal_c(key, "last") && count == 3)
        verify_proof(verifier, auth, words[1], words[2]);
    else
        answer(verifier, "535 that is no question");
}

static void on_channel(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    verifier_t *verifier = baton;
    apr_status_t status = APR_EAGAIN;
    zm_line_t line;
    if (event == ZM_STREAM_INPUT)
        while (verifier->child == NULL && (status = zm_stream_line(stream, &line)) == APR_SUCCESS)
            take_question(verifier, line.text);
    if (event == ZM_STREAM_ERROR || APR_STATUS_IS_EOF(status) || status == ZM_E_LIMIT ||
        zm_stream_at_eof(stream))
        zm_loop_stop(verifier->loop); /* the desk wants no more */
}

/* -- the process
 * ------------------------------------------------------------------------------------- */

static apr_status_t start(verifier_t *verifier, zm_error_t *error)
{
    apr_pool_t *pool = verifier->program->pool;
    apr_socket_t *socket;
    apr_status_t status = zm_child_own_channel(&socket, pool);
    if (status == APR_SUCCESS)
        status = zm_loop_create(&verifier->loop, pool);
    if (status == APR_SUCCESS)
        status = apr_pool_create(&verifier->pool, pool);
    if (status == APR_SUCCESS)
        status = zm_stream_open(&verifier->channel, verifier->loop, socket, on_channel, verifier);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "--verify is for the master's use only");
    zm_stream_line_limit(verifier->channel, LINE_LIMIT);
    zm_timer_init(&verifier->patience, verifier->loop, on_patience, verifier);
    if (program_config(verifier->program, &verifier->config, pool) != APR_SUCCESS)
        return zm_error_set(error, ZM_E_CONFIG, "%s",
                            APR_ARRAY_IDX(verifier->config->errors, 0, const char *));
    zm_stream_write_c(verifier->channel, "#hungry\n");
    return APR_SUCCESS;
}

int verifier_run(program_t *program)
{
    verifier_t verifier = {.program = program};
    zm_error_t error = {0};
    apr_status_t status = start(&verifier, &error);
    if (status != APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, NULL, "verifier cannot start", ZM_F_S("reason", error.text));
        return ZM_EXIT_CONFIG;
    }
    status = zm_loop_run(verifier.loop);
    zm_timer_cancel(&verifier.patience);
    zm_watch_close(verifier.watch);
    if (verifier.child != NULL)
        (void)zm_child_kill(verifier.child);
    if (verifier.child != NULL)
        zm_child_close(verifier.child);
    zm_buf_free_secret(&verifier.output);
    zm_stream_close(verifier.channel);
    return status == APR_SUCCESS ? 0 : 71;
}
