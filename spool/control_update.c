#include "spool/control.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform/child.h"

/*
 * A claim is two things: the tag '~' with our process number in the PID
 * columns, which every reader sees and which a crash leaves behind, and a lock
 * on those bytes, which ends with us.  So a '~' whose lock is gone belongs to
 * nobody, unless an original agent, which takes no lock, wrote it: then the
 * process number decides.  Where all who use the spool take locks the lock is
 * all of a claim: the recipient stays ' ', and whoever wants to change that line
 * takes the lock first.
 *
 *     r~ 12345    channel host user privilege
 *      ^-----^ CLAIM_WIDTH bytes from CLAIM_COLUMN
 */

#define CLAIM_COLUMN 1
#define CLAIM_WIDTH 7
#define PID_MODULUS 1000000
#define PROBE_WIDTH                                                                                \
    16 /* after the 'r': a recipient line is never shorter, nor the end of the file */

/* Reads the start of a recipient line and tells its tag. */
static apr_status_t read_tag(zm_object_t *control, uint64_t offset, char *tag)
{
    char probe[1 + PROBE_WIDTH];
    apr_size_t length = sizeof probe;
    apr_status_t status = zm_object_read(control, offset, probe, &length);
    if (status != APR_SUCCESS && !APR_STATUS_IS_EOF(status))
        return status;
    if (length != sizeof probe || probe[0] != 'r')
        return ZM_E_CORRUPT;
    *tag = probe[CLAIM_COLUMN];
    return APR_SUCCESS;
}

static apr_status_t write_claim(zm_object_t *control, uint64_t offset, char tag, int64_t pid)
{
    char columns[CLAIM_WIDTH + 1];
    if (pid >= 0)
        snprintf(columns, sizeof columns, "%c%6u", tag, (unsigned)(pid % PID_MODULUS));
    else
        snprintf(columns, sizeof columns, "%c      ", tag);
    return zm_object_overwrite(control, offset + CLAIM_COLUMN, columns, CLAIM_WIDTH);
}

/* Takes the lock and looks at the tag under it; the lock is held only on success. */
static apr_status_t lock_expecting(zm_object_t *control, uint64_t offset, char expected)
{
    char tag;
    apr_status_t status = zm_object_lock(control, offset + CLAIM_COLUMN, CLAIM_WIDTH);
    if (status != APR_SUCCESS)
        return status;
    status = read_tag(control, offset, &tag);
    if (status == APR_SUCCESS && tag != expected)
        status = ZM_E_BUSY;
    if (status != APR_SUCCESS)
        zm_object_unlock(control, offset + CLAIM_COLUMN, CLAIM_WIDTH);
    return status;
}

apr_status_t zm_control_claim(zm_object_t *control, uint64_t offset)
{
    apr_status_t status;
    if (zm_object_holds(control, offset + CLAIM_COLUMN, CLAIM_WIDTH))
        return ZM_E_BUSY;
    status = lock_expecting(control, offset, ' ');
    if (status != APR_SUCCESS || zm_object_locks_suffice(control))
        return status;
    status = write_claim(control, offset, '~', zm_process_own());
    if (status != APR_SUCCESS)
        zm_object_unlock(control, offset + CLAIM_COLUMN, CLAIM_WIDTH);
    return status;
}

apr_status_t zm_control_claimed(bool *claimed, zm_object_t *control)
{
    *claimed = false;
    return zm_object_locks_suffice(control) ? zm_object_locked(claimed, control, 0, INT64_MAX)
                                            : APR_SUCCESS;
}

/* Ours, as the tag says; where the lock says so the tag is what it was when we took it. */
static apr_status_t check_ours(zm_object_t *control, uint64_t offset)
{
    char now;
    apr_status_t status;
    if (zm_object_locks_suffice(control))
        return zm_object_holds(control, offset + CLAIM_COLUMN, CLAIM_WIDTH) ? APR_SUCCESS
                                                                            : ZM_E_BUSY;
    status = read_tag(control, offset, &now);
    return status == APR_SUCCESS && now != '~' ? ZM_E_BUSY : status;
}

