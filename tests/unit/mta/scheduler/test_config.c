#include "mta/scheduler/command.h"
#include "mta/scheduler/config.h"
#include "tests/unit/harness.h"

static zm_zenv_t *site(void)
{
    static const char text[] = "POSTOFFICE=/po\nMAILSHARE=/share\nMAILBIN=/bin/z\nLOGDIR=/log\n"
                               "PATH=/usr/bin:/bin\n";
    zm_zenv_t *zenv = NULL;
    zm_error_t error;
    ZM_ASSERT_OK(
        zm_zenv_parse(&zenv, zm_str(text), "zmailer.conf", "/", NULL, zm_test_pool(), &error));
    return zenv;
}

static apr_status_t parse(zm_config_t **config, const char *text, bool privileged,
                          zm_buf_t *problems)
{
    zm_config_options_t options = {"s.conf", site(), privileged, 500};
    return zm_config_parse(config, zm_str(text), &options, problems, zm_test_pool());
}

static zm_config_t *good(const char *text)
{
    zm_config_t *config = NULL;
    zm_buf_t problems = ZM_BUF_INIT;
    ZM_ASSERT_OK(parse(&config, text, false, &problems));
    ZM_ASSERT_STR(zm_buf_c(&problems), "");
    zm_buf_free(&problems);
    return config;
}

/* Asserts that the text is refused and that every expected piece is among the problems. */
static void bad(const char *text, const char *expected)
{
    zm_config_t *config = NULL;
    zm_buf_t problems = ZM_BUF_INIT;
    CU_ASSERT_EQUAL(parse(&config, text, false, &problems), ZM_E_CONFIG);
    if (strstr(zm_buf_c(&problems), expected) == NULL)
        ZM_ASSERT_STR(zm_buf_c(&problems), expected);
    zm_buf_free(&problems);
}

static const zm_selection_t *select_for(zm_config_t *config, const char *channel, const char *host)
{
    return zm_config_select(config, zm_str(channel), zm_str(host));
}

static const char shipped[] =
    "# comment\n"
    "PARAMauthfile = \"${MAILSHARE}/scheduler.auth\"\n"
    "*/*\tinterval=1m idlemax=4m expiry=3d retries=\"1 1 2 3 5 8 13 21 34\"\n"
    "\tmaxchannel=0 maxring=20 maxta=0 skew=1 user=root group=daemon ageorder overfeed=150 # c\n"
    "local/file*\n"
    "local/pipe*\tinterval=5m maxchannel=15 maxring=5 command=\"mailbox -8\"\n"
    "hold/* interval=5m maxchannel=1 command=hold\n"
    "smtp/*.{se,dk,is,no}   maxring=3 command=\"smtp -s\"\n"
    "   # indented comment\n"
    "smtp-etrn/*\n  interval = 1h\n  retries=\"12\"\n  queueonly command=\"smtp -s -c $channel\"\n"
    "smtp/*  command=\"smtp -s\\\n -l ${LOGDIR}/smtp\"\n";

static void shipped_shape_is_read(void)
{
    zm_config_t *config = good(shipped);
    const zm_selection_t *file = select_for(config, "local", "file./x");
    const zm_selection_t *pipe = select_for(config, "local", "pipe.cat");

    ZM_ASSERT_STR(config->authfile, "/share/scheduler.auth");
    ZM_ASSERT_STR(file->label, "local/file*");
    ZM_ASSERT_STR(file->params.command, "mailbox -8");
    CU_ASSERT_EQUAL(file->params.interval, 300);
    CU_ASSERT_EQUAL(file->params.maxring, 5);
    CU_ASSERT_EQUAL(file->params.expiry, 3 * 86400);
    CU_ASSERT_EQUAL(file->params.retry_count, 9);
    CU_ASSERT_EQUAL(file->params.maxta, 500);
    CU_ASSERT_EQUAL(file->params.maxchannel, 15);
    CU_ASSERT_EQUAL(file->params.overfeed, 150);
    CU_ASSERT(file->params.ageorder);
    ZM_ASSERT_STR(pipe->label, "local/pipe*");
    CU_ASSERT_PTR_NOT_EQUAL(file, pipe);
    ZM_ASSERT_STR(select_for(config, "smtp", "a.dk")->label, "smtp/*.{se,dk,is,no}");
    ZM_ASSERT_STR(select_for(config, "smtp", "a.com")->params.command, "smtp -s -l ${LOGDIR}/smtp");
    CU_ASSERT(select_for(config, "smtp-etrn", "x")->params.queueonly);
    CU_ASSERT_EQUAL(select_for(config, "smtp-etrn", "x")->params.interval, 3600);
}

