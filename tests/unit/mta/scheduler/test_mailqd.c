#include <apr_strings.h>

#include "mta/conf/mailqsock.h"
#include "mta/net/challenge.h"
#include "mta/scheduler/account.h"
#include "mta/scheduler/mailqd.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/localsock.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/world.h"

#define CONF                                                                                       \
    "*/* interval=1m retries=\"1\" skew=1 expiry=3d\nsmtp/*.com maxring=30 overfeed=150 "          \
    "command=smtp\n"

/* -- accounts ------------------------------------------------------------------------------- */

static zm_ip_t ip(const char *text)
{
    zm_ip_t address = {0, {0}};
    if (text[0] != '\0')
        ZM_ASSERT_OK(zm_ip_parse(&address, zm_str(text)));
    return address;
}

static void answer_follows_the_vector(void)
{
    char answer[33];
    zm_challenge_answer(answer, zm_str("220 MAILQ-V2-CHALLENGE: 1700000000.123456.7"),
                        zm_str("nobody"));
    ZM_ASSERT_STR(answer, "26f34cd96148a914ef5298dafcaf826e");
}

static int login(const char *file, const char *peer, const char *user, const char *password)
{
    char answer[33];
    zm_ip_t address = ip(peer);
    zm_challenge_answer(answer, zm_str("c"), zm_str(password));
    return zm_accounts_login(zm_str(file), &address, zm_str("c"), zm_str(user), zm_str(answer));
}

static void account_lines_grant_by_user_and_address(void)
{
    static const char file[] = "# comment\n*:x:ALL:\nnobody:nobody:SNMP QQ TT ETRN:[127.0.0.0]/8 "
                               "[ipv6:::1]/128\nnobody:nobody:SNMP ETRN:\n"
                               "root:secret:ALL:![10.0.0.1],[10.0.0.0]/8\n"
                               "local:l:KILL:[unix]\nbad:bad:WHATEVER:\n";
    CU_ASSERT_EQUAL(login(file, "127.0.0.1", "nobody", "nobody"),
                    ZM_MAY_SNMP | ZM_MAY_QUEUE | ZM_MAY_THREADS | ZM_MAY_ETRN);
    CU_ASSERT_EQUAL(login(file, "::1", "nobody", "nobody") & ZM_MAY_THREADS, ZM_MAY_THREADS);
    CU_ASSERT_EQUAL(login(file, "192.0.2.1", "nobody", "nobody"), ZM_MAY_SNMP | ZM_MAY_ETRN);
    CU_ASSERT_EQUAL(login(file, "192.0.2.1", "nobody", "wrong"), 0);
    CU_ASSERT_EQUAL(login(file, "10.9.9.9", "root", "secret"), ZM_MAY_ALL);
    CU_ASSERT_EQUAL(login(file, "10.0.0.1", "root", "secret"), 0);
    CU_ASSERT_EQUAL(login(file, "11.0.0.1", "root", "secret"), 0);
    CU_ASSERT_EQUAL(login(file, "", "local", "l"), ZM_MAY_KILL);
    CU_ASSERT_EQUAL(login(file, "10.9.9.9", "local", "l"), 0);
    CU_ASSERT_EQUAL(login(file, "10.9.9.9", "bad", "bad"), 0);
}

static void socket_names_are_read(void)
{
    zm_mailqsock_t sock;
    ZM_ASSERT_OK(zm_mailqsock_parse(&sock, "UNIX:/a/b@x", zm_test_pool()));
    ZM_ASSERT_STR(sock.path, "/a/b");
    ZM_ASSERT_OK(zm_mailqsock_parse(&sock, "TCP:2174", zm_test_pool()));
    CU_ASSERT_EQUAL(sock.port, 2174);
    ZM_ASSERT_OK(zm_mailqsock_parse(&sock, "/c", zm_test_pool()));
    ZM_ASSERT_STR(sock.path, "/c");
    CU_ASSERT_EQUAL(zm_mailqsock_parse(&sock, "TCP:99999999", zm_test_pool()), ZM_E_SYNTAX);
}

/* -- dialogues --------------------------------------------------------------------------------- */

typedef struct talk_t {
    world_t *world;
    zm_loop_t *loop;
    zm_mailqd_t *mailqd;
    apr_socket_t *socket;
    zm_buf_t heard;
    bool ended;
} talk_t;

