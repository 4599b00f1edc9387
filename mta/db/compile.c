#include "mta/db/compile_run.h"

#include <apr_strings.h>
#include <stdlib.h>

#include "mta/mail/aliases.h"

#define PROGRESS_INTERVAL 100000 /* entries */
#define FIRST_SLOTS 4096

/* The slot of the first line with that hash, or the free one where it belongs. */
static zm_place_t *find_place(zm_place_t *places, apr_size_t slots, uint32_t hash)
{
    apr_size_t at = hash & (slots - 1);
    while (places[at].line != 0 && places[at].hash != hash)
        at = (at + 1) & (slots - 1);
    return &places[at];
}

static void grow(zm_run_t *run)
{
    apr_size_t slots = run->slots == 0 ? FIRST_SLOTS : 2 * run->slots, i;
    zm_place_t *places = calloc(slots, sizeof *places);
    if (places == NULL)
        abort();
    for (i = 0; i < run->slots; i++)
        if (run->places[i].line != 0)
            *find_place(places, slots, run->places[i].hash) = run->places[i];
    free(run->places);
    run->places = places;
    run->slots = slots;
}

/* 0: no key of that hash was there before.  Else the line of the first. */
static unsigned seen_in(zm_run_t *run, zm_str_t key, unsigned line)
{
    uint32_t hash = zm_hash(key.data, key.length);
    zm_place_t *place;
    if (4 * (run->used + 1) > 3 * run->slots)
        grow(run);
    place = find_place(run->places, run->slots, hash);
    if (place->line != 0)
        return place->line;
    place->hash = hash;
    place->line = line;
    run->used++;
    return 0;
}

void zm_compile_note(zm_run_t *run, zm_compile_note_t what, unsigned line, const char *text)
{
    zm_compile_t *compile = run->compile;
    if (what == ZM_COMPILE_ERROR)
        compile->errors++;
    else if (what == ZM_COMPILE_DUPLICATE)
        compile->duplicates++;
    else
        compile->remarks++;
    compile->note(compile->baton, what, line, text);
}

/* Two values of one key as one. */
static zm_str_t joined(const zm_run_t *run, zm_str_t first, zm_str_t second)
{
    bool records = run->compile->form == ZM_COMPILE_POLICY;
    zm_buf_t both = ZM_BUF_INIT;
    zm_str_t copy;
    zm_buf_add_str(&both, first);
    if (!records)
        zm_buf_add_c(&both, ",\n\t");
    zm_buf_add_str(&both, second);
    copy = zm_str_copy(run->pool, zm_buf_str(&both));
    zm_buf_free(&both);
    return copy;
}

apr_status_t zm_compile_add(zm_run_t *run, zm_str_t key, zm_str_t shown, zm_str_t value,
                            unsigned line)
{
    zm_compile_t *compile = run->compile;
    unsigned first = seen_in(run, key, line);
    zm_map_answer_t answer;
    zm_map_outcome_t outcome = ZM_MAP_ABSENT;
    if (first != 0)
        outcome = zm_map_lookup(run->map, key, &answer, run->pool);
    if (outcome == ZM_MAP_FAILED)
        return zm_error_set(run->error, ZM_E_TEMPORARY, "%s", answer.reason);
    if (outcome == ZM_MAP_FOUND && !compile->append) {
        zm_compile_note(run, ZM_COMPILE_DUPLICATE, line,
                        apr_psprintf(run->pool, "\"%.*s\" stands here again; line %u counts",
                                     (int)(shown.length < 200 ? shown.length : 200), shown.data,
                                     first));
        return APR_SUCCESS;
    }
    if (outcome == ZM_MAP_FOUND) {
        compile->total -= key.length + answer.value.length;
        compile->entries--;
        value = joined(run, answer.value, value);
    }
    compile->entries++;
    compile->total += key.length + value.length;
    if (value.length > compile->longest)
        compile->longest = value.length;
    if (compile->progress != NULL && compile->entries % PROGRESS_INTERVAL == 0)
        compile->progress(compile->baton, compile->entries, line);
    return zm_map_add(run->map, key, value, run->error);
}

