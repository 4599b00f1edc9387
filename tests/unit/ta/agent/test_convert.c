#include "tests/unit/harness.h"

#include "ta/agent/convert.h"
#include "ta/agent/head.h"

/* -- encoders, fed in pieces of every size --------------------------------- */

static void qp(const char *from, const char *expected)
{
    apr_size_t length = strlen(from), step, at;
    for (step = 1; step <= length; step++) {
        zm_qp_encoder_t encoder = {0};
        zm_buf_t out = ZM_BUF_INIT;
        for (at = 0; at < length; at += step)
            zm_qp_encode(&encoder, from + at, length - at < step ? length - at : step, &out);
        zm_qp_encode_end(&encoder, &out);
        ZM_ASSERT_STR(zm_buf_c(&out), expected);
        zm_buf_free(&out);
    }
}

static void quoted_printable_keeps_lines_and_hides_the_rest(void)
{
    qp("a=b\xe4\n", "a=3Db=E4\n");
    qp("x \ny\t\n z \n", "x=20\ny=09\n z=20\n");
    qp("From x\nFF\n.\n..\n", "=46rom x\n=46F\n=2E\n=2E.\n");
    qp("a \xc3\xa4\n", "a =C3=A4\n");
}

static void long_lines_are_broken_softly(void)
{
    char line[200];
    memset(line, 'x', 150);
    memcpy(line + 150, "\n", 2);
    qp(line, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=\n"
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=\n"
             "xxxxxxxx\n");
}

static void unqp(const char *from, const char *expected)
{
    apr_size_t length = strlen(from), step, at;
    for (step = 1; step <= length; step++) {
        zm_qp_decoder_t decoder = {0};
        zm_buf_t out = ZM_BUF_INIT;
        for (at = 0; at < length; at += step)
            zm_qp_decode(&decoder, from + at, length - at < step ? length - at : step, &out);
        zm_qp_decode_end(&decoder, &out);
        ZM_ASSERT_STR(zm_buf_c(&out), expected);
        zm_buf_free(&out);
    }
}

static void quoted_printable_is_decoded_and_errors_stay(void)
{
    unqp("a=3Db=e4=\nc=  \nd\n", "a=b\xe4"
                                 "cd\n");
    unqp("=zz=4 =4x =", "=zz=4 =4x =");
    unqp("==41", "=A");
}

static void base64_has_canonical_line_ends(void)
{
    zm_base64_encoder_t encoder = {0};
    zm_buf_t out = ZM_BUF_INIT;
    zm_base64_encode(&encoder, "a\nb", 3, &out);
    zm_base64_encode_end(&encoder, &out);
    ZM_ASSERT_STR(zm_buf_c(&out), "YQ0KYg==\n");
    zm_buf_free(&out);
}

/* -- choosing -------------------------------------------------------------- */

static zm_conversion_t choose(const char *header, bool eight_bit, bool long_lines, bool carrier,
                              bool decode)
{
    zm_body_facts_t facts = {eight_bit, long_lines};
    zm_carrier_t how = {carrier, decode, NULL, false, false, false};
    zm_fields_t fields;
    zm_fields_parse(&fields, zm_str(header), zm_test_pool());
    return zm_conversion_choose(&fields, &facts, &how, zm_test_pool());
}

#define MIME "MIME-Version: 1.0\n"
#define CTE "Content-Transfer-Encoding: "

static void eight_bit_carriers_get_letters_as_they_are(void)
{
    CU_ASSERT_EQUAL(choose("", true, false, true, false), ZM_CONVERT_NONE);
    CU_ASSERT_EQUAL(choose(MIME CTE "8bit\n", true, false, true, false), ZM_CONVERT_NONE);
    CU_ASSERT_EQUAL(choose(MIME CTE "quoted-printable\n", false, false, true, false),
                    ZM_CONVERT_NONE);
    CU_ASSERT_EQUAL(choose(MIME CTE "quoted-printable\n", false, false, true, true),
                    ZM_CONVERT_8BIT);
    CU_ASSERT_EQUAL(
        choose(MIME "Content-Type: text/html\n" CTE "quoted-printable\n", false, false, true, true),
        ZM_CONVERT_NONE);
}

static void seven_bit_carriers_need_conversion(void)
{
    CU_ASSERT_EQUAL(choose("", true, false, false, false), ZM_CONVERT_UNKNOWN);
    CU_ASSERT_EQUAL(choose("", false, false, false, false), ZM_CONVERT_NONE);
    CU_ASSERT_EQUAL(choose(MIME CTE "8bit\n", true, false, false, false), ZM_CONVERT_QP);
    CU_ASSERT_EQUAL(
        choose(MIME "Content-Type: multipart/mixed; boundary=x\n", true, false, false, false),
        ZM_CONVERT_PARTS);
    CU_ASSERT_EQUAL(
        choose(MIME "Content-Conversion: forced-qp\n" CTE "8bit\n", true, false, true, false),
        ZM_CONVERT_QP);
}