static void settle(void *baton)
{
    world_t *world = baton;
    zm_scheduler_settle(world->scheduler);
}

static talk_t *talk_open(const char *accounts)
{
    talk_t *talk = apr_pcalloc(zm_test_pool(), sizeof *talk);
    zm_mailqd_options_t options = {0};
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/mailq", NULL);
    zm_error_t error;

    talk->world = world_open(CONF);
    zm_clock_thaw();
    ZM_ASSERT_OK(zm_loop_create(&talk->loop, zm_test_pool()));
    options.loop = talk->loop;
    options.scheduler = talk->world->scheduler;
    options.socket = path;
    options.version = 1;
    options.settle = settle;
    options.baton = talk->world;
    if (accounts != NULL) {
        zm_file_t *file;
        options.authfile = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/auth", NULL);
        ZM_ASSERT_OK(zm_file_open(&file, NULL, options.authfile, ZM_OPEN_WRITE | ZM_OPEN_CREATE,
                                  0600, zm_test_pool()));
        ZM_ASSERT_OK(zm_file_write_at(file, 0, accounts, strlen(accounts)));
        zm_file_close(file);
    }
    ZM_ASSERT_OK(zm_mailqd_open(&talk->mailqd, &options, zm_test_pool(), &error));
    ZM_ASSERT_OK(zm_localsock_connect(&talk->socket, path, zm_test_pool()));
    return talk;
}

static void listen_some(talk_t *talk)
{
    char buffer[4096];
    apr_size_t length = sizeof buffer;
    apr_status_t status;

    ZM_ASSERT_OK(zm_loop_once(talk->loop, apr_time_from_msec(10)));
    status = apr_socket_recv(talk->socket, buffer, &length);
    if (status == APR_SUCCESS && length > 0)
        zm_buf_add(&talk->heard, buffer, length);
    else if (!APR_STATUS_IS_EAGAIN(status))
        talk->ended = true;
}

/* What the server says up to this piece. */
static const char *hear(talk_t *talk, const char *piece)
{
    int rounds;
    char *text;
    for (rounds = 0; rounds < 500 && !talk->ended; rounds++) {
        listen_some(talk);
        if (piece != NULL && strstr(zm_buf_c(&talk->heard), piece) != NULL)
            break;
    }
    text = zm_str_c(zm_test_pool(), zm_buf_str(&talk->heard));
    zm_buf_clear(&talk->heard);
    if (piece != NULL && strstr(text, piece) == NULL)
        ZM_ASSERT_STR(text, piece);
    return text;
}

static void tell(talk_t *talk, const char *line)
{
    const char *text = apr_pstrcat(zm_test_pool(), line, "\n", NULL);
    apr_size_t length = strlen(text);
    ZM_ASSERT_OK(apr_socket_send(talk->socket, text, &length));
}

static void authenticate(talk_t *talk, const char *user, const char *password)
{
    const char *greeting = hear(talk, "CHALLENGE: "), *challenge = strstr(greeting, "220 ");
    char answer[33];
    while (strchr(challenge, '\n') == NULL)
        challenge = apr_pstrcat(zm_test_pool(), challenge, hear(talk, "\n"), NULL);
    CU_ASSERT_EQUAL(strncmp(greeting, "version zmailer 2.0\n", 20), 0);
    zm_challenge_answer(answer, zm_str_of(challenge, strlen(challenge) - 1), zm_str(password));
    tell(talk, apr_pstrcat(zm_test_pool(), "AUTH ", user, " ", answer, NULL));
}

static void talk_close(talk_t *talk)
{
    zm_mailqd_close(talk->mailqd);
    apr_socket_close(talk->socket);
    zm_buf_free(&talk->heard);
    world_close(talk->world);
}

static void fill(world_t *world)
{
    int64_t now = apr_time_sec(apr_time_now());
    world_add(world, 7, now - WORLD_START - 100, "alice@x", "smtp/b.com smtp/b.com smtp/c.com");
    world_say(world, 0, "#hungry");
    world_say(world, 0, "7/100\t\tdeferred 450 busy\rtry later");
}

