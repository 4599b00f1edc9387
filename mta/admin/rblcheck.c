/* rbl-check(8): whether DNS lists have an address. */
#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/admin/lookup.h"
#include "mta/admin/spool_commands.h"
#include "mta/conf/options.h"

enum { EXIT_LISTED = 1, EXIT_TRY_AGAIN = 75 };

typedef struct rbl_t {
    lookup_t *lookup;
    zm_ip_t ip;
    bool json;
    int told, code;
    apr_pool_t *pool;
} rbl_t;

static void tell(rbl_t *rbl, const char *zone, const char *state, const char *detail)
{
    if (rbl->json) {
        printf("%s{\"zone\":", rbl->told > 0 ? ",\n " : "[");
        spool_json_string(zone);
        spool_json_text("state", state);
        spool_json_text("detail", detail);
        printf("}");
    } else {
        printf("%-30s %s%s", zone, state, *detail != '\0' ? ": " : "");
        spool_print_shown(detail);
        printf("\n");
    }
    rbl->told++;
}

/* An address in 127/8 is an entry; others are no list's, but of somebody who answers for all. */
static bool is_entry(const zm_dns_answer_t *answer)
{
    int i;
    for (i = 0; i < answer->count; i++)
        if (answer->records[i].ip.family == 4 && answer->records[i].ip.bytes[0] == 127)
            return true;
    return false;
}

static void ask(rbl_t *rbl, const char *zone)
{
    const char *name = zm_ip_reverse_name(&rbl->ip, zone, rbl->pool);
    const zm_dns_answer_t *answer = lookup_ask(rbl->lookup, ZM_DNS_A, name), *text;
    if (answer->outcome == ZM_DNS_TEMPORARY) {
        tell(rbl, zone, "unknown", answer->reason != NULL ? answer->reason : "no answer");
        if (rbl->code == 0)
            rbl->code = EXIT_TRY_AGAIN;
    } else if (answer->outcome != ZM_DNS_FOUND) {
        tell(rbl, zone, "not listed", "");
    } else if (!is_entry(answer)) {
        tell(rbl, zone, "no list", "it answers with an address outside of 127.0.0.0/8");
    } else {
        text = lookup_ask(rbl->lookup, ZM_DNS_TXT, name);
        tell(rbl, zone, "listed",
             text->outcome == ZM_DNS_FOUND && text->count > 0
                 ? zm_str_c(rbl->pool, text->records[0].text)
                 : "");
        rbl->code = EXIT_LISTED;
    }
}

int main(int argc, char **argv)
{
    rbl_t rbl = {0};
    const zm_option_t table[] = {
        {0, "json", ZM_OPTION_FLAG, &rbl.json, NULL, NULL, "as JSON"},
    };
    const zm_command_line_t line = {
        "rbl-check", "ADDRESS ZONE ...", "ask DNS lists for an address", table, 1, NULL, 0};
    int i, code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&rbl.pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (argc < 3 || (zm_ip_parse(&rbl.ip, zm_str(argv[1])) != APR_SUCCESS &&
                     zm_ip_parse_literal(&rbl.ip, zm_str(argv[1])) != APR_SUCCESS)) {
        fprintf(stderr, "rbl-check: expected an address, as 192.0.2.1, and zones of lists, as "
                        "dnsbl.example.org\n");
        return ZM_EXIT_USAGE;
    }
    rbl.lookup = lookup_create("rbl-check", rbl.pool);
    if (rbl.lookup == NULL)
        return EXIT_TRY_AGAIN;
    for (i = 2; i < argc; i++)
        ask(&rbl, argv[i]);
    if (rbl.json)
        printf("]\n");
    apr_pool_destroy(rbl.pool);
    return rbl.code;
}
