/** The inside of the reader of smtpserver.conf: config.c reads lines, config_words.c knows the
 * keywords, config_bind.c addresses to listen at, config_tls.c what is needed for TLS, config_auth.c for AUTH. */
#ifndef ZM_SMTPSERVER_CONFIG_PARTS_H
#define ZM_SMTPSERVER_CONFIG_PARTS_H

#include "mta/conf/lines.h"
#include "mta/smtpserver/config.h"

#define CONFIG_WORDS 3
#define CONFIG_KEYWORD_LIMIT 160 /* keywords in the table, for the set of those seen */

typedef struct config_reader_t {
    config_t *config;
    config_group_t *group; /* the one being filled */
    const config_options_t *options;
    zm_conf_lines_t *lines;
    zm_str_t keyword; /* as written, for messages */
    zm_str_t rest;    /* what follows the keyword and one separator, raw */
    zm_str_t words[CONFIG_WORDS];
    int count;
    bool noticed[CONFIG_KEYWORD_LIMIT];
    bool noticed_debug;
    apr_pool_t *pool;
} config_reader_t;

/** All add "FILE:LINE: text"; line 0: no line. */
void config_error(config_reader_t *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void config_warning(config_reader_t *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void config_notice(config_reader_t *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Acts on the parameter in keyword, rest and words. */
void config_parameter(config_reader_t *reader);
/** Whether the value of that keyword is the rest of the line as it stands. */
bool config_is_raw(zm_str_t keyword);

/** BindSmtp, BindSmtpS, BindSubmit, and BindAddress, which has no port. */
typedef enum config_door_t { CONFIG_SMTP, CONFIG_TLS, CONFIG_SUBMIT, CONFIG_CLASSIC } config_door_t;
void config_bind(config_reader_t *reader, config_door_t door);
/** contentfilter, milter, no-milter, contentfilter-failmode (config_inspect.c) */
void config_filter(config_reader_t *reader);
void config_milter(config_reader_t *reader);
void config_no_milter(config_reader_t *reader);
void config_hook(config_reader_t *reader);
void config_no_hook(config_reader_t *reader);
void config_failmode(config_reader_t *reader);
/** A line of etrn-cluster. */
void config_node(config_reader_t *reader);
void config_new_group(config_reader_t *reader);
/** Fills in the ports that were not given, and the listeners of groups without any. */
void config_finish_binds(config_reader_t *reader);
/** auth-results, arc-trusted. */
void config_auth_results(config_reader_t *reader);
void config_arc_trusted(config_reader_t *reader);
/** tls-min-version. */
void config_tls_version(config_reader_t *reader);
/** sasl-mechanisms. */
void config_auth_mechanisms(config_reader_t *reader);
/** The paths of SMTP-auth-pipe and auth-user-file. */
void config_auth_path(config_reader_t *reader);
/** Checks that groups have what they need for the AUTH that they want. */
void config_finish_auth(config_reader_t *reader);
/** Checks that groups have what they need for the TLS that they want, and completes pairs. */
void config_finish_tls(config_reader_t *reader);

#endif
