"""TLS in the SMTP server: STARTTLS, listeners that begin with TLS, certificates, reloads, tickets."""
import ssl, sys
from zm import *


class Authority:
    """Certificates made by the openssl command, in a directory of their own."""

    def __init__(self, i, name='ca'):
        self.dir = i.path('certs')
        os.makedirs(self.dir, exist_ok=True)
        self.name = name
        self.openssl('req', '-x509', *self.key(name), '-subj', '/CN=%s.test' % name, '-days', '2', '-out', self.file(name + '.pem'),
                     '-addext', 'basicConstraints=critical,CA:TRUE')

    def file(self, name):
        return os.path.join(self.dir, name)

    def key(self, name, kind='ec'):
        more = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] if kind == 'ec' else ['-newkey', 'rsa:2048']
        return more + ['-nodes', '-keyout', self.file(name + '.key')]

    def openssl(self, *words):
        return run('openssl', *words)

    def issue(self, name, subject=None, kind='ec', serial=None):
        """NAME.pem and NAME.key; (certificate, key)"""
        subject = subject or name
        self.openssl('req', '-new', *self.key(name, kind), '-subj', '/CN=' + subject, '-out', self.file('req.pem'))
        with open(self.file('ext'), 'w') as f:
            f.write('subjectAltName=DNS:%s\n' % subject)
        self.openssl('x509', '-req', '-in', self.file('req.pem'), '-CA', self.file(self.name + '.pem'), '-CAkey',
                     self.file(self.name + '.key'), '-CAcreateserial', '-days', '2', '-extfile', self.file('ext'),
                     '-out', self.file(name + '.pem'))
        os.chmod(self.file(name + '.key'), 0o600)
        return self.file(name + '.pem'), self.file(name + '.key')

    def client(self, certificate=None):
        context = ssl.create_default_context(cafile=self.file(self.name + '.pem'))
        if certificate:
            context.load_cert_chain(*certificate)
        return context


def configure(i, text, listeners=''):
    i.write('share/smtpserver.conf', text + 'PARAM BindSmtp [127.0.0.1] %d\n%s* 999 ve\n' % (i.port, listeners))


def with_keys(i, authority, more='', listeners=''):
    pem, key = authority.issue('mail.test')
    configure(i, 'PARAM use-tls\nPARAM tls-cert-file %s\nPARAM tls-key-file %s\n%s' % (pem, key, more), listeners)


@contextlib.contextmanager
def server(more='', listeners='', start=True):
    """(instance, authority) of a running server with keys."""
    with Instance() as i:
        authority = Authority(i)
        with_keys(i, authority, more, listeners)
        if start:
            i.start('smtpserver')
        yield i, authority


def session(i, context, hostname='mail.test'):
    """smtplib after STARTTLS, with the name verified."""
    s = smtplib.SMTP('127.0.0.1', i.port, local_hostname='peer.test', timeout=PATIENCE)
    s._host = hostname
    s.starttls(context=context)
    return s


def send(s):
    return s.sendmail('alice@mail.test', ['bob@mail.test'], letter())


def raw(i):
    s = socket.create_connection(('127.0.0.1', i.port), PATIENCE)
    f = s.makefile('rb')
    f.readline()
    return s, f


def say(raw, text):
    """Sends text, and gives the last line of the reply."""
    raw[0].sendall(text)
    while True:
        line = raw[1].readline()
        if line[3:4] != b'-':
            return line.decode()


def test_a_message_goes_over_starttls():
    with server('PARAM rcvd-tls-mode\nPARAM rcvd-tls-peer\n') as (i, ca):
        s = smtplib.SMTP('127.0.0.1', i.port, local_hostname='peer.test', timeout=PATIENCE)
        s._host = 'mail.test'
        s.ehlo()
        check(s.has_extn('starttls'), 'STARTTLS is not offered')
        code, text = s.starttls(context=ca.client())
        check(code == 220, repr((code, text)))
        check(s.docmd('MAIL', 'FROM:<a@far.test>')[0] == 503, 'the greeting before TLS still counts')
        s.ehlo()
        check(not s.has_extn('starttls'), 'STARTTLS is offered again')
        check(s.docmd('STARTTLS')[0] == 554, 'TLS within TLS')
        send(s)
        s.quit()
        text = i.contents(i.spool('router')[0])
        check('with ESMTPS\n' in text, text)
        check(re.search(r'^rcvdfrom .* TLS-CIPHER: "TLS_\S+ keybits \d+/\d+ version TLSv1.3" TLS-PEER-CN1: <none> ', text, re.M), text)



