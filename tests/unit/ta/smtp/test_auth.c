/*
 * The whole agent against a server that asks who it is.
 */
#include <apr_strings.h>
#include <stdio.h>

#include "mta/net/base64.h"
#include "mta/net/scram.h"
#include "platform/fs.h"
#include "tests/unit/ta/smtp/relay_help.h"

#define OFFER(mechanisms) "250-SIZE\r\n250 AUTH " mechanisms "\r\n"
#define HELLO "[1]\nEHLO client.example\n"
#define LETTER "MAIL From:<from@example.org> SIZE=88\nRCPT To:<a@x>\nDATA\nQUIT\n"

/* -- the file ---------------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    return apr_pstrcat(fixture->pool, zm_test_directory(), "/", name, NULL);
}

static void write_secrets(const char *text, uint32_t mode)
{
    zm_file_t *file;
    (void)zm_file_unlink(NULL, path_of("secrets"));
    ZM_ASSERT_OK(zm_file_open(&file, NULL, path_of("secrets"),
                              ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600,
                              fixture->pool));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    ZM_ASSERT_OK(zm_file_set_mode(file, mode));
    ZM_ASSERT_OK(zm_file_close(file));
    options.secrets = path_of("secrets");
    options.log = path_of("log");
}

/* joe, s3cr3t */
static void know_joe(const char *mechanisms)
{
    begin();
    write_secrets(apr_pstrcat(fixture->pool, "# channel host user secret\nsmtp too short\n",
                              "lmtp ", zm_server_host(&server),
                              " eHh4 eHh4\n* elsewhere.test eHh4 eHh4\n", "smtp\t",
                              zm_server_host(&server), "  am9l  czNjcjN0\n* ",
                              zm_server_host(&server), " eHh4 eHh4\n", NULL),
                  0600);
    server.keywords = mechanisms;
}

static const char *read_log(void)
{
    char *data;
    apr_size_t length;
    ZM_ASSERT_OK(zm_file_slurp(&data, &length, options.log, 1 << 20, fixture->pool));
    return data;
}

static void no_secret_in_the_log(void)
{
    const char *log = read_log();
    CU_ASSERT_PTR_NULL(strstr(log, "czNjcjN0"));
    CU_ASSERT_PTR_NULL(strstr(log, "AGpvZQBzM2NyM3Q="));
    CU_ASSERT_PTR_NULL(strstr(log, "s3cr3t"));
}

/* -- mechanisms ----------------------------------------------------------------------------------
 */

static void plain_says_all_at_once(void)
{
    const char *path;
    know_joe(OFFER("LOGIN PLAIN"));
    path = send_to("a@x");
    run();
    TAGS(path, "+");
    TALK(HELLO "AUTH PLAIN AGpvZQBzM2NyM3Q=\n" LETTER);
    CU_ASSERT_PTR_NOT_NULL(strstr(read_log(), "AUTH PLAIN ***secret***"));
    no_secret_in_the_log();
}

static void login_answers_questions(void)
{
    const char *path;
    know_joe("250-AUTH=LOGIN\r\n250 SIZE\r\n");
    server.auth.list[0] = "334 VXNlcm5hbWU6";
    server.auth.list[1] = "334 UGFzc3dvcmQ6";
    path = send_to("a@x");
    run();
    TAGS(path, "+");
    TALK(HELLO "AUTH LOGIN\nam9l\nczNjcjN0\n" LETTER);
    no_secret_in_the_log();
}

static const char *password; /* that the server knows; its user is joe */
static zm_scram_server_t proving;
static bool deceives;

static const char *encoded(const char *before, zm_str_t bytes)
{
    zm_buf_t text = ZM_BUF_INIT;
    const char *copy;
    zm_buf_add_c(&text, before);
    zm_sasl_encode(&text, bytes.data, bytes.length);
    copy = zm_str_c(fixture->pool, zm_buf_str(&text));
    zm_buf_free(&text);
    return copy;
}

static const char *prove(zm_str_t message)
{
    zm_scram_keys_t keys = {.salt = "salt", .salt_length = 4, .iterations = 4096};
    unsigned char proof[ZM_SCRAM_KEY], signature[ZM_SCRAM_KEY];
    zm_buf_t about = ZM_BUF_INIT;
    const char *reply = "535 5.7.8 wrong";
    ZM_ASSERT_OK(zm_scram_keys_make(&keys, zm_str(password)));
    ZM_ASSERT_OK(zm_scram_server_last(&proving, message, ZM_S(""), &about, proof));
    if (zm_scram_keys_prove(&keys, zm_buf_str(&about), proof, signature)) {
        reply = encoded("v=", zm_str_of((char *)signature, sizeof signature));
        reply = encoded("334 ", deceives ? ZM_S("v=AAAA") : zm_str(reply));
    }
    zm_buf_free(&about);
    return reply;
}

/* The server's part of an exchange: puts its replies into the script. */
static void on_line(zm_str_t line)
{
    zm_buf_t message = ZM_BUF_INIT;
    const zm_str_t command = ZM_STR("AUTH SCRAM-SHA-256 ");
    int at = server.auth.used;
    if (zm_str_starts(line, command)) {
        ZM_ASSERT_OK(zm_sasl_decode(&message, zm_str_from(line, command.length)));
        ZM_ASSERT_OK(zm_scram_server_first(&proving, zm_buf_str(&message)));
        CU_ASSERT_TRUE(zm_str_equal_c(zm_buf_str(&proving.user), "joe"));
        server.auth.list[at] =
            encoded("334 ", zm_scram_server_challenge(&proving, ZM_S("salt"), 4096, ZM_S("more")));
    } else if (at == 1) {
        ZM_ASSERT_OK(zm_sasl_decode(&message, line));
        server.auth.list[at] = prove(zm_buf_str(&message));
    }
    zm_buf_free(&message);
}

