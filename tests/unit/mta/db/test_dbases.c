#include "mta/db/dbases.h"

#include <apr_strings.h>

#include "mta/db/generate.h"
#include "platform/fs.h"
#include "tests/unit/harness.h"

static zm_zenv_t *site(const char *text)
{
    zm_zenv_t *zenv = NULL;
    zm_error_t error;
    zm_zenv_options_t options = {.ignore_environment = true};
    ZM_ASSERT_OK(zm_zenv_parse(&zenv, zm_str(text), "zmailer.conf", "/usr", &options,
                               zm_test_pool(), &error));
    return zenv;
}

static const char *write_file(const char *name, const char *text)
{
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE,
                              0600, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    ZM_ASSERT_OK(zm_file_close(file));
    return path;
}

static apr_array_header_t *read_lines(const char *text, const zm_zenv_t *zenv, zm_error_t *error)
{
    apr_array_header_t *lines;
    apr_status_t status =
        zm_dbases_read(&lines, write_file("dbases.conf", text), zenv, zm_test_pool(), error);
    return status == APR_SUCCESS ? lines : NULL;
}

static void lines_have_six_fields_and_comments_anything(void)
{
    zm_zenv_t *zenv = site("MAILVAR=/v\n");
    zm_error_t error = {0};
    apr_array_header_t *lines = read_lines(
        "#| x\n  indented\n\naliases $DBTYPE 0:0:640 -la $MAILVAR/db/aliases -lm -d pathalias\n"
        "mx bind,mx - - - -s 10\nx NONE - - - -\ny ${DBTYPE} priv -r /f -\n",
        zenv, &error);
    const zm_dbase_t *line;
    ZM_ASSERT_STR(error.text, "");
    CU_ASSERT_EQUAL_FATAL(lines->nelts, 4);
    line = &APR_ARRAY_IDX(lines, 0, zm_dbase_t);
    ZM_ASSERT_STR(line->path, "/v/db/aliases");
    ZM_ASSERT_STR(line->flags, "-lm -d pathalias");
    CU_ASSERT(line->lower && line->aliases && line->compiled && line->has_priv && line->has_owner);
    CU_ASSERT_EQUAL(line->mode, 0640);
    CU_ASSERT_EQUAL(line->uid, 0);
    line = &APR_ARRAY_IDX(lines, 1, zm_dbase_t);
    ZM_ASSERT_STR(line->subtype, "mx");
    CU_ASSERT(line->source == NULL && !line->compiled && !line->has_priv);
    CU_ASSERT(APR_ARRAY_IDX(lines, 2, zm_dbase_t).none);
    line = &APR_ARRAY_IDX(lines, 3, zm_dbase_t);
    CU_ASSERT(line->has_priv && !line->has_owner && !line->compiled);
    CU_ASSERT_EQUAL(line->mode, 0644);
}

static void mistakes_are_told_with_their_line(void)
{
    static const char *const wrong[] = {
        "a b\n",
        "a sqlite - - -\n",
        "a yp - - /f -\n",
        "a sqlite - -q /f -\n",
        "a sqlite - - /f;id -l\n",
        "a sqlite - - `id` -l\n",
        "a sqlite - - /f -l;id\n",
        "a;b sqlite - - /f -\n",
        "a sqlite 0:0:777 - /f -\n",
        "a sqlite 0:nosuchgroup - /f -\n",
        "a bind,$(x) - - - -\n",
        "a sqlite - - $(id) -\n",
    };
    zm_zenv_t *zenv = site("MAILVAR=/v\n");
    apr_size_t i;
    for (i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        zm_error_t error = {0};
        apr_array_header_t *lines =
            read_lines(apr_pstrcat(zm_test_pool(), "# fine\n", wrong[i], NULL), zenv, &error);
        if (lines != NULL)
            printf("accepted: %s", wrong[i]);
        CU_ASSERT_PTR_NULL(lines);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "dbases.conf:2: "));
    }
}

static const char *script_of(const char *text, const char *conf)
{
    zm_zenv_t *zenv = site(conf);
    zm_error_t error = {0};
    apr_array_header_t *lines = read_lines(text, zenv, &error);
    const zm_dbase_t *all[8];
    zm_buf_t script = ZM_BUF_INIT;
    const char *result;
    int i;
    ZM_ASSERT_STR(error.text, "");
    for (i = 0; i < lines->nelts; i++)
        all[i] = &APR_ARRAY_IDX(lines, i, zm_dbase_t);
    ZM_ASSERT_OK(zm_generate(&script, all, lines->nelts, zenv, zm_test_pool(), &error));
    result = apr_pstrdup(zm_test_pool(), zm_buf_c(&script));
    zm_buf_free(&script);
    return strchr(result, '\n') + 1; /* without the comment */
}

static void a_function_asks_the_databases_in_their_order(void)
{
    ZM_ASSERT_STR(
        script_of("a $DBTYPE 0:0 -la $MAILVAR/db/a -lm\na btree - -l /x/b -\n", "MAILVAR=/v\n"),
        "relation -lm -t sqlite -f \"$MAILVAR/db/a.sqlite\" a_1\n"
        "relation -t btree -f \"/x/b.sqlite\" a_2\n"
        "a () {\n\tlocal a\n"
        "\tif a=\"$(a_1 $@)\"; then\n"
        "\t\tpriv=$(filepriv -M 644 \"$MAILVAR/db/a.sqlite\" $(db owner a_1)) &&\n"
        "\t\t\treturns \"$a\"\n\tfi\n"
        "\tif a=\"$(a_2 $@)\"; then\n\t\treturns \"$a\"\n\tfi\n"
        "\treturn 1\n}\n");
}

static void the_variables_of_the_site_stay_variables(void)
{
    ZM_ASSERT_STR(
        script_of("a $DBTYPE - - $MAILVAR/a -\n", "MAILVAR=/v\nDBTYPE=btree\nDBEXT=.db\n"),
        "relation -t $DBTYPE -f \"$MAILVAR/a$DBEXT\" a_1\n"
        "a () {\n\tlocal a\n\tif a=\"$(a_1 $@)\"; then\n\t\treturns \"$a\"\n\tfi\n\treturn 1\n}\n");
}

static void no_database_is_a_function_that_fails(void)
{
    ZM_ASSERT_STR(script_of("a NONE - - - -\n", "MAILVAR=/v\n"),
                  "a () {\n\tlocal a\n\treturn 1\n}\n");
}

static void entries_in_core_are_quoted(void)
{
    const char *path = write_file("data", "# c\nk it's $(x) `y`\n\nb\n");
    const char *script = script_of(
        apr_pstrcat(zm_test_pool(), "a incore - - ", path, " -l\n", NULL), "MAILVAR=/v\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(script, "relation -l -t incore a_1\n"
                                          "db add a_1 'k' 'it'\\''s $(x) `y`'\n"
                                          "db add a_1 'b' ''\n"));
}

ZM_TESTS("dbases", ZM_TEST(lines_have_six_fields_and_comments_anything),
         ZM_TEST(mistakes_are_told_with_their_line),
         ZM_TEST(a_function_asks_the_databases_in_their_order),
         ZM_TEST(the_variables_of_the_site_stay_variables),
         ZM_TEST(no_database_is_a_function_that_fails), ZM_TEST(entries_in_core_are_quoted))
