/*
 * Chains (RFC 8617, 5.2): each instance has three fields, the instances are 1 to
 * N without a gap, each seal but the first says that the chain before it was
 * good, the newest message signature fits, and so do all seals.
 */
#include "mta/dkim/tags.h"
#include "mta/dkim/verify_parts.h"

static void fail(arc_chain_t *chain, const char *reason)
{
    if (chain->result == ZM_AUTH_FAIL)
        return;
    chain->result = ZM_AUTH_FAIL;
    chain->reason = reason;
}

/* The i= of a field of results, which is no list of tags but begins like one. */
static int instance_of(zm_str_t value)
{
    zm_str_t tag, name, number;
    (void)zm_str_cut(value, ';', &tag, &value);
    if (!zm_str_cut(tag, '=', &name, &number) || !zm_str_equal(zm_str_trim(name), ZM_S("i")))
        return -1;
    return (int)zm_tags_number(zm_str_trim(number));
}

static int *slot_of(arc_set_t *set, zm_str_t name)
{
    if (zm_str_equal_nocase(name, ZM_S("ARC-Authentication-Results")))
        return &set->results;
    return zm_str_equal_nocase(name, ZM_S("ARC-Seal")) ? &set->seal : &set->message;
}

/* Puts a field where it belongs; false: the chain is broken. */
static bool place(arc_chain_t *chain, const zm_dkim_header_t *header, int at, int64_t now,
                  apr_pool_t *pool)
{
    const zm_dkim_field_t *field = &header->fields[at];
    zm_signature_t read = {0};
    bool seal = zm_str_equal_nocase(field->name, ZM_S("ARC-Seal"));
    int instance, *slot;
    if (zm_str_equal_nocase(field->name, ZM_S("ARC-Authentication-Results"))) {
        instance = instance_of(zm_dkim_value(field));
    } else {
        zm_signature_read(&read, seal ? ZM_SIGNATURE_ARC_SEAL : ZM_SIGNATURE_ARC_MESSAGE,
                          field->text, now, pool);
        instance = read.instance;
    }
    if (instance < 1 || instance > ZM_ARC_SETS)
        return false;
    slot = slot_of(&chain->sets[instance - 1], field->name);
    if (*slot >= 0)
        return false;
    *slot = at;
    if (seal)
        chain->sets[instance - 1].closing = read;
    else if (read.instance > 0)
        chain->sets[instance - 1].signature = read;
    if (instance > chain->count)
        chain->count = instance;
    return true;
}

static bool is_arc(zm_str_t name)
{
    return zm_str_starts_nocase(name, ZM_S("ARC-")) &&
           (zm_str_equal_nocase(name, ZM_S("ARC-Seal")) ||
            zm_str_equal_nocase(name, ZM_S("ARC-Message-Signature")) ||
            zm_str_equal_nocase(name, ZM_S("ARC-Authentication-Results")));
}

static void check_shape(arc_chain_t *chain)
{
    int i;
    for (i = 0; i < chain->count; i++) {
        const arc_set_t *set = &chain->sets[i];
        zm_str_t expected = i == 0 ? ZM_S("none") : ZM_S("pass");
        if (set->results < 0 || set->message < 0 || set->seal < 0)
            fail(chain, "a field of the chain is missing");
        else if (!zm_str_equal_nocase(set->closing.chain, expected))
            fail(chain, zm_str_equal_nocase(set->closing.chain, ZM_S("fail"))
                            ? "it was broken before"
                            : "a seal says nothing of the chain before it");
        else if (set->closing.result != ZM_AUTH_NONE)
            fail(chain, "a seal cannot be used");
    }
    if (chain->count > 0 && chain->result == ZM_AUTH_NONE &&
        chain->sets[chain->count - 1].signature.result != ZM_AUTH_NONE)
        fail(chain, "the message signature cannot be used");
}

void arc_read(arc_chain_t *chain, const zm_dkim_header_t *header, int64_t now, apr_pool_t *pool)
{
    int i;
    *chain = (arc_chain_t){0};
    for (i = 0; i < header->count; i++) {
        if (!is_arc(header->fields[i].name))
            continue;
        if (chain->sets == NULL) {
            int each;
            chain->sets = apr_pcalloc(pool, sizeof *chain->sets * ZM_ARC_SETS);
            for (each = 0; each < ZM_ARC_SETS; each++)
                chain->sets[each].results = chain->sets[each].message = chain->sets[each].seal = -1;
        }
        if (!place(chain, header, i, now, pool)) {
            fail(chain, "malformed");
            return;
        }
    }
    check_shape(chain);
}

bool arc_seal_digest(unsigned char digest[ZM_HASH_OCTETS], const arc_chain_t *chain, int instance,
                     const zm_dkim_header_t *header)
{
    zm_buf_t text = ZM_BUF_INIT;
    bool good;
    int i;
    for (i = 0; i < instance; i++) {
        const arc_set_t *set = &chain->sets[i];
        zm_canon_field(&text, header->fields[set->results].text, true);
        zm_canon_field(&text, header->fields[set->message].text, true);
        if (i < instance - 1)
            zm_canon_field(&text, header->fields[set->seal].text, true);
        else
            zm_canon_signature(&text, header->fields[set->seal].text, true);
    }
    good = zm_sha256(digest, zm_buf_str(&text));
    zm_buf_free(&text);
    return good;
}

static void weigh(arc_chain_t *chain, const zm_signature_t *signature, const char *what)
{
    if (signature->result == ZM_AUTH_PASS)
        return;
    if (signature->result != ZM_AUTH_TEMPERROR) {
        fail(chain, what);
    } else if (chain->result == ZM_AUTH_NONE) {
        chain->result = ZM_AUTH_TEMPERROR;
        chain->reason = signature->reason;
    }
}

void arc_conclude(arc_chain_t *chain)
{
    int i;
    if (chain->count == 0 || chain->result == ZM_AUTH_FAIL)
        return;
    weigh(chain, &chain->sets[chain->count - 1].signature, "the message signature is not good");
    for (i = 0; i < chain->count; i++)
        weigh(chain, &chain->sets[i].closing, "a seal is not good");
    if (chain->result == ZM_AUTH_NONE)
        chain->result = ZM_AUTH_PASS;
}
