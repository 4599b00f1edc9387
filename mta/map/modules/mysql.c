/*
 * mysql: a MySQL or MariaDB database as a map.  The file says where it is and
 * what to ask; the key is the parameter ? of the query, and the value the first
 * column of each row.
 *
 * The connection is made at the first lookup and kept; when it is lost it is
 * made once more.
 */
#include <errmsg.h>
#include <mysql.h>

#include <apr_strings.h>
#include <string.h>

#include "mta/map/module.h"
#include "mta/map/modules/settings.h"

#define DEFAULT_SECONDS 5
#define VALUE_LIMIT 65536 /* bytes of a value */

typedef struct mysql_t {
    const char *path;
    zm_file_info_t seen;
    const char *host, *port, *socket, *user, *password, *database, *query, *timeout;
    unsigned seconds;
    uint64_t port_number;
    MYSQL *connection; /* null: there is none */
    MYSQL_STMT *statement;
    char error[200];
    unsigned code; /* of the last failure */
} mysql_t;

static apr_status_t mysql_check(const zm_map_options_t *options, zm_error_t *error)
{
    if (options->file == NULL || options->file[0] == '\0')
        return zm_error_set(error, ZM_E_CONFIG, "the type mysql needs a configuration file");
    return APR_SUCCESS;
}

static apr_status_t mysql_map_open(void **state, const zm_map_options_t *options, apr_pool_t *pool,
                                   zm_error_t *error)
{
    mysql_t *map = apr_pcalloc(pool, sizeof *map);
    const zm_setting_t table[] = {
        {"host", &map->host},   {"port", &map->port},         {"socket", &map->socket},
        {"user", &map->user},   {"password", &map->password}, {"database", &map->database},
        {"query", &map->query}, {"timeout", &map->timeout},   {NULL, NULL}};
    apr_status_t status;
    map->path = options->file;
    *state = map;
    status = zm_settings_read(map->path, table, &map->seen, pool, error);
    if (status == APR_SUCCESS && (map->database == NULL || map->query == NULL))
        status = zm_error_set(error, ZM_E_CONFIG, "%s: expected database and query", map->path);
    if (status == APR_SUCCESS && map->port != NULL &&
        (zm_str_u64(zm_str(map->port), &map->port_number) != APR_SUCCESS ||
         map->port_number > 65535))
        status = zm_error_set(error, ZM_E_CONFIG, "%s: port is no number", map->path);
    if (status == APR_SUCCESS)
        status = zm_settings_seconds(map->timeout, DEFAULT_SECONDS, &map->seconds, error);
    return status;
}

static void disconnect(mysql_t *map)
{
    if (map->statement != NULL)
        mysql_stmt_close(map->statement);
    if (map->connection != NULL)
        mysql_close(map->connection);
    map->statement = NULL;
    map->connection = NULL;
}

static void mysql_map_close(void *state)
{
    disconnect(state);
}

/* Notes what went wrong, and whether it was the connection. */
static bool fail(mysql_t *map)
{
    const char *text = map->statement != NULL && mysql_stmt_errno(map->statement) != 0
                           ? mysql_stmt_error(map->statement)
                           : mysql_error(map->connection);
    map->code = map->statement != NULL && mysql_stmt_errno(map->statement) != 0
                    ? mysql_stmt_errno(map->statement)
                    : mysql_errno(map->connection);
    apr_cpystrn(map->error, text, sizeof map->error);
    return false;
}

