/*
 * The pickup helper, in a process of its own, and its clients here.
 */
#include "mta/router/pickup.h"

#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/conf/site.h"
#include "platform/control.h"
#include "platform/localsock.h"
#include "platform/service.h"
#include "spool/layout.h"
#include "tests/unit/harness.h"
#include "tests/unit/platform/roles.h"

/* -- the helper's side ------------------------------------------------------------------------ */

static void on_parent(zm_watch_t *watch, int events, void *baton)
{
    (void)watch;
    (void)events;
    zm_loop_stop(baton);
}

static int play_helper(const char *directory, apr_pool_t *pool)
{
    zm_zenv_options_t site = {.root = directory};
    zm_error_t error = {0};
    zm_zenv_t *zenv;
    zm_spool_t *spool;
    zm_loop_t *loop;
    zm_watch_t *watch;
    apr_socket_t *channel = zm_role_channel(pool);
    if (zm_zenv_load(&zenv, &site, pool, &error) != APR_SUCCESS ||
        zm_loop_create(&loop, pool) != APR_SUCCESS ||
        zm_site_spool(&spool, zenv, NULL, pool, &error) != APR_SUCCESS ||
        router_pickup_serve(loop, spool, zenv, apr_pstrcat(pool, directory, "/socket", NULL),
                            zm_identity_own().uid, pool, &error) != APR_SUCCESS ||
        zm_watch_open(&watch, loop, channel, ZM_READ, on_parent, loop) != APR_SUCCESS) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    zm_role_say(channel, "ready\n");
    (void)zm_loop_run(loop);
    zm_spool_close(spool);
    return 0;
}

static const zm_role_t roles[] = {{"helper", play_helper}};

/* -- the clients' side ------------------------------------------------------------------------- */

typedef struct pickup_world_t {
    zm_loop_t *loop;
    zm_actor_t helper;
    zm_spool_t *spool;
    router_opener_t *opener;
} pickup_world_t;

static const char *at(const char *path)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", path, NULL);
}

static void write_file(const char *path, const char *text, uint32_t mode)
{
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, at(path),
                              ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE, mode,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    ZM_ASSERT_OK(zm_file_close(file));
}

static void start_helper(pickup_world_t *world)
{
    zm_child_spec_t spec = {.io = ZM_CHILD_CHANNEL_01};
    zm_actor_start(&world->helper, world->loop, "helper", zm_test_directory(), &spec);
    ZM_ASSERT_STR(zm_actor_hear(&world->helper), "ready\n");
}

static void stop_helper(pickup_world_t *world)
{
    ZM_ASSERT_OK(zm_child_half_close(world->helper.child));
    zm_actor_await_end(&world->helper);
    zm_child_close(world->helper.child);
}

/* A listener has SIGPIPE ignored, which a worker does as well. */
static void on_control(zm_control_t event, void *baton)
{
    (void)event, (void)baton;
}

static pickup_world_t *begin(void)
{
    pickup_world_t *world = apr_pcalloc(zm_test_pool(), sizeof *world);
    zm_spool_options_t options = {.location = at("postoffice"), .create = true};
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_dir_make_all(at("etc"), 0755, zm_test_pool()));
    ZM_ASSERT_OK(zm_dir_make_all(at("var/lists"), 0755, zm_test_pool()));
    write_file("etc/zmailer.conf",
               apr_psprintf(zm_test_pool(), "POSTOFFICE=%s/postoffice\nMAILVAR=%s/var\nLOGDIR=%s\n",
                            zm_test_directory(), zm_test_directory(), zm_test_directory()),
               0644);
    ZM_ASSERT_OK(zm_spool_open(&world->spool, &options, zm_test_pool(), &error));
    ZM_ASSERT_OK(zm_loop_create(&world->loop, zm_test_pool()));
    ZM_ASSERT_OK(zm_control_listen(world->loop, on_control, NULL));
    start_helper(world);
    ZM_ASSERT_OK(
        router_opener_create(&world->opener, world->spool, at("socket"), zm_test_pool(), &error));
    return world;
}

