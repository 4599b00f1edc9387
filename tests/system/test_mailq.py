"""mailq as an administrator uses it: looking at the queue, and changing what happens to it."""
import hashlib, json, sys
from zm import *

ALL = 'admin:secret:ALL:[unix] [127.0.0.0]/8 [ipv6:::1]/128\nnobody:nobody:SNMP QQ TT ETRN:[unix] [127.0.0.0]/8\n'
RETRIES = '''\
PARAMauthfile = "${MAILSHARE}/scheduler.auth"
PARAMmailqsock = "UNIX:${POSTOFFICE}/.mailq.sock"
*/*	interval=1h idlemax=60s expiry=3d retries="1" skew=1
	maxchannel=0 maxring=20 maxta=0 overfeed=150 user=root group=root
local/*	command="mailbox"
error/*	command=errormail
smtp*/*	maxring=100 command="smtp -s"
hold/*	command=hold
'''


class Talk:
    """A session of MAILQ-V2."""

    def __init__(self, i, user='admin', password='secret'):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(i.path('postoffice/.mailq.sock'))
        self.file = self.socket.makefile('rw', newline='\n')
        check(self.line() == 'version zmailer 2.0', 'no version 2')
        self.challenge = self.line()
        if user:
            self.ask('AUTH %s %s' % (user, hashlib.md5((self.challenge + password).encode()).hexdigest()))

    def line(self):
        return self.file.readline().rstrip('\n')

    def tell(self, text):
        self.file.write(text + '\n')
        self.file.flush()

    def ask(self, text, good=True):
        self.tell(text)
        reply = self.line()
        check((reply[:1] == '+') == good, '%s: %s' % (text, reply))
        return reply

    def lines(self, text):
        check(self.ask(text) == '+OK until LF.LF', text)
        return list(iter(self.line, '.'))

    def close(self):
        self.file.close()
        self.socket.close()


def instance(relay):
    """An instance whose mail for elsewhere goes to that port, and waits for an hour when refused."""
    i = Instance(smart_host='[127.0.0.1]:%d' % relay if relay else None)
    i.write('share/scheduler.conf', RETRIES)
    i.write('share/scheduler.auth', ALL)
    return i


def tried(i, count=1):
    def look():
        queue = json.loads(i.mailq('--json').out)
        rows = [r for t in queue['threads'] for r in t['recipients']]
        return len(rows) >= count and all(r['attempts'] > 0 for r in rows) and queue
    return wait(look, '%d attempts' % count, instances=[i])


def thread_of(i):
    t = json.loads(i.mailq('--json').out)['threads'][0]
    return '%s %s' % (t['channel'], t['host'])


def test_hold_and_release():
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, instance(sink.port) as i:
        i.start()
        i.submit('alice@mail.test', ['x@far.test'], letter())
        tried(i)
        where = thread_of(i)
        t = Talk(i)
        t.ask('HOLD THREAD ' + where)
        check('pend=Held' in '\n'.join(t.lines('SHOW QUEUE THREADS')), 'it is not on hold')
        check('nothing waits' in t.ask('ETRN ' + where.split()[1]), 'a thread on hold was started')
        t.close()
        i.stop('scheduler')
        i.start('scheduler')
        t = Talk(i)
        wait(lambda: 'pend=Held' in '\n'.join(t.lines('SHOW QUEUE THREADS')), 'hold after a restart', instances=[i])
        check(any('on hold by command' in l for l in t.lines('EXPLAIN THREAD ' + where)), 'explain does not say why')
        sink.replies.clear()
        t.ask('RELEASE THREAD ' + where)
        wait(lambda: sink.messages, 'delivery after the release', instances=[i])
        t.close()
        i.wait_empty()