static void signed_letters_are_never_changed(void)
{
    const char *const sealed[] = {"DKIM-Signature: x\n" MIME, "ARC-Message-Signature: x\n" MIME,
                                  "Content-Conversion: prohibited\n" MIME,
                                  MIME "Content-Type: multipart/signed; boundary=x\n",
                                  MIME "Content-Type: multipart/encrypted; boundary=x\n"};
    apr_size_t i;
    for (i = 0; i < sizeof sealed / sizeof sealed[0]; i++) {
        CU_ASSERT_EQUAL(choose(sealed[i], true, false, false, false), ZM_CONVERT_IMPOSSIBLE);
        CU_ASSERT_EQUAL(choose(sealed[i], true, true, true, true), ZM_CONVERT_NONE);
        CU_ASSERT_EQUAL(choose(sealed[i], false, true, false, true), ZM_CONVERT_NONE);
    }
}

static void overlong_lines_of_text_are_encoded(void)
{
    CU_ASSERT_EQUAL(choose(MIME "Content-Type: text/plain\n", false, true, true, false),
                    ZM_CONVERT_QP);
    CU_ASSERT_EQUAL(choose("", false, true, true, false), ZM_CONVERT_NONE);
    CU_ASSERT_EQUAL(choose(MIME CTE "base64\n", false, true, true, false), ZM_CONVERT_NONE);
}

static void the_last_stop_keeps_lines_and_eight_bits(void)
{
    zm_carrier_t last = {true, true, NULL, true, false, true};
    zm_carrier_t far = {true, false, NULL, true, false, false};
    zm_body_facts_t facts = {true, true};
    zm_fields_t fields;
    zm_fields_parse(&fields, ZM_S(MIME "Content-Conversion: forced-qp\n" CTE "8bit\n"),
                    zm_test_pool());
    CU_ASSERT_EQUAL(zm_conversion_choose(&fields, &facts, &last, zm_test_pool()), ZM_CONVERT_NONE);
    CU_ASSERT_EQUAL(zm_conversion_choose(&fields, &facts, &far, zm_test_pool()), ZM_CONVERT_QP);
    zm_fields_parse(&fields, ZM_S(MIME CTE "8bit\n"), zm_test_pool());
    CU_ASSERT_EQUAL(zm_conversion_choose(&fields, &facts, &far, zm_test_pool()), ZM_CONVERT_NONE);
}

static void relabelled(const char *header, const char *expected)
{
    zm_carrier_t carrier = {false, false, NULL, false, false, false};
    zm_body_facts_t facts = {false, false};
    zm_head_style_t style = {.keep_tabs = true};
    zm_converted_t converted;
    zm_buf_t text = ZM_BUF_INIT;
    zm_fields_t fields;
    zm_fields_parse(&fields, zm_str(header), zm_test_pool());
    CU_ASSERT_EQUAL_FATAL(zm_conversion_choose(&fields, &facts, &carrier, zm_test_pool()),
                          ZM_CONVERT_LABEL);
    ZM_ASSERT_OK(
        zm_conversion_apply(&converted, ZM_CONVERT_LABEL, &fields, NULL, &carrier, zm_test_pool()));
    zm_head_write(&converted.fields, &style, &text);
    ZM_ASSERT_STR(zm_buf_c(&text), expected);
    zm_buf_free(&text);
}

static void ascii_that_claims_eight_bits_is_relabelled(void)
{
    relabelled(MIME "Content-Type: text/plain; charset=ISO-8859-1; format=flowed\n" CTE "8bit\n",
               MIME "Content-Type:\ttext/plain; charset=US-ASCII;\n\tformat=flowed\n" CTE "7BIT\n");
    relabelled(MIME "Content-Type: text/plain; charset=utf-8\n" CTE "8bit\n",
               MIME "Content-Type: text/plain; charset=utf-8\n" CTE "7BIT\n");
    CU_ASSERT_EQUAL(choose(MIME CTE "8bit\n", false, false, true, false), ZM_CONVERT_NONE);
    CU_ASSERT_EQUAL(choose("DKIM-Signature: x\n" MIME CTE "8bit\n", false, false, false, false),
                    ZM_CONVERT_NONE);
    CU_ASSERT_EQUAL(choose(MIME CTE "7bit\n", false, false, false, false), ZM_CONVERT_NONE);
}

/* -- parts ----------------------------------------------------------------- */

static void convert_parts(const char *header, const char *body, const char *expected_header,
                          const char *expected_body)
{
    apr_size_t length = strlen(body), step, at;
    zm_converted_t converted;
    zm_carrier_t carrier = {false, false, NULL, false, false, false};
    zm_head_style_t style = {.keep_tabs = true};
    zm_fields_t fields;
    zm_buf_t text = ZM_BUF_INIT;
    zm_fields_parse(&fields, zm_str(header), zm_test_pool());
    ZM_ASSERT_OK(
        zm_conversion_apply(&converted, ZM_CONVERT_PARTS, &fields, NULL, &carrier, zm_test_pool()));
    zm_head_write(&converted.fields, &style, &text);
    ZM_ASSERT_STR(zm_buf_c(&text), expected_header);
    for (step = 1; step <= length; step += step < 20 ? 1 : 37) {
        zm_filter_t *filter = zm_filter_create(&converted, zm_test_pool());
        zm_buf_clear(&text);
        for (at = 0; at < length; at += step)
            zm_filter_put(filter, body + at, length - at < step ? length - at : step, &text);
        zm_filter_end(filter, &text);
        ZM_ASSERT_STR(zm_buf_c(&text), expected_body);
    }
    zm_buf_free(&text);
}

