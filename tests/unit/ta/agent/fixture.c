#include "tests/unit/ta/agent/fixture.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/localsock.h"
#include "tests/unit/harness.h"

static zm_str_t site_text(const char *site, apr_pool_t *pool)
{
    const char *top = zm_test_directory();
    return zm_str(apr_pstrcat(pool, "POSTOFFICE=", top, "/postoffice\nMAILVAR=", top,
                              "/var\nLOGDIR=", top, "/log\nSYSLOGFLG=-\n", site, NULL));
}

static apr_status_t clean_up(void *data)
{
    zm_fixture_t *fixture = data;
    zm_spool_close(fixture->spool);
    zm_buf_free(&fixture->heard);
    return APR_SUCCESS;
}

zm_fixture_t *zm_fixture(const char *site)
{
    apr_pool_t *pool = zm_test_pool();
    zm_fixture_t *fixture = apr_pcalloc(pool, sizeof *fixture);
    zm_spool_options_t options = {0};
    zm_error_t error = {0};
    apr_socket_t *pair[2];
    fixture->pool = pool;
    ZM_ASSERT_OK(zm_loop_create(&fixture->loop, pool));
    ZM_ASSERT_OK(zm_zenv_parse(&fixture->zenv, site_text(site, pool), "zmailer.conf",
                               zm_test_directory(), NULL, pool, &error));
    options.location = zm_zenv_postoffice(fixture->zenv);
    options.create = true;
    ZM_ASSERT_OK(zm_spool_open(&fixture->spool, &options, pool, &error));
    apr_pool_pre_cleanup_register(pool, fixture, clean_up);
    ZM_ASSERT_OK(zm_localsock_pair(pair, pool));
    fixture->scheduler = pair[0];
    fixture->agent = pair[1];
    apr_socket_opt_set(fixture->agent, APR_SO_SNDBUF, 1 << 20); /* nobody listens meanwhile */
    return fixture;
}

/* -- letters --------------------------------------------------------------- */

static zm_published_t publish(zm_fixture_t *fixture, const char *scratch, const char *directory,
                              uint64_t id, zm_str_t text)
{
    zm_create_options_t create = {scratch, NULL, ZM_UID_NONE, ZM_UID_NONE, 0600};
    zm_target_t target = {
        .directory = directory, .hash_levels = 2, .make_hash = true, .id = id, .unsynced = true};
    zm_published_t published = {0};
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_create(&object, fixture->spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text.data, text.length));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, fixture->pool));
    return published;
}

static void write_recipients(zm_control_writer_t *writer, const zm_fixture_letter_t *letter,
                             int from, int to)
{
    int i;
    for (i = from; i < to && letter->recipients[i].channel != NULL; i++) {
        const zm_fixture_recipient_t *recipient = &letter->recipients[i];
        zm_quad_t quad = {zm_str(recipient->channel), zm_str(recipient->host),
                          zm_str(recipient->user), recipient->privilege};
        zm_control_recipient(writer, &quad, zm_str(recipient->dsn), zm_str(letter->ret),
                             zm_str(letter->envid));
    }
}

