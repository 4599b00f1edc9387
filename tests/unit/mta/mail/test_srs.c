#include "mta/mail/srs.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

static const zm_str_t secrets[] = {{"secret", 6}, {"older", 5}};

static zm_srs_t make(void)
{
    zm_srs_t srs;
    zm_srs_defaults(&srs);
    srs.secrets = secrets;
    srs.secret_count = 2;
    srs.domain = ZM_S("our.test");
    srs.now = apr_time_from_sec(1795222800);
    return srs;
}

static const char *forward(const zm_srs_t *srs, const char *address)
{
    zm_str_t result = ZM_S("");
    apr_status_t status = zm_srs_forward(&result, srs, zm_str(address), zm_test_pool());
    return status == APR_SUCCESS ? zm_str_c(zm_test_pool(), result) : "?";
}

static const char *reverse(const zm_srs_t *srs, const char *address)
{
    zm_str_t result = ZM_S("");
    apr_status_t status = zm_srs_reverse(&result, srs, zm_str(address), zm_test_pool());
    return status == APR_SUCCESS   ? zm_str_c(zm_test_pool(), result)
           : status == ZM_E_UNSAFE ? "forged"
           : status == APR_TIMEUP  ? "old"
                                   : "?";
}

static void senders_go_there_and_back(void)
{
    zm_srs_t srs = make();
    ZM_ASSERT_STR(forward(&srs, "ann@a.test"), "SRS0=dgki=JK=a.test=ann@our.test");
    ZM_ASSERT_STR(reverse(&srs, "SRS0=dgki=JK=a.test=ann@our.test"), "ann@a.test");
    ZM_ASSERT_STR(reverse(&srs, "srs0=DGKI=jk=A.TEST=Ann@our.test"), "Ann@A.TEST");
    ZM_ASSERT_STR(reverse(&srs, forward(&srs, "a=b+c-d@x.y.test")), "a=b+c-d@x.y.test");
    ZM_ASSERT_STR(forward(&srs, "us@OUR.test"), "us@OUR.test");
    srs.always = true;
    ZM_ASSERT_STR(reverse(&srs, forward(&srs, "us@our.test")), "us@our.test");
    srs.separator = '+';
    CU_ASSERT_EQUAL(strncmp(forward(&srs, "ann@a.test"), "SRS0+dgki=JK=", 13), 0);
    srs.hash_length = 4096;
    CU_ASSERT_EQUAL(strlen(forward(&srs, "ann@a.test")),
                    strlen("SRS0+dgki=JK=a.test=ann@our.test") + 23);
    ZM_ASSERT_STR(reverse(&srs, forward(&srs, "ann@a.test")), "ann@a.test");
}

static void who_forwarded_before_is_asked_on_the_way_back(void)
{
    zm_srs_t srs = make();
    const char *twice = "SRS1=wy9K=b.test==HHHH=TT=a.test=ann@our.test";
    ZM_ASSERT_STR(forward(&srs, "SRS0=HHHH=TT=a.test=ann@b.test"), twice);
    ZM_ASSERT_STR(reverse(&srs, twice), "SRS0=HHHH=TT=a.test=ann@b.test");
    /* a third one still tells the first */
    ZM_ASSERT_STR(reverse(&srs, forward(&srs, "SRS1=xxxx=b.test=+HHHH=TT=a.test=ann@c.test")),
                  "SRS0+HHHH=TT=a.test=ann@b.test");
}

static void forged_and_old_addresses_are_not_believed(void)
{
    zm_srs_t srs = make();
    const char *address = "SRS0=dgki=JK=a.test=ann@our.test";
    ZM_ASSERT_STR(reverse(&srs, "SRS0=dgkj=JK=a.test=ann@our.test"), "forged");
    ZM_ASSERT_STR(reverse(&srs, "SRS0=dgki=JK=a.test=bob@our.test"), "forged");
    ZM_ASSERT_STR(reverse(&srs, "SRS0=dgki=JL=a.test=ann@our.test"), "forged");
    ZM_ASSERT_STR(reverse(&srs, "SRS0=dgk=JK=a.test=ann@our.test"), "forged");
    ZM_ASSERT_STR(reverse(&srs, "SRS0==JK=a.test=ann@our.test"), "forged");
    ZM_ASSERT_STR(reverse(&srs, "SRS1=wy9L=b.test==HHHH=TT=a.test=ann@our.test"), "forged");
    srs.now += apr_time_from_sec(21 * 86400);
    ZM_ASSERT_STR(reverse(&srs, address), "ann@a.test");
    srs.now += apr_time_from_sec(86400);
    ZM_ASSERT_STR(reverse(&srs, address), "old");
    srs = make();
    srs.secrets = secrets + 1; /* the key was changed: addresses of the old one stay good */
    srs.secret_count = 1;
    address = forward(&srs, "ann@a.test");
    srs = make();
    ZM_ASSERT_STR(reverse(&srs, address), "ann@a.test");
}

static void other_addresses_are_refused(void)
{
    static const char *const bad[] = {"",
                                      "ann",
                                      "@a.test",
                                      "ann@",
                                      "<>",
                                      "\"a b\"@x.test",
                                      "SRS0@our",
                                      "SRS0=@our",
                                      "SRS0=a=b=c@our",
                                      "SRS0=a=b==d@our",
                                      "SRS1=a=@our",
                                      "SRS1=a==b@our",
                                      "SRS2=a=b=c=d@our.test",
                                      "SRS0xa=b=c=d@our"};
    zm_srs_t srs = make();
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ZM_ASSERT_STR(reverse(&srs, bad[i]), "?");
    for (i = 0; i < 6; i++)
        ZM_ASSERT_STR(forward(&srs, bad[i]), "?");
    srs.secret_count = 0;
    ZM_ASSERT_STR(forward(&srs, "ann@a.test"), "?");
    ZM_ASSERT_STR(reverse(&srs, "SRS0=dgki=JK=a.test=ann@our.test"), "forged");
}

ZM_TESTS("srs", ZM_TEST(senders_go_there_and_back),
         ZM_TEST(who_forwarded_before_is_asked_on_the_way_back),
         ZM_TEST(forged_and_old_addresses_are_not_believed), ZM_TEST(other_addresses_are_refused))
