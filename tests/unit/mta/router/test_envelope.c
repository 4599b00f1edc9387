/*
 * What an envelope is worth: who may say what, and where faults lead.
 */
#include <apr_strings.h>

#include "tests/unit/mta/router/world.h"

/* -- trust ------------------------------------------------------------------------------------ */

static void a_trusted_owner_names_the_sender(void)
{
    world_t *world = world_begin();
    zm_control_file_t *file;
    uint64_t id;
    world_start(world);
    id =
        world_submit(world, world_root(),
                     "rcvdfrom mx.a.test ([192.0.2.1])\nwith ESMTP\nfrom <ann@a.test>\nto bob\n\n");
    world_route(world, id);
    file = world_control(world, id);
    CU_ASSERT_TRUE(zm_str_equal_c(file->senders[0].quad.channel, "local"));
    CU_ASSERT_TRUE(zm_str_equal_c(file->senders[0].quad.user, "ann@a.test"));
    CU_ASSERT_EQUAL(file->senders[0].quad.privilege, world_root());
    CU_ASSERT_EQUAL(file->recipients[0].quad.privilege,
                    world_root()); /* the mailbox file's owner */
    CU_ASSERT_TRUE(world_has(world_header(world, id),
                             "Received: from mx.a.test ([192.0.2.1]) by mail.test with ESMTP"));
    CU_ASSERT_TRUE(world_has(world_header(world, id), "\nFrom:\t<ann@a.test>\n"));
    world_end(world);
}

static void an_untrusted_owner_is_the_sender_whatever_he_says(void)
{
    world_t *world = world_begin();
    zm_user_t *user = world_account();
    zm_control_file_t *file;
    const char *header;
    uint64_t id;
    world_start(world);
    id = world_submit(world, user->uid,
                      "rcvdfrom bank.test\nerrormsg\nchannel error\nfrom <boss@bank.test>\n"
                      "to u@b.test\nFrom: boss@bank.test\nSender: chief@bank.test\n\nPay.\n");
    world_route(world, id);
    file = world_control(world, id);
    CU_ASSERT_TRUE(
        zm_str_equal_c(file->senders[0].quad.user, world_format("%s@mail.test", user->name)));
    CU_ASSERT_EQUAL(file->senders[0].quad.privilege, user->uid);
    CU_ASSERT_EQUAL(file->recipients[0].quad.privilege, user->uid);
    header = world_header(world, id);
    CU_ASSERT_TRUE(world_has(header, "(from localhost user: '"));
    CU_ASSERT_TRUE(world_has(header, "fake: bank.test)"));
    CU_ASSERT_TRUE(world_has(header, "\nFake-Sender:"));
    CU_ASSERT_TRUE(world_has(header, "\nSender:\t"));
    CU_ASSERT_TRUE(world_has(header, "\nFrom:\tboss@bank.test\n"));
    CU_ASSERT_TRUE(strstr(header, "Sender:\t") < strstr(header, "Fake-Sender:"));
    world_end(world);
}

static void an_own_address_is_no_forgery(void)
{
    world_t *world = world_begin();
    zm_user_t *user = world_account();
    uint64_t id;
    world_start(world);
    id = world_submit(world, user->uid,
                      world_format("to u@b.test\nFrom: Me <%s@mail.test>\n\n", user->name));
    world_route(world, id);
    CU_ASSERT_PTR_NULL(strstr(world_header(world, id), "Sender:"));
    world_end(world);
}

static void check_untrusted_from(const char *worth, const char *from, const char *sender)
{
    world_t *world = world_begin();
    zm_user_t *user = world_account();
    zm_control_file_t *file;
    uint64_t id;
    world_set(world, world_format("UNTRUSTED_FROM=%s", worth));
    world_start(world);
    id = world_submit(world, user->uid,
                      world_format("from <%s>\nto u@b.test\nFrom: %s\n\n", from, from));
    world_route(world, id);
    file = world_control(world, id);
    if (sender == NULL)
        sender = world_format("%s@mail.test", user->name);
    CU_ASSERT_TRUE(zm_str_equal_c(file->senders[0].quad.user, sender));
    CU_ASSERT_EQUAL(file->recipients[0].quad.privilege, user->uid);
    CU_ASSERT_TRUE(
        world_has(world_header(world, id), world_format("localhost user: '%s'", user->name)));
    CU_ASSERT_TRUE(world_has(world_header(world, id), "\nSender:"));
    world_end(world);
}

