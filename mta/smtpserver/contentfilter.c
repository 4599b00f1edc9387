/*
 * smtp-contentfilter: a content filter for the SMTP server (smtpserver(8)) that goes by a file of
 * rules.  It is asked for one message after another, and reads its rules again when they change.
 */
#include <apr_file_info.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"
#include "mta/smtpserver/sift_message.h"
#include "platform/exec.h"

typedef struct filter_t {
    const char *file;
    sift_rules_t *rules; /* null: they cannot be read */
    apr_pool_t *rules_pool;
    apr_time_t changed;
    apr_pool_t *pool;
} filter_t;

static void say(const char *text)
{
    printf("%s\n", text);
    (void)fflush(stdout);
}

/* Rules that cannot be read give no verdict, so that the server puts mail off. */
static void look_at_rules(filter_t *filter)
{
    apr_finfo_t info;
    zm_error_t error = {0};
    apr_pool_t *pool;
    if (apr_stat(&info, filter->file, APR_FINFO_MTIME, filter->pool) != APR_SUCCESS)
        info.mtime = -1;
    if (filter->rules != NULL && info.mtime == filter->changed)
        return;
    if (filter->rules_pool != NULL)
        apr_pool_destroy(filter->rules_pool);
    apr_pool_create(&pool, filter->pool);
    filter->rules_pool = pool;
    filter->changed = info.mtime;
    if (sift_load(&filter->rules, filter->file, pool, &error) == APR_SUCCESS)
        return;
    filter->rules = NULL;
    say(error.text);
}

static void judge(filter_t *filter, const char *path)
{
    zm_buf_t verdict = ZM_BUF_INIT;
    zm_error_t error = {0};
    apr_pool_t *pool;
    look_at_rules(filter);
    if (filter->rules == NULL)
        return;
    apr_pool_create(&pool, filter->pool);
    if (sift_judge(&verdict, filter->rules, path, pool, &error) == APR_SUCCESS)
        say(zm_buf_c(&verdict));
    else
        say(error.text);
    zm_buf_free(&verdict);
    apr_pool_destroy(pool);
}

static bool read_path(zm_buf_t *path)
{
    int byte;
    zm_buf_clear(path);
    while ((byte = getchar()) != EOF && byte != '\n')
        zm_buf_add_byte(path, (char)byte);
    return byte == '\n';
}

int main(int argc, char **argv)
{
    filter_t filter = {0};
    zm_zenv_options_t site = {0};
    zm_zenv_t *zenv;
    zm_error_t error = {0};
    zm_buf_t path = ZM_BUF_INIT;
    const zm_option_t table[] = {
        {'C', "config", ZM_OPTION_TEXT, &filter.file, NULL, "FILE",
         "rules ($MAILSHARE/smtp-contentfilter.conf)"},
    };
    const zm_command_line_t line = {"smtp-contentfilter",
                                    NULL,
                                    "look at messages for the SMTP server",
                                    table,
                                    (int)(sizeof table / sizeof table[0]),
                                    &site,
                                    0};
    int code;
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&filter.pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (filter.file == NULL) {
        if (zm_zenv_load(&zenv, &site, filter.pool, &error) != APR_SUCCESS) {
            fprintf(stderr, "smtp-contentfilter: %s\n", error.text);
            return ZM_EXIT_CONFIG;
        }
        filter.file =
            apr_pstrcat(filter.pool, zm_zenv_mailshare(zenv), "/smtp-contentfilter.conf", NULL);
    }
    zm_program_binary_streams();
    say("#hungry");
    while (read_path(&path)) {
        judge(&filter, zm_buf_c(&path));
        say("#hungry");
    }
    zm_buf_free(&path);
    return 0;
}
