"""TLS of the smtp agent: servers that offer it, refuse it, break it and lie about it, under each policy.  Certificates
are made by openssl; servers are at 127.0.0.N, so that each can have a policy of its own."""
import hashlib, ssl, struct, sys
from zm import *

CONF = '''\
tls-CAfile %(root)s/ca.pem
tls-loglevel 1
'''


def make_certificates(where):
    """ca.pem; right.pem (127.0.0.8 by that authority), other.pem (another name, by it), self.pem (by itself)"""
    if shutil.which('openssl') is None:
        raise Skip('needs openssl')

    def openssl(*words):
        run('openssl', *words, env={'RANDFILE': os.path.join(where, 'rnd')})

    def path(name):
        return os.path.join(where, name)
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=Test CA',
            '-keyout', path('ca.key'), '-out', path('ca.pem'))
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=anyone',
            '-keyout', path('self.key'), '-out', path('self.crt'))
    for name, names in ('right', 'IP:127.0.0.8,IP:127.0.0.10'), ('other', 'DNS:other.test,DNS:proved.test,DNS:elsewhere.test'):
        with open(path('names'), 'w') as f:
            f.write('subjectAltName=%s\n' % names)
        openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=' + name, '-keyout', path(name + '.key'),
                '-out', path('request'))
        openssl('x509', '-req', '-in', path('request'), '-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial',
                '-days', '2', '-extfile', path('names'), '-out', path(name + '.crt'))
    for name in 'self', 'right', 'other':
        with open(path(name + '.pem'), 'w') as f:
            for part in '.crt', '.key':
                with open(path(name + part)) as g:
                    f.write(g.read())


class Server:
    """One session after the other, each noted: `said` has what clients said in clear, `letters` (tls version or None, client
    certificate or None, data).  how: 'ok', 'plain' (does not offer), 'refuse', 'inject', 'broken' (closes in the handshake)"""

    def __init__(self, how, address, certificate=None, client_ca=None, port=0):
        self.how, self.said, self.letters, self.sessions = how, [], [], 0
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_ca)
        self.listener = socket.socket()
        try:
            self.listener.bind((address, port))
        except OSError:
            raise Skip('%s cannot be had' % address)
        self.listener.listen(20)
        self.where = '[%s]:%d' % self.listener.getsockname()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                c, _ = self.listener.accept()
                self.sessions += 1
                with contextlib.suppress(OSError, ValueError):
                    c.settimeout(PATIENCE)
                    self.session(c)
                c.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def session(self, c):
        c.sendall(b'220 server.test ESMTP\r\n')
        while True:
            line = self.line(c)
            word = line.split(b' ')[0].upper()
            if not isinstance(c, ssl.SSLSocket):
                self.said.append(word.decode())
            if word == b'EHLO' and (isinstance(c, ssl.SSLSocket) or self.how == 'plain'):
                c.sendall(b'250-server.test\r\n250 SIZE\r\n')
            elif word == b'EHLO':
                c.sendall(b'250-server.test\r\n250-STARTTLS\r\n250 X-CLEAR\r\n')
            elif word == b'STARTTLS':
                if self.how == 'refuse':
                    c.sendall(b'454 4.7.0 TLS is out of order\r\n')
                    continue
                c.sendall(b'220 go\r\n' + (b'250 injected\r\n' if self.how == 'inject' else b''))
                if self.how == 'broken':
                    return
                c = self.context.wrap_socket(c, server_side=True)
            elif word == b'DATA':
                c.sendall(b'354 go\r\n')
                data = b''
                while not data.endswith(b'\r\n.\r\n'):
                    data += self.line(c) + b'\r\n'
                tls = isinstance(c, ssl.SSLSocket)
                self.letters.append((c.version() if tls else None, c.getpeercert() if tls else None, data))
                c.sendall(b'250 2.0.0 taken\r\n')
            elif word == b'QUIT':
                c.sendall(b'221 bye\r\n')
                return
            else:
                c.sendall(b'250 ok\r\n')

    def line(self, c):
        text = b''
        while not text.endswith(b'\n'):
            byte = c.recv(1)
            if not byte:
                raise ValueError('the end')
            text += byte
        return text.rstrip(b'\r\n')


