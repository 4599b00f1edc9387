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


if __name__ == '__main__':
    main(sys.modules[__name__])
