/*
 * Signatures, chains and policies.  The input is a message, and behind a line
 * "%%" the text of a record that every question is answered with.
 *
 * The pieces in which a message comes make no difference; what is said of it is
 * one line of printable ASCII within its limit; what is sealed on top of it goes
 * on being readable; and each question has a name that DNS can have.
 */
#include <apr_strings.h>
#include <string.h>

#include "mta/dkim/results.h"
#include "mta/dkim/sign.h"
#include "mta/dkim/tags.h"
#include "tests/fuzz/fuzz.h"

#define MOST_QUESTIONS 200
#define LIMIT 900

/* -- a name service that gives one answer ---------------------------------------------------- */

static struct {
    zm_dns_fn *fn;
    void *baton;
} questions[MOST_QUESTIONS];
static int asked;

void zm_dns_ask(zm_dns_query_t **query, zm_dns_t *dns, zm_dns_type_t type, zm_str_t name,
                zm_dns_fn *fn, void *baton, apr_pool_t *pool)
{
    (void)query;
    (void)dns;
    (void)pool;
    FUZZ_EXPECT(type == ZM_DNS_TXT);
    FUZZ_EXPECT(name.length > 0 && memchr(name.data, ' ', name.length) == NULL);
    FUZZ_EXPECT(asked < MOST_QUESTIONS);
    questions[asked].fn = fn;
    questions[asked++].baton = baton;
}

static void answer_all(zm_str_t text)
{
    zm_dns_record_t record = {.text = text};
    zm_dns_answer_t answer = {.outcome = ZM_DNS_FOUND, .count = 1, .records = &record};
    int i;
    if (text.length == 0) {
        answer.outcome = ZM_DNS_NO_NAME;
        answer.count = 0;
    }
    for (i = 0; i < asked; i++)
        questions[i].fn(&answer, questions[i].baton);
}

/* -- one message ------------------------------------------------------------------------------- */

static void on_told(void *baton)
{
    ++*(int *)baton;
}

static zm_str_t examine(zm_str_t text, zm_str_t record, apr_size_t piece, apr_pool_t *pool)
{
    zm_verifier_t *verifier = zm_verifier_create(1700000000, pool);
    zm_spf_said_t spf = {ZM_AUTH_PASS, ZM_S("example.org"), false};
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t result;
    apr_size_t at;
    int told = 0;
    asked = 0;
    for (at = 0; at < text.length; at += piece)
        zm_verifier_put(verifier, text.data + at,
                        text.length - at < piece ? text.length - at : piece);
    zm_verifier_ask(verifier, NULL, on_told, &told);
    answer_all(record);
    if (told == 0)
        zm_verifier_give_up(verifier);
    FUZZ_EXPECT(told == 1);
    zm_verifier_judge(verifier, spf.result, spf.domain, 50);
    zm_auth_results_add(&out, "mx.example.org", &spf, zm_verifier_result(verifier), LIMIT);
    FUZZ_EXPECT(out.length <= LIMIT);
    for (at = 0; at < out.length; at++)
        FUZZ_EXPECT(out.data[at] >= ' ' && out.data[at] <= '~');
    result = zm_str_copy(pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return result;
}

/* What is put on top of any header can be read again, and is one more of its kind. */
static void seal(zm_str_t text, const char *results, apr_pool_t *pool)
{
    static zm_signer_t signer;
    static apr_pool_t *keys;
    zm_sign_request_t request = {.signer = &signer, .now = 1700000000};
    zm_dkim_header_t header, after;
    zm_buf_t out = ZM_BUF_INIT;
    if (keys == NULL) {
        FUZZ_EXPECT(apr_pool_create(&keys, NULL) == APR_SUCCESS);
        FUZZ_EXPECT(zm_private_key_make(&signer.key, 0, keys, NULL) == APR_SUCCESS);
        signer.domain = signer.selector = ZM_S("example.org");
    }
    zm_dkim_header_read(&header, text, pool);
    request.header = &header;
    FUZZ_EXPECT(zm_dkim_sign(&out, &request, pool) || header.count > 100);
    FUZZ_EXPECT(zm_arc_seal(&out, &request, zm_str(results), pool) || header.count > 100);
    zm_dkim_header_read(&after, zm_buf_str(&out), pool);
    FUZZ_EXPECT(after.count == 0 || after.count == 1 || after.count == 4);
    FUZZ_EXPECT(after.count == 0 || zm_dkim_is_signed(&after, signer.domain));
    zm_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    zm_str_t text = zm_str_of((const char *)data, size), record = {"", 0}, whole, pieces;
    const char *copy = zm_str_c(pool, text), *end = strstr(copy, "\n%%\n");
    if (end != NULL) {
        text.length = (apr_size_t)(end - copy) + 1;
        record = zm_str_of((const char *)data + text.length + 3, size - text.length - 3);
    }
    whole = examine(text, record, size + 1, pool);
    pieces = examine(text, record, 3, pool);
    FUZZ_EXPECT(zm_str_equal(whole, pieces));
    seal(text, "mx.example.org; arc=none", pool);
    seal(text, "mx.example.org; arc=pass", pool);
    return 0;
}
