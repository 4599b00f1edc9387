/*
 * A message's way from its file to the control file.
 */
#include <apr_strings.h>
#include <stdlib.h>

#include "mta/router/rewrite.h"
#include "tests/unit/mta/router/world.h"

/* -- the header ------------------------------------------------------------------------------- */

static void what_a_header_lacks_is_added(void)
{
    world_t *world = world_with(NULL);
    const char *header;
    uint64_t id = world_take(world, "from <ann@a.test>\nto bob\nSubject: Hi\n\nbody\n");
    header = world_header(world, id);
    CU_ASSERT_EQUAL(strncmp(header, "Received: by mail.test id S", 27), 0);
    CU_ASSERT_TRUE(world_has(header, "\nMessage-Id: <S"));
    CU_ASSERT_TRUE(world_has(header, "\nFrom:\t<ann@a.test>\nSubject: Hi\n"));
    CU_ASSERT_TRUE(world_has(header, "\nTo:\tunlisted-recipients:;"));
    CU_ASSERT_TRUE(world_has(header, "\nDate:\t"));
    world_end(world);
}

static void messages_recipients_and_kilobytes_are_counted(void)
{
    world_t *world = world_begin();
    zm_counters_t *counters;
    world_map(world, "aliases", "team", "alice, bob, alice");
    world_start(world);
    counters = world->worker->counters;
    (void)world_take(world, "from <ann@a.test>\nto team\nto x@far.test\n\nbody\n");
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_ReceivedMessages), 1);
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_ReceivedRecipients), 2);
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_ReceivedVolume_kB), 1);
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_TransmittedMessages), 1);
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_TransmittedRecipients), 3);
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_TransmittedVolume_kB), 1);
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_TransmittedVolume2_kB), 1);
    (void)world_take(world, "nonsense ann\n\n"); /* taken up, and parked */
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_ReceivedMessages), 2);
    CU_ASSERT_EQUAL(zm_counter_get(counters, ZM_COUNT_RT_TransmittedMessages), 1);
    world_end(world);
}

static void the_control_file_has_its_lines_in_order(void)
{
    world_t *world = world_with(NULL);
    const char *text, *lines[] = {"@ 0x00000007\n",
                                  "z ",
                                  "i ",
                                  "o ",
                                  "l <x@a.test>\n",
                                  "e ann@a.test\n",
                                  "s local ann@a.test ann@a.test ",
                                  "r           ",
                                  "m\n"};
    uint64_t id =
        world_take(world, "from <ann@a.test>\nto bob\nMessage-Id: <x@a.test>\nTo: bob\n\nbody\n");
    apr_size_t i;
    text = world_control_text(world, id);
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        CU_ASSERT_EQUAL_FATAL(strncmp(text, lines[i], strlen(lines[i])), 0);
        text = strchr(text, '\n') + 1;
    }
    CU_ASSERT_EQUAL(world_control(world, id)->body_offset,
                    strlen("from <ann@a.test>\nto bob\nMessage-Id: <x@a.test>\nTo: bob\n\n"));
    world_end(world);
}

static void the_message_file_is_not_touched(void)
{
    world_t *world = world_with(NULL);
    const char *text = "from <a@a.test>\r\nto bob\r\nSubject: x\r\n\r\nline\r\nlast";
    uint64_t id = world_take(world, text);
    char hash[ZM_HASH_PREFIX_SIZE];
    zm_layout_hash(hash, id, 2);
    ZM_ASSERT_STR(
        world_contents(world, world_format("queue/%s%" APR_UINT64_T_FMT, hash, (apr_uint64_t)id)),
        text);
    CU_ASSERT_TRUE(world_has(world_header(world, id), "\nSubject: x\n"));
    CU_ASSERT_EQUAL(world_control(world, id)->body_offset, strlen(text) - strlen("line\r\nlast"));
    world_end(world);
}

