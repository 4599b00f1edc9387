/*
 * A record is gone through term by term; a term that must ask stops the walk until it is answered.
 * include begins a record within the record, redirect another in its place.
 */
#include "mta/smtpserver/spf.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/smtpserver/spf_parts.h"

#define MOST_LOOKUPS 10 /* terms that ask (RFC 7208, 4.6.4) */
#define MOST_VOID 2     /* questions without an answer */
#define MOST_NAMES 10   /* of exchangers, or of an address */
#define MOST_DEPTH 11

typedef struct frame_t {
    zm_str_t domain, rest; /* of the record: terms that are left */
    zm_str_t redirect;     /* "" for none */
    zm_str_t explanation;  /* where it is; "" for none */
    spf_result_t included; /* what the include around it is worth when this passes */
} frame_t;

typedef struct spf_t {
    zm_dns_t *dns;
    spf_values_t values;
    spf_fn *fn;
    void *baton;
    apr_pool_t *pool;
    frame_t frames[MOST_DEPTH];
    int depth; /* of the frame that is gone through */
    int lookups, voids;
    spf_term_t term; /* that asks */
    zm_str_t target; /* its domain */
    const char *names[MOST_NAMES];
    int count, next; /* of names */
    bool explain;
    spf_result_t *decided;
} spf_t;

static void walk(spf_t *spf);
static void read_record(spf_t *spf);

const char *spf_name(spf_result_t result)
{
    static const char *const names[] = {"none",     "neutral",   "pass",     "fail",
                                        "softfail", "temperror", "permerror"};
    return names[result];
}

static void tell(spf_t *spf, spf_result_t result)
{
    spf->fn(result, ZM_S(""), spf->baton); /* the pool may be gone now */
}

/* -- explanations --------------------------------------------------------------------------- */

/* Whatever is wrong with it: then there is none (RFC 7208, 6.2). */
static void on_explanation(const zm_dns_answer_t *answer, void *baton)
{
    spf_t *spf = baton;
    zm_str_t text = {"", 0};
    if (answer->outcome == ZM_DNS_FOUND && answer->count == 1)
        text = spf_explain(answer->records[0].text, &spf->values, spf->pool);
    spf->fn(SPF_FAIL, text, spf->baton);
}

/* That of the domain itself, or of the one that its record was replaced by. */
static bool explain(spf_t *spf)
{
    const frame_t *frame = &spf->frames[0];
    const char *target;
    if (!spf->explain || frame->explanation.length == 0)
        return false;
    spf->values.current = frame->domain;
    target = spf_expand(frame->explanation, &spf->values, spf->pool);
    if (target == NULL)
        return false;
    if (spf->decided != NULL)
        *spf->decided = SPF_FAIL;
    zm_dns_ask(NULL, spf->dns, ZM_DNS_TXT, zm_str(target), on_explanation, spf, spf->pool);
    return true;
}

/* -- the end of a record ------------------------------------------------------------------ */

/* What a record within a record comes to (RFC 7208, 5.2). */
static void end_record(spf_t *spf, spf_result_t result)
{
    while (spf->depth > 0) {
        spf_result_t included = spf->frames[spf->depth].included;
        if (result == SPF_TEMPERROR)
            break;
        if (result == SPF_NONE || result == SPF_PERMERROR) {
            result = SPF_PERMERROR;
            break;
        }
        spf->depth--;
        if (result != SPF_PASS) {
            walk(spf);
            return;
        }
        result = included;
    }
    if (result != SPF_FAIL || !explain(spf))
        tell(spf, result);
}

static void no_match(spf_t *spf)
{
    walk(spf);
}

static void match(spf_t *spf)
{
    end_record(spf, spf->term.result);
}

/* -- terms that ask ------------------------------------------------------------------------- */

static zm_dns_type_t address_type(const spf_t *spf)
{
    return spf->values.ip.family == 4 ? ZM_DNS_A : ZM_DNS_AAAA;
}

static bool has_address(const spf_t *spf, const zm_dns_answer_t *answer, int width4, int width6)
{
    int i;
    for (i = 0; i < answer->count; i++) {
        zm_network_t network = {answer->records[i].ip, 0};
        network.width = (uint8_t)(network.ip.family == 4 ? width4 : width6);
        if (zm_network_contains(&network, &spf->values.ip))
            return true;
    }
    return false;
}