static void end(pickup_world_t *world)
{
    stop_helper(world);
    zm_spool_close(world->spool);
}

static const char *publish(pickup_world_t *world, const char *directory)
{
    zm_create_options_t create = {
        .directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE, .mode = 0600};
    zm_target_t target = {.directory = directory};
    zm_published_t published = {0};
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_create(&object, world->spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, "to bob\n\n", 8));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    return published.name;
}

static apr_status_t open_message(pickup_world_t *world, const char *name)
{
    zm_object_t *object;
    apr_status_t status = router_open_message(world->opener, &object, name);
    if (status == APR_SUCCESS)
        zm_object_close(object);
    return status;
}

static apr_status_t open_file(pickup_world_t *world, zm_uid_t uid, const char *path)
{
    zm_file_t *file;
    apr_status_t status = router_open_file(world->opener, &file, NULL, uid, path, zm_test_pool());
    if (status == APR_SUCCESS)
        zm_file_close(file);
    return status;
}

/* What the helper answers to a line that no client of ours would send. */
static const char *answer_to(const char *line)
{
    apr_socket_t *socket;
    char *answer = apr_pcalloc(zm_test_pool(), 200);
    apr_size_t length = strlen(line), got = 199;
    ZM_ASSERT_OK(zm_localsock_connect(&socket, at("socket"), zm_test_pool()));
    apr_socket_timeout_set(socket, apr_time_from_sec(20));
    ZM_ASSERT_OK(apr_socket_send(socket, line, &length));
    if (apr_socket_recv(socket, answer, &got) != APR_SUCCESS)
        answer = "closed";
    apr_socket_close(socket);
    return answer;
}

/* -- messages ---------------------------------------------------------------------------------- */

static void a_message_is_handed_over_to_be_read_and_locked(void)
{
    pickup_world_t *world = begin();
    const char *name = publish(world, "router");
    zm_object_t *object;
    zm_object_info_t info;
    char text[20];
    apr_size_t length = sizeof text;
    ZM_ASSERT_OK(router_open_message(world->opener, &object, name));
    ZM_ASSERT_OK(zm_object_lock_whole(object, true));
    ZM_ASSERT_OK(zm_object_read(object, 0, text, &length));
    CU_ASSERT_EQUAL(length, 8);
    ZM_ASSERT_OK(zm_object_info(&info, object));
    CU_ASSERT_EQUAL(info.mode, 0640); /* agents of the queue's group read it later */
    zm_object_close(object);
    end(world);
}

