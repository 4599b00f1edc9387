/* The parameters of what looks at messages: content filters, milters and policy daemons. */
#include <apr_file_info.h>

#include "mta/smtpserver/config_parts.h"
#include "mta/smtpserver/hooking.h"

#define UNIX ZM_S("unix:")

/* A file that is not there, or cannot be run, may still be put there: messages are put off until
 * then, or what contentfilter-failmode says. */
static void check_program(config_reader_t *reader, const char *path)
{
    apr_finfo_t info;
    apr_status_t status = apr_stat(&info, path, APR_FINFO_TYPE | APR_FINFO_PROT, reader->pool);
    if (status != APR_SUCCESS && status != APR_INCOMPLETE) {
        config_warning(reader, "PARAM contentfilter: there is no %s", path);
    } else if (info.filetype == APR_SOCK) {
        reader->config->filter.socket = path;
        reader->config->filter.program = NULL;
    } else if (info.filetype != APR_REG) {
        config_warning(reader, "PARAM contentfilter: %s is neither a program nor a socket", path);
    } else if ((info.valid & APR_FINFO_PROT) != 0 && (info.protection & APR_FPROT_WEXECUTE) == 0 &&
               (info.protection & APR_FPROT_UEXECUTE) == 0) {
        config_warning(reader, "PARAM contentfilter: %s may not be executed", path);
    }
}

void config_filter(config_reader_t *reader)
{
    config_filter_t *filter = &reader->config->filter;
    zm_str_t word = reader->words[0];
    bool socket = zm_str_starts_nocase(word, UNIX);
    const char *path = zm_str_c(reader->pool, socket ? zm_str_from(word, UNIX.length) : word);
    const char *root;
    if (apr_filepath_root(&root, &path, 0, reader->pool) == APR_ERELATIVE) {
        config_error(reader,
                     "PARAM contentfilter: expected the absolute path of a program, or unix:PATH "
                     "of a socket, not %.*s",
                     (int)word.length, word.data);
        return;
    }
    path = zm_str_c(reader->pool, socket ? zm_str_from(word, UNIX.length) : word);
    filter->socket = socket ? path : NULL;
    filter->program = socket ? NULL : path;
    if (!socket)
        check_program(reader, path);
}

void config_failmode(config_reader_t *reader)
{
    zm_str_t word = reader->words[0];
    if (zm_str_equal_nocase(word, ZM_S("accept")))
        reader->config->failmode = FAIL_ACCEPT;
    else if (zm_str_equal_nocase(word, ZM_S("tempfail")))
        reader->config->failmode = FAIL_DEFER;
    else if (zm_str_equal_nocase(word, ZM_S("freeze")))
        reader->config->failmode = FAIL_FREEZE;
    else
        config_error(reader, "PARAM contentfilter-failmode: expected accept, tempfail or freeze");
}

void config_milter(config_reader_t *reader)
{
    config_group_t *group = reader->group;
    zm_str_t word = reader->words[0];
    service_t *service = apr_palloc(reader->pool, sizeof *service);
    if (!service_parse(service, word, reader->pool))
        config_error(reader,
                     "PARAM milter: expected unix:PATH, inet:HOST:PORT or inet:PORT@HOST, not %.*s",
                     (int)word.length, word.data);
    else if (group->milter_count == CONFIG_MILTERS)
        config_error(reader, "PARAM milter: there are %d already", CONFIG_MILTERS);
    else
        group->milters[group->milter_count++] = service;
}

void config_no_milter(config_reader_t *reader)
{
    reader->group->milter_count = 0;
}

/* "rcpt,data" */
static bool read_stages(zm_str_t words, int *stages)
{
    static const struct {
        zm_str_t name;
        int stage;
    } known[] = {{ZM_STR("helo"), HOOKING_HELO},
                 {ZM_STR("mail"), HOOKING_MAIL},
                 {ZM_STR("rcpt"), HOOKING_RCPT},
                 {ZM_STR("data"), HOOKING_DATA}};
    const apr_size_t count = sizeof known / sizeof known[0];
    zm_str_t word;
    bool more;
    apr_size_t i;
    *stages = 0;
    do {
        more = zm_str_cut(words, ',', &word, &words);
        for (i = 0; i < count && !zm_str_equal_nocase(word, known[i].name); i++)
            continue;
        if (i == count)
            return false;
        *stages |= known[i].stage;
    } while (more);
    return true;
}

void config_hook(config_reader_t *reader)
{
    config_group_t *group = reader->group;
    zm_str_t word = reader->words[0];
    service_t *service = apr_palloc(reader->pool, sizeof *service);
    int stages = HOOKING_ALL;
    if (!service_parse(service, word, reader->pool)) {
        config_error(
            reader,
            "PARAM policy-hook: expected unix:PATH, inet:HOST:PORT or inet:PORT@HOST, not %.*s",
            (int)word.length, word.data);
    } else if (reader->count > 1 && !read_stages(reader->words[1], &stages)) {
        config_error(reader,
                     "PARAM policy-hook: expected some of helo,mail,rcpt,data behind the address, "
                     "not %.*s",
                     (int)reader->words[1].length, reader->words[1].data);
    } else {
        group->hook = service;
        group->hook_stages = stages;
    }
}

void config_no_hook(config_reader_t *reader)
{
    reader->group->hook = NULL;
}
