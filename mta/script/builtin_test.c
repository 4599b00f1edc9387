/* test and [: a recursive descent over the operands. */

#include <apr_file_info.h>
#include <stdlib.h>
#include <string.h>

#include "mta/script/interp.h"

typedef struct zm_testing_t {
    zm_call_t *call;
    apr_size_t at, count;
    bool wrong;
} zm_testing_t;

static zm_str_t word(const zm_testing_t *t, apr_size_t index)
{
    return index < t->count ? zm_call_arg(t->call, index) : ZM_S("");
}

static bool is(const zm_testing_t *t, apr_size_t index, const char *text)
{
    return index < t->count && zm_str_equal_c(word(t, index), text);
}

static bool wrong(zm_testing_t *t, const char *text)
{
    if (!t->wrong)
        zm_call_complain(t->call, "%s", text);
    t->wrong = true;
    return false;
}

/* -- files ----------------------------------------------------------------------------- */

#define WANTED                                                                                     \
    (APR_FINFO_TYPE | APR_FINFO_PROT | APR_FINFO_SIZE | APR_FINFO_MTIME | APR_FINFO_IDENT)

static bool look(const zm_testing_t *t, zm_str_t path, bool link, apr_finfo_t *info)
{
    apr_pool_t *pool = t->call->script->arena.pool;
    apr_status_t status;
    *info = (apr_finfo_t){0};
    status = apr_stat(info, zm_str_c(pool, path), WANTED | (link ? APR_FINFO_LINK : 0), pool);
    return path.length > 0 && (status == APR_SUCCESS || status == APR_INCOMPLETE);
}

static bool file_is(const zm_testing_t *t, char what, zm_str_t path)
{
    apr_finfo_t info;
    if (!look(t, path, what == 'h', &info))
        return false;
    switch (what) {
    case 'f':
        return info.filetype != APR_DIR;
    case 'd':
        return info.filetype == APR_DIR;
    case 'b':
        return info.filetype == APR_BLK;
    case 'c':
        return info.filetype == APR_CHR;
    case 'p':
        return info.filetype == APR_PIPE;
    case 'h':
        return info.filetype == APR_LNK;
    case 's':
        return info.size > 0;
    case 'r':
        return (info.protection & (APR_FPROT_UREAD | APR_FPROT_GREAD | APR_FPROT_WREAD)) != 0;
    case 'w':
        return (info.protection & (APR_FPROT_UWRITE | APR_FPROT_GWRITE | APR_FPROT_WWRITE)) != 0;
    case 'x':
        return (info.protection & (APR_FPROT_UEXECUTE | APR_FPROT_GEXECUTE | APR_FPROT_WEXECUTE)) !=
               0;
    case 'u':
        return (info.protection & APR_FPROT_USETID) != 0;
    case 'g':
        return (info.protection & APR_FPROT_GSETID) != 0;
    default:
        return (info.protection & APR_FPROT_WSTICKY) != 0;
    }
}

/* A missing file is older than any other, and the same as none. */
static bool compare_files(const zm_testing_t *t, zm_str_t a, char op, zm_str_t b)
{
    apr_finfo_t first, second;
    bool has_first = look(t, a, false, &first), has_second = look(t, b, false, &second);
    if (op == 'e')
        return has_first && has_second && first.inode == second.inode &&
               first.device == second.device;
    if (op == 'o')
        return has_second && (!has_first || first.mtime < second.mtime);
    return has_first && (!has_second || first.mtime > second.mtime);
}

/* -- primaries ---------------------------------------------------------------------------- */

static bool starts_with_digit(zm_str_t text)
{
    return text.length > 0 && zm_is_digit(text.data[0]);
}

static bool is_terminal(zm_testing_t *t, zm_str_t text)
{
    const zm_stream_t *stream;
    uint64_t number = 1;
    apr_finfo_t info;
    if ((text.length > 0 && zm_str_u64(text, &number) != APR_SUCCESS) || number >= ZM_DESCRIPTORS)
        return false;
    stream = t->call->script->fds[number];
    return stream != NULL && stream->kind == ZM_STREAM_FILE &&
           apr_file_info_get(&info, APR_FINFO_TYPE, stream->file) == APR_SUCCESS &&
           info.filetype == APR_CHR;
}

static int64_t number_at(zm_testing_t *t, apr_size_t *index)
{
    int64_t number = 0;
    if (is(t, *index, "-l")) {
        *index += 2;
        return (int64_t)word(t, *index - 1).length;
    }
    if (zm_str_i64(word(t, (*index)++), &number) != APR_SUCCESS)
        return 0;
    return number;
}

static const char *const comparisons[] = {"-eq", "-ne", "-gt", "-ge", "-lt", "-le"};

