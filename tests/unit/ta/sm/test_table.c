/*
 * sm.conf, and command lines with addresses in them.
 */
#include "tests/unit/harness.h"

#include <apr_strings.h>

#include "ta/sm/arguments.h"

static zm_buf_t warnings;

static void warn(void *baton, const char *text)
{
    (void)baton;
    zm_buf_add_c(&warnings, text);
    zm_buf_add_byte(&warnings, '\n');
}

static const zm_zenv_t *site(void)
{
    zm_zenv_t *zenv;
    zm_error_t error;
    zm_buf_clear(&warnings);
    ZM_ASSERT_OK(zm_zenv_parse(&zenv, ZM_S("MAILBIN=/lib/mail\nTOOLS=/opt/tools\nHUB=hub.org\n"),
                               "zmailer.conf", "/", NULL, zm_test_pool(), &error));
    return zenv;
}

static zm_error_t fault;

static zm_mailer_t *parse(const char *text, const char *name)
{
    zm_mailer_t *mailer = NULL;
    fault = (zm_error_t){0};
    if (zm_mailer_parse(&mailer, zm_str(text), name, site(), false, warn, NULL, zm_test_pool(),
                        &fault) != APR_SUCCESS)
        return NULL;
    return mailer;
}

static void first_line_of_a_name_counts(void)
{
    static const char text[] = "# uucp - /no no\n\n  uucp - /no no\nuucpx - /x x\n"
                               "uucp\tU  /usr/bin/uux\tuux - -r $h!rmail ($u)\nuucp - /no no\n";
    zm_mailer_t *mailer = parse(text, "uucp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mailer);
    ZM_ASSERT_STR(mailer->program, "/usr/bin/uux");
    ZM_ASSERT_STR(mailer->words[0], "uux");
    ZM_ASSERT_STR(mailer->words[3], "$h!rmail");
    CU_ASSERT_PTR_NULL(mailer->words[5]);
    CU_ASSERT_TRUE(mailer->uucp);
    CU_ASSERT_PTR_NULL(parse(text, "none"));
    ZM_ASSERT_STR(fault.text, "there is no mailer none");
}

static void programs_are_below_mailbin_unless_absolute(void)
{
    ZM_ASSERT_STR(parse("x - ta/x x\n", "x")->program, "/lib/mail/ta/x");
    ZM_ASSERT_STR(parse("x - ${TOOLS}/x x", "x")->program, "/opt/tools/x");
    CU_ASSERT_PTR_NULL(parse("x\n", "x"));
    CU_ASSERT_PTR_NULL(parse("x -\n", "x"));
    CU_ASSERT_PTR_NULL(parse("x - /x\n", "x"));
    CU_ASSERT_PTR_NOT_NULL(parse("x - /x 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0\n", "x"));
    CU_ASSERT_PTR_NULL(parse("x - /x 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1\n", "x"));
}

static void flags_without_a_meaning_are_told(void)
{
    zm_mailer_t *mailer = parse("x -BBHrfmSDFl! /x x\n", "x");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mailer);
    CU_ASSERT_EQUAL(mailer->esmtp, 2);
    CU_ASSERT_TRUE(mailer->bsmtp && mailer->hello && mailer->many);
    CU_ASSERT_EQUAL(mailer->sender, 'f');
    ZM_ASSERT_STR(zm_buf_c(&warnings), "x: flag l means nothing here\nx: flag ! is unknown\n");
}

static void addresses_are_no_commands_of_shells(void)
{
    zm_mailer_t *mailer;
    CU_ASSERT_PTR_NULL(parse("prog - /bin/sh sh -c $u\n", "prog"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "SM_ALLOW_SHELL"));
    CU_ASSERT_PTR_NULL(parse("prog - /usr/bin/env bash -ec x;$u\n", "prog"));
    CU_ASSERT_PTR_NOT_NULL(parse("prog - /bin/sh sh /my/script $u\n", "prog"));
    ZM_ASSERT_OK(zm_mailer_parse(&mailer, ZM_S("prog - /bin/sh sh -c $u\n"), "prog", site(), true,
                                 warn, NULL, zm_test_pool(), &fault));
}

/* -- arguments ------------------------------------------------------------- */

static zm_argument_fault_t blamed;

