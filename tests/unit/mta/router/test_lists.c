/*
 * Aliases and lists on a message's way: who gets it, for whom it waits, and who
 * hears of mistakes in them.
 */
#include <apr_strings.h>
#include <stdlib.h>

#include "tests/unit/mta/router/world.h"

static void an_alias_of_ten_thousand_members_is_expanded(void)
{
    world_t *world = world_begin();
    char *list = apr_palloc(zm_test_pool(), 10000 * 20 + 1), *at = list;
    uint64_t id;
    int i;
    for (i = 0; i < 10000; i++)
        at += sprintf(at, "u%d@b.test, ", i);
    world_map(world, "aliases", "many", list);
    world_start(world);
    id = world_take(world, "from <a@a.test>\nto many\n\n");
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 10000);
    world_end(world);
}

static void a_list_sends_with_its_owner_as_sender(void)
{
    world_t *world = world_begin();
    const char *text;
    uint64_t id;
    world_file(world, "var/lists/club", "x@l.test\nalice\n# y@l.test\n");
    world_start(world);
    id = world_take(world,
                    "from <a@a.test>\ntodsn NOTIFY=SUCCESS\nto club@mail.test\nto u@b.test\n\n");
    text = world_control_text(world, id);
    CU_ASSERT_TRUE(world_has(text, "s local club-owner@mail.test club-owner@mail.test "));
    CU_ASSERT_TRUE(world_has(text, "s local a@a.test a@a.test "));
    CU_ASSERT_TRUE(world_has(text, "N ORCPT=rfc822;x@l.test\n"));
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 3);
    world_end(world);
}

static void a_bad_line_of_a_list_is_told_to_its_owner(void)
{
    world_t *world = world_begin();
    uint64_t id;
    world_file(world, "var/lists/club", "x@l.test\nJ. Random <y@l.test>\n");
    world_start(world);
    id = world_take(world, "from <a@a.test>\nto club\n\n");
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 1);
    CU_ASSERT_TRUE(world_has(world_report(world), "\nto club-owner@mail.test\n"));
    CU_ASSERT_TRUE(world_has(world_report(world), "\nto postmaster\n"));
    CU_ASSERT_TRUE(world_has(world_report(world), "line 2"));
    world_end(world);
}

static void a_member_that_waits_does_not_keep_the_others_waiting(void)
{
    world_t *world = world_begin();
    const char *recipients;
    uint64_t id;
    world_map(world, "aliases", "team", "x@slow.test, inner, alice, y@slow.test");
    world_map(world, "aliases", "inner", "z@slow.test, bob");
    world_file(world, "var/router.local.cf",
               "protocols=(slow routes smtp)\n"
               "slow_neighbour (domain) {\n\t[ \"$domain\" = slow.test ] || return 1\n"
               "\tdefer=NS:slow.test/mx\n\treturn 1\n}\n");
    world_start(world);
    id = world_take(world, "from <ann@a.test>\nto team\n\nbody\n");
    recipients = world_recipients(world, id);
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 5);
    CU_ASSERT_TRUE(world_has(recipients, "hold/NS:slow.test/mx/x@slow.test/"));
    CU_ASSERT_TRUE(world_has(recipients, "hold/NS:slow.test/mx/y@slow.test/"));
    CU_ASSERT_TRUE(world_has(recipients, "hold/NS:slow.test/mx/z@slow.test/"));
    CU_ASSERT_TRUE(world_has(recipients, "local/team/bob@mail.test/"));
    CU_ASSERT_TRUE(world_has(recipients, "local/team/alice@mail.test/"));
    world_end(world);
}

static void a_list_waits_for_an_include_that_cannot_be_read(void)
{
    world_t *world = world_begin();
    const char *recipients;
    uint64_t id;
    world_map(world, "aliases", "team", "alice, \":include:/no/where\", bob");
    world_map(world, "aliases", "outer", "carl@far.test, team");
    world_file(world, "var/router.local.cf", "include () {\n\tdefer=IO:include\n\treturn 1\n}\n");
    world_start(world);
    id = world_take(world, "from <ann@a.test>\nto team\n\nbody\n");
    recipients = world_recipients(world, id);
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 1);
    CU_ASSERT_TRUE(world_has(recipients, "hold/IO:include/team/"));
    id = world_take(world, "from <ann@a.test>\nto outer\n\nbody\n");
    recipients = world_recipients(world, id);
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 2);
    CU_ASSERT_TRUE(world_has(recipients, "hold/IO:include/team/"));
    CU_ASSERT_TRUE(world_has(recipients, "smtp/far.test/carl@far.test/"));
    world_end(world);
}

ZM_TESTS("lists on a message's way", ZM_TEST(an_alias_of_ten_thousand_members_is_expanded),
         ZM_TEST(a_list_sends_with_its_owner_as_sender),
         ZM_TEST(a_bad_line_of_a_list_is_told_to_its_owner),
         ZM_TEST(a_member_that_waits_does_not_keep_the_others_waiting),
         ZM_TEST(a_list_waits_for_an_include_that_cannot_be_read))
