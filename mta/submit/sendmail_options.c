#include "mta/submit/sendmail_options.h"

#include <apr_env.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/submit/preamble.h"

const char sendmail_usage[] =
    "Usage: sendmail [sendmail options] [recipient addresses]\n"
    "Submits the message on standard input.  Nothing is delivered here: the message is\n"
    "safe in the queue when the exit status is 0, and not queued at all when it is not.\n"
    "\n"
    "  -f ADDRESS, -r ADDRESS   envelope sender; '<>' or '' is the null return path\n"
    "  -F NAME                  full name of the sender\n"
    "  -t                       recipients from To:, Cc: and Bcc:\n"
    "  -i, -oi                  a line with a single dot does not end the message\n"
    "  -s                       keep a leading 'From ' line\n"
    "  -B TYPE                  7BIT, 8BITMIME or BINARYMIME\n"
    "  -N NEVER|SUCCESS,FAILURE,DELAY   when to send delivery status notifications\n"
    "  -R FULL|HDRS             how much of the message these return\n"
    "  -V ENVID                 envelope id that these quote\n"
    "  -p PROTOCOL              how the message came\n"
    "  -P N|high|normal|bulk|junk   queue priority\n"
    "  -E                       the message came from outside: no local privileges\n"
    "  -v                       follow the message on standard error\n"
    "  -q                       have what waits in the queue tried now\n"
    "  -bm -bs -bd -bt -bi -bp -bv   submit (default), SMTP on stdin, start daemons, test\n"
    "                           addresses, rebuild aliases, list the queue, verify addresses\n"
    "  --root DIR               use the private instance below DIR\n"
    "  -Z FILE, --zconfig FILE  use this zmailer.conf\n"
    "  --help, --version\n"
    "Options of other mailers that mean nothing here are accepted and ignored.\n"
    "Exit status: 0 queued, 64 usage, 65 bad address, 69 no such program or refused by\n"
    "the server, 74 the input cannot be read, 75 try again, 78 configuration.\n";

/* What an option letter takes. */
typedef enum argument_t {
    NONE,     /* nothing; may be clustered */
    VALUE,    /* the rest of the word, or the next word */
    ATTACHED, /* the rest of the word, possibly nothing */
    UNKNOWN
} argument_t;

static argument_t argument_of(char letter)
{
    if (strchr("cEGIimnstUv", letter) != NULL)
        return NONE;
    if (strchr("ABbCDeFfhLMNPpRrTVXoZ", letter) != NULL)
        return VALUE;
    if (strchr("dJOqQx", letter) != NULL)
        return ATTACHED;
    return UNKNOWN;
}

/* The state of one parse. */
typedef struct parse_t {
    sendmail_options_t *options;
    int argc;
    const char *const *argv;
    int next;       /* index of the next word */
    bool queue_run; /* -q was given, */
    bool flush;     /* and asks for something now */
    apr_pool_t *pool;
    zm_error_t *error;
} parse_t;

static apr_status_t refuse(parse_t *parse, const char *what, const char *value,
                           const char *expected)
{
    return zm_error_set(parse->error, ZM_E_SYNTAX, "%s \"%s\": expected %s", what, value, expected);
}

static char *upper(apr_pool_t *pool, const char *text)
{
    char *copy = apr_pstrdup(pool, text), *at;
    for (at = copy; *at != '\0'; at++)
        *at = (char)zm_to_upper((unsigned char)*at);
    return copy;
}

static bool is_xtext(const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        if (*text == '+') {
            if (text[1] == '\0' || !strchr(hex, text[1]) || text[2] == '\0' ||
                !strchr(hex, text[2]))
                return false;
            text += 2;
        } else if (*text < '!' || *text > '~' || *text == '=') {
            return false;
        }
    }
    return true;
}

static apr_status_t set_mode(parse_t *parse, const char *value)
{
    static const struct {
        char letter;
        sendmail_mode_t mode;
    } modes[] = {{'m', SENDMAIL_SUBMIT},  {'s', SENDMAIL_SMTP},   {'d', SENDMAIL_DAEMON},
                 {'D', SENDMAIL_DAEMON},  {'l', SENDMAIL_DAEMON}, {'t', SENDMAIL_TEST},
                 {'i', SENDMAIL_ALIASES}, {'p', SENDMAIL_QUEUE},  {'v', SENDMAIL_VERIFY},
                 {'z', SENDMAIL_NOTHING}};
    apr_size_t i;
    for (i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (value[0] != modes[i].letter || value[1] != '\0')
            continue;
        if (parse->options->mode != SENDMAIL_SUBMIT && parse->options->mode != modes[i].mode)
            return zm_error_set(parse->error, ZM_E_SYNTAX, "-b%s conflicts with an earlier mode",
                                value);
        parse->options->mode = modes[i].mode;
        return APR_SUCCESS;
    }
    return refuse(parse, "-b", value, "one of m s d t i p v z");
}

