/*
 * The keywords of smtpserver.conf.
 *
 * One table says for each what it is and where its value goes, so that no
 * keyword is silently ignored: the unknown and those of features that are not in
 * this version are told by name.
 */
#include <apr_strings.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "mta/map/map.h"
#include "mta/smtpserver/config_parts.h"
#include "mta/smtpserver/policy.h"

typedef enum kind_t {
    ON,       /* a flag of the whole configuration: true */
    GROUP_ON, /* of the group */
    GROUP_OFF,
    NUMBER, /* of the whole configuration, between low and high */
    GROUP_NUMBER,
    GROUP_SWITCH, /* 0 is false; anything else, or nothing, true */
    GROUP_TEXT,
    CALL,   /* a function of its own */
    NOTICE, /* known, without effect in this version */
    WARNING /* the same, and it would have kept somebody out */
} kind_t;

typedef struct keyword_t {
    const char *name;
    kind_t kind;
    size_t offset;
    int64_t low, high;
    bool exact; /* a number out of range is an error */
    void (*call)(config_reader_t *reader);
    int words; /* that must be there */
    bool raw;
    const char *note;
} keyword_t;

#define G(field) offsetof(config_group_t, field)
#define C(field) offsetof(config_t, field)
#define MANY INT64_C(1000000000)

#define NO_NEED "it is obsolete: the library sees to that"
#define NO_SASL "the library is not asked: auth-user-file and SMTP-auth-pipe know users"

/* -- parameters with a rule of their own ------------------------------------------ */

static void bind_smtp(config_reader_t *reader)
{
    config_bind(reader, CONFIG_SMTP);
}

static void bind_submit(config_reader_t *reader)
{
    config_bind(reader, CONFIG_SUBMIT);
}

static void bind_address(config_reader_t *reader)
{
    config_bind(reader, CONFIG_CLASSIC);
}

static void bind_tls(config_reader_t *reader)
{
    config_bind(reader, CONFIG_TLS);
}

static void submit_auth(config_reader_t *reader)
{
    reader->group->submit_auth = zm_str_starts_nocase(reader->keyword, ZM_S("no-")) ? 0 : 1;
}

static void policy_database(config_reader_t *reader)
{
    config_group_t *group = reader->group;
    group->policy_type = zm_str_c(reader->pool, reader->words[0]);
    group->policy_file = zm_str_c(reader->pool, reader->words[1]);
    if (strcmp(group->policy_type, "$DBTYPE") == 0) /* the site has not set it */
        group->policy_type = "sqlite";
    if (!zm_map_type_exists(group->policy_type))
        config_warning(reader,
                       "PARAM policydb: this version has no databases of type %s: clients will be "
                       "turned away",
                       group->policy_type);
}

static void spf_threshold(config_reader_t *reader)
{
    static const char *const words[] = {"fail", "softfail", "none", "neutral", "pass"};
    int64_t i, count = sizeof words / sizeof words[0];
    for (i = 0; i < count; i++)
        if (zm_str_equal_nocase(reader->words[0], zm_str(words[i])))
            break;
    if (i == count) {
        config_warning(reader, "PARAM spf-threshold: expected fail, softfail, none, neutral or "
                               "pass: nobody is refused for SPF");
        i = 0;
    }
    reader->group->spf_threshold = POLICY_SPF_FAIL + i;
}

static void policy_default(config_reader_t *reader)
{
    zm_str_t word = reader->words[0];
    if (zm_str_equal_nocase(word, ZM_S("accept")))
        reader->config->accept_unknown = true;
    else if (zm_str_equal_nocase(word, ZM_S("reject")))
        reader->config->accept_unknown = false;
    else
        config_error(reader, "PARAM policy-default: expected reject or accept");
}

static void deliver_by(config_reader_t *reader)
{
    int64_t least = 0;
    if (reader->count > 0 &&
        (zm_str_i64(reader->words[0], &least) != APR_SUCCESS || least < 0 || least > 999999999))
        config_error(reader, "PARAM deliverby: expected the least number of seconds, not %.*s",
                     (int)reader->words[0].length, reader->words[0].data);
    else
        reader->group->deliver_by = least;
}

