#include "mta/conf/zenv.h"

#include <apr_env.h>
#include <apr_file_io.h>
#include <apr_strings.h>

#include "tests/unit/harness.h"

static zm_error_t error;

static const char *file_with(const char *name, const char *text)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
    apr_file_t *file;
    ZM_ASSERT_OK(apr_file_open(&file, path, APR_FOPEN_CREATE | APR_FOPEN_WRITE | APR_FOPEN_TRUNCATE,
                               APR_FPROT_UREAD | APR_FPROT_UWRITE, zm_test_pool()));
    apr_file_puts(text, file);
    apr_file_close(file);
    return path;
}

static const char *private_root(const char *text)
{
    const char *etc = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/etc", NULL);
    ZM_ASSERT_OK(apr_dir_make(etc, APR_FPROT_OS_DEFAULT, zm_test_pool()));
    file_with("etc/zmailer.conf", text);
    return zm_test_directory();
}

static void no_environment(void)
{
    apr_env_delete("ZCONFIG", zm_test_pool());
    apr_env_delete("ZMAILER_ROOT", zm_test_pool());
}

/* A missing file named by option or environment is an error even when a default would exist. */
static void named_file_must_be_there(void)
{
    zm_zenv_options_t options = {0};
    zm_zenv_t *zenv;
    no_environment();
    options.file = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/none", NULL);
    CU_ASSERT_EQUAL(zm_zenv_load(&zenv, &options, zm_test_pool(), &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, options.file));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "option -Z"));
    ZM_ASSERT_OK(apr_env_set("ZCONFIG", options.file, zm_test_pool()));
    CU_ASSERT_EQUAL(zm_zenv_load(&zenv, NULL, zm_test_pool(), &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "environment ZCONFIG"));
    no_environment();
}

static void option_goes_before_environment(void)
{
    zm_zenv_options_t options = {0};
    zm_zenv_t *zenv;
    options.file = file_with("a.conf", "WHO=option\n");
    ZM_ASSERT_OK(apr_env_set("ZCONFIG", file_with("b.conf", "WHO=environment\n"), zm_test_pool()));
    ZM_ASSERT_OK(zm_zenv_load(&zenv, &options, zm_test_pool(), &error));
    ZM_ASSERT_STR(zm_zenv_get(zenv, "WHO"), "option");
    ZM_ASSERT_STR(zm_zenv_file(zenv), options.file);
    ZM_ASSERT_OK(zm_zenv_load(&zenv, NULL, zm_test_pool(), &error));
    ZM_ASSERT_STR(zm_zenv_get(zenv, "WHO"), "environment");
    no_environment();
}

static void root_means_its_etc(void)
{
    zm_zenv_options_t options = {0};
    zm_zenv_t *zenv;
    no_environment();
    options.root = private_root("POSTOFFICE=" ZM_TEST_DRIVE "/p\nMAILVAR=" ZM_TEST_DRIVE
                                "/v\nLOGDIR=" ZM_TEST_DRIVE "/l\n");
    ZM_ASSERT_OK(zm_zenv_load(&zenv, &options, zm_test_pool(), &error));
    ZM_ASSERT_STR(zm_zenv_file(zenv),
                  apr_pstrcat(zm_test_pool(), options.root, "/etc/zmailer.conf", NULL));
    ZM_ASSERT_OK(apr_env_set("ZMAILER_ROOT", options.root, zm_test_pool()));
    ZM_ASSERT_OK(zm_zenv_load(&zenv, NULL, zm_test_pool(), &error));
    ZM_ASSERT_STR(zm_zenv_spool(zenv), ZM_TEST_DRIVE "/p");
    no_environment();
}

static void environment_can_be_ignored(void)
{
    zm_zenv_options_t options = {0};
    zm_zenv_t *zenv = NULL;
    ZM_ASSERT_OK(apr_env_set("ZCONFIG", file_with("b.conf", "WHO=environment\n"), zm_test_pool()));
    options.ignore_environment = true;
    if (zm_zenv_load(&zenv, &options, zm_test_pool(), &error) == APR_SUCCESS)
        CU_ASSERT_PTR_NULL(zm_zenv_get(zenv, "WHO")) /* this machine has a configuration */
    else
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/etc/zmailer/zmailer.conf"));
    no_environment();
}

ZM_TESTS("conf.zenv_load", ZM_TEST(named_file_must_be_there),
         ZM_TEST(option_goes_before_environment), ZM_TEST(root_means_its_etc),
         ZM_TEST(environment_can_be_ignored))