/* -q, -qf: all that waits; -qRpart, -qSpart: with this in recipient or sender; -qIid: a message.
 * A time (-q30m), a group (-qG) and exceptions (-q!) ask for what happens anyway. */
static apr_status_t set_queue_run(parse_t *parse, const char *value)
{
    static const struct {
        char letter;
        const char *option;
    } choices[] = {{'R', "--to"}, {'S', "--from"}, {'I', "--retry"}};
    sendmail_options_t *options = parse->options;
    apr_size_t i;
    parse->queue_run = true;
    if (!preamble_is_line(zm_str(value)))
        return refuse(parse, "-q", "...", "text without control characters");
    parse->flush |= value[0] == '\0' || strcmp(value, "f") == 0 || strcmp(value, "v") == 0;
    for (i = 0; i < sizeof choices / sizeof choices[0]; i++)
        if (value[0] == choices[i].letter && value[1] != '\0') {
            parse->flush = true;
            options->flush_option = choices[i].option;
            options->flush_value = value + 1;
        }
    return APR_SUCCESS;
}

static apr_status_t set_notify(parse_t *parse, const char *value)
{
    static const char *const words[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY", "TRACE"};
    char *list = upper(parse->pool, value);
    zm_str_t rest = zm_str(list), word;
    bool more = true, never = false;
    int count = 0;
    while (more) {
        bool known = false;
        apr_size_t i;
        more = zm_str_cut(rest, ',', &word, &rest);
        for (i = 0; i < sizeof words / sizeof words[0]; i++)
            known |= zm_str_equal_c(word, words[i]);
        if (!known)
            return refuse(parse, "-N", value, "NEVER, or a list of SUCCESS, FAILURE, DELAY");
        never |= zm_str_equal_c(word, "NEVER");
        count++;
    }
    if (never && count > 1)
        return refuse(parse, "-N", value, "NEVER to stand alone");
    parse->options->notify = list;
    return APR_SUCCESS;
}

static apr_status_t set_protocol(parse_t *parse, const char *value)
{
    const char *colon = strchr(value, ':');
    const char *name =
        colon ? apr_pstrmemdup(parse->pool, value, (apr_size_t)(colon - value)) : value;
    const char *at;
    for (at = name; *at != '\0' || at == name; at++)
        if (!zm_is_alpha((unsigned char)*at) && !zm_is_digit((unsigned char)*at) && *at != '-')
            return refuse(parse, "-p", value, "letters, digits and '-'");
    parse->options->protocol = name;
    return APR_SUCCESS;
}

static apr_status_t set_error_mode(parse_t *parse, const char *value)
{
    if (value[0] == '\0' || strchr("empqw", value[0]) == NULL)
        return refuse(parse, "-e", value, "one of e m p q w");
    parse->options->error_mode = value[0];
    parse->options->quiet = value[0] == 'q';
    return APR_SUCCESS;
}

static apr_status_t skip_value(parse_t *parse)
{
    parse->next++;
    return APR_SUCCESS;
}

/* -o LETTER VALUE: Sendmail's short options. */
static apr_status_t set_short_option(parse_t *parse, const char *value)
{
    static const char *const exim[] = {"a", "aa", "ai", "as", "c", "i", "m", "r", "s", "t"};
    apr_size_t i;
    switch (value[0]) {
    case 'i':
        parse->options->ignore_dots = strcmp(value, "ifalse") != 0;
        return APR_SUCCESS;
    case 'e':
        return value[1] == '\0' ? APR_SUCCESS : set_error_mode(parse, value + 1);
    case 'I':
        return APR_SUCCESS;
    case 'Q':
        if (value[1] != '\0')
            parse->options->postoffice = value + 1;
        else if (parse->next < parse->argc)
            parse->options->postoffice = parse->argv[parse->next++];
        return APR_SUCCESS;
    case 'M': /* Exim's -oMa ADDRESS and its like take the next word, Sendmail's -oMrVALUE none */
        for (i = 0; i < sizeof exim / sizeof exim[0]; i++)
            if (strcmp(value + 1, exim[i]) == 0 && parse->next < parse->argc)
                return skip_value(parse);
        return APR_SUCCESS;
    default:
        return APR_SUCCESS;
    }
}

/* -O Name=Value: Sendmail's long options. */
static apr_status_t set_long_option(parse_t *parse, const char *attached)
{
    const char *value = attached;
    zm_str_t name, setting;
    if (*value == '\0') {
        if (parse->next >= parse->argc || strchr(parse->argv[parse->next], '=') == NULL)
            return APR_SUCCESS;
        value = parse->argv[parse->next++];
    }
    if (!zm_str_cut(zm_str(value), '=', &name, &setting))
        return APR_SUCCESS;
    if (zm_str_equal_nocase(name, ZM_S("IgnoreDots")))
        parse->options->ignore_dots =
            setting.length > 0 && strchr("tTyY1", setting.data[0]) != NULL;
    else if (zm_str_equal_nocase(name, ZM_S("ErrorMode")) && setting.length > 0)
        return set_error_mode(parse, zm_str_c(parse->pool, setting));
    else if (zm_str_equal_nocase(name, ZM_S("QueueDirectory")))
        parse->options->postoffice = zm_str_c(parse->pool, setting);
    return APR_SUCCESS;
}

static apr_status_t set_macro(parse_t *parse, const char *value)
{
    /* Exim's queue actions would be taken for a submission otherwise. */
    static const char *const exim[] = {"rm", "f", "g", "c", "t", "vb", "vh", "vl", "mad", "mar"};
    apr_size_t i;
    for (i = 0; i < sizeof exim / sizeof exim[0]; i++)
        if (strcmp(value, exim[i]) == 0)
            return zm_error_set(parse->error, ZM_E_SYNTAX,
                                "-M%s is an action of another mailer; use mailq and zmailer",
                                value);
    return APR_SUCCESS;
}

static apr_status_t take_flag(parse_t *parse, char letter)
{
    sendmail_options_t *options = parse->options;
    switch (letter) {
    case 'E':
        options->external = true;
        break;
    case 'I':
        return set_mode(parse, "i");
    case 'i':
        options->ignore_dots = true;
        break;
    case 's':
        options->keep_from = true;
        break;
    case 't':
        options->from_header = true;
        break;
    case 'v':
        options->verbose = true;
        break;
    default: /* -c -G -m -n -U: accepted */
        break;
    }
    return APR_SUCCESS;
}

static apr_status_t take_value(parse_t *parse, char letter, const char *value)
{
    sendmail_options_t *options = parse->options;
    switch (letter) {
    case 'B':
        options->body_type = upper(parse->pool, value);
        if (strcmp(options->body_type, "7BIT") != 0 &&
            strcmp(options->body_type, "8BITMIME") != 0 &&
            strcmp(options->body_type, "BINARYMIME") != 0)
            return refuse(parse, "-B", value, "7BIT, 8BITMIME or BINARYMIME");
        return APR_SUCCESS;
    case 'b':
        return set_mode(parse, value);
    case 'C':
        options->router_cf = value;
        return APR_SUCCESS;
    case 'e':
        return set_error_mode(parse, value);
    case 'F':
        if (!preamble_is_line(zm_str(value)))
            return refuse(parse, "-F", "...", "a name without control characters");
        options->full_name = *value ? value : NULL;
        return APR_SUCCESS;
    case 'f':
    case 'r':
        if (!preamble_is_line(zm_str(value)))
            return refuse(parse, "-f", "...", "an address without control characters");
        value = zm_str_c(parse->pool, zm_str_trim(zm_str(value)));
        options->sender = strcmp(value, "<>") == 0 ? "" : value;
        return APR_SUCCESS;
    case 'M':
        return set_macro(parse, value);
    case 'N':
        return set_notify(parse, value);
    case 'O':
        return set_long_option(parse, value);
    case 'o':
        return set_short_option(parse, value);
    case 'P':
        options->priority = value;
        return APR_SUCCESS;
    case 'p':
        return set_protocol(parse, value);
    case 'Q':
        return zm_error_set(parse->error, ZM_E_SYNTAX, "-Q: quarantining is not supported");
    case 'q':
        return set_queue_run(parse, value);
    case 'R':
        options->ret = upper(parse->pool, value);
        if (strcmp(options->ret, "FULL") != 0 && strcmp(options->ret, "HDRS") != 0)
            return refuse(parse, "-R", value, "FULL or HDRS");
        return APR_SUCCESS;
    case 'V':
        if (*value == '\0' || !is_xtext(value))
            return refuse(parse, "-V", value, "xtext (RFC 3461)");
        options->envid = value;
        return APR_SUCCESS;
    case 'Z':
        options->zconfig = value;
        return APR_SUCCESS;
    case 'd':
        options->version |= value[0] == '0';
        return APR_SUCCESS;
    default: /* -A -D -h -J -L -T -X -x: accepted */
        return APR_SUCCESS;
    }
}

static apr_status_t take_long(parse_t *parse, const char *word)
{
    zm_str_t name, value;
    bool attached = zm_str_cut(zm_str(word + 2), '=', &name, &value);
    const char **slot;
    if (zm_str_equal_c(name, "help")) {
        parse->options->mode = SENDMAIL_HELP;
        return APR_SUCCESS;
    }
    if (zm_str_equal_c(name, "version")) {
        parse->options->mode = SENDMAIL_VERSION;
        parse->options->version = true;
        return APR_SUCCESS;
    }
    if (zm_str_equal_c(name, "root"))
        slot = &parse->options->root;
    else if (zm_str_equal_c(name, "zconfig"))
        slot = &parse->options->zconfig;
    else
        return zm_error_set(parse->error, ZM_E_SYNTAX, "unknown option %s", word);
    if (!attached && parse->next >= parse->argc)
        return zm_error_set(parse->error, ZM_E_SYNTAX, "%s needs an argument", word);
    *slot = attached ? zm_str_c(parse->pool, value) : parse->argv[parse->next++];
    return APR_SUCCESS;
}

/* One word "-abc": flags may be clustered, the first letter with a value takes the rest. */
static apr_status_t take_cluster(parse_t *parse, const char *word)
{
    const char *at;
    for (at = word + 1; *at != '\0'; at++) {
        apr_status_t status;
        const char *value = at + 1;
        switch (argument_of(*at)) {
        case NONE:
            status = take_flag(parse, *at);
            if (status != APR_SUCCESS)
                return status;
            continue;
        case ATTACHED:
            return take_value(parse, *at, value);
        case VALUE:
            if (*value == '\0') {
                if (parse->next >= parse->argc)
                    return zm_error_set(parse->error, ZM_E_SYNTAX, "-%c needs an argument", *at);
                value = parse->argv[parse->next++];
            }
            return take_value(parse, *at, value);
        case UNKNOWN:
        default:
            return zm_error_set(parse->error, ZM_E_SYNTAX, "unknown option -%c", *at);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t take_recipient(parse_t *parse, const char *word)
{
    if (!preamble_is_line(zm_str(word)))
        return zm_error_set(parse->error, ZM_E_SYNTAX, "a recipient has a control character in it");
    APR_ARRAY_PUSH(parse->options->recipients, const char *) = word;
    return APR_SUCCESS;
}

/* The name that the program was called by chooses a mode; true: nothing is left to parse. */
static bool mode_by_name(parse_t *parse)
{
    const char *name = apr_filepath_name_get(parse->argv[0]);
    int i;
    if (strcmp(name, "mailq") == 0)
        parse->options->mode = SENDMAIL_QUEUE;
    else if (strcmp(name, "newaliases") == 0)
        parse->options->mode = SENDMAIL_ALIASES;
    else if (strcmp(name, "hoststat") == 0 || strcmp(name, "purgestat") == 0)
        parse->options->mode = SENDMAIL_UNSUPPORTED;
    else {
        if (strcmp(name, "smtpd") == 0)
            parse->options->mode = SENDMAIL_DAEMON;
        return false;
    }
    for (i = 1; i < parse->argc; i++)
        APR_ARRAY_PUSH(parse->options->rest, const char *) = parse->argv[i];
    parse->options->by_name = true;
    return true;
}

apr_status_t sendmail_options_parse(sendmail_options_t **options, int argc, const char *const *argv,
                                    apr_pool_t *pool, zm_error_t *error)
{
    parse_t parse = {
        apr_pcalloc(pool, sizeof(sendmail_options_t)), argc, argv, 1, false, false, pool, error};
    bool ended = false, strict;
    char *posix;

    *options = parse.options;
    parse.options->recipients = apr_array_make(pool, 4, sizeof(const char *));
    parse.options->rest = apr_array_make(pool, 4, sizeof(const char *));
    strict = apr_env_get(&posix, "POSIXLY_CORRECT", pool) == APR_SUCCESS;
    if (mode_by_name(&parse))
        return APR_SUCCESS;
    if (argc == 2 && strcmp(argv[1], "/?") == 0) { /* as people ask on Windows */
        parse.options->mode = SENDMAIL_HELP;
        return APR_SUCCESS;
    }
    while (parse.next < argc) {
        const char *word = argv[parse.next++];
        apr_status_t status;
        if (!ended && strcmp(word, "--") == 0) {
            ended = true;
            continue;
        }
        if (ended || word[0] != '-' || word[1] == '\0') {
            status = take_recipient(&parse, word);
            ended |= strict;
        } else if (word[1] == '-') {
            status = take_long(&parse, word);
        } else {
            status = take_cluster(&parse, word);
        }
        if (status != APR_SUCCESS)
            return status;
    }
    if ((parse.queue_run || parse.options->version) && parse.options->mode == SENDMAIL_SUBMIT &&
        !parse.options->from_header && parse.options->recipients->nelts == 0)
        parse.options->mode = parse.flush ? SENDMAIL_FLUSH : SENDMAIL_NOTHING;
    return APR_SUCCESS;
}
