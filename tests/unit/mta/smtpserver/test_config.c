#include <apr_strings.h>

#include "mta/smtpserver/config.h"
#include "mta/smtpserver/hooking.h"
#include "platform/machine.h"
#include "tests/unit/harness.h"

static config_t *config;
static config_options_t options;

static apr_status_t parse(const char *text)
{
    zm_zenv_t *zenv;
    zm_error_t error;
    ZM_ASSERT_OK(zm_zenv_parse(&zenv, ZM_S("MAILVAR=/var/zm\nPOSTOFFICE=/po\n"), "zmailer.conf",
                               "/usr", NULL, zm_test_pool(), &error));
    options.zenv = zenv;
    return config_parse(&config, zm_str(text), "x.conf", &options, zm_test_pool());
}

/* The errors, or the notices, one a line. */
static const char *lines(const apr_array_header_t *list)
{
    const char *text = "";
    int i;
    for (i = 0; i < list->nelts; i++)
        text = apr_pstrcat(zm_test_pool(), text, APR_ARRAY_IDX(list, i, const char *), "\n", NULL);
    return text;
}

static const char *binds(void)
{
    const char *text = "";
    int i;
    for (i = 0; i < config->binds->nelts; i++) {
        const config_bind_t *bind = &APR_ARRAY_IDX(config->binds, i, config_bind_t);
        char address[ZM_IP_TEXT];
        text = apr_psprintf(zm_test_pool(), "%s%d=%s ", text, bind->group->number,
                            zm_endpoint_print(&bind->where, address));
    }
    return text;
}

static void an_empty_file_means_defaults(void)
{
    options = (config_options_t){0};
    ZM_ASSERT_OK(parse(""));
    CU_ASSERT_EQUAL(config->max_size, 0);
    CU_ASSERT_EQUAL(config->min_space, 5000);
    CU_ASSERT_EQUAL(config->same_address, 100);
    CU_ASSERT_EQUAL(config->sessions, 800);
    CU_ASSERT_EQUAL(config->standard->recipients, 10000);
    CU_ASSERT_EQUAL(config->bare_newline, NEWLINE_REJECT);
    ZM_ASSERT_STR(binds(), "0=*:25 ");
    CU_ASSERT_EQUAL(config->notices->nelts, 1); /* no pattern: not configured */
}

static void values_are_read_in_any_case_with_comments_and_quotes(void)
{
    options = (config_options_t){.max_size = 7};
    ZM_ASSERT_OK(parse("# comment\n  indented is a comment\n"
                       "PARAM MAXSIZE 100 # trailing\nPARAM  min-availspace\t10\n"
                       "PARAM rcptlimitcount \"50\"\nPARAM tarpit 20 2\n"
                       "PARAM data-bare-newline 'normalize'\n* * ve\n"));
    CU_ASSERT_EQUAL(config->max_size, 100);
    CU_ASSERT_EQUAL(config->min_space, 1000);
    CU_ASSERT_EQUAL(config->standard->recipients, 100);
    CU_ASSERT_EQUAL(config->standard->tarpit_limit, 250.0);
    CU_ASSERT_EQUAL(config->bare_newline, NEWLINE_NORMALIZE);
    CU_ASSERT_EQUAL(config->notices->nelts, 0);
}

static void raw_text_is_kept_as_it_stands(void)
{
    ZM_ASSERT_OK(parse("PARAM hdr220 %H $MAILVAR  \"x\" # y\nPARAM help   indented\n"
                       "PARAM contact-pointer-message \"call us\"\n* 999 ve\n"));
    ZM_ASSERT_STR(config->greeting[0], "%H $MAILVAR  \"x\" # y");
    ZM_ASSERT_STR(config->help[0], "  indented");
    ZM_ASSERT_STR(config->standard->contact, "call us");
}