/* Whether the walk can go on after that answer; else the result has been told. */
static bool bear(spf_t *spf, const zm_dns_answer_t *answer)
{
    if (answer->outcome == ZM_DNS_TEMPORARY) {
        tell(spf, SPF_TEMPERROR);
        return false;
    }
    if (answer->count == 0 && ++spf->voids > MOST_VOID) {
        tell(spf, SPF_PERMERROR);
        return false;
    }
    return true;
}

static void on_address(const zm_dns_answer_t *answer, void *baton)
{
    spf_t *spf = baton;
    if (!bear(spf, answer))
        return;
    if (spf->term.kind == SPF_EXISTS ? answer->count > 0
                                     : has_address(spf, answer, spf->term.width4, spf->term.width6))
        match(spf);
    else
        no_match(spf);
}

static void ask_next_name(spf_t *spf);

/* Of one exchanger, or of one of the names of the client. */
static void on_name(const zm_dns_answer_t *answer, void *baton)
{
    spf_t *spf = baton;
    bool exchanger = spf->term.kind == SPF_MX;
    if (answer->outcome == ZM_DNS_TEMPORARY && exchanger) {
        tell(spf, SPF_TEMPERROR);
        return;
    }
    if (has_address(spf, answer, exchanger ? spf->term.width4 : 32,
                    exchanger ? spf->term.width6 : 128))
        match(spf);
    else
        ask_next_name(spf);
}

static bool ends_in(zm_str_t name, zm_str_t domain)
{
    zm_str_t tail;
    if (name.length < domain.length)
        return false;
    tail = zm_str_from(name, name.length - domain.length);
    return zm_str_equal_nocase(tail, domain) &&
           (tail.length == name.length || name.data[name.length - tail.length - 1] == '.');
}

static void ask_next_name(spf_t *spf)
{
    while (spf->next < spf->count) {
        zm_str_t name = zm_str(spf->names[spf->next++]);
        if (spf->term.kind == SPF_PTR && !ends_in(name, spf->target))
            continue;
        zm_dns_ask(NULL, spf->dns, address_type(spf), name, on_name, spf, spf->pool);
        return;
    }
    no_match(spf);
}

static void on_names(const zm_dns_answer_t *answer, void *baton)
{
    spf_t *spf = baton;
    int i;
    if (answer->outcome == ZM_DNS_TEMPORARY && spf->term.kind == SPF_PTR) {
        no_match(spf);
        return;
    }
    if (!bear(spf, answer))
        return;
    if (answer->count > MOST_NAMES && spf->term.kind == SPF_MX) {
        tell(spf, SPF_PERMERROR);
        return;
    }
    spf->next = spf->count = 0;
    for (i = 0; i < answer->count && i < MOST_NAMES; i++)
        spf->names[spf->count++] = apr_pstrdup(spf->pool, answer->records[i].host);
    ask_next_name(spf);
}

static void include(spf_t *spf)
{
    frame_t *frame;
    if (spf->depth + 1 >= MOST_DEPTH) {
        tell(spf, SPF_PERMERROR);
        return;
    }
    frame = &spf->frames[++spf->depth];
    memset(frame, 0, sizeof *frame);
    frame->domain = spf->target;
    frame->included = spf->term.result;
    read_record(spf);
}

static void ask(spf_t *spf)
{
    const char *target;
    spf->values.current = spf->frames[spf->depth].domain;
    target = spf->term.domain.length > 0 ? spf_expand(spf->term.domain, &spf->values, spf->pool)
                                         : zm_str_c(spf->pool, spf->values.current);
    if (target == NULL || ++spf->lookups > MOST_LOOKUPS) {
        tell(spf, SPF_PERMERROR);
        return;
    }
    spf->target = zm_str(target);
    switch (spf->term.kind) {
    case SPF_INCLUDE:
        include(spf);
        break;
    case SPF_MX:
        zm_dns_ask(NULL, spf->dns, ZM_DNS_MX, spf->target, on_names, spf, spf->pool);
        break;
    case SPF_PTR:
        zm_dns_ask(NULL, spf->dns, ZM_DNS_PTR,
                   zm_str(zm_ip_reverse_name(&spf->values.ip, NULL, spf->pool)), on_names, spf,
                   spf->pool);
        break;
    case SPF_EXISTS:
        zm_dns_ask(NULL, spf->dns, ZM_DNS_A, spf->target, on_address, spf, spf->pool);
        break;
    default:
        zm_dns_ask(NULL, spf->dns, address_type(spf), spf->target, on_address, spf, spf->pool);
        break;
    }
}

