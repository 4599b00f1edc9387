#include "ta/smtp/envelope.h"

void zm_envelope_sender(const zm_transaction_t *transaction, zm_buf_t *out)
{
    zm_str_t sender = transaction->group->sender;
    zm_str_t ezmlm = transaction->to[0].recipient->dsn.ezmlm;
    apr_size_t at = sender.length;
    if (ezmlm.length == 0 || sender.length == 0 || transaction->smtp->options->ignore_ezmlm ||
        zm_envelope_fault(ezmlm, false) != NULL) {
        zm_buf_add_str(out, sender);
        return;
    }
    while (at > 0 && sender.data[at - 1] != '@')
        at--;
    at = at > 0 ? at - 1 : sender.length;
    zm_buf_add(out, sender.data, at);
    zm_buf_add_str(out, ezmlm);
    zm_buf_add_byte(out, '-');
    zm_buf_add_c(out, transaction->job->spool_id);
    zm_buf_add(out, sender.data + at, sender.length - at);
}