static void all_errors_are_listed_with_their_lines(void)
{
    CU_ASSERT_EQUAL(parse("PARAM maxsize lots\nPARAM nosuch 1\n\nPARAM\nPARAM maxsize\n"
                          "PARAM BindSmtp [1.2.3] 25\nPARAM BindSmtp any 99999\n* 999 eQv\n"
                          "PARAM hdr220 \"x\nPARAM tarpit \"20 2\nPARAM BindPort 99999\n"
                          "PARAM enable-router-maxpar 50\n"),
                    ZM_E_CONFIG);
    ZM_ASSERT_STR(lines(config->errors),
                  "x.conf:1: PARAM maxsize: expected a number, not lots\n"
                  "x.conf:6: PARAM BindSmtp: expected any, any6, [ADDRESS], [IPv6:ADDRESS] or "
                  "iface:NAME, not [1.2.3]\n"
                  "x.conf:7: PARAM BindSmtp: expected a port number, not 99999\n"
                  "x.conf:11: PARAM BindPort: expected a number, not 99999\n");
    ZM_ASSERT_STR(lines(config->warnings),
                  "x.conf:2: PARAM nosuch is ignored: there is no such parameter\n"
                  "x.conf:4: expected a keyword behind PARAM\n"
                  "x.conf:5: PARAM maxsize is ignored: expected 1 word behind it\n"
                  "x.conf:8: the flag Q has no effect: flags are R S F T f t v e h D -, or !TEXT\n"
                  "x.conf:10: PARAM tarpit: expected a closing \"\n"
                  "x.conf:10: PARAM tarpit is ignored: expected 2 words behind it\n"
                  "x.conf:12: PARAM enable-router-maxpar: 50 is out of range; 20 is used\n");
    CU_ASSERT_EQUAL(pattern_find(&config->patterns, ZM_S("x"))->flags,
                    PATTERN_VERIFY | PATTERN_EXPAND);
    CU_ASSERT_EQUAL(config->routers, 20);
}

static void what_keeps_somebody_out_is_never_ignored_in_silence(void)
{
    static const char *const words[] = {"use-tcp-wrapper", "policydb sleepyrpc /x",
                                        "contentfilter /x", "perl-hook /x",
                                        "policydb-submit btree /x"};
    apr_size_t i;
    for (i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *name = words[i];
        ZM_ASSERT_OK(parse(apr_pstrcat(zm_test_pool(),
                                       "PARAM BindSmtp any 25\nPARAM newgroup\n"
                                       "PARAM BindSmtp any 26\nPARAM ",
                                       words[i], "\n* 999 ve\n", NULL)));
        CU_ASSERT_EQUAL(config->warnings->nelts, 1);
        CU_ASSERT_TRUE(strstr(lines(config->warnings),
                              zm_str_c(zm_test_pool(), zm_str_of(name, strcspn(name, " ")))) !=
                       NULL);
    }
}

static void groups_have_what_their_tls_needs(void)
{
    options = (config_options_t){0};
    CU_ASSERT_EQUAL(
        parse("PARAM BindSmtp any 25\nPARAM newgroup\nPARAM BindSmtpS any\nPARAM newgroup\n"
              "PARAM use-tls\nPARAM newgroup\nPARAM tls-enforce-tls 1\nPARAM newgroup\n"
              "PARAM use-tls\nPARAM tls-key-file /k\nPARAM tls-require-cert 1\nPARAM newgroup\n"
              "PARAM tls-min-version TLSv1.1\nPARAM tls-ask-cert 0\nPARAM tls-enforce-tls 0\n"
              "* ve\n"),
        ZM_E_CONFIG);
    ZM_ASSERT_STR(
        lines(config->errors),
        "x.conf:13: PARAM tls-min-version: expected TLSv1.2 or TLSv1.3, not TLSv1.1\n"
        "x.conf: PARAM use-tls: group 2 has no tls-cert-file\n"
        "x.conf: PARAM tls-enforce-tls: group 3 has no use-tls, so nobody could send "
        "mail\n"
        "x.conf: PARAM tls-require-cert: group 4 has neither tls-CAfile nor tls-CApath to "
        "verify clients by\n"
        "x.conf: port 465 is for TLS, but its group has no use-tls\n");
}

