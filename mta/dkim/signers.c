#include <apr_strings.h>
#include <apr_tables.h>

#include "mta/conf/lines.h"
#include "mta/dkim/sign.h"
#include "mta/dkim/tags.h"

/* "domain selector file"; false: it is something else. */
static bool read_line(zm_signer_t *signer, zm_str_t rest, apr_pool_t *pool)
{
    zm_str_t domain, selector, file, more;
    if (!zm_str_word(&rest, &domain) || !zm_str_word(&rest, &selector) ||
        !zm_str_word(&rest, &file) || zm_str_word(&rest, &more))
        return false;
    *signer = (zm_signer_t){0};
    signer->below = domain.data[0] == '.';
    signer->domain = zm_str_from(zm_str_lower(pool, domain), signer->below ? 1 : 0);
    signer->selector = zm_str_copy(pool, selector);
    signer->file = zm_str_c(pool, file);
    return zm_is_dns_name(signer->domain) && zm_is_dns_name(selector);
}

static bool is_comment(zm_str_t line)
{
    return line.length == 0 || line.data[0] == '#';
}

apr_status_t zm_signers_load(zm_signers_t **result, const char *file, apr_pool_t *pool,
                             zm_error_t *error)
{
    apr_array_header_t *items = apr_array_make(pool, 8, sizeof(zm_signer_t));
    zm_conf_lines_t *lines;
    zm_str_t line;
    apr_status_t status = zm_conf_lines_open(&lines, file, pool, error);
    while (status == APR_SUCCESS && zm_conf_lines_next(lines, &line)) {
        line = zm_str_trim(line);
        if (!is_comment(line) && !read_line(apr_array_push(items), line, pool))
            status = zm_conf_lines_fail(lines, error, "expected DOMAIN SELECTOR KEY-FILE");
    }
    if (status != APR_SUCCESS)
        return status;
    if (items->nelts == 0)
        return zm_error_set(error, ZM_E_CONFIG, "%s has no line for any domain", file);
    *result = apr_pcalloc(pool, sizeof **result);
    (*result)->items = (zm_signer_t *)(void *)items->elts;
    (*result)->count = items->nelts;
    (*result)->pool = pool;
    return APR_SUCCESS;
}

/* How much of a domain a line is about; 0: it is not about that. */
static apr_size_t closeness(const zm_signer_t *signer, zm_str_t domain)
{
    apr_size_t length = signer->domain.length;
    if (zm_str_equal_nocase(signer->domain, domain))
        return length + 1;
    return signer->below && domain.length > length && zm_str_ends_nocase(domain, signer->domain) &&
                   domain.data[domain.length - length - 1] == '.'
               ? length
               : 0;
}

zm_signer_t *zm_signers_find(const zm_signers_t *signers, zm_str_t domain)
{
    zm_signer_t *best = NULL;
    apr_size_t most = 0, close;
    int i;
    for (i = 0; i < signers->count; i++) {
        close = closeness(&signers->items[i], domain);
        if (close > most) {
            most = close;
            best = &signers->items[i];
        }
    }
    return best;
}

apr_status_t zm_signer_open(const zm_signers_t *signers, zm_signer_t *signer, zm_error_t *error)
{
    if (signer->key != NULL)
        return APR_SUCCESS;
    return zm_private_key_load(&signer->key, signer->file, signers->pool, error);
}