def test_one_message_is_held_killed_and_returned():
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, instance(sink.port) as i:
        i.start()
        for n in range(3):
            i.submit('alice@mail.test', ['x%d@far.test' % n], letter(subject='number %d' % n))
        queue = tried(i, 3)
        ids = {r['to']: r['file'].split('/')[-1] for t in queue['threads'] for r in t['recipients']}
        t = Talk(i)
        t.ask('HOLD MSG ' + ids['x0@far.test'])
        check('killed' in t.ask('KILL MSG ' + ids['x1@far.test']), 'not killed')
        t.ask('RETURN MSG ' + ids['x2@far.test'])
        report = i.wait_mail('alice')[0].as_string()
        check('Status: 5.7.0' in report and 'x2@far.test' in report, report)
        rows = t.lines('SHOW MSG ' + ids['x0@far.test'])
        check(rows[0].startswith('#') and 'HELD' in rows[0] and len(rows) == 2, rows)
        check(t.ask('SHOW MSG 99999999999', good=False).startswith('-No such message'), 'found what is not there')
        sink.replies.clear()
        where = thread_of(i)

        def nothing_is_left_to_retry():     # an attempt that is under way ends first
            t.tell('RETRY THREAD ' + where)
            return t.line().startswith('-')
        wait(nothing_is_left_to_retry, 'only the held one to be left', instances=[i])
        t.ask('RELEASE MSG ' + ids['x0@far.test'])
        wait(lambda: sink.messages, 'delivery after the release', instances=[i])
        t.close()
        i.wait_empty()
        check([m[1] for m in sink.messages] == [['x0@far.test']], sink.messages)


def test_reroute_takes_the_new_route():
    with Sink({'CONNECT': '421 4.3.2 no service'}) as sink, instance(sink.port) as i:
        i.start()
        i.submit('alice@mail.test', ['x@far.test', 'y@far.test'], letter())
        tried(i)
        where = thread_of(i)
        i.append('var/db/routes', 'far.test\terror!unresolvable\n')
        i.zmailer('restart', 'router')
        t = Talk(i)
        check('2 recipients' in t.ask('REROUTE THREAD ' + where), 'not both')
        t.close()
        report = i.wait_mail('alice')[0].as_string()
        check('unresolvable' in report and 'x@far.test' in report and 'y@far.test' in report, report)
        i.wait_empty()
        check(not sink.messages, 'it went the old way')


def test_a_killed_destination_is_empty():
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, instance(sink.port) as i:
        i.start()
        for n in range(20):
            i.submit('alice@mail.test', ['x@far.test', 'bob@mail.test'], letter())
        tried(i, 20)
        t = Talk(i)
        check('20 recipients' in t.ask('KILL THREAD ' + thread_of(i)), 'not all')
        i.wait_empty()
        t.close()
        i.stop()
        check(len(i.mbox('bob')) == 20 and not i.mbox('alice'), 'somebody was told')


def test_manual_expirer_and_rerouter():
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, instance(sink.port) as i:
        i.start()
        i.submit('alice@mail.test', ['x@far.test', 'y@far.test'], letter())
        tried(i)
        i.stop('scheduler')
        manual = lambda *w: run(os.path.join(BIN, w[0]), '--root', i.root, *w[1:])
        dry = manual('manual-expirer', '-n', '-u', 'X@far.test')
        check('would end S' in dry.out and '0 recipients done' in dry.out, dry.out)
        check('1 recipient done' in manual('manual-expirer', '-u', 'X@far.test', '-m', 'smtp; 550 (gone)').out, 'x')
        again = manual('manual-rerouter', '-c', 'smtp')
        check('1 recipient done' in again.out, again.out + again.err)
        check(run(os.path.join(BIN, 'manual-expirer'), code=64).err.startswith('usage'), 'no usage')
        i.start('scheduler')
        report = i.wait_mail('alice')[0].as_string()
        check('smtp; 550 (gone)' in report and 'y@far.test' not in report, report)


