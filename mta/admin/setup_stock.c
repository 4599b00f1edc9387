#include <apr_hash.h>
#include <apr_strings.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/setup.h"
#include "platform/fs.h"

#define DIGEST_TEXT 65

/* One pass over the stock configuration. */
typedef struct stock_t {
    setup_t *setup;
    const char *from, *to;
    apr_hash_t *installed; /* name below MAILSHARE: SHA-256 of what was offered last */
    zm_buf_t record;       /* what it is to be from now on */
} stock_t;

static void digest(char text[DIGEST_TEXT], zm_str_t data)
{
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned length = 0, i;
    if (EVP_Digest(data.data, data.length, value, &length, EVP_sha256(), NULL) != 1)
        length = 0;
    text[0] = '\0';
    for (i = 0; i < length && i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", value[i]);
}

static void read_record(stock_t *stock, zm_str_t text)
{
    apr_pool_t *pool = stock->setup->pool;
    zm_str_t line, sum, name;
    bool more = text.length > 0;
    while (more) {
        more = zm_str_cut(text, '\n', &line, &text);
        if (zm_str_cut(line, ' ', &sum, &name) && name.length > 0)
            apr_hash_set(stock->installed, zm_str_c(pool, zm_str_trim(name)), APR_HASH_KEY_STRING,
                         zm_str_c(pool, sum));
    }
}

/* What decides: the file as it stands, as it was installed, and as it comes. */
static apr_status_t bring(stock_t *stock, const char *name, zm_str_t incoming)
{
    setup_t *setup = stock->setup;
    const char *path = apr_pstrcat(setup->pool, stock->to, "/", name, NULL);
    const char *installed = apr_hash_get(stock->installed, name, APR_HASH_KEY_STRING);
    char coming[DIGEST_TEXT], standing[DIGEST_TEXT];
    zm_buf_t text = ZM_BUF_INIT;
    zm_file_info_t info;
    apr_status_t status = APR_SUCCESS;
    bool there = zm_path_info(&info, NULL, path) == APR_SUCCESS;
    digest(coming, incoming);
    if (there && info.kind == ZM_FILE_REGULAR)
        status = setup_read(setup, path, &text);
    digest(standing, zm_buf_str(&text));
    zm_buf_free(&text);
    if (status != APR_SUCCESS)
        return status;
    zm_buf_printf(&stock->record, "%s  %s\n", coming, name);
    if (!there || strcmp(standing, coming) == 0 ||
        (installed != NULL && strcmp(standing, installed) == 0)) {
        /* Passwords will be written into that one. */
        return setup_write(setup, path, strcmp(name, "scheduler.auth") == 0 ? 0600 : 0644,
                           incoming);
    }
    if (installed == NULL || strcmp(installed, coming) != 0)
        setup_tell(setup, path, "yours",
                   apr_psprintf(setup->pool, "was edited and stays; the new one is %s/%s",
                                stock->from, name));
    else
        setup_tell(setup, path, "kept", NULL);
    return APR_SUCCESS;
}

/* below: "" or "forms/" */
static apr_status_t bring_directory(stock_t *stock, const char *below)
{
    setup_t *setup = stock->setup;
    const char *path = apr_pstrcat(setup->pool, stock->from, "/", below, ".", NULL), *name;
    zm_dir_t *directory;
    zm_file_kind_t kind;
    apr_status_t status = zm_dir_open(&directory, NULL, path, setup->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(setup->error, status, "cannot read the installed files in %s", path);
    while (status == APR_SUCCESS && zm_dir_next(directory, &name, &kind) == APR_SUCCESS) {
        const char *inside = apr_pstrcat(setup->pool, below, name, NULL);
        zm_buf_t text = ZM_BUF_INIT;
        if (kind == ZM_FILE_DIRECTORY) {
            status = setup_directory(setup, apr_pstrcat(setup->pool, stock->to, "/", inside, NULL),
                                     0755);
            if (status == APR_SUCCESS)
                status = bring_directory(stock, apr_pstrcat(setup->pool, inside, "/", NULL));
        } else if (kind == ZM_FILE_REGULAR) {
            status =
                setup_read(setup, apr_pstrcat(setup->pool, stock->from, "/", inside, NULL), &text);
            if (status == APR_SUCCESS)
                status = bring(stock, inside, zm_buf_str(&text));
        }
        zm_buf_free(&text);
    }
    zm_dir_close(directory);
    return status;
}

apr_status_t setup_stock(setup_t *setup)
{
    stock_t stock = {.setup = setup};
    zm_buf_t record = ZM_BUF_INIT;
    const char *path;
    apr_status_t status;
    stock.from = apr_pstrcat(setup->pool, setup->prefix, "/" ZM_SHARE_REL, NULL);
    stock.to = zm_zenv_mailshare(setup->zenv);
    if (strcmp(stock.from, stock.to) == 0)
        return APR_SUCCESS;
    stock.installed = apr_hash_make(setup->pool);
    path = apr_pstrcat(setup->pool, stock.to, "/.stock", NULL);
    if ((status = setup_directory(setup, stock.to, 0755)) != APR_SUCCESS ||
        (status = setup_read(setup, path, &record)) != APR_SUCCESS)
        return status;
    read_record(&stock, zm_buf_str(&record));
    zm_buf_free(&record);
    status = bring_directory(&stock, "");
    if (status == APR_SUCCESS)
        status = setup_write(setup, path, 0644, zm_buf_str(&stock.record));
    zm_buf_free(&stock.record);
    return status;
}