static void only_messages_of_input_directories_are_opened(void)
{
    pickup_world_t *world = begin();
    CU_ASSERT_EQUAL(open_message(world, publish(world, "postman")), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(open_message(world, "queue/4711"), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(open_message(world, "router/../postman/4711"), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(open_message(world, "router/note"), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(open_message(world, "/etc/passwd"), ZM_E_UNSAFE);
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(open_message(world, "router/4711")));
    end(world);
}

static void a_second_name_of_a_file_is_no_message(void)
{
    pickup_world_t *world = begin();
    const char *name = publish(world, "router"), *path;
    ZM_ASSERT_OK(zm_spool_native_path(&path, world->spool, name, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_link(NULL, path, NULL, at("postoffice/router/4711")));
    CU_ASSERT_EQUAL(open_message(world, "router/4711"), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(open_message(world, name), ZM_E_UNSAFE);
    end(world);
}

/* -- files ------------------------------------------------------------------------------------- */

static void a_file_comes_with_what_its_directory_is(void)
{
    pickup_world_t *world = begin();
    router_folder_t folder = {0};
    zm_file_t *file;
    char text[20];
    apr_size_t length = sizeof text;
    write_file("var/lists/club", "x@l.test\n", 0644);
    ZM_ASSERT_OK(router_open_file(world->opener, &file, &folder, zm_identity_own().uid,
                                  at("var/lists/club"), zm_test_pool()));
    ZM_ASSERT_OK(zm_file_read_at(file, 0, text, &length));
    CU_ASSERT_EQUAL(length, 9);
    CU_ASSERT_EQUAL(folder.mode & 0777, 0755);
    CU_ASSERT_EQUAL(folder.uid, zm_identity_own().uid);
    zm_file_close(file);
    end(world);
}

static void links_and_strange_files_are_refused(void)
{
    pickup_world_t *world = begin();
    zm_uid_t own = zm_identity_own().uid;
    write_file("var/list", "x@l.test\n", 0644);
    ZM_ASSERT_OK(open_file(world, own, at("var/list")));
    CU_ASSERT_EQUAL(open_file(world, own, at("var/../var/list")), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(open_file(world, own, "var/list"), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(open_file(world, own, at("var/lists")), ZM_E_UNSAFE);
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(open_file(world, own, at("var/none"))));
    CU_ASSERT_EQUAL(open_file(world, own, "/dev/null"), ZM_E_UNSAFE);
    ZM_ASSERT_OK(zm_file_link(NULL, at("var/list"), NULL, at("var/second")));
    CU_ASSERT_EQUAL(open_file(world, own, at("var/second")), ZM_E_UNSAFE);
    end(world);
}

static void root_reads_the_sites_files_only(void)
{
    pickup_world_t *world = begin();
    write_file("outside", "x\n", 0644);
    write_file("var/inside", "x\n", 0644);
    write_file("varnish", "x\n", 0644);
    CU_ASSERT_EQUAL(
        strncmp(answer_to(apr_psprintf(zm_test_pool(), "file 0 %s\n", at("var/inside"))), "ok ", 3),
        0);
    CU_ASSERT_EQUAL(
        strncmp(answer_to(apr_psprintf(zm_test_pool(), "file 0 %s\n", at("outside"))), "no ", 3),
        0);
    CU_ASSERT_EQUAL(
        strncmp(answer_to(apr_psprintf(zm_test_pool(), "file 0 %s\n", at("varnish"))), "no ", 3),
        0);
    CU_ASSERT_EQUAL(
        strncmp(answer_to(apr_psprintf(zm_test_pool(), "file 0 %s\n", at("var/../outside"))), "no ",
                3),
        0);
    end(world);
}

static void other_accounts_read_what_they_may(void)
{
    pickup_world_t *world = begin();
    zm_uid_t nobody = zm_identity_nobody(NULL, zm_test_pool()).uid;
    if (zm_identity_privileged() && !zm_test_on_windows()) {
        zm_file_t *directory;
        write_file("var/secret", "x\n", 0600);
        write_file("var/open", "x\n", 0644);
        ZM_ASSERT_OK(zm_dir_handle(&directory, NULL, zm_test_directory(), zm_test_pool()));
        ZM_ASSERT_OK(zm_file_set_mode(directory, 0755));
        zm_file_close(directory);
        CU_ASSERT_TRUE(APR_STATUS_IS_EACCES(open_file(world, nobody, at("var/secret"))));
        ZM_ASSERT_OK(open_file(world, nobody, at("var/open")));
        CU_ASSERT_TRUE(APR_STATUS_IS_EACCES(open_file(world, -2, at("var/secret"))));
    }
    end(world);
}

/* -- traces ------------------------------------------------------------------------------------ */

static apr_status_t open_trace(pickup_world_t *world, zm_uid_t uid, const char *leaf)
{
    zm_object_t *trace;
    apr_status_t status = router_open_trace(world->opener, &trace, uid, leaf, zm_test_pool());
    if (status == APR_SUCCESS) {
        ZM_ASSERT_OK(zm_object_append(trace, "line\n", 5, false));
        zm_object_close(trace);
    }
    return status;
}

static void a_trace_is_an_existing_file_of_its_owner(void)
{
    pickup_world_t *world = begin();
    zm_uid_t own = zm_identity_own().uid;
    write_file("postoffice/public/v_AbCd12", "", 0600);
    write_file("postoffice/public/v_longer7", "", 0600);
    write_file("postoffice/public/other", "", 0600);
    ZM_ASSERT_OK(open_trace(world, own, "v_AbCd12"));
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(open_trace(world, own, "v_Absent")));
    CU_ASSERT_EQUAL(open_trace(world, own, "v_longer7"), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(open_trace(world, own, "other"), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(open_trace(world, own, "../v_Ab12"), ZM_E_UNSAFE);
    CU_ASSERT_NOT_EQUAL(open_trace(world, own + 1, "v_AbCd12"), APR_SUCCESS);
    ZM_ASSERT_OK(zm_file_link(NULL, at("postoffice/public/v_AbCd12"), NULL,
                              at("postoffice/public/v_AbCd13")));
    CU_ASSERT_EQUAL(open_trace(world, own, "v_AbCd13"), ZM_E_UNSAFE);
    end(world);
}

/* -- the protocol ------------------------------------------------------------------------------ */

static void nonsense_is_answered_with_no(void)
{
    pickup_world_t *world = begin();
    static const char *const lines[] = {
        "\n",       "hello\n",   "file\n",    "file x /etc/passwd\n",
        "file 1\n", "file 1 \n", "message\n", "trace 1\n"};
    apr_size_t i;
    char *long_line = apr_palloc(zm_test_pool(), 10001);
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++)
        CU_ASSERT_EQUAL(strncmp(answer_to(lines[i]), "no ", 3), 0);
    memset(long_line, 'x', 10000);
    long_line[10000] = '\0';
    ZM_ASSERT_STR(answer_to(long_line), "closed");
    CU_ASSERT_EQUAL(open_message(world, apr_pstrcat(zm_test_pool(), "router/", long_line, NULL)),
                    APR_ENAMETOOLONG);
    CU_ASSERT_EQUAL(open_file(world, 1, "/etc/pass\nwd"), APR_EINVAL);
    CU_ASSERT_EQUAL(open_file(world, 1, ""), APR_EINVAL);
    end(world);
}

static void a_client_survives_a_new_helper(void)
{
    pickup_world_t *world = begin();
    write_file("var/list", "x@l.test\n", 0644);
    ZM_ASSERT_OK(open_file(world, zm_identity_own().uid, at("var/list")));
    stop_helper(world);
    CU_ASSERT_NOT_EQUAL(open_file(world, zm_identity_own().uid, at("var/list")), APR_SUCCESS);
    start_helper(world);
    ZM_ASSERT_OK(open_file(world, zm_identity_own().uid, at("var/list")));
    end(world);
}

int main(int argc, char **argv)
{
    const zm_test_t tests[] = {ZM_TEST(a_message_is_handed_over_to_be_read_and_locked),
                               ZM_TEST(only_messages_of_input_directories_are_opened),
                               ZM_TEST(a_second_name_of_a_file_is_no_message),
                               ZM_TEST(a_file_comes_with_what_its_directory_is),
                               ZM_TEST(links_and_strange_files_are_refused),
                               ZM_TEST(root_reads_the_sites_files_only),
                               ZM_TEST(other_accounts_read_what_they_may),
                               ZM_TEST(a_trace_is_an_existing_file_of_its_owner),
                               ZM_TEST(nonsense_is_answered_with_no),
                               ZM_TEST(a_client_survives_a_new_helper)};
    int code;
    if (zm_role_play(roles, (int)(sizeof roles / sizeof roles[0]), argc, argv, &code))
        return code;
    if (zm_test_on_windows()) /* files cannot be handed over there, and need not be */
        return 0;
    return zm_tests_run("router pickup", tests, (int)(sizeof tests / sizeof tests[0]), argc, argv);
}
