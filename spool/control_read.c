#include "spool/control.h"

#include <inttypes.h>
#include <string.h>

#include "spool/layout.h"

/*
 * A control file is taken apart in two passes over its units (a line, or an
 * "m"/"M" block up to its empty line): the first counts, the second fills
 * arrays of exactly that size.  A unit without its end was cut by a crash; it
 * is never interpreted.  Tags nobody knows are skipped.
 */

#define KNOWN_FORMAT_BITS 0x7u
#define FORMAT_PID_SLOT 0x1u
#define FORMAT_DELAY_SLOT 0x2u
#define PID_COLUMN 2
#define PID_WIDTH 6
#define DELAY_WIDTH 4
#define SLOT_COLUMNS 11 /* status byte, PID and delay slots of our own files */
#define LEAST_UNITS 4

typedef struct unit_t {
    uint64_t offset;
    uint64_t end;   /* offset after it */
    zm_str_t line;  /* its first line, without LF */
    zm_str_t block; /* of a block: the text without the empty line */
    char tag;
    bool whole;
} unit_t;

typedef struct parser_t {
    zm_str_t text;
    apr_pool_t *pool;
    zm_error_t *error;
    zm_control_file_t *file;
    bool has_format, has_check, check_bad;
    bool sender_open;  /* after s, before the first r: an e belongs to that group */
    int first_waiting; /* first recipient whose header block has not come */
    bool wants_dsn;    /* the last unit was an r */
    uint64_t checked_from, checked_length;
    uint32_t check;
} parser_t;

/* -- units ---------------------------------------------------------------- */

static bool is_block(char tag)
{
    return tag == 'm' || tag == 'M';
}

/* Extends a unit over the lines of its block and its empty line. */
static void take_block(zm_str_t text, unit_t *unit)
{
    apr_size_t start = (apr_size_t)unit->end, at = start;
    while (at < text.length && text.data[at] != '\n') {
        const char *end = memchr(text.data + at, '\n', text.length - at);
        if (end == NULL)
            break;
        at = (apr_size_t)(end - text.data) + 1;
    }
    unit->whole = at < text.length && text.data[at] == '\n';
    unit->block = (zm_str_t){text.data + start, at - start};
    unit->end = unit->whole ? at + 1 : text.length;
}

static bool next_unit(zm_str_t text, uint64_t *at, unit_t *unit)
{
    zm_str_t rest = {text.data + *at, text.length - (apr_size_t)*at}, after;
    if (rest.length == 0)
        return false;
    memset(unit, 0, sizeof *unit);
    unit->offset = *at;
    unit->whole = zm_str_cut(rest, '\n', &unit->line, &after);
    unit->end = *at + unit->line.length + unit->whole;
    unit->tag = unit->line.length > 0 ? unit->line.data[0] : '\0';
    if (unit->whole && is_block(unit->tag))
        take_block(text, unit);
    *at = unit->end;
    return true;
}

static zm_str_t value_of(const unit_t *unit)
{
    if (unit->line.length < 2)
        return (zm_str_t){"", 0};
    return (zm_str_t){unit->line.data + 2, unit->line.length - 2};
}

static char status_of(const unit_t *unit)
{
    return unit->line.length < 2 ? ' ' : unit->line.data[1];
}

/* -- first pass ----------------------------------------------------------- */

static void allocate(parser_t *p, const int counts[256])
{
    zm_control_file_t *file = p->file;
    file->obsoletes = apr_pcalloc(p->pool, (apr_size_t)counts['x'] * sizeof *file->obsoletes);
    file->turns = apr_pcalloc(p->pool, (apr_size_t)counts['T'] * sizeof *file->turns);
    file->senders = apr_pcalloc(p->pool, (apr_size_t)counts['s'] * sizeof *file->senders);
    file->recipients = apr_pcalloc(p->pool, (apr_size_t)counts['r'] * sizeof *file->recipients);
    file->headers = apr_pcalloc(p->pool, (apr_size_t)counts['m'] * sizeof *file->headers);
    file->diagnostics = apr_pcalloc(p->pool, (apr_size_t)counts['d'] * sizeof *file->diagnostics);
}

/* Counts units; says whether a file without z line ends as a whole one does. */
static bool count_units(parser_t *p)
{
    int counts[256] = {0};
    uint64_t at = 0;
    bool ends_with_block = false, in_diagnostics = false;
    unit_t unit;
    while (next_unit(p->text, &at, &unit)) {
        counts[(unsigned char)unit.tag]++;
        p->file->unit_count++;
        in_diagnostics = in_diagnostics || unit.tag == 'd';
        if (!in_diagnostics)
            ends_with_block = is_block(unit.tag) && unit.whole;
    }
    allocate(p, counts);
    return ends_with_block && p->file->unit_count >= LEAST_UNITS;
}

