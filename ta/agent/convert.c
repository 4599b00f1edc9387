#include "ta/agent/convert.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/mail/encoded_word.h"
#include "mta/mail/mime.h"

const char *zm_conversion_name(zm_conversion_t conversion)
{
    static const char *const names[] = {"NONE", "QP", "8BIT", "UNKNOWN", "MPQP", "NONE", "NONE"};
    return names[conversion];
}

/* -- classification -------------------------------------------------------- */

typedef struct kind_t {
    bool mime; /* has MIME-Version */
    bool has_encoding;
    bool plain_text; /* text/plain, said or by default */
    bool sealed;     /* nothing may change */
    bool forced;     /* Content-Conversion: forced-qp */
    zm_transfer_encoding_t encoding;
} kind_t;

static bool has(const zm_fields_t *fields, const char *name)
{
    return zm_fields_find(fields, name, 0) >= 0;
}

static void read_wish(kind_t *kind, const zm_fields_t *fields)
{
    int at = zm_fields_find(fields, "Content-Conversion", 0);
    zm_str_t wish;
    if (at < 0)
        return;
    wish = zm_field_value(&fields->items[at]);
    kind->sealed = kind->sealed || zm_str_starts_nocase(wish, ZM_S("prohibited"));
    kind->forced = zm_str_starts_nocase(wish, ZM_S("forced-qp"));
}

static kind_t classify(const zm_fields_t *fields, apr_pool_t *pool)
{
    int type_at = zm_fields_find(fields, "Content-Type", 0);
    int encoding_at = zm_fields_find(fields, "Content-Transfer-Encoding", 0);
    kind_t kind = {0};
    kind.mime = has(fields, "MIME-Version");
    kind.plain_text = true;
    kind.sealed = has(fields, "DKIM-Signature") || has(fields, "ARC-Message-Signature") ||
                  has(fields, "DomainKey-Signature");
    kind.has_encoding = encoding_at >= 0;
    if (encoding_at >= 0)
        kind.encoding = zm_transfer_encoding(zm_field_value(&fields->items[encoding_at]));
    if (type_at >= 0) {
        zm_content_type_t type;
        bool good = zm_content_type_parse(&type, zm_field_value(&fields->items[type_at]), pool);
        kind.plain_text = good && zm_content_type_is(&type, "text", "plain");
        kind.sealed =
            kind.sealed || (good && (zm_content_type_is(&type, "multipart", "signed") ||
                                     zm_content_type_is(&type, "multipart", "encrypted")));
    }
    read_wish(&kind, fields);
    return kind;
}

bool zm_conversion_sealed(const zm_fields_t *fields, apr_pool_t *pool)
{
    return classify(fields, pool).sealed;
}

static zm_conversion_t choose_for_seven_bits(const kind_t *kind)
{
    if (kind->sealed)
        return ZM_CONVERT_IMPOSSIBLE;
    if (!kind->mime)
        return ZM_CONVERT_UNKNOWN;
    if (kind->plain_text)
        return ZM_CONVERT_QP;
    return ZM_CONVERT_PARTS;
}

zm_conversion_t zm_conversion_choose(const zm_fields_t *fields, const zm_body_facts_t *facts,
                                     const zm_carrier_t *carrier, apr_pool_t *pool)
{
    kind_t kind = classify(fields, pool);
    bool encoded = kind.encoding == ZM_ENCODING_QUOTED_PRINTABLE ||
                   kind.encoding == ZM_ENCODING_BASE64 || kind.encoding == ZM_ENCODING_OTHER;
    bool seven_bits = !carrier->last && (!carrier->eight_bit || kind.forced);
    if (facts->eight_bit && seven_bits)
        return encoded && !kind.sealed ? ZM_CONVERT_NONE : choose_for_seven_bits(&kind);
    if (kind.sealed || !kind.mime || !kind.plain_text)
        return ZM_CONVERT_NONE;
    if (kind.encoding == ZM_ENCODING_QUOTED_PRINTABLE)
        return carrier->decode ? ZM_CONVERT_8BIT : ZM_CONVERT_NONE;
    if (facts->long_lines && !encoded && !carrier->last && !carrier->any_length)
        return ZM_CONVERT_QP;
    return kind.encoding == ZM_ENCODING_8BIT && seven_bits ? ZM_CONVERT_LABEL : ZM_CONVERT_NONE;
}

