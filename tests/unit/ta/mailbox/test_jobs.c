/*
 * The agent of local delivery over a real spool, in our own identity.
 */
#include "tests/unit/harness.h"

#include <apr_file_io.h>
#include <apr_strings.h>

#include "platform/fs.h"
#include "ta/mailbox/deliver.h"
#include "ta/mailbox/environment.h"
#include "tests/unit/ta/agent/fixture.h"

static zm_fixture_t *fixture;
static zm_mailbox_options_t options;

static const char *at(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static void put(const char *path, const char *data)
{
    zm_file_t *file;
    ZM_ASSERT_OK(
        zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0644, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, data, strlen(data)));
    zm_file_close(file);
}

static const char *contents(const char *path)
{
    char *data = NULL;
    apr_size_t length;
    if (zm_file_slurp(&data, &length, path, 1 << 24, zm_test_pool()) != APR_SUCCESS)
        return NULL;
    return data;
}

/* A private instance: bob and eve have mailboxes and no accounts. */
static void begin(const char *mailbox)
{
    zm_error_t error = {0};
    put(at("users"), "bob\neve\n");
    apr_dir_make(at("mail"), APR_OS_DEFAULT, zm_test_pool());
    fixture = zm_fixture(apr_pstrcat(zm_test_pool(), "MAILUSERS=", at("users"),
                                     "\nMAILBOX=", at(mailbox), "\nNORECEIVEDFORCLAUSE=\n", NULL));
    options = (zm_mailbox_options_t){0};
    ZM_ASSERT_OK(zm_mailbox_site(&options, fixture->zenv, fixture->pool, &error));
}

static const char *run(zm_fixture_letter_t letter)
{
    zm_agent_options_t agent_options = zm_fixture_agent(fixture, "mailbox", "local");
    const char *path;
    zm_job_line_t line;
    zm_agent_t *agent;
    zm_error_t error;
    zm_job_t *job;
    int i;
    for (i = 0; i < 8 && letter.recipients[i].user != NULL; i++) {
        letter.recipients[i].channel = "local";
        letter.recipients[i].host = "-";
        if (letter.recipients[i].privilege == 0)
            letter.recipients[i].privilege = options.nobody.uid;
    }
    path = zm_fixture_letter(fixture, &letter);
    zm_fixture_feed(fixture, "%s\n", path);
    zm_fixture_end(fixture);
    ZM_ASSERT_OK(zm_agent_open(&agent, &agent_options, fixture->pool, &error));
    while (zm_agent_next(agent, &line) == APR_SUCCESS)
        if (zm_job_open(&job, agent, &line) == ZM_JOB_READY) {
            zm_mailbox_job(job, &options, NULL);
            zm_job_close(job);
        }
    CU_ASSERT_EQUAL(zm_agent_end(agent), 0);
    return path;
}

#define TAGS(path, tags) ZM_ASSERT_STR(zm_fixture_tags(fixture, path), tags)
#define HEARD(text) CU_ASSERT_EQUAL(zm_fixture_count(fixture, text), 1)

