/*
 * What the stock configuration makes of addresses: the files *.txt of
 * tests/data/router, whose format README.md there tells.  Each is one test.
 */
#include <apr_strings.h>
#include <stdio.h>

#include "platform/fs.h"
#include "tests/unit/mta/router/world.h"

typedef enum section_t {
    SECTION_NONE,
    SECTION_SET,
    SECTION_FILE,
    SECTION_DOS,
    SECTION_MAP,
    SECTION_RECIPIENTS,
    SECTION_SENDERS,
    SECTION_CALLS
} section_t;

typedef struct reader_t {
    const char *file;
    world_t *world;
    section_t section;
    const char *name; /* of the file or database */
    zm_buf_t text;    /* of the file so far */
    int line;
    bool started;
    int vectors;
} reader_t;

static void finish_section(reader_t *reader)
{
    if (reader->section == SECTION_FILE || reader->section == SECTION_DOS)
        world_file(reader->world, reader->name, zm_buf_c(&reader->text));
    zm_buf_clear(&reader->text);
}

static void begin_section(reader_t *reader, zm_str_t title)
{
    static const struct {
        const char *name;
        section_t section;
    } sections[] = {{"set", SECTION_SET},
                    {"file", SECTION_FILE},
                    {"dos", SECTION_DOS},
                    {"map", SECTION_MAP},
                    {"recipients", SECTION_RECIPIENTS},
                    {"senders", SECTION_SENDERS},
                    {"calls", SECTION_CALLS}};
    zm_str_t word = ZM_S(""), name = ZM_S("");
    apr_size_t i;
    finish_section(reader);
    (void)zm_str_word(&title, &word);
    (void)zm_str_word(&title, &name);
    reader->section = SECTION_NONE;
    for (i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (zm_str_equal_c(word, sections[i].name))
            reader->section = sections[i].section;
    reader->name = zm_str_c(zm_test_pool(), name);
    if (zm_str_equal_c(word, "absent"))
        ZM_ASSERT_OK(zm_file_unlink(
            NULL, apr_pstrcat(zm_test_pool(), reader->world->directory, "/", reader->name, NULL)));
    if (zm_str_equal_c(word, "config"))
        reader->world->config =
            apr_pstrcat(zm_test_pool(), reader->world->directory, "/", reader->name, NULL);
    if (reader->section >= SECTION_RECIPIENTS && !reader->started) {
        world_start(reader->world);
        reader->started = true;
    }
}

/* DIRECTORY stands for the directory of the test. */
static const char *expand(reader_t *reader, zm_str_t text)
{
    const char *c = zm_str_c(zm_test_pool(), text), *found;
    while ((found = strstr(c, "DIRECTORY")) != NULL)
        c = apr_psprintf(zm_test_pool(), "%.*s%s%s", (int)(found - c), c, reader->world->directory,
                         found + strlen("DIRECTORY"));
    return c;
}

static void check_vector(reader_t *reader, zm_str_t line)
{
    const char *whole = expand(reader, line), *arrow = strstr(whole, " => "), *actual;
    char *input;
    if (arrow == NULL) {
        fprintf(stderr, "%s:%d: no \" => \"\n", reader->file, reader->line);
        CU_FAIL("malformed vector");
        return;
    }
    input = apr_pstrndup(zm_test_pool(), whole, (apr_size_t)(arrow - whole));
    input = zm_str_c(zm_test_pool(), zm_str_trim(zm_str(input)));
    if (zm_test_on_wine() && strstr(input, "[10.") != NULL)
        return; /* Wine lets every address be bound, as if it were ours */
    if (reader->section == SECTION_CALLS)
        actual = world_call(reader->world, input);
    else
        actual = world_routes(reader->world, input,
                              reader->section == SECTION_SENDERS ? "sender" : "recipient");
    reader->vectors++;
    if (strcmp(actual, arrow + 4) != 0) {
        fprintf(stderr, "%s:%d: %s\n  expected %s\n  is       %s\n", reader->file, reader->line,
                input, arrow + 4, actual);
        CU_FAIL("another route than expected");
    }
}

static void read_line(reader_t *reader, zm_str_t line)
{
    zm_str_t key, value;
    if (zm_str_starts(line, ZM_S("== "))) {
        begin_section(reader, zm_str_from(line, 3));
        return;
    }
    if (reader->section == SECTION_FILE || reader->section == SECTION_DOS) {
        if (reader->section == SECTION_DOS && reader->text.length == 0)
            zm_buf_add_c(&reader->text, "\xef\xbb\xbf");
        zm_buf_add_c(&reader->text, expand(reader, line));
        zm_buf_add_c(&reader->text, reader->section == SECTION_DOS ? "\r\n" : "\n");
        return;
    }
    if (zm_str_trim(line).length == 0 || line.data[0] == '#')
        return;
    if (reader->section == SECTION_SET)
        world_set(reader->world, expand(reader, line));
    else if (reader->section == SECTION_MAP && zm_str_cut(line, ':', &key, &value))
        world_map(reader->world, reader->name, zm_str_c(zm_test_pool(), key),
                  expand(reader, zm_str_trim(value)));
    else if (reader->section >= SECTION_RECIPIENTS)
        check_vector(reader, line);
}

static void run_file(const char *name)
{
    reader_t reader = {0};
    zm_str_t rest, line;
    char *text;
    apr_size_t length;
    bool more = true;
    reader.file = apr_pstrcat(zm_test_pool(), ZM_TEST_DATA "/", name, ".txt", NULL);
    ZM_ASSERT_OK(zm_file_slurp(&text, &length, reader.file, 1 << 20, zm_test_pool()));
    reader.world = world_begin();
    for (rest = zm_str_of(text, length); more;) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        reader.line++;
        read_line(&reader, line);
    }
    finish_section(&reader);
    CU_ASSERT_TRUE(reader.vectors > 0);
    zm_buf_free(&reader.text);
    world_end(reader.world);
}

