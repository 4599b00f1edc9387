#include "mta/dkim/sign.h"

#include <apr_strings.h>
#include <openssl/evp.h>

#include "mta/dkim/results.h"
#include "mta/dkim/tags.h"

#define LINE 72 /* octets of a line of base64 */

/* What is signed of a header if it is there, in this order. */
static const char *const signed_fields[] = {"From",         "Sender",
                                            "Reply-To",     "To",
                                            "Cc",           "Subject",
                                            "Date",         "Message-ID",
                                            "In-Reply-To",  "References",
                                            "MIME-Version", "Content-Type",
                                            "List-Id",      "Content-Transfer-Encoding",
                                            "List-Post",    "List-Unsubscribe",
                                            "Resent-From",  "List-Unsubscribe-Post",
                                            "Resent-Date"};

/* Of these one more than there are: nobody can add one in front. */
static const char *const guarded_fields[] = {"From", "To", "Subject", "Date"};

static void add_base64(zm_buf_t *out, zm_str_t bytes, bool folded, apr_pool_t *pool)
{
    char *text = apr_palloc(pool, bytes.length / 3 * 4 + 8);
    int length = EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes.data,
                                 (int)bytes.length);
    int at;
    for (at = 0; at < length; at += LINE) {
        if (folded)
            zm_buf_add_c(out, at > 0 ? "\n\t " : "");
        zm_buf_add(out, text + at, (apr_size_t)(length - at < LINE ? length - at : LINE));
    }
}

static void add_name(zm_buf_t *out, const char *name, apr_size_t *column)
{
    if (*column > 0)
        zm_buf_add_byte(out, ':');
    if (*column + strlen(name) > LINE) {
        zm_buf_add_c(out, "\n\t ");
        *column = 0;
    }
    zm_buf_add_c(out, name);
    *column += strlen(name) + 1;
}

static bool is_guarded(const char *name)
{
    apr_size_t i;
    for (i = 0; i < sizeof guarded_fields / sizeof guarded_fields[0]; i++)
        if (strcmp(guarded_fields[i], name) == 0)
            return true;
    return false;
}

static void add_names(zm_buf_t *out, const zm_dkim_header_t *header, bool arc)
{
    apr_size_t i, column = 0;
    int at;
    for (i = 0; i < sizeof signed_fields / sizeof signed_fields[0]; i++) {
        at = -1;
        while ((at = zm_dkim_header_find(header, zm_str(signed_fields[i]), at + 1)) >= 0)
            add_name(out, signed_fields[i], &column);
        if (is_guarded(signed_fields[i]))
            add_name(out, signed_fields[i], &column);
    }
    at = -1;
    while (arc && (at = zm_dkim_header_find(header, ZM_S("DKIM-Signature"), at + 1)) >= 0)
        add_name(out, "DKIM-Signature", &column);
}

/* "a=...; d=...; s=...; t=...;" */
static void add_signer(zm_buf_t *out, const zm_sign_request_t *request)
{
    const zm_signer_t *signer = request->signer;
    zm_buf_printf(out, " a=%s;\n\td=%.*s; s=%.*s;",
                  zm_private_key_is_ed25519(signer->key) ? "ed25519-sha256" : "rsa-sha256",
                  (int)signer->domain.length, signer->domain.data, (int)signer->selector.length,
                  signer->selector.data);
    zm_buf_printf(out, " t=%lld;", (long long)request->now);
}

/* Signs the text and appends the signature. */
static bool finish(zm_buf_t *out, const zm_sign_request_t *request, zm_str_t text, apr_pool_t *pool)
{
    unsigned char digest[ZM_HASH_OCTETS];
    zm_buf_t bytes = ZM_BUF_INIT;
    bool good =
        zm_sha256(digest, text) && zm_private_key_sign(request->signer->key, digest, &bytes);
    if (good) {
        add_base64(out, zm_buf_str(&bytes), true, pool);
        zm_buf_add_byte(out, '\n');
    }
    zm_buf_free(&bytes);
    return good;
}

/* A signature of the message, from behind its version or instance on. */
static bool add_message_signature(zm_buf_t *out, apr_size_t start, const zm_sign_request_t *request,
                                  bool arc, apr_pool_t *pool)
{
    zm_buf_t names = ZM_BUF_INIT, text = ZM_BUF_INIT;
    bool good;
    add_names(&names, request->header, arc);
    zm_buf_add_c(out, " c=relaxed/relaxed;");
    add_signer(out, request);
    zm_buf_add_c(out, "\n\th=");
    zm_buf_add_str(out, zm_buf_str(&names));
    zm_buf_add_c(out, ";\n\tbh=");
    add_base64(out, zm_str_of((const char *)request->body_hash, ZM_HASH_OCTETS), false, pool);
    zm_buf_add_c(out, ";\n\tb=");
    good = zm_dkim_header_select(&text, request->header, zm_buf_str(&names), true, pool);
    zm_canon_signature(&text, zm_str_of(out->data + start, out->length - start), true);
    good = good && finish(out, request, zm_buf_str(&text), pool);
    zm_buf_free(&names);
    zm_buf_free(&text);
    return good;
}

