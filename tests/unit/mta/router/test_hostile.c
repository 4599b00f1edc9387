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

/* Each domain makes the rules of the site do something without end. */
static void rules_without_end_hold_the_address_and_no_other(void)
{
    static const struct {
        const char *domain, *rule, *reason;
    } cases[] = {
        {"steps", "while :; do :; done", " steps"},
        {"memory", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done", " bytes of memory"},
        {"text", "x=$(while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done)", ""},
        {"nested", "x=(a); while :; do x=($x); done", "lists are nested more than 200 deep"},
        {"words", "x=(a b); while :; do x=($(elements $x) $(elements $x)); done",
         "holds more than 262144 words"},
        {"depth", "endless_neighbour \"$domain\" \"$address\" $A",
         "calls are nested more than 200"},
        {"entries",
         "x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; n=; while :; do "
         "n=a$n; db add expansions $n $x$x$x$x$x$x$x$x$x$x$x$x$x$x$x$x$x$x$x$x$n; done",
         "holds more than 256 MiB"},
        {"log", "while :; do echo a line >&2; done", " steps"},
        {"symbols", "while :; do gensym; done > /dev/null", " symbols"},
    };
    static const zm_script_limits_t limits = {14000000, 32 << 20, 0}; /* it goes faster */
    zm_buf_t rules = ZM_BUF_INIT;
    world_t *world = world_begin();
    apr_size_t i;
    zm_buf_add_c(&rules, "protocols=(endless smtp)\nendless_neighbour (domain, address, A) {\n"
                         "local x n\ncase $domain in\n");
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
        zm_buf_printf(&rules, "%s.test) %s ;;\n", cases[i].domain, cases[i].rule);
    zm_buf_add_c(&rules, "esac\nreturn 1\n}\n");
    world_file(world, "var/router.local.cf", zm_buf_c(&rules));
    zm_buf_free(&rules);
    world_start(world);
    zm_script_set_limits(world->worker->script, &limits);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t id = world_take(
            world, world_format("from <a@a.test>\nto u@%s.test\nto bob\n\n", cases[i].domain));
        CU_ASSERT_TRUE(world_has(world_recipients(world, id), "hold/IO:limit/"));
        CU_ASSERT_TRUE(world_has(world_recipients(world, id), "local/bob/bob@mail.test/"));
        CU_ASSERT_TRUE(world_logged(world, cases[i].reason));
    }
    CU_ASSERT_TRUE(world_logged(world, "what the configuration says more is not logged"));
    world_end(world);
}

ZM_TESTS("hostile messages", ZM_TEST(rules_without_end_hold_the_address_and_no_other),
         ZM_TEST(addresses_of_any_length_are_routed_or_rejected),
         ZM_TEST(source_routes_and_percents_do_not_recurse_without_end),
         ZM_TEST(bytes_that_are_no_text_do_no_harm), ZM_TEST(names_of_files_cannot_leave_the_lists),
         ZM_TEST(nobody_includes_files))
