/*
 * SPF records and explanations.  The first line is the local part of the sender, the second the
 * name in the greeting, the rest is the record.
 *
 * Terms lie within the record; a name that is made of one has no octet of its own that no name may
 * have, and is short enough where it has dots; an explanation is short, plain text.
 */
#include <string.h>

#include "mta/smtpserver/spf_parts.h"
#include "tests/fuzz/fuzz.h"

static void check_term(const spf_term_t *term, zm_str_t text, const spf_values_t *values,
                       apr_pool_t *pool)
{
    FUZZ_EXPECT(term->domain.length == 0 ||
                (term->domain.data >= text.data &&
                 term->domain.data + term->domain.length <= text.data + text.length));
    if (term->kind == SPF_IP)
        FUZZ_EXPECT(term->network.width <= (term->network.ip.family == 4 ? 32 : 128) ||
                    term->network.ip.family == 4); /* "ip6:::ffff:192.0.2.1/100" */
    if (term->kind == SPF_A || term->kind == SPF_MX)
        FUZZ_EXPECT(term->width4 >= 0 && term->width4 <= 32 && term->width6 >= 0 &&
                    term->width6 <= 128);
    (void)spf_expand(term->domain, values, pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    zm_str_t text = zm_str_of((const char *)data, size), terms, rest, explanation;
    spf_values_t values = {.domain = ZM_S("example.org"),
                           .current = ZM_S("spf.example.org"),
                           .receiver = ZM_S("mx.test")};
    spf_term_t term;
    bool good;
    apr_size_t i;
    zm_str_cut(text, '\n', &values.local, &text);
    zm_str_cut(text, '\n', &values.helo, &text);
    FUZZ_EXPECT(zm_ip_parse(&values.ip, size & 1 ? ZM_S("192.0.2.1") : ZM_S("2001:db8::cb01")) ==
                APR_SUCCESS);
    if (spf_terms(text, &terms)) {
        rest = terms;
        while (spf_next(&rest, &term, &good))
            check_term(&term, terms, &values, pool);
    }
    explanation = spf_explain(text, &values, pool);
    FUZZ_EXPECT(explanation.length <= 400);
    for (i = 0; i < explanation.length; i++)
        FUZZ_EXPECT(explanation.data[i] >= ' ' && explanation.data[i] <= '~');
    return 0;
}