static void the_site_decides_what_an_untrusted_from_is_worth(void)
{
    check_untrusted_from("deny", "sales@mail.test", NULL);
    check_untrusted_from("localonly", "sales@mail.test", "sales@mail.test");
    check_untrusted_from("localonly", "sales@other.test", NULL);
    check_untrusted_from("accept", "sales@other.test", "sales@other.test");
}

static void the_group_in_the_relation_trusted_is_believed(void)
{
    world_t *world = world_begin();
    zm_user_t *user = world_account();
    zm_control_file_t *file;
    uint64_t id;
    world_file(world, "var/router.local.cf", world_format("db add trusted %s x\n", user->name));
    world_start(world);
    id = world_submit(world, user->uid, "from <ann@a.test>\nto bob\n\n");
    world_route(world, id);
    file = world_control(world, id);
    CU_ASSERT_TRUE(zm_str_equal_c(file->senders[0].quad.user, "ann@a.test"));
    world_end(world);
}

static void a_file_of_nobody_known_is_deferred(void)
{
    world_t *world = world_begin();
    uint64_t id;
    world_start(world);
    id = world_submit(world, WORLD_STRANGER, "to bob\n\n");
    world_route(world, id);
    CU_ASSERT_PTR_NOT_NULL(world_contents(world, world_side("deferred", id, "deferuid")));
    world_end(world);
}

/* -- the sender ------------------------------------------------------------------------------- */

static const char *sender_of(world_t *world, const char *text)
{
    uint64_t id = world_submit(world, world_root(), text);
    zm_control_file_t *file;
    world_route(world, id);
    file = world_control(world, id);
    return world_format("%.*s %.*s", (int)file->senders[0].quad.channel.length,
                        file->senders[0].quad.channel.data, (int)file->senders[0].quad.user.length,
                        file->senders[0].quad.user.data);
}

static void without_from_the_header_tells_a_trusted_files_sender(void)
{
    world_t *world = world_begin();
    zm_user_t *user;
    world_start(world);
    ZM_ASSERT_OK(zm_user_by_uid(&user, world_root(), zm_test_pool()));
    ZM_ASSERT_STR(sender_of(world, "to bob\nFrom: ann@a.test\nSender: sec@a.test\n\n"),
                  "local sec@a.test");
    ZM_ASSERT_STR(sender_of(world, "to bob\nReply-To: r@a.test\nFrom: ann@a.test\n\n"),
                  "local ann@a.test");
    ZM_ASSERT_STR(sender_of(world, "to bob\nFrom: broken <\nReply-To: r@a.test\n\n"),
                  "local r@a.test");
    ZM_ASSERT_STR(sender_of(world, "to bob\nResent-From: re@a.test\nFrom: ann@a.test\n\n"),
                  "local re@a.test");
    ZM_ASSERT_STR(sender_of(world, "to bob\nSubject: x\n\n"),
                  world_format("local %s@mail.test", user->name));
    ZM_ASSERT_STR(sender_of(world, "to bob\nFrom: <>\n\n"),
                  world_format("local %s@mail.test", user->name));
    world_end(world);
}

static void channel_error_is_the_null_path(void)
{
    world_t *world = world_begin();
    zm_control_file_t *file;
    const char *text;
    uint64_t id;
    world_start(world);
    id = world_submit(world, world_root(), "channel error\nto u@b.test\nSubject: report\n\n");
    world_route(world, id);
    file = world_control(world, id);
    CU_ASSERT_TRUE(zm_str_equal_c(file->senders[0].quad.channel, "error"));
    text = world_control_text(world, id);
    CU_ASSERT_TRUE(world_has(text, world_format("\ns error <> <> %d\n", (int)world_root())));
    CU_ASSERT_PTR_NULL(strstr(text, "\ne "));
    CU_ASSERT_TRUE(world_has(world_header(world, id), "\nFrom:\t<>\n"));
    world_end(world);
}

static void a_bare_login_in_from_becomes_a_generated_sender(void)
{
    world_t *world = world_begin();
    uint64_t id;
    world_start(world);
    id = world_submit(world, world_root(), "fullname Bob Builder\nfrom bob\nto u@b.test\n\n");
    world_route(world, id);
    CU_ASSERT_TRUE(world_has(world_header(world, id), "\nFrom:\tBob Builder <bob@mail.test>\n"));
    world_end(world);
}