static void a_message_may_end_anywhere(void)
{
    world_t *world = world_with(NULL);
    CU_ASSERT_TRUE(world_has(world_header(world, world_take(world, "to bob\nSubject: no line end")),
                             "\nSubject: no line end\n"));
    CU_ASSERT_EQUAL(world_control(world, world_take(world, "to bob"))->recipient_count, 1);
    CU_ASSERT_EQUAL(world_control(world, world_take(world, "to bob\n\n"))->recipient_count, 1);
    CU_ASSERT_EQUAL(world_control(world, world_take(world, "To: bob"))->recipient_count, 1);
    world_end(world);
}

static void recipients_come_from_the_header_when_the_envelope_has_none(void)
{
    world_t *world = world_with(NULL);
    uint64_t id = world_take(world, "from <a@a.test>\nTo: Bob <bob@mail.test>, u@b.test\n"
                                    "Bcc: alice@mail.test\nCc: x@c.test\n\n");
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 4);
    CU_ASSERT_TRUE(world_has(world_recipients(world, id), "alice@mail.test"));
    CU_ASSERT_PTR_NULL(strstr(world_header(world, id), "Bcc"));
    world_end(world);
}

static void a_resent_message_goes_to_its_resent_recipients(void)
{
    world_t *world = world_with(NULL);
    uint64_t id = world_take(world, "from <a@a.test>\nTo: old@b.test\nResent-To: bob\n"
                                    "Resent-From: a@a.test\nFrom: o@b.test\n\n");
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 1);
    CU_ASSERT_TRUE(world_has(world_header(world, id), "\nResent-Message-Id: <S"));
    CU_ASSERT_TRUE(world_has(world_header(world, id), "\nResent-Date:"));
    world_end(world);
}

static void own_authentication_results_take_the_place_of_forged_ones(void)
{
    world_t *world = world_with(NULL);
    uint64_t id =
        world_take(world, "comment authres: mail.test; spf=pass\nfrom <a@a.test>\nto bob\n"
                          "Authentication-Results: mail.test; spf=forged\n"
                          "Authentication-Results: other.test; spf=none\n\n");
    const char *header = world_header(world, id);
    CU_ASSERT_TRUE(world_has(header, "\nAuthentication-Results:\tmail.test; spf=pass\n"));
    CU_ASSERT_TRUE(world_has(header, "other.test; spf=none"));
    CU_ASSERT_PTR_NULL(strstr(header, "forged"));
    world_end(world);
}

static void who_comes_from_outside_forges_no_authentication_results(void)
{
    world_t *world = world_with(NULL);
    const char *header =
        world_header(world, world_take(world, "external\nfrom <a@a.test>\nto bob\n"
                                              "Authentication-Results: mail.test; spf=forged\n"
                                              "Authentication-Results: other.test; spf=none\n\n"));
    CU_ASSERT_PTR_NULL(strstr(header, "forged"));
    CU_ASSERT_TRUE(world_has(header, "other.test; spf=none"));
    header =
        world_header(world, world_take(world, "from <a@a.test>\nto bob\nAuthentication-Results: "
                                              "mail.test; spf=pass\n\n"));
    CU_ASSERT_TRUE(world_has(header, "mail.test; spf=pass")); /* our own, on its way again */
    world_end(world);
}

/* -- loops and rejects ------------------------------------------------------------------------- */

static void the_fiftieth_received_line_ends_a_loop(void)
{
    world_t *world = world_with(NULL);
    uint64_t few = world_take(
        world, world_repeated("from <a@a.test>\nto bob\n", "Received: by x\n", 48, "\n"));
    uint64_t many;
    CU_ASSERT_EQUAL(world_control(world, few)->recipient_count, 1);
    many = world_take(world,
                      world_repeated("from <a@a.test>\nto bob\n", "Received: by x\n", 49, "\n"));
    CU_ASSERT_PTR_NULL(world_control_text(world, many));
    CU_ASSERT_PTR_NOT_NULL(world_contents(world, world_side("postman", many, "_looped")));
    CU_ASSERT_TRUE(world_has(world_report(world), "\nto a@a.test\n"));
    CU_ASSERT_TRUE(world_has(world_report(world), "Subject: Mail loop\n"));
    world_end(world);
}

