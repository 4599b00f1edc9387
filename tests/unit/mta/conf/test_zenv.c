#include "mta/conf/zenv.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

static zm_error_t error;
static char warnings[2000];

static void collect(void *baton, const char *text)
{
    (void)baton;
    strncat(warnings, text, sizeof warnings - strlen(warnings) - 2);
    strncat(warnings, "\n", 2);
}

static apr_status_t parse(zm_zenv_t **zenv, const char *text)
{
    zm_zenv_options_t options = {0};
    options.warn = collect;
    warnings[0] = '\0';
    error.text[0] = '\0';
    return zm_zenv_parse(zenv, zm_str(text), ZM_TEST_DRIVE "/etc/z.conf", "/opt/zm", &options,
                         zm_test_pool(), &error);
}

static zm_zenv_t *parsed(const char *text)
{
    zm_zenv_t *zenv = NULL;
    ZM_ASSERT_OK(parse(&zenv, text));
    return zenv;
}

#define ASSERT_VALUE(text, expected) ZM_ASSERT_STR(zm_zenv_get(parsed(text), "A"), expected)

static void values_are_unquoted_and_trimmed(void)
{
    ASSERT_VALUE("A=plain\n", "plain");
    ASSERT_VALUE("A=\n", "");
    ASSERT_VALUE("  A=  two words  \t\r\n", "two words");
    ASSERT_VALUE("A=\"in quotes \"", "in quotes ");
    ASSERT_VALUE("A='in quotes'   # comment", "in quotes");
    ASSERT_VALUE("A=mix'ed '\"quotes\"", "mixed quotes");
    ASSERT_VALUE("export A=exported\nexport A B\n", "exported");
    ASSERT_VALUE("A=C:\\mail\\spool", "C:\\mail\\spool");
    ASSERT_VALUE("A=\"say \\\"no\\\" \\$B \\n\"", "say \"no\" $B \\n");
}

static void comments_begin_after_a_blank(void)
{
    ASSERT_VALUE("# A=0\n\n  # A=1\nA=a#b # c\n", "a#b");
    ASSERT_VALUE("A=# nothing", "");
}

static void earlier_names_are_expanded(void)
{
    ASSERT_VALUE("B=/x\nA=$B/y${B}z", "/x/y/xz");
    ASSERT_VALUE("B=/x\nA=\"-l ${B}/log\"", "-l /x/log");
    ASSERT_VALUE("B=/x\nA='$B'", "$B");
    ASSERT_VALUE("A=${LOGDIR}/x", "/var/log/mail/x");
    ASSERT_VALUE("A=5$ and $", "5$ and $");
    CU_ASSERT_STRING_EQUAL(warnings, "");
}

static void unknown_name_gives_nothing_and_a_warning(void)
{
    ASSERT_VALUE("A=x${NOWHERE}y", "xy");
    ZM_ASSERT_STR(warnings, ZM_TEST_DRIVE
                  "/etc/z.conf:1: NOWHERE is not set before this line and stands for nothing\n");
}

static void last_duplicate_wins_with_a_warning(void)
{
    ASSERT_VALUE("A=1\nA=2\n", "2");
    ZM_ASSERT_STR(warnings,
                  ZM_TEST_DRIVE "/etc/z.conf:2: A is set again; the value of line 1 is lost\n");
}

static void malformed_lines_are_refused_with_their_place(void)
{
    zm_zenv_t *zenv;
    CU_ASSERT_EQUAL(parse(&zenv, "A=1\nwrong\n"), ZM_E_CONFIG);
    ZM_ASSERT_STR(error.text, ZM_TEST_DRIVE "/etc/z.conf:2: expected NAME=value");
    CU_ASSERT_EQUAL(parse(&zenv, "A =1\n"), ZM_E_CONFIG);
    CU_ASSERT_EQUAL(parse(&zenv, "1A=1\n"), ZM_E_CONFIG);
    CU_ASSERT_EQUAL(parse(&zenv, "A=\"open\n"), ZM_E_CONFIG);
    ZM_ASSERT_STR(error.text, ZM_TEST_DRIVE "/etc/z.conf:1: expected a closing \"");
    CU_ASSERT_EQUAL(parse(&zenv, "A='open\n"), ZM_E_CONFIG);
    CU_ASSERT_EQUAL(parse(&zenv, "A=${B\n"), ZM_E_CONFIG);
    ZM_ASSERT_STR(error.text, ZM_TEST_DRIVE "/etc/z.conf:1: expected ${NAME}");
    CU_ASSERT_EQUAL(parse(&zenv, "A=$(hostname)\n"), ZM_E_CONFIG);
}