/* -- headers --------------------------------------------------------------- */

/* Notes the conversion in the first field, if that is Received, before its last semicolon. */
static void note_in_trace(zm_fields_t *fields, const char *note)
{
    zm_str_t text;
    apr_size_t at;
    if (fields->count == 0 || !zm_str_equal_nocase(fields->items[0].name, ZM_S("Received")))
        return;
    text = fields->items[0].text;
    at = text.length;
    while (at > 0 && text.data[at - 1] != ';')
        at--;
    at = at > 0 ? at - 1 : text.length;
    zm_fields_replace(
        fields, 0,
        zm_str(apr_pstrcat(fields->pool, apr_pstrmemdup(fields->pool, text.data, at), " convert ",
                           note, apr_pstrmemdup(fields->pool, text.data + at, text.length - at),
                           NULL)));
}

static void say_encoding(zm_fields_t *fields, const char *encoding)
{
    zm_fields_remove(fields, "Content-Transfer-Encoding");
    zm_fields_append(fields, "Content-Transfer-Encoding: %s", encoding);
}

/* A text that only claimed 8 bits says what it is. */
static void label_ascii(zm_fields_t *fields)
{
    int at = zm_fields_find(fields, "Content-Type", 0);
    zm_content_type_t type;
    zm_str_t charset;
    say_encoding(fields, "7BIT");
    if (at < 0 || !zm_content_type_parse(&type, zm_field_value(&fields->items[at]), fields->pool))
        return;
    charset = zm_content_type_get(&type, "charset");
    if (charset.length == 0 || zm_str_starts_nocase(charset, ZM_S("ISO-8859")) ||
        zm_str_starts_nocase(charset, ZM_S("KOI8"))) {
        zm_buf_t text = ZM_BUF_INIT;
        zm_content_type_set(&type, "charset", ZM_S("US-ASCII"), fields->pool);
        zm_content_type_add(&text, &type);
        zm_fields_replace(fields, at, zm_buf_str(&text));
        zm_buf_free(&text);
    }
}

/* Octets at the end that begin a UTF-8 character which the next piece may complete. */
static apr_size_t unfinished(zm_str_t text)
{
    apr_size_t back;
    for (back = 1; back <= 3 && back <= text.length; back++) {
        unsigned char byte = (unsigned char)text.data[text.length - back];
        apr_size_t whole = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
        if (byte < 0x80)
            return 0;
        if (byte >= 0xc0)
            return whole > back ? back : 0;
    }
    return 0;
}

static apr_status_t body_is_utf8(zm_body_t *body, bool *utf8)
{
    zm_buf_t text = ZM_BUF_INIT;
    uint64_t offset = 0;
    apr_status_t status = APR_SUCCESS;
    zm_str_t piece;
    *utf8 = true;
    while (*utf8 && (status = zm_body_at(body, offset, &piece)) == APR_SUCCESS) {
        apr_size_t keep;
        offset += piece.length;
        zm_buf_add_str(&text, piece);
        keep = offset < body->size ? unfinished(zm_buf_str(&text)) : 0;
        *utf8 = zm_is_utf8(zm_str_of(text.data, text.length - keep));
        zm_buf_consume(&text, text.length - keep);
    }
    zm_buf_free(&text);
    return status == APR_EOF ? APR_SUCCESS : status;
}

static apr_status_t label_unknown(zm_fields_t *fields, zm_body_t *body, const zm_carrier_t *carrier)
{
    const char *charset = carrier->charset != NULL ? carrier->charset : "unknown-8bit";
    bool utf8;
    apr_status_t status = body_is_utf8(body, &utf8);
    if (status != APR_SUCCESS)
        return status;
    zm_fields_remove(fields, "MIME-Version");
    zm_fields_remove(fields, "Content-Type");
    zm_fields_append(fields, "X-Warning: 8-bit text without MIME labels was encoded on the way");
    zm_fields_append(fields, "MIME-Version: 1.0");
    zm_fields_append(fields, "Content-Type: text/plain; charset=%s", utf8 ? "utf-8" : charset);
    say_encoding(fields, "quoted-printable");
    return APR_SUCCESS;
}

