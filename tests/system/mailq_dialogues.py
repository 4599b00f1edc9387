"""Plays the dialogues of tests/data/mailq against a scheduler.  See the README there."""
import hashlib, json, sys
from zm import *
from test_mailq import RETRIES, tried

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../data/mailq')
ACCOUNTS = 'admin:secret:ALL:\netrn:secret:ETRN:\nnobody:nobody:SNMP QQ TT:\n'
PASSWORD = 'secret'


class Player:
    """One dialogue, on a connection of its own."""

    def __init__(self, i, names):
        self.names = names
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(i.path('postoffice/.mailq.sock'))
        self.file = self.socket.makefile('rwb')
        self.ahead = None

    def hear(self):
        """The next line without its LF; None at the end."""
        if self.ahead is not None:
            line, self.ahead = self.ahead, None
            return line
        line = self.file.readline().decode()
        if not line:
            return None
        check(line.endswith('\n'), 'the last line is cut: %r' % line)
        check('\r\n' not in line, 'a line ends in CR LF: %r' % line)
        line = line[:-1]
        if line.startswith('220 '):
            self.names['challenge'] = line
        return line

    def answer(self, match):
        password = match.group(2)
        return hashlib.md5((self.names['challenge'] + password).encode()).hexdigest()

    def fill(self, text, quote=lambda t: t):
        text = re.sub(r'\{answer (\S+) (\S+)\}', self.answer, text)
        text = re.sub(r'\{(\w+)\}', lambda m: quote(self.names[m.group(1)]) if m.group(1) in self.names else m.group(0),
                      text)
        return text

    def tell(self, text):
        text = self.fill(text).replace('\\t', '\t').replace('\\r', '\r')
        self.file.write(text.encode() + b'\n')
        self.file.flush()

    def log_in(self, user):
        self.hear(), self.hear()
        self.tell('AUTH %s {answer %s %s}' % (user, user, PASSWORD))
        check(self.hear().startswith('+OK'), 'no login')

    def expect(self, kind, text):
        if kind == '.':
            check(self.hear() is None, 'the connection does not end')
            return
        line = self.hear()
        check(line is not None, 'the connection ended; expected %s' % text)
        if kind == ':':
            check(line == self.fill(text).replace('\\t', '\t'), 'heard %r, expected %r' % (line, text))
        else:
            check(re.fullmatch(self.fill(text, re.escape), line, re.S), 'heard %r, expected /%s/' % (line, text))

    def expect_many(self, text, end):
        pattern = re.compile(self.fill(text, re.escape), re.S)
        while True:
            self.ahead = self.hear()
            check(self.ahead is not None, 'the connection ended in a list')
            if self.ahead == end:
                return
            check(pattern.fullmatch(self.ahead), 'heard %r, expected /%s/' % (self.ahead, text))
            self.ahead = None

    def play(self, name, lines):
        for n, line in enumerate(lines):
            try:
                if line.startswith('C:'):
                    self.tell(line[3:])
                elif line.startswith('S*'):
                    self.expect_many(line[3:], lines[n + 1][3:])
                elif line.startswith('S'):
                    self.expect(line[1], line[3:])
                else:
                    raise Failure('what is that? ' + line)
            except Failure as e:
                raise Failure('%s: at "%s": %s' % (name, line, e))

    def close(self):
        self.file.close()
        self.socket.close()


def read(name):
    """(who, lines): whom to log in as, and the dialogue."""
    with open(os.path.join(HERE, name)) as f:
        lines = [l.rstrip('\n') for l in f if l.strip() and not l.startswith('#')]
    if lines[0].startswith('with '):
        return lines[0][5:], lines[1:]
    return None, lines


def names_of(i):
    def at_rest():
        queue = tried(i, 3)
        return 'W' in queue['threads'][0] and queue
    queue = wait(at_rest, 'a thread that waits', instances=[i])
    thread = queue['threads'][0]
    rows = sorted(thread['recipients'], key=lambda r: r['from'])
    base = lambda r: r['file'].split('/')[-1]
    found = re.search(r'\b(S%sA\S+): routed' % base(rows[0]), i.read('log/router'))
    return dict(channel=thread['channel'], host=thread['host'], HOST=thread['host'].upper(), path=rows[0]['file'],
                id=base(rows[0]), id2=base(rows[-1]), spoolid=found.group(1))


def prepare(i):
    i.write('share/scheduler.auth', ACCOUNTS)
    i.start()
    i.submit('alice@mail.test', ['x@far.test', 'y@far.test'], letter())
    wait(lambda: i.spool('transport'), 'the first message', instances=[i])
    i.submit('bob@mail.test', ['z@far.test'], letter())


def played(i, sink, dialogues):
    names = names_of(i)
    for name in dialogues:
        who, lines = read(name)
        if who == 'refused':
            i.write('share/scheduler.auth', 'admin:secret:ALL:[192.0.2.1]/32\n')
        if who == 'v1':
            os.unlink(i.path('share/scheduler.auth'))
            i.zmailer('reload')
            wait(lambda: 'configuration reloaded' in i.read('log/scheduler'), 'the reload', instances=[i])
        player = Player(i, names)
        if who not in (None, 'v1', 'refused'):
            player.log_in(who)
        player.play(name, lines)
        player.close()
        print('played  ' + name)


def test_dialogues():
    order = ['login', 'logout', 'crlf', 'verbs', 'listings', 'thread', 'message', 'pages', 'rights', 'refused', 'version1']
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, \
            Instance(smart_host='[127.0.0.1]:%d' % sink.port) as i, \
            Instance(smart_host='[127.0.0.1]:%d' % sink.port) as j:
        missing = set(os.listdir(HERE)) - set(order) - {'commands', 'README.md'}
        check(not missing, 'never played: %s' % missing)
        for one in (i, j):
            one.write('share/scheduler.conf', RETRIES.replace('overfeed', 'ageorder overfeed'))
            prepare(one)
        played(i, sink, order)
        played(j, sink, ['commands'])


def test_clients_of_all_kinds_end():
    """Every listing of our client ends, also on a queue that changes."""
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, Instance(smart_host='[127.0.0.1]:%d' % sink.port) as i:
        i.write('share/scheduler.conf', RETRIES.replace('overfeed', 'ageorder overfeed'))
        prepare(i)
        tried(i, 3)
        for words in ((), ('-v',), ('-vv',), ('-Q',), ('-QQ',), ('-QQQ',), ('-QQQQ',), ('-t',), ('-s',), ('-ss',),
                      ('-S',), ('-SS',), ('--json',)):
            check(i.mailq(*words).out.endswith('\n'), words)


if __name__ == '__main__':
    main(sys.modules[__name__])
