/*
 * The agent over a real spool, with shell scripts as mailers.
 */
#include "tests/unit/harness.h"

#include <apr_strings.h>

#include "platform/fs.h"
#include "ta/sm/sm.h"
#include "tests/unit/ta/agent/fixture.h"

static zm_fixture_t *fixture;
static zm_sm_options_t options;

static const char *at(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static void put(const char *path, const char *data, uint32_t mode)
{
    zm_file_t *file;
    ZM_ASSERT_OK(
        zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE, mode, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, data, strlen(data)));
    zm_file_close(file);
}

/* What the mailers have left: their words and, in the file "letter", what they read. */
static const char *left(const char *name)
{
    char *data = NULL;
    apr_size_t length;
    if (zm_file_slurp(&data, &length, at(name), 1 << 24, zm_test_pool()) != APR_SUCCESS)
        return "";
    return data;
}

/* A mailer with these flags and words that runs this shell text in the test's directory. */
static void begin(const char *flags, const char *words, const char *script)
{
    apr_pool_t *pool = zm_test_pool();
    fixture = zm_fixture("MYHOSTNAME=node.example\nNORECEIVEDFORCLAUSE=\nMBOX_PIPE_TIMEOUT=20\n");
    put(at("mailer"),
        apr_pstrcat(pool, "#!/bin/sh\ncd ", zm_test_directory(), "\n", script, "\n", NULL), 0700);
    put(at("sm.conf"), apr_pstrcat(pool, "m ", flags, " ", at("mailer"), " m ", words, "\n", NULL),
        0600);
    options = (zm_sm_options_t){.channel = "prog", .mailer = "m", .table = at("sm.conf")};
}

#define KEEP "echo \"$@\" >>words; cat >>letter"

static const char *run(zm_fixture_letter_t letter)
{
    zm_agent_options_t agent_options = zm_fixture_agent(fixture, "sm", "prog");
    zm_job_line_t line;
    zm_agent_t *agent;
    zm_error_t error = {0};
    const char *path;
    zm_job_t *job;
    zm_sm_t sm;
    int i;
    for (i = 0; i < 8 && letter.recipients[i].user != NULL; i++) {
        letter.recipients[i].channel = "prog";
        if (letter.recipients[i].host == NULL)
            letter.recipients[i].host = "h";
    }
    path = zm_fixture_letter(fixture, &letter);
    zm_fixture_feed(fixture, "%s\n", path);
    zm_fixture_end(fixture);
    agent_options.sticky = true;
    ZM_ASSERT_OK(zm_agent_open(&agent, &agent_options, fixture->pool, &error));
    ZM_ASSERT_OK(zm_sm_open(&sm, &options, agent, &error));
    while (zm_agent_next(agent, &line) == APR_SUCCESS)
        if (zm_job_open(&job, agent, &line) == ZM_JOB_READY) {
            zm_sm_job(&sm, job);
            zm_job_close(job);
        }
    CU_ASSERT_EQUAL(zm_agent_end(agent), 0);
    return path;
}

#define TAGS(path, tags) ZM_ASSERT_STR(zm_fixture_tags(fixture, path), tags)
#define HEARD(text) CU_ASSERT_EQUAL(zm_fixture_count(fixture, text), 1)
#define NEEDS_A_SHELL                                                                              \
    if (zm_test_on_windows())                                                                      \
    return

/* A letter without its first line, which has the time in it. */
static const char *behind_separator(const char *text)
{
    return text + strcspn(text, "\n") + 1;
}

static void each_recipient_has_a_process(void)
{
    const char *path;
    NEEDS_A_SHELL;
    begin("-", "$g $h $u", KEEP);
    path = run((zm_fixture_letter_t){
        .sender = "a@b.c",
        .header = "Return-Path: <forged>\nTo: x\n",
        .body = "From here\n.\nend",
        .recipients = {{.user = "Bob"}, {.user = "eve"}, {.user = "far", .host = "other"}}});
    TAGS(path, "++ "); /* one host at a time */
    ZM_ASSERT_STR(left("words"), "a@b.c h Bob\na@b.c h eve\n");
    CU_ASSERT_EQUAL(strncmp(left("letter"), "From a@b.c ", 11), 0);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(behind_separator(left("letter")), "To: x\n\nFrom here\n.\nend\nFrom a@b.c "));
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\t\tok3 [exit status 0/0 (delivered)]\n"), 2);
}

static void many_share_a_process(void)
{
    const char *path;
    NEEDS_A_SHELL;
    begin("mn", "$u -- $h", KEEP);
    path = run((zm_fixture_letter_t){
        .sender = "a@b.c",
        .recipients = {{.user = "bob"}, {.user = "-evil"}, {.user = "eve"}, {.user = "dan"}}});
    TAGS(path, "+-++");
    ZM_ASSERT_STR(left("words"), "bob -- h\neve dan -- h\n");
    HEARD("\terror2 address: the mailer could take it for something else\n");
}