static void an_untrusted_login_name_must_be_the_owners(void)
{
    world_t *world = world_begin();
    zm_user_t *user = world_account();
    uint64_t own, foreign;
    world_start(world);
    own = world_submit(
        world, user->uid,
        world_format("loginname %s@mail.test\nfullname A B\nto u@b.test\n\n", user->name));
    foreign = world_submit(world, user->uid, "loginname bob@mail.test\nto u@b.test\n\n");
    world_route(world, own);
    world_route(world, foreign);
    CU_ASSERT_TRUE(world_has(world_header(world, own),
                             world_format("\nFrom:\tA B <%s@mail.test>\n", user->name)));
    CU_ASSERT_PTR_NULL(strstr(world_header(world, foreign), "bob"));
    world_end(world);
}

/* -- lines ------------------------------------------------------------------------------------ */

static void the_first_line_of_a_keyword_counts_and_the_last_rcvdfrom(void)
{
    world_t *world = world_begin();
    zm_control_file_t *file;
    uint64_t id;
    world_start(world);
    id =
        world_submit(world, world_root(),
                     "rcvdfrom one.test\nwith SMTP\nwith ESMTPS\nFROM <a@a.test>\nfrom <b@b.test>\n"
                     "rcvdfrom two.test\nto bob\nenv-end\nTo: bob\n\n");
    world_route(world, id);
    file = world_control(world, id);
    CU_ASSERT_TRUE(zm_str_equal_c(file->senders[0].quad.user, "a@a.test"));
    CU_ASSERT_TRUE(world_has(world_header(world, id), "from two.test by mail.test with SMTP id"));
    id = world_take(world, "channel smtp\nchannel error\nto bob\nFrom: a@a.test\n\n");
    file = world_control(world, id);
    CU_ASSERT_TRUE(zm_str_equal_c(file->senders[0].quad.user, "a@a.test"));
    id = world_take(world, "channel error\nchannel smtp\nto bob\nFrom: a@a.test\n\n");
    file = world_control(world, id);
    CU_ASSERT_TRUE(zm_str_equal_c(file->senders[0].quad.channel, "error"));
    world_end(world);
}

static void todsn_belongs_to_the_line_directly_behind_it(void)
{
    world_t *world = world_begin();
    const char *text;
    uint64_t id;
    world_start(world);
    id = world_submit(world, world_root(),
                      "envid abc\nnotaryret HDRS\n"
                      "todsn NOTIFY=SUCCESS ORCPT=rfc822;x\nto bob\n"
                      "todsn NOTIFY=DELAY\ncomment between\nto alice\n\n");
    world_route(world, id);
    text = world_control_text(world, id);
    CU_ASSERT_TRUE(world_has(text, "\nN NOTIFY=SUCCESS ORCPT=rfc822;x\nR HDRS\nn abc\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "NOTIFY=DELAY"));
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 2);
    world_end(world);
}

static void several_bare_words_are_several_recipients(void)
{
    world_t *world = world_begin();
    uint64_t id;
    world_start(world);
    id = world_submit(world, world_root(), "from <a@a.test>\nto bob alice\n\n");
    world_route(world, id);
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 2);
    world_end(world);
}

static void an_unknown_keyword_parks_the_message(void)
{
    world_t *world = world_begin();
    uint64_t id;
    world_start(world);
    id = world_submit(world, world_root(), "from <a@a.test>\nfrobnicate x\nto bob\n\n");
    world_route(world, id);
    CU_ASSERT_PTR_NOT_NULL(world_contents(world, world_side("postman", id, ":badsubmit")));
    CU_ASSERT_PTR_NULL(world_report(world));
    world_end(world);
}

static void a_continued_envelope_line_parks_the_message(void)
{
    world_t *world = world_begin();
    uint64_t id;
    world_start(world);
    id = world_submit(world, world_root(), "from <a@a.test>\n to bob\n\n");
    world_route(world, id);
    CU_ASSERT_PTR_NOT_NULL(world_contents(world, world_side("postman", id, ":badenvelope")));
    world_end(world);
}

static void check_rejected(const char *text, apr_size_t length, const char *form, const char *told)
{
    world_t *world = world_begin();
    const char *report;
    uint64_t id;
    world_start(world);
    id = world_submit_mode(world, world_root(), 0600, text, length);
    world_route(world, id);
    CU_ASSERT_STRING_EQUAL(world_names(world, "queue"), "");
    CU_ASSERT_TRUE(world_logged(world, world_format("form=%s", form)));
    report = world_report(world);
    CU_ASSERT_TRUE(world_has(report, "channel error\nerrormsg\ntodsn NOTIFY=NEVER\n"));
    CU_ASSERT_TRUE(world_has(report, world_format("\nto %s\n", told)));
    CU_ASSERT_TRUE(world_has(report, "-- the message as it came --"));
    world_end(world);
}