static void tls_is_read_for_each_group(void)
{
    const config_tls_t *tls;
    options = (config_options_t){0};
    ZM_ASSERT_OK(parse("PARAM use-tls\nPARAM tls-cert-file /c\nPARAM BindAddress any\n"
                       "PARAM listen-ssmtp\nPARAM newgroup\nPARAM tls-key-file /k\n"
                       "PARAM tls-dkey-file /d\nPARAM tls-CApath /a\nPARAM tls-require-cert\n"
                       "PARAM tls-min-version tlsv1.3\nPARAM tls-loglevel 4\n"
                       "PARAM tls-use-scache\nPARAM tls-scache-timeout 60\nPARAM tls-ccert-vd 2\n"
                       "PARAM BindSmtpS [192.0.2.1] 4650\n* ve\n"));
    ZM_ASSERT_STR(binds(), "0=0.0.0.0:25 1=192.0.2.1:4650 0=0.0.0.0:465 ");
    tls = &config->standard->tls;
    CU_ASSERT_TRUE(tls->use && !tls->ask && !tls->require && !tls->resume && !tls->enforce);
    ZM_ASSERT_STR(tls->key, "/c");
    ZM_ASSERT_STR(tls->least, "1.2");
    CU_ASSERT_EQUAL(tls->depth, 5);
    CU_ASSERT_PTR_NULL(tls->certificate2);
    tls = &APR_ARRAY_IDX(config->groups, 1, config_group_t *)->tls;
    CU_ASSERT_TRUE(tls->use && tls->require && tls->resume);
    ZM_ASSERT_STR(tls->certificate, "/c");
    ZM_ASSERT_STR(tls->key, "/k");
    ZM_ASSERT_STR(tls->certificate2, "/d");
    ZM_ASSERT_STR(tls->least, "1.3");
    CU_ASSERT_EQUAL(tls->seconds, 60);
    CU_ASSERT_EQUAL(tls->depth, 2);
    CU_ASSERT_EQUAL(tls->log_level, 2);
    ZM_ASSERT_STR(lines(config->warnings),
                  "x.conf:11: PARAM tls-loglevel: 4 is out of range; 2 is used\n");
}

static void submission_has_listeners_of_its_own(void)
{
    const config_bind_t *bind;
    options = (config_options_t){0};
    ZM_ASSERT_OK(parse("PARAM BindSmtp any\nPARAM newgroup\nPARAM no-submit-requires-auth\n"
                       "PARAM BindSubmit any6\nPARAM newgroup\nPARAM listen-submit\n"
                       "PARAM BindAddress [127.0.0.1]\nPARAM BindPort 2525\n* ve\n"));
    ZM_ASSERT_STR(binds(), "0=0.0.0.0:25 1=[::]:587 2=127.0.0.1:2525 2=127.0.0.1:587 ");
    bind = &APR_ARRAY_IDX(config->binds, 1, config_bind_t);
    CU_ASSERT_TRUE(bind->submit);
    CU_ASSERT_EQUAL(bind->group->submit_auth, 0);
    CU_ASSERT_FALSE(APR_ARRAY_IDX(config->binds, 2, config_bind_t).submit);
    CU_ASSERT_TRUE(APR_ARRAY_IDX(config->binds, 3, config_bind_t).submit);
    ZM_ASSERT_OK(parse("PARAM listen-submit\n* ve\n"));
    ZM_ASSERT_STR(binds(), "0=*:25 0=*:587 ");
}

/* Lines with texts come in any number in old files. */
static void the_last_of_too_many_texts_is_kept(void)
{
    const char *text = "* ve\n";
    int i;
    for (i = 0; i < 45; i++)
        text = apr_psprintf(zm_test_pool(), "%sPARAM help %d\nPARAM hdr220 %d\n", text, i, i);
    ZM_ASSERT_OK(parse(text));
    CU_ASSERT_EQUAL(config->help_lines, CONFIG_HELP_LINES);
    ZM_ASSERT_STR(config->help[CONFIG_HELP_LINES - 1], "44");
    ZM_ASSERT_STR(config->greeting[3], "3");
    ZM_ASSERT_STR(config->greeting[4], "44");
}

