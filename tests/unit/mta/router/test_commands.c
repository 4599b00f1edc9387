/*
 * The commands that the router adds to the script language, one after the other.
 */
#include <apr_strings.h>
#include <string.h>

#include "platform/fs.h"
#include "tests/unit/mta/router/world.h"

/* -- accounts ------------------------------------------------------------------------------- */

static void accounts_are_looked_up_and_remembered_for_the_message(void)
{
    world_t *world = world_with("");
    zm_user_t *user = world_account();
    const char *uid = world_format("%" APR_INT64_T_FMT, (apr_int64_t)user->uid);
    ZM_ASSERT_STR(world_call(world, world_format("pwnam %s", user->name)), "?1");
    ZM_ASSERT_STR(world_call(world, world_format("login2uid %s", user->name)), uid);
    ZM_ASSERT_STR(world_call(world, world_format("pwnam %s", user->name)), uid);
    ZM_ASSERT_STR(world_call(world, world_format("pwuid %s", uid)), user->name);
    ZM_ASSERT_STR(world_call(world, world_format("uid2login %s", uid)), user->name);
    if (user->full_name != NULL && user->full_name[0] != '\0')
        CU_ASSERT_TRUE(
            world_has(world_call(world, world_format("fullname %s", user->name)), user->full_name));
    ZM_ASSERT_STR(world_call(world, "login2uid no-such-login"),
                  world_format("%" APR_INT64_T_FMT, (apr_int64_t)world->worker->nobody));
    zm_script_defer_clear(world->worker->script);
    ZM_ASSERT_STR(world_call(world, "uid2login 987654321"), "uid#987654321");
    CU_ASSERT_TRUE(zm_str_equal_c(zm_script_deferred(world->worker->script), "HOME:uid#987654321"));
    ZM_ASSERT_STR(world_call(world, "login2uid"), "?64");
    ZM_ASSERT_STR(world_call(world, "uid2login x"), "?64");
    ZM_ASSERT_STR(world_call(world, "homedirectory no-such-login"), "?2");
    ZM_ASSERT_STR(world_call(world, "homedirectory ../../etc"), "?2");
    ZM_ASSERT_STR(world_call(world, "homedirectory"), "?64");
    ZM_ASSERT_STR(world_call(world, "groupmembers no-such-group"), "?1");
    world_end(world);
}

/* -- addresses ------------------------------------------------------------------------------ */

static void syntax_of_addresses_is_checked(void)
{
    static const char *const good[] = {"u@d.test",     "@r.test:u@d.test", "a!b",
                                       "\"q\"@d.test", "u@[192.0.2.1]",    "u%v@d.test"};
    static const char *const bad[] = {"<u@d.test>",        "u@",           "@d.test",
                                      "a..b@d.test",       "u@d.test,v@d", "u@d@e",
                                      "(comment)u@d.test", "\"open@d.test"};
    world_t *world = world_with("");
    apr_size_t i;
    for (i = 0; i < sizeof good / sizeof good[0]; i++)
        ZM_ASSERT_STR(world_call(world, world_format("rfc822syntax %s", good[i])), "");
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ZM_ASSERT_STR(world_call(world, world_format("rfc822syntax %s", bad[i])), "?1");
    ZM_ASSERT_STR(world_call(world, "rfc822syntax"), "?64");
    ZM_ASSERT_STR(world_call(world, "rfc822syntax a b"), "?64");
    world_end(world);
}