static bool number_of(zm_str_t word, double *value)
{
    char text[32], *end;
    if (word.length == 0 || word.length >= sizeof text || memchr(word.data, '\0', word.length))
        return false;
    memcpy(text, word.data, word.length);
    text[word.length] = '\0';
    if (strspn(text, "0123456789.") != word.length)
        return false;
    *value = strtod(text, &end);
    return *end == '\0';
}

static void tarpit(config_reader_t *reader)
{
    config_group_t *group = reader->group;
    double limit = 250;
    if (!number_of(reader->words[0], &group->tarpit_initial) ||
        !number_of(reader->words[1], &group->tarpit_exponent) ||
        (reader->count > 2 && !number_of(reader->words[2], &limit))) {
        config_error(reader, "PARAM tarpit: expected INITIAL EXPONENT [LIMIT], as in 20 2 250");
        return;
    }
    group->tarpit_limit = limit;
}

static void bare_newline(config_reader_t *reader)
{
    config_newline_t *value = &reader->config->bare_newline;
    zm_str_t word = reader->words[0];
    if (zm_str_equal_nocase(word, ZM_S("reject")))
        *value = NEWLINE_REJECT;
    else if (zm_str_equal_nocase(word, ZM_S("normalize")))
        *value = NEWLINE_NORMALIZE;
    else if (zm_str_equal_nocase(word, ZM_S("accept")))
        *value = NEWLINE_ACCEPT;
    else
        config_error(reader, "PARAM data-bare-newline: expected reject, normalize or accept");
}

static void add_text(config_reader_t *reader, const char **lines, int *count, int limit)
{
    if (*count == limit) {
        config_warning(reader, "PARAM %.*s: this line replaces the one before: at most %d are kept",
                       (int)reader->keyword.length, reader->keyword.data, limit);
        --*count;
    }
    lines[(*count)++] = zm_str_c(reader->pool, reader->rest);
}

static void greeting(config_reader_t *reader)
{
    add_text(reader, reader->config->greeting, &reader->config->greeting_lines,
             CONFIG_GREETING_LINES);
}

static void help(config_reader_t *reader)
{
    add_text(reader, reader->config->help, &reader->config->help_lines, CONFIG_HELP_LINES);
}

static void contact(config_reader_t *reader)
{
    zm_str_t text = zm_str_trim(reader->rest);
    if (text.length >= 2 && (text.data[0] == '"' || text.data[0] == '\'') &&
        text.data[text.length - 1] == text.data[0])
        text = zm_str_of(text.data + 1, text.length - 2);
    if (text.length == 0)
        config_error(reader, "PARAM contact-pointer-message: expected a text");
    else
        reader->group->contact = zm_str_c(reader->pool, text);
}

static void min_space(config_reader_t *reader)
{
    if (reader->config->min_space < 1000)
        reader->config->min_space = 1000;
}

static void recipient_limit(config_reader_t *reader)
{
    if (reader->group->recipients < 100)
        reader->group->recipients = 100;
}

/* -- the table -------------------------------------------------------------------- */