class Names:
    """A name server that knows the addresses of some names, and the TLSA records (lists) of others, and that there is
    nothing else.  What ends with a name of `proved` is said to be proved by DNSSEC, to who asks; of `broken`, to be broken."""

    def __init__(self, addresses, tlsa={}, proved=(), broken=()):
        self.addresses, self.tlsa, self.proved, self.broken = addresses, tlsa, tuple(proved), tuple(broken)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.where = '127.0.0.1:%d' % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                query, client = self.socket.recvfrom(4096)
                at, labels = 12, []
                while query[at]:
                    labels.append(query[at + 1:at + 1 + query[at]].decode())
                    at += 1 + query[at]
                end = at + 5
                name, type = '.'.join(labels), struct.unpack('>H', query[at + 1:at + 3])[0]
                address, flags = self.addresses.get(name), 0x8580
                data = [socket.inet_aton(address)] if address and type == 1 else self.tlsa.get(name, []) if type == 52 else []
                if name.endswith(self.proved) and query[3] & 0x20:
                    flags |= 0x20
                if name in self.broken:
                    flags, data = 0x8582, []
                elif not address and name not in self.tlsa:
                    flags |= 3
                answer = b''.join(struct.pack('>HHHIH', 0xc00c, type, 1, 60, len(d)) + d for d in data)
                head = struct.pack('>HHHHH', flags, 1, len(data), 0, 0)
                self.socket.sendto(query[:2] + head + query[12:end] + answer, client)


@contextlib.contextmanager
def site(servers, policies='', options='', environment=''):
    """An instance that routes NAME.test to each server, with these settings of TLS (None: without a file)."""
    with Instance() as i:
        make_certificates(i.root)
        made = {name: Server(*[w % dict(root=i.root) if w else w for w in words]) for name, words in servers.items()}
        for name, server in made.items():
            i.append('var/db/routes', '%s.test\tsmtp!%s\n' % (name, server.where))
        i.zmailer('newdb', code=None)
        command = '%ssmtp -s -l %s/log/smtp%s' % (environment, i.root, options)
        if policies is not None:
            i.write('share/smtp-tls.conf', CONF % dict(root=i.root) + policies % dict(root=i.root))
            command += ' -S %s/share/smtp-tls.conf' % i.root
        # as in the stock file: the agent that remembers a failure of TLS is to live for more than a minute
        conf = i.read('share/scheduler.conf').replace('idlemax=60s', 'idlemax=4m')
        i.write('share/scheduler.conf', conf.replace('smtp -s', command))
        os.chmod(i.path('log'), 0o777)
        try:
            yield i.start(), made
        finally:
            for server in made.values():
                server.close()


def send(i, name):
    i.submit('alice@mail.test', ['x@%s.test' % name], letter(to='x@%s.test' % name, subject='for ' + name))


def gets(i, server, count=1):
    return wait(lambda: len(server.letters) >= count and server.letters[count - 1], 'a letter', instances=[i])


def waits(i, name, text):
    """The letter for NAME waits, and mailq says why."""
    def shown():
        out = i.mailq('-v').out
        return name + '.test' in out and text in out
    wait(shown, '%r for %s in mailq, which has\n%s' % (text, name, i.mailq('-v').out), instances=[i])


def test_tls_is_used_where_it_is_offered():
    with site({'ok': ('ok', '127.0.0.1', '%(root)s/self.pem'), 'plain': ('plain', '127.0.0.2')}, None) as (i, servers):
        send(i, 'ok')
        send(i, 'plain')
        version, _, data = gets(i, servers['ok'])
        check(version in ('TLSv1.2', 'TLSv1.3') and b'Subject: for ok' in data, (version, data))
        check(servers['ok'].said == ['EHLO', 'STARTTLS'], servers['ok'].said)
        check(gets(i, servers['plain'])[0] is None, 'TLS without being offered')
        i.wait_empty()
        check('certificate /CN=anyone of /CN=anyone: not verified, self' in i.read('log/smtp'), i.read('log/smtp'))