static void what_has_no_effect_is_said_once(void)
{
    ZM_ASSERT_OK(parse("PARAM tls-dh512 /x\nPARAM policydb btree $MAILVAR/db/smtp-policy\n"
                       "PARAM tls-dh512 /x\n"
                       "* 999 veD\nx 999 veD\n"));
    ZM_ASSERT_STR(
        lines(config->notices),
        "x.conf:1: PARAM tls-dh512 has no effect: it is obsolete: the library sees to that\n"
        "x.conf:4: the flag D has no effect: input that breaks off is not kept\n");
    CU_ASSERT_EQUAL(config->warnings->nelts, 0);
    ZM_ASSERT_STR(config->standard->policy_type, "btree");
    ZM_ASSERT_STR(config->standard->policy_file, "/var/zm/db/smtp-policy");
    CU_ASSERT_FALSE(config->accept_unknown);
}

static void groups_start_from_the_default_group(void)
{
    options = (config_options_t){0};
    ZM_ASSERT_OK(parse("PARAM max-error-recipients 5\nPARAM BindSmtp any 25\nPARAM newgroup\n"
                       "PARAM max-error-recipients 9\nPARAM NoDSN\nPARAM BindSmtp [IPv6:::1] 26\n"
                       "PARAM newgroup\nPARAM BindPort 2525\n* 999 ve\n"));
    CU_ASSERT_EQUAL(config->groups->nelts, 3);
    CU_ASSERT_EQUAL(APR_ARRAY_IDX(config->groups, 1, config_group_t *)->error_recipients, 9);
    CU_ASSERT_EQUAL(APR_ARRAY_IDX(config->groups, 2, config_group_t *)->error_recipients, 5);
    CU_ASSERT_TRUE(APR_ARRAY_IDX(config->groups, 2, config_group_t *)->dsn);
    ZM_ASSERT_STR(binds(), "0=0.0.0.0:25 1=[::1]:26 2=*:2525 ");
}

static void addresses_take_their_classic_forms(void)
{
    options = (config_options_t){.port = 2600};
    ZM_ASSERT_OK(
        parse("PARAM BindSmtp [192.0.2.1]\nPARAM BindSmtp any6 26\nPARAM BindAddress 192.0.2.2\n"
              "PARAM BindSmtp \"[ipv6 2001:db8::1]\" 27\nPARAM BindSmtp [ipv6.2001:db8::2] 27\n"
              "* 999 ve\n"));
    ZM_ASSERT_STR(binds(), "0=192.0.2.1:25 0=[::]:26 0=192.0.2.2:2600 0=[2001:db8::1]:27 "
                           "0=[2001:db8::2]:27 ");
    ZM_ASSERT_OK(parse("PARAM BindSmtp [ipv6 2001:db8::1] 2525\n* 999 ve\n"));
    ZM_ASSERT_STR(binds(), "0=[2001:db8::1]:2525 ");
}

static void somewhere_there_must_be_an_address(void)
{
    options = (config_options_t){0};
    CU_ASSERT_EQUAL(parse("PARAM BindSmtp iface:nosuch:0\n* ve\n"), ZM_E_CONFIG);
    ZM_ASSERT_STR(lines(config->errors), "x.conf: no address to listen at is left\n");
}

