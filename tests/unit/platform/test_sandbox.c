#include "platform/sandbox.h"

#include <apr_strings.h>

#include "platform/fs.h"
#include "platform/log.h"
#include "tests/unit/harness.h"
#include "tests/unit/platform/roles.h"

static bool can_create(const char *directory, const char *name, apr_pool_t *pool)
{
    zm_file_t *file;
    return zm_file_open(&file, NULL, apr_pstrcat(pool, directory, name, NULL),
                        ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600,
                        pool) == APR_SUCCESS;
}

static bool can_read(const char *directory, const char *name, apr_pool_t *pool)
{
    char *data;
    apr_size_t length;
    return zm_file_slurp(&data, &length, apr_pstrcat(pool, directory, name, NULL), 100, pool) ==
           APR_SUCCESS;
}

/* Below the directory given: "read" may be read, "write" and "other" written, the rest nothing. */
static int play_inmate(const char *argument, apr_pool_t *pool)
{
    apr_socket_t *channel = zm_role_channel(pool);
    const char *read[] = {apr_pstrcat(pool, argument, "/read", NULL),
                          apr_pstrcat(pool, argument, "/absent", NULL),
                          apr_pstrcat(pool, argument, "/single", NULL),
                          "/proc", /* a leak checker reads there when the program ends */
                          NULL};
    const char *write[] = {apr_pstrcat(pool, argument, "/write", NULL),
                           apr_pstrcat(pool, argument, "/other", NULL), NULL};
    zm_sandbox_t allowed = {.read = read, .write = write};
    apr_status_t status = zm_sandbox_enter(&allowed, NULL);
    bool moved;
    if (status == ZM_E_UNSUPPORTED) {
        zm_role_say(channel, "unsupported\n");
        return 0;
    }
    if (status != APR_SUCCESS)
        return 1;
    can_create(argument, "/write/new", pool);
    moved = zm_file_rename(NULL, apr_pstrcat(pool, argument, "/write/new", NULL), NULL,
                           apr_pstrcat(pool, argument, "/other/new", NULL)) == APR_SUCCESS;
    zm_role_say(channel, apr_psprintf(pool, "%d%d%d%d%d%d%d\n", can_read(argument, "/read/f", pool),
                                      can_read(argument, "/single", pool),
                                      can_create(argument, "/read/new", pool),
                                      can_create(argument, "/write/more", pool), moved,
                                      can_read(argument, "/hidden/f", pool),
                                      can_create(argument, "/hidden/new", pool)));
    return 0;
}

static const zm_role_t roles[] = {{"inmate", play_inmate}};

static void only_what_is_listed_stays_allowed(void)
{
    static const char *const names[] = {"read", "write", "other", "hidden"};
    const char *top = zm_test_directory(), *heard;
    zm_loop_t *loop;
    zm_actor_t actor;
    apr_size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        ZM_ASSERT_OK(
            zm_dir_make(NULL, apr_pstrcat(zm_test_pool(), top, "/", names[i], NULL), 0755));
    CU_ASSERT_TRUE(can_create(top, "/read/f", zm_test_pool()));
    CU_ASSERT_TRUE(can_create(top, "/hidden/f", zm_test_pool()));
    CU_ASSERT_TRUE(can_create(top, "/single", zm_test_pool()));
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    zm_actor_start(&actor, loop, "inmate", top, NULL);
    heard = zm_actor_hear(&actor);
    if (strstr(heard, "no sandbox") != NULL) /* the log line, on standard error */
        heard = zm_actor_hear(&actor);
    if (strcmp(heard, "unsupported\n") != 0)
        ZM_ASSERT_STR(heard, "1101100\n");
    zm_actor_await_end(&actor);
    CU_ASSERT_EQUAL(actor.end.code, 0);
    zm_child_close(actor.child);
}

int main(int argc, char **argv)
{
    const zm_test_t tests[] = {ZM_TEST(only_what_is_listed_stays_allowed)};
    int code;
    if (zm_role_play(roles, (int)(sizeof roles / sizeof roles[0]), argc, argv, &code))
        return code;
    return zm_tests_run("sandbox", tests, (int)(sizeof tests / sizeof tests[0]), argc, argv);
}
