/*
 * Links on the way to a mailbox directory.
 */
#include <apr_file_io.h>
#include <apr_strings.h>
#include <unistd.h>

#include "platform/fs.h"
#include "platform/identity.h"
#include "ta/mailbox/path.h"
#include "tests/unit/harness.h"

static void give(const char *directory, zm_uid_t uid, uint32_t mode)
{
    zm_file_t *handle;
    ZM_ASSERT_OK(zm_dir_handle(&handle, NULL, directory, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_set_owner(handle, uid, uid));
    ZM_ASSERT_OK(zm_file_set_mode(handle, mode));
    zm_file_close(handle);
}

static void make_link(const char *target, const char *path)
{
    CU_ASSERT_EQUAL(symlink(target, path), 0);
}

static const char *at(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static void make(const char *name, zm_uid_t uid)
{
    ZM_ASSERT_OK(apr_dir_make_recursive(at(name), APR_OS_DEFAULT, zm_test_pool()));
    give(at(name), uid, 0755);
}

static bool alone(const char *name)
{
    zm_file_info_t info;
    return zm_mbox_roots_alone(&info, at(name), zm_test_pool());
}

/* A link of root's that leads through a user's directory leads where the user wants. */
static void links_are_followed_to_where_they_lead(void)
{
    if (!zm_identity_privileged())
        return;
    give(zm_test_directory(), 0, 0755);
    make("var", 0);
    make("var/spool", 0);
    make("bob", 12345);
    make("bob/mail", 0);
    make_link("spool", at("var/near"));
    make_link(at("var/near"), at("var/far"));
    make_link("../bob/mail", at("var/bobs"));
    make_link("../var/spool", at("bob/back"));
    make_link(at("bob/back"), at("var/around"));
    make_link("loop", at("var/loop"));
    make_link("nowhere", at("var/lost"));
    make_link("spool/../../bob/../var/spool", at("var/up"));
    make_link("spool/.././/spool/", at("var/here"));
    CU_ASSERT_TRUE(alone("var/near"));
    CU_ASSERT_TRUE(alone("var/far"));
    CU_ASSERT_TRUE(alone("var/here"));
    CU_ASSERT_FALSE(alone("var/bobs"));
    CU_ASSERT_FALSE(alone("var/around")); /* bob may point "back" elsewhere */
    CU_ASSERT_FALSE(alone("var/up"));
    CU_ASSERT_FALSE(alone("var/loop"));
    CU_ASSERT_FALSE(alone("var/lost"));
}

ZM_TESTS("mailbox links", ZM_TEST(links_are_followed_to_where_they_lead))
