/*
 * Deliveries into real files of a temporary directory, in our own identity.
 */
#include "tests/unit/harness.h"

#include <apr_file_io.h>
#include <apr_strings.h>

#include "platform/control.h"
#include "platform/fs.h"
#include "ta/agent/limits.h"
#include "ta/mailbox/delivery.h"
#include "ta/mailbox/program.h"
#include "ta/mailbox/worker.h"

typedef struct text_t {
    const char *body;
    int pieces; /* given so far */
    apr_status_t end;
} text_t;

static apr_status_t one_piece(void *baton, zm_str_t *piece)
{
    text_t *text = baton;
    if (text->pieces++ > 0)
        return text->end;
    *piece = zm_str(text->body);
    return APR_SUCCESS;
}

static text_t text;

static zm_delivery_t letter(zm_store_t kind, const char *path)
{
    zm_delivery_t delivery = {0};
    text = (text_t){"Hello\nFrom here\n", 0, APR_EOF};
    delivery.kind = kind;
    delivery.path = path;
    delivery.detail = "";
    delivery.owner = ZM_UID_NONE;
    delivery.create = true;
    delivery.lock = 'L';
    delivery.dotlock = kind == ZM_STORE_MBOX;
    delivery.escape = true;
    delivery.stall_limit = 20;
    delivery.total_limit = 40;
    delivery.separator = ZM_S("From a@b Mon Jan  1 00:00:00 2024\n");
    delivery.head = ZM_S("To: x\n");
    delivery.body = one_piece;
    delivery.baton = &text;
    return delivery;
}

#define STORED "From a@b Mon Jan  1 00:00:00 2024\nTo: x\n\nHello\n>From here\n\n"

static const char *at(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static const char *contents(const char *path)
{
    char *data = NULL;
    apr_size_t length;
    zm_file_slurp(&data, &length, path, 1 << 24, zm_test_pool());
    return data;
}

static void put(const char *path, const char *data)
{
    zm_file_t *file;
    ZM_ASSERT_OK(
        zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0600, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, data, strlen(data)));
    zm_file_close(file);
}

static void no_event(zm_control_t event, void *baton)
{
    (void)event;
    (void)baton;
}

static zm_delivered_t deliver(const zm_delivery_t *delivery)
{
    zm_delivered_t result;
    zm_loop_t *loop;
    zm_loop_create(&loop, zm_test_pool());
    zm_control_listen(loop, no_event, NULL); /* a closed pipe is an error code, not a signal */
    zm_deliver(&result, delivery, loop, zm_test_pool());
    return result;
}

static void mailbox_is_made_and_appended_to(void)
{
    const char *path = at("bob");
    zm_delivery_t delivery = letter(ZM_STORE_MBOX, path);
    zm_delivered_t result = deliver(&delivery);
    CU_ASSERT_EQUAL(result.result, ZM_RESULT_OK);
    ZM_ASSERT_STR(result.status, "2.2.0");
    ZM_ASSERT_STR(contents(path), STORED);
    delivery = letter(ZM_STORE_MBOX, path);
    result = deliver(&delivery);
    CU_ASSERT_EQUAL(result.result, ZM_RESULT_OK);
    CU_ASSERT_EQUAL(result.before, sizeof STORED - 1);
    CU_ASSERT_EQUAL(result.added, sizeof STORED - 1);
    ZM_ASSERT_STR(contents(path), STORED STORED);
    CU_ASSERT_PTR_NULL(contents(at("bob.lock")));
}

static void missing_mailbox_without_creation_is_an_unknown_user(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_MBOX, at("bob"));
    delivery.create = false;
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_NOUSER);
}

static void body_without_final_line_end_gets_an_empty_line(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_FILE, at("file"));
    text.body = "x";
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_OK);
    ZM_ASSERT_STR(contents(delivery.path), "From a@b Mon Jan  1 00:00:00 2024\nTo: x\n\nx\n\n");
}

static void torn_end_of_a_mailbox_is_closed_first(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_FILE, at("file"));
    put(delivery.path, "From x\n\ntorn");
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_OK);
    ZM_ASSERT_STR(contents(delivery.path), "From x\n\ntorn\n\n" STORED);
}

static void mmdf_folders_have_marks_and_no_escapes(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_FILE, at("file"));
    delivery.mmdf = true;
    delivery.escape = false;
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_OK);
    ZM_ASSERT_STR(contents(delivery.path),
                  "\1\1\1\1\nFrom a@b Mon Jan  1 00:00:00 2024\nTo: x\n\nHello\nFrom "
                  "here\n\1\1\1\1\n");
}

