"""Extensions of SMTP that concern the whole way of a letter: SMTPUTF8 (addresses beyond ASCII) and REQUIRETLS."""
import ssl, sys
from zm import *

ABLE = '250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 SIZE'


def say(f, text):
    f.write(text.encode() + b'\r\n')
    f.flush()
    while True:
        line = f.readline().decode()
        if line[3:4] != '-':
            return line


def route(i, domain, sink):
    i.append('var/db/routes', '%s\tsmtp![127.0.0.1]:%d\n' % (domain, sink.port))
    i.zmailer('newdb', code=None)


def beyond(to, sender='alice@mail.test'):
    return letter(to=to, sender=sender, subject='Größe', extra='MIME-Version: 1.0\n')


def test_letters_go_beyond_ascii_where_servers_do():
    with Sink({'EHLO': ABLE}) as able, Sink() as other, Instance() as i:
        route(i, 'xn--bcher-kva.test', able)
        route(i, 'old.test', other)
        i.start()
        for to in 'jörg@bücher.test', 'ann@bücher.test', 'bob@old.test':
            i.sendmail('-f', 'alice@mail.test', '--', to, data=beyond(to).encode())
        wait(lambda: len(able.messages) == 2 and other.messages, 'the letters', instances=[i])
        i.wait_empty()
        found = {recipients[0]: data.decode() for _, recipients, data in able.messages}
        check(set(found) == {'jörg@xn--bcher-kva.test', 'ann@xn--bcher-kva.test'}, found.keys())
        check('\nSubject: Größe\r\n' in found['jörg@xn--bcher-kva.test'], found)
        check('MAIL From:<alice@mail.test> SMTPUTF8 SIZE=' in '\n'.join(able.commands), able.commands)
        check(b'Subject: =?' in other.messages[0][2], other.messages)


def test_what_a_server_does_not_take_comes_back():
    with Sink() as other, Instance() as i:
        route(i, 'old.test', other)
        i.start()
        i.sendmail('-f', 'alice@mail.test', '--', 'jörg@old.test', data=beyond('jörg@old.test').encode())
        i.wait_mail('alice')
        report = i.mbox('alice')[0].as_bytes().decode()
        check('\nStatus: 5.6.7' in report and 'SMTPUTF8' in report, report)
        check('Final-Recipient: utf-8;jörg@old.test' in report, report)
        check('message/global-delivery-status' in report, report)
        check(not other.messages, other.messages)


def test_the_server_takes_addresses_beyond_ascii():
    with Sink({'EHLO': ABLE}) as able, Instance() as i:
        route(i, 'xn--bcher-kva.test', able)
        i.append('var/db/aliases', 'jürgen: alice\n')
        i.zmailer('newdb', code=None)
        i.write('share/smtpserver.conf', 'PARAM BindSmtp [127.0.0.1] %d\nPARAM smtputf8-ok\n* 999 ve\n' % i.port)
        i.start()
        i.start('smtpserver')
        s = socket.create_connection(('127.0.0.1', i.port), PATIENCE)
        with s, s.makefile('rwb') as f:
            f.readline()
            for text, code in (('EHLO peer.test', '250'), ('MAIL FROM:<ärger@bücher.test> SMTPUTF8', '250'),
                               ('RCPT TO:<jürgen@mail.test>', '250'), ('RCPT TO:<jörg@BÜCHER.test>', '250'),
                               ('DATA', '354'), (beyond('jürgen@mail.test', 'ärger@bücher.test').replace('\n', '\r\n') + '.', '250'),
                               ('QUIT', '221')):
                reply = say(f, text)
                check(reply.startswith(code), (text, reply))
        i.wait_empty()
        got = i.read('mail/alice') # whose first line is beyond the library for mailboxes
        check('with UTF8SMTP' in got and 'ärger@xn--bcher-kva.test' in got, got)
        wait(lambda: able.messages, 'the letter', instances=[i])
        check(able.messages[0][:2] == ('ärger@xn--bcher-kva.test', ['jörg@xn--bcher-kva.test']), able.messages)
        i.wait_empty()


