/* Signatures of DKIM: those of RFC 8463, and what is wrong with others. */
#include <apr_strings.h>

#include "mta/dkim/key.h"
#include "tests/unit/mta/dkim/mail.h"

#define KEY "brisbane._domainkey.football.example.com"

static const fake_record_t records[] = {RFC8463_RECORDS, {NULL, ZM_DNS_A, 0, NULL}};

static const char *cat(const char *a, const char *b)
{
    return apr_pstrcat(zm_test_pool(), a, b, NULL);
}

/* The message with its ed25519 signature, in which one text stands for another. */
static const char *altered(const char *from, const char *to)
{
    const char *text = cat(rfc8463_ed25519, rfc8463_message), *at = strstr(text, from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    return apr_pstrcat(zm_test_pool(),
                       apr_pstrmemdup(zm_test_pool(), text, (apr_size_t)(at - text)), to,
                       at + strlen(from), NULL);
}

static void the_signatures_of_the_standard_are_good(void)
{
    const char *text =
        apr_pstrcat(zm_test_pool(), rfc8463_ed25519, rfc8463_rsa, rfc8463_message, NULL);
    const zm_verified_t *verified = verify(text, records);
    ZM_ASSERT_STR(words(verified), "pass pass");
    CU_ASSERT_TRUE(zm_str_equal(verified->signatures[0].domain, ZM_S("football.example.com")));
    ZM_ASSERT_STR(verified->signatures[0].brief, "/gCrinpc");
    ZM_ASSERT_STR(zm_signature_algorithm(&verified->signatures[1]), "rsa-sha256");
    verified = verify_at(text, records, RFC8463_NOW, 1, ZM_AUTH_NONE, "");
    ZM_ASSERT_STR(words(verified), "pass pass");
}

static void what_relaxed_forms_allow_does_not_matter(void)
{
    ZM_ASSERT_STR(words(verify(altered("game.  Are", "game. \t Are"), records)), "pass");
    ZM_ASSERT_STR(words(verify(altered("Joe.\n", "Joe. \n\n\n"), records)), "pass");
    ZM_ASSERT_STR(words(verify(altered("Subject: Is", "SUBJECT:  Is"), records)), "pass");
    ZM_ASSERT_STR(words(verify(altered("From: Joe", "X-Other: y\nFrom: Joe"), records)), "pass");
}

static void changes_are_noticed(void)
{
    ZM_ASSERT_STR(words(verify(altered("lost", "won"), records)), "fail");
    ZM_ASSERT_STR(words(verify(altered("dinner", "lunch"), records)), "fail");
    ZM_ASSERT_STR(words(verify(altered("t=1528637909", "t=1528637908"), records)), "fail");
    ZM_ASSERT_STR(words(verify(altered("b=/gCr", "b=/gCs"), records)), "fail");
    /* a second From: the signature covers that there is none */
    ZM_ASSERT_STR(words(verify(altered("From: Joe", "From: <x@evil.test>\nFrom: Joe"), records)),
                  "fail");
}

static void signatures_may_be_malformed(void)
{
    ZM_ASSERT_STR(words(verify(altered("v=1;", "v=2;"), records)), "neutral");
    ZM_ASSERT_STR(words(verify(altered("v=1;", "v=1; v=1;"), records)), "neutral");
    ZM_ASSERT_STR(words(verify(altered("c=relaxed/relaxed", "c=loose"), records)), "neutral");
    ZM_ASSERT_STR(words(verify(altered("a=ed25519-sha256", "a=dsa-md5"), records)), "neutral");
    ZM_ASSERT_STR(words(verify(altered("d=football.", "d=foot(ball."), records)), "neutral");
    ZM_ASSERT_STR(words(verify(altered("i=@football.", "i=@hockey."), records)), "neutral");
    ZM_ASSERT_STR(words(verify(altered("q=dns/txt", "q=carrier/pigeon"), records)), "neutral");
    ZM_ASSERT_STR(words(verify(altered("bh=2jUS", "bh=2jU!"), records)), "neutral");
    ZM_ASSERT_STR(words(verify(altered("t=1528637909;", "t=9; x=8;"), records)), "neutral");
    ZM_ASSERT_STR(words(verify(altered("h=from : to :", "h=to :"), records)), "fail");
    ZM_ASSERT_STR(words(verify("DKIM-Signature:\n\nx\n", records)), "neutral");
    ZM_ASSERT_STR(words(verify("DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=x; b=aaaa;"
                               " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; h=to\n\n",
                               records)),
                  "permerror");
}

static void some_that_may_be_good_are_not_accepted(void)
{
    const char *text = cat(rfc8463_ed25519, rfc8463_message);
    ZM_ASSERT_STR(words(verify(altered("a=ed25519-sha256", "a=rsa-sha1"), records)), "policy");
    ZM_ASSERT_STR(words(verify(altered("t=1528637909;", "x=1528637000;"), records)), "policy");
    ZM_ASSERT_STR(words(verify_at(text, records, 1500000000, 100, ZM_AUTH_NONE, "")), "policy");
    /* the hash is that of no body at all, which any body begins with */
    ZM_ASSERT_STR(words(verify(altered("bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=",
                                       "l=0; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
                               records)),
                  "policy");
}

static const char *with_key(const char *record)
{
    fake_record_t list[] = {{KEY, ZM_DNS_TXT, 60, record}, {NULL, ZM_DNS_A, 0, NULL}};
    return words(verify(cat(rfc8463_ed25519, rfc8463_message), list));
}

static void keys_may_be_unfit(void)
{
    static const char good[] = "k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    static const fake_record_t none[] = {{NULL, ZM_DNS_A, 0, NULL}};
    ZM_ASSERT_STR(with_key(good), "pass");
    ZM_ASSERT_STR(with_key(cat(good, "; s=email : x; t=y:s; h=sha1:sha256; n=a note")), "pass");
    ZM_ASSERT_STR(with_key(cat("v=DKIM2; ", good)), "permerror");
    ZM_ASSERT_STR(with_key(cat(good, "; v=DKIM1")), "permerror");
    ZM_ASSERT_STR(with_key(cat(good, "; s=web")), "permerror");
    ZM_ASSERT_STR(with_key(cat(good, "; h=sha1")), "permerror");
    ZM_ASSERT_STR(with_key("v=DKIM1; k=ed25519; p="), "permerror");
    ZM_ASSERT_STR(with_key("v=DKIM1; k=ed25519; p=AAAA"), "permerror");
    ZM_ASSERT_STR(with_key("v=DKIM1; k=rsa; p=AAAA"), "permerror");
    ZM_ASSERT_STR(with_key("nonsense"), "permerror");
    ZM_ASSERT_STR(words(verify(cat(rfc8463_ed25519, rfc8463_message), none)), "permerror");
}

static void without_an_answer_nothing_is_said_for_good(void)
{
    static const fake_record_t none[] = {{NULL, ZM_DNS_A, 0, NULL}};
    ZM_ASSERT_STR(words(verify(altered("s=brisbane", "s=servfail"), none)), "temperror");
}

static void short_keys_of_rsa_count_for_nothing(void)
{
    zm_private_key_t *key;
    zm_signature_t signature = {0};
    unsigned char digest[ZM_HASH_OCTETS] = {1};
    zm_buf_t bytes = ZM_BUF_INIT;
    zm_error_t error;
    ZM_ASSERT_OK(zm_private_key_make(&key, 768, zm_test_pool(), &error));
    CU_ASSERT_TRUE(zm_private_key_sign(key, digest, &bytes));
    signature.signature = zm_buf_str(&bytes);
    zm_key_check(&signature, zm_str(zm_private_key_record(key, zm_test_pool())), digest,
                 zm_test_pool());
    ZM_ASSERT_STR(zm_auth_name(signature.result), "policy");
    zm_buf_free(&bytes);
}

static void only_so_many_signatures_are_looked_at(void)
{
    const char *text = rfc8463_message;
    int i;
    for (i = 0; i < 20; i++)
        text = cat(rfc8463_ed25519, text);
    CU_ASSERT_EQUAL(verify(text, records)->count, ZM_VERIFY_SIGNATURES);
}

static void a_header_without_end_proves_nothing(void)
{
    zm_buf_t text = ZM_BUF_INIT;
    const zm_verified_t *verified;
    zm_buf_add_c(&text, rfc8463_ed25519);
    while (text.length < ZM_VERIFY_HEADER)
        zm_buf_add_c(&text, "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
                            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
                            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
                            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
                            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n");
    zm_buf_add_c(&text, rfc8463_message);
    verified = verify(zm_buf_c(&text), records);
    ZM_ASSERT_STR(words(verified), "policy");
    zm_buf_free(&text);
}

static void messages_without_signatures_have_none(void)
{
    const zm_verified_t *verified = verify(rfc8463_message, records);
    CU_ASSERT_EQUAL(verified->count, 0);
    CU_ASSERT_EQUAL(verified->arc, ZM_AUTH_NONE);
    CU_ASSERT_EQUAL(verify("", records)->count, 0);
    CU_ASSERT_EQUAL(verify("\n", records)->count, 0);
    CU_ASSERT_EQUAL(verify("DKIM-Signature", records)->count, 0);
}

ZM_TESTS("dkim_verify", ZM_TEST(the_signatures_of_the_standard_are_good),
         ZM_TEST(what_relaxed_forms_allow_does_not_matter), ZM_TEST(changes_are_noticed),
         ZM_TEST(signatures_may_be_malformed), ZM_TEST(some_that_may_be_good_are_not_accepted),
         ZM_TEST(keys_may_be_unfit), ZM_TEST(without_an_answer_nothing_is_said_for_good),
         ZM_TEST(short_keys_of_rsa_count_for_nothing),
         ZM_TEST(only_so_many_signatures_are_looked_at),
         ZM_TEST(a_header_without_end_proves_nothing),
         ZM_TEST(messages_without_signatures_have_none))