static void a_looping_report_is_kept_and_not_reported(void)
{
    world_t *world = world_with(NULL);
    uint64_t id =
        world_take(world, world_repeated("channel error\nto bob\n", "Received: by x\n", 60, "\n"));
    CU_ASSERT_PTR_NOT_NULL(world_contents(world, world_side("postman", id, "noerraddr")));
    CU_ASSERT_PTR_NULL(world_report(world));
    world_end(world);
}

static void no_recipients_at_all_reject_the_message(void)
{
    world_t *world = world_with(NULL);
    uint64_t id = world_take(world, "from <a@a.test>\nSubject: to whom?\n\n");
    CU_ASSERT_PTR_NULL(world_control_text(world, id));
    CU_ASSERT_TRUE(world_has(world_report(world), "Your message names no recipients."));
    world_end(world);
}

static void a_bad_header_without_envelope_recipients_rejects(void)
{
    world_t *world = world_with(NULL);
    world_take(world, "from <a@a.test>\nTo: bob, broken <\n\n");
    CU_ASSERT_TRUE(world_has(world_report(world), "header cannot be understood"));
    CU_ASSERT_TRUE(world_has(world_report(world), "^"));
    world_end(world);
}

static void a_report_is_routed_like_other_mail(void)
{
    world_t *world = world_with(NULL);
    const char *names;
    uint64_t id;
    world_take(world, "from <a@a.test>\nSubject: to whom?\n\n");
    names = world_names(world, "router");
    id = (uint64_t)apr_atoi64(names);
    world_route(world, id);
    CU_ASSERT_TRUE(world_has(world_control_text(world, id), "\ns error <> <> "));
    CU_ASSERT_TRUE(world_has(world_control_text(world, id), "\nN NOTIFY=NEVER\n"));
    CU_ASSERT_TRUE(world_has(world_recipients(world, id), "smtp/a.test/a@a.test/"));
    world_end(world);
}

/* -- bad header fields ------------------------------------------------------------------------- */

static void a_bad_field_goes_on_as_it_came(void)
{
    world_t *world = world_with(NULL);
    uint64_t id = world_take(world, "from <a@a.test>\nto bob\nReply-To: J. Random <a@b>\n\n");
    CU_ASSERT_TRUE(world_has(world_header(world, id), "\nReply-To: J. Random <a@b>\n"));
    CU_ASSERT_PTR_NOT_NULL(world_contents(world, world_side("postman", id, "_badheader")));
    CU_ASSERT_PTR_NULL(world_report(world)); /* who wrote it is not one of us */
    world_end(world);
}

static void with_illegal_object_a_bad_field_is_shown(void)
{
    world_t *world = world_begin();
    uint64_t id;
    world->illegal_object = true;
    world_start(world);
    id = world_take(world, "from <a@a.test>\nto bob\nReply-To: J. Random <a@b>\n\n");
    CU_ASSERT_TRUE(world_has(world_header(world, id), "\nIllegal-Object:"));
    CU_ASSERT_PTR_NULL(strstr(world_header(world, id), "\nReply-To:"));
    world_end(world);
}

static void a_local_author_of_a_bad_field_is_warned(void)
{
    world_t *world = world_with(NULL);
    zm_user_t *user = world_account();
    uint64_t id =
        world_submit(world, user->uid, "to bob\nReply-To: J. Random <a@b>\nSubject: x\n\n");
    world_route(world, id);
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 1);
    CU_ASSERT_TRUE(world_has(world_report(world), world_format("\nto %s\n", user->name)));
    CU_ASSERT_TRUE(world_has(world_report(world), "faults in its header"));
    world_end(world);
}

/* -- recipients -------------------------------------------------------------------------------- */

