/*
 * What users write and the router expands: an alias file, a mailing list, an
 * included file and a .forward, in one site with the stock rules.
 *
 * The input is these four texts, with lines "%%" between them.  A message to the
 * first aliases, the list and the user is routed by a worker with small limits.
 *
 * Whatever the texts hold, the message gets a complete control file: no recipient is lost, none
 * is doubled, each has a privilege that a file of the site gave.  What listexpand reports to
 * list owners can be read as a message.  The next input finds nothing of this one.
 */
#include <apr_file_io.h>
#include <apr_strings.h>
#include <string.h>

#include "mta/mail/aliases.h"
#include "platform/fs.h"
#include "platform/log.h"
#include "spool/layout.h"
#include "spool/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/mta/router/world.h"

#define PARTS 4
#define ALIASES_TRIED 4

static world_t *site;                      /* made with the first input, for all of them */
static apr_pool_t *site_pool, *input_pool; /* of the site; of this input */
static const char *directory;

/* The site lives in pools, where the leak checker does not look: what it keeps from one input to
 * the next would count as lost.  Sanitizers ask this. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

/* -- what world.c expects of a unit test ---------------------------------------------------- */

apr_pool_t *zm_test_pool(void)
{
    return site == NULL ? site_pool : input_pool;
}

const char *zm_test_directory(void)
{
    return directory;
}

CU_BOOL CU_assertImplementation(CU_BOOL value, unsigned line, const char *condition,
                                const char *file, const char *function, CU_BOOL fatal)
{
    (void)function;
    (void)fatal;
    if (!value) {
        fprintf(stderr, "%s:%u: %s\n", file, line, condition);
        abort();
    }
    return CU_TRUE;
}

void zm_test_assert_ok(apr_status_t status, const char *expression, const char *file, int line)
{
    (void)CU_assertImplementation(status == APR_SUCCESS, (unsigned)line, expression, file, "",
                                  CU_TRUE);
}

void zm_test_assert_string(const char *actual, const char *expected, const char *what,
                           const char *file, int line)
{
    (void)CU_assertImplementation(strcmp(actual, expected) == 0, (unsigned)line, what, file, "",
                                  CU_TRUE);
}

/* -- the site ---------------------------------------------------------------------------------- */

/* Aliases in memory, a home for alice, and everything of the user who runs this. */
static const char rules[] = "homedirectory (user) {\n"
                            "	case \"$user\" in\n	alice)	echo $MAILVAR/home ;;\n	bob)	"
                            "echo ;;\n	*)	return 2 ;;\n"
                            "	esac\n}\n"
                            "login2uid (user) { echo $site_owner; }\n";

/* Removes the site's files when the program ends. */
static void remove_site(void)
{
    static const char *const names[] = {
        "etc/zmailer.conf",  "var/mail.conf",       "var/db/mailusers",   "var/db/localnames",
        "log/router",        "log/errors",          "var/lists/team",     "var/included",
        "var/home/.forward", "var/db/aliases.zmsh", "var/router.local.cf"};
    static const char *const folders[] = {"/etc",      "/log", "/var/db", "/var/lists",
                                          "/var/home", "/var", ""};
    apr_size_t i;
    world_end(site);
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)zm_file_unlink(NULL, apr_pstrcat(site_pool, directory, "/", names[i], NULL));
    for (i = 0; i < sizeof folders / sizeof folders[0]; i++)
        (void)zm_dir_remove(NULL, apr_pstrcat(site_pool, directory, folders[i], NULL));
}

static void make_site(void)
{
    static const zm_script_limits_t limits = {.steps = 300000, .memory = 8u << 20, .depth = 100};
    zm_log_options_t log = {.program = "router", .level = ZM_LOG_ERROR};
    const char *base, *owner;
    world_t *world;
    apr_pool_create(&site_pool, NULL);
    ZM_ASSERT_OK(apr_temp_dir_get(&base, site_pool));
    directory =
        apr_psprintf(site_pool, "%s/zmfuzz-%" APR_INT64_T_FMT, base, (apr_int64_t)apr_time_now());
    ZM_ASSERT_OK(zm_dir_make_all(directory, 0755, site_pool));
    owner = apr_psprintf(site_pool, "%" APR_INT64_T_FMT, (apr_int64_t)world_root());
    world = world_begin();
    world_file(world, "var/db/aliases.zmsh",
               apr_psprintf(site_pool,
                            "site_owner=%s\nrelation -lt incore aliases_1\n"
                            "aliases () { local a\n"
                            "if a=\"$(aliases_1 $@)\"; then priv=%s && returns \"$a\"; fi\n"
                            "return 1 }\n",
                            owner, owner));
    world_file(world, "var/router.local.cf", rules);
    world_start(world);
    log.file = apr_pstrcat(site_pool, directory, "/log/errors", NULL);
    ZM_ASSERT_OK(zm_log_open(&log, NULL));
    zm_script_set_limits(world->worker->script, &limits);
    site = world;
    atexit(remove_site);
}

/* -- an input ---------------------------------------------------------------------------------- */

/* "%I" stands for the path of the included file, which the input cannot know. */
static zm_str_t with_path(zm_str_t text)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t all;
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if (text.data[i] == '%' && i + 1 < text.length && text.data[i + 1] == 'I') {
            zm_buf_printf(&out, "%s/var/included", directory);
            i++;
        } else {
            zm_buf_add_byte(&out, text.data[i]);
        }
    all = zm_str_copy(input_pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return all;
}