static const keyword_t keywords[] = {
    {.name = "maxsize", .kind = NUMBER, .offset = C(max_size), .high = INT64_MAX},
    {.name = "min-availspace",
     .kind = NUMBER,
     .offset = C(min_space),
     .high = INT64_MAX / 1024,
     .call = min_space},
    {.name = "MaxSameIpSource", .kind = NUMBER, .offset = C(same_address), .low = 1, .high = MANY},
    {.name = "same-ip-source-parallel-max",
     .kind = NUMBER,
     .offset = C(same_address),
     .low = 1,
     .high = MANY},
    {.name = "MaxParallelConnections",
     .kind = NUMBER,
     .offset = C(sessions),
     .low = 1,
     .high = MANY},
    {.name = "max-parallel-connections",
     .kind = NUMBER,
     .offset = C(sessions),
     .low = 1,
     .high = MANY},
    {.name = "max-unknown-commands",
     .kind = NUMBER,
     .offset = C(unknown_commands),
     .low = 1,
     .high = MANY},
    {.name = "max-received", .kind = NUMBER, .offset = C(max_received), .low = 1, .high = 1000},
    {.name = "command-timeout",
     .kind = NUMBER,
     .offset = C(command_timeout),
     .low = 1,
     .high = 86400},
    {.name = "data-timeout", .kind = NUMBER, .offset = C(data_timeout), .low = 1, .high = 86400},
    {.name = "greet-delay", .kind = NUMBER, .offset = C(greet_delay), .high = 300},
    {.name = "sum-sizeoption-value", .kind = ON, .offset = C(sum_size)},
    {.name = "reject-percent-kludge", .kind = ON, .offset = C(percent_hack)},
    {.name = "allowsourceroute", .kind = ON, .offset = C(source_route)},
    {.name = "enable-router", .kind = ON, .offset = C(router)},
    {.name = "enable-router-maxpar", .kind = NUMBER, .offset = C(routers), .low = 1, .high = 20},
    {.name = "router-checks-need-ft", .kind = ON, .offset = C(router_named)},
    {.name = "data-bare-newline", .kind = CALL, .call = bare_newline, .words = 1},
    {.name = "etrn-cluster", .kind = CALL, .call = config_node, .words = 3},
    {.name = "hdr220", .kind = CALL, .call = greeting, .raw = true},
    {.name = "help", .kind = CALL, .call = help, .raw = true},
    {.name = "newgroup", .kind = CALL, .call = config_new_group},
    {.name = "contentfilter", .kind = CALL, .call = config_filter, .words = 1},
    {.name = "contentfilter-maxpar",
     .kind = NUMBER,
     .offset = C(filter.most),
     .low = 1,
     .high = 20},
    {.name = "contentfilter-failmode", .kind = CALL, .call = config_failmode, .words = 1},
    {.name = "debug-contentfilter", .kind = ON, .offset = C(filter.debug)},
    {.name = "milter", .kind = CALL, .call = config_milter, .words = 1},
    {.name = "no-milter", .kind = CALL, .call = config_no_milter},
    {.name = "policy-hook", .kind = CALL, .call = config_hook, .words = 1},
    {.name = "no-policy-hook", .kind = CALL, .call = config_no_hook},

    {.name = "BindSmtp", .kind = CALL, .call = bind_smtp, .words = 1},
    {.name = "BindAddress", .kind = CALL, .call = bind_address, .words = 1},
    {.name = "BindPort",
     .kind = GROUP_NUMBER,
     .offset = G(bind_port),
     .low = 1,
     .high = 65535,
     .exact = true},
    {.name = "ListenQueueSize",
     .kind = GROUP_NUMBER,
     .offset = G(backlog),
     .low = 1,
     .high = 1000000},
    {.name = "TcpRcvBufferSize",
     .kind = GROUP_NUMBER,
     .offset = G(receive_buffer),
     .high = INT_MAX},
    {.name = "TcpXmitBufferSize", .kind = GROUP_NUMBER, .offset = G(send_buffer), .high = INT_MAX},
    {.name = "max-error-recipients",
     .kind = GROUP_NUMBER,
     .offset = G(error_recipients),
     .high = MANY},
    {.name = "RcptLimitCount",
     .kind = GROUP_NUMBER,
     .offset = G(recipients),
     .high = MANY,
     .call = recipient_limit},
    {.name = "RcptLimitCnt",
     .kind = GROUP_NUMBER,
     .offset = G(recipients),
     .high = MANY,
     .call = recipient_limit},
    {.name = "Rcpt-Limit-Count",
     .kind = GROUP_NUMBER,
     .offset = G(recipients),
     .high = MANY,
     .call = recipient_limit},
    {.name = "tarpit", .kind = CALL, .call = tarpit, .words = 2},
    {.name = "contact-pointer-message", .kind = CALL, .call = contact, .raw = true},
    {.name = "NoEHLO", .kind = GROUP_OFF, .offset = G(ehlo)},
    {.name = "EHLO-OK", .kind = GROUP_ON, .offset = G(ehlo)},
    {.name = "NoPIPELINING", .kind = GROUP_OFF, .offset = G(pipelining)},
    {.name = "PIPELINING-OK", .kind = GROUP_ON, .offset = G(pipelining)},
    {.name = "No8BITMIME", .kind = GROUP_OFF, .offset = G(eight_bit)},
    {.name = "No8BITIME", .kind = GROUP_OFF, .offset = G(eight_bit)},
    {.name = "8BITIME-OK", .kind = GROUP_ON, .offset = G(eight_bit)},
    {.name = "8BITMIME-OK", .kind = GROUP_ON, .offset = G(eight_bit)},
    {.name = "NoCHUNKING", .kind = GROUP_OFF, .offset = G(chunking)},
    {.name = "CHUNKING-OK", .kind = GROUP_ON, .offset = G(chunking)},
    {.name = "NoDSN", .kind = GROUP_OFF, .offset = G(dsn)},
    {.name = "DSN-OK", .kind = GROUP_ON, .offset = G(dsn)},
    {.name = "NoSMTPUTF8", .kind = GROUP_OFF, .offset = G(smtputf8)},
    {.name = "smtputf8-ok", .kind = GROUP_ON, .offset = G(smtputf8)},
    {.name = "NoREQUIRETLS", .kind = GROUP_OFF, .offset = G(require_tls)},
    {.name = "REQUIRETLS-OK", .kind = GROUP_ON, .offset = G(require_tls)},
    {.name = "NoENHANCEDSTATUSCODES", .kind = GROUP_OFF, .offset = G(enhanced)},
    {.name = "NoENHANCEDSTATUS", .kind = GROUP_OFF, .offset = G(enhanced)},
    {.name = "NoENCHANCEDSTATUSCODES", .kind = GROUP_OFF, .offset = G(enhanced)},
    {.name = "NoENCHANCEDSTATUS", .kind = GROUP_OFF, .offset = G(enhanced)},
    {.name = "ENHANCEDSTATUSCODES-OK", .kind = GROUP_ON, .offset = G(enhanced)},
    {.name = "ENCHANCEDSTATUSCODES-OK", .kind = GROUP_ON, .offset = G(enhanced)},
    {.name = "ENCHANCEDSTATUS-OK", .kind = GROUP_ON, .offset = G(enhanced)},
    {.name = "ENHANCEDSTATUS-OK", .kind = GROUP_ON, .offset = G(enhanced)},
    {.name = "NoETRN", .kind = GROUP_OFF, .offset = G(etrn)},
    {.name = "ETRN-OK", .kind = GROUP_ON, .offset = G(etrn)},
    {.name = "VRFYcmd", .kind = GROUP_ON, .offset = G(vrfy)},
    {.name = "no-VRFYcmd", .kind = GROUP_OFF, .offset = G(vrfy)},
    {.name = "EXPNcmd", .kind = GROUP_ON, .offset = G(expn)},
    {.name = "no-EXPNcmd", .kind = GROUP_OFF, .offset = G(expn)},
    {.name = "no-multiline-replies", .kind = GROUP_OFF, .offset = G(multiline)},
    {.name = "multiline-replies-ok", .kind = GROUP_ON, .offset = G(multiline)},
    {.name = "force-rcpt-notify-never", .kind = GROUP_ON, .offset = G(never_notify)},
    {.name = "no-force-rcpt-notify-never", .kind = GROUP_OFF, .offset = G(never_notify)},

    {.name = "spf-received", .kind = GROUP_ON, .offset = G(spf_received)},
    {.name = "spf-threshold", .kind = CALL, .call = spf_threshold, .words = 1},
    {.name = "policydb", .kind = CALL, .call = policy_database, .words = 2},
    {.name = "policy-default", .kind = CALL, .call = policy_default, .words = 1},
    {.name = "BindSubmit", .kind = CALL, .call = bind_submit, .words = 1},
    {.name = "listen-submit", .kind = GROUP_ON, .offset = G(listen_submit)},
    {.name = "MSA-mode", .kind = ON, .offset = C(submission)},
    {.name = "submit-requires-auth", .kind = CALL, .call = submit_auth},
    {.name = "no-submit-requires-auth", .kind = CALL, .call = submit_auth},
    {.name = "client-names", .kind = GROUP_ON, .offset = G(names)},
    {.name = "no-client-names", .kind = GROUP_OFF, .offset = G(names)},
    {.name = "lmtp-mode", .kind = ON, .offset = C(lmtp)},
    {.name = "deliverby", .kind = CALL, .call = deliver_by},
    {.name = "rcvd-auth-user", .kind = GROUP_ON, .offset = G(rcvd_auth)},
    {.name = "no-rcvd-auth-user", .kind = GROUP_OFF, .offset = G(rcvd_auth)},
    {.name = "rcvd-tls-mode", .kind = GROUP_ON, .offset = G(rcvd_tls)},
    {.name = "no-rcvd-tls-mode", .kind = GROUP_OFF, .offset = G(rcvd_tls)},
    {.name = "rcvd-tls-peer", .kind = GROUP_ON, .offset = G(rcvd_tls_peer)},
    {.name = "no-rcvd-tls-peer", .kind = GROUP_OFF, .offset = G(rcvd_tls_peer)},
    {.name = "rcvd-tls-ccert", .kind = GROUP_ON, .offset = G(rcvd_tls_peer)},
    {.name = "no-rcvd-tls-ccert", .kind = GROUP_OFF, .offset = G(rcvd_tls_peer)},

    {.name = "BindSmtpS", .kind = CALL, .call = bind_tls, .words = 1},
    {.name = "listen-ssmtp", .kind = GROUP_ON, .offset = G(listen_tls)},
    {.name = "use-tls", .kind = GROUP_ON, .offset = G(tls.use)},
    {.name = "no-use-tls", .kind = GROUP_OFF, .offset = G(tls.use)},
    {.name = "outlook-tls-bug", .kind = GROUP_ON, .offset = G(tls.sniff)},
    {.name = "tls-cert-file", .kind = GROUP_TEXT, .offset = G(tls.certificate)},
    {.name = "tls-key-file", .kind = GROUP_TEXT, .offset = G(tls.key)},
    {.name = "tls-dcert-file", .kind = GROUP_TEXT, .offset = G(tls.certificate2)},
    {.name = "tls-dkey-file", .kind = GROUP_TEXT, .offset = G(tls.key2)},
    {.name = "tls-CAfile", .kind = GROUP_TEXT, .offset = G(tls.authorities)},
    {.name = "tls-CApath", .kind = GROUP_TEXT, .offset = G(tls.authority_dir)},
    {.name = "tls-cipher-list", .kind = GROUP_TEXT, .offset = G(tls.ciphers)},
    {.name = "tls-ciphersuites", .kind = GROUP_TEXT, .offset = G(tls.suites)},
    {.name = "tls-min-version", .kind = CALL, .call = config_tls_version, .words = 1},
    {.name = "tls-loglevel", .kind = GROUP_NUMBER, .offset = G(tls.log_level), .high = 2},
    {.name = "tls-ccert-vd", .kind = GROUP_NUMBER, .offset = G(tls.depth), .high = 100},
    {.name = "tls-ask-cert", .kind = GROUP_SWITCH, .offset = G(tls.ask)},
    {.name = "tls-require-cert", .kind = GROUP_SWITCH, .offset = G(tls.require)},
    {.name = "tls-enforce-tls", .kind = GROUP_SWITCH, .offset = G(tls.enforce)},
    {.name = "tls-use-scache", .kind = GROUP_ON, .offset = G(tls.resume)},
    {.name = "tls-scache-timeout",
     .kind = GROUP_NUMBER,
     .offset = G(tls.seconds),
     .low = 1,
     .high = 604800},

    {.name = "smtp-auth", .kind = GROUP_ON, .offset = G(auth.use)},
    {.name = "no-smtp-auth", .kind = GROUP_OFF, .offset = G(auth.use)},
    {.name = "sasl-mechanisms", .kind = CALL, .call = config_auth_mechanisms, .raw = true},
    {.name = "SMTP-auth-pipe",
     .kind = GROUP_TEXT,
     .offset = G(auth.program),
     .call = config_auth_path},
    {.name = "auth-user-file",
     .kind = GROUP_TEXT,
     .offset = G(auth.users),
     .call = config_auth_path},
    {.name = "AUTH-LOGIN-also-without-TLS", .kind = GROUP_ON, .offset = G(auth.in_clear)},
    {.name = "no-smtp-auth-on-25", .kind = GROUP_ON, .offset = G(auth.not_on_25)},
    {.name = "no-smtp-auth-on-port-25", .kind = GROUP_ON, .offset = G(auth.not_on_25)},
    {.name = "smtp-auth-username-prompt", .kind = GROUP_TEXT, .offset = G(auth.user_prompt)},
    {.name = "smtp-auth-password-prompt", .kind = GROUP_TEXT, .offset = G(auth.password_prompt)},
    {.name = "auth-failrate",
     .kind = GROUP_NUMBER,
     .offset = G(auth.failures),
     .low = 3,
     .high = MANY},
    {.name = "auth-old-syntax", .kind = GROUP_ON, .offset = G(auth.old_syntax)},

    /* what would keep somebody out */
    {.name = "use-tcp-wrapper",
     .kind = WARNING,
     .note = "this version does not ask hosts.allow and hosts.deny"},
    {.name = "no-use-tcp-wrapper", .kind = NOTICE, .note = "hosts.allow is not asked"},

    /* the rest: what would only add something gives a notice */
    {.name = "DEBUGcmd", .kind = NOTICE, .note = "there is no debug command"},
    {.name = "no-DEBUGcmd", .kind = NOTICE, .note = "there is no debug command"},
    {.name = "accept-percent-kludge",
     .kind = NOTICE,
     .note = "it is obsolete: local parts with % are always looked through"},
    {.name = "perl-hook", .kind = WARNING, .note = "it is obsolete: policy-hook asks a daemon"},
    {.name = "policydb-submit", .kind = WARNING, .note = "a group has its own: newgroup"},
    {.name = "tracking-cluster",
     .kind = NOTICE,
     .words = 3,
     .note = "what clients have sent is counted on this host alone"},
    {.name = "smtpserver-cluster",
     .kind = NOTICE,
     .words = 3,
     .note = "what clients have sent is counted on this host alone"},
    {.name = "report-auth-file",
     .kind = NOTICE,
     .words = 1,
     .note = "this version has no report command"},
    {.name = "rcvd-ident", .kind = NOTICE, .note = "this version asks no ident service"},
    {.name = "no-rcvd-ident", .kind = NOTICE, .note = "this version asks no ident service"},
    {.name = "rcvd-whoson", .kind = NOTICE, .note = "this version asks no whoson service"},
    {.name = "no-rcvd-whoson", .kind = NOTICE, .note = "this version asks no whoson service"},
    {.name = "smtp-auth-sasl", .kind = WARNING, .note = NO_SASL},
    {.name = "no-smtp-auth-sasl", .kind = NOTICE, .note = NO_SASL},
    {.name = "auth-results", .kind = CALL, .call = config_auth_results, .words = 1},
    {.name = "arc-trusted", .kind = CALL, .call = config_arc_trusted, .words = 1},
    {.name = "tls-dh512", .kind = NOTICE, .note = NO_NEED},
    {.name = "tls-dh1024", .kind = NOTICE, .note = NO_NEED},
    {.name = "tls-random-source", .kind = NOTICE, .note = NO_NEED},
    {.name = "tls-scache-name",
     .kind = NOTICE,
     .note = "sessions are sealed into tickets, not kept"},
    {.name = "spf-localpolicy",
     .kind = NOTICE,
     .words = 1,
     .note = "records of SPF count as they are published"},
    {.name = "spf-whitelist-use-default",
     .kind = NOTICE,
     .words = 1,
     .note = "records of SPF count as they are published"},
};