static void stock_rules_route_as_documented(void)
{
    run_file("stock");
}

static void every_source_of_local_names(void)
{
    run_file("sources");
}

static void whole_addresses(void)
{
    run_file("whole");
}

static void routes_of_domains(void)
{
    run_file("routes");
}

static void delayed_routes(void)
{
    run_file("delay");
}

static void a_null_client(void)
{
    run_file("nullclient");
}

static void unknown_names_for_another_host(void)
{
    run_file("punthost");
}

static void old_names_of_an_organisation(void)
{
    run_file("organisation");
}

static void functions_of_a_site(void)
{
    run_file("sitehooks");
}

static void control_files_of_qmail(void)
{
    run_file("qmail");
}

static void questions_of_the_smtp_server(void)
{
    run_file("assist");
}

static void a_configuration_of_the_nineties(void)
{
    run_file("classic");
}

static void unusual_addresses(void)
{
    run_file("unusual");
}

static void files_as_other_systems_write_them(void)
{
    run_file("awkward");
}

static void names_of_mail_conf_alone(void)
{
    run_file("plain");
}

static void accounts_of_domains(void)
{
    run_file("domainaware");
}

static void both_forms_of_international_domains(void)
{
    run_file("international");
}

ZM_TESTS("router vectors", ZM_TEST(both_forms_of_international_domains),
         ZM_TEST(accounts_of_domains), ZM_TEST(files_as_other_systems_write_them),
         ZM_TEST(names_of_mail_conf_alone), ZM_TEST(unusual_addresses),
         ZM_TEST(a_configuration_of_the_nineties), ZM_TEST(stock_rules_route_as_documented),
         ZM_TEST(every_source_of_local_names), ZM_TEST(whole_addresses), ZM_TEST(routes_of_domains),
         ZM_TEST(delayed_routes), ZM_TEST(a_null_client), ZM_TEST(unknown_names_for_another_host),
         ZM_TEST(old_names_of_an_organisation), ZM_TEST(functions_of_a_site),
         ZM_TEST(control_files_of_qmail), ZM_TEST(questions_of_the_smtp_server))