static int comparison(zm_str_t text)
{
    int i;
    for (i = 0; i < 6; i++)
        if (zm_str_equal_c(text, comparisons[i]))
            return i;
    return -1;
}

static bool compare_numbers(int64_t a, int op, int64_t b)
{
    switch (op) {
    case 0:
        return a == b;
    case 1:
        return a != b;
    case 2:
        return a > b;
    case 3:
        return a >= b;
    case 4:
        return a < b;
    default:
        return a <= b;
    }
}

/* Whether a binary operator stands at that index. */
static bool is_binary(zm_testing_t *t, apr_size_t index)
{
    zm_str_t op = word(t, index);
    if (index + 1 >= t->count)
        return false;
    return zm_str_equal_c(op, "=") || zm_str_equal_c(op, "!=") || zm_str_equal_c(op, "-nt") ||
           zm_str_equal_c(op, "-ot") || zm_str_equal_c(op, "-ef") || comparison(op) >= 0;
}

static bool binary(zm_testing_t *t)
{
    zm_str_t left = word(t, t->at), op = word(t, t->at + 1), right = word(t, t->at + 2);
    apr_size_t index = t->at;
    if (comparison(op) >= 0) {
        int64_t a = number_at(t, &index), b;
        index++;
        b = number_at(t, &index);
        t->at = index;
        return compare_numbers(a, comparison(op), b);
    }
    t->at += 3;
    if (op.data[0] == '-')
        return compare_files(t, left, op.data[1], right);
    return zm_str_equal(left, right) == (op.data[0] == '=');
}

static bool expression(zm_testing_t *t, unsigned depth);

static bool primary(zm_testing_t *t, unsigned depth)
{
    zm_str_t first = word(t, t->at);
    bool value;
    if (t->at >= t->count)
        return wrong(t, "an operand is missing");
    if (depth > 100)
        return wrong(t, "nested too deeply");
    if (is_binary(t, t->at + 1))
        return binary(t);
    if (is(t, t->at, "-l") && comparison(word(t, t->at + 2)) >= 0) {
        apr_size_t index = t->at;
        int64_t a = number_at(t, &index), b;
        int op = comparison(word(t, index++));
        b = number_at(t, &index);
        t->at = index;
        return compare_numbers(a, op, b);
    }
    if (is(t, t->at, "!") && t->at + 1 < t->count) {
        t->at++;
        return !primary(t, depth + 1) && !t->wrong;
    }
    if (is(t, t->at, "(") && t->at + 1 < t->count) {
        t->at++;
        value = expression(t, depth + 1);
        if (!is(t, t->at, ")"))
            return wrong(t, "\")\" is missing");
        t->at++;
        return value;
    }
    if (zm_str_equal_c(first, "-t") && !starts_with_digit(word(t, t->at + 1))) {
        t->at++;
        return is_terminal(t, ZM_S(""));
    }
    if (first.length == 2 && first.data[0] == '-' &&
        strchr("fdbcphsrwxugktnz", first.data[1]) != NULL && t->at + 1 < t->count) {
        zm_str_t operand = word(t, t->at + 1);
        t->at += 2;
        switch (first.data[1]) {
        case 'n':
            return operand.length > 0;
        case 'z':
            return operand.length == 0;
        case 't':
            return is_terminal(t, operand);
        default:
            return file_is(t, first.data[1], operand);
        }
    }
    t->at++;
    return first.length > 0;
}

static bool conjunction(zm_testing_t *t, unsigned depth)
{
    bool value = primary(t, depth);
    while (is(t, t->at, "-a")) {
        t->at++;
        value = primary(t, depth) && value;
    }
    return value;
}

static bool expression(zm_testing_t *t, unsigned depth)
{
    bool value = conjunction(t, depth);
    while (is(t, t->at, "-o")) {
        t->at++;
        value = conjunction(t, depth) || value;
    }
    return value;
}

static int do_test(zm_call_t *call)
{
    zm_testing_t t = {call, 0, call->count, false};
    bool value;
    if (call->name[0] == '[') {
        if (call->count == 0 || !zm_str_equal_c(zm_call_arg(call, call->count - 1), "]")) {
            zm_call_complain(call, "\"]\" is missing");
            return 2;
        }
        t.count--;
    }
    if (t.count == 0)
        return 1;
    if (t.count == 1)
        return word(&t, 0).length > 0 ? 0 : 1;
    value = expression(&t, 0);
    if (!t.wrong && t.at < t.count)
        wrong(&t, "an operator was expected");
    return value && !t.wrong ? 0 : 1;
}

void zm_builtin_test_define(zm_script_t *script)
{
    zm_script_define(script, "test", ZM_BUILTIN_ARGV, do_test, NULL);
    zm_script_define(script, "[", ZM_BUILTIN_ARGV, do_test, NULL);
}