enum { KEYWORD_COUNT = sizeof keywords / sizeof keywords[0] };
_Static_assert(KEYWORD_COUNT <= CONFIG_KEYWORD_LIMIT, "enlarge CONFIG_KEYWORD_LIMIT");

static int find(zm_str_t name)
{
    int i;
    for (i = 0; i < KEYWORD_COUNT; i++)
        if (zm_str_equal_nocase(name, zm_str(keywords[i].name)))
            return i;
    return -1;
}

bool config_is_raw(zm_str_t keyword)
{
    int at = find(keyword);
    return at >= 0 && keywords[at].raw;
}

/* -- acting on one ------------------------------------------------------------------ */

static void set_flag(void *owner, const keyword_t *keyword, bool value)
{
    memcpy((char *)owner + keyword->offset, &value, sizeof value);
}

static void set_number(config_reader_t *reader, void *owner, const keyword_t *keyword)
{
    int64_t number;
    zm_str_t word = reader->words[0];
    bool good = zm_str_i64(word, &number) == APR_SUCCESS;
    bool within = good && number >= keyword->low && number <= keyword->high;
    if (!good || (!within && keyword->exact)) {
        config_error(reader, "PARAM %s: expected a number, not %.*s", keyword->name,
                     (int)word.length, word.data);
        return;
    }
    if (!within) {
        number = number < keyword->low ? keyword->low : keyword->high;
        config_warning(reader, "PARAM %s: %.*s is out of range; %" APR_INT64_T_FMT " is used",
                       keyword->name, (int)word.length, word.data, (apr_int64_t)number);
    }
    memcpy((char *)owner + keyword->offset, &number, sizeof number);
    if (keyword->call != NULL)
        keyword->call(reader);
}

