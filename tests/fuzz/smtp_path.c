/*
 * The scanner of SMTP paths.  The first byte gives the flags.
 *
 * Nothing is read or reported outside of the text, and the address of an
 * accepted path is one that the router's parser accepts too.
 */
#include <string.h>

#include "mta/mail/address.h"
#include "mta/mail/smtp_path.h"
#include "mta/mail/xtext.h"
#include "tests/fuzz/fuzz.h"

static void check_path(zm_str_t text, int flags, apr_pool_t *pool)
{
    zm_smtp_path_t path;
    zm_smtp_problem_t problem;
    zm_str_t address;
    if (!zm_smtp_path(text, flags, &path, &problem)) {
        FUZZ_EXPECT(problem.at <= text.length && problem.text != NULL);
        return;
    }
    FUZZ_EXPECT(path.end <= text.length);
    address = zm_smtp_path_address(&path, true, pool);
    FUZZ_EXPECT(memchr(address.data, '\0', address.length) == NULL);
    FUZZ_EXPECT(memchr(address.data, '\n', address.length) == NULL);
    if (address.length > 0)
        FUZZ_EXPECT(zm_address_parse(ZM_RULE_ROUTE_ADDRESS, address, pool)->bad == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    zm_smtp_problem_t problem;
    zm_str_t text, encoded;
    if (size == 0)
        return 0;
    text = zm_str_of((const char *)data + 1, size - 1);
    check_path(text, data[0] & 15, pool);
    if (!zm_smtp_helo(text, &problem))
        FUZZ_EXPECT(problem.at <= text.length);
    if (!zm_smtp_orcpt(text, &problem))
        FUZZ_EXPECT(problem.at <= text.length);
    zm_smtp_is_ipv6(text);
    encoded = zm_xtext_encode(text, pool);
    FUZZ_EXPECT(zm_str_equal(zm_xtext_decode(encoded, pool), text));
    return 0;
}