static void failure_leaves_no_part_of_the_letter(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_FILE, at("file"));
    put(delivery.path, "before\n\n");
    text.end = APR_EGENERAL;
    CU_ASSERT_TRUE(zm_result_temporary(deliver(&delivery).result));
    ZM_ASSERT_STR(contents(delivery.path), "before\n\n");
}

static void special_files_and_hard_links_are_refused(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_FILE, at("dir"));
    apr_dir_make(at("dir"), APR_OS_DEFAULT, zm_test_pool());
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_UNAVAILABLE);
    put(at("one"), "x");
    ZM_ASSERT_OK(zm_file_link(NULL, at("one"), NULL, at("two")));
    delivery = letter(ZM_STORE_MBOX, at("two"));
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_UNAVAILABLE);
    ZM_ASSERT_STR(contents(at("one")), "x");
}

static void somebody_elses_mailbox_is_refused(void)
{
    if (zm_test_on_windows())
        return;
    zm_delivery_t delivery = letter(ZM_STORE_MBOX, at("bob"));
    zm_uid_t own = zm_identity_own().uid;
    put(delivery.path, "");
    delivery.owner = own + 1;
    CU_ASSERT_EQUAL(deliver(&delivery).result, own == 0 ? ZM_RESULT_OK : ZM_RESULT_UNAVAILABLE);
}

static void stale_dotlock_is_a_matter_of_age(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_FILE, at("bob"));
    put(at("bob.lock"), "");
    /* files take no dotlock: a lock file beside them means nothing */
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_OK);
}

static const char *only_name_in(const char *directory)
{
    const char *name, *found = NULL;
    zm_file_kind_t kind;
    zm_dir_t *dir;
    if (zm_dir_open(&dir, NULL, directory, zm_test_pool()) != APR_SUCCESS)
        return NULL;
    while (zm_dir_next(dir, &name, &kind) == APR_SUCCESS) {
        CU_ASSERT_PTR_NULL(found);
        found = apr_pstrcat(zm_test_pool(), directory, "/", name, NULL);
    }
    zm_dir_close(dir);
    return found;
}

static void maildir_is_made_and_filled(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_MAILDIR, at("Maildir/"));
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_OK);
    ZM_ASSERT_STR(contents(only_name_in(at("Maildir/new"))), "To: x\n\nHello\nFrom here\n");
    CU_ASSERT_PTR_NULL(only_name_in(at("Maildir/tmp")));
    CU_ASSERT_PTR_NULL(only_name_in(at("Maildir/cur")));
}

static void detail_goes_to_a_folder_that_exists(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_MAILDIR, at("Maildir/"));
    apr_dir_make_recursive(at("Maildir/.news"), APR_OS_DEFAULT, zm_test_pool());
    delivery.detail = "news";
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_OK);
    CU_ASSERT_PTR_NOT_NULL(only_name_in(at("Maildir/.news/new")));
    delivery = letter(ZM_STORE_MAILDIR, at("Maildir/"));
    delivery.detail = "../../x";
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_OK);
    CU_ASSERT_PTR_NOT_NULL(only_name_in(at("Maildir/new")));
}

static void failed_maildir_delivery_leaves_nothing(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_MAILDIR, at("Maildir/"));
    text.end = APR_EGENERAL;
    CU_ASSERT_TRUE(zm_result_temporary(deliver(&delivery).result));
    CU_ASSERT_PTR_NULL(only_name_in(at("Maildir/new")));
    CU_ASSERT_PTR_NULL(only_name_in(at("Maildir/tmp")));
}

/* -- programs -------------------------------------------------------------- */

static zm_delivered_t run(const char *command, const char *body)
{
    static const char *const environment[] = {"PATH=/usr/bin:/bin", "MARK=seen", NULL};
    zm_delivery_t delivery = letter(ZM_STORE_PIPE, command);
    text.body = body;
    delivery.environment = environment;
    delivery.directory = zm_test_directory();
    return deliver(&delivery);
}

static void program_gets_the_letter_unescaped(void)
{
    if (zm_test_on_windows())
        return;
    zm_delivered_t result = run("cat > out; echo \"got $MARK\"; echo more", "Hello\nFrom x\nlast");
    CU_ASSERT_EQUAL(result.result, ZM_RESULT_OK);
    ZM_ASSERT_STR(result.text, "got seen [Exit Status 0]");
    ZM_ASSERT_STR(contents(at("out")),
                  "From a@b Mon Jan  1 00:00:00 2024\nTo: x\n\nHello\nFrom x\nlast\n");
}

