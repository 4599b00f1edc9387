/* Making headers from text, for the tests of this folder. */
#ifndef ZM_TESTS_UNIT_MTA_MAIL_FIELDS_H
#define ZM_TESTS_UNIT_MTA_MAIL_FIELDS_H

#include "mta/mail/header.h"
#include "mta/mail/print.h"
#include "tests/unit/harness.h"

/** Headers of a text with one field a line; lines that begin with a blank continue. */
static inline zm_headers_t *headers_of(const char *text)
{
    apr_pool_t *pool = zm_test_pool();
    zm_headers_t *headers = zm_headers_create(zm_header_table_create(pool), pool);
    const char *p = text;
    while (*p != '\0') {
        const char *end = p, *colon = strchr(p, ':');
        do
            end = end[0] == '\0' ? end : end + 1 + strcspn(end + 1, "\n");
        while (*end == '\n' && zm_is_blank(end[1]));
        zm_headers_append(headers, zm_str_of(p, (apr_size_t)(colon - p)),
                          zm_str_of(colon + 1, (apr_size_t)(end - colon - 1)));
        p = *end == '\n' ? end + 1 : end;
    }
    return headers;
}

static inline const char *text_of(const zm_headers_t *headers)
{
    zm_buf_t buffer = ZM_BUF_INIT;
    const char *text;
    zm_headers_print(&buffer, headers, 0);
    text = zm_str_c(zm_test_pool(), zm_buf_str(&buffer));
    zm_buf_free(&buffer);
    return text;
}

#endif
