#include <apr_strings.h>

#include "mta/conf/counters.h"
#include "platform/fs.h"
#include "tests/unit/harness.h"

static zm_zenv_t *site(const char *more)
{
    zm_zenv_t *zenv = NULL;
    zm_error_t error;
    const char *text = apr_pstrcat(zm_test_pool(), "POSTOFFICE=", zm_test_directory(),
                                   "\nMAILBIN=/b\nMAILSHARE=/s\n", more, NULL);
    ZM_ASSERT_OK(zm_zenv_parse(&zenv, zm_str(text), "test", "/", NULL, zm_test_pool(), &error));
    return zenv;
}

static void programs_count_together(void)
{
    zm_zenv_t *zenv = site("");
    zm_counters_t *one = zm_counters_open(zenv, true, zm_test_pool());
    zm_counters_t *other = zm_counters_open(zenv, false, zm_test_pool());
    CU_ASSERT(zm_counters_shared(one) && zm_counters_shared(other));
    zm_counter_add(one, ZM_COUNT_SC_ReceivedMessages, 3);
    zm_counter_add(other, ZM_COUNT_SC_ReceivedMessages, 4);
    CU_ASSERT_EQUAL(zm_counter_get(one, ZM_COUNT_SC_ReceivedMessages), 7);
    CU_ASSERT_EQUAL(
        zm_counter_get(zm_counters_read(zenv, zm_test_pool()), ZM_COUNT_SC_ReceivedMessages), 7);
    zm_counter_add(NULL, ZM_COUNT_SC_ReceivedMessages, 1);
    zm_counter_add(one, ZM_COUNTERS, 1);
}

static void without_a_file_each_counts_for_itself(void)
{
    zm_zenv_t *zenv = site("");
    zm_counters_t *one = zm_counters_open(zenv, false, zm_test_pool());
    CU_ASSERT_FALSE(zm_counters_shared(one));
    zm_counter_add(one, ZM_COUNT_SS_Processes_G, 2);
    zm_counter_add(one, ZM_COUNT_SS_Processes_G, -1);
    CU_ASSERT_EQUAL(zm_counter_get(one, ZM_COUNT_SS_Processes_G), 1);
    CU_ASSERT_PTR_NULL(zm_counters_read(zenv, zm_test_pool()));
}

static void file_of_an_original_is_left_alone(void)
{
    static const unsigned char magic[] = {0x06, 0x00, 0x12, 0x33, 0, 0, 0, 0};
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/snmp", NULL);
    zm_zenv_t *zenv = site(apr_pstrcat(zm_test_pool(), "SNMPSHAREDFILE=", path, "\n", NULL));
    zm_file_info_t info;
    zm_file_t *file;
    ZM_ASSERT_OK(
        zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0644, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, magic, sizeof magic));
    zm_file_close(file);
    CU_ASSERT(zm_counters_shared(zm_counters_open(zenv, true, zm_test_pool())));
    ZM_ASSERT_OK(zm_path_info(&info, NULL, path));
    CU_ASSERT_EQUAL(info.size, sizeof magic);
    ZM_ASSERT_OK(zm_path_info(
        &info, NULL, apr_pstrcat(zm_test_pool(), zm_test_directory(), "/.zmailer.counters", NULL)));
}

static void listing_has_all_names_and_columns(void)
{
    zm_counters_t *counters = zm_counters_open(site(""), true, zm_test_pool());
    zm_buf_t text = ZM_BUF_INIT;
    int i;
    zm_counter_set(counters, ZM_COUNT_SC_StoredMessages_G, 12345);
    zm_counter_set(counters, ZM_COUNT_SYS_RouterMasterPID, 999999999);
    zm_counters_print(&text, counters);
    CU_ASSERT_EQUAL(
        strncmp(zm_buf_c(&text), "ZMailer SHM segment dump; Magic=0x34000002\nTime_now  ", 53), 0);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(zm_buf_c(&text), "\nSC.StoredMessages-G                  12345\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(zm_buf_c(&text), "\nSYS.RouterMasterPID              999999999 NOT PRESENT!\n"));
    for (i = 0; i < ZM_COUNTERS; i++)
        if (strstr(zm_buf_c(&text), apr_pstrcat(zm_test_pool(), "\n",
                                                zm_counter_name((zm_counter_t)i), " ", NULL)) ==
            NULL)
            ZM_ASSERT_STR(zm_counter_name((zm_counter_t)i), "");
    zm_buf_free(&text);
}

static void agents_have_their_own(void)
{
    CU_ASSERT_EQUAL(zm_counter_of_agent("smtp", ZM_AGENT_MESSAGES), ZM_COUNT_TA_SMTP_TaMessages);
    CU_ASSERT_EQUAL(zm_counter_of_agent("smtp", ZM_AGENT_RECIPIENTS_FAIL),
                    ZM_COUNT_TA_SMTP_RcptsFail);
    CU_ASSERT_EQUAL(zm_counter_of_agent("reroute", ZM_AGENT_RECIPIENTS_OK),
                    ZM_COUNT_TA_RERT_RcptsOk);
    CU_ASSERT_EQUAL(zm_counter_of_agent("other", ZM_AGENT_STARTS), ZM_COUNTERS);
}

ZM_TESTS("counters", ZM_TEST(programs_count_together),
         ZM_TEST(without_a_file_each_counts_for_itself), ZM_TEST(file_of_an_original_is_left_alone),
         ZM_TEST(listing_has_all_names_and_columns), ZM_TEST(agents_have_their_own))
