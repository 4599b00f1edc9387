#include "tests/unit/harness.h"

#include <apr_file_io.h>
#include <apr_strings.h>

#include "ta/mailbox/destination.h"
#include "ta/mailbox/path.h"

static void hashes_agree_with_their_vectors(void)
{
    CU_ASSERT_EQUAL(zm_hash_pjw("root"), 0x79664);
    CU_ASSERT_EQUAL(zm_hash_pjw("postmaster"), 0xb3fdc62);
    CU_ASSERT_EQUAL(zm_hash_pjw("abcdef"), 0x6789ab6);
    CU_ASSERT_EQUAL(zm_hash_crc("root"), 0x1509109f);
    CU_ASSERT_EQUAL(zm_hash_crc("postmaster"), 0x442599b8);
    CU_ASSERT_EQUAL(zm_hash_crc("abcdef"), 0x44d3c6f9);
}

static const char *path_of(zm_mailbox_options_t *options, const char *name)
{
    zm_mbox_user_t user = {name, "Bob@mx.example.org", "mx.example.org", "Bob B", "/home/bob"};
    zm_mbox_path_t path;
    if (options->directory == NULL)
        options->directory = zm_test_directory();
    if (zm_mbox_path(&path, options, &user, zm_test_pool()) != APR_SUCCESS)
        return NULL;
    if (strncmp(path.path, zm_test_directory(), strlen(zm_test_directory())) == 0)
        return path.path + strlen(zm_test_directory()) + 1;
    return path.path;
}

static void give(const char *directory, zm_uid_t uid, uint32_t mode)
{
    zm_file_t *handle;
    ZM_ASSERT_OK(zm_dir_handle(&handle, NULL, directory, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_set_owner(handle, uid, uid));
    ZM_ASSERT_OK(zm_file_set_mode(handle, mode));
    zm_file_close(handle);
}

/* Below what a user can rename or link, a mailbox directory is not what its path says. */
static void directories_that_users_can_replace_are_not_roots(void)
{
    const char *top = zm_test_directory(), *home, *mail;
    zm_file_info_t info;
    if (!zm_identity_privileged())
        return;
    home = apr_pstrcat(zm_test_pool(), top, "/bob", NULL);
    mail = apr_pstrcat(zm_test_pool(), home, "/mail", NULL);
    apr_dir_make_recursive(mail, APR_OS_DEFAULT, zm_test_pool());
    give(top, 0, 0755);
    give(home, 0, 0755);
    give(mail, 0, 0755);
    CU_ASSERT_TRUE(zm_mbox_roots_alone(&info, mail, zm_test_pool()));
    give(mail, 0, 0775); /* a spool directory of a group */
    CU_ASSERT_TRUE(zm_mbox_roots_alone(&info, mail, zm_test_pool()));
    CU_ASSERT_EQUAL(info.mode, 0775);
    give(home, 12345, 0755); /* its owner can put a link in the place of mail */
    CU_ASSERT_FALSE(zm_mbox_roots_alone(&info, mail, zm_test_pool()));
    give(home, 0, 0775);
    CU_ASSERT_FALSE(zm_mbox_roots_alone(&info, mail, zm_test_pool()));
    give(home, 0, 0755);
    give(mail, 12345, 0755);
    CU_ASSERT_FALSE(zm_mbox_roots_alone(&info, mail, zm_test_pool()));
    CU_ASSERT_FALSE(zm_mbox_roots_alone(&info, "mail", zm_test_pool()));
}

static void plain_directories_take_hash_levels(void)
{
    ZM_ASSERT_STR(path_of(&(zm_mailbox_options_t){0}, "root"), "root");
    ZM_ASSERT_STR(path_of(&(zm_mailbox_options_t){.pjw_levels = 1}, "root"), "C/root");
    ZM_ASSERT_STR(path_of(&(zm_mailbox_options_t){.pjw_levels = 2}, "root"), "P/C/root");
    ZM_ASSERT_STR(path_of(&(zm_mailbox_options_t){.crc_levels = 2}, "postmaster"),
                  "E/Y/postmaster");
    ZM_ASSERT_STR(path_of(&(zm_mailbox_options_t){.crc_levels = 2, .pjw_levels = 1}, "abcdef"),
                  "B/P/abcdef");
    ZM_ASSERT_STR(path_of(&(zm_mailbox_options_t){.name_levels = 2}, "abcdef"), "a/b/abcdef");
    ZM_ASSERT_STR(path_of(&(zm_mailbox_options_t){.name_levels = 9}, "ab"), "a/b/ab");
}

static void formats_are_filled_in(void)
{
    ZM_ASSERT_STR(path_of(&(zm_mailbox_options_t){.directory = "/m/%x/%x/%u"}, "root"),
                  "/m/C/P/root");
    ZM_ASSERT_STR(path_of(&(zm_mailbox_options_t){.directory = "/m/%X/%X/%u"}, "postmaster"),
                  "/m/Y/E/postmaster");
    ZM_ASSERT_STR(path_of(&(zm_mailbox_options_t){.directory = "%h/Mail%%/%d/%D/%a"}, "bob"),
                  "/home/bob/Mail%/mx/mx.example.org/Bob@mx.example.org");
}

static void final_slash_means_maildir(void)
{
    zm_mailbox_options_t options = {.directory = "/m/%u/Maildir/"};
    zm_mbox_user_t user = {"bob", "bob", "", NULL, NULL};
    zm_mbox_path_t path;
    ZM_ASSERT_OK(zm_mbox_path(&path, &options, &user, zm_test_pool()));
    CU_ASSERT_TRUE(path.maildir);
    CU_ASSERT_FALSE(path.exists);
    ZM_ASSERT_STR(path.path, "/m/bob/Maildir/");
    ZM_ASSERT_STR(path.directory, "/m/bob");
}

static void names_cannot_leave_the_directory(void)
{
    const char *const names[] = {"../x", "a/b", ".", "..", ".hidden", "a\nb", ""};
    apr_size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        CU_ASSERT_PTR_NULL(path_of(&(zm_mailbox_options_t){0}, names[i]));
        CU_ASSERT_PTR_NULL(path_of(&(zm_mailbox_options_t){.directory = "/m/%u"}, names[i]));
    }
}