/* -- second pass: one kind of line each ------------------------------------- */

static apr_status_t bad_line(parser_t *p, const unit_t *unit, const char *what)
{
    return zm_error_set(p->error, ZM_E_CORRUPT,
                        "bad control file: %s in the line at offset %" PRIu64, what, unit->offset);
}

/* As the C language writes integers: 0x7, 07, 7. */
static apr_status_t read_format(parser_t *p, const unit_t *unit)
{
    zm_str_t digits = zm_str_trim(value_of(unit));
    uint64_t value = 0, base = 10;
    apr_size_t i = 0;
    if (zm_str_starts_nocase(digits, ZM_S("0x"))) {
        base = 16;
        i = 2;
    } else if (digits.length > 1 && digits.data[0] == '0') {
        base = 8;
    }
    if (i == digits.length)
        return bad_line(p, unit, "no format number");
    for (; i < digits.length; i++) {
        int c = zm_to_lower((unsigned char)digits.data[i]);
        uint64_t digit = zm_is_digit(c) ? (uint64_t)(c - '0') : (uint64_t)(c - 'a') + 10;
        if ((!zm_is_digit(c) && !zm_is_alpha(c)) || digit >= base || value > UINT32_MAX)
            return bad_line(p, unit, "a malformed format number");
        value = value * base + digit;
    }
    if ((value & ~(uint64_t)KNOWN_FORMAT_BITS) != 0)
        return zm_error_set(p->error, ZM_E_UNSUPPORTED,
                            "control file has format bits 0x%" PRIx64
                            ", of which this version knows 0x%x",
                            value, KNOWN_FORMAT_BITS);
    p->file->format = (uint32_t)value;
    p->has_format = true;
    return APR_SUCCESS;
}

