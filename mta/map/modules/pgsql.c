/*
 * pgsql: a PostgreSQL database as a map.  The file says where it is and what to
 * ask; the key is the parameter $1 of the query, and the value the first column
 * of each row.
 *
 * The connection is made at the first lookup and kept; when it is lost it is
 * made once more.
 */
#include <libpq-fe.h>

#include <apr_strings.h>
#include <string.h>

#include "mta/map/module.h"
#include "mta/map/modules/settings.h"

#define DEFAULT_SECONDS 5
#define STATEMENT "zmailer_lookup"

typedef struct pgsql_t {
    const char *path;
    zm_file_info_t seen;
    const char *connection_text, *query, *timeout;
    unsigned seconds;
    PGconn *connection; /* null: there is none */
} pgsql_t;

static apr_status_t pgsql_check(const zm_map_options_t *options, zm_error_t *error)
{
    if (options->file == NULL || options->file[0] == '\0')
        return zm_error_set(error, ZM_E_CONFIG, "the type pgsql needs a configuration file");
    return APR_SUCCESS;
}

static apr_status_t pgsql_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                               zm_error_t *error)
{
    pgsql_t *map = apr_pcalloc(pool, sizeof *map);
    const zm_setting_t table[] = {{"connection", &map->connection_text},
                                  {"query", &map->query},
                                  {"timeout", &map->timeout},
                                  {NULL, NULL}};
    apr_status_t status;
    map->path = options->file;
    *state = map;
    status = zm_settings_read(map->path, table, &map->seen, pool, error);
    if (status == APR_SUCCESS && (map->connection_text == NULL || map->query == NULL))
        status = zm_error_set(error, ZM_E_CONFIG, "%s: expected connection and query", map->path);
    if (status == APR_SUCCESS)
        status = zm_settings_seconds(map->timeout, DEFAULT_SECONDS, &map->seconds, error);
    return status;
}

static void disconnect(pgsql_t *map)
{
    if (map->connection != NULL)
        PQfinish(map->connection);
    map->connection = NULL;
}

static void pgsql_close(void *state)
{
    disconnect(state);
}

/* What the server says, on one line, as the reason. */
static const char *reason_of(const pgsql_t *map, apr_pool_t *pool)
{
    const char *text = map->connection != NULL ? PQerrorMessage(map->connection) : "no connection";
    zm_str_t first, rest;
    zm_str_cut(zm_str(text), '\n', &first, &rest);
    return apr_pstrcat(pool, "IO:", map->path, ": ", zm_str_c(pool, first), NULL);
}

/* Connects, bounds the time of what follows, and prepares the question. */
static bool connect_now(pgsql_t *map, apr_pool_t *pool)
{
    char seconds[16], milliseconds[64];
    const char *const keywords[] = {"dbname",           "connect_timeout",           "options",
                                    "tcp_user_timeout", "fallback_application_name", NULL};
    const char *values[] = {map->connection_text, seconds, milliseconds, seconds, "zmailer", NULL};
    char user_timeout[16];
    PGresult *result;
    bool good;
    if (map->connection != NULL)
        return true;
    apr_snprintf(seconds, sizeof seconds, "%u", map->seconds < 2 ? 2 : map->seconds);
    apr_snprintf(milliseconds, sizeof milliseconds, "-c statement_timeout=%u", map->seconds * 1000);
    apr_snprintf(user_timeout, sizeof user_timeout, "%u", map->seconds * 1000);
    values[3] = user_timeout;
    map->connection = PQconnectdbParams(keywords, values, 1);
    if (map->connection == NULL || PQstatus(map->connection) != CONNECTION_OK)
        return false;
    result = PQprepare(map->connection, STATEMENT, map->query, 1, NULL);
    good = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    (void)pool;
    return good;
}

static PGresult *ask(pgsql_t *map, zm_str_t key, apr_pool_t *pool)
{
    const char *parameter = zm_str_c(pool, key);
    const int length = (int)key.length;
    if (!connect_now(map, pool))
        return NULL;
    return PQexecPrepared(map->connection, STATEMENT, 1, &parameter, &length, NULL, 0);
}

static zm_map_outcome_t collect(const pgsql_t *map, const PGresult *result, zm_map_answer_t *answer,
                                apr_pool_t *pool)
{
    apr_array_header_t *values = apr_array_make(pool, 4, sizeof(zm_str_t));
    int rows = PQntuples(result), i;
    for (i = 0; i < rows; i++)
        if (!PQgetisnull(result, i, 0))
            zm_settings_add(
                values, zm_str_of(PQgetvalue(result, i, 0), (apr_size_t)PQgetlength(result, i, 0)));
    return zm_settings_answer(answer, values, map->path);
}

static zm_map_outcome_t pgsql_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                     apr_pool_t *pool)
{
    pgsql_t *map = state;
    bool connected = map->connection != NULL;
    zm_map_outcome_t outcome = ZM_MAP_FAILED;
    PGresult *result;
    if (zm_str_find(key, '\0') >= 0)
        return ZM_MAP_ABSENT; /* no text of the database can be that */
    result = ask(map, key, pool);
    if (connected && PQstatus(map->connection) != CONNECTION_OK) {
        PQclear(result);
        disconnect(map); /* it may have been away meanwhile */
        result = ask(map, key, pool);
    }
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQnfields(result) >= 1) {
        outcome = collect(map, result, answer, pool);
    } else {
        answer->reason = reason_of(map, pool);
        disconnect(map);
    }
    PQclear(result);
    return outcome;
}

static bool pgsql_changed(void *state)
{
    const pgsql_t *map = state;
    return zm_settings_changed(map->path, &map->seen);
}

static const zm_map_type_t type = {.name = "pgsql",
                                   .answers_lists = true,
                                   .waits = true,
                                   .blocks = true,
                                   .check = pgsql_check,
                                   .open = pgsql_open,
                                   .close = pgsql_close,
                                   .lookup = pgsql_lookup,
                                   .changed = pgsql_changed};
extern const zm_map_module_t zm_map_module;
const zm_map_module_t zm_map_module = {ZM_MAP_MODULE_VERSION, sizeof type, &type};