static void the_same_recipient_twice_is_one(void)
{
    world_t *world = world_begin();
    zm_control_file_t *file;
    uint64_t id;
    world_map(world, "aliases", "team", "bob@mail.test, alice");
    world_start(world);
    id = world_take(world, "from <a@a.test>\nto bob\nto bob@mail.test\nto team\nto u@b.test\n"
                           "to u@b.test\n\n");
    file = world_control(world, id);
    CU_ASSERT_EQUAL(file->recipient_count, 3);
    world_end(world);
}

static void of_duplicates_everybody_is_told_what_anybody_asked_for(void)
{
    world_t *world = world_with(NULL);
    uint64_t id =
        world_take(world, "from <a@a.test>\n"
                          "todsn NOTIFY=NEVER ORCPT=rfc822;first\nto u@b.test\n"
                          "todsn NOTIFY=SUCCESS,DELAY ORCPT=rfc822;second\nto u@b.test\n\n");
    CU_ASSERT_TRUE(
        world_has(world_control_text(world, id), "\nN NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first\n"));
    world_end(world);
}

static void a_duplicate_brings_the_envelope_id_that_it_asks_with(void)
{
    world_t *world = world_with(NULL);
    uint64_t id = world_take(world, "from <a@a.test>\nenvid QQ1\nnotaryret HDRS\nto u@b.test\n"
                                    "todsn NOTIFY=SUCCESS\nto u@b.test\n\n");
    CU_ASSERT_TRUE(
        world_has(world_control_text(world, id), "\nN NOTIFY=SUCCESS,FAILURE\nR HDRS\nn QQ1\n"));
    world_end(world);
}

static void merged_notify(const char *kept, const char *other, const char *expected)
{
    ZM_ASSERT_STR(
        zm_str_c(zm_test_pool(), router_merge_dsn(zm_str(kept), zm_str(other), zm_test_pool())),
        expected);
}

static void notify_of_duplicates_is_joined(void)
{
    merged_notify("", "", "");
    merged_notify("NOTIFY=FAILURE ORCPT=x", "", "NOTIFY=FAILURE ORCPT=x");
    merged_notify("", "NOTIFY=SUCCESS", "NOTIFY=SUCCESS,FAILURE");
    merged_notify("NOTIFY=NEVER", "", "NOTIFY=FAILURE");
    merged_notify("NOTIFY=NEVER", "NOTIFY=NEVER", "NOTIFY=NEVER");
    merged_notify("NOTIFY=FAILURE", "NOTIFY=FAILURE REQUIRETLS=YES",
                  "NOTIFY=FAILURE REQUIRETLS=YES");
    merged_notify("NOTIFY=FAILURE REQUIRETLS=YES", "NOTIFY=SUCCESS REQUIRETLS=YES",
                  "NOTIFY=SUCCESS,FAILURE REQUIRETLS=YES");
    merged_notify("A=b NOTIFY=DELAY C=d", "NOTIFY=FAILURE", "NOTIFY=FAILURE,DELAY A=b C=d");
}

static void two_thousand_recipients_are_routed(void)
{
    world_t *world = world_with(NULL);
    zm_control_file_t *file;
    char *text = apr_palloc(zm_test_pool(), 100 + 2000 * 40), *at = text;
    uint64_t id;
    int i;
    at += sprintf(at, "from <a@a.test>\n");
    for (i = 0; i < 2000; i++)
        at += sprintf(at, "to user%d@d%d.test\n", i, i % 50);
    strcpy(at, "Subject: x\n\nbody\n");
    id = world_take(world, text);
    file = world_control(world, id);
    CU_ASSERT_EQUAL(file->recipient_count, 2000);
    CU_ASSERT_EQUAL(file->header_count, 1);
    CU_ASSERT_EQUAL(file->sender_count, 1);
    CU_ASSERT_TRUE(zm_str_equal_c(file->recipients[1999].quad.user, "user1999@d49.test"));
    world_end(world);
}

/* -- what the configuration says --------------------------------------------------------------- */

