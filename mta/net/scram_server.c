/* The server's part of an exchange. */
#include <string.h>

#include "mta/net/base64.h"
#include "mta/net/scram.h"

#define NAME_LIMIT 1024 /* octets of a user's name, encoded */
#define NONCE_LIMIT 256 /* octets of a client's nonce */
#define BINDING_LIMIT 512

/* "=2C" and "=3D" stand for what would end a name. */
static apr_status_t read_name(zm_buf_t *name, zm_str_t text)
{
    apr_size_t i;
    if (text.length == 0 || text.length > NAME_LIMIT)
        return ZM_E_SYNTAX;
    for (i = 0; i < text.length; i++) {
        zm_str_t rest = zm_str_from(text, i);
        if (text.data[i] == '\0')
            return ZM_E_SYNTAX;
        if (text.data[i] != '=') {
            zm_buf_add_byte(name, text.data[i]);
            continue;
        }
        if (zm_str_starts(rest, ZM_S("=2C")))
            zm_buf_add_byte(name, ',');
        else if (zm_str_starts(rest, ZM_S("=3D")))
            zm_buf_add_byte(name, '=');
        else
            return ZM_E_SYNTAX;
        i += 2;
    }
    return APR_SUCCESS;
}

/* "n", "y" or "p=tls-exporter": whether the client binds, and what it believes of us. */
static bool is_flag_good(const zm_scram_server_t *server, zm_str_t flag)
{
    if (server->plus)
        return zm_str_equal_c(flag, "p=" ZM_SCRAM_BINDING);
    return zm_str_equal_c(flag, "n") || (zm_str_equal_c(flag, "y") && !server->plus_here);
}

static bool is_printable(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return false;
    return true;
}

apr_status_t zm_scram_server_first(zm_scram_server_t *server, zm_str_t message)
{
    zm_str_t flag, identity, rest, name, nonce;
    zm_buf_t other = ZM_BUF_INIT;
    apr_status_t status;
    if (!zm_str_cut(message, ',', &flag, &rest) || !zm_str_cut(rest, ',', &identity, &rest) ||
        !is_flag_good(server, flag))
        return ZM_E_SYNTAX;
    zm_buf_add(&server->header, message.data, (apr_size_t)(rest.data - message.data));
    zm_buf_add_str(&server->bare, rest);
    if (!zm_scram_attribute(&rest, 'n', &name) || !zm_scram_attribute(&rest, 'r', &nonce) ||
        nonce.length == 0 || nonce.length > NONCE_LIMIT || !is_printable(nonce))
        return ZM_E_SYNTAX;
    zm_buf_add_str(&server->nonce, nonce);
    status = read_name(&server->user, name);
    if (status == APR_SUCCESS && identity.length > 0) { /* nobody acts for another */
        if (!zm_str_starts(identity, ZM_S("a=")) ||
            read_name(&other, zm_str_from(identity, 2)) != APR_SUCCESS ||
            !zm_str_equal(zm_buf_str(&other), zm_buf_str(&server->user)))
            status = ZM_E_SYNTAX;
        zm_buf_free(&other);
    }
    return status;
}

zm_str_t zm_scram_server_challenge(zm_scram_server_t *server, zm_str_t salt, int iterations,
                                   zm_str_t nonce)
{
    zm_buf_t *challenge = &server->challenge;
    zm_buf_add_str(&server->nonce, nonce);
    zm_buf_clear(challenge);
    zm_buf_add_c(challenge, "r=");
    zm_buf_add_str(challenge, zm_buf_str(&server->nonce));
    zm_buf_add_c(challenge, ",s=");
    zm_sasl_encode(challenge, salt.data, salt.length);
    zm_buf_printf(challenge, ",i=%d", iterations);
    return zm_buf_str(challenge);
}

/* Whether "c=" has the header of the first message, and the binding behind it. */
static bool is_bound(const zm_scram_server_t *server, zm_str_t encoded, zm_str_t binding)
{
    zm_buf_t wanted = ZM_BUF_INIT, given = ZM_BUF_INIT;
    bool same;
    zm_buf_add_str(&wanted, zm_buf_str(&server->header));
    if (server->plus)
        zm_buf_add_str(&wanted, binding);
    same = encoded.length <= NAME_LIMIT + BINDING_LIMIT &&
           zm_sasl_decode(&given, encoded) == APR_SUCCESS &&
           zm_str_equal(zm_buf_str(&wanted), zm_buf_str(&given));
    zm_buf_free(&wanted);
    zm_buf_free(&given);
    return same;
}

static apr_status_t read_proof(zm_str_t encoded, unsigned char proof[ZM_SCRAM_KEY])
{
    zm_buf_t bytes = ZM_BUF_INIT;
    apr_status_t status = zm_sasl_decode(&bytes, encoded);
    if (status == APR_SUCCESS && bytes.length != ZM_SCRAM_KEY)
        status = ZM_E_SYNTAX;
    if (status == APR_SUCCESS)
        memcpy(proof, bytes.data, ZM_SCRAM_KEY);
    zm_buf_free(&bytes);
    return status;
}

apr_status_t zm_scram_server_last(zm_scram_server_t *server, zm_str_t message, zm_str_t binding,
                                  zm_buf_t *auth_message, unsigned char proof[ZM_SCRAM_KEY])
{
    zm_str_t rest = message, channel, nonce, encoded, without = message;
    if (server->plus && binding.length == 0)
        return ZM_E_UNSAFE;
    if (!zm_scram_attribute(&rest, 'c', &channel) || !zm_scram_attribute(&rest, 'r', &nonce))
        return ZM_E_SYNTAX;
    while (rest.length > 0 && rest.data[0] != 'p') { /* extensions mean nothing to us */
        zm_str_t skipped;
        if (!zm_str_cut(rest, ',', &skipped, &rest))
            return ZM_E_SYNTAX;
    }
    if (rest.length == 0)
        return ZM_E_SYNTAX;
    without.length = (apr_size_t)(rest.data - message.data) - 1;
    if (!zm_scram_attribute(&rest, 'p', &encoded) || rest.length > 0 ||
        read_proof(encoded, proof) != APR_SUCCESS)
        return ZM_E_SYNTAX;
    if (!zm_str_equal(nonce, zm_buf_str(&server->nonce)) || !is_bound(server, channel, binding))
        return ZM_E_UNSAFE;
    zm_buf_add_str(auth_message, zm_buf_str(&server->bare));
    zm_buf_add_byte(auth_message, ',');
    zm_buf_add_str(auth_message, zm_buf_str(&server->challenge));
    zm_buf_add_byte(auth_message, ',');
    zm_buf_add_str(auth_message, without);
    return APR_SUCCESS;
}

void zm_scram_server_end(zm_scram_server_t *server)
{
    zm_buf_free(&server->user);
    zm_buf_free(&server->header);
    zm_buf_free(&server->bare);
    zm_buf_free(&server->nonce);
    zm_buf_free(&server->challenge);
}