static bool connect_now(mysql_t *map)
{
    if (map->connection != NULL)
        return true;
    map->connection = mysql_init(NULL);
    if (map->connection == NULL)
        return false;
    mysql_options(map->connection, MYSQL_OPT_CONNECT_TIMEOUT, &map->seconds);
    mysql_options(map->connection, MYSQL_OPT_READ_TIMEOUT, &map->seconds);
    mysql_options(map->connection, MYSQL_OPT_WRITE_TIMEOUT, &map->seconds);
    mysql_options(map->connection, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (mysql_real_connect(map->connection, map->host, map->user, map->password, map->database,
                           (unsigned)map->port_number, map->socket, 0) == NULL ||
        (map->statement = mysql_stmt_init(map->connection)) == NULL ||
        mysql_stmt_prepare(map->statement, map->query, strlen(map->query)) != 0)
        return fail(map);
    if (mysql_stmt_param_count(map->statement) != 1) {
        apr_cpystrn(map->error, "the query has not exactly one ?", sizeof map->error);
        map->code = 0;
        return false;
    }
    return true;
}

static bool ask(mysql_t *map, zm_str_t key, apr_pool_t *pool)
{
    unsigned long length = (unsigned long)key.length;
    MYSQL_BIND parameter;
    memset(&parameter, 0, sizeof parameter);
    parameter.buffer_type = MYSQL_TYPE_STRING;
    parameter.buffer = zm_str_c(pool, key);
    parameter.buffer_length = length;
    parameter.length = &length;
    if (!connect_now(map))
        return false;
    if (mysql_stmt_bind_param(map->statement, &parameter) != 0 ||
        mysql_stmt_execute(map->statement) != 0)
        return fail(map);
    return true;
}

/* False: the rows could not be had. */
static bool collect(mysql_t *map, apr_array_header_t *values, apr_pool_t *pool)
{
    char *buffer = apr_palloc(pool, VALUE_LIMIT);
    unsigned long length = 0;
    my_bool null = 0;
    MYSQL_BIND column;
    int more;
    memset(&column, 0, sizeof column);
    column.buffer_type = MYSQL_TYPE_STRING;
    column.buffer = buffer;
    column.buffer_length = VALUE_LIMIT;
    column.length = &length;
    column.is_null = &null;
    if (mysql_stmt_field_count(map->statement) != 1) {
        apr_cpystrn(map->error, "the query has not exactly one column", sizeof map->error);
        return false;
    }
    if (mysql_stmt_bind_result(map->statement, &column) != 0)
        return fail(map);
    while ((more = mysql_stmt_fetch(map->statement)) == 0)
        if (!null)
            zm_settings_add(values, zm_str_of(buffer, length));
    if (more == MYSQL_DATA_TRUNCATED)
        apr_cpystrn(map->error, "a value is too long", sizeof map->error);
    else if (more != MYSQL_NO_DATA)
        (void)fail(map);
    mysql_stmt_free_result(map->statement);
    return more == MYSQL_NO_DATA;
}

static zm_map_outcome_t mysql_lookup(void *state, zm_str_t key, zm_map_answer_t *answer,
                                     apr_pool_t *pool)
{
    mysql_t *map = state;
    apr_array_header_t *values = apr_array_make(pool, 4, sizeof(zm_str_t));
    bool connected = map->connection != NULL, good;
    good = ask(map, key, pool);
    if (!good && connected && (map->code == CR_SERVER_GONE_ERROR || map->code == CR_SERVER_LOST)) {
        disconnect(map); /* it may have been away meanwhile */
        good = ask(map, key, pool);
    }
    if (good && collect(map, values, pool))
        return zm_settings_answer(answer, values, map->path);
    answer->reason = apr_pstrcat(pool, "IO:", map->path, ": ", map->error, NULL);
    disconnect(map);
    return ZM_MAP_FAILED;
}

static bool mysql_changed(void *state)
{
    const mysql_t *map = state;
    return zm_settings_changed(map->path, &map->seen);
}

static const zm_map_type_t type = {.name = "mysql",
                                   .answers_lists = true,
                                   .waits = true,
                                   .blocks = true,
                                   .check = mysql_check,
                                   .open = mysql_map_open,
                                   .close = mysql_map_close,
                                   .lookup = mysql_lookup,
                                   .changed = mysql_changed};
extern const zm_map_module_t zm_map_module;
const zm_map_module_t zm_map_module = {ZM_MAP_MODULE_VERSION, sizeof type, &type};