static void each_rewriting_group_has_its_own_header(void)
{
    world_t *world = world_with(NULL);
    zm_control_file_t *file;
    uint64_t id =
        world_take(world, "from <a@a.test>\nto bob\nto u@b.test\nCc: alice\nSubject: x\n\n");
    file = world_control(world, id);
    CU_ASSERT_EQUAL_FATAL(file->header_count, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_str_c(zm_test_pool(), file->headers[0].text), "Cc:\talice\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(zm_str_c(zm_test_pool(), file->headers[1].text), "Cc:\talice@mail.test\n"));
    world_end(world);
}

static void a_function_for_fields_adds_changes_and_removes_them(void)
{
    world_t *world =
        world_with("crossbar (from, to) { returns ((same fields) $from $to) }\n"
                   "same (a, f) { returns \"$a\" }\n"
                   "fields (stage, name, value) {\n"
                   "\tcase $stage in\n"
                   "\thrr_ab)\treturns ((X-First one)) ;;\n"
                   "\thrr_ae)\treturns ((X-Last 'two\\012three')) ;;\n"
                   "\tesac\n"
                   "\tcase $name in\n"
                   "\tX-Drop)\treturns (()) ;;\n"
                   "\tSubject)\treturns ((Subject \"$value\") (X-Seen \"$value\")) ;;\n"
                   "\tesac\n"
                   "\treturn 1\n}\n");
    uint64_t id =
        world_take(world, "from <a@a.test>\nto bob\nSubject: a*b\nX-Drop: me\nX-Keep: me\n\n");
    const char *header = world_header(world, id);
    CU_ASSERT_EQUAL(strncmp(header, "X-First: one\n", 13), 0);
    CU_ASSERT_TRUE(world_has(header, "\nSubject: a*b\n"));
    CU_ASSERT_TRUE(world_has(header, "\nX-Seen:"));
    CU_ASSERT_TRUE(world_has(header, "\nX-Keep:"));
    CU_ASSERT_PTR_NULL(strstr(header, "X-Drop"));
    CU_ASSERT_TRUE(world_has(header, "\nX-Last:\ttwo\n\tthree\n"));
    world_end(world);
}

static void values_survive_being_made_visible(void)
{
    zm_str_t text = zm_str(" a*b[\\x\t\xe4\n y?"), back;
    zm_str_t shown = router_vis(text, zm_test_pool());
    ZM_ASSERT_STR(zm_str_c(zm_test_pool(), shown),
                  "\\040a\\052b\\133\\\\x\\011\\344\\012\\040y\\077");
    back = router_unvis(shown, zm_test_pool());
    CU_ASSERT_TRUE(zm_str_equal(back, text));
    ZM_ASSERT_STR(zm_str_c(zm_test_pool(), router_unvis(zm_str("a\\sb\\"), zm_test_pool())),
                  "a b\\");
}

static void a_rewriting_function_that_fails_leaves_the_address(void)
{
    world_t *world = world_with("crossbar (from, to) { returns (broken $from $to) }\n"
                                "broken (a) { return 1 }\n");
    uint64_t id = world_take(world, "from <a@a.test>\nto bob\nCc: x@c.test\n\n");
    CU_ASSERT_TRUE(world_has(world_header(world, id), "\nCc:\tx@c.test\n"));
    world_end(world);
}

static void what_the_rules_do_not_route_is_held(void)
{
    static const char *const broken[] = {"router (a, A) { return 1 }\n",
                                         "router (a, A) { returns nonsense }\n",
                                         "router (a, A) { returns (((smtp b.test))) }\n",
                                         "router (a, A) { returns () }\n",
                                         "router (a, A) { frobnicate }\n",
                                         "router (a, A) { router $a $A }\n"};
    apr_size_t i;
    for (i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        world_t *world = world_with(broken[i]);
        uint64_t id = world_take(world, "from <a@a.test>\nto bob\n\n");
        CU_ASSERT_TRUE(world_has(world_recipients(world, id), "hold/IO:"));
        world_end(world);
    }
}

static void a_script_that_does_not_end_is_stopped_and_the_address_held(void)
{
    world_t *world = world_with("router (a, A) {\n\twhile :; do\n\t\t:\n\tdone\n}\n");
    uint64_t id;
    zm_script_limits_t limits = {100000, 0, 0};
    zm_script_set_limits(world->worker->script, &limits);
    id = world_take(world, "from <a@a.test>\nto bob\n\n");
    CU_ASSERT_TRUE(world_has(world_recipients(world, id), "hold/IO:limit/bob/"));
    CU_ASSERT_TRUE(world_logged(world, "address is held"));
    world_end(world);
}

static void a_lookup_that_fails_for_now_holds_the_address_alone(void)
{
    world_t *world = world_begin();
    uint64_t id;
    world_file(world, "var/db/aliases", "team: bob\n"); /* not compiled */
    world_start(world);
    id = world_take(world, "from <a@a.test>\nto bob\nto u@b.test\n\n");
    CU_ASSERT_TRUE(world_has(world_recipients(world, id), "hold/IO:"));
    CU_ASSERT_TRUE(world_has(world_recipients(world, id), "smtp/b.test/u@b.test/"));
    CU_ASSERT_TRUE(world_logged(world, ": deferred: IO:"));
    world_end(world);
}

static void a_crossbar_without_sense_defers_the_message(void)
{
    world_t *world = world_with("crossbar (from, to) { returns (null $from) }\n");
    uint64_t id = world_take(world, "from <a@a.test>\nto bob\n\n");
    CU_ASSERT_PTR_NOT_NULL(world_contents(world, world_side("deferred", id, "ctrlfile")));
    world_end(world);
}

static void a_crossbar_may_drop_recipients(void)
{
    world_t *world = world_with("crossbar (from, to) {\n\tcase $(user $to) in\n"
                                "\tbob*) return 1 ;;\n\tesac\n\treturns (null $from $to)\n}\n");
    uint64_t id = world_take(world, "from <a@a.test>\nto bob\nto alice\n\n");
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 1);
    id = world_take(world, "from <a@a.test>\nto bob\n\n");
    CU_ASSERT_PTR_NULL(world_control_text(world, id));
    CU_ASSERT_TRUE(world_has(world_report(world), "Your message names no recipients."));
    world_end(world);
}