static void missing_directory_is_a_configuration_error(void)
{
    zm_mailbox_options_t options = {.directory = "/no/such/directory"};
    zm_mbox_user_t user = {"bob", "bob", "", NULL, NULL};
    zm_mbox_path_t path;
    CU_ASSERT_EQUAL(zm_mbox_path(&path, &options, &user, zm_test_pool()), ZM_E_CONFIG);
    options.directory = "/m/%q";
    CU_ASSERT_EQUAL(zm_mbox_path(&path, &options, &user, zm_test_pool()), ZM_E_CONFIG);
}

static void lock_letters_need_a_kernel_lock(void)
{
    zm_mailbox_options_t options = {0};
    zm_error_t error;
    ZM_ASSERT_OK(zm_mailbox_locks(&options, ".L:L", &error));
    CU_ASSERT_TRUE(options.dotlock && options.mailbox_lock == 'L' && options.file_lock == 'L');
    ZM_ASSERT_OK(zm_mailbox_locks(&options, ".F:F", &error));
    CU_ASSERT_TRUE(options.mailbox_lock == 'F' && options.file_lock == 'F');
    ZM_ASSERT_OK(zm_mailbox_locks(&options, "\"L:L\"", &error));
    CU_ASSERT_FALSE(options.dotlock);
    CU_ASSERT_EQUAL(zm_mailbox_locks(&options, ".:L", &error), ZM_E_CONFIG);
    CU_ASSERT_EQUAL(zm_mailbox_locks(&options, "L:x", &error), ZM_E_CONFIG);
}