apr_status_t zm_control_release(zm_object_t *control, uint64_t offset, char tag)
{
    apr_status_t status = check_ours(control, offset);
    if (status == APR_SUCCESS && (tag != ' ' || !zm_object_locks_suffice(control)))
        status = write_claim(control, offset, tag, -1);
    zm_object_unlock(control, offset + CLAIM_COLUMN, CLAIM_WIDTH);
    return status;
}

apr_status_t zm_control_mark(zm_object_t *control, uint64_t offset, char expected, char tag)
{
    apr_status_t unlocked, status = lock_expecting(control, offset, expected);
    if (status != APR_SUCCESS)
        return status;
    status = write_claim(control, offset, tag, -1);
    unlocked = zm_object_unlock(control, offset + CLAIM_COLUMN, CLAIM_WIDTH);
    return status != APR_SUCCESS ? status : unlocked;
}

/* A claim of our own process would hold its lock, so one without is older than we are. */
static bool another_lives(int64_t pid)
{
    return pid != zm_process_own() && zm_process_alive(pid);
}

/* Originals put the first six digits of a longer number in the slot, we the last six. */
static bool owner_may_live(int64_t slot)
{
    int64_t candidate;
    if (slot < 0)
        return false;
    if (another_lives(slot))
        return true;
    if (slot < PID_MODULUS / 10)
        return false;
    for (candidate = 10 * slot; candidate < 10 * slot + 10; candidate++)
        if (another_lives(candidate))
            return true;
    return false;
}

apr_status_t zm_control_lock_stale(bool *stale, zm_object_t *control, uint64_t offset,
                                   int64_t pid_slot)
{
    bool held;
    apr_status_t status = zm_object_locked(&held, control, offset + CLAIM_COLUMN, CLAIM_WIDTH);
    if (status != APR_SUCCESS)
        return status;
    *stale = !held && !owner_may_live(pid_slot);
    return APR_SUCCESS;
}

/*
 * Text from a peer must not end the line or the field: a line break is written
 * as CR, which readers print as one; a NUL, and a TAB in the notary, as a blank.
 */
static void add_field(zm_buf_t *out, zm_str_t field, bool notary)
{
    apr_size_t i;
    zm_buf_reserve(out, field.length);
    for (i = 0; i < field.length; i++) {
        char byte = field.data[i];
        if (byte == '\n')
            byte = '\r';
        else if (byte == '\0' || (notary && byte == '\t'))
            byte = ' ';
        zm_buf_add_byte(out, byte);
    }
}

/*
 * A crash may have left a record without its end, or bytes that were never
 * written; what is appended to them would be lost in their line.
 */
static apr_status_t begin_line(zm_buf_t *out, zm_object_t *control)
{
    zm_object_info_t info;
    char last;
    apr_size_t length = 1;
    apr_status_t status = zm_object_info(&info, control);
    if (status != APR_SUCCESS || info.size == 0)
        return status;
    status = zm_object_read(control, info.size - 1, &last, &length);
    if (status == APR_SUCCESS && last != '\n')
        zm_buf_add_byte(out, '\n');
    return status;
}

apr_status_t zm_control_diagnose(zm_object_t *control, uint64_t recipient, int64_t header,
                                 int64_t dsn, apr_time_t when, zm_str_t notary, zm_str_t text)
{
    zm_buf_t line = ZM_BUF_INIT;
    apr_status_t status = begin_line(&line, control);
    zm_buf_printf(&line, "d %" PRIu64 ":%" PRId64 ":%" PRId64 "::%" PRId64 "\t", recipient, header,
                  dsn, (int64_t)apr_time_sec(when));
    add_field(&line, notary, true);
    zm_buf_add_byte(&line, '\t');
    add_field(&line, text, false);
    zm_buf_add_byte(&line, '\n');
    if (status == APR_SUCCESS)
        status = zm_object_append(control, line.data, line.length, true);
    zm_buf_free(&line);
    return status;
}

apr_status_t zm_control_reported(zm_object_t *control, uint64_t diagnostic_offset)
{
    char probe[2];
    apr_size_t length = sizeof probe;
    apr_status_t status = zm_object_read(control, diagnostic_offset, probe, &length);
    if (status != APR_SUCCESS)
        return status;
    if (length != sizeof probe || probe[0] != 'd' || (probe[1] != ' ' && probe[1] != '+'))
        return ZM_E_CORRUPT;
    return zm_object_overwrite(control, diagnostic_offset + 1, "+", 1);
}