def test_a_running_scheduler_is_told_by_the_manual_agents():
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, instance(sink.port) as i:
        i.start()
        i.submit('alice@mail.test', ['x@far.test'], letter())
        i.submit('alice@mail.test', ['y@far.test', 'z@far.test'], letter())
        i.submit('alice@mail.test', ['w@far.test'], letter())
        tried(i, 4)
        where = thread_of(i).split()
        manual = lambda *w, **k: run(os.path.join(BIN, w[0]), '--root', i.root, *w[1:], **k)
        shown = lambda: sorted(re.findall('\t  to\t(.*)', i.mailq().out))
        check('1 recipient done' in manual('manual-expirer', '-u', 'x@far.test', '-m', 'smtp; 550 (gone)').out, 'not ended')
        report = i.wait_mail('alice')[0].as_string()    # the next attempt would come in an hour
        check('smtp; 550 (gone)' in report, report)
        check(manual('manual-expirer', '-s', '-u', 'y@far.test').out == '1 recipient done\n', 'not dropped')
        check(shown() == ['w@far.test', 'z@far.test'], i.mailq().out)
        # What the scheduler can do by itself it is asked for first, by an account that may.
        asked = manual('manual-expirer', '-U', 'nobody/nobody', '-s', '-c', where[0], '-h', 'none.test')
        check('0 recipients done' in asked.out and 'no right' in asked.err, asked.out + asked.err)
        asked = manual('manual-expirer', '-U', 'admin/secret', '-s', '-c', where[0], '-h', where[1])
        check(asked.out == '%s: OK; 2 recipients\n' % '/'.join(where) and not asked.err, asked.out + asked.err)
        i.wait_empty()
        check(len(i.mbox('alice')) == 1, 'more than one report')
        check('0 recipients' not in manual('manual-expirer', '-V').out, 'the version is none')
        check(manual('manual-rerouter', '--bogus', code=64).err, 'no complaint')


def test_listings_can_be_narrowed():
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, instance(sink.port) as i:
        i.start()
        i.submit('alice@mail.test', ['x@far.test'], letter())
        i.submit('bob@mail.test', ['y@sub.other.test'], letter())
        queue = tried(i, 2)
        where = thread_of(i).replace(' ', '/')
        shown = lambda *w: [line.split()[1] for line in i.mailq(*w).out.splitlines() if line.startswith('\t  to')]
        for words, expected in (((), 2), (('--from', 'ALICE'), 1), (('--to', 'y@'), 1), (('--domain', 'other.test'), 1),
                                (('--domain', 'er.test'), 0), (('--error', '4.2.1 BUSY'), 2), (('--error', 'nonsense'), 0),
                                (('--older', '1h'), 0), (('--younger', '1h'), 2), (('-c', 'smtp'), 2),
                                (('-c', 'local'), 0), (('--from', ''), 0), (('-h', 'none'), 0), (('-t',), 0)):
            check(len(shown(*words)) == expected, (words, i.mailq(*words).out))
        check('2 files, ' in i.mailq('-S').out and '2 files\n' in i.mailq('-SS').out, i.mailq('-S').out)
        one = queue['threads'][0]['recipients'][0]['file']
        check('450 4.2.1 busy' in i.mailq('--explain', one).out, i.mailq('--explain', one).out)
        stranger = i.mailq('-p', i.path('postoffice/.mailq.sock'), '--to', 'y@', 'other.test', code=72)
        check('cannot be read' in stranger.err and not stranger.out, stranger.out + stranger.err)
        text = i.mailq('--explain', where).out
        check('clause smtp*/* at ' in text and 'next attempt in ' in text, text)
        check('is not in the spool' in i.mailq('--explain', '123').out, 'found')
        admin = ('-U', 'admin/secret')
        i.mailq(*admin, '--hold', one)
        check('on hold' in i.mailq().out and i.mailq('--json', '--to', 'x@').out.count('"to"') == 1, i.mailq().out)
        check('is not in the scheduler' in i.mailq('--explain', '<none@mail.test>').out, 'found')
        i.submit('alice@mail.test', ['q@far.test'], letter(extra='Message-ID: <kill.me/now@mail.test>\n'))
        tried(i, 3)
        check('450 4.2.1 busy' in i.mailq('--explain', '<kill.me/now@mail.test>').out, 'not found by its Message-ID')
        i.mailq(*admin, '--kill', '<kill.me/now@mail.test>')
        check('kill.me' not in i.mailq('-v').out, i.mailq('-v').out)
        i.mailq(*admin, '--kill', one, '--kill', where)
        i.wait_empty()
        check(i.mailq('--hold', one, code=77).err.startswith('mailq: '), 'nobody may hold')
        check(i.mailq('--hold', 'x y', code=64).err, 'nonsense was sent')