def test_a_listener_begins_with_tls():
    port = free_port()
    with server(listeners='PARAM newgroup\nPARAM BindSmtpS [127.0.0.1] %d\n' % port) as (i, ca):
        context = ca.client()
        context.check_hostname = False
        with smtplib.SMTP_SSL('127.0.0.1', port, context=context, timeout=PATIENCE) as s:
            s.ehlo()
            check(not s.has_extn('starttls'), 'STARTTLS is offered in TLS')
            send(s)
        check('with ESMTPS\n' in i.contents(i.spool('router')[0]), i.contents(i.spool('router')[0]))
        c = counters(i)
        check(c['SS.SMTPSconnects'] == 1 and c['SS.SMTPTLSes'] == 1 and c['SS.SMTP_STARTTLS'] == 0, repr(c))


def counters(i):
    lines = [line.split() for line in i.mailq('-M').out.splitlines()]
    return {w[0]: int(w[1]) for w in lines if len(w) > 1 and w[1].lstrip('-').isdigit()}


def test_a_server_without_keys_does_not_offer_tls():
    with Instance().start('smtpserver') as i, i.smtp() as s:
        s.ehlo()
        check(not s.has_extn('starttls'), 'STARTTLS is offered')
        code, text = s.docmd('STARTTLS')
        check((code, text[:5]) == (502, b'5.4.0'), repr((code, text)))


def test_nothing_in_plain_text_gets_into_tls():
    with server() as (i, ca):
        r = raw(i)
        say(r, b'EHLO x.test\r\n')
        check(say(r, b'STARTTLS now\r\n').startswith('501 5.5.4'), 'an argument is taken')
        check(say(r, b'NOOP\r\n').startswith('250'), 'the session is over')
        reply = say(r, b'STARTTLS\r\nMAIL FROM:<evil@far.test>\r\nRCPT TO:<bob@mail.test>\r\n')
        check(reply.startswith('501 '), reply)
        check(r[1].read() == b'', 'what follows is executed')
        r = raw(i)      # the same, but when the reply is on its way
        say(r, b'EHLO x.test\r\n')
        check(say(r, b'STARTTLS\r\n').startswith('220 '), 'no TLS')
        r[0].sendall(b'MAIL FROM:<evil@far.test>\r\n')
        with contextlib.suppress(ConnectionError):
            check(not re.search(rb'^[2345]\d\d', r[1].read(), re.M), 'plain text is answered')
        c = counters(i)
        check(c['SS.SMTP_MAIL'] == 0 and c['SS.SMTP_STARTTLS_fail'] == 2, repr(c))


def test_mail_may_be_for_tls_only():
    with server('PARAM tls-enforce-tls 1\n') as (i, ca):
        with i.smtp() as s:
            s.ehlo()
            code, text = s.docmd('MAIL', 'FROM:<a@far.test>')
            check((code, text[:5]) == (530, b'5.7.0'), repr((code, text)))
        with session(i, ca.client()) as s:
            send(s)


def test_clients_may_need_a_certificate():
    with Instance() as i:
        ca, others = Authority(i), Authority(i, 'otherca')
        more = 'PARAM tls-CAfile %s\nPARAM tls-require-cert 1\nPARAM rcvd-tls-peer\n' % ca.file('ca.pem')
        with_keys(i, ca, more)
        i.start('smtpserver')
        good, bad = ca.issue('peer.test'), others.issue('evil.test')
        for certificate in (None, bad):
            try:
                with session(i, ca.client(certificate)) as s:
                    s.ehlo()
            except (ssl.SSLError, smtplib.SMTPServerDisconnected, ConnectionError):
                continue
            raise Failure('let in with %r' % (certificate,))
        with session(i, ca.client(good)) as s:
            send(s)
        text = i.contents(i.spool('router')[0])
        check(' TLS-PEER-CN1: "/CN=peer.test" ' in text, text)


