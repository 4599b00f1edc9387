#include "ta/smtp/secrets.h"

#include "mta/net/base64.h"
#include "mta/net/scram.h"
#include "mta/net/tls.h"
#include "platform/fs.h"

#define FILE_LIMIT (4u * 1024 * 1024)
#define WORDS 4
#define OTHERS_MAY 077 /* bits of the mode that must not be there */

/* An address with a port, "[192.0.2.1]:587", is known without it too. */
static bool is_host(zm_str_t word, const char *host)
{
    const char *end = host[0] == '[' ? strstr(host, "]:") : NULL;
    return zm_str_equal_nocase(word, zm_str(host)) ||
           (end != NULL &&
            zm_str_equal_nocase(word, zm_str_of(host, (apr_size_t)(end - host) + 1)));
}

/* The line that counts; false: there is none. */
static bool find_line(zm_str_t text, const char *channel, const char *host, zm_str_t words[WORDS])
{
    while (text.length > 0) {
        zm_str_t line;
        int count = 0;
        if (!zm_str_cut(text, '\n', &line, &text))
            text = ZM_S("");
        line = zm_str_trim(line);
        while (count < WORDS && zm_str_word(&line, &words[count]))
            count++;
        if (count == WORDS && words[0].data[0] != '#' &&
            (zm_str_equal_c(words[0], "*") || zm_str_equal_c(words[0], channel)) &&
            is_host(words[1], host))
            return true;
    }
    return false;
}

static apr_status_t read_file(zm_str_t *text, const char *path, apr_pool_t *pool, zm_error_t *error)
{
    zm_file_t *file;
    zm_file_info_t info;
    char *data;
    apr_size_t length = 0;
    char reason[120];
    apr_status_t status = zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status == APR_SUCCESS) {
        status = zm_file_info(&info, file);
        if (status == APR_SUCCESS && (info.mode & OTHERS_MAY) != 0) {
            (void)zm_file_close(file);
            return zm_error_set(error, ZM_E_CONFIG, "%s: others may read it; chmod 600", path);
        }
        if (status == APR_SUCCESS)
            status = zm_file_slurp_file(&data, &length, file, FILE_LIMIT, pool);
        (void)zm_file_close(file);
    }
    if (status != APR_SUCCESS)
        return zm_error_set(error, ZM_E_CONFIG, "%s: %s", path,
                            zm_status_text(status, reason, sizeof reason));
    *text = zm_str_of(data, length);
    return APR_SUCCESS;
}

static apr_status_t decode(zm_buf_t *into, zm_str_t word)
{
    apr_status_t status = zm_sasl_decode(into, word);
    if (status == APR_SUCCESS &&
        (into->length == 0 || memchr(into->data, '\0', into->length) != NULL))
        return ZM_E_SYNTAX;
    return status;
}

apr_status_t zm_secrets_find(zm_secrets_t *secrets, bool *found, const char *path,
                             const char *channel, const char *host, apr_pool_t *pool,
                             zm_error_t *error)
{
    zm_str_t text = ZM_S(""), words[WORDS];
    apr_pool_t *scratch;
    apr_status_t status = apr_pool_create(&scratch, pool);
    *found = false;
    if (status != APR_SUCCESS)
        return zm_error_set(error, ZM_E_CONFIG, "%s: out of memory", path);
    status = read_file(&text, path, scratch, error);
    if (status == APR_SUCCESS && find_line(text, channel, host, words)) {
        *found = true;
        if (decode(&secrets->user, words[2]) != APR_SUCCESS ||
            decode(&secrets->password, words[3]) != APR_SUCCESS)
            status =
                zm_error_set(error, ZM_E_CONFIG,
                             "%s: user and secret for %s must be base64 of something", path, host);
    }
    if (text.length > 0)
        zm_tls_forget((char *)text.data, text.length);
    apr_pool_destroy(scratch);
    return status;
}

void zm_secrets_end(zm_secrets_t *secrets)
{
    zm_buf_free_secret(&secrets->user);
    zm_buf_free_secret(&secrets->password);
}
