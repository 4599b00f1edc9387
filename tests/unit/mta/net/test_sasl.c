/* Base64, SCRAM-SHA-256 and what is kept of passwords. */
#include "mta/net/base64.h"
#include "mta/net/secret.h"
#include "tests/unit/harness.h"

/* -- base64 ----------------------------------------------------------------------------------- */

static void check_base64(const char *plain, apr_size_t length, const char *encoded)
{
    zm_buf_t text = ZM_BUF_INIT, bytes = ZM_BUF_INIT;
    zm_sasl_encode(&text, plain, length);
    CU_ASSERT_TRUE(zm_str_equal_c(zm_buf_str(&text), encoded));
    ZM_ASSERT_OK(zm_sasl_decode(&bytes, zm_buf_str(&text)));
    CU_ASSERT_TRUE(zm_str_equal(zm_buf_str(&bytes), zm_str_of(plain, length)));
    zm_buf_free(&text);
    zm_buf_free(&bytes);
}

/* RFC 4648, 10 */
static void bytes_are_encoded_and_decoded(void)
{
    check_base64("", 0, "");
    check_base64("f", 1, "Zg==");
    check_base64("fo", 2, "Zm8=");
    check_base64("foo", 3, "Zm9v");
    check_base64("foob", 4, "Zm9vYg==");
    check_base64("fooba", 5, "Zm9vYmE=");
    check_base64("foobar", 6, "Zm9vYmFy");
    check_base64("\0a\0b\xff", 5, "AGEAYv8=");
}

static void what_no_encoder_makes_is_refused(void)
{
    static const char *const bad[] = {
        "Z",      "Zg",   "Zg=",  "Zg===",    "Zh==", "Zm9=", "Zm 9",
        "Zm9v\n", "=Zm9", "Z===", "Zg==Zg==", "Zm9-", "****", "Zm\t9"};
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        zm_buf_t bytes = ZM_BUF_INIT;
        zm_buf_add_c(&bytes, "kept");
        CU_ASSERT_EQUAL(zm_sasl_decode(&bytes, zm_str(bad[i])), ZM_E_SYNTAX);
        CU_ASSERT_TRUE(zm_str_equal_c(zm_buf_str(&bytes), "kept"));
        zm_buf_free(&bytes);
    }
}

/* -- the exchange of RFC 7677, 3 ----------------------------------------------------------------
 */

#define OURS "rOprNGfwEbeRWgbNEkqO"
#define THEIRS "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define FIRST "n,,n=user,r=" OURS
#define CHALLENGE "r=" OURS THEIRS ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define LAST "c=biws,r=" OURS THEIRS ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SIGNATURE "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void keys_of_the_example(zm_scram_keys_t *keys, const char *password)
{
    zm_buf_t salt = ZM_BUF_INIT;
    ZM_ASSERT_OK(zm_sasl_decode(&salt, ZM_S("W22ZaJ0SNY7soEsUEjb6gQ==")));
    memset(keys, 0, sizeof *keys);
    memcpy(keys->salt, salt.data, salt.length);
    keys->salt_length = salt.length;
    keys->iterations = 4096;
    ZM_ASSERT_OK(zm_scram_keys_make(keys, zm_str(password)));
    zm_buf_free(&salt);
}