static void directories_have_defaults_below_the_prefix(void)
{
    zm_zenv_t *zenv = parsed("");
    ZM_ASSERT_STR(zm_zenv_mailshare(zenv), "/opt/zm/share/zmailer");
    ZM_ASSERT_STR(zm_zenv_mailbin(zenv), "/opt/zm/libexec/zmailer");
    ZM_ASSERT_STR(zm_zenv_mailvar(zenv), "/opt/zm/var/zmailer");
    ZM_ASSERT_STR(zm_zenv_logdir(zenv), "/var/log/mail");
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_zenv_postoffice(zenv), "spool/postoffice"));
}

static void directories_lose_the_final_slash_and_must_be_absolute(void)
{
    zm_zenv_t *zenv = parsed("POSTOFFICE=" ZM_TEST_DRIVE "/po//\n");
    ZM_ASSERT_STR(zm_zenv_postoffice(zenv), ZM_TEST_DRIVE "/po");
    zenv = parsed("POSTOFFICE=emulated:" ZM_TEST_DRIVE "/po\n");
    ZM_ASSERT_STR(zm_zenv_postoffice(zenv), ZM_TEST_DRIVE "/po");
    ZM_ASSERT_STR(zm_zenv_spool(zenv), "emulated:" ZM_TEST_DRIVE "/po");
    CU_ASSERT_EQUAL(parse(&zenv, "POSTOFFICE=native:po"), ZM_E_CONFIG);
    CU_ASSERT_EQUAL(parse(&zenv, "POSTOFFICE=po"), ZM_E_CONFIG);
    ZM_ASSERT_STR(error.text,
                  ZM_TEST_DRIVE "/etc/z.conf: POSTOFFICE is 'po'; expected an absolute path");
}

static void private_directory_names_its_own_spool(void)
{
    zm_zenv_options_t options = {0};
    zm_zenv_t *zenv;
    options.root = "/r";
    CU_ASSERT_EQUAL(
        zm_zenv_parse(&zenv,
                      ZM_S("MAILVAR=" ZM_TEST_DRIVE "/r/var\nLOGDIR=" ZM_TEST_DRIVE "/r/log\n"),
                      "/r/z.conf", "/opt", &options, zm_test_pool(), &error),
        ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "POSTOFFICE"));
    ZM_ASSERT_OK(zm_zenv_parse(&zenv,
                               ZM_S("MAILVAR=" ZM_TEST_DRIVE "/r/var\nLOGDIR=" ZM_TEST_DRIVE
                                    "/r/log\nPOSTOFFICE=" ZM_TEST_DRIVE "/r/po\n"),
                               "/r/z.conf", "/opt", &options, zm_test_pool(), &error));
}

static void the_file_knows_itself(void)
{
    zm_zenv_t *zenv = parsed("A=$ZCONFIG\nZCONFIG=/elsewhere\n");
    ZM_ASSERT_STR(zm_zenv_get(zenv, "A"), zm_zenv_file(zenv));
    ZM_ASSERT_STR(zm_zenv_get(zenv, "ZCONFIG"), zm_zenv_file(zenv));
}