static void of_alternatives_the_one_without_a_host_is_taken(void)
{
    world_t *world = world_with(
        "router (a, A) { returns (((smtp b.test x $A) (local - y $A)) ((uucp h z $A))) }\n"
        "crossbar (from, to) { returns (null $from $to) }\n");
    uint64_t id = world_take(world, "from <a@a.test>\nto bob\n\n");
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 2);
    CU_ASSERT_TRUE(world_has(world_recipients(world, id), "local/-/y/"));
    CU_ASSERT_TRUE(world_has(world_recipients(world, id), "uucp/h/z/"));
    world_end(world);
}

/* -- the files of the spool -------------------------------------------------------------------- */

static void a_message_by_another_name_is_renamed_and_routed(void)
{
    world_t *world = world_with(NULL);
    uint64_t id = world_submit(world, world_root(), "from <a@a.test>\nto bob\n\n");
    const char *name = world_side("router", id, "deferred");
    ZM_ASSERT_OK(
        zm_spool_rename(world->spool, zm_layout_name(zm_test_pool(), "router", 0, id), name));
    router_worker_process(world->worker, name);
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 1);
    world_end(world);
}

static void a_message_of_a_secondary_directory_is_routed(void)
{
    world_t *world = world_with(NULL);
    uint64_t id = world_submit(world, world_root(), "from <a@a.test>\nto bob\n\n");
    const char *name = world_format("router1/%" APR_UINT64_T_FMT, (apr_uint64_t)id);
    ZM_ASSERT_OK(zm_spool_make_directory(world->spool, "router1", 0));
    ZM_ASSERT_OK(
        zm_spool_rename(world->spool, zm_layout_name(zm_test_pool(), "router", 0, id), name));
    router_worker_process(world->worker, name);
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 1);
    world_end(world);
}

static void a_message_that_is_gone_is_no_trouble(void)
{
    world_t *world = world_with(NULL);
    router_worker_process(world->worker, "router/4711");
    CU_ASSERT_FALSE(world_logged(world, " error router"));
    world_end(world);
}