static void a_client_speaks_as_the_example_does(void)
{
    zm_scram_client_t client = {.binding = ZM_S("")};
    zm_buf_t first = ZM_BUF_INIT, last = ZM_BUF_INIT;
    zm_scram_client_first(&client, ZM_S("user"), ZM_S(OURS), &first);
    CU_ASSERT_TRUE(zm_str_equal_c(zm_buf_str(&first), FIRST));
    ZM_ASSERT_OK(zm_scram_client_answer(&client, ZM_S(CHALLENGE), ZM_S("pencil"), &last));
    CU_ASSERT_TRUE(zm_str_equal_c(zm_buf_str(&last), LAST));
    CU_ASSERT_TRUE(zm_scram_client_trusts(&client, ZM_S("v=" SIGNATURE)));
    CU_ASSERT_FALSE(
        zm_scram_client_trusts(&client, ZM_S("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
    CU_ASSERT_FALSE(zm_scram_client_trusts(&client, ZM_S("e=invalid-proof")));
    CU_ASSERT_FALSE(zm_scram_client_trusts(&client, ZM_S("")));
    zm_scram_client_end(&client);
    zm_buf_free(&first);
    zm_buf_free(&last);
}

static void a_client_refuses_a_server_that_deceives(void)
{
    static const char *const bad[] = {
        "",
        "r=" OURS ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  /* adds no nonce */
        "r=x" OURS ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", /* another's */
        "r=" OURS "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095", /* too cheap to guess */
        "r=" OURS "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999",
        "r=" OURS "x,s=,i=4096",
        "r=" OURS "x,s=W22Z*J0SNY7soEsUEjb6gQ==,i=4096",
        "m=x,r=" OURS "x,s=W22Z,i=4096"};
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        zm_scram_client_t client = {.binding = ZM_S("")};
        zm_buf_t first = ZM_BUF_INIT, last = ZM_BUF_INIT;
        zm_scram_client_first(&client, ZM_S("user"), ZM_S(OURS), &first);
        CU_ASSERT_NOT_EQUAL(zm_scram_client_answer(&client, zm_str(bad[i]), ZM_S("pencil"), &last),
                            APR_SUCCESS);
        CU_ASSERT_EQUAL(last.length, 0);
        CU_ASSERT_FALSE(zm_scram_client_trusts(&client, ZM_S("v=" SIGNATURE)));
        zm_scram_client_end(&client);
        zm_buf_free(&first);
        zm_buf_free(&last);
    }
}

/* What a server with that password makes of the last message; the challenge must be right. */
static bool serve(const char *first, const char *last, const char *password, const char *signature)
{
    zm_scram_server_t server = {.plus = false};
    zm_scram_keys_t keys;
    zm_buf_t about = ZM_BUF_INIT, encoded = ZM_BUF_INIT;
    unsigned char proof[ZM_SCRAM_KEY], made[ZM_SCRAM_KEY];
    bool good = false;
    keys_of_the_example(&keys, password);
    if (zm_scram_server_first(&server, zm_str(first)) == APR_SUCCESS) {
        CU_ASSERT_TRUE(zm_str_equal_c(zm_buf_str(&server.user), "user"));
        CU_ASSERT_TRUE(zm_str_equal_c(
            zm_scram_server_challenge(&server, zm_str_of((char *)keys.salt, keys.salt_length), 4096,
                                      ZM_S(THEIRS)),
            CHALLENGE));
        good =
            zm_scram_server_last(&server, zm_str(last), ZM_S(""), &about, proof) == APR_SUCCESS &&
            zm_scram_keys_prove(&keys, zm_buf_str(&about), proof, made);
        if (good) {
            zm_sasl_encode(&encoded, made, sizeof made);
            CU_ASSERT_TRUE(zm_str_equal_c(zm_buf_str(&encoded), signature));
        }
    }
    zm_scram_server_end(&server);
    zm_buf_free(&about);
    zm_buf_free(&encoded);
    return good;
}

static void a_server_speaks_as_the_example_does(void)
{
    CU_ASSERT_TRUE(serve(FIRST, LAST, "pencil", SIGNATURE));
    CU_ASSERT_FALSE(serve(FIRST, LAST, "pencils", ""));
    CU_ASSERT_FALSE(serve("n,a=other,n=user,r=" OURS, LAST, "pencil", "")); /* in another's name */
    CU_ASSERT_FALSE(serve("p=tls-unique,,n=user,r=" OURS, LAST, "pencil", ""));
    CU_ASSERT_FALSE(serve("y,,n=user,r=" OURS, LAST, "pencil", "")); /* c= says n,, */
    CU_ASSERT_FALSE(serve(FIRST, "c=biws,r=" OURS THEIRS, "pencil", ""));
    CU_ASSERT_FALSE(serve(FIRST, "c=biws,r=" OURS ",p=AAAA", "pencil", ""));
    CU_ASSERT_FALSE(serve(
        FIRST, "c=eSws,r=" OURS THEIRS ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "pencil",
        ""));
}

static void first_messages_that_are_none_are_refused(void)
{
    static const char *const bad[] = {"",
                                      "n",
                                      "n,",
                                      "n,,",
                                      "n,,n=user",
                                      "n,,r=abc",
                                      "n,,n=,r=a",
                                      "n,,n=us=er,r=abc",
                                      "n,,n=u,r=",
                                      "n,,n=u,r=a b",
                                      "n,b,n=u,r=a",
                                      "z,,n=u,r=a",
                                      "n,,m=x,n=u,r=a"};
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        zm_scram_server_t server = {.plus = false};
        CU_ASSERT_EQUAL(zm_scram_server_first(&server, zm_str(bad[i])), ZM_E_SYNTAX);
        zm_scram_server_end(&server);
    }
}

/* Both sides with each other; bindings as they see the connection. */
static bool meet(zm_str_t client_binding, zm_str_t server_binding, bool plus, bool plus_here)
{
    zm_scram_client_t client = {.binding = client_binding};
    zm_scram_server_t server = {.plus = plus, .plus_here = plus_here};
    zm_scram_keys_t keys;
    zm_buf_t first = ZM_BUF_INIT, last = ZM_BUF_INIT, about = ZM_BUF_INIT;
    unsigned char proof[ZM_SCRAM_KEY], made[ZM_SCRAM_KEY];
    bool good = false;
    keys_of_the_example(&keys, "pencil");
    zm_scram_client_first(&client, ZM_S("a,b=c"), ZM_S(OURS), &first);
    if (zm_scram_server_first(&server, zm_buf_str(&first)) == APR_SUCCESS) {
        zm_str_t challenge = zm_scram_server_challenge(
            &server, zm_str_of((char *)keys.salt, keys.salt_length), 4096, ZM_S(THEIRS));
        CU_ASSERT_TRUE(zm_str_equal_c(zm_buf_str(&server.user), "a,b=c"));
        ZM_ASSERT_OK(zm_scram_client_answer(&client, challenge, ZM_S("pencil"), &last));
        good = zm_scram_server_last(&server, zm_buf_str(&last), server_binding, &about, proof) ==
                   APR_SUCCESS &&
               zm_scram_keys_prove(&keys, zm_buf_str(&about), proof, made);
    }
    zm_scram_client_end(&client);
    zm_scram_server_end(&server);
    zm_buf_free(&first);
    zm_buf_free(&last);
    zm_buf_free(&about);
    return good;
}

static void an_exchange_is_bound_to_its_connection(void)
{
    CU_ASSERT_TRUE(meet(ZM_S(""), ZM_S(""), false, false));
    CU_ASSERT_TRUE(meet(ZM_S(""), ZM_S("one"), false, true));
    CU_ASSERT_TRUE(meet(ZM_S("one"), ZM_S("one"), true, true));
    CU_ASSERT_FALSE(meet(ZM_S("one"), ZM_S("two"), true, true)); /* somebody in the middle */
    CU_ASSERT_FALSE(meet(ZM_S(""), ZM_S("one"), true, true));    /* the name says otherwise */
    CU_ASSERT_FALSE(meet(ZM_S("one"), ZM_S("one"), false, true));
}

/* A client that would bind, and was told that the server cannot, has been deceived. */
static void a_hidden_offer_is_noticed(void)
{
    zm_scram_server_t server = {.plus_here = true};
    CU_ASSERT_EQUAL(zm_scram_server_first(&server, ZM_S("y,,n=user,r=abc")), ZM_E_SYNTAX);
    zm_scram_server_end(&server);
    server = (zm_scram_server_t){.plus_here = false};
    ZM_ASSERT_OK(zm_scram_server_first(&server, ZM_S("y,,n=user,r=abc")));
    zm_scram_server_end(&server);
}

/* -- secrets ------------------------------------------------------------------------------------
 */

static void a_secret_matches_its_password_only(void)
{
    zm_buf_t secret = ZM_BUF_INIT, second = ZM_BUF_INIT;
    zm_scram_keys_t keys;
    ZM_ASSERT_OK(zm_secret_make(&secret, ZM_S("tr0ub4dor")));
    ZM_ASSERT_OK(zm_secret_make(&second, ZM_S("tr0ub4dor")));
    CU_ASSERT_FALSE(zm_str_equal(zm_buf_str(&secret), zm_buf_str(&second))); /* salted */
    CU_ASSERT_TRUE(zm_secret_match(zm_buf_str(&secret), ZM_S("tr0ub4dor")));
    CU_ASSERT_FALSE(zm_secret_match(zm_buf_str(&secret), ZM_S("tr0ub4dor3")));
    CU_ASSERT_FALSE(zm_secret_match(zm_buf_str(&secret), ZM_S("")));
    CU_ASSERT_FALSE(zm_secret_match(zm_buf_str(&secret), zm_str_of("tr0ub4dor\0", 10)));
    CU_ASSERT_TRUE(zm_secret_keys(&keys, zm_buf_str(&secret)));
    CU_ASSERT_FALSE(zm_secret_keys(&keys, ZM_S("SCRAM-SHA-256$4096:AAAA$AAAA:AAAA")));
    CU_ASSERT_FALSE(zm_secret_keys(&keys, ZM_S("SCRAM-SHA-256$0:")));
    zm_buf_free_secret(&secret);
    zm_buf_free_secret(&second);
}

/* From the test vectors of the SHA-crypt specification. */
static void hashes_of_the_system_are_taken(void)
{
    static const char hash[] = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnI"
                               "FNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    if (zm_test_on_windows())
        return;
    CU_ASSERT_TRUE(zm_secret_match(zm_str(hash), ZM_S("Hello world!")));
    CU_ASSERT_FALSE(zm_secret_match(zm_str(hash), ZM_S("Hello world")));
}

static void what_is_no_hash_matches_nothing(void)
{
    static const char *const none[] = {"",
                                       "*",
                                       "!",
                                       "x",
                                       "!$6$saltstring$x",
                                       "plain",
                                       "$6$",
                                       "SCRAM-SHA-256$",
                                       "SCRAM-SHA-256$4096:x$y:z"};
    apr_size_t i;
    for (i = 0; i < sizeof none / sizeof none[0]; i++) {
        CU_ASSERT_FALSE(zm_secret_match(zm_str(none[i]), ZM_S("x")));
        CU_ASSERT_FALSE(zm_secret_match(zm_str(none[i]), zm_str(none[i])));
    }
}

static void users_are_found_by_their_whole_name(void)
{
    zm_str_t file = ZM_STR("# comment: no user\n\njo:one\njoe:two\r\njoe:three\nlast:four");
    zm_str_t secret;
    CU_ASSERT_TRUE(zm_secret_find(file, ZM_S("joe"), &secret));
    CU_ASSERT_TRUE(zm_str_equal_c(secret, "two"));
    CU_ASSERT_TRUE(zm_secret_find(file, ZM_S("jo"), &secret));
    CU_ASSERT_TRUE(zm_str_equal_c(secret, "one"));
    CU_ASSERT_TRUE(zm_secret_find(file, ZM_S("last"), &secret));
    CU_ASSERT_TRUE(zm_str_equal_c(secret, "four"));
    CU_ASSERT_FALSE(zm_secret_find(file, ZM_S("Joe"), &secret));
    CU_ASSERT_FALSE(zm_secret_find(file, ZM_S("j"), &secret));
    CU_ASSERT_FALSE(zm_secret_find(file, ZM_S(""), &secret));
    CU_ASSERT_TRUE(zm_secret_any(file, &secret));
    CU_ASSERT_TRUE(zm_str_equal_c(secret, "one"));
    CU_ASSERT_FALSE(zm_secret_any(ZM_S("# nobody\n"), &secret));
}

static void names_that_could_be_something_else_are_none(void)
{
    CU_ASSERT_TRUE(zm_secret_user(ZM_S("joe@example.org")));
    CU_ASSERT_TRUE(zm_secret_user(ZM_S("J\xc3\xbcrgen M")));
    CU_ASSERT_FALSE(zm_secret_user(ZM_S("")));
    CU_ASSERT_FALSE(zm_secret_user(ZM_S("-rf")));
    CU_ASSERT_FALSE(zm_secret_user(ZM_S("#joe")));
    CU_ASSERT_FALSE(zm_secret_user(ZM_S("a:b")));
    CU_ASSERT_FALSE(zm_secret_user(ZM_S("a\nb")));
    CU_ASSERT_FALSE(zm_secret_user(zm_str_of("a\0b", 3)));
}

ZM_TESTS("net sasl", ZM_TEST(bytes_are_encoded_and_decoded),
         ZM_TEST(what_no_encoder_makes_is_refused), ZM_TEST(a_client_speaks_as_the_example_does),
         ZM_TEST(a_client_refuses_a_server_that_deceives),
         ZM_TEST(a_server_speaks_as_the_example_does),
         ZM_TEST(first_messages_that_are_none_are_refused),
         ZM_TEST(an_exchange_is_bound_to_its_connection), ZM_TEST(a_hidden_offer_is_noticed),
         ZM_TEST(a_secret_matches_its_password_only), ZM_TEST(hashes_of_the_system_are_taken),
         ZM_TEST(what_is_no_hash_matches_nothing), ZM_TEST(users_are_found_by_their_whole_name),
         ZM_TEST(names_that_could_be_something_else_are_none))