static void typed_values(void)
{
    zm_zenv_t *zenv = parsed("N=12\nT=1h30m\nS=20m\nY=Yes\nO=0\nE=\n");
    int64_t number;
    uint64_t size;
    bool on;
    ZM_ASSERT_OK(zm_zenv_number(zenv, "N", 1, 0, 100, &number, &error));
    CU_ASSERT_EQUAL(number, 12);
    ZM_ASSERT_OK(zm_zenv_number(zenv, "E", 1, 0, 100, &number, &error));
    CU_ASSERT_EQUAL(number, 1);
    ZM_ASSERT_OK(zm_zenv_interval(zenv, "T", 1, &number, &error));
    CU_ASSERT_EQUAL(number, 5400);
    ZM_ASSERT_OK(zm_zenv_size(zenv, "S", 1, &size, &error));
    CU_ASSERT_EQUAL(size, 20u << 20);
    ZM_ASSERT_OK(zm_zenv_switch(zenv, "Y", false, &on, &error));
    CU_ASSERT_TRUE(on);
    ZM_ASSERT_OK(zm_zenv_switch(zenv, "O", true, &on, &error));
    CU_ASSERT_FALSE(on);
    ZM_ASSERT_OK(zm_zenv_switch(zenv, "NONE", true, &on, &error));
    CU_ASSERT_TRUE(on);
    CU_ASSERT_EQUAL(zm_zenv_number(zenv, "N", 1, 0, 10, &number, &error), ZM_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(error.text, "z.conf:1: N is '12'; expected a number from 0 to 10"));
    CU_ASSERT_EQUAL(zm_zenv_interval(zenv, "Y", 1, &number, &error), ZM_E_CONFIG);
    CU_ASSERT_EQUAL(zm_zenv_switch(zenv, "T", true, &on, &error), ZM_E_CONFIG);
}

static void intervals(void)
{
    int64_t seconds;
    ZM_ASSERT_OK(zm_interval_parse(ZM_S("1h5m20s"), &seconds));
    CU_ASSERT_EQUAL(seconds, 3920);
    ZM_ASSERT_OK(zm_interval_parse(ZM_S("1h30"), &seconds));
    CU_ASSERT_EQUAL(seconds, 3630);
    ZM_ASSERT_OK(zm_interval_parse(ZM_S("1w"), &seconds));
    CU_ASSERT_EQUAL(seconds, 604800);
    CU_ASSERT_EQUAL(zm_interval_parse(ZM_S(""), &seconds), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_interval_parse(ZM_S("5x"), &seconds), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_interval_parse(ZM_S("h"), &seconds), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_interval_parse(ZM_S("99999999999999999999"), &seconds), ZM_E_SYNTAX);
}

static const char *host(void *baton, zm_str_t name)
{
    return zm_str_equal_c(name, "host") ? baton : NULL;
}

static void text_is_expanded_as_asked(void)
{
    zm_zenv_t *zenv = parsed("A=/a\n");
    apr_pool_t *pool = zm_test_pool();
    int all = ZM_EXPAND_BRACES | ZM_EXPAND_NAMES | ZM_EXPAND_PARENS | ZM_EXPAND_DOLLARS;
    ZM_ASSERT_STR(
        zm_zenv_expand(zenv, ZM_S("$A ${A} $(A) $$A $B ${B $"), all, NULL, NULL, pool).data,
        "/a /a /a $A $B ${B $");
    ZM_ASSERT_STR(zm_zenv_expand(zenv, ZM_S("smtp -l ${A}/x $A ${host}${B}"),
                                 ZM_EXPAND_BRACES | ZM_EXPAND_EMPTY, host, "h.org", pool)
                      .data,
                  "smtp -l /a/x $A h.org");
}

ZM_TESTS("conf.zenv", ZM_TEST(values_are_unquoted_and_trimmed),
         ZM_TEST(comments_begin_after_a_blank), ZM_TEST(earlier_names_are_expanded),
         ZM_TEST(unknown_name_gives_nothing_and_a_warning),
         ZM_TEST(last_duplicate_wins_with_a_warning),
         ZM_TEST(malformed_lines_are_refused_with_their_place),
         ZM_TEST(directories_have_defaults_below_the_prefix),
         ZM_TEST(directories_lose_the_final_slash_and_must_be_absolute),
         ZM_TEST(private_directory_names_its_own_spool), ZM_TEST(the_file_knows_itself),
         ZM_TEST(typed_values), ZM_TEST(intervals), ZM_TEST(text_is_expanded_as_asked))
