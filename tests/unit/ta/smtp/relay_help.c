#include "tests/unit/ta/smtp/relay_help.h"

zm_fixture_t *fixture;
zm_server_t server;
zm_smtp_options_t options;
zm_smtp_t smtp;

/* A test may begin more than once. */
void begin(void)
{
    zm_server_end(&server);
    fixture = zm_fixture("MYHOSTNAME=client.example\n");
    server = (zm_server_t){0};
    zm_server_start(&server, fixture->loop, fixture->pool);
    zm_smtp_defaults(&options);
}

const char *send_letter(zm_fixture_letter_t letter)
{
    const char *host = zm_server_host(&server), *path;
    int i;
    for (i = 0; i < 8 && letter.recipients[i].channel != NULL; i++)
        letter.recipients[i].host = host;
    if (letter.sender == NULL)
        letter.sender = "from@example.org";
    path = zm_fixture_letter(fixture, &letter);
    zm_fixture_feed(fixture, "%s\t%s\n", path, host);
    return path;
}

const char *send_long_letter(apr_size_t line)
{
    apr_size_t length = 3000000, i;
    char *body = apr_palloc(fixture->pool, length + 1);
    for (i = 0; i < length; i++)
        body[i] = i % line == line - 1 ? '\n' : i % line == 0 ? '.' : 'x';
    body[length] = '\0';
    return send_letter((zm_fixture_letter_t){
        .body = body, .header = "To: x\n", .recipients = {{"smtp", "", "bob@x", 0, NULL}}});
}

const char *send_to(const char *user)
{
    return send_letter((zm_fixture_letter_t){.recipients = {{"smtp", "", user, 0, NULL}}});
}

void run(void)
{
    zm_agent_options_t agent = zm_fixture_agent(fixture, "smtp", "smtp");
    zm_error_t error;
    zm_fixture_end(fixture);
    ZM_ASSERT_OK(zm_smtp_open(&smtp, &options, &agent, fixture->pool, &error));
    CU_ASSERT_EQUAL(zm_smtp_run(&smtp), 0);
    say_goodbye();
}

void say_goodbye(void)
{
    while (server.open > 0)
        zm_loop_once(fixture->loop, -1);
    zm_loop_once(fixture->loop, 0);
    zm_loop_once(fixture->loop, 0);
}