bool zm_dkim_sign(zm_buf_t *out, const zm_sign_request_t *request, apr_pool_t *pool)
{
    apr_size_t start = out->length;
    zm_buf_add_c(out, "DKIM-Signature: v=1;");
    if (add_message_signature(out, start, request, false, pool))
        return true;
    out->length = start;
    return false;
}

bool zm_dkim_is_signed(const zm_dkim_header_t *header, zm_str_t domain)
{
    zm_tags_t tags;
    zm_str_t value;
    int at = -1;
    while ((at = zm_dkim_header_find(header, ZM_S("DKIM-Signature"), at + 1)) >= 0)
        if (zm_tags_read(&tags, zm_dkim_value(&header->fields[at])) &&
            zm_tags_get(&tags, "d", &value) && zm_str_equal_nocase(value, domain))
            return true;
    return false;
}

/* -- ARC ------------------------------------------------------------------------------------- */

/* The highest instance that is there. */
static int last_instance(const zm_dkim_header_t *header)
{
    zm_tags_t tags;
    zm_str_t value;
    int at = -1, last = 0;
    while ((at = zm_dkim_header_find(header, ZM_S("ARC-Seal"), at + 1)) >= 0)
        if (zm_tags_read(&tags, zm_dkim_value(&header->fields[at])) &&
            zm_tags_get(&tags, "i", &value) && zm_tags_number(value) > last)
            last = (int)zm_tags_number(value);
    return last;
}

/* The field of a name that has that instance; "" when there is none, which no good chain has. */
static zm_str_t field_of(const zm_dkim_header_t *header, const char *name, int instance)
{
    zm_str_t tag, rest, number;
    int at = -1;
    while ((at = zm_dkim_header_find(header, zm_str(name), at + 1)) >= 0) {
        rest = zm_dkim_value(&header->fields[at]);
        while (zm_tags_element(&rest, ';', &tag))
            if (zm_str_cut(tag, '=', &tag, &number) && zm_str_equal(zm_str_trim(tag), ZM_S("i"))) {
                if (zm_tags_number(zm_str_trim(number)) == instance)
                    return header->fields[at].text;
                break;
            }
    }
    return ZM_S("");
}

static void add_sets(zm_buf_t *text, const zm_dkim_header_t *header, int last)
{
    static const char *const names[] = {"ARC-Authentication-Results", "ARC-Message-Signature",
                                        "ARC-Seal"};
    int i, each;
    for (i = 1; i <= last; i++)
        for (each = 0; each < 3; each++)
            zm_canon_field(text, field_of(header, names[each], i), true);
}

/* Without the line end of a field that was made here. */
static zm_str_t bare(const zm_buf_t *out, apr_size_t from, apr_size_t to)
{
    return zm_str_of(out->data + from, to - from - 1);
}

/* The seal, over all sets before and the two fields made from `start` on. */
static bool add_seal(zm_buf_t *out, const zm_sign_request_t *request, int last, zm_str_t results,
                     zm_str_t signature, apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT, seal = ZM_BUF_INIT;
    bool good;
    zm_buf_printf(&seal, "ARC-Seal: i=%d; cv=%s;", last + 1, last == 0 ? "none" : "pass");
    add_signer(&seal, request);
    zm_buf_add_c(&seal, "\n\tb=");
    add_sets(&text, request->header, last);
    zm_canon_field(&text, results, true);
    zm_canon_field(&text, signature, true);
    zm_canon_signature(&text, zm_buf_str(&seal), true);
    good = finish(&seal, request, zm_buf_str(&text), pool);
    if (good)
        zm_buf_add_str(out, zm_buf_str(&seal));
    zm_buf_free(&text);
    zm_buf_free(&seal);
    return good;
}

/* Text on several lines where it has ';'. */
static void add_folded(zm_buf_t *out, zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        zm_buf_add_byte(out, text.data[i]);
        if (text.data[i] == ';')
            zm_buf_add_c(out, "\n\t");
    }
}

bool zm_arc_seal(zm_buf_t *out, const zm_sign_request_t *request, zm_str_t results,
                 apr_pool_t *pool)
{
    int last = last_instance(request->header);
    zm_auth_t said = zm_auth_results_get(results, "arc");
    zm_buf_t made = ZM_BUF_INIT;
    apr_size_t start;
    bool good;
    if (last >= ZM_ARC_SETS || said != (last == 0 ? ZM_AUTH_NONE : ZM_AUTH_PASS))
        return true;
    zm_buf_printf(&made, "ARC-Authentication-Results: i=%d; ", last + 1);
    add_folded(&made, zm_str_trim(results));
    zm_buf_add_byte(&made, '\n');
    start = made.length;
    zm_buf_printf(&made, "ARC-Message-Signature: i=%d;", last + 1);
    good =
        add_message_signature(&made, start, request, true, pool) &&
        add_seal(out, request, last, bare(&made, 0, start), bare(&made, start, made.length), pool);
    if (good) {
        zm_buf_add(out, made.data + start, made.length - start);
        zm_buf_add(out, made.data, start);
    }
    zm_buf_free(&made);
    return good;
}