static void interfaces_stand_for_their_addresses(void)
{
    const char *const *addresses;
    options = (config_options_t){0};
    ZM_ASSERT_OK(zm_machine_interface(&addresses, "lo", zm_test_pool()));
    if (*addresses != NULL) { /* it has another name elsewhere */
        ZM_ASSERT_OK(
            parse("PARAM BindSmtp iface:v4:lo 2525\nPARAM BindSmtp iface:nosuch:0\n* ve\n"));
        ZM_ASSERT_STR(binds(), "0=127.0.0.1:2525 ");
    } else {
        ZM_ASSERT_OK(parse("PARAM BindSmtp any 25\nPARAM BindSmtp iface:nosuch:0\n* ve\n"));
    }
    ZM_ASSERT_STR(lines(config->warnings), "x.conf:2: PARAM BindSmtp: nobody listens there: the "
                                           "interface nosuch:0 has no address\n");
}

static void options_fill_in_what_the_file_leaves_open(void)
{
    options = (config_options_t){.port = 2600, .family = 4, .max_size = 99};
    ZM_ASSERT_OK(parse("* 999 ve\n"));
    ZM_ASSERT_STR(binds(), "0=0.0.0.0:2600 ");
    CU_ASSERT_EQUAL(config->max_size, 99);
}

static void a_missing_file_is_an_error(void)
{
    options = (config_options_t){0};
    CU_ASSERT_EQUAL(parse(""), APR_SUCCESS);
    CU_ASSERT_EQUAL(config_load(&config, "/nonexistent/x.conf", &options, zm_test_pool()),
                    ZM_E_CONFIG);
    CU_ASSERT_TRUE(strstr(lines(config->errors), "/nonexistent/x.conf") != NULL);
}

static void files_of_old_versions_load(void)
{
    options = (config_options_t){0};
    ZM_ASSERT_OK(
        parse("PARAM maxsize\t\t10000000\t# Maximum size in bytes\n"
              "PARAM min-availspace\t5000\n"
              "#PARAM BindPort 25\nPARAM BindPort 25\nPARAM BindAddress [127.0.0.1]\n"
              "PARAM tarpit 20 2\nPARAM rcvd-ident\nPARAM rcvd-tls-ccert\nPARAM No8BITIME\n"
              "PARAM policydb $DBTYPE $MAILVAR/db/smtp-policy\n"
              "PARAM help -------------\nPARAM help   see http://www.zmailer.org/\n"
              "localhost            999 ftveR\nsome.host.domain     999 !NO MAIL\n"
              "\\[*\\]              999 ve\n*                    * veR\n"));
    CU_ASSERT_FALSE(config->standard->eight_bit);
    ZM_ASSERT_STR(binds(), "0=127.0.0.1:25 ");
    CU_ASSERT_TRUE(config->standard->rcvd_tls_peer);
    CU_ASSERT_EQUAL(config->notices->nelts, 1);
    CU_ASSERT_EQUAL(config->warnings->nelts, 0);
    ZM_ASSERT_STR(config->standard->policy_type, "sqlite");
}

