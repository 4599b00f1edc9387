"""Small programs for administrators: what logs and DNS say, and where mail would go."""
import json, struct, sys
from zm import *


class Zone:
    """A name server: (name, type) -> list of data on the wire; everything else does not exist."""
    A, PTR, MX, TXT = 1, 12, 15, 16

    def __init__(self, records):
        self.records = records
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.where = '127.0.0.1:%d' % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.socket.sendto(b'', self.socket.getsockname())

    @staticmethod
    def name(text):
        return b''.join(bytes([len(p)]) + p.encode() for p in text.split('.') if p) + b'\0'

    @staticmethod
    def mx(preference, host):
        return struct.pack('!H', preference) + Zone.name(host)

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            if not query:
                return self.socket.close()
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
                at += 1 + query[at]
            kind = struct.unpack('!H', query[at + 1:at + 3])[0]
            name = '.'.join(labels)
            data = self.records.get((name, kind), [])
            known = data or any(n == name for n, _ in self.records)
            reply = query[:2] + struct.pack('!HHHHH', 0x8180 | (0 if known else 3), 1, len(data), 0, 0) + query[12:at + 5]
            for d in data:
                reply += b'\xc0\x0c' + struct.pack('!HHIH', kind, 1, 60, len(d)) + d
            self.socket.sendto(reply, peer)


def tool(name, *words, code=0, **kw):
    return run(os.path.join(BIN, name), *words, code=code, **kw)


LOG = '''\
aaaaaaa0000#\tconnection from a.test [192.0.2.1]:1 on port 25
bbbbbbb0000#\tconnection from b.test [192.0.2.2]:2 on port 25
aaaaaaa0001r\tRCPT TO:<x@y.test>
bbbbbbb0001w\t250 2.1.5 ok
0000000 0000#\tmaster
aaaaaaa0001w\t550 5.1.1 no such user
bbbbbbb0002w\t221 2.0.0 bye
bbbbbbb0002#\tend ok
aaaaaaa0002-\taborted
ccccccc0000w\t421 4.3.2 later
not a line
'''


def test_refused_sessions_are_found_in_a_log():
    out = tool('smtpserver-log-parser', data=LOG).out
    check(out == ''.join(l + '\n' for l in LOG.splitlines() if l.startswith('aaaaaaa')) + '\n' +
          'ccccccc0000w\t421 4.3.2 later\n', out)
    check('bbbbbbb' in tool('smtpserver-log-parser', r'192\.0\.2\.2', data=LOG).out, 'no pattern')
    told = json.loads(tool('smtpserver-log-parser', '--json', data=LOG).out)
    check([t['session'] for t in told] == ['aaaaaaa', 'ccccccc'] and len(told[0]['lines']) == 4, told)
    check(json.loads(tool('smtpserver-log-parser', '--json', data='').out) == [], 'nothing')
    check('no pattern' in tool('smtpserver-log-parser', '(', data='', code=64).err, 'any pattern')


def test_the_log_of_a_server_is_understood():
    with Instance() as i:
        i.append('etc/zmailer.conf', 'SMTPOPTIONS="-l ${LOGDIR}/smtpserver"\n')
        i.start()
        with i.smtp() as s:
            s.ehlo('good.test')
        with i.smtp() as s:
            s.ehlo('bad.test')
            check(s.docmd('RCPT TO:<x@y.test>')[0] == 503, 'taken')
        log = wait(lambda: 'log/smtpserver' if os.path.exists(i.path('log/smtpserver')) and
                   i.read('log/smtpserver').count('\t221') == 2 else None, 'both sessions', instances=[i])
        out = tool('smtpserver-log-parser', data=i.read(log)).out
        check('bad.test' in out and 'good.test' not in out, out)


def test_old_statistics_get_spool_ids():
    out = tool('statuslog-ids-to-spoolids', data='1700000000 4711 3 12 ok smtp/far.test\nS12AbCd 1 2 error local/x\n').out
    check(re.fullmatch(r'S4711\w{8} 3 12 ok smtp/far.test\nS12AbCd 1 2 error local/x\n', out), out)


def test_mailpath_tells_what_the_router_does():
    with Instance(smart_host='[127.0.0.1]:25') as i:
        run(os.path.join(BIN, 'newaliases'), '--root', i.root)
        run(os.path.join(BIN, 'zmailer'), '--root', i.root, 'newdb')
        out = tool('mailpath', '--root', i.root, 'x@far.test').out
        check('smtp' in out and 'x@far.test' in out, out)
        check(json.loads(tool('mailpath', '--root', i.root, '--json', 'x@far.test').out), 'no JSON')
        tool('mailpath', '--root', i.root, code=64)


