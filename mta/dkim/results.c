#include "mta/dkim/results.h"

#include "mta/dkim/tags.h"

static void add_name(zm_buf_t *out, const char *property, zm_str_t name)
{
    if (zm_is_dns_name(name))
        zm_buf_printf(out, " %s=%.*s", property, (int)name.length, name.data);
}

static void add_reason(zm_buf_t *out, const char *reason)
{
    if (reason != NULL)
        zm_buf_printf(out, " (%s)", reason);
}

static void add_spf(zm_buf_t *out, const zm_spf_said_t *spf)
{
    zm_buf_printf(out, "; spf=%s", zm_auth_name(spf->result));
    add_name(out, spf->helo ? "smtp.helo" : "smtp.mailfrom", spf->domain);
}

static void add_dmarc(zm_buf_t *out, const zm_verified_t *verified)
{
    zm_buf_printf(out, "; dmarc=%s", zm_auth_name(verified->dmarc));
    add_reason(out, verified->dmarc_reason);
    if (verified->dmarc == ZM_AUTH_PASS || verified->dmarc == ZM_AUTH_FAIL)
        zm_buf_printf(out, " (p=%s)", zm_dmarc_policy_name(verified->policy));
    add_name(out, "header.from", zm_str(verified->author));
}

static void add_arc(zm_buf_t *out, const zm_verified_t *verified)
{
    zm_buf_printf(out, "; arc=%s", zm_auth_name(verified->arc));
    add_reason(out, verified->arc_reason);
    if (verified->arc == ZM_AUTH_PASS) {
        zm_buf_printf(out, " (i=%d)", verified->arc_sets);
        add_name(out, "header.d", verified->arc_sealer);
    }
}

static void add_signature(zm_buf_t *out, const zm_signature_t *signature)
{
    zm_buf_printf(out, "; dkim=%s", zm_auth_name(signature->result));
    if (signature->testing && signature->result != ZM_AUTH_PASS)
        add_reason(out, "its domain is testing");
    add_reason(out, signature->reason);
    add_name(out, "header.d", signature->domain);
    add_name(out, "header.s", signature->selector);
    if (signature->brief[0] != '\0' && signature->result != ZM_AUTH_NEUTRAL)
        zm_buf_printf(out, " header.a=%s header.b=\"%s\"", zm_signature_algorithm(signature),
                      signature->brief);
}

/* Adds a signature that still fits. */
static void add_if_it_fits(zm_buf_t *out, const zm_signature_t *signature, apr_size_t end)
{
    apr_size_t length = out->length;
    add_signature(out, signature);
    if (out->length > end)
        out->length = length;
}

void zm_auth_results_add(zm_buf_t *out, const char *host, const zm_spf_said_t *spf,
                         const zm_verified_t *verified, apr_size_t limit)
{
    apr_size_t end = out->length + limit;
    int i, pass;
    zm_buf_add_c(out, host);
    add_spf(out, spf);
    add_dmarc(out, verified);
    add_arc(out, verified);
    if (verified->count == 0)
        zm_buf_add_c(out, "; dkim=none");
    for (pass = 0; pass < 2; pass++)
        for (i = 0; i < verified->count; i++)
            if ((verified->signatures[i].result == ZM_AUTH_PASS) == (pass == 0))
                add_if_it_fits(out, &verified->signatures[i], end);
    if (out->length > end)
        out->length = end;
}

static zm_auth_t result_by_name(zm_str_t name)
{
    int i;
    for (i = ZM_AUTH_NONE; i <= ZM_AUTH_PERMERROR; i++)
        if (zm_str_equal_nocase(name, zm_str(zm_auth_name((zm_auth_t)i))))
            return (zm_auth_t)i;
    return ZM_AUTH_NONE;
}

zm_auth_t zm_auth_results_get(zm_str_t value, const char *method)
{
    zm_str_t part, name, result, word;
    bool more = true;
    while (more) {
        more = zm_str_cut(value, ';', &part, &value);
        if (zm_str_cut(zm_str_trim(part), '=', &name, &result) &&
            zm_str_equal_nocase(zm_str_trim(name), zm_str(method)) && zm_str_word(&result, &word))
            return result_by_name(word);
    }
    return ZM_AUTH_NONE;
}
