/*
 * srs_forward and srs_reverse: senders of forwarded messages (mta/mail/srs.h).
 *
 *     srs_secrets     a list, or one word; the first signs
 *     srs_domain      of rewritten senders
 *     srs_separator srs_hashlength srs_hashmin srs_maxage
 *     srs_alwaysrewrite srs_noforward srs_noreverse     0, or 1 for yes
 */
#include <apr_strings.h>

#include "mta/mail/srs.h"
#include "mta/router/commands.h"

#define SECRETS 10
#define MOST 4096

static zm_str_t text_of(zm_call_t *call, const char *name)
{
    return zm_script_get_str(call->script, name);
}

static bool is_yes(zm_call_t *call, const char *name)
{
    zm_str_t text = text_of(call, name);
    return text.length > 0 && !zm_str_equal_c(text, "0");
}

/* A number of the site; a bad one is told and not taken. */
static uint64_t number_of(zm_call_t *call, const char *name, uint64_t least, uint64_t otherwise)
{
    zm_str_t text = text_of(call, name);
    uint64_t number;
    if (text.length == 0)
        return otherwise;
    if (zm_str_u64(text, &number) == APR_SUCCESS && number >= least && number <= MOST)
        return number;
    zm_call_complain(call, "%s: a number from %d to %d is expected", name, (int)least, MOST);
    return otherwise;
}

static void read_secrets(zm_srs_t *srs, zm_str_t *secrets, zm_call_t *call)
{
    zm_value_t value = ZM_VALUE_NIL;
    apr_size_t i, count;
    srs->secrets = secrets;
    if (!zm_script_get(call->script, ZM_S("srs_secrets"), &value))
        return;
    if (!zm_value_is_list(value)) {
        secrets[0] = zm_value_str(value);
        srs->secret_count = secrets[0].length > 0;
        return;
    }
    count = zm_value_count(value);
    for (i = 0; i < count && i < SECRETS; i++) {
        zm_str_t secret = zm_value_str(zm_value_item(value, i));
        if (secret.length == 0) {
            zm_call_complain(call, "srs_secrets: an empty secret is none");
            continue;
        }
        secrets[srs->secret_count++] = secret;
    }
}

static void read_separator(zm_srs_t *srs, zm_call_t *call)
{
    zm_str_t text = text_of(call, "srs_separator");
    if (text.length == 1 && (text.data[0] == '=' || text.data[0] == '+' || text.data[0] == '-'))
        srs->separator = text.data[0];
    else if (text.length > 0)
        zm_call_complain(call, "srs_separator: =, + or - is expected");
}

static void set_up(zm_srs_t *srs, zm_str_t *secrets, zm_call_t *call)
{
    zm_srs_defaults(srs);
    read_secrets(srs, secrets, call);
    read_separator(srs, call);
    srs->domain = text_of(call, "srs_domain");
    srs->hash_length = (apr_size_t)number_of(call, "srs_hashlength", 1, srs->hash_length);
    srs->hash_min = (apr_size_t)number_of(call, "srs_hashmin", 1, srs->hash_length);
    if (srs->hash_min > srs->hash_length) {
        zm_call_complain(call, "srs_hashmin: not more than srs_hashlength");
        srs->hash_min = srs->hash_length;
    }
    srs->max_age = (unsigned)number_of(call, "srs_maxage", 1, srs->max_age);
    srs->always = is_yes(call, "srs_alwaysrewrite");
    srs->now = apr_time_now();
}

typedef apr_status_t srs_fn(zm_str_t *result, const zm_srs_t *srs, zm_str_t address,
                            apr_pool_t *pool);

/* The address as it is where it cannot be rewritten. */
static int rewrite(zm_call_t *call, srs_fn *fn, const char *forbidden)
{
    zm_str_t secrets[SECRETS], address = zm_call_arg(call, 0), result = address;
    zm_srs_t srs;
    if (call->count != 1) {
        zm_call_complain(call, "an address is expected");
        return 1;
    }
    if (!is_yes(call, forbidden)) {
        set_up(&srs, secrets, call);
        if (fn(&result, &srs, address, zm_script_pool(call->script)) != APR_SUCCESS)
            result = address;
    }
    zm_call_return(call, zm_value_of(result));
    return 0;
}

static int forward(zm_call_t *call)
{
    return rewrite(call, zm_srs_forward, "srs_noforward");
}

static int reverse(zm_call_t *call)
{
    return rewrite(call, zm_srs_reverse, "srs_noreverse");
}

void router_commands_srs(router_worker_t *worker)
{
    zm_script_define(worker->script, "srs_forward", ZM_BUILTIN_LIST, forward, worker);
    zm_script_define(worker->script, "srs_reverse", ZM_BUILTIN_LIST, reverse, worker);
}