def test_clients_may_be_asked_for_a_certificate():
    with Instance() as i:
        ca, others = Authority(i), Authority(i, 'otherca')
        os.makedirs(i.path('authorities'))
        shutil.copy(ca.file('ca.pem'), i.path('authorities'))
        run('openssl', 'rehash', i.path('authorities'))
        more = 'PARAM tls-CApath %s\nPARAM tls-ask-cert 1\nPARAM tls-loglevel 2\nPARAM rcvd-tls-peer\n' % i.path('authorities')
        with_keys(i, ca, more)
        log = with_session_log(i)
        i.start('smtpserver')
        for certificate, told, noted in ((None, '<none>', 'TLS client certificate: none'),
                                         (others.issue('evil.test'), '<none>', '/CN=evil.test issuer /CN=otherca.test SHA256 '),
                                         (ca.issue('peer.test'), '"/CN=peer.test"', '/CN=peer.test issuer /CN=ca.test SHA256 ')):
            with session(i, ca.client(certificate)) as s:
                send(s)
            for name in i.spool('router'):
                check('TLS-PEER-CN1: %s ' % told in i.contents(name), i.contents(name))
                i.zmailer('spool', 'rm', 'router/' + os.path.basename(name))
            wait(lambda: noted in log(), noted, instances=[i])
        for part in ('TLS connection established', 'Cipher: TLS_', ' keybits 256/256 version TLSv1.3', 'TLS stopping; mode was: ON',
                     'not verified: ', ' verified', 'TLS: '):
            check(part in log(), '%s is not in the session log:\n%s' % (part, log()))


def with_session_log(i, options=''):
    """Has the server keep a session log; gives what is in it."""
    file = i.path('log', 'sessions')
    i.append('etc/zmailer.conf', 'SMTPOPTIONS="-l %s %s"\n' % (file, options))

    def read():
        with contextlib.suppress(FileNotFoundError), open(file, errors='replace') as f:
            return f.read()
        return ''
    return read


def subject(i, ca):
    """Whom the server's certificate is for."""
    context = ca.client()
    context.check_hostname = False
    with i.smtp() as s:
        s.starttls(context=context)
        return s.sock.getpeercert()['subject'][0][0][1]


def test_a_reload_takes_new_keys_and_keeps_sessions():
    with server() as (i, ca):
        old = session(i, ca.client())
        old.ehlo()
        pem, key = ca.issue('new.test')
        check(subject(i, ca) == 'mail.test', 'the wrong certificate')
        shutil.copy(pem, ca.file('mail.test.pem'))
        shutil.copy(key, ca.file('mail.test.key'))
        os.kill(i.pid('smtpserver'), signal.SIGHUP)
        wait(lambda: subject(i, ca) == 'new.test', 'the new certificate', instances=[i])
        send(old)
        old.quit()


def test_a_reload_with_bad_keys_changes_nothing():
    with server() as (i, ca):
        for spoil, reason in ((lambda: ca.issue('other.test') and shutil.copy(ca.file('other.test.key'), ca.file('mail.test.key')), 'key values mismatch'),
                              (lambda: os.chmod(ca.file('mail.test.key'), 0o644), 'every user may read it'),
                              (lambda: os.unlink(ca.file('mail.test.key')), 'No such file')):
            spoil()
            os.kill(i.pid('smtpserver'), signal.SIGHUP)
            wait(lambda: reason in i.logs(), reason, instances=[i])
            lines = [line for line in i.logs().splitlines() if reason in line]
            check(len(lines) == 1 and 'reload failed' in lines[0] and 'mail.test.key' in lines[0], repr(lines))
            with session(i, ca.client()) as s:
                send(s)


def test_bad_keys_are_told_at_the_start():
    with server(start=False) as (i, ca):
        key, pem = ca.file('mail.test.key'), ca.file('mail.test.pem')

        def refused(reason, *words):
            smtpserver = os.path.join(MAILBIN, 'smtpserver')
            p = run(smtpserver, '-Z', i.path('etc/zmailer.conf'), '--foreground', code=78)
            check(reason in p.err, p.err)
            p = run(smtpserver, '-Z', i.path('etc/zmailer.conf'), '-N', code=1)
            check('error: TLS ' in p.out and reason in p.out, p.out)
        os.chmod(key, 0o604)
        refused('TLS key file %s: every user may read it' % key)
        os.chmod(key, 0o640)
        p = run(os.path.join(MAILBIN, 'smtpserver'), '-Z', i.path('etc/zmailer.conf'), '-N')
        check('warning: ' in p.out and 'its group may read it' in p.out, p.out)
        run('openssl', 'ec', '-in', key, '-out', ca.file('locked'), '-aes256', '-passout', 'pass:secret')
        os.rename(ca.file('locked'), key)
        os.chmod(key, 0o600)
        refused('TLS key file ' + key)
        os.unlink(pem)
        refused('TLS certificate file %s: No such file' % pem)


def old_protocols(ca, least, most, ciphers='ALL:@SECLEVEL=0'):
    context = ca.client()
    context.minimum_version, context.maximum_version = least, most
    context.set_ciphers(ciphers)
    return context