static void same_clause_gives_the_same_selection(void)
{
    zm_config_t *config = good(shipped);
    CU_ASSERT_PTR_EQUAL(select_for(config, "smtp", "a.com"), select_for(config, "smtp", "b.org"));
}

static void unmatched_destination_has_no_command(void)
{
    zm_config_t *config = good("*/* expiry=2d\nsmtp/* command=smtp\n");
    const zm_selection_t *none = select_for(config, "uucp", "x");
    CU_ASSERT_EQUAL(none->clause_count, 0);
    CU_ASSERT_PTR_NULL(none->params.command);
    CU_ASSERT_EQUAL(none->params.expiry, 2 * 86400);
}

static void matching_clauses_add_up_until_a_command(void)
{
    zm_config_t *config = good("*/* interval=1m maxring=7\n"
                               "smtp/*.fi interval=2m\n"
                               "smtp/*funet.fi maxring=3 command=\"smtp -f\"\n"
                               "smtp/* overfeed=9 command=\"smtp -s\"\n");
    const zm_selection_t *both = select_for(config, "smtp", "x.funet.fi");
    const zm_selection_t *other = select_for(config, "smtp", "x.fi");
    const zm_selection_t *plain = select_for(config, "smtp", "x.org");

    CU_ASSERT_EQUAL(both->clause_count, 2);
    CU_ASSERT_EQUAL(both->params.interval, 120);
    CU_ASSERT_EQUAL(both->params.maxring, 3);
    CU_ASSERT_EQUAL(both->params.overfeed, 0);
    ZM_ASSERT_STR(both->params.command, "smtp -f");
    CU_ASSERT_EQUAL(other->params.interval, 120);
    CU_ASSERT_EQUAL(other->params.maxring, 7);
    CU_ASSERT_EQUAL(other->params.overfeed, 9);
    CU_ASSERT_EQUAL(plain->params.interval, 60);
    CU_ASSERT_PTR_EQUAL(both, select_for(config, "smtp", "funet.fi"));
}

static void default_command_ends_the_walk(void)
{
    zm_config_t *config = good("*/* command=smtp\nsmtp/a* interval=5m\nsmtp/* interval=9m\n");
    CU_ASSERT_EQUAL(select_for(config, "smtp", "a")->params.interval, 300);
}

static void default_counts_only_for_what_follows(void)
{
    zm_config_t *config = good("a/* command=x\n*/* interval=1m\nb/* command=x\n");
    CU_ASSERT_EQUAL(select_for(config, "a", "h")->params.interval, 3600);
    CU_ASSERT_EQUAL(select_for(config, "b", "h")->params.interval, 60);
}

static void selector_without_host_takes_all(void)
{
    zm_config_t *config = good("smtp command=smtp\n");
    ZM_ASSERT_STR(select_for(config, "smtp", "any")->label, "smtp/*");
}

static void errors_name_file_and_line_and_are_all_listed(void)
{
    bad(" interval=1m\n", "s.conf:1: \"interval\" stands before the first clause");
    bad("a/b\n\n  bogus=1 command=x\n", "s.conf:3: \"bogus\" is not a parameter");
    bad("a/b retries=0 command=x\n", "s.conf:1: retries wants a number from 1 to 65535, not \"0\"");
    bad("a/b interval=0 command=x\n", "interval must be at least 1 seconds");
    bad("a/b interval=5y command=x\n", "interval wants an interval such as");
    bad("a/b command\n", "command wants a value");
    bad("a/b command=\"x\n", "the quote that starts on line 1 is not closed");
    bad("PARAMbogus=1\n", "PARAMbogus is not known");
    bad("a/b command=x\nc/d\n", "s.conf:2: clause c/d has no parameters");
    bad("a/b bogus=1\n skew=0\n", "s.conf:2: skew wants");
    bad("a/b bogus=1\n skew=0\n", "s.conf:1: \"bogus\"");
}

