#include "mta/script/line_editor.h"

#include <apr_dso.h>
#include <stdlib.h>
#include <string.h>

#include "platform/exec.h"

typedef char *read_fn(const char *prompt);
typedef int add_fn(const char *line);

struct zm_line_editor_t {
    read_fn *read;
    add_fn *add; /* to the history */
};

static void *symbol(apr_dso_handle_t *library, const char *name)
{
    apr_dso_handle_sym_t found;
    return apr_dso_sym(&found, library, name) == APR_SUCCESS ? (void *)found : NULL;
}

zm_line_editor_t *zm_line_editor_open(apr_pool_t *pool)
{
    static const char *const names[] = {"libedit.so.2", "libedit.so.0", "libedit.so",
                                        "libedit.3.dylib", "libedit.dylib"};
    zm_line_editor_t *editor = apr_pcalloc(pool, sizeof *editor);
    apr_dso_handle_t *library = NULL;
    void *read, *add;
    apr_size_t i;
    if (!zm_program_is_terminal(0) || !zm_program_is_terminal(1))
        return NULL;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (apr_dso_load(&library, names[i], pool) == APR_SUCCESS)
            break;
    if (i == sizeof names / sizeof names[0])
        return NULL;
    read = symbol(library, "readline");
    add = symbol(library, "add_history");
    if (read == NULL || add == NULL)
        return NULL;
    /* ISO C has no other way from a symbol to a function */
    memcpy(&editor->read, &read, sizeof read);
    memcpy(&editor->add, &add, sizeof add);
    return editor;
}

bool zm_line_editor_read(zm_line_editor_t *editor, const char *prompt, zm_buf_t *text)
{
    char *line = editor->read(prompt);
    if (line == NULL)
        return false;
    if (line[strspn(line, " \t")] != '\0')
        editor->add(line);
    zm_buf_add_c(text, line);
    zm_buf_add_byte(text, '\n');
    free(line);
    return true;
}
