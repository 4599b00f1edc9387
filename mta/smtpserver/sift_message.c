#include "mta/smtpserver/sift_message.h"

#include <apr_file_io.h>
#include <apr_fnmatch.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_thread_proc.h>
#include <string.h>

#include "mta/conf/lines.h"
#include "mta/smtpserver/verdict.h"

#define LINE_LIMIT 65536 /* octets of a line that are looked at */
#define SCANNER_VERDICT "-1 550 5.7.1 the message is infected"
#define UNIQUE_VERDICT "-1 550 5.6.0 a header field stands twice: "

typedef struct header_rule_t {
    zm_str_t field;
    const char *pattern;
    zm_str_t verdict;
} header_rule_t;

typedef struct body_rule_t {
    zm_str_t phrase;
    zm_str_t verdict;
} body_rule_t;

struct sift_rules_t {
    bool unique;
    apr_array_header_t *headers; /* of header_rule_t */
    apr_array_header_t *bodies;  /* of body_rule_t */
    apr_array_header_t *exempt;  /* of const char * */
    apr_array_header_t *scanner; /* of const char *, null ended; empty: none */
    apr_pool_t *pool;
};

/* One message under way. */
typedef struct message_t {
    const sift_rules_t *rules;
    apr_file_t *file;
    zm_buf_t line, field;
    int64_t recipients, exempt;
    unsigned seen; /* of unique_fields */
    bool decided;
    zm_buf_t *verdict;
    apr_off_t content; /* where the header begins */
    apr_pool_t *pool;
    apr_pool_t *scratch; /* of one line */
} message_t;

static const char *const unique_fields[] = {
    "from",    "message-id", "mime-version", "content-type", "content-transfer-encoding",
    "subject", "date",       "reply-to",     "in-reply-to",  "errors-to"};

/* -- the rules -----------------------------------------------------------------------------------
 */

/* A word, or "words in quotes". */
static bool take_word(zm_str_t *rest, zm_str_t *word)
{
    zm_str_t quoted = zm_str_trim(*rest), after;
    if (quoted.length == 0 || quoted.data[0] != '"')
        return zm_str_word(rest, word);
    if (!zm_str_cut(zm_str_from(quoted, 1), '"', word, &after))
        return false;
    *rest = after;
    return true;
}

static bool take_verdict(sift_rules_t *rules, zm_str_t rest, zm_str_t *verdict)
{
    verdict_t read;
    rest = zm_str_trim(rest);
    verdict_read(&read, zm_str(apr_pstrcat(rules->pool, zm_str_c(rules->pool, rest), "\n", NULL)),
                 NULL, NULL);
    *verdict = rest;
    return read.given;
}

static bool read_rule(sift_rules_t *rules, zm_str_t line)
{
    zm_str_t rest = line, keyword, word, second;
    if (!zm_str_word(&rest, &keyword))
        return true;
    if (zm_str_equal_c(keyword, "unique")) {
        rules->unique = true;
        return !zm_str_word(&rest, &word);
    }
    if (zm_str_equal_c(keyword, "header") && take_word(&rest, &word) && take_word(&rest, &second)) {
        header_rule_t *rule = apr_array_push(rules->headers);
        rule->field = word;
        rule->pattern = zm_str_c(rules->pool, second);
        return take_verdict(rules, rest, &rule->verdict);
    }
    if (zm_str_equal_c(keyword, "body") && take_word(&rest, &word) && word.length > 0) {
        body_rule_t *rule = apr_array_push(rules->bodies);
        rule->phrase = zm_str_lower(rules->pool, word);
        return take_verdict(rules, rest, &rule->verdict);
    }
    if (zm_str_equal_c(keyword, "exempt") && take_word(&rest, &word)) {
        APR_ARRAY_PUSH(rules->exempt, const char *) = zm_str_c(rules->pool, word);
        return !zm_str_word(&rest, &word);
    }
    if (!zm_str_equal_c(keyword, "scanner") || rules->scanner->nelts > 0)
        return false;
    while (take_word(&rest, &word))
        APR_ARRAY_PUSH(rules->scanner, const char *) = zm_str_c(rules->pool, word);
    APR_ARRAY_PUSH(rules->scanner, const char *) = NULL;
    return rules->scanner->nelts > 1;
}

