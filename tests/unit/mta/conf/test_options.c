#include "mta/conf/options.h"

#include "tests/unit/harness.h"

static bool flag;
static int count;
static const char *text;
static int64_t number, seconds;
static char called[100];

static apr_status_t note(void *target, const char *argument, zm_error_t *error)
{
    if (argument != NULL && strcmp(argument, "bad") == 0)
        return zm_error_set(error, ZM_E_SYNTAX, "'bad' is not wanted");
    strncat(target, argument != NULL ? argument : "-", sizeof called - strlen(called) - 1);
    return APR_SUCCESS;
}

static const zm_option_t table[] = {
    {'f', "flag", ZM_OPTION_FLAG, &flag, NULL, NULL, "raise the flag"},
    {'v', NULL, ZM_OPTION_COUNT, &count, NULL, NULL, "say more"},
    {'t', "text", ZM_OPTION_TEXT, &text, NULL, "TEXT", "take TEXT"},
    {'n', "number", ZM_OPTION_NUMBER, &number, NULL, "N", "take N"},
    {0, "every", ZM_OPTION_INTERVAL, &seconds, NULL, "TIME", "repeat"},
    {'c', "call", ZM_OPTION_CALL_ARG, called, note, "ARG", "call with ARG"},
    {'q', NULL, ZM_OPTION_CALL_OPT, called, note, "ARG", "call, perhaps with ARG"},
    {'x', NULL, ZM_OPTION_CALL, called, note, NULL, NULL},
};
static zm_zenv_options_t site;
static zm_command_line_t line = {
    "prog", "[FILE ...]", "do things", table, (int)(sizeof table / sizeof table[0]), &site, 0};
static zm_error_t error;
static char *words[20];
static int words_count;

static zm_options_outcome_t read_words(const char *command)
{
    static char copy[500];
    char *p = copy;
    flag = false;
    count = 0;
    text = NULL;
    number = seconds = -1;
    called[0] = '\0';
    site = (zm_zenv_options_t){0};
    strncpy(copy, command, sizeof copy - 1);
    words[0] = "prog";
    for (words_count = 1; *p != '\0'; words_count++) {
        words[words_count] = p;
        p += strcspn(p, " ");
        if (*p == ' ')
            *p++ = '\0';
    }
    words[words_count] = NULL;
    return zm_options_read(&line, &words_count, words, &error);
}

static void letters_cluster_and_take_arguments(void)
{
    CU_ASSERT_EQUAL(read_words("-vfv -tone -n -5"), ZM_OPTIONS_RUN);
    CU_ASSERT_TRUE(flag);
    CU_ASSERT_EQUAL(count, 2);
    ZM_ASSERT_STR(text, "one");
    CU_ASSERT_EQUAL(number, -5);
    CU_ASSERT_EQUAL(words_count, 1);
}

static void long_options_take_arguments_both_ways(void)
{
    CU_ASSERT_EQUAL(read_words("--text=a=b --number 7 --flag --every 1h30m"), ZM_OPTIONS_RUN);
    ZM_ASSERT_STR(text, "a=b");
    CU_ASSERT_EQUAL(number, 7);
    CU_ASSERT_TRUE(flag);
    CU_ASSERT_EQUAL(seconds, 5400);
}

static void optional_argument_must_be_attached(void)
{
    CU_ASSERT_EQUAL(read_words("-q30m -q x -fq"), ZM_OPTIONS_RUN);
    ZM_ASSERT_STR(called, "30m--");
    CU_ASSERT_EQUAL(words_count, 2);
    ZM_ASSERT_STR(words[1], "x");
}

static void operands_and_options_mix(void)
{
    CU_ASSERT_EQUAL(read_words("a -f b - -- -t c"), ZM_OPTIONS_RUN);
    CU_ASSERT_TRUE(flag);
    CU_ASSERT_PTR_NULL(text);
    CU_ASSERT_EQUAL(words_count, 6);
    ZM_ASSERT_STR(words[1], "a");
    ZM_ASSERT_STR(words[2], "b");
    ZM_ASSERT_STR(words[3], "-");
    ZM_ASSERT_STR(words[4], "-t");
    ZM_ASSERT_STR(words[5], "c");
}