static void text_parts_are_quoted_and_others_base64(void)
{
    convert_parts(
        "Content-Type: multipart/mixed; boundary=\"b b\"\nContent-Transfer-Encoding: 8bit\n",
        "preamble\n--b b\nContent-Type: text/html\nContent-Transfer-Encoding: 8bit\n\n"
        "<\xe4>\n\n--b b\nContent-Type: image/x\nContent-Transfer-Encoding: 8BIT\n\n\xff\nx"
        "\n--b b\nContent-Type: text/plain\nContent-Transfer-Encoding: 7bit\n\na=b\n--b b--\n"
        "epilogue =",
        "Content-Type: multipart/mixed; boundary=\"b b\"\nContent-Transfer-Encoding: 7bit\n",
        "preamble\n--b b\nContent-Type: text/html\nContent-Transfer-Encoding: "
        "quoted-printable\n\n<=E4>\n\n--b b\nContent-Type: image/x\nContent-Transfer-"
        "Encoding: base64\n\n/w0KeA==\n--b b\nContent-Type: text/plain\nContent-Transfer-"
        "Encoding: 7bit\n\na=b\n--b b--\nepilogue =\n");
}

static void inner_parts_are_found_and_sealed_ones_left(void)
{
    convert_parts("Content-Type: multipart/mixed; boundary=a\n",
                  "--a\nContent-Type: multipart/alternative; boundary=ab\n\n--ab\n\n\xe4\n--ab--\n"
                  "--a\nContent-Type: multipart/signed; boundary=s\n\n--s\n\n\xe4\n--s--\n--a\n"
                  "Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: x\n"
                  "MIME-Version: 1.0\n\n\xe4\n--a--\n",
                  "Content-Type: multipart/mixed; boundary=a\n",
                  "--a\nContent-Type: multipart/alternative; boundary=ab\n\n--ab\nContent-Transfer-"
                  "Encoding: quoted-printable\n\n=E4\n--ab--\n--a\nContent-Type: multipart/signed; "
                  "boundary=s\n\n--s\n\n\xe4\n--s--\n--a\nContent-Type: message/rfc822\nContent-"
                  "Transfer-Encoding: 7bit\n\nSubject: x\nMIME-Version: 1.0\nContent-Transfer-"
                  "Encoding: quoted-printable\n\n=E4\n--a--\n");
}

static void single_part_of_any_type_is_converted(void)
{
    convert_parts("Content-Type: text/html\nContent-Transfer-Encoding: 8bit\n", "\xe4\n",
                  "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n",
                  "=E4\n");
    convert_parts("Content-Type: application/x\nContent-Transfer-Encoding: 8bit\n", "\xff",
                  "Content-Type: application/x\nContent-Transfer-Encoding: base64\n", "/w==\n");
}

static void header_notes_the_conversion(void)
{
    zm_converted_t converted;
    zm_carrier_t carrier = {false, false, NULL, false, false, false};
    zm_head_style_t style = {.keep_tabs = true};
    zm_fields_t fields;
    zm_buf_t text = ZM_BUF_INIT;
    zm_fields_parse(&fields, ZM_S("Received: by x; Mon\n" MIME CTE "8bit\nTo: y\n"),
                    zm_test_pool());
    ZM_ASSERT_OK(
        zm_conversion_apply(&converted, ZM_CONVERT_QP, &fields, NULL, &carrier, zm_test_pool()));
    zm_head_write(&converted.fields, &style, &text);
    ZM_ASSERT_STR(zm_buf_c(&text), "Received: by x convert rfc822-to-quoted-printable; Mon\n" MIME
                                   "To: y\nContent-Transfer-Encoding: QUOTED-PRINTABLE\n");
    CU_ASSERT_EQUAL(fields.count, 4);
    zm_buf_free(&text);
}

ZM_TESTS("agent conversion", ZM_TEST(quoted_printable_keeps_lines_and_hides_the_rest),
         ZM_TEST(long_lines_are_broken_softly),
         ZM_TEST(quoted_printable_is_decoded_and_errors_stay),
         ZM_TEST(base64_has_canonical_line_ends),
         ZM_TEST(eight_bit_carriers_get_letters_as_they_are),
         ZM_TEST(seven_bit_carriers_need_conversion), ZM_TEST(signed_letters_are_never_changed),
         ZM_TEST(overlong_lines_of_text_are_encoded),
         ZM_TEST(text_parts_are_quoted_and_others_base64),
         ZM_TEST(inner_parts_are_found_and_sealed_ones_left),
         ZM_TEST(single_part_of_any_type_is_converted), ZM_TEST(header_notes_the_conversion),
         ZM_TEST(the_last_stop_keeps_lines_and_eight_bits),
         ZM_TEST(ascii_that_claims_eight_bits_is_relabelled))