static void letter_stands_in_the_mailbox_with_its_envelope(void)
{
    const char *text, *path;
    begin("mail");
    path = run((zm_fixture_letter_t){
        .sender = "a@b.c",
        .header = "Received: by here; Mon\nReturn-Path: <forged>\nX-Envelope-To: <forged>\nTo: x\n",
        .envid = "e+2B1",
        .recipients = {{.user = "Bob+box@x", .dsn = "NOTIFY=FAILURE ORCPT=rfc822;b+2Bb@y"}}});
    TAGS(path, "+");
    text = contents(at("mail/bob"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(strncmp(text, "From a@b.c ", 11), 0);
    ZM_ASSERT_STR(
        text + strcspn(text, "\n") + 1,
        apr_psprintf(fixture->pool,
                     "Received: by here; Mon\nTo: x\nReturn-Path: <a@b.c>\nX-Envelope-To: "
                     "<Bob+box@x> (uid %d)\nX-Orcpt: rfc822;b+b@y\nOriginal-Recipient: "
                     "rfc822;b+b@y\nX-Envid: e+1\nEnvelope-Id: e+1\n\nHello\n\n",
                     (int)options.nobody.uid));
}

static void null_path_is_from_the_mailer_daemon(void)
{
    const char *text;
    begin("mail");
    run((zm_fixture_letter_t){.recipients = {{.user = "bob"}}});
    text = contents(at("mail/bob"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(strncmp(text, "From MAILER-DAEMON ", 19), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nReturn-Path: <>\n"));
}

static void maildirs_are_made_below_a_format(void)
{
    const char *path;
    begin("mail/%u/Maildir/");
    path = run((zm_fixture_letter_t){.sender = "a@b",
                                     .recipients = {{.user = "bob"}, {.user = "eve@here"}}});
    TAGS(path, "++");
    CU_ASSERT_PTR_NULL(contents(at("mail/bob/Maildir/new")));
    ZM_ASSERT_OK(zm_path_info(&(zm_file_info_t){0}, NULL, at("mail/eve/Maildir/cur")));
}

static void unknown_users_and_bad_names_fail_for_good(void)
{
    const char *path;
    begin("mail");
    path = run((zm_fixture_letter_t){.sender = "a@b",
                                     .recipients = {{.user = "no-such-user-here"},
                                                    {.user = "\"../etc/passwd\"@x"},
                                                    {.user = "@"},
                                                    {.user = "bob"}}});
    TAGS(path, "---+");
    HEARD("\terror2 no user \"no-such-user-here\" here\n");
}

static void nobody_gets_neither_files_nor_programs(void)
{
    const char *path;
    begin("mail");
    path = run((zm_fixture_letter_t){.sender = "a@b",
                                     .recipients = {{.user = "/no/such/file"},
                                                    {.user = "|cat > /dev/null"},
                                                    {.user = "\"|cat\"@x"},
                                                    {.user = "/c=us/a=x/s=bob/"},
                                                    {.user = "/dev/null"}}});
    TAGS(path, "----+");
    HEARD("\terror2 mail to files is not allowed\n");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\terror2 mail to programs is not allowed\n"), 2);
    HEARD("\terror2 an X.400 address cannot be delivered here\n");
}

static void others_are_deferred_when_we_cannot_become_them(void)
{
    const char *path;
    begin("mail");
    options.privileged = false;
    path = run((zm_fixture_letter_t){
        .sender = "a@b",
        .recipients = {{.user = "/no/such/file", .privilege = zm_identity_own().uid + 1}}});
    TAGS(path, " ");
}

static void quoted_printable_is_decoded_on_request(void)
{
    const char *text;
    begin("mail");
    options.decode = true;
    run((zm_fixture_letter_t){
        .sender = "a@b",
        .header = "MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n",
        .body = "=C3=A4 and a soft =\nend\n",
        .recipients = {{.user = "bob"}}});
    text = contents(at("mail/bob"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\n\xc3\xa4 and a soft end\n\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nContent-Transfer-Encoding: 8BIT\n"));
}

static void decoding_encodes_nothing(void)
{
    const char *text;
    char line[1503];
    begin("mail");
    options.decode = true;
    memset(line, 'x', 1500);
    memcpy(line + 1500, "=\n", 3);
    run((zm_fixture_letter_t){.sender = "a@b",
                              .header = "MIME-Version: 1.0\nContent-Conversion: forced-qp\n",
                              .body = line,
                              .recipients = {{.user = "bob"}}});
    text = contents(at("mail/bob"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, line));
}

static void comsat_is_told_where_the_letter_begins(void)
{
    apr_sockaddr_t *address;
    apr_socket_t *socket;
    char said[100] = "";
    apr_size_t length = sizeof said;
    begin("mail");
    ZM_ASSERT_OK(apr_sockaddr_info_get(&address, "127.0.0.1", APR_INET, 0, 0, fixture->pool));
    ZM_ASSERT_OK(apr_socket_create(&socket, APR_INET, SOCK_DGRAM, APR_PROTO_UDP, fixture->pool));
    ZM_ASSERT_OK(apr_socket_bind(socket, address));
    ZM_ASSERT_OK(apr_socket_addr_get(&address, APR_LOCAL, socket));
    apr_socket_timeout_set(socket, apr_time_from_sec(20));
    options.biff = true;
    options.biff_port = address->port;
    put(at("mail/bob"), "From x\n\n");
    run((zm_fixture_letter_t){.sender = "a@b", .recipients = {{.user = "Bob"}}});
    ZM_ASSERT_OK(apr_socket_recv(socket, said, &length));
    CU_ASSERT_EQUAL(length, 7);
    ZM_ASSERT_STR(said, "Bob@8\n");
}

static void log_lines_are_lines_whatever_an_address_says(void)
{
    begin("mail");
    options.log = at("log");
    run((zm_fixture_letter_t){.sender = "a@b", .recipients = {{.user = "bob+\033[2J\rx"}}});
    CU_ASSERT_PTR_NOT_NULL_FATAL(contents(at("log")));
    CU_ASSERT_PTR_NULL(strpbrk(contents(at("log")), "\033\r"));
    CU_ASSERT_PTR_NOT_NULL(strstr(contents(at("log")), "user bob+?[2J?x)\n"));
}

static void eight_bit_headers_become_encoded_words(void)
{
    const char *text;
    begin("mail");
    run((zm_fixture_letter_t){.sender = "a@b",
                              .header = "Subject: gr\xc3\xbc\xc3\x9f\n",
                              .recipients = {{.user = "bob"}}});
    text = contents(at("mail/bob"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nSubject: =?"));
    CU_ASSERT_PTR_NULL(strchr(text, '\xc3'));
}

static void missing_directory_defers(void)
{
    const char *path;
    begin("nowhere");
    path = run((zm_fixture_letter_t){.sender = "a@b", .recipients = {{.user = "bob"}}});
    TAGS(path, " ");
    HEARD("\tdeferred no usable mailbox directory (MAILBOX)\n");
}

/* -- programs ---------------------------------------------------------------- */

static const char *environment_of(const zm_job_t *job)
{
    const zm_destination_t destination = {.domain = "x.test", .detail = "box"};
    const zm_user_t account = {.name = "ann", .home = "/home/ann"};
    zm_group_t *group = &job->groups[0];
    const char *const *item = zm_program_environment(job, group, group->recipients[0], &destination,
                                                     &account, fixture->pool);
    const char *text = "";
    for (; *item != NULL; item++)
        if (strncmp(*item, "TZ=", 3) != 0 && strncmp(*item, "M", 1) != 0 &&
            strncmp(*item, "ZCONFIG=", 8) != 0)
            text = apr_pstrcat(fixture->pool, text, *item, "|", NULL);
    return text;
}

static const char *environment_for(zm_fixture_letter_t letter)
{
    zm_agent_options_t agent_options = zm_fixture_agent(fixture, "mailbox", "local");
    const char *text = "";
    zm_job_line_t line;
    zm_agent_t *agent;
    zm_error_t error;
    zm_job_t *job;
    zm_fixture_feed(fixture, "%s\n", zm_fixture_letter(fixture, &letter));
    zm_fixture_end(fixture);
    ZM_ASSERT_OK(zm_agent_open(&agent, &agent_options, fixture->pool, &error));
    while (zm_agent_next(agent, &line) == APR_SUCCESS)
        if (zm_job_open(&job, agent, &line) == ZM_JOB_READY) {
            text = environment_of(job);
            zm_job_close(job);
        }
    CU_ASSERT_EQUAL(zm_agent_end(agent), 0);
    return text;
}

static void programs_learn_of_their_letter(void)
{
    begin("mail");
    ZM_ASSERT_STR(
        environment_for((zm_fixture_letter_t){
            .sender = "a@b.c",
            .envid = "e+2B1",
            .recipients = {{"local", "-", "|prog", 4711,
                            "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bb@y INRCPT=rfc822;i@y "
                            "INFROM=f@y EZMLM=z-1 BY=4000000000;RT"}}}),
        "SHELL=/bin/sh|IFS= \t\n|PATH=/usr/bin:/bin:/usr/ucb|HOME=/home/ann|USER=ann|LOGNAME=ann|"
        "SENDER=a@b.c|UID=4711|RECIPIENT=|prog|DOMAIN=x.test|EXTENSION=box|NOTIFY=FAILURE,SUCCESS|"
        "BY=4000000000;RT|ORCPT=rfc822;b+2Bb@y|INRCPT=rfc822;i@y|INFROM=f@y|EZMLM=z-1|"
        "ENVID=e+2B1|");
    begin("mail");
    ZM_ASSERT_STR(
        environment_for((zm_fixture_letter_t){.recipients = {{"local", "-", "|prog", 0, NULL}}}),
        "SHELL=/bin/sh|IFS= \t\n|PATH=/usr/bin:/bin:/usr/ucb|HOME=/home/ann|USER=ann|"
        "LOGNAME=ann|SENDER=<>|UID=0|RECIPIENT=|prog|DOMAIN=x.test|EXTENSION=box|"
        "NOTIFY=FAILURE|");
}

ZM_TESTS("mailbox jobs", ZM_TEST(programs_learn_of_their_letter),
         ZM_TEST(letter_stands_in_the_mailbox_with_its_envelope),
         ZM_TEST(null_path_is_from_the_mailer_daemon), ZM_TEST(maildirs_are_made_below_a_format),
         ZM_TEST(unknown_users_and_bad_names_fail_for_good),
         ZM_TEST(nobody_gets_neither_files_nor_programs),
         ZM_TEST(others_are_deferred_when_we_cannot_become_them),
         ZM_TEST(quoted_printable_is_decoded_on_request),
         ZM_TEST(eight_bit_headers_become_encoded_words), ZM_TEST(missing_directory_defers),
         ZM_TEST(decoding_encodes_nothing), ZM_TEST(comsat_is_told_where_the_letter_begins),
         ZM_TEST(log_lines_are_lines_whatever_an_address_says))