static void cut_parts(zm_str_t parts[PARTS], zm_str_t text)
{
    int i;
    for (i = 0; i < PARTS; i++) {
        const char *begin = text.data;
        zm_str_t line = ZM_S("");
        bool more = text.length > 0;
        apr_size_t length = 0;
        while (more && !zm_str_equal_c(line, "%%")) {
            length = (apr_size_t)(text.data - begin);
            more = zm_str_cut(text, '\n', &line, &text);
        }
        if (!zm_str_equal_c(line, "%%"))
            length = (apr_size_t)(line.data == NULL || length + line.length == 0
                                      ? 0
                                      : line.data + line.length - begin);
        parts[i] = with_path(zm_str_of(begin, length));
    }
}

static void write_part(const char *path, zm_str_t text)
{
    zm_file_t *file;
    world_file(site, path, "");
    ZM_ASSERT_OK(zm_file_open(&file, NULL, apr_pstrcat(input_pool, directory, "/", path, NULL),
                              ZM_OPEN_WRITE, 0, input_pool));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text.data, text.length));
    ZM_ASSERT_OK(zm_file_close(file));
}

typedef struct keys_t {
    zm_buf_t message;
    int count;
} keys_t;

static bool is_plain(zm_str_t key)
{
    apr_size_t i;
    for (i = 0; i < key.length; i++)
        if (!zm_is_alpha(key.data[i]) && !zm_is_digit(key.data[i]))
            return false;
    return key.length > 0;
}

static apr_status_t add_alias(void *baton, zm_str_t key, zm_str_t value, unsigned line)
{
    keys_t *keys = baton;
    zm_value_t arguments[4] = {ZM_VALUE("add"), ZM_VALUE("aliases_1"), zm_value_of(key),
                               zm_value_of(value)};
    zm_script_result_t result = {0};
    zm_error_t error = {0};
    (void)line;
    FUZZ_EXPECT(zm_script_call(site->worker->script, "db", arguments, 4, &result, &error) ==
                APR_SUCCESS);
    if (is_plain(key) && keys->count++ < ALIASES_TRIED)
        zm_buf_printf(&keys->message, "to %.*s\n", (int)key.length, key.data);
    return APR_SUCCESS;
}

static void complain(void *baton, unsigned line, const char *what)
{
    (void)baton;
    (void)line;
    (void)what;
}

static void set_aliases(keys_t *keys, zm_str_t source)
{
    zm_aliases_reader_t reader = {add_alias, complain, NULL, keys};
    zm_value_t flush[2] = {ZM_VALUE("flush"), ZM_VALUE("aliases_1")};
    zm_script_result_t result = {0};
    zm_error_t error = {0};
    zm_script_begin(site->worker->script);
    ZM_ASSERT_OK(zm_script_call(site->worker->script, "db", flush, 2, &result, &error));
    ZM_ASSERT_OK(zm_aliases_read(source, &reader, input_pool));
    zm_script_end(site->worker->script);
}

/* -- what must hold ---------------------------------------------------------------------------- */

static void check_recipients(const zm_control_file_t *file)
{
    int i, j;
    for (i = 0; i < file->recipient_count; i++) {
        const zm_quad_t *quad = &file->recipients[i].quad;
        FUZZ_EXPECT(quad->privilege == world_root() || quad->privilege == site->worker->nobody);
        for (j = 0; j < i; j++) {
            const zm_quad_t *other = &file->recipients[j].quad;
            FUZZ_EXPECT(!zm_str_equal(quad->channel, other->channel) ||
                        !zm_str_equal(quad->host, other->host) ||
                        !zm_str_equal(quad->user, other->user) ||
                        quad->privilege != other->privilege);
        }
    }
}

/* Reads and removes what listexpand has submitted. */
static void check_reports(void)
{
    zm_str_t names = zm_str(world_names(site, ZM_DIR_ROUTER)), name;
    while (zm_str_word(&names, &name)) {
        const char *path =
            apr_pstrcat(input_pool, ZM_DIR_ROUTER "/", zm_str_c(input_pool, name), NULL);
        const char *text = world_contents(site, path);
        FUZZ_EXPECT(text != NULL);
        FUZZ_EXPECT(zm_message_parse(zm_str(text), input_pool)->fault == ZM_MESSAGE_OK);
        ZM_ASSERT_OK(zm_spool_unlink(site->spool, path));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    zm_str_t parts[PARTS];
    keys_t keys = {.message = ZM_BUF_INIT};
    uint64_t id;
    input_pool = fuzz_pool();
    if (site == NULL)
        make_site();
    cut_parts(parts, zm_str_of((const char *)data, size));
    zm_buf_add_c(&keys.message, "from <a@a.test>\n");
    set_aliases(&keys, parts[0]);
    zm_buf_add_c(&keys.message, "to team\nto alice\nto bob\n\nhello\n");
    write_part("var/lists/team", parts[1]);
    write_part("var/included", parts[2]);
    write_part("var/home/.forward", parts[3]);
    id = world_take(site, zm_buf_c(&keys.message));
    check_recipients(world_control(site, id));
    ZM_ASSERT_OK(zm_spool_unlink(site->spool, zm_layout_name(input_pool, ZM_DIR_TRANSPORT, 2, id)));
    ZM_ASSERT_OK(zm_spool_unlink(site->spool, zm_layout_name(input_pool, ZM_DIR_QUEUE, 2, id)));
    check_reports();
    zm_buf_free(&keys.message);
    return 0;
}