apr_status_t sift_load(sift_rules_t **rules, const char *file, apr_pool_t *pool, zm_error_t *error)
{
    sift_rules_t *made = apr_pcalloc(pool, sizeof *made);
    zm_conf_lines_t *lines;
    zm_str_t line;
    apr_status_t status = zm_conf_lines_open(&lines, file, pool, error);
    if (status != APR_SUCCESS)
        return status;
    made->pool = pool;
    made->headers = apr_array_make(pool, 8, sizeof(header_rule_t));
    made->bodies = apr_array_make(pool, 8, sizeof(body_rule_t));
    made->exempt = apr_array_make(pool, 4, sizeof(const char *));
    made->scanner = apr_array_make(pool, 4, sizeof(const char *));
    while (zm_conf_lines_next(lines, &line))
        if (line.length > 0 && line.data[0] != '#' && !read_rule(made, line))
            return zm_conf_lines_fail(lines, error,
                                      "expected unique, header FIELD PATTERN VERDICT, body PHRASE "
                                      "VERDICT, exempt PATTERN or scanner PROGRAM");
    *rules = made;
    return APR_SUCCESS;
}

/* -- a message ------------------------------------------------------------------------------------
 */

/* False: there is no line left. */
static bool next_line(message_t *message)
{
    zm_buf_t *line = &message->line;
    char byte;
    bool any = false;
    zm_buf_clear(line);
    while (apr_file_getc(&byte, message->file) == APR_SUCCESS) {
        any = true;
        if (byte == '\n')
            break;
        if (line->length < LINE_LIMIT)
            zm_buf_add_byte(line, byte);
    }
    return any;
}

static bool is_like(const char *pattern, zm_str_t text, apr_pool_t *pool)
{
    return apr_fnmatch(pattern, zm_str_c(pool, text), APR_FNM_CASE_BLIND) == APR_SUCCESS;
}

static void decide(message_t *message, zm_str_t verdict)
{
    zm_buf_add_str(message->verdict, verdict);
    message->decided = true;
}

static void see_recipient(message_t *message, zm_str_t address)
{
    const apr_array_header_t *exempt = message->rules->exempt;
    int i;
    message->recipients++;
    for (i = 0; i < exempt->nelts; i++) {
        if (is_like(APR_ARRAY_IDX(exempt, i, const char *), address, message->scratch)) {
            message->exempt++;
            return;
        }
    }
}

/* False: it has no end. */
static bool read_envelope(message_t *message)
{
    while (next_line(message)) {
        zm_str_t line = zm_buf_str(&message->line);
        if (zm_str_equal_c(line, "env-end"))
            return true;
        if (zm_str_starts(line, ZM_S("to ")))
            see_recipient(message, zm_str_from(line, 3));
    }
    return false;
}

static void see_unique(message_t *message, zm_str_t name)
{
    unsigned i;
    for (i = 0; i < sizeof unique_fields / sizeof unique_fields[0]; i++) {
        if (!zm_str_equal_nocase(name, zm_str(unique_fields[i])))
            continue;
        if ((message->seen & 1u << i) != 0) {
            zm_buf_add_c(message->verdict, UNIQUE_VERDICT);
            decide(message, zm_str(unique_fields[i]));
        }
        message->seen |= 1u << i;
    }
}

static void see_field(message_t *message)
{
    const sift_rules_t *rules = message->rules;
    zm_str_t name, value;
    int i;
    if (message->field.length == 0 || !zm_str_cut(zm_buf_str(&message->field), ':', &name, &value))
        return;
    name = zm_str_trim(name);
    value = zm_str_trim(value);
    for (i = 0; i < rules->headers->nelts && !message->decided; i++) {
        const header_rule_t *rule = &APR_ARRAY_IDX(rules->headers, i, header_rule_t);
        if (zm_str_equal_nocase(rule->field, name) &&
            is_like(rule->pattern, value, message->scratch))
            decide(message, rule->verdict);
    }
    if (rules->unique && !message->decided)
        see_unique(message, name);
    zm_buf_clear(&message->field);
}