/* As a site would have it that uses all of the last version. */
static const char whole_file[] =
    "PARAM maxsize 10000000\nPARAM min-availspace 5000\nPARAM MaxSameIpSource 10\n"
    "PARAM same-ip-source-parallel-max 10\nPARAM MaxParallelConnections 800\n"
    "PARAM max-parallel-connections 800\nPARAM max-unknown-commands 10\n"
    "PARAM sum-sizeoption-value\nPARAM accept-percent-kludge\nPARAM reject-percent-kludge\n"
    "PARAM allowsourceroute\nPARAM enable-router\nPARAM enable-router-maxpar 2\n"
    "PARAM contentfilter $MAILBIN/smtp-contentfilter\nPARAM contentfilter-maxpar 2\n"
    "PARAM debug-contentfilter\nPARAM perl-hook $MAILBIN/hook.pl\n"
    "PARAM hdr220 %H ESMTP (%V) %T\nPARAM help -----\nPARAM etrn-cluster 127.0.0.1 u p\n"
    "PARAM tracking-cluster 192.0.2.1 7777 s\nPARAM smtpserver-cluster 192.0.2.1 7777 s\n"
    "PARAM BindSmtp any 25\nPARAM ListenQueueSize 20000\nPARAM TcpRcvBufferSize 32768\n"
    "PARAM TcpXmitBufferSize 32768\nPARAM use-tcp-wrapper\nPARAM max-error-recipients 3\n"
    "PARAM RcptLimitCount 10000\nPARAM RcptLimitCnt 10000\nPARAM Rcpt-Limit-Count 10000\n"
    "PARAM tarpit 0 0 0\nPARAM deliverby 3600\nPARAM policydb $DBTYPE $MAILVAR/db/smtp-policy\n"
    "PARAM contact-pointer-message \"x\"\nPARAM DEBUGcmd\nPARAM no-DEBUGcmd\nPARAM EXPNcmd\n"
    "PARAM no-EXPNcmd\nPARAM VRFYcmd\nPARAM no-VRFYcmd\nPARAM NoEHLO\nPARAM EHLO-OK\n"
    "PARAM NoPIPELINING\nPARAM PIPELINING-OK\nPARAM No8BITMIME\nPARAM 8BITMIME-OK\n"
    "PARAM NoCHUNKING\nPARAM CHUNKING-OK\nPARAM NoDSN\nPARAM DSN-OK\nPARAM NoETRN\n"
    "PARAM ETRN-OK\nPARAM NoENHANCEDSTATUS\nPARAM ENHANCEDSTATUS-OK\n"
    "PARAM NoENCHANCEDSTATUSCODES\nPARAM ENHANCEDSTATUSCODES-OK\nPARAM no-multiline-replies\n"
    "PARAM multiline-replies-ok\nPARAM force-rcpt-notify-never\n"
    "PARAM no-force-rcpt-notify-never\nPARAM rcvd-ident\nPARAM no-rcvd-ident\n"
    "PARAM rcvd-whoson\nPARAM no-rcvd-whoson\nPARAM rcvd-auth-user\nPARAM no-rcvd-auth-user\n"
    "PARAM rcvd-tls-mode\nPARAM no-rcvd-tls-mode\nPARAM rcvd-tls-peer\n"
    "PARAM no-rcvd-tls-peer\nPARAM rcvd-tls-ccert\nPARAM no-rcvd-tls-ccert\n"
    "PARAM newgroup\nPARAM MSA-mode\nPARAM lmtp-mode\nPARAM BindSubmit any 587\n"
    "PARAM listen-submit\nPARAM smtp-auth\nPARAM no-smtp-auth\nPARAM smtp-auth-sasl\n"
    "PARAM no-smtp-auth-sasl\nPARAM sasl-mechanisms \"PLAIN LOGIN\"\n"
    "PARAM SMTP-auth-pipe /bin/x\nPARAM AUTH-LOGIN-also-without-TLS\n"
    "PARAM no-smtp-auth-on-25\nPARAM no-smtp-auth-on-port-25\n"
    "PARAM smtp-auth-username-prompt \"User Name\"\nPARAM smtp-auth-password-prompt 'Pass word'\n"
    "PARAM auth-failrate 20\nPARAM newgroup\nPARAM BindSmtpS any 465\nPARAM listen-ssmtp\n"
    "PARAM no-use-tls\nPARAM use-tls\nPARAM outlook-tls-bug\nPARAM tls-cert-file /x\n"
    "PARAM tls-key-file /x\nPARAM tls-dcert-file /x\nPARAM tls-dkey-file /x\n"
    "PARAM tls-CAfile /x\nPARAM tls-CApath /x\nPARAM tls-cipher-list HIGH\n"
    "PARAM tls-dh512 /x\nPARAM tls-dh1024 /x\nPARAM tls-random-source dev:/dev/urandom\n"
    "PARAM tls-loglevel 0\nPARAM tls-ccert-vd 1\nPARAM tls-ask-cert 0\n"
    "PARAM tls-require-cert 0\nPARAM tls-enforce-tls 0\nPARAM tls-use-scache\n"
    "PARAM tls-scache-name x\nPARAM tls-scache-timeout 3600\nPARAM spf-received\n"
    "PARAM spf-threshold softfail\nPARAM spf-localpolicy \"include:x\"\n"
    "PARAM spf-whitelist-use-default false\nPARAM report-auth-file $MAILVAR/scheduler.auth\n"
    "localhost * ftveR\nsome.host.domain * !NO EMAIL FROM YOUR MACHINE\n\\[*\\] * ve\n"
    "* * veR\n";

