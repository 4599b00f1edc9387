#include "tests/unit/mta/dkim/mail.h"

#include <apr_strings.h>

#include "tests/unit/mta/net/net_help.h"

const char rfc8463_ed25519[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\n"
                               " d=football.example.com; i=@football.example.com;\n"
                               " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\n"
                               " subject : date : message-id : from : subject : date;\n"
                               " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                               " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\n"
                               " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\n";

const char rfc8463_rsa[] = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
                           " d=football.example.com; i=@football.example.com;\n"
                           " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\n"
                           " date : message-id : from : subject : date;\n"
                           " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
                           " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\n"
                           " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\n"
                           " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\n";

const char rfc8463_message[] = "From: Joe SixPack <joe@football.example.com>\n"
                               "To: Suzie Q <suzie@shopping.example.net>\n"
                               "Subject: Is dinner ready?\n"
                               "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
                               "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
                               "\n"
                               "Hi.\n"
                               "\n"
                               "We lost the game.  Are you hungry yet?\n"
                               "\n"
                               "Joe.\n";

static int told;

static void on_told(void *baton)
{
    (void)baton;
    told++;
}

const zm_verified_t *verify_at(const char *text, const fake_record_t *records, int64_t now,
                               apr_size_t piece, zm_auth_t spf, const char *spf_domain)
{
    zm_loop_t *loop = net_loop();
    fake_dns_t *server = fake_dns_start(loop, records, zm_test_pool());
    zm_dns_options_t options = {.servers = fake_dns_address(server), .tries = 1};
    zm_verifier_t *verifier = zm_verifier_create(now, zm_test_pool());
    apr_size_t at, length = strlen(text);
    zm_error_t error;
    zm_dns_t *dns;
    ZM_ASSERT_OK(zm_dns_create(&dns, loop, &options, &error));
    for (at = 0; at < length; at += piece)
        zm_verifier_put(verifier, text + at, length - at < piece ? length - at : piece);
    told = 0;
    zm_verifier_ask(verifier, dns, on_told, NULL);
    net_run_until(loop, &told);
    CU_ASSERT_EQUAL(told, 1);
    zm_verifier_judge(verifier, spf, zm_str(spf_domain), 99);
    zm_dns_destroy(dns);
    fake_dns_stop(server);
    return zm_verifier_result(verifier);
}

const zm_verified_t *verify(const char *text, const fake_record_t *records)
{
    return verify_at(text, records, RFC8463_NOW, 1000000, ZM_AUTH_NONE, "");
}

const char *words(const zm_verified_t *verified)
{
    const char *text = "";
    int i;
    for (i = 0; i < verified->count; i++)
        text = apr_pstrcat(zm_test_pool(), text, i > 0 ? " " : "",
                           zm_auth_name(verified->signatures[i].result), NULL);
    return text;
}