static void delivery_is_no_reading(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_MBOX, at("bob"));
    zm_file_info_t info;
    zm_file_t *file;
    if (zm_test_on_wine()) /* it does not give back the reading times that it was given */
        return;
    delivery.keep_read_time = true;
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_OK);
    ZM_ASSERT_OK(zm_path_info(&info, NULL, delivery.path));
    CU_ASSERT_EQUAL(info.atime_s, 0); /* nobody has read it yet */
    ZM_ASSERT_OK(zm_file_open(&file, NULL, delivery.path, ZM_OPEN_WRITE, 0, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_set_atime(file, 1000000000, 500));
    zm_file_close(file);
    delivery = letter(ZM_STORE_MBOX, at("bob"));
    delivery.keep_read_time = true;
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_OK);
    ZM_ASSERT_OK(zm_path_info(&info, NULL, delivery.path));
    CU_ASSERT_EQUAL(info.atime_s, 1000000000);
    CU_ASSERT_TRUE(info.mtime_s > 1500000000);
}

static void quota_leaves_the_mailbox_as_it_is(void)
{
    zm_delivery_t delivery = letter(ZM_STORE_MBOX, at("bob"));
    zm_delivered_t result;
    put(delivery.path, "From x\n\n");
    delivery.quota = 20;
    delivery.size = 13;
    result = deliver(&delivery);
    CU_ASSERT_EQUAL(result.result, ZM_RESULT_IOERR);
    ZM_ASSERT_STR(result.status, "4.2.2");
    delivery = letter(ZM_STORE_MBOX, at("bob"));
    delivery.quota = 20;
    delivery.size = 13;
    delivery.quota_permanent = true;
    result = deliver(&delivery);
    CU_ASSERT_EQUAL(result.result, ZM_RESULT_UNAVAILABLE);
    ZM_ASSERT_STR(result.status, "5.2.2");
    ZM_ASSERT_STR(contents(delivery.path), "From x\n\n");
    delivery.quota = 21;
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_OK);
}