def test_listings_of_version_1_can_be_narrowed():
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, instance(sink.port) as i:
        i.write('share/scheduler.conf', RETRIES.replace('PARAMauthfile', '#'))
        i.start()
        i.submit('alice@mail.test', ['x@far.test', 'z@far.test'], letter())
        i.submit('bob@mail.test', ['y@sub.other.test'], letter())
        wait(lambda: len(re.findall('tries=[1-9]', i.mailq().out)) == 2, 'two attempts', instances=[i])
        shown = lambda *w: sorted(line.split()[1] for line in i.mailq(*w).out.splitlines() if line.startswith('\t  to'))
        for words, expected in (((), ['x@far.test', 'y@sub.other.test', 'z@far.test']), (('--from', 'ALICE'), ['x@far.test', 'z@far.test']),
                                (('--to', 'z@'), ['z@far.test']), (('--domain', 'other.test'), ['y@sub.other.test']),
                                (('--error', 'nonsense'), []), (('--older', '1h'), []), (('--from', ''), []),
                                (('-c', 'local'), []), (('-t',), [])):
            check(shown(*words) == expected, (words, i.mailq(*words).out))
        check(i.mailq('--to', 'x@', '--json').out.count('"to"') == 1, 'JSON is not narrowed')
        check('\t  1 file\n' in i.mailq('--from', 'bob', '-SS').out, i.mailq('--from', 'bob', '-SS').out)
        text = i.mailq('-v').out
        check('\t  from\talice@mail.test\n' in text and '\t  id\t' in text and '\t  age\t' not in text, text)
        text = i.mailq('-vv').out
        check('\t  age\t' in text and re.search(r'\t  size\t\d+\+\d+ bytes\n', text), text)


ORIGINAL = '''version zmailer 1.0
Vertices:
1:\tA/B/3714-55\t2; 151,331\t#192.0.2.8: Null read! (retry in 4m10s, expires in 2d3h, tries=5)
2:\t4711\t1; 151\t#(running now, pid=1234 NextFeed, expires in 2d, tries=0)
3:\t4712\t1; 151\t#500 (connect to [192.0.2.7]:\r\x1b[2Jno route) (waiting for channel slot)
Channels:
smtp:\t>1>2
local:\t>3
Hosts:
example.com:\t>1
a:b.example:\t>2
bob:\t>3
End:
smtp/*/0
    smtp/example.com/0\t\tR=2   A=7  W=109s QA=1d3h
\tThreads:    1 Msgs:     2 Procs:   1 Idle:   1 Plim:  30 Flim: 150 Tlim: 1
Kids: 1  Idle:  1  Msgs:   2  Thrs:   1  Rcpnts:    2  Uptime: 3d4h
'''


