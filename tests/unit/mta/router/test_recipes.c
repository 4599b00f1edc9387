/*
 * The recipes of the guide do what they say: each "## " section of recipes.md
 * is one site.  A block marked conf is the file that the line before it names, a
 * block marked routes or senders what becomes of addresses.  Files before the
 * first section are there in every recipe.
 */
#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/mail/aliases.h"
#include "platform/fs.h"
#include "tests/unit/mta/router/world.h"

#define VARIABLE "$MAILVAR/"
#define RECIPES 15 /* at least */

typedef enum block_t { BLOCK_NONE, BLOCK_FILE, BLOCK_ROUTES, BLOCK_SENDERS, BLOCK_OTHER } block_t;

typedef struct reader_t {
    world_t *world;
    block_t block;
    const char *path; /* that the last line of text named, relative to the site; null: none */
    zm_buf_t text;    /* of the file */
    zm_buf_t common;  /* names and texts of the common files, each with a NUL behind it */
    const char *title;
    bool started;
    int line, recipes, vectors;
} reader_t;

/* -- files ---------------------------------------------------------------------------------- */

typedef struct compiling_t {
    reader_t *reader;
    const char *name;
} compiling_t;

static apr_status_t add_entry(void *baton, zm_str_t key, zm_str_t value, unsigned line)
{
    const compiling_t *compiling = baton;
    (void)line;
    world_map(compiling->reader->world, compiling->name, zm_str_c(zm_test_pool(), key),
              zm_str_c(zm_test_pool(), value));
    return APR_SUCCESS;
}

static void complain(void *baton, unsigned line, const char *what)
{
    const compiling_t *compiling = baton;
    fprintf(stderr, "recipes.md: %s: %s, line %u: %s\n", compiling->reader->title, compiling->name,
            line, what);
    CU_FAIL("newaliases would refuse a file of the guide");
}

/* Sources of compiled databases go in as newaliases would put them. */
static void write_aliases(reader_t *reader, const char *name)
{
    compiling_t compiling = {reader, name};
    zm_aliases_reader_t aliases = {add_entry, complain, complain, &compiling};
    ZM_ASSERT_OK(zm_aliases_read(zm_buf_str(&reader->text), &aliases, zm_test_pool()));
}

static void finish_file(reader_t *reader)
{
    const char *text = zm_buf_c(&reader->text);
    if (reader->path == NULL) {
        CU_FAIL("a file without a name");
    } else if (reader->recipes == 0) {
        zm_buf_add(&reader->common, reader->path, strlen(reader->path) + 1);
        zm_buf_add(&reader->common, text, strlen(text) + 1);
    } else if (strcmp(reader->path, "var/db/aliases") == 0) {
        write_aliases(reader, "aliases");
    } else if (strcmp(reader->path, "var/db/fqdnaliases") == 0) {
        write_aliases(reader, "fqdnaliases");
    } else {
        world_file(reader->world, reader->path, text);
    }
    zm_buf_clear(&reader->text);
    reader->path = NULL;
}

static void write_common_files(reader_t *reader)
{
    const char *at = reader->common.data, *end = at + reader->common.length;
    while (at < end) {
        const char *path = at, *text = path + strlen(path) + 1;
        world_file(reader->world, path, text);
        at = text + strlen(text) + 1;
    }
}

/* -- sections ------------------------------------------------------------------------------- */

static void end_recipe(reader_t *reader)
{
    if (reader->world == NULL)
        return;
    if (!reader->started) {
        fprintf(stderr, "recipes.md: %s: nothing is shown\n", reader->title);
        CU_FAIL("a recipe without results");
    }
    world_end(reader->world);
    reader->world = NULL;
}

static void begin_recipe(reader_t *reader, zm_str_t title)
{
    end_recipe(reader);
    reader->title = zm_str_c(zm_test_pool(), title);
    reader->recipes++;
    reader->started = false;
    reader->world =
        world_begin_in(apr_psprintf(zm_test_pool(), "%s/%d", zm_test_directory(), reader->recipes));
    write_common_files(reader);
}

static void check_vector(reader_t *reader, zm_str_t line)
{
    const char *whole = zm_str_c(zm_test_pool(), line), *arrow = strstr(whole, " => ");
    const char *actual;
    CU_ASSERT_PTR_NOT_NULL_FATAL(arrow);
    if (!reader->started)
        world_start(reader->world);
    reader->started = true;
    reader->vectors++;
    actual = world_routes(reader->world,
                          apr_pstrndup(zm_test_pool(), whole, (apr_size_t)(arrow - whole)),
                          reader->block == BLOCK_SENDERS ? "sender" : "recipient");
    if (strcmp(actual, arrow + 4) != 0) {
        fprintf(stderr, "recipes.md:%d: %.*s\n  shown %s\n  is    %s\n", reader->line,
                (int)(arrow - whole), whole, arrow + 4, actual);
        CU_FAIL("another result than the guide shows");
    }
}

/* -- lines ---------------------------------------------------------------------------------- */

static void fence(reader_t *reader, zm_str_t mark)
{
    if (reader->block != BLOCK_NONE) {
        if (reader->block == BLOCK_FILE)
            finish_file(reader);
        reader->block = BLOCK_NONE;
    } else if (zm_str_equal_c(mark, "conf")) {
        reader->block = BLOCK_FILE;
    } else if (zm_str_equal_c(mark, "routes")) {
        reader->block = BLOCK_ROUTES;
    } else if (zm_str_equal_c(mark, "senders")) {
        reader->block = BLOCK_SENDERS;
    } else {
        reader->block = BLOCK_OTHER;
    }
}

static void text_line(reader_t *reader, zm_str_t line)
{
    if (zm_str_starts(line, ZM_S("## ")))
        begin_recipe(reader, line);
    if (zm_str_starts(line, ZM_S("`" VARIABLE)) && line.data[line.length - 1] == '`')
        reader->path =
            apr_pstrcat(zm_test_pool(), "var/",
                        zm_str_c(zm_test_pool(), zm_str_of(line.data + sizeof VARIABLE,
                                                           line.length - sizeof VARIABLE - 1)),
                        NULL);
}

static void read_line(reader_t *reader, zm_str_t line)
{
    if (zm_str_starts(line, ZM_S("```"))) {
        fence(reader, zm_str_from(line, 3));
    } else if (reader->block == BLOCK_NONE) {
        text_line(reader, line);
    } else if (reader->block == BLOCK_FILE) {
        zm_buf_add_str(&reader->text, line);
        zm_buf_add_byte(&reader->text, '\n');
    } else if (reader->block != BLOCK_OTHER) {
        check_vector(reader, line);
    }
}

static void the_recipes_of_the_guide_do_what_they_say(void)
{
    reader_t reader = {0};
    zm_str_t rest, line;
    char *text;
    apr_size_t length;
    ZM_ASSERT_OK(
        zm_file_slurp(&text, &length, ZM_TEST_GUIDE "/recipes.md", 1 << 20, zm_test_pool()));
    for (rest = zm_str_of(text, length); zm_str_cut(rest, '\n', &line, &rest);) {
        reader.line++;
        if (line.length > 0 && line.data[line.length - 1] == '\r')
            line.length--;
        read_line(&reader, line);
    }
    end_recipe(&reader);
    CU_ASSERT_TRUE(reader.recipes >= RECIPES);
    CU_ASSERT_EQUAL(reader.block, BLOCK_NONE);
    zm_buf_free(&reader.text);
    zm_buf_free(&reader.common);
}

ZM_TESTS("router recipes", ZM_TEST(the_recipes_of_the_guide_do_what_they_say))
