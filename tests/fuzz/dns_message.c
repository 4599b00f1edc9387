/*
 * Replies of the domain name service.  The first byte chooses the question.
 *
 * A reply that is refused gives nothing; names in one that is accepted are printable, and texts lie
 * in memory of their own.
 */
#include "mta/net/dns_message.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const zm_dns_type_t types[] = {ZM_DNS_A,   ZM_DNS_CNAME, ZM_DNS_PTR, ZM_DNS_MX,
                                          ZM_DNS_TXT, ZM_DNS_AAAA,  ZM_DNS_TLSA};
    zm_dns_answer_t answer = {.name = "mail.test"};
    apr_pool_t *pool = fuzz_pool();
    unsigned sum = 0;
    apr_size_t at;
    bool more;
    int i;
    if (size == 0)
        return 0;
    answer.type = types[data[0] % (sizeof types / sizeof types[0])];
    zm_dns_message_read(&answer, &more, "mail.test", zm_str_of((const char *)data + 1, size - 1),
                        pool);
    FUZZ_EXPECT((answer.outcome == ZM_DNS_FOUND) == (answer.count > 0));
    FUZZ_EXPECT(answer.outcome != ZM_DNS_TEMPORARY || answer.reason != NULL);
    for (i = 0; i < answer.count; i++) {
        const zm_dns_record_t *record = &answer.records[i];
        for (at = 0; record->host != NULL && record->host[at] != '\0'; at++)
            FUZZ_EXPECT(record->host[at] >= ' ' && record->host[at] <= '~');
        for (at = 0; at < record->text.length; at++)
            sum += (unsigned char)record->text.data[at];
    }
    return sum > UINT32_MAX; /* never: the texts are only read */
}