static void header_has_what_the_flags_ask_for(void)
{
    NEEDS_A_SHELL;
    begin("enP", "$u", KEEP);
    run((zm_fixture_letter_t){
        .sender = "a@b.c",
        .envid = "e+2B1",
        .header = "X-Envelope-To: <forged>\nOriginal-Recipient: forged\nTo: x\n",
        .recipients = {{.user = "bob", .privilege = 7, .dsn = "ORCPT=rfc822;b+2Bb@y"}}});
    ZM_ASSERT_STR(left("letter"),
                  "To: x\nEnvelope-Id: e+1\nX-Envelope-To: <bob> (uid 7)\n"
                  "Original-Recipient: rfc822;b+b@y\nReturn-Path: <a@b.c>\n\nHello\n");
}

static void lines_are_ended_hidden_and_escaped(void)
{
    NEEDS_A_SHELL;
    begin("EnRX", "$u", KEEP);
    run((zm_fixture_letter_t){.sender = "a@b.c",
                              .header = "To: x\n",
                              .body = ".\nFrom here\n.From there\nend",
                              .recipients = {{.user = "bob"}}});
    ZM_ASSERT_STR(left("letter"), "To: x\r\n\r\n..\r\n>From here\r\n..From there\r\nend\r\n");
}

static void batches_have_an_envelope_and_an_end(void)
{
    NEEDS_A_SHELL;
    begin("bHm", "$h", KEEP);
    run((zm_fixture_letter_t){.sender = "a@b.c",
                              .header = "To: x\n",
                              .body = ".\n",
                              .recipients = {{.user = "bob@x"}, {.user = "eve@x"}}});
    ZM_ASSERT_STR(left("letter"), "HELO node.example\nMAIL From:<a@b.c>\nRCPT TO:<bob@x>\n"
                                  "RCPT TO:<eve@x>\nDATA\nTo: x\n\n..\n.\n");
}

static void batches_may_have_parameters(void)
{
    const char *letter;
    NEEDS_A_SHELL;
    begin("BBHR8", "$h", KEEP);
    run((zm_fixture_letter_t){
        .header = "To: x\n",
        .body = "\xe4\n",
        .envid = "E1",
        .ret = "HDRS",
        .recipients = {{.user = "bob@x", .dsn = "NOTIFY=DELAY BY=4000000000;NT"}}});
    letter = left("letter");
    CU_ASSERT_PTR_EQUAL(strstr(letter, "EHLO node.example\r\nMAIL From:<> SIZE=84 BODY=8BITMIME "
                                       "ENVID=E1 RET=HDRS BY="),
                        letter);
    CU_ASSERT_PTR_NOT_NULL(strstr(left("letter"),
                                  ";NT\r\nRCPT TO:<bob@x> NOTIFY=DELAY ORCPT=rfc822;bob@x\r\n"
                                  "DATA\r\nTo: x\r\n\r\n\xe4\r\n.\r\n"));
}

static void nothing_ends_a_batch_early(void)
{
    const char *path;
    NEEDS_A_SHELL;
    begin("b7", "$h", KEEP);
    path = run((zm_fixture_letter_t){
        .sender = "a@b.c",
        .header = "DKIM-Signature: x\nTo: x\n",
        .body = "x\x8a.\x8aMAIL From:<x>\n",
        .recipients = {{.user = "bob@x"}, {.user = "b> c@x"}, {.user = "\"q\rDATA\"@x"}}});
    TAGS(path, "+--");
    ZM_ASSERT_STR(left("letter"), "MAIL From:<a@b.c>\nRCPT TO:<bob@x>\nDATA\nDKIM-Signature: x\n"
                                  "To: x\n\nx\n..\nMAIL From:<x>\n.\n");
}

static void uucp_says_where_it_comes_from(void)
{
    const char *letter;
    NEEDS_A_SHELL;
    begin("nU", "$u", KEEP);
    run((zm_fixture_letter_t){.sender = "a@b.c", .recipients = {{.user = "bob"}}});
    letter = left("letter");
    CU_ASSERT_EQUAL(strncmp(letter, "From a@b.c ", 11), 0);
    CU_ASSERT_EQUAL(strncmp(behind_separator(letter) - 18, " remote from node\n", 18), 0);
}