def test_lists_are_asked():
    records = {('1.2.0.192.bad.test', Zone.A): [bytes([127, 0, 0, 2])],
               ('1.2.0.192.bad.test', Zone.TXT): [b'\x0esends anything'],
               ('1.2.0.192.wild.test', Zone.A): [bytes([192, 0, 2, 99])]}
    with Zone(records) as zone:
        env = {'RESOLVER': zone.where}
        p = tool('rbl-check', '192.0.2.1', 'good.test', 'bad.test', 'wild.test', env=env, code=1)
        lines = [l.split(None, 1) for l in p.out.splitlines()]
        check(lines[0] == ['good.test', 'not listed'] and lines[1] == ['bad.test', 'listed: sends anything'], lines)
        check(lines[2][1].startswith('no list'), lines)
        told = json.loads(tool('rbl-check', '--json', '192.0.2.7', 'bad.test', env=env).out)
        check(told == [{'zone': 'bad.test', 'state': 'not listed', 'detail': ''}], told)
    tool('rbl-check', 'bad.test', '192.0.2.1', code=64)


def test_servers_are_asked_whether_they_take_mail():
    records = {('here.test', Zone.MX): [Zone.mx(10, 'mx.here.test')], ('mx.here.test', Zone.A): [bytes([127, 0, 0, 1])],
               ('null.test', Zone.MX): [Zone.mx(0, '')], ('lost.test', Zone.MX): [Zone.mx(5, 'nowhere.test')]}
    with Zone(records) as zone, Sink() as sink, Instance() as i:
        def verify(what, *words, code=0):
            return tool('mxverify', '--root', i.root, '-p', str(sink.port), *words, what, code=code, env={'RESOLVER': zone.where})
        out = verify('ann@here.test').out
        check(out.startswith('mx.here.test (10) 127.0.0.1:%d\n' % sink.port) and out.endswith('    ok\n'), out)
        check('RCPT TO:<postmaster@here.test>' in sink.commands and 'RCPT TO:<ann@here.test>' in sink.commands and
              not any(c.startswith('DATA') for c in sink.commands), sink.commands)
        sink.replies[('RCPT', 'ann')] = '550-5.1.1 no\r\n550 5.1.1 such user'
        out = verify('ann@here.test', code=1).out
        check('FAULT: it refuses the address' in out and '550 5.1.1 such user' in out, out)
        told = json.loads(verify('here.test', '--json').out)
        check(told['good'] and told['servers'][0]['steps'][-1] == {'said': 'QUIT', 'reply': '221 2.0.0 bye'}, told)
        sink.replies['CONNECT'] = '554 5.3.2 go away'
        check('does not greet' in verify('x@[127.0.0.1]', code=1).out, 'a refusal is good')
        check('takes no mail' in verify('null.test', code=68).err, 'null MX')
        check('is not in DNS' in verify('absent.test', code=68).err, 'no domain')
        check('has no address' in verify('lost.test', code=1).out, 'no host')
        verify('a b', code=64)


def test_the_postmaster_is_told_when_something_is_wrong():
    def look(i, *words, code):
        return tool('zmailcheck', '--root', i.root, *words, code=code)
    with Instance() as i:
        i.append('etc/zmailer.conf', 'MAX_LOAD=1000000\nMAX_NR=0\n')
        i.write('var/db/aliases', 'postmaster: bob\n')
        p = look(i, '-n', code=1)
        check('no router,no scheduler,no smtpserver' in p.err and not i.spool('router'), p.err)
        i.start()
        check(not look(i, code=0).out, 'all is well')
        i.plant('deferred/987654.deferred', 'from alice@mail.test\nto bob\nenv-end\nSubject: x\n\nx\n')
        told = json.loads(look(i, '-n', '--json', code=1).out)
        check([c['what'] for c in told['checks'] if not c['good']] == ['deferred'] and not told['good'], told)
        look(i, code=1)
        message = i.wait_mail('bob')[0]
        check(message['Subject'] == 'Zmailer Alert:1 messages in deferred' and 'scheduler' in body_of(message), message.as_string())
        i.append('etc/zmailer.conf', 'MAX_NT=many\n')
        check('MAX_NT' in look(i, code=78).err, 'no reason')