def test_policies_decide():
    servers = {
        'none': ('ok', '127.0.0.2', '%(root)s/self.pem'), 'may': ('ok', '127.0.0.3', '%(root)s/self.pem'),
        'encrypt': ('ok', '127.0.0.4', '%(root)s/self.pem'), 'verify': ('ok', '127.0.0.5', '%(root)s/self.pem'),
        'other': ('ok', '127.0.0.6', '%(root)s/other.pem'), 'named': ('ok', '127.0.0.7', '%(root)s/other.pem'),
        'right': ('ok', '127.0.0.8', '%(root)s/right.pem'), 'inject': ('inject', '127.0.0.9', '%(root)s/right.pem'),
        'client': ('ok', '127.0.0.10', '%(root)s/right.pem', '%(root)s/ca.pem'), 'plain': ('plain', '127.0.0.11'),
        'refuse': ('refuse', '127.0.0.12'), 'broken': ('broken', '127.0.0.13')}
    policies = '''\
tls-cert-file %(root)s/right.pem
tls-policy [127.0.0.2] none
tls-policy [127.0.0.3] may
tls-policy [127.0.0.5] verify
tls-policy [127.0.0.6] verify
tls-policy [127.0.0.7] verify other.test
tls-policy [127.0.0.8] verify
tls-policy [127.0.0.10] verify
demand-tls-mode
'''
    with site(servers, policies) as (i, servers):
        for name in servers:
            send(i, name)
        for name in 'may', 'encrypt', 'named', 'right':
            check(gets(i, servers[name])[0], '%s without TLS' % name)
        check(gets(i, servers['none'])[0] is None and 'STARTTLS' not in servers['none'].said, 'none')
        check('right' in str(gets(i, servers['client'])[1]), servers['client'].letters)
        waits(i, 'verify', 'certificate not accepted: self')
        waits(i, 'other', 'certificate not accepted: IP address mismatch')
        waits(i, 'inject', 'plain text after the reply to STARTTLS')
        waits(i, 'plain', 'it does not offer STARTTLS; tls-policy * demands TLS')
        waits(i, 'refuse', '454 4.7.0 TLS is out of order')
        waits(i, 'broken', 'no TLS: ')
        for name in 'verify', 'other', 'inject', 'plain', 'refuse', 'broken':
            check(not servers[name].letters and 'MAIL' not in servers[name].said, (name, servers[name].said))
        check('certificate /CN=right of /CN=Test CA: verified' in i.read('log/smtp'), i.read('log/smtp'))
        counters = i.zmailer('--json', 'metrics').out
        check(re.search(r'"TA-SMTP.SmtpSTARTTLSok": *5\b', counters), counters)


def test_after_a_failure_mail_goes_in_clear_but_not_within_the_minute():
    servers = {'refuse': ('refuse', '127.0.0.2'), 'broken': ('broken', '127.0.0.3'),
               'inject': ('inject', '127.0.0.4', '%(root)s/right.pem')}
    with site(servers, None) as (i, servers):
        began = time.monotonic()
        for name in servers:
            send(i, name)
        for name in servers:
            wait(lambda: servers[name].said[:2] == ['EHLO', 'STARTTLS'], 'an attempt at ' + name, instances=[i])
        for name in servers:
            wait(lambda: servers[name].letters, name + ' in clear', PATIENCE + 90, [i])
            check(time.monotonic() - began > 59, '%s after %d s' % (name, time.monotonic() - began))
            check(servers[name].letters[0][0] is None, name)
            check('for ' + name in servers[name].letters[0][2].decode(), name)
        i.wait_empty()


def test_with_wrong_settings_all_mail_waits():
    servers = {'ok': ('ok', '127.0.0.2', '%(root)s/self.pem')}
    with site(servers, 'tls-policy other.test encrypt\ntls-cert-file /nonexistent/cert.pem\n') as (i, servers):
        send(i, 'ok')
        waits(i, 'ok', 'TLS certificate file /nonexistent/cert.pem')
        check(servers['ok'].sessions == 0, 'it was connected to')
        # mended, and a new agent: then it is sent
        i.write('share/smtp-tls.conf', 'tls-policy * encrypt\n')
        i.stop()
        i.start()
        check(gets(i, servers['ok'])[0], 'without TLS')
        i.wait_empty()