/* -- plain ------------------------------------------------------------------------------- */

static zm_str_t fold(const zm_run_t *run, zm_str_t key)
{
    char *copy;
    apr_size_t i;
    if (run->compile->fold == 'l')
        return zm_str_lower(run->pool, key);
    if (run->compile->fold != 'u')
        return key;
    copy = zm_str_c(run->pool, key);
    for (i = 0; i < key.length; i++)
        copy[i] = (char)zm_to_upper((unsigned char)copy[i]);
    return zm_str_of(copy, key.length);
}

static zm_str_t skip_blanks(zm_str_t text)
{
    while (text.length > 0 && zm_is_blank(text.data[0])) {
        text.data++;
        text.length--;
    }
    return text;
}

static apr_status_t plain_line(zm_run_t *run, zm_str_t line, unsigned number)
{
    zm_str_t rest = skip_blanks(line), key;
    apr_size_t i = 0;
    if (rest.length == 0 || rest.data[0] == '#')
        return APR_SUCCESS;
    while (i < rest.length && !zm_is_blank(rest.data[i]))
        i++;
    key = zm_str_of(rest.data, i);
    if (zm_str_find(rest, '\0') >= 0) {
        zm_compile_note(run, ZM_COMPILE_ERROR, number, "a NUL byte stands in the line");
        return APR_SUCCESS;
    }
    key = fold(run, key);
    return zm_compile_add(run, key, key, skip_blanks(zm_str_from(rest, i)), number);
}

static apr_status_t read_plain(zm_run_t *run, zm_str_t text)
{
    apr_status_t status = APR_SUCCESS;
    unsigned number = 0;
    zm_str_t line;
    while (status == APR_SUCCESS && text.length > 0) {
        zm_str_cut(text, '\n', &line, &text);
        if (line.length > 0 && line.data[line.length - 1] == '\r')
            line.length--;
        status = plain_line(run, line, ++number);
        apr_pool_clear(run->pool);
    }
    return status;
}

/* -- aliases ------------------------------------------------------------------------------ */

static apr_status_t alias_entry(void *baton, zm_str_t key, zm_str_t value, unsigned line)
{
    zm_run_t *run = baton;
    apr_status_t status = zm_compile_add(run, key, key, value, line);
    apr_pool_clear(run->pool);
    return status;
}

static void alias_remark(void *baton, unsigned line, const char *what)
{
    zm_compile_note(baton, ZM_COMPILE_REMARK, line, what);
}

static void alias_complaint(void *baton, unsigned line, const char *what)
{
    zm_compile_note(baton, ZM_COMPILE_ERROR, line, what);
}

apr_status_t zm_compile(zm_compile_t *compile, zm_str_t text, zm_map_t *map, apr_pool_t *pool,
                        zm_error_t *error)
{
    zm_run_t run = {.compile = compile, .map = map, .error = error};
    zm_aliases_reader_t reader = {alias_entry, alias_complaint, alias_remark, &run};
    apr_status_t status = apr_pool_create(&run.pool, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot compile");
    if (zm_str_starts(text, ZM_S("\xef\xbb\xbf"))) /* editors put it before UTF-8 */
        text = zm_str_from(text, 3);
    status = zm_map_begin(map, error);
    if (status == APR_SUCCESS)
        status = compile->form == ZM_COMPILE_ALIASES  ? zm_aliases_read(text, &reader, pool)
                 : compile->form == ZM_COMPILE_POLICY ? zm_compile_policy(&run, text, pool)
                                                      : read_plain(&run, text);
    if (status == APR_SUCCESS)
        status = zm_map_commit(map, error);
    free(run.places);
    apr_pool_destroy(run.pool);
    return status;
}
