#include "mta/submit/letter.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/submit/sendmail_recipients.h"

#define BLOCK 16384
#define LINE_LIMIT 65536
#define HEADER_LIMIT (16u << 20)

/* A letter on its way out of the file. */
typedef struct reader_t {
    letter_t *letter;
    apr_file_t *file;
    const char *host;
    apr_pool_t *pool;
    zm_error_t *error;
    zm_buf_t held;              /* read and not used yet */
    bool ended;                 /* the file */
    const char *notify, *orcpt; /* of the recipient that comes next */
} reader_t;

/* -- bytes -------------------------------------------------------------------------- */

static apr_status_t read_more(reader_t *reader)
{
    apr_size_t length = BLOCK;
    apr_status_t status;
    zm_buf_reserve(&reader->held, BLOCK);
    status = apr_file_read(reader->file, reader->held.data + reader->held.length, &length);
    if (status == APR_SUCCESS)
        reader->held.length += length;
    else if (APR_STATUS_IS_EOF(status))
        reader->ended = true;
    else
        return zm_error_system(reader->error, status, "cannot read the message back");
    return APR_SUCCESS;
}

/* Has a whole line, of the envelope or the header, in held; where the file ends without one, what
 * there is.  The line stays there. */
static apr_status_t next_line(reader_t *reader, zm_str_t *line)
{
    zm_str_t rest;
    apr_status_t status;
    while (!zm_str_cut(zm_buf_str(&reader->held), '\n', line, &rest) && !reader->ended) {
        if (reader->held.length > LINE_LIMIT)
            return zm_error_set(reader->error, ZM_E_LIMIT, "a line of the envelope is too long");
        if ((status = read_more(reader)) != APR_SUCCESS)
            return status;
    }
    return APR_SUCCESS;
}

static void drop_line(reader_t *reader, zm_str_t line)
{
    apr_size_t length = line.length + (line.length < reader->held.length);
    zm_buf_consume(&reader->held, length);
}

/* -- the envelope --------------------------------------------------------------------- */

/* Nothing that ends a command or leaves the brackets. */
static bool is_sayable(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 127)
            return false;
    return true;
}

static const char *plain(const reader_t *reader, zm_str_t address)
{
    address = zm_str_trim(address);
    if (address.length >= 2 && address.data[0] == '<' && address.data[address.length - 1] == '>')
        address = zm_str_of(address.data + 1, address.length - 2);
    return zm_str_c(reader->pool, address);
}

static bool has_domain(const char *address)
{
    const char *at = strrchr(address, '@');
    const char *quote = strrchr(address, '"');
    return at != NULL && (quote == NULL || at > quote);
}

static const char *qualified(const reader_t *reader, const char *address)
{
    if (address[0] == '\0' || has_domain(address))
        return address;
    return apr_pstrcat(reader->pool, address, "@", reader->host, NULL);
}

static apr_status_t add_recipient(reader_t *reader, const char *address)
{
    letter_recipient_t *recipient;
    if (address[0] == '\0' || strchr("|/:", address[0]) != NULL || !is_sayable(zm_str(address)) ||
        strpbrk(address, "<>") != NULL)
        return zm_error_set(reader->error, ZM_E_SYNTAX,
                            "the recipient \"%.200s\" cannot be handed to an SMTP server", address);
    recipient = apr_array_push(reader->letter->recipients);
    recipient->address = qualified(reader, address);
    recipient->notify = reader->notify;
    recipient->orcpt = reader->orcpt;
    reader->notify = reader->orcpt = NULL;
    return APR_SUCCESS;
}

/* "ORCPT=... NOTIFY=..." and other words, which are not for SMTP */
static void read_parameters(reader_t *reader, zm_str_t rest)
{
    zm_str_t word;
    while (zm_str_word(&rest, &word)) {
        if (!is_sayable(word))
            continue;
        if (zm_str_starts_nocase(word, ZM_S("NOTIFY=")))
            reader->notify = zm_str_c(reader->pool, zm_str_from(word, 7));
        else if (zm_str_starts_nocase(word, ZM_S("ORCPT=")))
            reader->orcpt = zm_str_c(reader->pool, zm_str_from(word, 6));
    }
}

static apr_status_t set_sender(reader_t *reader, const char *address)
{
    if (!is_sayable(zm_str(address)) || strpbrk(address, "<>") != NULL)
        return zm_error_set(reader->error, ZM_E_SYNTAX,
                            "the sender \"%.200s\" cannot be said in SMTP", address);
    reader->letter->sender = qualified(reader, address);
    return APR_SUCCESS;
}

static void set_text(reader_t *reader, const char **text, zm_str_t value)
{
    if (value.length > 0 && is_sayable(value))
        *text = zm_str_c(reader->pool, value);
}