const char *zm_fixture_letter(zm_fixture_t *fixture, const zm_fixture_letter_t *letter)
{
    const char *head = letter->header != NULL ? letter->header : "Received: by here; Mon\nTo: x\n";
    const char *body = letter->body != NULL ? letter->body : "Hello\n";
    apr_size_t length = letter->body_length > 0 ? letter->body_length : strlen(body);
    zm_control_writer_t *writer = zm_control_writer(fixture->pool);
    zm_quad_t null_path = {ZM_S("error"), ZM_S("<>"), ZM_S("<>"), 0};
    zm_quad_t sender = {ZM_S("smtp"), ZM_S("there"), zm_str(letter->sender), 0};
    int second = letter->second_header != NULL ? letter->second : 8;
    zm_buf_t text = ZM_BUF_INIT;
    zm_published_t message;
    uint64_t body_at;
    zm_str_t control;
    zm_buf_printf(&text, "from <%s>\nto <x>\nenv-end\n%s\n",
                  letter->sender != NULL ? letter->sender : "", head);
    body_at = text.length;
    zm_buf_add(&text, body, length);
    message = publish(fixture, "public", "queue", 0, zm_buf_str(&text));
    zm_buf_free(&text);

    zm_control_message(writer, message.info.id, body_at);
    zm_control_log_id(writer, ZM_S("<id@example.org>"));
    zm_control_sender(writer, letter->sender != NULL ? &sender : &null_path);
    write_recipients(writer, letter, 0, second);
    zm_control_header(writer, zm_str(head));
    if (letter->second_header != NULL) {
        zm_control_sender(writer, letter->sender != NULL ? &sender : &null_path);
        write_recipients(writer, letter, second, 8);
        zm_control_header(writer, zm_str(letter->second_header));
    }
    ZM_ASSERT_OK(zm_control_finish(writer, &control));
    return strchr(publish(fixture, "public", "transport", message.info.id, control).name, '/') + 1;
}

/* -- looking --------------------------------------------------------------- */

zm_str_t zm_fixture_control(zm_fixture_t *fixture, const char *path)
{
    const char *name = apr_pstrcat(fixture->pool, "transport/", path, NULL);
    zm_object_t *object;
    apr_size_t length = 0;
    char *data = NULL;
    ZM_ASSERT_OK(zm_object_open(&object, fixture->spool, name, ZM_OBJECT_READ));
    ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 1 << 24, fixture->pool));
    zm_object_close(object);
    return zm_str_of(data, length);
}

zm_control_file_t *zm_fixture_parsed(zm_fixture_t *fixture, const char *path)
{
    zm_str_t text = zm_fixture_control(fixture, path);
    zm_control_file_t *file = NULL;
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_control_parse(&file, text.data, text.length, fixture->pool, &error));
    return file;
}

const char *zm_fixture_tags(zm_fixture_t *fixture, const char *path)
{
    zm_control_file_t *file = zm_fixture_parsed(fixture, path);
    char *tags = apr_pcalloc(fixture->pool, (apr_size_t)file->recipient_count + 1);
    int i;
    for (i = 0; i < file->recipient_count; i++)
        tags[i] = file->recipients[i].tag;
    return tags;
}

/* -- the channel ----------------------------------------------------------- */

void zm_fixture_feed(zm_fixture_t *fixture, const char *format, ...)
{
    va_list arguments;
    apr_size_t length;
    char *text;
    va_start(arguments, format);
    text = apr_pvsprintf(fixture->pool, format, arguments);
    va_end(arguments);
    length = strlen(text);
    ZM_ASSERT_OK(apr_socket_send(fixture->scheduler, text, &length));
}

void zm_fixture_end(zm_fixture_t *fixture)
{
    apr_socket_shutdown(fixture->scheduler, APR_SHUTDOWN_WRITE);
}

const char *zm_fixture_heard(zm_fixture_t *fixture)
{
    char buffer[8192];
    for (;;) {
        apr_size_t length = sizeof buffer;
        apr_status_t status = apr_socket_recv(fixture->scheduler, buffer, &length);
        zm_buf_add(&fixture->heard, buffer, length);
        if (status != APR_SUCCESS || length == 0)
            break;
    }
    return zm_buf_c(&fixture->heard);
}

int zm_fixture_count(zm_fixture_t *fixture, const char *text)
{
    const char *at = zm_fixture_heard(fixture);
    int count = 0;
    while ((at = strstr(at, text)) != NULL) {
        at += strlen(text);
        count++;
    }
    return count;
}

zm_agent_options_t zm_fixture_agent(zm_fixture_t *fixture, const char *name, const char *channel)
{
    zm_agent_options_t options = {0};
    options.name = name;
    options.channel = channel;
    options.jobs = 1;
    options.zenv = fixture->zenv;
    options.spool = fixture->spool;
    options.loop = fixture->loop;
    options.socket = fixture->agent;
    return options;
}
