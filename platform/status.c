#include "platform/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const own_texts[] = {
    [ZM_E_SYNTAX - ZM_E_BASE] = "the text does not follow its grammar",
    [ZM_E_CORRUPT - ZM_E_BASE] = "the stored data is damaged",
    [ZM_E_LIMIT - ZM_E_BASE] = "a limit was reached",
    [ZM_E_UNSAFE - ZM_E_BASE] = "its permissions, owner or a link make it unsafe",
    [ZM_E_UNSUPPORTED - ZM_E_BASE] = "the system cannot do this",
    [ZM_E_BUSY - ZM_E_BASE] = "in use by another process",
    [ZM_E_GONE - ZM_E_BASE] = "it is no longer there",
    [ZM_E_TEMPORARY - ZM_E_BASE] = "it failed for now; a later attempt may succeed",
    [ZM_E_CONFIG - ZM_E_BASE] = "the configuration is missing or wrong",
    [ZM_E_PROTOCOL - ZM_E_BASE] = "the peer broke the protocol",
    [ZM_E_STOPPED - ZM_E_BASE] = "the program is being stopped",
};

const char *zm_status_text(apr_status_t status, char *buffer, apr_size_t size)
{
    if (status >= ZM_E_BASE && status < ZM_E_END)
        snprintf(buffer, size, "%s", own_texts[status - ZM_E_BASE]);
    else if (status == APR_SUCCESS)
        snprintf(buffer, size, "success");
    else
        apr_strerror(status, buffer, size);
    return buffer;
}

/* Keeps the text one line, and does not leave half a UTF-8 character where it was cut. */
static void make_presentable(char *text, apr_size_t size)
{
    char *byte;
    apr_size_t length = strlen(text);
    for (byte = text; *byte != '\0'; byte++)
        if ((unsigned char)*byte < ' ' || *byte == 0x7f)
            *byte = ' ';
    if (length == size - 1) {
        apr_size_t end = length;
        while (end > 0 && ((unsigned char)text[end - 1] & 0xc0) == 0x80)
            end--;
        if (end > 0 && (unsigned char)text[end - 1] >= 0xc0)
            text[end - 1] = '\0';
    }
}

__attribute__((format(printf, 2, 0))) static void format_text(zm_error_t *error, const char *format,
                                                              va_list arguments)
{
    vsnprintf(error->text, sizeof error->text, format, arguments);
    make_presentable(error->text, sizeof error->text);
}

apr_status_t zm_error_set(zm_error_t *error, apr_status_t status, const char *format, ...)
{
    va_list arguments;
    if (error == NULL)
        return status;
    error->status = status;
    va_start(arguments, format);
    format_text(error, format, arguments);
    va_end(arguments);
    return status;
}

apr_status_t zm_error_system(zm_error_t *error, apr_status_t status, const char *format, ...)
{
    va_list arguments;
    char reason[256];
    apr_size_t used;
    if (error == NULL)
        return status;
    error->status = status;
    va_start(arguments, format);
    format_text(error, format, arguments);
    va_end(arguments);
    used = strlen(error->text);
    snprintf(error->text + used, sizeof error->text - used, ": %s",
             zm_status_text(status, reason, sizeof reason));
    make_presentable(error->text, sizeof error->text);
    return status;
}