static void first_operand_can_end_the_options(void)
{
    line.flags = ZM_OPTIONS_STOP;
    CU_ASSERT_EQUAL(read_words("-v a -f"), ZM_OPTIONS_RUN);
    line.flags = 0;
    CU_ASSERT_FALSE(flag);
    CU_ASSERT_EQUAL(words_count, 3);
}

static void usage_errors_name_the_option(void)
{
    CU_ASSERT_EQUAL(read_words("-vz"), ZM_OPTIONS_WRONG);
    ZM_ASSERT_STR(error.text, "option -z is unknown");
    CU_ASSERT_EQUAL(read_words("--nothing=x"), ZM_OPTIONS_WRONG);
    ZM_ASSERT_STR(error.text, "option --nothing is unknown");
    CU_ASSERT_EQUAL(read_words("-t"), ZM_OPTIONS_WRONG);
    ZM_ASSERT_STR(error.text, "option -t needs an argument");
    CU_ASSERT_EQUAL(read_words("--flag=1"), ZM_OPTIONS_WRONG);
    ZM_ASSERT_STR(error.text, "option --flag takes no argument");
    CU_ASSERT_EQUAL(read_words("-n 5x"), ZM_OPTIONS_WRONG);
    ZM_ASSERT_STR(error.text, "option -n needs a number");
    CU_ASSERT_EQUAL(read_words("-c bad"), ZM_OPTIONS_WRONG);
    ZM_ASSERT_STR(error.text, "option -c: 'bad' is not wanted");
}

static void operand_where_none_may_be(void)
{
    line.operands = NULL;
    CU_ASSERT_EQUAL(read_words("-f extra"), ZM_OPTIONS_WRONG);
    line.operands = "[FILE ...]";
    ZM_ASSERT_STR(error.text, "unexpected argument 'extra'");
}

static void built_in_options(void)
{
    CU_ASSERT_EQUAL(read_words("--help"), ZM_OPTIONS_HELP);
    CU_ASSERT_EQUAL(read_words("-V"), ZM_OPTIONS_VERSION);
    CU_ASSERT_EQUAL(read_words("-Z /a --root=/b"), ZM_OPTIONS_RUN);
    ZM_ASSERT_STR(site.file, "/a");
    ZM_ASSERT_STR(site.root, "/b");
    line.site = NULL;
    CU_ASSERT_EQUAL(read_words("-Z /a"), ZM_OPTIONS_WRONG);
    line.site = &site;
}

static void table_takes_a_built_in_letter(void)
{
    static const char *envelope_id;
    static const zm_option_t own[] = {
        {'V', NULL, ZM_OPTION_TEXT, &envelope_id, NULL, "ID", "envelope identifier"}};
    static const zm_command_line_t mine = {"sendmail", NULL, NULL, own, 1, NULL, 0};
    char *argv[] = {"sendmail", "-V", "x+41", NULL};
    int argc = 3;
    CU_ASSERT_EQUAL(zm_options_read(&mine, &argc, argv, &error), ZM_OPTIONS_RUN);
    ZM_ASSERT_STR(envelope_id, "x+41");
}

static void help_lists_what_is_shown(void)
{
    zm_buf_t help = ZM_BUF_INIT;
    zm_options_help(&line, &help);
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&help), "Usage: prog [OPTION ...] [FILE ...]\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&help), "  -t, --text=TEXT           take TEXT\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&help), "  -q[ARG]                   call, perh"));
    CU_ASSERT_PTR_NOT_NULL(strstr(zm_buf_c(&help), "  -Z, --zconfig=FILE "));
    CU_ASSERT_PTR_NULL(strstr(zm_buf_c(&help), "-x"));
    zm_buf_free(&help);
}

ZM_TESTS("conf.options", ZM_TEST(letters_cluster_and_take_arguments),
         ZM_TEST(long_options_take_arguments_both_ways),
         ZM_TEST(optional_argument_must_be_attached), ZM_TEST(operands_and_options_mix),
         ZM_TEST(first_operand_can_end_the_options), ZM_TEST(usage_errors_name_the_option),
         ZM_TEST(operand_where_none_may_be), ZM_TEST(built_in_options),
         ZM_TEST(table_takes_a_built_in_letter), ZM_TEST(help_lists_what_is_shown))
