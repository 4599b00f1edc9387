#include "platform/str.h"

#include <string.h>

char *zm_str_c(apr_pool_t *pool, zm_str_t string)
{
    char *copy = apr_palloc(pool, string.length + 1);
    if (string.length != 0)
        memcpy(copy, string.data, string.length);
    copy[string.length] = '\0';
    return copy;
}

zm_str_t zm_str_copy(apr_pool_t *pool, zm_str_t string)
{
    return (zm_str_t){zm_str_c(pool, string), string.length};
}

/* The library's memory functions do not accept a null pointer even for no bytes. */
static bool same_bytes(const char *a, const char *b, apr_size_t length)
{
    return length == 0 || memcmp(a, b, length) == 0;
}

static bool same_bytes_nocase(const char *a, const char *b, apr_size_t length)
{
    apr_size_t i;
    for (i = 0; i < length; i++)
        if (zm_to_lower((unsigned char)a[i]) != zm_to_lower((unsigned char)b[i]))
            return false;
    return true;
}

bool zm_str_equal_nocase(zm_str_t a, zm_str_t b)
{
    return a.length == b.length && same_bytes_nocase(a.data, b.data, a.length);
}

bool zm_str_starts(zm_str_t string, zm_str_t prefix)
{
    return string.length >= prefix.length && same_bytes(string.data, prefix.data, prefix.length);
}

bool zm_str_starts_nocase(zm_str_t string, zm_str_t prefix)
{
    return string.length >= prefix.length &&
           same_bytes_nocase(string.data, prefix.data, prefix.length);
}

bool zm_str_ends_nocase(zm_str_t string, zm_str_t suffix)
{
    return suffix.length == 0 || (string.length >= suffix.length &&
                                  same_bytes_nocase(string.data + (string.length - suffix.length),
                                                    suffix.data, suffix.length));
}

int zm_str_compare(zm_str_t a, zm_str_t b)
{
    apr_size_t common = a.length < b.length ? a.length : b.length;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.length < b.length ? -1 : a.length > b.length;
}

static bool is_trimmed(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

zm_str_t zm_str_trim(zm_str_t string)
{
    while (string.length > 0 && is_trimmed(string.data[0])) {
        string.data++;
        string.length--;
    }
    while (string.length > 0 && is_trimmed(string.data[string.length - 1]))
        string.length--;
    return string;
}

zm_str_t zm_str_lower(apr_pool_t *pool, zm_str_t string)
{
    char *copy = zm_str_c(pool, string);
    apr_size_t i;
    for (i = 0; i < string.length; i++)
        copy[i] = (char)zm_to_lower((unsigned char)copy[i]);
    return (zm_str_t){copy, string.length};
}

apr_ssize_t zm_str_find(zm_str_t string, char byte)
{
    const char *found =
        string.length == 0 ? NULL : memchr(string.data, (unsigned char)byte, string.length);
    return found == NULL ? -1 : found - string.data;
}

bool zm_str_cut(zm_str_t string, char byte, zm_str_t *head, zm_str_t *rest)
{
    apr_ssize_t at = zm_str_find(string, byte);
    if (at < 0) {
        *head = string;
        *rest = (zm_str_t){"", 0};
        return false;
    }
    *head = (zm_str_t){string.data, (apr_size_t)at};
    *rest = (zm_str_t){string.data + at + 1, string.length - (apr_size_t)at - 1};
    return true;
}

bool zm_str_word(zm_str_t *rest, zm_str_t *word)
{
    apr_size_t start = 0, end;
    while (start < rest->length && zm_is_blank(rest->data[start]))
        start++;
    for (end = start; end < rest->length && !zm_is_blank(rest->data[end]); end++)
        ;
    *word = start == end ? (zm_str_t){"", 0} : (zm_str_t){rest->data + start, end - start};
    *rest =
        end == rest->length ? (zm_str_t){"", 0} : (zm_str_t){rest->data + end, rest->length - end};
    return word->length > 0;
}

apr_status_t zm_str_u64(zm_str_t string, uint64_t *value)
{
    uint64_t sum = 0;
    apr_size_t i;
    if (string.length == 0)
        return ZM_E_SYNTAX;
    for (i = 0; i < string.length; i++) {
        unsigned digit = (unsigned)(unsigned char)string.data[i] - '0';
        if (digit > 9 || sum > (UINT64_MAX - digit) / 10)
            return ZM_E_SYNTAX;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return APR_SUCCESS;
}

apr_status_t zm_str_i64(zm_str_t string, int64_t *value)
{
    bool negative = string.length > 0 && string.data[0] == '-';
    uint64_t magnitude;
    apr_status_t status;
    if (negative || (string.length > 0 && string.data[0] == '+'))
        string = (zm_str_t){string.data + 1, string.length - 1};
    status = zm_str_u64(string, &magnitude);
    if (status != APR_SUCCESS)
        return status;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return ZM_E_SYNTAX;
    /* -INT64_MIN has no positive counterpart, hence the detour. */
    *value = !negative ? (int64_t)magnitude : magnitude == 0 ? 0 : -(int64_t)(magnitude - 1) - 1;
    return APR_SUCCESS;
}