POLICY = 'version: STSv1\nmode: %s\nmx: %s\nmax_age: 86400\n'


def test_domains_speak_for_themselves():
    # all at one port, since names have none
    first = Server('ok', '127.0.0.2')
    port = first.listener.getsockname()[1]
    names = Names({'first.test': '127.0.0.2', 'proved.test': '127.0.0.3', 'unproved.test': '127.0.0.4',
                   'elsewhere.test': '127.0.0.5'})
    with contextlib.closing(first):
        with site({}, 'tls-mtasts %(root)s/sts\n', ' -p %d' % port, 'RESOLVER=%s ' % names.where) as (i, _):
            servers = {name: Server('ok', address, i.path(certificate), None, port) for name, address, certificate in
                       (('proved', '127.0.0.3', 'other.pem'), ('unproved', '127.0.0.4', 'self.pem'),
                        ('elsewhere', '127.0.0.5', 'other.pem'))}
            os.mkdir(i.path('sts'))
            i.write('sts/proved.test', POLICY % ('enforce', 'proved.test'))
            i.write('sts/unproved.test', POLICY % ('enforce', '*.test'))
            i.write('sts/elsewhere.test', POLICY % ('enforce', 'mx.elsewhere.test'))
            for name in servers:
                send(i, name)
            check(gets(i, servers['proved'])[0], 'in clear')
            waits(i, 'unproved', 'certificate not accepted: self')
            waits(i, 'elsewhere', 'MTA-STS of elsewhere.test does not name elsewhere.test')
            check(servers['elsewhere'].sessions == 0 and not servers['unproved'].letters, 'it was sent')
            for server in servers.values():
                server.close()


def test_name_service_vouches_for_servers():
    first = Server('ok', '127.0.0.2')
    port = first.listener.getsockname()[1]
    # proved.test: by the authority above its certificate; stranger.test: by the same, which does not know its name
    hosts = ('self', 'proved', 'stranger', 'wrong', 'unsigned', 'broken', 'weak')
    addresses = {name + '.test': '127.0.0.%d' % n for n, name in enumerate(hosts, 3)}
    names = Names(addresses, {}, [name for name in addresses if name != 'unsigned.test'], ['_%d._tcp.broken.test' % port])
    with contextlib.closing(first):
        with site({}, 'tls-dane yes\n', ' -p %d' % port, 'RESOLVER=%s ' % names.where) as (i, _):
            def digest(file):
                return hashlib.sha256(ssl.PEM_cert_to_DER_cert(i.read(file))).digest()
            i.write('chain.pem', i.read('other.pem') + i.read('ca.pem'))
            records = {'self': b'\3\0\1' + digest('self.crt'), 'proved': b'\2\0\1' + digest('ca.pem'),
                       'stranger': b'\2\0\1' + digest('ca.pem'), 'wrong': b'\3\0\1' + digest('other.crt'),
                       'unsigned': b'\3\0\1' + digest('other.crt'), 'weak': b'\1\1\1' + digest('other.crt')}
            names.tlsa.update({'_%d._tcp.%s.test' % (port, name): [record] for name, record in records.items()})
            servers = {name: Server('ok', addresses[name + '.test'],
                                    i.path('chain.pem' if name in ('proved', 'stranger') else 'self.pem'), None, port)
                       for name in hosts}
            for name in hosts:
                send(i, name)
            for name in 'self', 'proved', 'unsigned', 'weak':
                check(gets(i, servers[name])[0], name + ' in clear')
            waits(i, 'stranger', 'no TLS: ')
            waits(i, 'wrong', 'no TLS: ')
            waits(i, 'broken', 'TLSA records of _%d._tcp.broken.test cannot be had: ' % port)
            check(servers['broken'].sessions == 0, 'it was connected to')
            check(not servers['wrong'].letters and not servers['stranger'].letters, 'it was sent')
            check(i.read('log/smtp').count('verified by its TLSA records') == 2, i.read('log/smtp'))
            for server in servers.values():
                server.close()


main(sys.modules[__name__])
