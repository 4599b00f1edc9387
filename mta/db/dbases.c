#include "mta/db/dbases.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/conf/lines.h"
#include "mta/db/names.h"
#include "mta/map/map.h"

#define FIELDS 6
#define DEFAULT_MODE 0644

typedef struct reading_t {
    const zm_zenv_t *zenv;
    zm_conf_lines_t *lines;
    apr_pool_t *pool;
    zm_error_t *error;
} reading_t;

/* What may stand in fields that become words of a script. */
static bool is_plain(const char *text, const char *more)
{
    for (; *text != '\0'; text++)
        if (!zm_is_alpha((unsigned char)*text) && !zm_is_digit((unsigned char)*text) &&
            strchr(more, *text) == NULL && !((unsigned char)*text & 0x80))
            return false;
    return true;
}

static apr_status_t read_type(reading_t *reading, zm_dbase_t *dbase, char *text)
{
    char *separator = strpbrk(text, ",/");
    if (separator != NULL) {
        *separator = '\0';
        dbase->subtype = separator + 1;
        if (!is_plain(dbase->subtype, "_.-/$"))
            return zm_conf_lines_fail(reading->lines, reading->error, "\"%s\" is no subtype",
                                      dbase->subtype);
    }
    dbase->type = text;
    dbase->none = strcmp(text, "NONE") == 0;
    if (strcmp(text, "${DBTYPE}") == 0)
        dbase->type = "$DBTYPE";
    if (!dbase->none && !zm_db_is_site_type(text) && !zm_map_type_exists(text))
        return zm_conf_lines_fail(reading->lines, reading->error,
                                  "there is no database type \"%s\"", text);
    return APR_SUCCESS;
}

static bool read_id(const char *text, bool group, zm_uid_t *id, apr_pool_t *pool)
{
    int64_t number;
    zm_user_t *user;
    if (zm_str_i64(zm_str(text), &number) == APR_SUCCESS) {
        *id = number;
        return number >= 0;
    }
    if (group)
        return zm_group_by_name(id, text, pool) == APR_SUCCESS;
    if (zm_user_by_name(&user, text, pool) != APR_SUCCESS)
        return false;
    *id = user->uid;
    return true;
}

/* "-", USER[:GROUP[:MODE]], or a word that is neither: the old form, a variable's name. */
static apr_status_t read_priv(reading_t *reading, zm_dbase_t *dbase, char *text)
{
    char *group = strchr(text, ':'), *mode = NULL, *end;
    dbase->mode = DEFAULT_MODE;
    dbase->gid = ZM_UID_NONE;
    if (strcmp(text, "-") == 0)
        return APR_SUCCESS;
    dbase->has_priv = true;
    if (group != NULL) {
        *group++ = '\0';
        if ((mode = strchr(group, ':')) != NULL)
            *mode++ = '\0';
    }
    dbase->has_owner = read_id(text, false, &dbase->uid, reading->pool);
    if (!dbase->has_owner && group == NULL)
        return APR_SUCCESS;
    if (!dbase->has_owner)
        return zm_conf_lines_fail(reading->lines, reading->error, "there is no user \"%s\"", text);
    if (group != NULL && group[0] != '\0' && !read_id(group, true, &dbase->gid, reading->pool))
        return zm_conf_lines_fail(reading->lines, reading->error, "there is no group \"%s\"",
                                  group);
    if (mode != NULL) {
        dbase->mode = apr_strtoi64(mode, &end, 8);
        if (end == mode || *end != '\0' || dbase->mode < 0 || (dbase->mode & ~0664) != 0)
            return zm_conf_lines_fail(reading->lines, reading->error,
                                      "\"%s\" is no octal mode of at most 664", mode);
    }
    return APR_SUCCESS;
}

