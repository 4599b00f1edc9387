#include "platform/identity.h"

#include "platform/localsock.h"
#include "tests/unit/harness.h"

static void own_account_can_be_looked_up(void)
{
    zm_credentials_t own = zm_identity_own();
    zm_user_t *by_uid, *by_name;
    apr_status_t status = zm_user_by_uid(&by_uid, own.uid, zm_test_pool());
    if (APR_STATUS_IS_ENOENT(status))
        return; /* a container's number without a name */
    ZM_ASSERT_OK(status);
    ZM_ASSERT_OK(zm_user_by_name(&by_name, by_uid->name, zm_test_pool()));
    CU_ASSERT_EQUAL(by_name->uid, own.uid);
    CU_ASSERT_PTR_NOT_NULL(by_name->home);
    CU_ASSERT_TRUE(zm_user_in_group(by_name->name, by_name->gid, zm_test_pool()));
}

static void unknown_names_are_absent_not_failures(void)
{
    zm_user_t *user;
    zm_uid_t gid;
    const char *const *names;
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_user_by_name(&user, "no-such-user-zm", zm_test_pool())));
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_user_by_name(&user, "", zm_test_pool())));
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_user_by_uid(&user, 3999999999, zm_test_pool())));
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_user_by_uid(&user, ZM_UID_NONE, zm_test_pool())));
    CU_ASSERT_TRUE(
        APR_STATUS_IS_ENOENT(zm_group_by_name(&gid, "no-such-group-zm", zm_test_pool())));
    CU_ASSERT_TRUE(
        APR_STATUS_IS_ENOENT(zm_group_members(&names, "no-such-group-zm", zm_test_pool())));
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_group_members(&names, "", zm_test_pool())));
    CU_ASSERT_FALSE(zm_user_in_group("no-such-user-zm", 3999999999, zm_test_pool()));
}

static void nobody_is_always_somebody(void)
{
    zm_credentials_t who = zm_identity_nobody(NULL, zm_test_pool());
    CU_ASSERT_TRUE(who.uid > 0);
    who = zm_identity_nobody("no-such-user-zm", zm_test_pool());
    CU_ASSERT_TRUE(who.uid > 0);
    who = zm_identity_nobody("41999", zm_test_pool());
    CU_ASSERT_EQUAL(who.uid, 41999);
}

static void becoming_no_account_is_refused(void)
{
    zm_credentials_t none = {ZM_UID_NONE, ZM_UID_NONE};
    zm_error_t error;
    CU_ASSERT_TRUE(zm_identity_become(&none, &error) != APR_SUCCESS);
}

static void peer_of_a_local_connection_is_known(void)
{
    apr_socket_t *pair[2];
    zm_credentials_t who = {ZM_UID_NONE, ZM_UID_NONE}, own = zm_identity_own();
    apr_int64_t pid = -1;
    apr_status_t status;
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    status = zm_identity_peer(&who, &pid, pair[0]);
    if (status == ZM_E_UNSUPPORTED)
        return;
    ZM_ASSERT_OK(status);
    CU_ASSERT_EQUAL(who.uid, own.uid);
}

static void host_has_a_name(void)
{
    char name[256], one[1];
    ZM_ASSERT_OK(zm_identity_hostname(name, sizeof name));
    CU_ASSERT_TRUE(strlen(name) > 0);
    CU_ASSERT_TRUE(zm_identity_hostname(one, 0) != APR_SUCCESS);
}

ZM_TESTS("identity", ZM_TEST(own_account_can_be_looked_up),
         ZM_TEST(unknown_names_are_absent_not_failures), ZM_TEST(nobody_is_always_somebody),
         ZM_TEST(becoming_no_account_is_refused), ZM_TEST(peer_of_a_local_connection_is_known),
         ZM_TEST(host_has_a_name))