static void every_parameter_of_the_last_version_is_known(void)
{
    options = (config_options_t){0};
    ZM_ASSERT_OK(parse(whole_file));
    CU_ASSERT_TRUE(strstr(lines(config->warnings), "no such parameter") == NULL);
    ZM_ASSERT_STR(binds(), "0=0.0.0.0:25 1=0.0.0.0:587 2=0.0.0.0:465 ");
    CU_ASSERT_TRUE(config->submission && config->lmtp);
}

/* -- patterns ------------------------------------------------------------------------- */

static bool matches(const char *glob, const char *name)
{
    return pattern_match(glob, zm_str(name));
}

static void globs_match_as_in_a_shell(void)
{
    CU_ASSERT_TRUE(matches("*", ""));
    CU_ASSERT_TRUE(matches("*.test", "A.B.TEST"));
    CU_ASSERT_FALSE(matches("*.test", "test"));
    CU_ASSERT_TRUE(matches("a?c", "abc"));
    CU_ASSERT_TRUE(matches("[a-c]x", "bx"));
    CU_ASSERT_FALSE(matches("[!a-c]x", "bx"));
    CU_ASSERT_TRUE(matches("[]]", "]"));
    CU_ASSERT_TRUE(matches("\\[*\\]", "[1.2.3.4]"));
    CU_ASSERT_FALSE(matches("[abc", "a"));
    CU_ASSERT_FALSE(matches("a", "ab"));
    CU_ASSERT_TRUE(matches("*a*b*c*", "xxaxxbxxcxx"));
    CU_ASSERT_FALSE(matches("", "a"));
}

static void globs_take_no_exponential_time(void)
{
    char name[3000];
    memset(name, 'a', sizeof name);
    CU_ASSERT_FALSE(pattern_match("*a*a*a*a*a*a*a*a*a*a*a*a*b", zm_str_of(name, sizeof name)));
}

static void the_first_pattern_decides(void)
{
    options = (config_options_t){0};
    ZM_ASSERT_OK(parse("good.test 5 R words R S\nbad.* * !go away\n* ve\n"));
    CU_ASSERT_EQUAL(pattern_find(&config->patterns, ZM_S("GOOD.test"))->flags, PATTERN_FULL);
    CU_ASSERT_EQUAL(pattern_find(&config->patterns, ZM_S("good.test"))->max_load, 5);
    ZM_ASSERT_STR(pattern_find(&config->patterns, ZM_S("bad.x"))->text, "go away");
    CU_ASSERT_EQUAL(pattern_find(&config->patterns, ZM_S("x"))->flags,
                    PATTERN_VERIFY | PATTERN_EXPAND);
}

