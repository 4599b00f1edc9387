/* Source units: parsing them, telling of syntax errors, and their lifetime. */

#include <apr_strings.h>
#include <stdlib.h>

#include "mta/script/interp.h"
#include "mta/script/parser.h"

static void report(zm_script_t *script, const zm_parse_error_t *error, const char *name)
{
    zm_buf_t text = ZM_BUF_INIT;
    unsigned i;
    zm_buf_printf(&text, "\"%s\", line %u, column %u: %s\n", name, error->line, error->column,
                  error->text);
    for (i = 1; i < error->column && i <= error->source.length; i++)
        zm_buf_add_byte(&text, error->source.data[i - 1] == '\t' ? '\t' : ' ');
    zm_buf_add(&text, "v\n", 2);
    zm_buf_add_str(&text, error->source);
    zm_buf_add_byte(&text, '\n');
    zm_write(script, 2, zm_buf_str(&text));
    zm_buf_free(&text);
}

apr_status_t zm_unit_parse(zm_unit_t **result, zm_script_t *script, zm_str_t text, const char *name,
                           bool transient, zm_error_t *error)
{
    zm_parse_context_t context = {&script->symbols, script->ifs};
    zm_parse_error_t wrong = {0};
    zm_unit_t *unit;
    apr_pool_t *pool;
    apr_status_t status;
    apr_pool_create(&pool, script->pool);
    unit = apr_pcalloc(pool, sizeof *unit);
    unit->pool = pool;
    unit->name = zm_str_c(pool, zm_str(name));
    unit->holders = 1;
    unit->transient = transient;
    unit->since = ++script->version;
    status = zm_parse(unit, text, &context, &wrong);
    if (status != APR_SUCCESS) {
        if (!wrong.incomplete || !(script->flags & ZM_FLAG_STDIN))
            report(script, &wrong, name);
        if (wrong.incomplete && script->flags & ZM_FLAG_STDIN)
            status = APR_EINCOMPLETE;
        zm_error_set(error, status, "\"%s\", line %u, column %u: %s", name, wrong.line,
                     wrong.column, wrong.text);
        if (script->syntax_error == NULL)
            script->syntax_error = apr_psprintf(script->pool, "\"%s\", line %u, column %u: %s",
                                                name, wrong.line, wrong.column, wrong.text);
        apr_pool_destroy(pool);
        return status;
    }
    *result = unit;
    return APR_SUCCESS;
}

void zm_unit_hold(zm_unit_t *unit)
{
    unit->holders++;
}

void zm_unit_release(zm_script_t *script, zm_unit_t *unit)
{
    if (--unit->holders > 0)
        return;
    if (unit->transient && !unit->released) {
        apr_pool_destroy(unit->pool);
        return;
    }
    if (!unit->released) {
        unit->released = true;
        unit->next_free = script->free_units;
        script->free_units = unit;
    }
}

void zm_units_sweep(zm_script_t *script, uint64_t since)
{
    zm_unit_t **link = &script->free_units;
    while (*link != NULL) {
        zm_unit_t *unit = *link;
        if (unit->holders == 0 && unit->since <= since) {
            link = &unit->next_free;
            continue;
        }
        *link = unit->next_free;
        unit->released = false;
        if (unit->holders == 0)
            apr_pool_destroy(unit->pool);
    }
}