static void privileged_scheduler_wants_users(void)
{
    zm_config_t *config = NULL;
    zm_buf_t problems = ZM_BUF_INIT;
    CU_ASSERT_EQUAL(parse(&config, "a/b command=x\n", true, &problems), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&problems), "s.conf:1: clause a/b sets no user"));
    zm_buf_clear(&problems);
    ZM_ASSERT_OK(parse(&config, "a/b command=x user=12 group=34\n", true, &problems));
    CU_ASSERT_EQUAL(select_for(config, "a", "b")->params.as.uid, 12);
    CU_ASSERT_EQUAL(select_for(config, "a", "b")->params.as.gid, 34);
    zm_buf_free(&problems);
}

static void obsolete_keywords_only_warn(void)
{
    zm_config_t *config = NULL;
    zm_buf_t problems = ZM_BUF_INIT;
    ZM_ASSERT_OK(parse(&config, "a/b bhost maxhost=3 bychannel command=x\n", false, &problems));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&problems), "s.conf:1: warning: maxhost has no effect"));
    zm_buf_free(&problems);
}

static void params_are_read_in_all_spellings(void)
{
    zm_config_t *config = good("PARAMmailsock = \"UNIX:${POSTOFFICE}/.q\"\n"
                               "PARAMglobal-report-interval=10m\n"
                               "PARAMnotifysock=UNIX:/x/n\nparammsgwriteasync=1\n"
                               "PARAMstore-error-on-error=1\n");
    ZM_ASSERT_STR(config->mailqsock, "UNIX:/po/.q");
    ZM_ASSERT_STR(config->notifysock, "/x/n");
    CU_ASSERT_EQUAL(config->report_interval, 600);
    CU_ASSERT(config->store_error_on_error);
}

static void commands_expand_for_a_destination(void)
{
    zm_command_t command;
    zm_command_for_t what = {ZM_S("smtpx"), ZM_S("h.org"), "192.0.2.1 192.0.2.2", 3};
    zm_error_t error;
    ZM_ASSERT_OK(zm_command_build(
        &command, "OPT=1 smtp -c $channel -x ${host}.x -l ${LOGDIR}/y ${NO}z $LOGDIR -L[${source}]",
        &what, site(), zm_test_pool(), &error));
    ZM_ASSERT_STR(command.argv[0], "/bin/z/ta/smtp");
    ZM_ASSERT_STR(command.argv[2], "smtpx");
    ZM_ASSERT_STR(command.argv[4], "h.org.x");
    ZM_ASSERT_STR(command.argv[6], "/log/y");
    ZM_ASSERT_STR(command.argv[7], "z");
    ZM_ASSERT_STR(command.argv[8], "$LOGDIR");
    ZM_ASSERT_STR(command.argv[9], "-L[192.0.2.2]");
    CU_ASSERT_PTR_NULL(command.argv[10]);
    ZM_ASSERT_STR(command.environment[0], "OPT=1");
    CU_ASSERT_EQUAL(zm_command_build(&command, "A=1", &what, site(), zm_test_pool(), &error),
                    ZM_E_CONFIG);
    CU_ASSERT(zm_command_names_host("sm $host"));
    CU_ASSERT(zm_command_names_host("sm -x${host}"));
    CU_ASSERT_FALSE(zm_command_names_host("sm $hostile"));
}

static void with_host_command_marks_the_selection(void)
{
    zm_config_t *config = good("a/* command=\"sm $host\"\nb/* command=sm\n");
    CU_ASSERT(select_for(config, "a", "h")->with_host);
    CU_ASSERT_FALSE(select_for(config, "b", "h")->with_host);
}

ZM_TESTS("scheduler_config", ZM_TEST(shipped_shape_is_read),
         ZM_TEST(same_clause_gives_the_same_selection),
         ZM_TEST(unmatched_destination_has_no_command),
         ZM_TEST(matching_clauses_add_up_until_a_command), ZM_TEST(default_command_ends_the_walk),
         ZM_TEST(default_counts_only_for_what_follows), ZM_TEST(selector_without_host_takes_all),
         ZM_TEST(errors_name_file_and_line_and_are_all_listed),
         ZM_TEST(privileged_scheduler_wants_users), ZM_TEST(obsolete_keywords_only_warn),
         ZM_TEST(params_are_read_in_all_spellings), ZM_TEST(commands_expand_for_a_destination),
         ZM_TEST(with_host_command_marks_the_selection))