def test_an_original_server_of_version_1_is_understood():
    listing = ('smtp/example.com:\n\tA/B/3714-55/2:\t192.0.2.8: Null read! (retry in 4m10s, expires in 2d3h, tries=5)\n'
               'smtp/a:b.example:\n\t4711:\t(running now, pid=1234 NextFeed, expires in 2d, tries=0)\n'
               'local/bob:\n\t4712:\t500 (connect to [192.0.2.7]: |  [2Jno route) (waiting for channel slot)\n')
    with Instance() as i, tempfile.TemporaryDirectory() as where:
        said = [ORIGINAL]
        path = os.path.join(where, 'socket')
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen(5)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    c, _ = server.accept()
                    c.sendall(said[0].encode())
                    c.close()
        threading.Thread(target=serve, daemon=True).start()
        ask = lambda *w, code=0: i.mailq('-p', path, *w, code=code)
        check(ask().out == listing, ask().out)
        check(ask('-v').out == listing, 'files that are not here are shown')
        check(ask('-SS').out.count('\t  1 file\n') == 3, ask('-SS').out)
        check(ask('-Q').out == ORIGINAL.split('End:\n')[1], ask('-Q').out)
        check('smtp/example.com' not in ask('-QQ').out and 'Kids: 1' in ask('-QQ').out, ask('-QQ').out)
        check(ask('-c', 'local').out == ''.join(listing.splitlines(True)[-2:]), ask('-c', 'local').out)
        check(len(json.loads(ask('--json').out)['threads']) == 3, ask('--json').out)
        check(ask('-h', 'nowhere').out == 'Nothing in the transport queue is as asked for\n', ask('-h', 'nowhere').out)
        for words in (('-i',), ('--younger', '1d'), ('--from', 'alice')):
            check('cannot be read' in ask(*words, code=72).err, 'nothing is chosen, and not why')
        check('version 1' in ask('-K', '1', code=69).err, 'a command was sent')
        said[0] = ORIGINAL[:ORIGINAL.index('Channels:')]
        check('not all' in ask(code=69).err, 'half a list is taken for the whole')
        said[0] = 'version zmailer 1.0\nVertices:\nEnd:\n'
        check(ask().out == ask('-S').out == 'Transport queue is empty\n', ask().out)
        for said[0] in ('version zmailer 3.0\n', '', '554 busy\n'):
            check(not ask(code=69).out, 'a stranger is believed')
        check('nosuch' in ask('-u', 'nosuch', code=64).err, 'any user is taken')
        check(ask('one', 'two', code=64).err and i.mailq('-p', 'x/y', code=64).err, 'nonsense is taken')
        check('no scheduler runs' in i.mailq(code=72).err, 'a queue of nobody')
        server.close()
        check('cannot reach' in i.mailq('-p', path + '2', code=69).err, 'connected to nothing')