static bool hex_u32(zm_str_t digits, uint32_t *value)
{
    apr_size_t i;
    *value = 0;
    for (i = 0; i < digits.length; i++) {
        int c = zm_to_lower((unsigned char)digits.data[i]);
        if (!zm_is_digit(c) && !(c >= 'a' && c <= 'f'))
            return false;
        *value = *value << 4 | (uint32_t)(zm_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return digits.length == 8;
}

/* A check line that cannot be read cannot agree either; it does not make the file unreadable. */
static void read_check(parser_t *p, const unit_t *unit)
{
    zm_str_t rest = value_of(unit), length, crc;
    if (p->has_check)
        return;
    p->has_check = true;
    p->checked_from = unit->end;
    p->check_bad = !zm_str_word(&rest, &length) || !zm_str_word(&rest, &crc) ||
                   zm_str_u64(length, &p->checked_length) != APR_SUCCESS ||
                   !hex_u32(crc, &p->check);
}

static apr_status_t read_message(parser_t *p, const unit_t *unit)
{
    zm_str_t name = value_of(unit);
    if (name.length == 0 || !zm_is_digit((unsigned char)name.data[0]) ||
        !zm_layout_leaf_valid(ZM_S(ZM_DIR_QUEUE), name))
        return bad_line(p, unit, "the message is not a name in queue/");
    p->file->message = name;
    return APR_SUCCESS;
}

static apr_status_t read_sender(parser_t *p, const unit_t *unit)
{
    zm_control_sender_t *sender = &p->file->senders[p->file->sender_count];
    if (zm_quad_parse(&sender->quad, value_of(unit)) != APR_SUCCESS)
        return bad_line(p, unit, "the sender is not channel, host, user and privilege");
    sender->offset = unit->offset;
    if (!zm_str_equal_nocase(sender->quad.channel, ZM_S("error")))
        sender->error_address = zm_quad_unquote(p->pool, sender->quad.user);
    p->file->sender_count++;
    p->sender_open = true;
    return APR_SUCCESS;
}

static void read_error_address(parser_t *p, const unit_t *unit)
{
    zm_control_sender_t *sender;
    if (!p->sender_open)
        return;
    sender = &p->file->senders[p->file->sender_count - 1];
    if (!zm_str_equal_nocase(sender->quad.channel, ZM_S("error")))
        sender->error_address = value_of(unit);
}

static bool looks_like_slot(zm_str_t line, apr_size_t column)
{
    return line.length > column &&
           (line.data[column] == ' ' || zm_is_digit((unsigned char)line.data[column]));
}

/* The column of the quad.  A file without format line does not say which slots it has. */
static apr_size_t quad_column(const parser_t *p, zm_str_t line)
{
    apr_size_t column = PID_COLUMN;
    if (p->has_format ? (p->file->format & FORMAT_PID_SLOT) != 0 : looks_like_slot(line, column))
        column += PID_WIDTH;
    if (p->has_format ? (p->file->format & FORMAT_DELAY_SLOT) != 0
                      : column > PID_COLUMN && looks_like_slot(line, column))
        column += DELAY_WIDTH;
    return column;
}

/* A number that does not reach to the end of its slot was cut by a crash and names nobody. */
static int64_t read_pid_slot(zm_str_t line)
{
    uint64_t pid;
    zm_str_t slot = zm_str_trim((zm_str_t){line.data + PID_COLUMN, PID_WIDTH});
    bool whole = zm_is_digit((unsigned char)line.data[PID_COLUMN + PID_WIDTH - 1]);
    return whole && zm_str_u64(slot, &pid) == APR_SUCCESS ? (int64_t)pid : -1;
}

static apr_status_t read_recipient(parser_t *p, const unit_t *unit)
{
    zm_control_recipient_t *recipient = &p->file->recipients[p->file->recipient_count];
    apr_size_t column = quad_column(p, unit->line);
    if (p->file->sender_count == 0)
        return bad_line(p, unit, "a recipient without a sender before it");
    if (unit->line.length <= column ||
        zm_quad_parse(&recipient->quad, (zm_str_t){unit->line.data + column,
                                                   unit->line.length - column}) != APR_SUCCESS)
        return bad_line(p, unit, "the recipient is not channel, host, user and privilege");
    recipient->offset = unit->offset;
    recipient->tag = status_of(unit);
    recipient->pid_slot = column > PID_COLUMN ? read_pid_slot(unit->line) : -1;
    recipient->sender = p->file->sender_count - 1;
    recipient->header = -1;
    recipient->dsn_offset = -1;
    p->file->recipient_count++;
    p->sender_open = false;
    return APR_SUCCESS;
}

/* Only directly after its recipient; anything between cancels it, as in the message file. */
static void read_dsn(parser_t *p, const unit_t *unit)
{
    zm_control_recipient_t *recipient;
    if (!p->wants_dsn)
        return;
    recipient = &p->file->recipients[p->file->recipient_count - 1];
    recipient->dsn_offset = (int64_t)unit->offset;
    recipient->dsn = value_of(unit);
}

static void read_header(parser_t *p, const unit_t *unit)
{
    zm_control_header_t *header = &p->file->headers[p->file->header_count];
    header->offset = unit->offset + unit->line.length + 1;
    header->text = unit->block;
    for (; p->first_waiting < p->file->recipient_count; p->first_waiting++)
        p->file->recipients[p->first_waiting].header = p->file->header_count;
    p->file->header_count++;
}

static bool optional_offset(zm_str_t text, int64_t *offset)
{
    *offset = -1;
    return text.length == 0 || zm_str_i64(text, offset) == APR_SUCCESS;
}

/* RCPT:HDR:DSN::TIME TAB notary TAB text.  Agents write these; a mangled one is not worth the job.
 */
static void read_diagnostic(parser_t *p, const unit_t *unit)
{
    zm_control_diagnostic_t *d = &p->file->diagnostics[p->file->diagnostic_count];
    zm_str_t numbers, rest, part[5];
    int i;
    if (!zm_str_cut(value_of(unit), '\t', &numbers, &rest))
        return;
    zm_str_cut(rest, '\t', &d->notary, &d->text);
    for (i = 0; i < 5; i++)
        zm_str_cut(numbers, ':', &part[i], &numbers);
    if (zm_str_u64(part[0], &d->recipient_offset) != APR_SUCCESS ||
        !optional_offset(part[1], &d->header_offset) || !optional_offset(part[2], &d->dsn_offset) ||
        !optional_offset(part[4], &d->time))
        return;
    d->offset = unit->offset;
    d->tag = status_of(unit);
    p->file->diagnostic_count++;
}

static apr_status_t read_unit(parser_t *p, const unit_t *unit)
{
    zm_control_file_t *file = p->file;
    switch (unit->tag) {
    case '@':
        return read_format(p, unit);
    case 'z':
        read_check(p, unit);
        break;
    case 'v':
        file->verbose = value_of(unit);
        break;
    case 'i':
        return read_message(p, unit);
    case 'o':
        if (zm_str_u64(zm_str_trim(value_of(unit)), &file->body_offset) != APR_SUCCESS)
            return bad_line(p, unit, "the body offset is not a number");
        break;
    case 'l':
        file->log_id = value_of(unit);
        break;
    case 'e':
        read_error_address(p, unit);
        break;
    case 'x':
        file->obsoletes[file->obsolete_count++] = value_of(unit);
        break;
    case 'T':
        file->turns[file->turn_count++] = value_of(unit);
        break;
    case 's':
        return read_sender(p, unit);
    case 'r':
        return read_recipient(p, unit);
    case 'X':
        file->alternative_count++;
        break;
    case 'N':
        read_dsn(p, unit);
        break;
    case 'R':
        file->ret = value_of(unit);
        break;
    case 'n':
        file->envid = value_of(unit);
        break;
    case 'm':
        read_header(p, unit);
        break;
    case 'd':
        read_diagnostic(p, unit);
        break;
    default:
        break;
    }
    return APR_SUCCESS;
}

/* -- the check line ----------------------------------------------------------- */

/* The sum as it was when the file was made: columns that agents write in count as blanks. */
static bool check_agrees(const parser_t *p)
{
    static const char blanks[SLOT_COLUMNS + 1] = "           ";
    const zm_control_file_t *file = p->file;
    uint64_t at = p->checked_from, end = p->checked_length;
    uint32_t crc = 0;
    int i;
    if (p->check_bad || end < at || end > p->text.length)
        return false;
    for (i = 0; i < file->recipient_count; i++) {
        uint64_t slots = file->recipients[i].offset + 1;
        if (slots < at || slots + SLOT_COLUMNS > end)
            continue;
        crc = zm_crc32c(crc, p->text.data + at, (apr_size_t)(slots - at));
        crc = zm_crc32c(crc, blanks, SLOT_COLUMNS);
        at = slots + SLOT_COLUMNS;
    }
    crc = zm_crc32c(crc, p->text.data + at, (apr_size_t)(end - at));
    return crc == p->check;
}

apr_status_t zm_control_parse(zm_control_file_t **file, const char *data, apr_size_t length,
                              apr_pool_t *pool, zm_error_t *error)
{
    parser_t p = {.text = {data, length}, .pool = pool, .error = error};
    uint64_t at = 0;
    unit_t unit;
    bool ends_well;
    p.file = apr_pcalloc(pool, sizeof *p.file);
    ends_well = count_units(&p);
    while (next_unit(p.text, &at, &unit)) {
        apr_status_t status = unit.whole ? read_unit(&p, &unit) : APR_SUCCESS;
        if (status != APR_SUCCESS)
            return status;
        p.wants_dsn = unit.tag == 'r';
    }
    /* Without its first sector it may end well all the same. */
    p.file->complete = p.has_check ? check_agrees(&p) : ends_well && p.file->message.length > 0;
    *file = p.file;
    return APR_SUCCESS;
}

/* -- DSN parameters ----------------------------------------------------------- */

static bool parameter(zm_str_t word, const char *key, zm_str_t *value)
{
    apr_size_t length = strlen(key);
    if (!zm_str_starts_nocase(word, zm_str_of(key, length)))
        return false;
    *value = zm_str_from(word, length);
    return true;
}

static void read_notify(zm_dsn_t *dsn, zm_str_t list)
{
    zm_str_t item;
    bool more;
    dsn->failure = false;
    do {
        more = zm_str_cut(list, ',', &item, &list);
        if (zm_str_equal_nocase(item, ZM_S("NEVER")))
            dsn->never = true;
        else if (zm_str_equal_nocase(item, ZM_S("SUCCESS")))
            dsn->success = true;
        else if (zm_str_equal_nocase(item, ZM_S("FAILURE")))
            dsn->failure = true;
        else if (zm_str_equal_nocase(item, ZM_S("DELAY")))
            dsn->delay = true;
        else if (zm_str_equal_nocase(item, ZM_S("TRACE")))
            dsn->trace = true;
    } while (more);
}

/* DEADLINE;[R|N][T] */
static void read_by(zm_dsn_t *dsn, zm_str_t value)
{
    zm_str_t time, flags;
    apr_size_t i;
    zm_str_cut(value, ';', &time, &flags);
    if (zm_str_i64(time, &dsn->by) != APR_SUCCESS)
        return;
    dsn->has_by = true;
    dsn->by_mode = 'R';
    for (i = 0; i < flags.length; i++) {
        int flag = zm_to_upper((unsigned char)flags.data[i]);
        if (flag == 'R' || flag == 'N')
            dsn->by_mode = (char)flag;
        else if (flag == 'T')
            dsn->by_trace = true;
    }
}

void zm_dsn_parse(zm_dsn_t *dsn, zm_str_t text)
{
    zm_str_t word, value;
    memset(dsn, 0, sizeof *dsn);
    dsn->failure = true;
    while (zm_str_word(&text, &word)) {
        if (parameter(word, "NOTIFY=", &value))
            read_notify(dsn, value);
        else if (parameter(word, "BY=", &value))
            read_by(dsn, value);
        else if (parameter(word, "REQUIRETLS=", &value))
            dsn->require_tls = true;
        else if (parameter(word, "ORCPT=", &dsn->orcpt) ||
                 parameter(word, "INRCPT=", &dsn->inrcpt) ||
                 parameter(word, "INFROM=", &dsn->infrom) || parameter(word, "EZMLM=", &dsn->ezmlm))
            continue;
    }
}