class TlsSink:
    """Takes one session after the other: EHLO, STARTTLS, EHLO, a letter.  said: all commands; the last EHLO tells `words`."""

    def __init__(self, certificate, words):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.words, self.said, self.letters = words, [], 0
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(20)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                c, _ = self.listener.accept()
                with contextlib.suppress(OSError, ValueError):
                    c.settimeout(PATIENCE)
                    self.session(c)
                c.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def session(self, c):
        c.sendall(b'220 sink.test ESMTP\r\n')
        f = c.makefile('rb')
        secure = data = False
        while True:
            line = f.readline().decode().strip()
            if not line and not data:
                return
            if data and line != '.':
                continue
            if data:
                self.letters += 1
            else:
                self.said.append(line)
            word, data = line.split(' ')[0].upper(), False
            if word == 'EHLO':
                c.sendall(b'250-sink.test\r\n250 ' + (self.words.encode() if secure else b'STARTTLS') + b'\r\n')
            elif word == 'STARTTLS':
                c.sendall(b'220 go\r\n')
                c = self.context.wrap_socket(c, server_side=True)
                f, secure = c.makefile('rb'), True
            elif word == 'DATA':
                c.sendall(b'354 go\r\n')
                data = True
            elif word == 'QUIT':
                c.sendall(b'221 bye\r\n')
                return
            else:
                c.sendall(b'250 2.0.0 ok\r\n')


def make_certificate(i):
    """of [127.0.0.1] and mail.test, by itself"""
    if shutil.which('openssl') is None:
        raise Skip('needs openssl')
    pem, key = i.path('cert.pem'), i.path('key.pem')
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=mail.test', '-addext',
        'subjectAltName=IP:127.0.0.1,DNS:mail.test', '-keyout', key, '-out', pem)
    os.chmod(key, 0o600)
    return pem, key


def test_tls_is_demanded_for_the_whole_way():
    with Instance() as i:
        pem, key = make_certificate(i)
        able, other = TlsSink((pem, key), 'REQUIRETLS'), TlsSink((pem, key), 'SIZE')
        with contextlib.closing(able), contextlib.closing(other):
            route(i, 'able.test', able)
            route(i, 'other.test', other)
            i.write('share/smtp-tls.conf', 'tls-CAfile %s\n' % pem)
            conf = i.read('share/scheduler.conf')
            i.write('share/scheduler.conf', conf.replace('smtp -s', 'smtp -s -S %s' % i.path('share/smtp-tls.conf')))
            i.write('share/smtpserver.conf', 'PARAM use-tls\nPARAM tls-cert-file %s\nPARAM tls-key-file %s\n'
                    'PARAM BindSmtp [127.0.0.1] %d\n* 999 ve\n' % (pem, key, i.port))
            i.start()
            i.start('smtpserver')
            with smtplib.SMTP('127.0.0.1', i.port, local_hostname='peer.test', timeout=PATIENCE) as s:
                s.ehlo()
                check(not s.has_extn('requiretls'), 'it is offered in clear')
                s._host = 'mail.test'
                s.starttls(context=ssl.create_default_context(cafile=pem))
                s.ehlo()
                check(s.has_extn('requiretls'), s.esmtp_features)
                for domain in 'able', 'other':
                    to = 'x@%s.test' % domain
                    s.sendmail('alice@mail.test', [to], letter(to=to, body='a secret\n'), mail_options=['REQUIRETLS'])
            wait(lambda: able.letters, 'the letter', instances=[i])
            check(any(re.match('MAIL .* REQUIRETLS', line) for line in able.said), able.said)
            i.wait_mail('alice')
            report = i.mbox('alice')[0].as_bytes().decode()
            check('\nStatus: 5.7.30' in report and 'a secret' not in report, report)
            check(other.letters == 0 and not any('MAIL' in line for line in other.said), other.said)
            i.wait_empty()


main(sys.modules[__name__])