/* -- records ------------------------------------------------------------------------------- */

/* No term has matched. */
static void fall_through(spf_t *spf)
{
    frame_t *frame = &spf->frames[spf->depth];
    const char *target;
    if (frame->redirect.length == 0) {
        end_record(spf, SPF_NEUTRAL);
        return;
    }
    spf->values.current = frame->domain;
    target = spf_expand(frame->redirect, &spf->values, spf->pool);
    if (target == NULL || ++spf->lookups > MOST_LOOKUPS) {
        tell(spf, SPF_PERMERROR);
        return;
    }
    frame->domain = zm_str(target);
    frame->redirect = ZM_S("");
    read_record(spf);
}

static void walk(spf_t *spf)
{
    frame_t *frame = &spf->frames[spf->depth];
    bool good;
    while (spf_next(&frame->rest, &spf->term, &good)) {
        switch (spf->term.kind) {
        case SPF_ALL:
            match(spf);
            return;
        case SPF_IP:
            if (!zm_network_contains(&spf->term.network, &spf->values.ip))
                continue;
            match(spf);
            return;
        case SPF_REDIRECT:
        case SPF_EXP:
        case SPF_OTHER:
            continue;
        default:
            ask(spf);
            return;
        }
    }
    fall_through(spf);
}

/* All of a record must be well formed, also what would not be come to. */
static bool check(frame_t *frame)
{
    zm_str_t rest = frame->rest;
    spf_term_t term;
    bool good;
    frame->redirect = frame->explanation = ZM_S("");
    while (spf_next(&rest, &term, &good)) {
        zm_str_t *modifier = term.kind == SPF_REDIRECT ? &frame->redirect
                             : term.kind == SPF_EXP    ? &frame->explanation
                                                       : NULL;
        if (modifier == NULL)
            continue;
        if (modifier->length > 0)
            return false;
        *modifier = term.domain;
    }
    return good;
}

static void on_record(const zm_dns_answer_t *answer, void *baton)
{
    spf_t *spf = baton;
    frame_t *frame = &spf->frames[spf->depth];
    zm_str_t terms;
    int i, found = 0;
    if (answer->outcome == ZM_DNS_TEMPORARY) {
        tell(spf, SPF_TEMPERROR);
        return;
    }
    for (i = 0; i < answer->count; i++)
        if (spf_terms(answer->records[i].text, &terms)) {
            frame->rest = zm_str_copy(spf->pool, terms);
            found++;
        }
    if (found == 0)
        end_record(spf, spf->lookups > 0 && spf->depth == 0 ? SPF_PERMERROR : SPF_NONE);
    else if (found > 1 || !check(frame))
        end_record(spf, SPF_PERMERROR);
    else
        walk(spf);
}

static void read_record(spf_t *spf)
{
    zm_dns_ask(NULL, spf->dns, ZM_DNS_TXT, spf->frames[spf->depth].domain, on_record, spf,
               spf->pool);
}

void spf_ask(const spf_question_t *question, spf_fn *fn, void *baton, apr_pool_t *pool)
{
    spf_t *spf = apr_pcalloc(pool, sizeof *spf);
    spf->dns = question->dns;
    spf->fn = fn;
    spf->baton = baton;
    spf->pool = pool;
    spf->explain = question->explain;
    spf->decided = question->decided;
    spf->values.ip = question->ip;
    spf->values.receiver = zm_str_copy(pool, question->receiver);
    spf->values.helo = zm_str_copy(pool, question->helo);
    spf->values.local = zm_str_copy(pool, question->local);
    spf->values.domain = zm_str_copy(pool, question->domain);
    if (question->domain.length == 0) {
        spf->values.local = ZM_S("postmaster");
        spf->values.domain = spf->values.helo;
    }
    if (spf->values.local.length == 0)
        spf->values.local = ZM_S("postmaster");
    spf->frames[0].domain = spf->values.domain;
    read_record(spf);
}