static void set_text(config_reader_t *reader, const keyword_t *keyword)
{
    const char *text = zm_str_c(reader->pool, reader->words[0]);
    memcpy((char *)reader->group + keyword->offset, &text, sizeof text);
    if (keyword->call != NULL)
        keyword->call(reader);
}

static bool is_zero(zm_str_t word)
{
    int64_t number;
    return zm_str_i64(word, &number) == APR_SUCCESS && number == 0;
}

static void act(config_reader_t *reader, const keyword_t *keyword)
{
    switch (keyword->kind) {
    case ON:
        set_flag(reader->config, keyword, true);
        break;
    case GROUP_ON:
    case GROUP_OFF:
        set_flag(reader->group, keyword, keyword->kind == GROUP_ON);
        break;
    case NUMBER:
        set_number(reader, reader->config, keyword);
        break;
    case GROUP_NUMBER:
        set_number(reader, reader->group, keyword);
        break;
    case GROUP_SWITCH:
        set_flag(reader->group, keyword, reader->count == 0 || !is_zero(reader->words[0]));
        break;
    case GROUP_TEXT:
        set_text(reader, keyword);
        break;
    case CALL:
        keyword->call(reader);
        break;
    case NOTICE:
        if (!reader->noticed[keyword - keywords])
            config_notice(reader, "PARAM %s has no effect: %s", keyword->name, keyword->note);
        reader->noticed[keyword - keywords] = true;
        break;
    case WARNING:
        config_warning(reader, "PARAM %s has no effect: %s", keyword->name, keyword->note);
        break;
    }
}

void config_parameter(config_reader_t *reader)
{
    int at = find(reader->keyword), words;
    if (at < 0) {
        config_warning(reader, "PARAM %.*s is ignored: there is no such parameter",
                       (int)reader->keyword.length, reader->keyword.data);
        return;
    }
    words = keywords[at].kind == NUMBER || keywords[at].kind == GROUP_NUMBER ||
                    keywords[at].kind == GROUP_TEXT
                ? 1
                : keywords[at].words;
    if (reader->count < words)
        config_warning(reader, "PARAM %s is ignored: expected %d word%s behind it",
                       keywords[at].name, words, words == 1 ? "" : "s");
    else
        act(reader, &keywords[at]);
}