static void read_header(message_t *message)
{
    while (!message->decided && next_line(message) && message->line.length > 0) {
        zm_str_t line = zm_buf_str(&message->line);
        if (line.data[0] == ' ' || line.data[0] == '\t') {
            if (message->field.length < LINE_LIMIT)
                zm_buf_add_str(&message->field, line);
            continue;
        }
        see_field(message);
        zm_buf_add_str(&message->field, line);
    }
    if (!message->decided)
        see_field(message);
}

static void read_body(message_t *message)
{
    const apr_array_header_t *bodies = message->rules->bodies;
    int i;
    if (bodies->nelts == 0 || (message->recipients > 0 && message->exempt == message->recipients))
        return;
    while (!message->decided && next_line(message)) {
        const char *line =
            zm_str_c(message->scratch, zm_str_lower(message->scratch, zm_buf_str(&message->line)));
        for (i = 0; i < bodies->nelts && !message->decided; i++) {
            const body_rule_t *rule = &APR_ARRAY_IDX(bodies, i, body_rule_t);
            if (strstr(line, zm_str_c(message->scratch, rule->phrase)) != NULL)
                decide(message, rule->verdict);
        }
        apr_pool_clear(message->scratch);
    }
}

/* -- a scanner ------------------------------------------------------------------------------------
 */

/* It reads the message, from the header on, on its standard input. */
static apr_status_t start_scanner(apr_proc_t *process, const char *const *argv, const char *path,
                                  apr_off_t content, apr_pool_t *pool)
{
    apr_procattr_t *attributes;
    apr_file_t *file;
    apr_status_t status = apr_file_open(&file, path, APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, pool);
    if (status == APR_SUCCESS)
        status = apr_file_seek(file, APR_SET, &content);
    if (status == APR_SUCCESS)
        status = apr_procattr_create(&attributes, pool);
    if (status == APR_SUCCESS)
        status = apr_procattr_child_in_set(attributes, file, NULL);
    if (status == APR_SUCCESS)
        status = apr_procattr_cmdtype_set(attributes, APR_PROGRAM_PATH);
    if (status == APR_SUCCESS)
        status = apr_procattr_error_check_set(attributes, 1);
    return status != APR_SUCCESS ? status
                                 : apr_proc_create(process, argv[0], argv, NULL, attributes, pool);
}

static apr_status_t scan(message_t *message, const char *path, zm_error_t *error)
{
    const char *const *argv = (const char *const *)(const void *)message->rules->scanner->elts;
    apr_proc_t process;
    apr_exit_why_e why = APR_PROC_EXIT;
    int code = 0;
    apr_status_t status = start_scanner(&process, argv, path, message->content, message->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot run %s", argv[0]);
    (void)apr_proc_wait(&process, &code, &why, APR_WAIT);
    if (why != APR_PROC_EXIT || code > 1)
        return zm_error_set(error, ZM_E_GONE, "%s has ended with %d", argv[0], code);
    if (code == 1)
        decide(message, zm_str(SCANNER_VERDICT));
    return APR_SUCCESS;
}

static apr_status_t sift(message_t *message, const char *path, zm_error_t *error)
{
    apr_pool_t *pool;
    apr_status_t status = apr_pool_create(&pool, message->pool);
    if (status == APR_SUCCESS)
        status = apr_file_open(&message->file, path, APR_FOPEN_READ | APR_FOPEN_BUFFERED,
                               APR_FPROT_OS_DEFAULT, message->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot read %s", path);
    message->scratch = pool;
    if (!read_envelope(message))
        return zm_error_set(error, ZM_E_SYNTAX, "%s has no env-end", path);
    (void)apr_file_seek(message->file, APR_CUR, &message->content);
    read_header(message);
    if (!message->decided)
        read_body(message);
    return message->decided || message->rules->scanner->nelts == 0 ? APR_SUCCESS
                                                                   : scan(message, path, error);
}

apr_status_t sift_judge(zm_buf_t *verdict, const sift_rules_t *rules, const char *path,
                        apr_pool_t *pool, zm_error_t *error)
{
    message_t message = {.rules = rules, .verdict = verdict};
    apr_status_t status = apr_pool_create(&message.pool, pool);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "out of memory");
    status = sift(&message, path, error);
    if (status == APR_SUCCESS && !message.decided)
        decide(&message, ZM_S("0"));
    zm_buf_free(&message.line);
    zm_buf_free(&message.field);
    apr_pool_destroy(message.pool);
    return status;
}