/* As a scheduler leaves it that is stopped between removing a message and its control file. */
static void the_control_file_of_a_message_that_is_gone_gives_way(void)
{
    world_t *world = world_with(NULL);
    uint64_t id = world_submit(world, world_root(), "from <a@a.test>\nto bob\n\n");
    uint64_t other = world_submit(world, world_root(), "i 1\n");
    ZM_ASSERT_OK(zm_spool_rename(
        world->spool, zm_layout_name(zm_test_pool(), "router", 0, other),
        zm_layout_name(zm_test_pool(), "transport", world->worker->hash_levels, id)));
    world_route(world, id);
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 1);
    CU_ASSERT_TRUE(world_logged(world, "of a message that is gone"));
    world_end(world);
}

static void the_log_tells_who_wrote_to_whom(void)
{
    world_t *world = world_with(NULL);
    world_take(world, "from Ann <ann@a.test>\nto bob\nto u@b.test\n\n");
    CU_ASSERT_TRUE(world_logged(world, ": fromto: Ann <ann@a.test> =>  bob, u@b.test\n"));
    CU_ASSERT_TRUE(world_logged(world, ": routed from=ann@a.test "));
    world_end(world);
}

ZM_TESTS("router message", ZM_TEST(what_a_header_lacks_is_added),
         ZM_TEST(messages_recipients_and_kilobytes_are_counted),
         ZM_TEST(the_control_file_has_its_lines_in_order), ZM_TEST(the_message_file_is_not_touched),
         ZM_TEST(a_message_may_end_anywhere),
         ZM_TEST(recipients_come_from_the_header_when_the_envelope_has_none),
         ZM_TEST(a_resent_message_goes_to_its_resent_recipients),
         ZM_TEST(own_authentication_results_take_the_place_of_forged_ones),
         ZM_TEST(who_comes_from_outside_forges_no_authentication_results),
         ZM_TEST(the_fiftieth_received_line_ends_a_loop),
         ZM_TEST(a_looping_report_is_kept_and_not_reported),
         ZM_TEST(no_recipients_at_all_reject_the_message),
         ZM_TEST(a_bad_header_without_envelope_recipients_rejects),
         ZM_TEST(a_report_is_routed_like_other_mail), ZM_TEST(a_bad_field_goes_on_as_it_came),
         ZM_TEST(with_illegal_object_a_bad_field_is_shown),
         ZM_TEST(a_local_author_of_a_bad_field_is_warned), ZM_TEST(the_same_recipient_twice_is_one),
         ZM_TEST(of_duplicates_everybody_is_told_what_anybody_asked_for),
         ZM_TEST(a_duplicate_brings_the_envelope_id_that_it_asks_with),
         ZM_TEST(notify_of_duplicates_is_joined), ZM_TEST(two_thousand_recipients_are_routed),
         ZM_TEST(each_rewriting_group_has_its_own_header),
         ZM_TEST(a_function_for_fields_adds_changes_and_removes_them),
         ZM_TEST(values_survive_being_made_visible),
         ZM_TEST(a_rewriting_function_that_fails_leaves_the_address),
         ZM_TEST(what_the_rules_do_not_route_is_held),
         ZM_TEST(a_script_that_does_not_end_is_stopped_and_the_address_held),
         ZM_TEST(a_lookup_that_fails_for_now_holds_the_address_alone),
         ZM_TEST(a_crossbar_without_sense_defers_the_message),
         ZM_TEST(a_crossbar_may_drop_recipients),
         ZM_TEST(of_alternatives_the_one_without_a_host_is_taken),
         ZM_TEST(a_message_by_another_name_is_renamed_and_routed),
         ZM_TEST(a_message_of_a_secondary_directory_is_routed),
         ZM_TEST(a_message_that_is_gone_is_no_trouble),
         ZM_TEST(the_control_file_of_a_message_that_is_gone_gives_way),
         ZM_TEST(the_log_tells_who_wrote_to_whom))