/* The words joined by '|'. */
static const char *command(const char *line, const char *sender, const char *host, const char *one,
                           const char *two)
{
    zm_arguments_t with = {.zenv = site(), .warn = warn};
    zm_str_t users[2];
    const char *const *argv;
    zm_buf_t out = ZM_BUF_INIT;
    const char *text;
    with.mailer = parse(apr_pstrcat(zm_test_pool(), line, "\n", NULL), "x");
    with.sender = zm_str(sender);
    with.host = zm_str(host);
    users[0] = zm_str(one);
    users[1] = zm_str(two);
    blamed = zm_arguments(&argv, &with, users, two != NULL ? 2 : 1, zm_test_pool());
    for (; *argv != NULL; argv++) {
        zm_buf_add_c(&out, *argv);
        zm_buf_add_byte(&out, '|');
    }
    text = apr_pstrdup(zm_test_pool(), zm_buf_c(&out));
    zm_buf_free(&out);
    return text;
}

static void words_are_filled_in(void)
{
    ZM_ASSERT_STR(command("x U /x uux - -r $h!rmail ($u)", "a@b", "seismo", "Bob@c", NULL),
                  "uux|-|-r|seismo!rmail|(Bob@c)|");
    CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_GOOD);
    ZM_ASSERT_STR(command("x m /x x $g $u -t$U ${HUB}:$h", "a@b", "h", "Bob", "Eve"),
                  "x|a@b|Bob|Eve|-tbob|-teve|hub.org:h|");
    ZM_ASSERT_STR(command("x f /x x $u", "<>", "h", "b", NULL), "x|-f|<>|b|");
    ZM_ASSERT_STR(command("x r /x x $u", "a@b", "h", "b", NULL), "x|-r|a@b|b|");
    ZM_ASSERT_STR(command("x s /x x $u", "a", "h", "\"b \\\"c\"@d", NULL), "x|b \"c@d|");
    ZM_ASSERT_STR(command("x - /x x $", "a", "h", "b", NULL), "x|$|");
}

static void empty_values_are_told(void)
{
    ZM_ASSERT_STR(command("x - /x x ${NONE} $q $h", "a", "", "b", NULL), "x||||");
    ZM_ASSERT_STR(zm_buf_c(&warnings), "x: ${NONE} is empty\nx: $q is empty\nx: $h is empty\n");
}

static void addresses_are_no_options(void)
{
    command("x - /x x $u", "a", "h", "-oQ/tmp", NULL);
    CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_RECIPIENT);
    command("x m /x x $u", "a", "h", "b", "-oQ/tmp");
    CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_RECIPIENT);
    command("x - /x x $h!rmail", "a", "-x", "b", NULL);
    CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_RECIPIENT);
    command("x - /x x ${NONE}$u", "a", "h", "-b", NULL);
    CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_RECIPIENT);
    command("x - /x x $g", "-oQ/tmp", "h", "b", NULL);
    CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_SENDER);
    ZM_ASSERT_STR(command("x - /x x -a$u -- $u", "a", "h", "-b", NULL), "x|-a-b|--|-b|");
    CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_GOOD);
    command("x f /x x $u", "a\nb", "h", "b", NULL);
    CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_SENDER);
    command("x - /x x ($u)", "a", "h", "b\033", NULL);
    CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_RECIPIENT);
}

/* uux joins its words and takes them apart at blanks and marks outside of parentheses. */
static void addresses_are_no_commands_of_uux(void)
{
    static const char *const bad[] = {"a) ;rm (b", "\"a)b\"", "\"(\"", "a)"};
    static const char *const bad_hosts[] = {"a;b", "a b", "a>!/etc/x", "(a", "`a`", "a$b"};
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        command("x U /x uux - -r $h!rmail ($u)", "a@b", "h", bad[i], NULL);
        CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_RECIPIENT);
        command("x - /x x $u", "a@b", "h", bad[i], NULL);
        CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_GOOD);
    }
    for (i = 0; i < sizeof bad_hosts / sizeof bad_hosts[0]; i++) {
        command("x U /x uux - -r $h!rmail ($u)", "a@b", bad_hosts[i], "u", NULL);
        CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_RECIPIENT);
    }
    command("x U /x uux - -r $h!rmail ($u)", "a@b", "near!far-2.uucp", "x!y@\"b ;c\"", NULL);
    CU_ASSERT_EQUAL(blamed, ZM_ARGUMENTS_GOOD);
}

ZM_TESTS("sm table", ZM_TEST(addresses_are_no_commands_of_uux),
         ZM_TEST(first_line_of_a_name_counts), ZM_TEST(programs_are_below_mailbin_unless_absolute),
         ZM_TEST(flags_without_a_meaning_are_told), ZM_TEST(addresses_are_no_commands_of_shells),
         ZM_TEST(words_are_filled_in), ZM_TEST(empty_values_are_told),
         ZM_TEST(addresses_are_no_options))