static const char *prove_with(const char *known, bool lies)
{
    const char *path;
    know_joe(OFFER("PLAIN SCRAM-SHA-256 LOGIN SCRAM-SHA-256-PLUS"));
    password = known;
    deceives = lies;
    server.hook = on_line;
    path = send_to("a@x");
    run();
    zm_scram_server_end(&proving);
    proving = (zm_scram_server_t){.plus = false};
    no_secret_in_the_log();
    return path;
}

static void scram_proves_without_telling(void)
{
    const char *path = prove_with("s3cr3t", false);
    TAGS(path, "+");
    CU_ASSERT_EQUAL(server.letters, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(read_log(), "authenticated as joe by SCRAM-SHA-256"));
}

static void a_server_that_knows_no_password_gets_no_mail(void)
{
    const char *path = prove_with("s3cr3t", true);
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
    path = prove_with("another", false);
    TAGS(path, " ");
    CU_ASSERT_EQUAL(server.letters, 0);
}

/* -- failures
 * -------------------------------------------------------------------------------------- */

static void whom_it_does_not_let_in_waits(void)
{
    const char *path;
    know_joe(OFFER("PLAIN"));
    server.auth.list[0] = "535 5.7.8 who are you?";
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    TALK(HELLO "AUTH PLAIN AGpvZQBzM2NyM3Q=\n");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "4.7.0"), 1);
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "535 5.7.8 who are you?"), 1);
}

static void a_server_without_auth_gets_no_mail(void)
{
    static const char *const offers[] = {"250 SIZE\r\n", OFFER("CRAM-MD5 GSSAPI")};
    int i;
    for (i = 0; i < 2; i++) {
        const char *path;
        know_joe(offers[i]);
        path = send_to("a@x");
        run();
        TAGS(path, " ");
        TALK(HELLO);
        CU_ASSERT_TRUE(zm_fixture_count(fixture, "no authentication: it offers no AUTH") > 0);
    }
}

static void nonsense_ends_it(void)
{
    static const char *const replies[] = {"334 ***", "334 ", "334 cj14", "235 2.7.0 so soon"};
    apr_size_t i;
    for (i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        const char *path;
        know_joe(OFFER("SCRAM-SHA-256"));
        server.auth.list[0] = replies[i];
        path = send_to("a@x");
        run();
        TAGS(path, " ");
        CU_ASSERT_EQUAL(server.letters, 0);
    }
}

static void a_file_that_cannot_be_used_defers(void)
{
    static const char *const bad[] = {"joe s3cr3t", "am9l =", "am9l czNjcjN0AA"};
    const char *path;
    apr_size_t i;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        know_joe(OFFER("PLAIN"));
        write_secrets(apr_pstrcat(fixture->pool, "* ", zm_server_host(&server), " ", bad[i], NULL),
                      0600);
        path = send_to("a@x");
        run();
        TAGS(path, " ");
        TALK(HELLO);
    }
    know_joe(OFFER("PLAIN"));
    options.secrets = path_of("nowhere");
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    CU_ASSERT_EQUAL(zm_fixture_count(fixture, "4.7.0"), 1);
}

static void secrets_that_others_can_read_are_none(void)
{
    const char *path;
    if (zm_test_on_windows())
        return;
    know_joe(OFFER("PLAIN"));
    write_secrets(
        apr_pstrcat(fixture->pool, "* ", zm_server_host(&server), " am9l czNjcjN0\n", NULL), 0640);
    path = send_to("a@x");
    run();
    TAGS(path, " ");
    TALK(HELLO);
    CU_ASSERT_TRUE(zm_fixture_count(fixture, "others may read it") > 0);
}

static void others_are_not_told(void)
{
    const char *path;
    know_joe(OFFER("PLAIN"));
    write_secrets("* elsewhere.test am9l czNjcjN0\n", 0600);
    path = send_to("a@x");
    run();
    TAGS(path, "+");
    TALK(HELLO LETTER);
}

/* An address with a port is known by the address too. */
static void the_port_need_not_be_named(void)
{
    const char *path;
    know_joe(OFFER("PLAIN"));
    write_secrets("* [127.0.0.1] am9l czNjcjN0\n", 0600);
    path = send_to("a@x");
    run();
    TAGS(path, "+");
    TALK(HELLO "AUTH PLAIN AGpvZQBzM2NyM3Q=\n" LETTER);
}

ZM_TESTS("smtp auth", ZM_TEST(plain_says_all_at_once), ZM_TEST(login_answers_questions),
         ZM_TEST(scram_proves_without_telling),
         ZM_TEST(a_server_that_knows_no_password_gets_no_mail),
         ZM_TEST(whom_it_does_not_let_in_waits), ZM_TEST(a_server_without_auth_gets_no_mail),
         ZM_TEST(nonsense_ends_it), ZM_TEST(a_file_that_cannot_be_used_defers),
         ZM_TEST(secrets_that_others_can_read_are_none), ZM_TEST(others_are_not_told),
         ZM_TEST(the_port_need_not_be_named))