def test_check_asks_dns_about_ourselves():
    ptr = lambda ip: '.'.join(reversed(ip.split('.'))) + '.in-addr.arpa'
    txt = lambda text: [bytes([len(text)]) + text.encode()]
    name = 'mx.here.test'
    records = {(name, Zone.A): [bytes([198, 51, 100, 25])], (ptr('198.51.100.25'), Zone.PTR): [Zone.name(name)],
               (name, Zone.TXT): txt('v=spf1 a include:other.test -all'), ('other.test', Zone.TXT): txt('v=spf1 ip4:198.51.100.64/26'),
               ('70.100.51.198.bad.test', Zone.A): [bytes([127, 0, 0, 2])]}
    with Zone(records) as zone, Instance(hostname=name) as i:
        def look(*words):
            told = json.loads(i.zmailer('--json', *words, 'check', code=None, env={'RESOLVER': zone.where}).out)
            return {(c['what'], c['good']) for c in told['checks'] if '198.51.100' in c.get('detail', '')}
        check(look() == set(), 'DNS was asked')
        i.append('etc/zmailer.conf', 'SELFADDRESSES=[198.51.100.25]\n')
        check(look('--dns') == {('name', True), ('reverse', True), ('SPF', True)}, look('--dns'))
        i.append('etc/zmailer.conf', 'SELFADDRESSES=[198.51.100.70]\n')
        found = look('--dnsbl', 'bad.test')
        check(found == {('name', False), ('name', True), ('reverse', False), ('SPF', True), ('list', False)}, found)
        i.append('etc/zmailer.conf', 'SELFADDRESSES=[198.51.100.26]\n')
        check(('SPF', False) in look('--dns'), look('--dns'))
        records[(ptr('198.51.100.26'), Zone.PTR)] = [Zone.name('elsewhere.test')]
        check(('reverse', False) in look('--dns'), look('--dns'))


def test_a_filter_gets_the_message_without_its_envelope():
    with Instance() as i:
        i.write('message', 'from a\ntodsn NOTIFY=NEVER\nto b\nenv-end\nSubject: s\n\nbody\n')
        p = tool('zrfilter', '-v', '-e', "/bin/cat", '-m', i.path('message'))
        check(p.out == 'Subject: s\n\nbody\n' and 'exit status 0' in p.err, p.out + p.err)
        i.write('message', 'Subject: without\n\nbody\n')
        check(tool('zrfilter', '-e', '/bin/cat', '-m', i.path('message')).out == 'Subject: without\n\nbody\n', 'no envelope')
        tool('zrfilter', '-e', "/bin/sh -c 'exit 7'", '-m', i.path('message'), code=7)
        tool('zrfilter', '-e', "/bin/sh -c 'kill -9 $$'", '-m', i.path('message'), code=60)
        check(not tool('zrfilter', '-q', '-e', '/no/such/program', '-m', i.path('message'), code=61).err, 'not quiet')
        tool('zrfilter', '-e', '/bin/cat', '-m', i.path('absent'), code=61)
        tool('zrfilter', '-e', '', '-m', i.path('message'), code=64)


def test_databases_are_written_as_scripts():
    text = "# comment\n\nit's x'y $z\na\tb  c\n"
    script = tool('make-incore', 'tab', data=text).out
    check(script == "relation -t incore tab\ndb add tab 'it'\\''s' 'x'\\''y $z'\ndb add tab 'a' 'b  c'\n", script)
    out = tool('zmsh', data=script + 'db count tab\n').out
    check(out.strip() == '2', out)
    tool('make-incore', 'not a name', code=64, data='')
    tool('make-incore', 'tab', '/no/such/file', code=66)


def test_full_names_become_aliases():
    out = tool('fullnamealiasmaker', '-u', '0').out
    check(all(re.fullmatch(r'(# )?[a-z0-9-]+(\.[a-z0-9-]+)+: .+', l) for l in out.splitlines()), out)
    check(not tool('fullnamealiasmaker', '--least-uid', '2000000000').out, 'others')


def test_the_bitbucket_keeps_what_it_may():
    bitbucket = os.path.join(MAILBIN, 'ta/bitbucket')
    where = tempfile.mkdtemp(prefix='zmsys-')
    try:
        path = os.path.join(where, 'bits')
        run(bitbucket, '-f', path, data='lost\n')
        check(not os.path.exists(path), 'it made a file')
        with open(path, 'w') as f:
            f.write('first\n')
        run(bitbucket, '-f', path, data='second\n')
        with open(path) as f:
            check(f.read() == 'first\nsecond\n', 'not kept')
        run(bitbucket, '-', data='as the router calls it\n')
    finally:
        shutil.rmtree(where)


if __name__ == '__main__':
    main(sys.modules[__name__])