/* -- destinations ---------------------------------------------------------- */

static zm_destination_t destination_of(const char *raw, const char *plain)
{
    zm_destination_t destination = {0};
    ZM_ASSERT_OK(
        zm_destination_parse(&destination, zm_str(raw), zm_str(plain), false, zm_test_pool()));
    return destination;
}

static void users_lose_domain_quotes_and_backslashes(void)
{
    zm_destination_t to = destination_of("bob+news@mx.example.org", "bob+news@mx.example.org");
    CU_ASSERT_EQUAL(to.kind, ZM_TO_USER);
    ZM_ASSERT_STR(to.text, "bob+news");
    ZM_ASSERT_STR(to.name, "bob");
    ZM_ASSERT_STR(to.detail, "news");
    ZM_ASSERT_STR(to.domain, "mx.example.org");
    ZM_ASSERT_STR(destination_of("\\bob", "\\bob").name, "bob");
    ZM_ASSERT_STR(destination_of("\"bob b\"@x", "\"bob b\"@x").name, "bob b");
    ZM_ASSERT_STR(destination_of("bo\\@b@x", "bo\\@b@x").name, "bo@b");
}

static void programs_and_files_are_seen_through_quotes(void)
{
    zm_destination_t to = destination_of("\"|/bin/x a@b\"", "|/bin/x a@b");
    CU_ASSERT_EQUAL(to.kind, ZM_TO_PROGRAM);
    ZM_ASSERT_STR(to.text, "/bin/x a@b");
    to = destination_of("\"|x\"@host", "\"|x\"@host");
    CU_ASSERT_EQUAL(to.kind, ZM_TO_PROGRAM);
    to = destination_of("\"/a b@c\"", "/a b@c");
    CU_ASSERT_EQUAL(to.kind, ZM_TO_FILE);
    ZM_ASSERT_STR(to.text, "/a b@c");
    to = destination_of("\\/a@host", "\\/a@host");
    CU_ASSERT_EQUAL(to.kind, ZM_TO_FILE);
    ZM_ASSERT_STR(to.text, "/a");
}

static void empty_addresses_are_refused(void)
{
    zm_destination_t to;
    CU_ASSERT_EQUAL(zm_destination_parse(&to, ZM_S("\\"), ZM_S("\\"), false, zm_test_pool()),
                    ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_destination_parse(&to, ZM_S("@x"), ZM_S("@x"), false, zm_test_pool()),
                    ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_destination_parse(&to, ZM_S("a\0b"), ZM_S("a\0b"), false, zm_test_pool()),
                    ZM_E_SYNTAX);
}

static void nobody_is_recognised_in_any_width(void)
{
    CU_ASSERT_TRUE(zm_privilege_is_nobody(65534, 65534));
    CU_ASSERT_TRUE(zm_privilege_is_nobody(-2, 65534));
    CU_ASSERT_TRUE(zm_privilege_is_nobody(4294967294, -2));
    CU_ASSERT_FALSE(zm_privilege_is_nobody(1000, 65534));
    CU_ASSERT_FALSE(zm_privilege_is_nobody(0, 65534));
}

ZM_TESTS("mailbox path", ZM_TEST(hashes_agree_with_their_vectors),
         ZM_TEST(plain_directories_take_hash_levels), ZM_TEST(formats_are_filled_in),
         ZM_TEST(final_slash_means_maildir), ZM_TEST(names_cannot_leave_the_directory),
         ZM_TEST(missing_directory_is_a_configuration_error),
         ZM_TEST(lock_letters_need_a_kernel_lock),
         ZM_TEST(users_lose_domain_quotes_and_backslashes),
         ZM_TEST(programs_and_files_are_seen_through_quotes), ZM_TEST(empty_addresses_are_refused),
         ZM_TEST(nobody_is_recognised_in_any_width),
         ZM_TEST(directories_that_users_can_replace_are_not_roots))