static apr_status_t read_keyword(reader_t *reader, zm_str_t line)
{
    letter_t *letter = reader->letter;
    zm_str_t keyword, value = line;
    if (!zm_str_word(&value, &keyword))
        return APR_SUCCESS;
    value = zm_str_trim(value);
    if (zm_str_equal_nocase(keyword, ZM_S("to")))
        return add_recipient(reader, plain(reader, value));
    if (zm_str_equal_nocase(keyword, ZM_S("from")))
        return set_sender(reader, plain(reader, value));
    if (zm_str_equal_nocase(keyword, ZM_S("errormsg")) ||
        (zm_str_equal_nocase(keyword, ZM_S("channel")) &&
         zm_str_equal_nocase(value, ZM_S("error"))))
        letter->sender = "";
    else if (zm_str_equal_nocase(keyword, ZM_S("todsn")))
        read_parameters(reader, value);
    else if (zm_str_equal_nocase(keyword, ZM_S("fullname")))
        set_text(reader, &letter->full_name, value);
    else if (zm_str_equal_nocase(keyword, ZM_S("envid")))
        set_text(reader, &letter->envid, value);
    else if (zm_str_equal_nocase(keyword, ZM_S("notaryret")))
        set_text(reader, &letter->ret, value);
    else if (zm_str_equal_nocase(keyword, ZM_S("bodytype")))
        set_text(reader, &letter->body_type, value);
    return APR_SUCCESS; /* what else there is tells where a message came from: the server writes its
                           own */
}

/* An empty line, or a run of printing ASCII that a colon ends. */
static bool begins_header(zm_str_t line)
{
    apr_size_t i;
    if (line.length == 0 || zm_str_equal_c(line, "\r"))
        return true;
    for (i = 0; i < line.length && line.data[i] > ' ' && line.data[i] < 127; i++)
        if (line.data[i] == ':')
            return i > 0;
    return false;
}

static apr_status_t read_envelope(reader_t *reader)
{
    for (;;) {
        zm_str_t line, word;
        bool last;
        apr_status_t status = next_line(reader, &line);
        if (status != APR_SUCCESS || begins_header(line))
            return status;
        word = zm_str_trim(line);
        last = zm_str_equal_nocase(word, ZM_S("env-end")) ||
               zm_str_equal_nocase(word, ZM_S("env-eof"));
        status = last ? APR_SUCCESS : read_keyword(reader, word);
        drop_line(reader, line);
        if (last || status != APR_SUCCESS)
            return status;
    }
}

/* -- the header ------------------------------------------------------------------------ */

/* Moves the header, with the empty line, from what is held. */
static apr_status_t read_header(reader_t *reader)
{
    apr_ssize_t end;
    apr_size_t length;
    apr_status_t status;
    while ((end = sendmail_header_length(zm_buf_str(&reader->held))) < 0 && !reader->ended) {
        if (reader->held.length > HEADER_LIMIT)
            return zm_error_set(reader->error, ZM_E_LIMIT, "the header is too large");
        if ((status = read_more(reader)) != APR_SUCCESS)
            return status;
    }
    length = end < 0 ? reader->held.length : (apr_size_t)end + 1;
    zm_buf_add(&reader->letter->header, reader->held.data, length);
    zm_buf_consume(&reader->held, length);
    return APR_SUCCESS;
}

static apr_status_t recipients_of_header(reader_t *reader)
{
    apr_array_header_t *found = apr_array_make(reader->pool, 16, sizeof(const char *));
    apr_status_t status =
        sendmail_header_recipients(found, zm_buf_str(&reader->letter->header), reader->error);
    int i;
    for (i = 0; i < found->nelts && status == APR_SUCCESS; i++)
        status = add_recipient(reader, APR_ARRAY_IDX(found, i, const char *));
    if (status == APR_SUCCESS && found->nelts == 0)
        status = zm_error_set(reader->error, ZM_E_SYNTAX, "there are no recipients");
    return status;
}

static apr_status_t measure(reader_t *reader)
{
    apr_finfo_t info;
    apr_off_t at = 0;
    apr_status_t status = apr_file_info_get(&info, APR_FINFO_SIZE, reader->file);
    if (status == APR_SUCCESS)
        status = apr_file_seek(reader->file, APR_CUR, &at);
    if (status != APR_SUCCESS)
        return zm_error_system(reader->error, status, "cannot measure the message");
    reader->letter->size =
        (uint64_t)(info.size - at) + reader->letter->header.length + reader->letter->rest.length;
    return APR_SUCCESS;
}

apr_status_t letter_read(letter_t *letter, apr_file_t *file, const char *host, apr_pool_t *pool,
                         zm_error_t *error)
{
    reader_t reader = {.letter = letter, .file = file, .host = host, .pool = pool, .error = error};
    apr_status_t status;
    memset(letter, 0, sizeof *letter);
    letter->recipients = apr_array_make(pool, 16, sizeof(letter_recipient_t));
    status = read_envelope(&reader);
    if (status == APR_SUCCESS)
        status = read_header(&reader);
    if (status == APR_SUCCESS && letter->recipients->nelts == 0)
        status = recipients_of_header(&reader);
    letter->rest = reader.held;
    return status == APR_SUCCESS ? measure(&reader) : status;
}

void letter_free(letter_t *letter)
{
    zm_buf_free(&letter->header);
    zm_buf_free(&letter->rest);
}
