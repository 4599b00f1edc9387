#include "mta/smtpserver/ticket_keys.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/log.h"

#define WORD "ticket "
#define LINE (sizeof WORD - 1 + 2 * sizeof(zm_tls_ticket_key_t) + 1)

#define MOST_UNSENT 4 /* lines */

struct ticket_keys_t {
    zm_tls_ticket_key_t newest, before;
    bool has_before;
    apr_interval_time_t life;
    zm_timer_t timer;
    ticket_keys_fn *changed;
    void *baton;
};

/* -- lines ------------------------------------------------------------------------------------- */

static int digit(char c)
{
    if (zm_is_digit((unsigned char)c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ticket_keys_read(zm_str_t line, zm_tls_ticket_key_t *key)
{
    unsigned char *bytes = (unsigned char *)key;
    apr_size_t i;
    if (line.length != LINE - 1 || !zm_str_starts(line, ZM_S(WORD)))
        return false;
    line = zm_str_from(line, sizeof WORD - 1);
    for (i = 0; i < sizeof *key; i++) {
        int high = digit(line.data[2 * i]), low = digit(line.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static void add_key(const zm_tls_ticket_key_t *key, zm_buf_t *unsent)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = (const unsigned char *)key;
    apr_size_t i;
    if (unsent->length > (MOST_UNSENT - 1) * LINE)
        return;
    if (unsent->length == 0)
        zm_buf_reserve(unsent, MOST_UNSENT * LINE); /* it never moves: no copies stay behind */
    zm_buf_add_c(unsent, WORD);
    for (i = 0; i < sizeof *key; i++) {
        zm_buf_add_byte(unsent, digits[bytes[i] >> 4]);
        zm_buf_add_byte(unsent, digits[bytes[i] & 15]);
    }
    zm_buf_add_byte(unsent, '\n');
}

void ticket_keys_add_newest(const ticket_keys_t *keys, zm_buf_t *unsent)
{
    if (keys != NULL)
        add_key(&keys->newest, unsent);
}

void ticket_keys_add_all(const ticket_keys_t *keys, zm_buf_t *unsent)
{
    if (keys != NULL && keys->has_before)
        add_key(&keys->before, unsent);
    ticket_keys_add_newest(keys, unsent);
}

static void forget(zm_buf_t *unsent, apr_size_t count)
{
    apr_size_t left = unsent->length - count;
    zm_buf_consume(unsent, count);
    zm_tls_forget(unsent->data + left, count);
}

bool ticket_keys_send(zm_buf_t *unsent, apr_socket_t *channel)
{
    while (unsent->length > 0) {
        apr_size_t length = unsent->length;
        apr_status_t status = apr_socket_send(channel, unsent->data, &length);
        if (length > 0 && length <= unsent->length)
            forget(unsent, length);
        else if (APR_STATUS_IS_EAGAIN(status))
            return true;
        else
            break; /* it has gone */
    }
    ticket_keys_drop(unsent);
    return false;
}

void ticket_keys_drop(zm_buf_t *unsent)
{
    if (unsent->length > 0)
        zm_tls_forget(unsent->data, unsent->length);
    zm_buf_free(unsent);
}

/* -- their life ----------------------------------------------------------------------------------
 */

/* The longest that a session may be gone on with; 0: none may. */
static int64_t longest(const config_t *config)
{
    int64_t seconds = 0;
    int i;
    for (i = 0; i < config->groups->nelts; i++) {
        const config_tls_t *tls = &APR_ARRAY_IDX(config->groups, i, config_group_t *)->tls;
        if (tls->use && tls->resume && tls->seconds > seconds)
            seconds = tls->seconds;
    }
    return seconds;
}

static void on_time(zm_timer_t *timer, void *baton)
{
    ticket_keys_t *keys = baton;
    zm_tls_ticket_key_t made;
    zm_error_t error;
    zm_timer_set(timer, keys->life);
    if (zm_tls_ticket_key_make(&made, &error) != APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, NULL, "the key of TLS tickets stays", ZM_F_S("reason", error.text));
        return;
    }
    keys->before = keys->newest;
    keys->newest = made;
    keys->has_before = true;
    keys->changed(keys->baton);
}

ticket_keys_t *ticket_keys_create(const config_t *config, zm_loop_t *loop, ticket_keys_fn *changed,
                                  void *baton, apr_pool_t *pool)
{
    ticket_keys_t *keys;
    zm_error_t error;
    int64_t seconds = longest(config);
    if (seconds == 0)
        return NULL;
    keys = apr_pcalloc(pool, sizeof *keys);
    if (zm_tls_ticket_key_make(&keys->newest, &error) != APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, NULL, "TLS sessions are not resumed", ZM_F_S("reason", error.text));
        return NULL;
    }
    keys->life = apr_time_from_sec(seconds);
    keys->changed = changed;
    keys->baton = baton;
    zm_timer_init(&keys->timer, loop, on_time, keys);
    zm_timer_set(&keys->timer, keys->life);
    return keys;
}

void ticket_keys_close(ticket_keys_t *keys)
{
    if (keys == NULL)
        return;
    zm_timer_cancel(&keys->timer);
    zm_tls_forget(&keys->newest, sizeof keys->newest);
    zm_tls_forget(&keys->before, sizeof keys->before);
}