static void who_looks_at_messages_is_read_for_each_group(void)
{
    const config_group_t *second;
    options = (config_options_t){0};
    ZM_ASSERT_OK(parse("PARAM contentfilter unix:/run/filter.sock\n"
                       "PARAM contentfilter-maxpar 7\nPARAM contentfilter-failmode freeze\n"
                       "PARAM debug-contentfilter\nPARAM milter inet:localhost:11332\n"
                       "PARAM policy-hook inet:10023@127.0.0.1 rcpt,DATA\nPARAM BindSmtp any 25\n"
                       "PARAM newgroup\nPARAM no-milter\nPARAM milter unix:/run/m.sock\n"
                       "PARAM no-policy-hook\nPARAM BindSmtp any 26\n* 999 ve\n"));
    ZM_ASSERT_STR(config->filter.socket, "/run/filter.sock");
    CU_ASSERT_PTR_NULL(config->filter.program);
    CU_ASSERT_EQUAL(config->filter.most, 7);
    CU_ASSERT_TRUE(config->filter.debug);
    CU_ASSERT_EQUAL(config->failmode, FAIL_FREEZE);
    CU_ASSERT_EQUAL(config->standard->milter_count, 1);
    CU_ASSERT_EQUAL(config->standard->milters[0]->port, 11332);
    CU_ASSERT_EQUAL(config->standard->hook->port, 10023);
    CU_ASSERT_EQUAL(config->standard->hook_stages, HOOKING_RCPT | HOOKING_DATA);
    second = APR_ARRAY_IDX(config->groups, 1, config_group_t *);
    CU_ASSERT_EQUAL(second->milter_count, 1);
    ZM_ASSERT_STR(second->milters[0]->path, "/run/m.sock");
    CU_ASSERT_PTR_NULL(second->hook);
    CU_ASSERT_EQUAL(config->warnings->nelts, 0);
}

static void who_cannot_look_at_messages_is_an_error(void)
{
    static const char *const bad[] = {"contentfilter-failmode never",
                                      "milter /run/m.sock",
                                      "milter inet:host",
                                      "policy-hook tcp:x:1",
                                      "policy-hook inet:x:1 rcpt,end",
                                      "contentfilter filter"};
    apr_size_t i;
    options = (config_options_t){0};
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_EQUAL(parse(apr_pstrcat(zm_test_pool(), "PARAM ", bad[i], "\n* 999 ve\n", NULL)),
                        ZM_E_CONFIG);
        CU_ASSERT_EQUAL(config->errors->nelts, 1);
    }
    CU_ASSERT_EQUAL(parse("PARAM milter unix:/a\nPARAM milter unix:/b\nPARAM milter unix:/c\n"
                          "PARAM milter unix:/d\nPARAM milter unix:/e\n* 999 ve\n"),
                    ZM_E_CONFIG);
    ZM_ASSERT_STR(lines(config->errors), "x.conf:5: PARAM milter: there are 4 already\n");
    ZM_ASSERT_OK(parse("PARAM contentfilter /nonexistent/filter\n* 999 ve\n"));
    ZM_ASSERT_STR(lines(config->warnings),
                  "x.conf:1: PARAM contentfilter: there is no /nonexistent/filter\n");
    ZM_ASSERT_STR(config->filter.program, "/nonexistent/filter");
}

ZM_TESTS("smtpserver config", ZM_TEST(an_empty_file_means_defaults),
         ZM_TEST(values_are_read_in_any_case_with_comments_and_quotes),
         ZM_TEST(raw_text_is_kept_as_it_stands), ZM_TEST(all_errors_are_listed_with_their_lines),
         ZM_TEST(what_keeps_somebody_out_is_never_ignored_in_silence),
         ZM_TEST(groups_have_what_their_tls_needs), ZM_TEST(tls_is_read_for_each_group),
         ZM_TEST(submission_has_listeners_of_its_own), ZM_TEST(the_last_of_too_many_texts_is_kept),
         ZM_TEST(interfaces_stand_for_their_addresses), ZM_TEST(somewhere_there_must_be_an_address),
         ZM_TEST(every_parameter_of_the_last_version_is_known),
         ZM_TEST(what_has_no_effect_is_said_once), ZM_TEST(groups_start_from_the_default_group),
         ZM_TEST(addresses_take_their_classic_forms),
         ZM_TEST(options_fill_in_what_the_file_leaves_open), ZM_TEST(a_missing_file_is_an_error),
         ZM_TEST(files_of_old_versions_load), ZM_TEST(globs_match_as_in_a_shell),
         ZM_TEST(globs_take_no_exponential_time), ZM_TEST(the_first_pattern_decides),
         ZM_TEST(who_looks_at_messages_is_read_for_each_group),
         ZM_TEST(who_cannot_look_at_messages_is_an_error))