static void version_one_writes_the_queue_and_closes(void)
{
    talk_t *talk = talk_open(NULL);
    const char *text;
    fill(talk->world);
    text = hear(talk, NULL);
    CU_ASSERT(talk->ended);
    CU_ASSERT_EQUAL(strncmp(text,
                            "version zmailer 1.0\nVertices:\n1:\t7\t2; 100,110\t#450 busy\rtry "
                            "later (running now, pid=",
                            78),
                    0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text,
                                  "\nChannels:\nsmtp:\t>1>2\nHosts:\nb.com:\t>1\nc.com:\t>2\n"
                                  "End:\nsmtp/*.com/0\n    smtp/b.com/0\t\t\tN=1   R=2   A=1 "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Plim:  30 Flim: 150 Tlim: 1\nKids: 2"));
    talk_close(talk);
}

static void version_two_wants_a_login_first(void)
{
    talk_t *talk = talk_open("nobody:nobody:SNMP QQ TT ETRN:[unix]\n");
    hear(talk, "CHALLENGE: ");
    tell(talk, "SHOW QUEUE SHORT");
    hear(talk, "-Authenticate first\n");
    tell(talk, "AUTH nobody 00000000000000000000000000000000");
    hear(talk, "-Authentication failed\n");
    tell(talk, "QUIT");
    hear(talk, "+Bye bye\n");
    talk_close(talk);
}

static void version_two_shows_and_obeys(void)
{
    talk_t *talk = talk_open("nobody:nobody:SNMP QQ TT ETRN:[unix]\n");
    const char *text;
    fill(talk->world);
    authenticate(talk, "nobody", "nobody");
    hear(talk, "+OK\n");
    tell(talk, "SHOW QUEUE SHORT\r");
    text = hear(talk, "\n.\n");
    CU_ASSERT_EQUAL(strncmp(text, "+OK until LF.LF\nsmtp/*.com/0\n", 29), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\tThreads:    2 Msgs:     2 Procs:   2 "));
    tell(talk, "SHOW QUEUE THREADS2");
    text = hear(talk, "\n.\n");
    CU_ASSERT_EQUAL(strncmp(text, "+OK until LF.LF\nsmtp\tb.com\tN=1\tR=2\tA=1\tP={", 42), 0);
    tell(talk, "SHOW THREAD smtp b.com");
    text = hear(talk, "\n.\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "#smtp/b.com/0  N=1 "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n7\t0\talice@x\t100\t"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n7\t1\talice@x\t110\t"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\t1\t\t450 busy\rtry later\n"));
    tell(talk, "SHOW THREAD smtp none.com");
    hear(talk, "+OK until LF.LF\n.\n");
    tell(talk, "SHOW SNMP");
    CU_ASSERT_PTR_NOT_NULL(strstr(hear(talk, "\n.\n"), " sec\nMsgs in 1 out 0 stored 1 "));
    tell(talk, "ETRN B.com");
    hear(talk, "+OK; ");
    tell(talk, "KILL MSG 7");
    hear(talk, "-Unknown command or no right to it: KILL MSG\n");
    tell(talk, "AUTH nobody x");
    hear(talk, "-Unknown command");
    talk_close(talk);
}

static void kill_needs_its_right(void)
{
    talk_t *talk = talk_open("boss:b:ALL:\n");
    fill(talk->world);
    authenticate(talk, "boss", "b");
    hear(talk, "+OK\n");
    tell(talk, "KILL MSG A/B/7");
    hear(talk, "+OK; killed\n");
    CU_ASSERT_PTR_NULL(zm_queue_find(talk->world->scheduler, 7));
    talk_close(talk);
}

static void message_is_found_by_its_message_id(void)
{
    talk_t *talk = talk_open("boss:b:ALL:\n");
    fill(talk->world);
    authenticate(talk, "boss", "b");
    hear(talk, "+OK\n");
    tell(talk, "KILL MSG <8@world.test>");
    hear(talk, "+OK; no such message in the queue\n");
    world_add(talk->world, WORLD_OTHER_LOG_ID, 0, "s@x", "smtp/d.com");
    tell(talk, "KILL MSG <13@world.test>");
    hear(talk, "+OK; no such message in the queue\n");
    tell(talk, "HOLD MSG <7@world.test>");
    hear(talk, "+OK; on hold, but for 2 recipients delivery is being tried just now\n");
    tell(talk, "RESYNC MSG <7@world.test>");
    hear(talk, "+OK; read again\n");
    CU_ASSERT_EQUAL(world_logged(talk->world, "reread 7"), 1);
    tell(talk, "RESYNC MSG 8");
    hear(talk, "+OK; no such message in the queue\n");
    tell(talk, "KILL MSG 7@world.test");
    hear(talk, "+OK; killed\n");
    CU_ASSERT_PTR_NULL(zm_queue_find(talk->world->scheduler, 7));
    talk_close(talk);
}

static void address_without_account_is_turned_away(void)
{
    talk_t *talk = talk_open("nobody:nobody:ALL:[192.0.2.1]\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(hear(talk, NULL), "version zmailer 2.0\n550 "));
    CU_ASSERT(talk->ended);
    talk_close(talk);
}

static void lost_account_file_admits_nobody(void)
{
    talk_t *talk = talk_open("nobody:nobody:ALL:\n");
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/auth", NULL);
    const char *socket = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/mailq", NULL);
    hear(talk, "CHALLENGE: ");
    ZM_ASSERT_OK(apr_file_remove(path, zm_test_pool()));
    apr_socket_close(talk->socket);
    ZM_ASSERT_OK(zm_localsock_connect(&talk->socket, socket, zm_test_pool()));
    CU_ASSERT_PTR_NOT_NULL(strstr(hear(talk, NULL), "version zmailer 2.0\n550 "));
    zm_mailqd_reload(talk->mailqd);
    apr_socket_close(talk->socket);
    talk->ended = false;
    ZM_ASSERT_OK(zm_localsock_connect(&talk->socket, socket, zm_test_pool()));
    CU_ASSERT_PTR_NOT_NULL(strstr(hear(talk, NULL), "version zmailer 1.0\n"));
    talk_close(talk);
}

static void overlong_line_is_refused_and_forgotten(void)
{
    talk_t *talk = talk_open("boss:b:ALL:\n");
    char *line = apr_pcalloc(zm_test_pool(), 20001);
    authenticate(talk, "boss", "b");
    hear(talk, "+OK\n");
    memset(line, 'A', 20000);
    tell(talk, line);
    hear(talk, "-Line too long\n");
    tell(talk, "SHOW SNMP");
    hear(talk, "\n.\n");
    talk_close(talk);
}

static void long_listing_survives_a_changing_queue(void)
{
    talk_t *talk = talk_open("boss:b:ALL:\n");
    int64_t now = apr_time_sec(apr_time_now());
    uint64_t i;
    for (i = 1; i <= 2000; i++)
        world_add(talk->world, i, now - WORLD_START, "s@x",
                  apr_psprintf(zm_test_pool(), "smtp/h%d.com", (int)i));
    authenticate(talk, "boss", "b");
    hear(talk, "+OK\n");
    tell(talk, "SHOW QUEUE THREADS");
    listen_some(talk);
    for (i = 1; i <= 2000; i += 2)
        zm_scheduler_kill(talk->world->scheduler, zm_queue_find(talk->world->scheduler, i));
    CU_ASSERT_PTR_NOT_NULL(strstr(hear(talk, "\n.\n"), "smtp/h2000.com/0"));
    talk_close(talk);
}

/* -- pages --------------------------------------------------------------------------------- */

static talk_t *talk_of_threads(int threads)
{
    talk_t *talk = talk_open("boss:b:ALL:\n");
    int i;
    for (i = 1; i <= threads; i++)
        world_add(talk->world, (uint64_t)i, 0, "s@x",
                  apr_psprintf(zm_test_pool(), "smtp/h%d.com", i));
    authenticate(talk, "boss", "b");
    hear(talk, "+OK\n");
    return talk;
}

static int lines_of(const char *text)
{
    int count = 0;
    while ((text = strchr(text, '\n')) != NULL) {
        count++;
        text++;
    }
    return count;
}

static void listing_comes_in_pages(void)
{
    talk_t *talk = talk_of_threads(10);
    const char *text;
    uint64_t i;
    tell(talk, "PAGE 4 SHOW QUEUE THREADS2");
    text = hear(talk, "\n.\n");
    CU_ASSERT_EQUAL(strncmp(text, "+OK until LF.LF\nsmtp\th1.com\tN=1\t", 32), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nsmtp\th4.com\t"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n#more 1\n.\n"));
    CU_ASSERT_EQUAL(lines_of(text), 4 + 3);
    for (i = 1; i <= 6; i++) /* those told, and two to come */
        zm_scheduler_kill(talk->world->scheduler, zm_queue_find(talk->world->scheduler, i));
    tell(talk, "NEXT 1 3");
    text = hear(talk, "\n.\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nsmtp\th9.com\t"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n#more 1\n.\n"));
    tell(talk, "NEXT 1 1000");
    text = hear(talk, "\n.\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "smtp\th10.com\t"));
    CU_ASSERT_PTR_NULL(strstr(text, "#more"));
    tell(talk, "NEXT 1 1000");
    hear(talk, "-No such listing is open\n");
    talk_close(talk);
}

static void pages_of_several_listings_go_side_by_side(void)
{
    talk_t *talk = talk_of_threads(5);
    int i;
    tell(talk, "PAGE 1 SHOW QUEUE THREADS2");
    hear(talk, "#more 1\n.\n");
    tell(talk, "PAGE 1 SHOW THREAD smtp h1.com");
    hear(talk, "#more 2\n.\n");
    tell(talk, "NEXT 2 5");
    CU_ASSERT_PTR_NOT_NULL(strstr(hear(talk, "\n.\n"), "\n1\t0\ts@x\t100\t"));
    tell(talk, "NEXT 1 1");
    CU_ASSERT_PTR_NOT_NULL(strstr(hear(talk, "#more 1\n.\n"), "smtp\th2.com\t"));
    tell(talk, "DROP 1");
    hear(talk, "+OK; dropped\n");
    for (i = 0; i < 8; i++) {
        tell(talk, "PAGE 1 SHOW QUEUE THREADS2");
        hear(talk, "\n.\n");
    }
    tell(talk, "PAGE 1 SHOW QUEUE THREADS2");
    hear(talk, "-Too many listings are open; DROP one\n");
    tell(talk, "SHOW QUEUE THREADS2"); /* the whole needs no place */
    CU_ASSERT_PTR_NOT_NULL(strstr(hear(talk, "\n.\n"), "smtp\th5.com\t"));
    talk_close(talk); /* with all eight */
}

static void pages_need_the_right_of_their_command(void)
{
    talk_t *talk = talk_open("nobody:nobody:SNMP:\n");
    authenticate(talk, "nobody", "nobody");
    hear(talk, "+OK\n");
    tell(talk, "PAGE 5 SHOW QUEUE THREADS2");
    hear(talk, "-Unknown command or no right to it: PAGE 5\n");
    tell(talk, "PAGE 0 SHOW SNMP");
    hear(talk, "-Unknown command or no right to it: PAGE 0\n");
    tell(talk, "PAGE 1 SHOW SNMP");
    hear(talk, "#more 1\n.\n");
    tell(talk, "NEXT 1 x");
    hear(talk, "-Unknown command or no right to it: NEXT 1\n");
    tell(talk, "NEXT 1 1");
    CU_ASSERT_PTR_NOT_NULL(strstr(hear(talk, "\n.\n"), "Msgs in "));
    talk_close(talk);
}

ZM_TESTS("scheduler_mailqd", ZM_TEST(answer_follows_the_vector),
         ZM_TEST(account_lines_grant_by_user_and_address), ZM_TEST(socket_names_are_read),
         ZM_TEST(version_one_writes_the_queue_and_closes), ZM_TEST(version_two_wants_a_login_first),
         ZM_TEST(version_two_shows_and_obeys), ZM_TEST(kill_needs_its_right),
         ZM_TEST(message_is_found_by_its_message_id),
         ZM_TEST(address_without_account_is_turned_away), ZM_TEST(lost_account_file_admits_nobody),
         ZM_TEST(overlong_line_is_refused_and_forgotten),
         ZM_TEST(long_listing_survives_a_changing_queue), ZM_TEST(listing_comes_in_pages),
         ZM_TEST(pages_of_several_listings_go_side_by_side),
         ZM_TEST(pages_need_the_right_of_their_command))
