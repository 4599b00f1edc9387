#include "mta/admin/dkim.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/dkim/tags.h"

#define RSA_BITS 2048
#define STRING 200 /* octets of a string of a record: DNS has at most 255 */

enum { EXIT_WRONG = 1, EXIT_NO_INPUT = 66, EXIT_NO_OUTPUT = 73 };

static int fail(int code, const char *text)
{
    fprintf(stderr, "zmailer: %s\n", text);
    return code;
}

static int usage(void)
{
    return fail(ZM_EXIT_USAGE, "dkim key DOMAIN SELECTOR FILE [ed25519 | rsa], "
                               "dkim record DOMAIN SELECTOR FILE, or dkim check FILE");
}

/* As a zone file has it: strings that are short enough. */
static void print_record(const char *domain, const char *selector, const zm_private_key_t *key,
                         apr_pool_t *pool)
{
    const char *text = zm_private_key_record(key, pool);
    apr_size_t at, length = strlen(text);
    bool several = length > STRING;
    printf("%s._domainkey.%s. IN TXT%s", selector, domain, several ? " (" : "");
    for (at = 0; at < length; at += STRING)
        printf("%s\"%.*s\"", several ? "\n\t" : " ",
               (int)(length - at < STRING ? length - at : STRING), text + at);
    puts(several ? " )" : "");
}

static bool are_names(const char *domain, const char *selector)
{
    return zm_is_dns_name(zm_str(domain)) && zm_is_dns_name(zm_str(selector));
}

static int make_key(const char *const *words, int count, apr_pool_t *pool)
{
    zm_private_key_t *key;
    zm_error_t error = {0};
    const char *kind = count > 3 ? words[3] : "rsa";
    int bits = strcmp(kind, "ed25519") == 0 ? 0 : RSA_BITS;
    if (count < 3 || count > 4 || (bits != 0 && strcmp(kind, "rsa") != 0))
        return usage();
    if (!are_names(words[0], words[1]))
        return fail(ZM_EXIT_USAGE, "DOMAIN and SELECTOR are names as DNS has them");
    if (zm_private_key_make(&key, bits, pool, &error) != APR_SUCCESS ||
        zm_private_key_write(key, words[2], pool, &error) != APR_SUCCESS)
        return fail(EXIT_NO_OUTPUT, error.text);
    printf("; the key is in %s; publish:\n", words[2]);
    print_record(words[0], words[1], key, pool);
    printf("; and have a line in the file of smtp -O dkim=FILE:\n;   %s %s %s\n", words[0],
           words[1], words[2]);
    return 0;
}

static int show_record(const char *const *words, int count, apr_pool_t *pool)
{
    zm_private_key_t *key;
    zm_error_t error = {0};
    if (count != 3)
        return usage();
    if (!are_names(words[0], words[1]))
        return fail(ZM_EXIT_USAGE, "DOMAIN and SELECTOR are names as DNS has them");
    if (zm_private_key_load(&key, words[2], pool, &error) != APR_SUCCESS)
        return fail(EXIT_NO_INPUT, error.text);
    print_record(words[0], words[1], key, pool);
    return 0;
}

/* What is wrong with what DNS has under the name of a key; null: nothing. */
static const char *fault(const zm_dns_answer_t *answer, const zm_private_key_t *key,
                         apr_pool_t *pool)
{
    int i;
    if (answer->outcome == ZM_DNS_TEMPORARY)
        return apr_pstrcat(pool, "DNS does not answer: ", answer->reason, NULL);
    if (answer->count == 0)
        return "it is not in DNS";
    for (i = 0; i < answer->count; i++)
        if (zm_private_key_matches(key, answer->records[i].text, pool))
            return NULL;
    return "DNS has another key";
}

const char *dkim_name(const zm_signer_t *signer, apr_pool_t *pool)
{
    return apr_pstrcat(pool, zm_str_c(pool, signer->selector), "._domainkey.",
                       zm_str_c(pool, signer->domain), NULL);
}

const char *dkim_fault(const zm_signers_t *signers, zm_signer_t *signer, lookup_t *lookup,
                       apr_pool_t *pool)
{
    zm_error_t error = {0};
    if (zm_signer_open(signers, signer, &error) != APR_SUCCESS)
        return apr_pstrdup(pool, error.text);
    return fault(lookup_ask(lookup, ZM_DNS_TXT, dkim_name(signer, pool)), signer->key, pool);
}

static int check_signer(const zm_signers_t *signers, zm_signer_t *signer, lookup_t *lookup,
                        apr_pool_t *pool)
{
    const char *name = dkim_name(signer, pool);
    const char *wrong = dkim_fault(signers, signer, lookup, pool);
    if (wrong == NULL)
        printf("%s: good, %s, %d bits\n", name,
               zm_private_key_is_ed25519(signer->key) ? "ed25519" : "rsa",
               zm_private_key_bits(signer->key));
    else
        printf("%s: %s\n", name, wrong);
    return wrong == NULL ? 0 : EXIT_WRONG;
}

static int check_keys(const char *const *words, int count, apr_pool_t *pool)
{
    zm_signers_t *signers;
    lookup_t *lookup;
    zm_error_t error = {0};
    int i, code = 0;
    if (count != 1)
        return usage();
    if (zm_signers_load(&signers, words[0], pool, &error) != APR_SUCCESS)
        return fail(EXIT_NO_INPUT, error.text);
    lookup = lookup_create("zmailer", pool);
    if (lookup == NULL)
        return EXIT_WRONG;
    for (i = 0; i < signers->count; i++)
        if (check_signer(signers, &signers->items[i], lookup, pool) != 0)
            code = EXIT_WRONG;
    return code;
}

int dkim_command(const char *const *words, int count, apr_pool_t *pool)
{
    const char *word = count > 0 ? words[0] : "";
    if (strcmp(word, "key") == 0)
        return make_key(words + 1, count - 1, pool);
    if (strcmp(word, "record") == 0)
        return show_record(words + 1, count - 1, pool);
    if (strcmp(word, "check") == 0)
        return check_keys(words + 1, count - 1, pool);
    return usage();
}
