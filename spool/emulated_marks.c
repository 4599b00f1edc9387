#include "spool/emulated.h"

/*
 * What must be known to all processes and cannot be asked from the system: that a
 * sync failed, of the log or of the database.  The system tells it only to who
 * had the file open, and once.
 *
 * A mark is a byte of the file `turn`, away from those that are locked.  Its block
 * is there since the spool was made, and every sync of the log reads it, so it can
 * be set when the disk takes nothing any more: the system has it in memory, and
 * that is where the others read it.  A filesystem that refuses even this takes no
 * mail either until it is mounted anew; then what is read is what the disk has,
 * and a mark has no meaning any more.  It does no harm then.
 */

#define FIRST_MARK 64
#define FIRST_COUNT 66 /* of failed syncs of bodies/A; 26 of them */
#define MARKS_END 128

/* Not by writing to the marks: another process may have set one. */
apr_status_t zm_emulated_make_marks(zm_emulated_t *e)
{
    zm_file_info_t info;
    apr_status_t status = zm_file_info(&info, e->turn);
    if (status != APR_SUCCESS || info.size >= MARKS_END)
        return status;
    return zm_file_write_at(e->turn, MARKS_END - 1, "", 1);
}

apr_status_t zm_emulated_mark(zm_emulated_t *e, zm_emulated_mark_t which, zm_emulated_state_t state)
{
    unsigned char byte = (unsigned char)state;
    return zm_file_write_at(e->turn, FIRST_MARK + (uint64_t)which, &byte, 1);
}

apr_status_t zm_emulated_marked(zm_emulated_t *e, zm_emulated_mark_t which,
                                zm_emulated_state_t *state)
{
    unsigned char byte = 0;
    apr_size_t length = 1;
    apr_status_t status = zm_file_read_at(e->turn, FIRST_MARK + (uint64_t)which, &byte, &length);
    *state = byte < ZM_STATE_COUNT ? (zm_emulated_state_t)byte : ZM_STATE_FAILED;
    return APR_STATUS_IS_EOF(status) ? APR_SUCCESS : status;
}

/* -- directories of bodies ------------------------------------------------------------------- */

static uint64_t place_of_count(char letter)
{
    return FIRST_COUNT + (uint64_t)(letter - 'A');
}

apr_status_t zm_emulated_body_failures(zm_emulated_t *e, char letter, unsigned char *count)
{
    apr_size_t length = 1;
    apr_status_t status = zm_file_read_at(e->turn, place_of_count(letter), count, &length);
    if (!APR_STATUS_IS_EOF(status))
        return status;
    *count = 0;
    return APR_SUCCESS;
}

/* Two at a time may count one: it differs from what was before all the same. */
void zm_emulated_note_body_failure(zm_emulated_t *e, char letter)
{
    unsigned char count;
    if (zm_emulated_body_failures(e, letter, &count) == APR_SUCCESS) {
        count++;
        (void)zm_file_write_at(e->turn, place_of_count(letter), &count, 1);
    }
}
