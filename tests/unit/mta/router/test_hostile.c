/* Messages that are meant to do harm. */
#include "tests/unit/mta/router/world.h"

static void addresses_of_any_length_are_routed_or_rejected(void)
{
    world_t *world = world_with(NULL);
    uint64_t id = world_take(
        world, world_repeated("from <a@a.test>\nto ", "a", 100000, "@b.test\nto bob\n\n"));
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 2);
    id = world_take(world,
                    world_repeated("from <a@a.test>\nto u@", "a.", 50000, "test\nto bob\n\n"));
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 2);
    id = world_take(world,
                    world_repeated("from <a@a.test>\nto bob\nTo: ", "(", 100000, " u@b.test\n\n"));
    CU_ASSERT_EQUAL(world_control(world, id)->recipient_count, 1);
    id = world_take(world, world_repeated("from <a@a.test>\nto u", "!x", 20000, "\n\n"));
    CU_ASSERT_TRUE(world_control_text(world, id) != NULL || world_report(world) != NULL);
    world_end(world);
}

static void source_routes_and_percents_do_not_recurse_without_end(void)
{
    world_t *world = world_with(NULL);
    uint64_t id = world_take(
        world, world_repeated("from <a@a.test>\nto u", "%mail.test", 390, "\nto bob\n\n"));
    CU_ASSERT_TRUE(world_has(world_recipients(world, id), "hold/IO:limit/"));
    CU_ASSERT_TRUE(world_has(world_recipients(world, id), "local/bob/bob@mail.test/"));
    world_end(world);
}

static void bytes_that_are_no_text_do_no_harm(void)
{
    static const char text[] = "from <a@a.test>\nto bob\nSubject: a\0b\x01\xff\r c\nX\x80: y\n\n\0";
    world_t *world = world_with(NULL);
    uint64_t id = world_submit_mode(world, world_root(), 0600, text, sizeof text - 1);
    world_route(world, id);
    CU_ASSERT_TRUE(world_has(world_header(world, id), "\nSubject: ab\x01\xff\r c\n"));
    world_end(world);
}

static void names_of_files_cannot_leave_the_lists(void)
{
    world_t *world = world_begin();
    world_file(world, "var/lists/club", "x@l.test\n");
    world_file(world, "var/secret", "y@l.test\n");
    world_start(world);
    ZM_ASSERT_STR(world_routes(world, "../secret", "recipient"),
                  "(error nosuchuser ../secret@mail.test)");
    ZM_ASSERT_STR(world_routes(world, "owner-../secret", "recipient"),
                  "(error nosuchuser owner-../secret@mail.test)");
    ZM_ASSERT_STR(world_routes(world, ".club", "recipient"), "(error nosuchuser .club@mail.test)");
    ZM_ASSERT_STR(world_routes(world, "$(id)", "recipient"), "(error nosuchuser $(id)@mail.test)");
    ZM_ASSERT_STR(world_routes(world, "\\1", "recipient"), "(local '\\1' 1)");
    world_end(world);
}

static void nobody_includes_files(void)
{
    world_t *world = world_begin();
    world_file(world, "var/list", "x@l.test\n");
    world_start(world);
    ZM_ASSERT_STR(
        world_routes(world, world_format(":include:%s/var/list", world->directory), "recipient"),
        world_format("(error nosuchuser :include:%s/var/list)", world->directory));
    world_end(world);
}

ZM_TESTS("hostile messages", ZM_TEST(addresses_of_any_length_are_routed_or_rejected),
         ZM_TEST(source_routes_and_percents_do_not_recurse_without_end),
         ZM_TEST(bytes_that_are_no_text_do_no_harm), ZM_TEST(names_of_files_cannot_leave_the_lists),
         ZM_TEST(nobody_includes_files))
