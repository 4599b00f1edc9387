#include "mta/smtpserver/envelope.h"

#include "mta/mail/dsn_address.h"
#include "mta/mail/xtext.h"
#include "mta/smtpserver/authres.h"

void envelope_quote(zm_buf_t *buffer, zm_str_t text)
{
    apr_size_t i;
    zm_buf_add_byte(buffer, '"');
    for (i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '"' || byte == '\\' || byte == '(' || byte == ')') {
            zm_buf_add_byte(buffer, '\\');
            zm_buf_add_byte(buffer, (char)byte);
        } else if (byte < ' ' || byte > '~') {
            zm_buf_printf(buffer, "\\%03o", byte);
        } else {
            zm_buf_add_byte(buffer, (char)byte);
        }
    }
    zm_buf_add_byte(buffer, '"');
}

static apr_status_t line(zm_submission_t *submission, const char *keyword, const zm_buf_t *value)
{
    return zm_submit_line(submission, keyword, zm_buf_str(value));
}

/* Whether the address has a name, the name the address, the greeting its syntax, and the address.
 */
static void add_flags(zm_buf_t *value, const envelope_head_t *head)
{
    static const char *const reversed[] = {"\?\?", "FAIL", "OK"};
    static const char *const others[] = {"FAIL", "FAIL", "OK"};
    const peer_facts_t *facts = &head->facts;
    zm_buf_printf(value, " rhost-flags-%s-%s-%s-%s", reversed[facts->reversed],
                  others[facts->verified], head->helo_good ? "OK" : "FAIL",
                  others[facts->greeting]);
}

static void add_fact(zm_buf_t *value, const char *name, zm_str_t fact)
{
    zm_buf_add_c(value, name);
    if (fact.length > 0)
        envelope_quote(value, fact);
    else
        zm_buf_add_c(value, "<none>");
}

/* The peer twice: for Received, and in full for people. */
static apr_status_t write_peer(zm_submission_t *submission, const envelope_head_t *head)
{
    zm_buf_t value = ZM_BUF_INIT;
    char literal[ZM_IP_TEXT];
    const char *name = zm_ip_print_literal(&head->client->ip, literal);
    apr_status_t status;
    if (head->facts.name != NULL)
        name = head->facts.name;
    zm_buf_printf(&value, "%s (%s:%u ", name, literal, head->client->port);
    envelope_quote(&value, head->helo);
    if (head->tell_auth)
        add_fact(&value, " smtp-auth: ", head->user);
    if (head->tell_tls)
        add_fact(&value, " TLS-CIPHER: ", head->tls_cipher);
    if (head->tell_tls_peer)
        add_fact(&value, " TLS-PEER-CN1: ", head->tls_peer);
    add_flags(&value, head);
    zm_buf_add_byte(&value, ')');
    status = line(submission, "rcvdfrom", &value);
    if (status == APR_SUCCESS) {
        zm_buf_clear(&value);
        zm_buf_printf(&value, "%s %s:%u ", name, literal, head->client->port);
        envelope_quote(&value, head->helo);
        zm_buf_add_c(&value, " ident: \"IDENT-NOT-QUERIED\"");
        add_fact(&value, " smtp-auth: ", head->user);
        add_fact(&value, " TLS-CIPHER: ", head->tls_cipher);
        add_fact(&value, " TLS-PEER: ", head->tls_peer);
        add_flags(&value, head);
        zm_buf_add_byte(&value, ')');
        status = line(submission, "comment", &value);
    }
    zm_buf_free(&value);
    return status;
}

static apr_status_t write_user(zm_submission_t *submission, zm_str_t user)
{
    zm_buf_t value = ZM_BUF_INIT;
    apr_status_t status;
    zm_buf_add_c(&value, "smtp-auth: ");
    envelope_quote(&value, user);
    status = line(submission, "comment", &value);
    zm_buf_free(&value);
    return status;
}

apr_status_t envelope_head(zm_submission_t *submission, const envelope_head_t *head)
{
    const mail_parameters_t *mail = &head->mail;
    apr_status_t status = APR_SUCCESS;
    if (head->client != NULL) {
        status = zm_submit_line(submission, "external", zm_str(NULL));
        if (status == APR_SUCCESS && head->user.length > 0)
            status = write_user(submission, head->user);
        if (status == APR_SUCCESS)
            status = write_peer(submission, head);
    }
    if (status == APR_SUCCESS && mail->body.length > 0)
        status = zm_submit_line(submission, "bodytype", mail->body);
    if (status == APR_SUCCESS)
        status = zm_submit_line(submission, "with", zm_str(head->with));
    if (status == APR_SUCCESS && head->authres != NULL)
        status = authres_line(submission, head->authres);
    if (status == APR_SUCCESS)
        status = head->sender.length > 0 ? zm_submit_line(submission, "from", head->sender)
                                         : zm_submit_line(submission, "channel", ZM_S("error"));
    if (status == APR_SUCCESS && mail->envid.length > 0)
        status = zm_submit_line(submission, "envid", mail->envid);
    if (status == APR_SUCCESS && mail->ret.length > 0)
        status = zm_submit_line(submission, "notaryret", mail->ret);
    return status;
}

/* Whether one of the words of a NOTIFY list is that. */
static bool wants(zm_str_t list, zm_str_t what)
{
    zm_str_t word;
    bool more;
    do {
        more = zm_str_cut(list, ',', &word, &list);
        if (zm_str_equal_nocase(word, what))
            return true;
    } while (more);
    return false;
}

static void add_notify(zm_buf_t *todsn, zm_str_t notify, const envelope_deadline_t *deadline)
{
    zm_buf_add_str(todsn, notify);
    if (deadline->mode == 'N' && !wants(notify, ZM_S("NEVER")) && !wants(notify, ZM_S("DELAY")))
        zm_buf_add_c(todsn, ",DELAY");
    if (deadline->mode != '\0' && deadline->trace)
        zm_buf_add_c(todsn, ",TRACE");
}

void envelope_todsn(zm_buf_t *todsn, const rcpt_parameters_t *rcpt, bool never,
                    const envelope_deadline_t *deadline, zm_str_t recipient, zm_str_t sender)
{
    zm_buf_add_c(todsn, "NOTIFY=");
    if (never)
        zm_buf_add_c(todsn, "NEVER");
    else
        add_notify(todsn, rcpt->notify.length > 0 ? rcpt->notify : ZM_S("FAILURE,DELAY"), deadline);
    if (deadline->mode != '\0')
        zm_buf_printf(todsn, " BY=%lld;%c%s", (long long)deadline->at, deadline->mode,
                      deadline->trace ? "T" : "");
    zm_buf_add_c(todsn, " ORCPT=");
    if (rcpt->orcpt.length > 0) {
        zm_dsn_add_embedded(todsn, rcpt->orcpt);
    } else {
        zm_dsn_add_orcpt(todsn, recipient);
    }
    zm_buf_add_c(todsn, " INRCPT=rfc822;");
    zm_xtext_add(todsn, recipient);
    zm_buf_add_c(todsn, " INFROM=rfc822;");
    zm_xtext_add(todsn, sender);
}