static void bad_addresses_are_noted_where_the_site_says(void)
{
    world_t *world = world_begin();
    uint64_t id;
    char *text;
    apr_size_t length;
    const char *path = apr_pstrcat(zm_test_pool(), world->directory, "/log/bad", NULL);
    world_file(world, "var/router.local.cf", world_format("erraddron %s\n", path));
    world_start(world);
    id = world_submit(world, world_root(),
                      "from <a@a.test>\nto bob\nReply-To: ok@x.test, J. Random <a@b>\nCc: <x\n\n");
    world_route(world, id);
    ZM_ASSERT_OK(zm_file_slurp(&text, &length, path, 10000, zm_test_pool()));
    CU_ASSERT_TRUE(world_has(text, " Reply-To: J. Random <a@b>\n"));
    CU_ASSERT_TRUE(world_has(text, " Cc: <x\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "ok@x.test"));
    ZM_ASSERT_STR(world_call(world, "erraddron"), "");
    ZM_ASSERT_STR(world_call(world, "erraddron a b"), "?64");
    world_end(world);
}

/* -- forwarding ----------------------------------------------------------------------------- */

static void forwarded_mail_has_a_sender_of_ours_that_leads_back(void)
{
    world_t *world = world_begin();
    const char *text, *sender;
    char *end;
    uint64_t id;
    world_file(world, "var/mail.conf",
               "hostname=mail.test\nmydomain=mail.test\nsrs_domain=mail.test\n"
               "srs_secrets=(one two)\n");
    world_map(world, "aliases", "away", "x@far.test");
    world_start(world);
    id = world_submit(world, world_root(), "from <ann@a.test>\nto away\nto bob\n\n");
    world_route(world, id);
    text = world_control_text(world, id);
    CU_ASSERT_TRUE(world_has(text, "s local ann@a.test ann@a.test ")); /* to bob */
    sender = strstr(text, "SRS0=");
    CU_ASSERT_PTR_NOT_NULL_FATAL(sender);
    sender = apr_pstrdup(zm_test_pool(), sender);
    end = strpbrk((char *)(uintptr_t)sender, " \n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    *end = '\0';
    CU_ASSERT_TRUE(world_has(sender, "=a.test=ann@mail.test"));
    ZM_ASSERT_STR(world_routes(world, sender, "recipient"), "(smtp a.test ann@a.test)");
    id = world_submit(world, world_root(), "from <bob@mail.test>\nto x@far.test\n\n");
    world_route(world, id);
    CU_ASSERT_TRUE(
        world_has(world_control_text(world, id), "s local bob@mail.test bob@mail.test "));
    ZM_ASSERT_STR(world_call(world, "srs_forward not-an-address"), "not-an-address");
    ZM_ASSERT_STR(world_call(world, "srs_reverse u@x.test"), "u@x.test");
    ZM_ASSERT_STR(world_call(world, "srs_forward"), "?1");
    world_end(world);
}

/* -- lists ---------------------------------------------------------------------------------- */

/* rrouter shows what it was given; "try" gives listexpand its arguments and reads $list. */
static const char showing[] = "rrouter (address, original, A, tail, domain) {\n"
                              "\tcase \"$address\" in\n"
                              "\tfails)\treturn 1 ;;\n"
                              "\ttext)\treturns nothing ;;\n"
                              "\tbare)\treturns (local - bare $A) ;;\n"
                              "\tesac\n"
                              "\treturns (((c \"$address\" \"$original/$tail/$domain\" "
                              "\"$(get $A DSN)/$(get $A ERR)/$(get $A privilege)\")))\n"
                              "}\n"
                              "attributes=(privilege 7 DSN old)\n"
                              "secret=(privilege 7 DSN 'NOTIFY=NEVER REQUIRETLS=YES')\n"
                              "try () { echo -- \"$list\" | listexpand $@ }\n";

static const char *expand(const char *list, const char *words)
{
    world_t *world = world_with(apr_pstrcat(zm_test_pool(), showing, "list='", list, "'\n", NULL));
    const char *result = world_call(world, apr_pstrcat(zm_test_pool(), "try ", words, NULL));
    world_end(world);
    return result;
}

static void members_are_routed_with_attributes_of_their_own(void)
{
    ZM_ASSERT_STR(expand("a@x.test", "attributes list orig"),
                  "(((c a@x.test orig// ORCPT=rfc822;a@x.test//7)))");
    ZM_ASSERT_STR(expand("a+b@x.test", "attributes list orig +t d.test"),
                  "(((c a+b@x.test orig/+t/d.test ORCPT=rfc822;a+2Bb@x.test//7)))");
    ZM_ASSERT_STR(expand("a@x.test", "-N - attributes list orig"),
                  "(((c a@x.test orig// old//7)))");
    ZM_ASSERT_STR(expand("a@x.test", "-N NOTIFY=NEVER attributes list orig"),
                  "(((c a@x.test orig// 'NOTIFY=NEVER ORCPT=rfc822;a@x.test//7')))");
    ZM_ASSERT_STR(expand("a@x.test", "-E owner@x.test -p 5 -c comment -e err attributes l o"),
                  "(((c a@x.test o// ORCPT=rfc822;a@x.test/owner@x.test/7)))");
}

static void members_of_a_list_are_reached_over_tls_when_it_must_be(void)
{
    ZM_ASSERT_STR(expand("a@x.test", "secret list orig"),
                  "(((c a@x.test orig// 'ORCPT=rfc822;a@x.test REQUIRETLS=YES//7')))");
}

static void results_are_put_together_and_failures_left_out(void)
{
    ZM_ASSERT_STR(
        expand("b, fails, text\n# no\n\nPhrase <c@x.test>, (note) d", "-N - attributes l o"),
        "(((c b o// old//7)) ((c c@x.test o// old//7)) ((c d o// old//7)))");
    ZM_ASSERT_STR(expand("bare", "-N - attributes l o"), "(((local - bare attributes)))");
    ZM_ASSERT_STR(expand("a b c\n\\d,", "-N - attributes l o"),
                  "(((c a o// old//7)) ((c b o// old//7)) ((c c o// old//7)) ((c d o// old//7)))");
    ZM_ASSERT_STR(expand("good\nbad@@x.test, lost\nalso", "-N - attributes l o"),
                  "(((c good o// old//7)) ((c also o// old//7)))");
    ZM_ASSERT_STR(expand("g: a, b;", "-N - attributes l o"),
                  "(((c a o// old//7)) ((c b o// old//7)))");
}

static void a_list_without_members_goes_to_who_keeps_it(void)
{
    ZM_ASSERT_STR(expand("# nobody", "-N - attributes l o"), "(((c postmaster o// old//7)))");
    ZM_ASSERT_STR(expand("@@@", "-N - -e keeper attributes l o"), "(((c keeper o// old//7)))");
}

static void wrong_words_of_listexpand_are_told(void)
{
    ZM_ASSERT_STR(expand("a", "attributes"), "?1");
    ZM_ASSERT_STR(expand("a", "-x y attributes l o"), "?1");
    ZM_ASSERT_STR(expand("a", "attributes l o t d more"), "?1");
    ZM_ASSERT_STR(expand("a", "-c"), "?1");
}

/* -- files ---------------------------------------------------------------------------------- */

/* A file and its directory with these modes: whose word it is, "own" or "nobody". */
static const char *judge(world_t *world, uint32_t mode, uint32_t folder, const char *option)
{
    apr_pool_t *pool = zm_test_pool();
    const char *directory = apr_pstrcat(pool, world->directory, "/judged", NULL), *answer;
    zm_file_t *file, *handle;
    world_file(world, "judged/file", "x\n");
    ZM_ASSERT_OK(zm_file_open(&file, NULL, apr_pstrcat(pool, directory, "/file", NULL),
                              ZM_OPEN_READ | ZM_OPEN_WRITE, 0, pool));
    ZM_ASSERT_OK(zm_file_set_mode(file, mode));
    zm_file_close(file);
    ZM_ASSERT_OK(zm_dir_handle(&handle, NULL, directory, pool));
    ZM_ASSERT_OK(zm_file_set_mode(handle, folder));
    answer = world_call(world, world_format("filepriv %s %s/file", option, directory));
    ZM_ASSERT_OK(zm_file_set_mode(handle, 0755));
    zm_file_close(handle);
    if (strcmp(answer, world_format("%" APR_INT64_T_FMT, (apr_int64_t)zm_identity_own().uid)) == 0)
        return "own";
    return strcmp(answer, world_format("%" APR_INT64_T_FMT, (apr_int64_t)world->worker->nobody)) ==
                   0
               ? "nobody"
               : answer;
}

static void a_file_speaks_for_its_owner_when_nobody_else_can_write_it(void)
{
    static const struct {
        uint32_t mode, folder;
        const char *usual, *most664, *most600;
    } table[] = {
        {0600, 0755, "own", "own", "own"},          {0644, 0755, "own", "own", "nobody"},
        {0664, 0755, "nobody", "own", "nobody"},    {0666, 0755, "nobody", "nobody", "nobody"},
        {0700, 0755, "nobody", "nobody", "nobody"}, {0644, 0775, "nobody", "nobody", "nobody"},
        {0664, 0700, "own", "own", "own"},          {0644, 01777, "own", "own", "nobody"}};
    world_t *world = world_with("");
    apr_size_t i;
    if (!zm_test_on_windows() && /* whose modes are not these */
        zm_identity_own().uid != world->worker->nobody) {
        for (i = 0; i < sizeof table / sizeof table[0]; i++) {
            ZM_ASSERT_STR(judge(world, table[i].mode, table[i].folder, ""), table[i].usual);
            ZM_ASSERT_STR(judge(world, table[i].mode, table[i].folder, "-M 664"), table[i].most664);
            ZM_ASSERT_STR(judge(world, table[i].mode, table[i].folder, "-M 600"), table[i].most600);
        }
    }
    ZM_ASSERT_STR(world_call(world, "filepriv -M 666 /x"), "?64");
    ZM_ASSERT_STR(world_call(world, "filepriv -M 9 /x"), "?64");
    ZM_ASSERT_STR(world_call(world, "filepriv"), "?64");
    ZM_ASSERT_STR(world_call(world, "filepriv /nonexistent/file"), "?2");
    ZM_ASSERT_STR(world_call(world, "filepriv /nonexistent/file 7"), "?4");
    world_end(world);
}

static void runas_calls_functions_and_commands(void)
{
    world_t *world = world_with("f () { echo \"<$1>\" ; return 3 }\ng () { echo \"<$1>\" }\n");
    ZM_ASSERT_STR(world_call(world, "runas 0 g x"), "<x>");
    ZM_ASSERT_STR(world_call(world, "runas 0 f x"), "?3");
    ZM_ASSERT_STR(world_call(world, "runas 0 echo y"), "y");
    ZM_ASSERT_STR(world_call(world, "runas no-such-login g x"), "?1");
    ZM_ASSERT_STR(world_call(world, "runas 0"), "?64");
    ZM_ASSERT_STR(world_call(world, "runas 0 /bin/echo x"), "?1"); /* no programs */
    ZM_ASSERT_STR(world_call(world, "runas 5 runas 0 g x"), "?1"); /* rights only shrink */
    world_end(world);
}

/* -- switches ------------------------------------------------------------------------------- */

static void switches_are_set_and_shown(void)
{
    world_t *world = world_with("");
    ZM_ASSERT_STR(world_call(world, "squirrel"),
                  "-breakin\nbadheader\n-illheader\n-nochannel\n-nosender");
    ZM_ASSERT_STR(world_call(world, "squirrel -badheader breakin"), "");
    ZM_ASSERT_STR(world_call(world, "squirrel"),
                  "breakin\n-badheader\n-illheader\n-nochannel\n-nosender");
    ZM_ASSERT_STR(world_call(world, "squirrel nonsense"), "?64");
    ZM_ASSERT_STR(world_call(world, "stability"), "stability on");
    ZM_ASSERT_STR(world_call(world, "stability off"), "");
    ZM_ASSERT_STR(world_call(world, "stability"), "stability off");
    ZM_ASSERT_STR(world_call(world, "stability maybe"), "?64");
    ZM_ASSERT_STR(world_call(world, "daemon now"), "?64");
    ZM_ASSERT_STR(world_call(world, "iserrormsg"), "?1");
    ZM_ASSERT_STR(world_call(world, "isinteractive"), "?1");
    ZM_ASSERT_STR(world_call(world, "hostname a b"), "?64");
    ZM_ASSERT_STR(world_call(world, "rfc822"), "?100");
    ZM_ASSERT_STR(world_call(world, "zapDSNnotify x"), "");
    ZM_ASSERT_STR(world_call(world, "postzapDSNnotify"), "");
    world_end(world);
}

static void words_of_trace_show_the_way_of_a_message(void)
{
    static const char *const expected[] = {
        "sequencer: router/",
        "control file",
        "rfc822: Subject: x",
        "rfc822: From: alice",
        "router: bob@x.test (((smtp x.test bob@x.test g",
        "final: bob@x.test (internet (local alice",
        "rewrite: From: alice is alice@mail.test",
        "memory: ",
        "compare (.+)@([^@]+) bob@x.test",
    };
    world_t *world = world_begin();
    apr_size_t i;
    world_file(world, "var/router.local.cf",
               "trace sequencer rfc822 router final rewrite memory compare\n");
    world_start(world);
    world_take(world, "from alice@mail.test\nto bob@x.test\nenv-end\nFrom: alice\nSubject: "
                      "x\nReply-To: alice@mail.test\n\n.\n");
    for (i = 0; i < sizeof expected / sizeof expected[0]; i++)
        CU_ASSERT_TRUE(world_logged(world, expected[i]));
    world_end(world);
}

ZM_TESTS("router commands", ZM_TEST(words_of_trace_show_the_way_of_a_message),
         ZM_TEST(accounts_are_looked_up_and_remembered_for_the_message),
         ZM_TEST(syntax_of_addresses_is_checked),
         ZM_TEST(bad_addresses_are_noted_where_the_site_says),
         ZM_TEST(forwarded_mail_has_a_sender_of_ours_that_leads_back),
         ZM_TEST(members_are_routed_with_attributes_of_their_own),
         ZM_TEST(members_of_a_list_are_reached_over_tls_when_it_must_be),
         ZM_TEST(results_are_put_together_and_failures_left_out),
         ZM_TEST(a_list_without_members_goes_to_who_keeps_it),
         ZM_TEST(wrong_words_of_listexpand_are_told),
         ZM_TEST(a_file_speaks_for_its_owner_when_nobody_else_can_write_it),
         ZM_TEST(runas_calls_functions_and_commands), ZM_TEST(switches_are_set_and_shown))