def refused(i, context):
    try:
        session(i, context).quit()
    except (ssl.SSLError, smtplib.SMTPServerDisconnected, ConnectionError):
        return True
    return False


def test_old_versions_of_tls_are_refused():
    import warnings
    warnings.simplefilter('ignore', DeprecationWarning)
    v = ssl.TLSVersion
    with server() as (i, ca):
        check(refused(i, old_protocols(ca, v.TLSv1, v.TLSv1_1)), 'TLS 1.1 is spoken')
        check(not refused(i, old_protocols(ca, v.TLSv1_2, v.TLSv1_2)), 'TLS 1.2 is not spoken')
    with server('PARAM tls-min-version TLSv1.3\n') as (i, ca):
        check(refused(i, old_protocols(ca, v.TLSv1_2, v.TLSv1_2)), 'TLS 1.2 is spoken')
        check(not refused(i, ca.client()), 'TLS 1.3 is not spoken')


def test_there_may_be_keys_of_two_types():
    with Instance() as i:
        ca = Authority(i)
        rsa = ca.issue('rsa.test', kind='rsa')
        with_keys(i, ca, 'PARAM tls-dcert-file %s\nPARAM tls-dkey-file %s\n' % rsa)
        i.start('smtpserver')
        v = ssl.TLSVersion.TLSv1_2
        for kind, name in (('ECDSA', 'mail.test'), ('RSA', 'rsa.test')):
            with session(i, old_protocols(ca, v, v, 'ECDHE-%s-AES256-GCM-SHA384' % kind), name) as s:
                s.ehlo()


def resume(i, context, ticket):
    """One session: (whether it went on with that ticket, the next ticket)."""
    with i.smtp() as s:
        check(s.docmd('EHLO', 'x.test')[0] == 250 and s.docmd('STARTTLS')[0] == 220, 'no TLS')
        s.sock = context.wrap_socket(s.sock, server_hostname='mail.test', session=ticket)
        s.file = None
        s.docmd('NOOP')
        return s.sock.session_reused, s.sock.session


def test_sessions_are_resumed_by_every_worker():
    with Instance() as i:
        ca = Authority(i)
        with_keys(i, ca, 'PARAM tls-use-scache\n')
        log = with_session_log(i, '--workers 3')
        i.start('smtpserver')
        for most in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ca.client()
            context.maximum_version = most
            used, ticket = resume(i, context, None)
            check(not used, 'resumed from nothing')
            begun = len(log())

            def all_have_resumed():
                nonlocal ticket
                used, ticket = resume(i, context, ticket)
                check(used, 'not resumed')
                return len(set(re.findall(r'pid (\d+) ident', log()[begun:]))) == 3
            wait(all_have_resumed, 'every worker to resume', instances=[i])
        os.kill(i.pid('smtpserver'), signal.SIGHUP)
        wait(lambda: not resume(i, context, ticket)[0], 'new keys of tickets', instances=[i])


def test_nothing_is_resumed_unless_it_is_configured():
    with server() as (i, ca):
        context = ca.client()
        ticket = resume(i, context, None)[1]
        if ticket is not None and ticket.has_ticket:
            check(not resume(i, context, ticket)[0], 'resumed')


def test_tls_may_begin_where_smtp_is_expected():
    with server('PARAM outlook-tls-bug\n') as (i, ca):
        context = ca.client()
        context.check_hostname = False
        with smtplib.SMTP_SSL('127.0.0.1', i.port, context=context, timeout=PATIENCE) as s:
            send(s)
        with i.smtp() as s:     # after a while
            s.ehlo()
            check(s.has_extn('starttls'), 'STARTTLS is not offered')


def test_inetd_may_hand_over_a_connection_that_begins_with_tls():
    with server(start=False) as (i, ca), socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(1)
        client = socket.create_connection(listener.getsockname(), PATIENCE)
        served, _ = listener.accept()
        smtpserver = os.path.join(MAILBIN, 'smtpserver')
        p = subprocess.Popen([smtpserver, '-Z', i.path('etc/zmailer.conf'), '-n', '-t'], stdin=served, stdout=served)
        served.close()
        with ca.client().wrap_socket(client, server_hostname='mail.test') as s:
            f = s.makefile('rb')
            check(f.readline().startswith(b'220 '), 'no greeting')
            s.sendall(b'QUIT\r\n')
            check(f.readline().startswith(b'221 '), 'no answer')
        check(p.wait(PATIENCE) == 0, 'it ended with %d' % p.returncode)


if __name__ == '__main__':
    main(sys.modules[__name__])