def test_counters_for_people_and_programs():
    with Instance() as i:
        check('no daemon has run' in i.zmailer('metrics', code=72).err, 'counters of nobody')
        i.write('extra', '#!/bin/sh\necho "EXTRA.Probe 7"; test -w / && echo "EXTRA.Root 1"; printf "half a line"\n')
        os.chmod(i.path('extra'), 0o755)
        i.append('etc/zmailer.conf', 'SCHEDULER_M_EXTRA=%s\n' % i.path('extra'))
        i.start()
        i.submit('alice@mail.test', ['bob@mail.test'], letter())
        i.wait_mail('bob')
        wait(lambda: 'zmailer_sc_transmitted_recipients_total 1\n' in i.zmailer('metrics').out, 'a count', instances=[i])
        text = i.zmailer('metrics').out
        check('# TYPE zmailer_sc_stored_messages gauge\nzmailer_sc_stored_messages 0\n' in text, text)
        check(text.endswith('# EOF\n') and text.count('# TYPE ') == len(text.splitlines()) // 2, text)
        for line in text.splitlines():
            check(re.fullmatch(r'# (TYPE [a-z0-9_]+ (gauge|counter)|EOF)|[a-z0-9_]+ -?\d+(\.\d+)?', line), line)
        counters = json.loads(i.zmailer('--json', 'metrics').out)
        check(counters['SC.TransmittedRecipients'] == 1 and counters['Time_now'] > 1700000000, counters)
        text = i.mailq('-QQQQ').out
        check(re.search(r'\nSYS.Load-Avg-5-min-G +\S+\nEXTRA.Probe 7\n\n', text), text)
        check('half a line' not in text, 'a line without end is shown')
        os.unlink(i.path('extra'))
        check('SC.ReceivedMessages' in i.mailq('-QQQQ').out, 'no counters without the program')
        check('SC.ReceivedMessages' in i.mailq('-M').out, 'no counters')


def test_changes_are_followed():
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, instance(sink.port) as i:
        i.start()
        words = os.path.join(BIN, 'mailq'), '--root', i.root, '--follow'
        plain, objects = (subprocess.Popen(words + more, stdout=subprocess.PIPE, text=True) for more in ((), ('--json',)))
        i.submit('alice@mail.test', ['x@far.test'], letter())
        tried(i)
        where = thread_of(i).replace(' ', '/')
        check(re.fullmatch(r'\d\d:\d\d:\d\d new     %s N=1 R=1 A=\d .*\n' % re.escape(where), plain.stdout.readline()), 'no news')
        check(json.loads(objects.stdout.readline())['event'] == 'new', 'no news')
        sink.replies.clear()
        i.mailq('--retry', where)
        for p, gone in ((plain, ' gone '), (objects, '"event":"gone"')):
            while gone not in p.stdout.readline():
                pass
            p.terminate()
            p.wait()


def test_flush_tries_all_that_waits():
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, instance(sink.port) as i:
        check('no scheduler runs' in i.zmailer('flush', code=72).err, 'no reason')
        i.sendmail('-q', data=b'')     # the clock calls it, and nothing is wrong
        i.start()
        i.submit('alice@mail.test', ['x@far.test'], letter(to='x@far.test'))
        tried(i)
        i.plant('deferred/987654.deferred', 'from alice@mail.test\nto bob\nenv-end\nSubject: again\n\nx\n')
        sink.replies.clear()
        p = i.zmailer('flush')
        check('resubmitted 1' in p.out and 'to be tried, delivery started for' in p.out, p.out)
        # an agent that has not quite ended with the first attempt is not started again
        wait(lambda: len(sink.messages) == 1 or not i.zmailer('flush').out, 'the second attempt', instances=[i])
        check(i.wait_mail('bob')[0]['Subject'] == 'again', 'another letter')
        i.wait_empty()
        sink.replies['RCPT'] = '450 4.2.1 busy'
        i.submit('alice@mail.test', ['y@far.test'], letter(to='y@far.test'))
        tried(i)
        sink.replies.clear()
        check(json.loads(i.mailq('--flush', '--json', '--to', 'nobody@').out) == {'messages': 0, 'started': 0}, 'for nobody')
        wait(lambda: len(sink.messages) == 2 or i.sendmail('-qRy@far', data=b'').out, 'what sendmail -q asked for', instances=[i])


def test_the_scheduler_dumps_explains_and_can_serve_one_thread():
    scheduler = os.path.join(MAILBIN, 'scheduler')
    with Sink({'RCPT': '450 4.2.1 busy'}) as sink, instance(sink.port) as i:
        i.append('etc/zmailer.conf', 'RENDEZVOUS=%s\n' % i.path('queue.txt'))
        i.start('router')
        i.sendmail('-f', 'alice@mail.test', 'x@far.test', 'bob', data='Subject: two ways\n\nHello\n')
        wait(lambda: i.spool('transport'), 'a routed message', instances=[i])
        one = subprocess.Popen([scheduler, '--root', i.root, '-i', '-p', 'local/*', '-L', i.path('log/scheduler')])
        i.wait_mail('bob')
        wait(lambda: 'pend=procsel-mismatch' in i.mailq('-Q').out, 'the other thread waits', instances=[i])
        one.terminate()
        one.wait()
        check(i.spool('transport') and i.spool('queue') and not sink.commands, 'files were removed, or mail was sent')
        i.start('scheduler')
        tried(i)
        where = thread_of(i).replace(' ', '/')
        os.kill(i.pid('scheduler'), signal.SIGUSR2)
        wait(lambda: os.path.exists(i.path('queue.txt')) and 'Kids:' in i.read('queue.txt'), 'a dump', instances=[i])
        dump = i.read('queue.txt')
        check(dump.startswith('version zmailer 1.0\nVertices:\n1:\t') and '450 4.2.1 busy (retry in ' in dump, dump)
        check(not [n for n in os.listdir(i.root) if n.startswith('queue.txt') and n != 'queue.txt'], 'half a dump is left')
        text = run(scheduler, '--root', i.root, '--check', where).out
        check(text.startswith('clause smtp*/* at %s:7\n' % i.path('share/scheduler.conf')) and '\n  maxring=100\n' in text, text)
        i.stop('scheduler')
        sink.replies.clear()
        name = re.sub('^.*transport/', '', i.spool('transport')[0])
        run(scheduler, '--root', i.root, '-i', '-L', i.path('log/scheduler'), name)
        check([m[1] for m in sink.messages] == [['x@far.test']] and not i.spool('transport'), sink.messages)
        check(not i.pid('scheduler'), 'the pid file is left')
        for words, code in ((('-M', '3'), 64), (('-p', 'x'), 64), (('--bogus',), 64), (('-l', '/nonexistent/x', '-i'), 1)):
            check(run(scheduler, '--root', i.root, *words, code=code).err, words)


def test_a_declared_header_asks_for_delivery():
    with instance(None) as i:
        i.append('share/router.cf', '\ndb add headers turnme "-:-:-"\n')
        i.start()
        i.sendmail('-f', 'alice@mail.test', 'bob', data='Turnme: Host.example\nSubject: call\n\nHello\n')
        i.wait_mail('bob')
        wait(lambda: 'etrn host=host.example' in i.read('log/scheduler').lower(), 'the request', instances=[i])


def test_etrn_starts_what_waits_to_be_called():
    host = '[127.0.0.1]:%d' % free_port()
    with Instance() as i:
        i.write('share/scheduler.conf',
                RETRIES.replace('local/*', 'smtp-etrn/*	queueonly command="smtp -s -c $channel"\nlocal/*'))
        i.append('var/db/routes', 'far.test\tsmtp-etrn!%s\n' % host)
        i.start()
        i.submit('alice@mail.test', ['bob@far.test'], letter())
        wait(lambda: 'smtp-etrn/' in i.mailq('-Q').out, 'mail that waits', instances=[i])
        text = i.mailq('--explain', 'smtp-etrn/' + host).out
        check('waits for ETRN' in text and '0 attempts' in text, text)
        tries = lambda: json.loads(i.mailq('--json').out)['threads'][0]['recipients'][0]['attempts']
        i.plant('transport/99999999-etrn', 'T %s [192.0.2.9]\n' % host.upper())    # as an SMTP server asks for it
        wait(lambda: tries() == 1, 'an attempt', instances=[i])
        wait(lambda: not any('etrn' in n for n in i.spool('transport')), 'the end of the request', instances=[i])
        wait(lambda: 'P=' not in i.mailq('-Q').out, 'the end of the attempt', instances=[i])
        check('delivery is started' in i.mailq('--etrn', host).out, 'not started')
        wait(lambda: tries() == 2, 'a second attempt', instances=[i])


def test_hostile_clients_get_nowhere():
    with instance(None) as i:
        i.start()
        t = Talk(i, user=None)
        check(t.challenge.startswith('220 MAILQ-V2-CHALLENGE: '), t.challenge)
        for n in range(20):
            t.ask('SHOW QUEUE THREADS', good=False)
        check(t.line() == '', 'it goes on after twenty commands')
        t.close()
        t = Talk(i, user=None)
        t.tell('AUTH ' + 'x' * 100000)
        check(t.line().startswith('-'), 'a long line is taken')
        t.ask('AUTH admin ' + '0' * 32, good=False)
        t.close()
        many = []
        for n in range(60):
            s = socket.socket(socket.AF_UNIX)
            s.connect(i.path('postoffice/.mailq.sock'))
            many.append(s)
        for s in many:
            s.close()
        wait(lambda: i.mailq('-QQ', code=None).returncode == 0, 'mailq after a crowd', instances=[i])
        t = Talk(i, 'nobody', 'nobody')
        for command in ('KILL MSG 1', 'KILL THREAD smtp x', 'HOLD MSG 1', 'RELEASE MSG 1', 'REROUTE MSG 1',
                        'RETURN MSG 1', 'HOLD THREAD smtp x', 'FROB', 'show queue short', 'SHOW THREAD smtp'):
            check('-Unknown command or no right' in t.ask(command, good=False), command)
        t.ask('ETRN far.test')
        t.close()


if __name__ == '__main__':
    main(sys.modules[__name__])