static void letters_are_made_fit_for_the_mailer(void)
{
    NEEDS_A_SHELL;
    begin("n", "$u", KEEP);
    options.code_blanks = true;
    run((zm_fixture_letter_t){
        .sender = "a@b.c",
        .header = "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\nSubject: \xc3\xa4\n",
        .body = "\xc3\xa4 b\n",
        .recipients = {{.user = "bob"}}});
    CU_ASSERT_PTR_NOT_NULL(strstr(left("letter"), "\n\n=C3=A4=20b\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(left("letter"), "Subject: =?"));
}

static const char *outcome_of(const char *script, bool strict)
{
    begin("n", "$u", script);
    options.strict = strict;
    run((zm_fixture_letter_t){.sender = "a@b.c", .recipients = {{.user = "bob"}}});
    return zm_fixture_heard(fixture);
}

#define ENDS(script, expected) CU_ASSERT_PTR_NOT_NULL(strstr(outcome_of(script, false), expected))

static void exit_statuses_become_results(void)
{
    NEEDS_A_SHELL;
    ENDS("exit 67", "\terror2 [exit status 67/67 (no such user)]\n");
    ENDS("exit 65", "\terror2 [exit status 65/69 (bad data)]\n");
    ENDS("exit 77", "\terror2 [exit status 77/77 (permission denied)]");
    ENDS("exit 75", "\0014.3.0\001");
    ENDS("exit 73", "\0014.2.1\001");
    ENDS("exit 3", "\tdeferred [exit status 3/75 (unknown status)]\n");
    ENDS("kill -9 $$", "\tdeferred [signal 9]\n");
    ENDS("echo 'not \033today'; echo more; exit 75", "\tdeferred not ?today [exit status 75/75");
    CU_ASSERT_PTR_NOT_NULL(strstr(outcome_of("exit 3", true), "\terror2 [exit status 3/69"));
}

static void mailer_that_cannot_be_started_defers(void)
{
    const char *path;
    NEEDS_A_SHELL;
    begin("n", "$u", "exit 0");
    ZM_ASSERT_OK(zm_file_unlink(NULL, at("mailer")));
    path = run((zm_fixture_letter_t){.sender = "a@b.c", .recipients = {{.user = "bob"}}});
    TAGS(path, " ");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "\tdeferred cannot execute "), 1);
}

static void mailer_need_not_read_and_may_talk_much(void)
{
    char *big;
    NEEDS_A_SHELL;
    big = apr_palloc(zm_test_pool(), 3000001);
    memset(big, 'x', 3000000);
    big[3000000] = '\0';
    begin("n", "$u", "head -c 1000000 /dev/zero; exit 0");
    TAGS(
        run((zm_fixture_letter_t){.sender = "a@b.c", .body = big, .recipients = {{.user = "bob"}}}),
        "+");
}

static void success_is_reported_when_asked_for(void)
{
    const char *path;
    NEEDS_A_SHELL;
    begin("n", "$u", "cat >/dev/null");
    path = run((zm_fixture_letter_t){.sender = "a@b.c",
                                     .recipients = {{.user = "bob", .dsn = "NOTIFY=SUCCESS"}}});
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_fixture_control(fixture, path).data,
                                  "\tbob\1relayed\0012.5.0\1smtp;250 (Delivered)\1\t"));
}

static void missing_mailers_are_told(void)
{
    zm_agent_options_t agent_options;
    zm_error_t error = {0};
    zm_agent_t *agent;
    zm_sm_t sm;
    begin("n", "$u", "exit 0");
    agent_options = zm_fixture_agent(fixture, "sm", "prog");
    zm_fixture_end(fixture);
    ZM_ASSERT_OK(zm_agent_open(&agent, &agent_options, fixture->pool, &error));
    options.mailer = "none";
    CU_ASSERT_NOT_EQUAL(zm_sm_open(&sm, &options, agent, &error), APR_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "sm.conf: there is no mailer none"));
    options.table = at("nothing");
    CU_ASSERT_NOT_EQUAL(zm_sm_open(&sm, &options, agent, &error), APR_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "cannot read the table of mailers "));
    zm_agent_end(agent);
}

ZM_TESTS("sm jobs", ZM_TEST(each_recipient_has_a_process), ZM_TEST(many_share_a_process),
         ZM_TEST(header_has_what_the_flags_ask_for), ZM_TEST(lines_are_ended_hidden_and_escaped),
         ZM_TEST(batches_have_an_envelope_and_an_end), ZM_TEST(batches_may_have_parameters),
         ZM_TEST(nothing_ends_a_batch_early), ZM_TEST(uucp_says_where_it_comes_from),
         ZM_TEST(letters_are_made_fit_for_the_mailer), ZM_TEST(exit_statuses_become_results),
         ZM_TEST(mailer_that_cannot_be_started_defers),
         ZM_TEST(mailer_need_not_read_and_may_talk_much),
         ZM_TEST(success_is_reported_when_asked_for), ZM_TEST(missing_mailers_are_told))