apr_status_t zm_conversion_apply(zm_converted_t *converted, zm_conversion_t conversion,
                                 const zm_fields_t *fields, zm_body_t *body,
                                 const zm_carrier_t *carrier, apr_pool_t *pool)
{
    zm_fields_t *ours = &converted->fields;
    converted->conversion = conversion;
    converted->code_blanks = carrier->code_blanks;
    zm_fields_copy(ours, fields, pool);
    switch (conversion) {
    case ZM_CONVERT_QP:
        note_in_trace(ours, "rfc822-to-quoted-printable");
        say_encoding(ours, "QUOTED-PRINTABLE");
        break;
    case ZM_CONVERT_8BIT:
        note_in_trace(ours, "rfc822-to-8bit");
        say_encoding(ours, "8BIT");
        break;
    case ZM_CONVERT_UNKNOWN:
        return label_unknown(ours, body, carrier);
    case ZM_CONVERT_LABEL:
        label_ascii(ours);
        break;
    case ZM_CONVERT_PARTS:
        note_in_trace(ours, "rfc822-to-quoted-printable");
        converted->boundary = ZM_S("");
        converted->kind = zm_part_judge(ours, &converted->boundary);
        break;
    default:
        break;
    }
    return APR_SUCCESS;
}

static void encode_field(zm_fields_t *fields, int index, const char *charset)
{
    const zm_field_t *field = &fields->items[index];
    zm_buf_t text = ZM_BUF_INIT;
    zm_str_t name, value;
    zm_str_cut(field->text, ':', &name, &value);
    zm_buf_add_str(&text, name);
    zm_buf_add_byte(&text, ':');
    zm_encode_header(&text, field->name, value, charset, fields->pool);
    zm_fields_replace(fields, index, zm_buf_str(&text));
    zm_buf_free(&text);
}

bool zm_conversion_header(zm_fields_t *fields, const char *charset)
{
    bool changed = false;
    int i;
    for (i = 0; i < fields->count; i++)
        if (fields->items[i].name.length > 0 && zm_needs_encoding(fields->items[i].text)) {
            if (!changed && classify(fields, fields->pool).sealed)
                return false;
            encode_field(fields, i, charset != NULL ? charset : "unknown-8bit");
            changed = true;
        }
    return changed;
}

/* -- bodies ---------------------------------------------------------------- */

struct zm_filter_t {
    zm_conversion_t conversion;
    zm_qp_encoder_t encoder;
    zm_qp_decoder_t decoder;
    zm_parts_t *parts;
};

zm_filter_t *zm_filter_create(const zm_converted_t *converted, apr_pool_t *pool)
{
    zm_filter_t *filter = apr_pcalloc(pool, sizeof *filter);
    filter->conversion = converted->conversion;
    filter->encoder.code_blanks = converted->code_blanks;
    if (filter->conversion == ZM_CONVERT_PARTS)
        filter->parts = zm_parts_create(converted->kind, converted->boundary, pool);
    return filter;
}

void zm_filter_put(zm_filter_t *filter, const char *data, apr_size_t length, zm_buf_t *out)
{
    switch (filter->conversion) {
    case ZM_CONVERT_QP:
    case ZM_CONVERT_UNKNOWN:
        zm_qp_encode(&filter->encoder, data, length, out);
        break;
    case ZM_CONVERT_8BIT:
        zm_qp_decode(&filter->decoder, data, length, out);
        break;
    case ZM_CONVERT_PARTS:
        zm_parts_put(filter->parts, data, length, out);
        break;
    default:
        zm_buf_add(out, data, length);
    }
}

void zm_filter_end(zm_filter_t *filter, zm_buf_t *out)
{
    zm_qp_encode_end(&filter->encoder, out);
    zm_qp_decode_end(&filter->decoder, out);
    if (filter->parts != NULL)
        zm_parts_end(filter->parts, out);
}