static void a_value_that_does_not_parse_rejects_the_message(void)
{
#define TEXT_1 "from <a@a.test>\nto bob, alice\nSubject: x\n\nbody\n"
#define TEXT_2 "from <a@a.test>\nfullname J. Random\nto bob\n\n"
#define TEXT_3 "from <a@a.test>\nto bo\0b\n\n"
#define TEXT_4 "from <a@a.test>\nto <>\n\n"
    check_rejected(TEXT_1, sizeof TEXT_1 - 1, "envelope", "a@a.test");
    check_rejected(TEXT_2, sizeof TEXT_2 - 1, "envelope", "a@a.test");
    check_rejected(TEXT_3, sizeof TEXT_3 - 1, "envelope", "a@a.test");
    check_rejected(TEXT_4, sizeof TEXT_4 - 1, "envelope", "a@a.test");
}

static void a_bad_envelope_of_a_null_path_message_is_kept(void)
{
    world_t *world = world_begin();
    uint64_t id;
    world_start(world);
    id = world_submit(world, world_root(), "channel error\nto bob, alice\nFrom: a@a.test\n\n");
    world_route(world, id);
    CU_ASSERT_PTR_NOT_NULL(world_contents(world, world_side("postman", id, "noerraddr")));
    CU_ASSERT_PTR_NULL(world_report(world));
    world_end(world);
}

static void a_forged_header_does_not_turn_rejects_to_others(void)
{
    world_t *world = world_begin();
    zm_user_t *user = world_account();
    uint64_t id;
    world_start(world);
    id = world_submit(world, user->uid, "to bob, alice\nSender: victim@b.test\n\n");
    world_route(world, id);
    CU_ASSERT_TRUE(world_has(world_report(world), world_format("\nto %s\n", user->name)));
    world_end(world);
}

static void the_configuration_sees_the_envelope(void)
{
    world_t *world = world_begin();
    uint64_t id;
    world_file(world, "var/router.local.cf",
               "process (file) {\n\trfc822 $file\n\techo file $(get envelopeinfo file)"
               " body $(get envelopeinfo bodytype) said $(get envelopeinfo comment)"
               " size $(get envelopeinfo bodysize) ext $(get envelopeinfo external)\n}\n");
    world_start(world);
    id = world_submit(
        world, world_root(),
        "external\nbodytype 8BITMIME\ncomment hello\nfrom <a@a.test>\nto bob\n\n12345");
    world_route(world, id);
    CU_ASSERT_TRUE(world_logged(world, world_format("file %" APR_UINT64_T_FMT
                                                    " body 8BITMIME said hello size 5 ext external",
                                                    (apr_uint64_t)id)));
    world_end(world);
}

ZM_TESTS("router envelope", ZM_TEST(a_trusted_owner_names_the_sender),
         ZM_TEST(an_untrusted_owner_is_the_sender_whatever_he_says),
         ZM_TEST(an_own_address_is_no_forgery),
         ZM_TEST(the_site_decides_what_an_untrusted_from_is_worth),
         ZM_TEST(the_group_in_the_relation_trusted_is_believed),
         ZM_TEST(a_file_of_nobody_known_is_deferred),
         ZM_TEST(without_from_the_header_tells_a_trusted_files_sender),
         ZM_TEST(channel_error_is_the_null_path),
         ZM_TEST(a_bare_login_in_from_becomes_a_generated_sender),
         ZM_TEST(an_untrusted_login_name_must_be_the_owners),
         ZM_TEST(the_first_line_of_a_keyword_counts_and_the_last_rcvdfrom),
         ZM_TEST(todsn_belongs_to_the_line_directly_behind_it),
         ZM_TEST(several_bare_words_are_several_recipients),
         ZM_TEST(an_unknown_keyword_parks_the_message),
         ZM_TEST(a_continued_envelope_line_parks_the_message),
         ZM_TEST(a_value_that_does_not_parse_rejects_the_message),
         ZM_TEST(a_bad_envelope_of_a_null_path_message_is_kept),
         ZM_TEST(a_forged_header_does_not_turn_rejects_to_others),
         ZM_TEST(the_configuration_sees_the_envelope))