static apr_status_t read_options(reading_t *reading, zm_dbase_t *dbase, const char *text)
{
    const char *letter;
    dbase->compiled = !dbase->none && dbase->source != NULL &&
                      (zm_db_is_site_type(dbase->type) || zm_db_is_compiled(dbase->type));
    if (strcmp(text, "-") == 0)
        return APR_SUCCESS;
    for (letter = text; *letter != '\0'; letter++) {
        switch (*letter) {
        case '-':
        case 's':
            break;
        case 'l':
            dbase->lower = true;
            break;
        case 'u':
            dbase->upper = true;
            break;
        case 'a':
            dbase->aliases = true;
            break;
        case 'A':
            dbase->append = true;
            break;
        case 'r':
            dbase->compiled = false;
            break;
        default:
            return zm_conf_lines_fail(reading->lines, reading->error,
                                      "\"%s\" has a letter that is none of laurAs", text);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t read_source(reading_t *reading, zm_dbase_t *dbase, const char *text)
{
    if (strcmp(text, "-") == 0)
        return APR_SUCCESS;
    if (!is_plain(text, "/._-+:,@=${}~%"))
        return zm_conf_lines_fail(reading->lines, reading->error,
                                  "\"%s\": blanks and quotes are not possible here", text);
    dbase->source = text;
    dbase->path = zm_zenv_expand(reading->zenv, zm_str(text),
                                 ZM_EXPAND_BRACES | ZM_EXPAND_NAMES | ZM_EXPAND_EMPTY, NULL, NULL,
                                 reading->pool)
                      .data;
    return APR_SUCCESS;
}

static apr_status_t read_line(reading_t *reading, zm_str_t rest, zm_dbase_t *dbase)
{
    char *fields[FIELDS];
    zm_str_t word;
    apr_status_t status;
    int count = 0;
    while (count < FIELDS - 1 && zm_str_word(&rest, &word))
        fields[count++] = zm_str_c(reading->pool, word);
    rest = zm_str_trim(rest);
    if (rest.length > 0)
        fields[count++] = zm_str_c(reading->pool, rest);
    if (count < 5)
        return zm_conf_lines_fail(reading->lines, reading->error,
                                  "expected RELATION TYPE OWNER OPTIONS SOURCE FLAGS");
    dbase->line = reading->lines->number;
    dbase->relation = fields[0];
    dbase->flags = count < FIELDS || strcmp(fields[5], "-") == 0 ? "" : fields[5];
    if (!is_plain(dbase->relation, "_"))
        return zm_conf_lines_fail(reading->lines, reading->error,
                                  "\"%s\" is no name of a relation: letters, digits, _",
                                  dbase->relation);
    if (!is_plain(dbase->flags, "_.-%:/,=$ \t"))
        return zm_conf_lines_fail(reading->lines, reading->error,
                                  "\"%s\" are no options of a relation", dbase->flags);
    if ((status = read_type(reading, dbase, fields[1])) != APR_SUCCESS ||
        (status = read_priv(reading, dbase, fields[2])) != APR_SUCCESS ||
        (status = read_source(reading, dbase, fields[4])) != APR_SUCCESS ||
        (status = read_options(reading, dbase, fields[3])) != APR_SUCCESS)
        return status;
    if (dbase->source == NULL &&
        (zm_db_is_site_type(dbase->type) || zm_db_is_compiled(dbase->type)))
        return zm_conf_lines_fail(reading->lines, reading->error, "type %s needs a source",
                                  dbase->type);
    return APR_SUCCESS;
}

apr_status_t zm_dbases_read(apr_array_header_t **lines, const char *file, const zm_zenv_t *zenv,
                            apr_pool_t *pool, zm_error_t *error)
{
    reading_t reading = {zenv, NULL, pool, error};
    zm_str_t line;
    apr_status_t status = zm_conf_lines_open(&reading.lines, file, pool, error);
    *lines = apr_array_make(pool, 16, sizeof(zm_dbase_t));
    while (status == APR_SUCCESS && zm_conf_lines_next(reading.lines, &line)) {
        zm_dbase_t dbase = {0};
        if (line.length == 0 ||
            (!zm_is_alpha((unsigned char)line.data[0]) && !zm_is_digit(line.data[0])))
            continue;
        status = read_line(&reading, line, &dbase);
        if (status == APR_SUCCESS)
            APR_ARRAY_PUSH(*lines, zm_dbase_t) = dbase;
    }
    return status;
}