/* A worker that its user has taken over answers for more than its user's letters. */
static void worker_cannot_defer_the_whole_thread(void)
{
    zm_credentials_t own = zm_identity_own();
    zm_delivery_t delivery = letter(ZM_STORE_FILE, at("file"));
    zm_delivered_t result;
    zm_workers_t *workers;
    zm_file_t *file;
    zm_loop_t *loop;
    if (zm_test_on_windows())
        return;
    put(at("worker"), "#!/bin/sh\nprintf '3:1001:01:05:4.0.05:hello'\nexec cat >/dev/null\n");
    ZM_ASSERT_OK(zm_file_open(&file, NULL, at("worker"), ZM_OPEN_READ, 0, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_set_mode(file, 0700));
    zm_file_close(file);
    zm_loop_create(&loop, zm_test_pool());
    zm_control_listen(loop, no_event, NULL);
    workers = zm_workers_create(at("worker"), loop, zm_test_pool());
    zm_workers_deliver(&result, workers, &own, NULL, &delivery);
    zm_workers_close(workers);
    ZM_ASSERT_STR(result.text, "hello");
    CU_ASSERT_EQUAL(result.result, ZM_RESULT_TEMPFAIL);
}

static void exit_statuses_become_results(void)
{
    if (zm_test_on_windows())
        return;
    CU_ASSERT_EQUAL(run("exit 67", "x").result, ZM_RESULT_NOUSER);
    CU_ASSERT_EQUAL(run("exit 69", "x").result, ZM_RESULT_UNAVAILABLE);
    CU_ASSERT_EQUAL(run("exit 77", "x").result, ZM_RESULT_NOPERM);
    CU_ASSERT_EQUAL(run("exit 65", "x").result, ZM_RESULT_UNAVAILABLE);
    CU_ASSERT_EQUAL(run("exit 75", "x").result, ZM_RESULT_TEMPFAIL);
    CU_ASSERT_EQUAL(run("exit 3", "x").result, ZM_RESULT_TEMPFAIL);
    CU_ASSERT_EQUAL(run("kill -9 $$", "x").result, ZM_RESULT_TEMPFAIL);
    CU_ASSERT_EQUAL(run("/no/such/program", "x").result == ZM_RESULT_OK, 0);
    ZM_ASSERT_STR(run("echo no; exit 67", "x").text, "no [exit status 67]");
}

static void program_need_not_read_and_may_talk_much(void)
{
    if (zm_test_on_windows())
        return;
    char *big = apr_palloc(zm_test_pool(), 3000001);
    memset(big, 'x', 3000000);
    big[3000000] = '\0';
    CU_ASSERT_EQUAL(run("exit 0", big).result, ZM_RESULT_OK);
    CU_ASSERT_EQUAL(run("head -c 2000000 /dev/zero; cat > out", big).result, ZM_RESULT_OK);
    CU_ASSERT_EQUAL(strlen(contents(at("out"))),
                    strlen("From a@b Mon Jan  1 00:00:00 2024\nTo: x\n\n") + 3000001);
}

static void program_that_takes_too_long_is_ended(void)
{
    if (zm_test_on_windows())
        return;
    zm_delivery_t delivery = letter(ZM_STORE_PIPE, "exec sleep 100");
    zm_delivered_t result;
    delivery.directory = "/";
    delivery.stall_limit = 1;
    result = deliver(&delivery);
    CU_ASSERT_EQUAL(result.result, ZM_RESULT_TEMPFAIL);
    ZM_ASSERT_STR(result.status, "4.4.7");
}

static void programs_have_limits(void)
{
    if (zm_test_on_windows())
        return;
    zm_delivery_t delivery =
        letter(ZM_STORE_PIPE, "echo $(ulimit -c) $(ulimit -H -t) $(ulimit -n) $(ulimit -f)");
    delivery.directory = "/";
    delivery.limits = (zm_child_limits_t){.cpu = 77, .files = 55, .file_size = 512000};
    ZM_ASSERT_STR(deliver(&delivery).text, "0 77 55 1000 [Exit Status 0]");
    delivery = letter(ZM_STORE_PIPE, "head -c 5000 /dev/zero >big");
    delivery.directory = zm_test_directory();
    delivery.limits = (zm_child_limits_t){.file_size = 1000};
    CU_ASSERT_EQUAL(deliver(&delivery).result, ZM_RESULT_TEMPFAIL);
    CU_ASSERT_EQUAL(strlen(contents(at("big"))), 0); /* all of it NUL */
}

static void limits_are_read_from_a_variable(void)
{
    static const char *const bad[] = {
        "cpu", "cpu=", "cpu=x", "memory=-1", "memory=9999999999999G", "size=1", "files=1T", "=1"};
    zm_child_limits_t limits;
    zm_error_t error;
    apr_size_t i;
    ZM_ASSERT_OK(zm_limits_parse(&limits, NULL, &error));
    CU_ASSERT_TRUE(limits.cpu == 1800 && limits.files == 1024);
    CU_ASSERT_TRUE(limits.memory == 0 && limits.file_size == 0 && limits.processes == 0);
    ZM_ASSERT_OK(
        zm_limits_parse(&limits, "cpu=1h memory=3G  filesize=5m\tprocesses=7 files=0", &error));
    CU_ASSERT_TRUE(limits.cpu == 3600 && limits.memory == INT64_C(3) << 30);
    CU_ASSERT_TRUE(limits.file_size == 5 << 20 && limits.processes == 7 && limits.files == 0);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CU_ASSERT_EQUAL(zm_limits_parse(&limits, bad[i], &error), ZM_E_SYNTAX);
}

static void commands_are_split_or_given_to_the_shell(void)
{
    const char *const *words = zm_program_words("/bin/x  -a 'b c' d", zm_test_pool());
    ZM_ASSERT_STR(words[0], "/bin/x");
    ZM_ASSERT_STR(words[1], "-a");
    ZM_ASSERT_STR(words[2], "b c");
    ZM_ASSERT_STR(words[3], "d");
    CU_ASSERT_PTR_NULL(words[4]);
    words = zm_program_words("/bin/x $HOME", zm_test_pool());
    ZM_ASSERT_STR(words[0], "/bin/sh");
    ZM_ASSERT_STR(words[2], "/bin/x $HOME");
    CU_ASSERT_PTR_NULL(zm_program_words("", zm_test_pool()));
}

ZM_TESTS("mailbox delivery", ZM_TEST(mailbox_is_made_and_appended_to),
         ZM_TEST(missing_mailbox_without_creation_is_an_unknown_user),
         ZM_TEST(body_without_final_line_end_gets_an_empty_line),
         ZM_TEST(torn_end_of_a_mailbox_is_closed_first),
         ZM_TEST(mmdf_folders_have_marks_and_no_escapes),
         ZM_TEST(failure_leaves_no_part_of_the_letter),
         ZM_TEST(special_files_and_hard_links_are_refused),
         ZM_TEST(somebody_elses_mailbox_is_refused), ZM_TEST(stale_dotlock_is_a_matter_of_age),
         ZM_TEST(maildir_is_made_and_filled), ZM_TEST(detail_goes_to_a_folder_that_exists),
         ZM_TEST(failed_maildir_delivery_leaves_nothing),
         ZM_TEST(program_gets_the_letter_unescaped), ZM_TEST(exit_statuses_become_results),
         ZM_TEST(program_need_not_read_and_may_talk_much),
         ZM_TEST(program_that_takes_too_long_is_ended), ZM_TEST(programs_have_limits),
         ZM_TEST(limits_are_read_from_a_variable),
         ZM_TEST(commands_are_split_or_given_to_the_shell), ZM_TEST(delivery_is_no_reading),
         ZM_TEST(quota_leaves_the_mailbox_as_it_is), ZM_TEST(worker_cannot_defer_the_whole_thread))
