"""Content filters: a program that runs for a long time, a server at a socket, and what they may do with a message."""
import sys
from zm import *

# One that accounts without rights can run.
PYTHON = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable

# It answers by the Subject, and tells in a file who it is and what it was asked.
FILTER = '''\
#!%(python)s
import os, sys, time
def say(line):
    sys.stdout.write(line + '\\n')
    sys.stdout.flush()
say('#hungry')
for path in sys.stdin:
    with open(path.rstrip('\\n')) as f:
        text = f.read()
    with open('%(record)s', 'a') as f:
        f.write('%%d %%d %%s %%s %%s\\n' %% (os.getpid(), os.geteuid(), os.getcwd(), os.environ.get('SMTPSERVER'), ' '.join(sys.argv[1:])))
    subject = text.partition('\\nSubject: ')[2].partition('\\n')[0]
    if subject.startswith('verdict '):
        say(subject[8:].replace('/', '\\r'))
    elif subject == 'die':
        os._exit(3)
    elif subject == 'nonsense':
        say('what is this?')
    elif subject == 'envelope':
        say('-1 550 5.7.1 ' + ('good' if text.startswith('external\\n') and '\\nfrom <outside@far.test>\\nto' not in text
                               and '\\nenv-end\\nSubject: envelope\\n' in text else 'bad'))
    else:
        say('0 %(word)s')
    say('#hungry')
'''


def write_filter(i, word='fine'):
    path = i.path('filter')
    with open(path + '.new', 'w') as f:
        f.write(FILTER % dict(python=PYTHON, record=i.path('log/filter.record'), word=word))
    os.chmod(path + '.new', 0o755)
    os.rename(path + '.new', path)
    return path


def filtering(extra='', **kw):
    i = Instance(**kw)
    write_filter(i)
    i.write('log/filter.record', '')
    os.chmod(i.path('log/filter.record'), 0o666)
    i.write('share/smtpserver.conf', 'PARAM contentfilter %s\n%s%s' % (i.path('filter'), extra, i.read('share/smtpserver.conf')))
    return i


def offer(s, subject, to='bob@mail.test', body='x'):
    """The reply to a message."""
    for line in ('MAIL FROM:<outside@far.test>', 'RCPT TO:<%s>' % to):
        code, text = s.docmd(line)
        check(code == 250, '%s: %d %s' % (line, code, text))
    check(s.docmd('DATA')[0] == 354, 'DATA')
    s.send('Subject: %s\r\n\r\n%s\r\n.\r\n' % (subject, body))
    code, text = s.getreply()
    return '%d %s' % (code, text.decode())


def offer_first(s, *words, **kw):
    """The same, once the filter is there: while it is being started mail is put off."""
    replies = []

    def ready():
        replies.append(offer(s, *words, **kw))
        return not replies[-1].startswith('451 4.3.0')
    wait(ready, 'a filter')
    return replies[-1]


def record(i):
    return [line.split(' ', 4) for line in i.read('log/filter.record').splitlines()]


def test_verdicts():
    with filtering().start() as i, i.smtp() as s:
        s.ehlo()
        offer_first(s, 'verdict -1 not yet')
        for subject, expected in (('plain', '250 2.0.0 fine; S'), ('verdict -1 550 5.7.1 spam', '550 5.7.1 Content-Policy reject msg: spam; S'),
                                  ('verdict -7', '550 5.7.1 Content-Policy reject msg: ; S'), ('verdict 0 250 2.6.0 ok', '250 2.6.0 ok; S'),
                                  ('verdict -1 250 2.0.0 thrown away', '250 2.0.0 Content-Policy reject msg: thrown away; S'),
                                  ('verdict 9 odd', '250 2.7.1 Content-Policy accept-into-freezer-9 msg: odd; S'),
                                  ('verdict 9 550 5.7.1 odd', '550 5.7.1 Content-Policy accept-into-freezer-9 msg: odd; S'),
                                  ('verdict -1 450 4.7.1 one/two', '450 4.7.1 Content-Policy reject msg: one\n4.7.1 two; S'),
                                  ('nonsense', '451 4.3.0 '), ('envelope', '550 5.7.1 Content-Policy reject msg: good; S')):
            reply = offer(s, subject)
            check(reply.startswith(expected), '%s: %s' % (subject, reply))
        names = sorted(n.rpartition('/')[2] for n in i.spool('freezer'))
        check(len(names) == 2 and all(re.fullmatch(r'\d+policy-9', n) for n in names), repr(names))
        p = i.zmailer('freezer', 'list')
        check(p.out.count('policy-9') == 2, p.out)
        seen = record(i)
        check(len({r[0] for r in seen}) <= 2, 'one process a message: %r' % seen)
        for pid, uid, where, env, words in seen:
            check(os.path.realpath(where) == os.path.realpath(i.path('postoffice')) and env == 'y', repr(seen))
            check(words == '-Z ' + i.path('etc/zmailer.conf'), words)
            check(int(uid) != 0, 'it runs as root')
        i.wait_mail('bob', 2)


def test_a_filter_that_dies_is_replaced_and_its_message_put_off():
    with filtering().start('smtpserver') as i, i.smtp() as s:
        s.ehlo()
        offer_first(s, 'plain')
        reply = offer(s, 'die')
        check(reply.startswith('451 4.3.0'), reply)
        reply = offer(s, 'plain')
        check(reply.startswith('250 2.0.0 fine'), reply)
        check('content filter ended' in i.logs(), i.logs())


def test_a_filter_that_is_replaced_on_the_disk_is_started_again():
    with filtering('PARAM contentfilter-maxpar 1\n').start('smtpserver') as i, i.smtp() as s:
        s.ehlo()
        check(offer_first(s, 'plain').startswith('250 2.0.0 fine'), 'the first')
        write_filter(i, 'splendid')
        reply = offer(s, 'plain')
        check(reply.startswith('250 2.0.0 splendid'), reply)


def test_a_killed_desk_is_replaced():
    with filtering().start('smtpserver') as i, i.smtp() as s:
        s.ehlo()
        check(offer_first(s, 'plain').startswith('250'), 'refused')
        desk = {p for p, c in processes_of(i.root).items() if '--filters' in c}
        check(len(desk) == 1, repr(processes_of(i.root)))
        os.kill(desk.pop(), signal.SIGKILL)
        wait(lambda: offer(s, 'plain').startswith('250 2.0.0 fine'), 'an answer', instances=[i])


def test_failure_modes():
    for mode, expected, frozen in (('tempfail', '451 4.3.0', 0), ('accept', '250 2.0.0 Message accepted', 0), ('freeze', '250 2.7.1 ', 1)):
        with filtering('PARAM contentfilter-failmode %s\n' % mode) as i:
            os.unlink(i.path('filter'))
            p = run(os.path.join(MAILBIN, 'smtpserver'), '-Z', i.path('etc/zmailer.conf'), '-N')
            check('there is no' in p.out, p.out)
            i.start('smtpserver')
            with i.smtp() as s:
                s.ehlo()
                reply = offer(s, 'plain')
            check(reply.startswith(expected), '%s: %s' % (mode, reply))
            check(len(i.spool('freezer')) == frozen, 'frozen')


def test_whose_messages_are_looked_at():
    """always_accept and filtering."""
    for rules, asked in (('', True), ('filtering +', True), ('filtering -', False), ('relaycustnet +', False),
                         ('relaycustnet + filtering +', True), ('relaycustnet + filtering -', False), ('fulltrustnet +', True),
                         ('trustrecipients +', True)):
        with filtering('PARAM debug-contentfilter\nPARAM policydb sqlite $MAILVAR/db/smtp-policy\n') as i:
            i.write('var/db/smtp-policy.src', '[127.0.0.1]/32 %s\n[0.0.0.0]/0 rejectnet -\n. relaytarget -\nmail.test relaytarget +\n' %
                    (rules or 'rejectnet -'))
            i.zmailer('newdb')
            i.start('smtpserver')
            with i.smtp() as s:
                s.ehlo()
                reply = offer_first(s, 'verdict -1 no')
            check(reply.startswith('550' if asked else '250'), '%s: %s' % (rules, reply))
            check(('content filter not asked' in i.logs()) == (not asked), i.logs())


class SocketFilter(threading.Thread):
    """A filter that serves a local socket."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(16)
        self.seen = []
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            with c, c.makefile('rw', newline='\n') as f:
                f.write('#hungry\n')
                f.flush()
                path = f.readline().rstrip('\n')
                with open(path) as message:
                    text = message.read()
                self.seen.append(path)
                f.write('%s\n#hungry\n' % ('-1 550 5.7.1 EICAR' if 'EICAR' in text else '0 250 2.0.0 clean'))
                f.flush()


def test_a_server_at_a_socket():
    for prefix in ('unix:', ''):
        with Instance() as i:
            path = i.path('filter.sock')
            server = SocketFilter(path)
            i.write('share/smtpserver.conf', 'PARAM contentfilter %s%s\n%s' % (prefix, path, i.read('share/smtpserver.conf')))
            i.start('smtpserver')
            with i.smtp() as s:
                s.ehlo()
                check(offer(s, 'x').startswith('250 2.0.0 clean; S'), 'not taken')
                check(offer(s, 'x', body='EICAR').startswith('550 5.7.1 Content-Policy reject msg: EICAR; S'), 'taken')
                big = offer(s, 'x', body='0123456789abcdef\r\n' * 60000 + 'EICAR')
                check(big.startswith('550 5.7.1'), big)
            server.listener.close()
            check(len(server.seen) == 3, repr(server.seen))
            check(not any(os.path.exists(p) for p in server.seen if '/.inspect/' in p), 'copies are left')


def test_the_filter_that_comes_with_the_server():
    with Instance() as i:
        i.write('rules', 'unique\nheader Subject "*cheap watches*" -1 550 5.7.1 no advertising\n'
                'body "invoice.exe" 2 250 2.7.1 held\nexempt abuse@*\nscanner grep -q EICAR-not\n')
        i.write('share/smtp-contentfilter.conf', i.read('rules').replace('scanner grep -q EICAR-not\n', ''))
        i.write('share/smtpserver.conf', 'PARAM contentfilter %s\n%s' % (os.path.join(MAILBIN, 'smtp-contentfilter'), i.read('share/smtpserver.conf')))
        i.start('smtpserver')
        with i.smtp() as s:
            s.ehlo()
            offer_first(s, 'CHEAP watches')
            for subject, body, expected in (('x', 'y', '250 2.0.0 Message accepted'), ('CHEAP watches', 'y', '550 5.7.1'),
                                            ('x', 'see INVOICE.exe', '250 2.7.1'), ('x\r\nSubject: y', 'y', '550 5.6.0')):
                reply = offer(s, subject, body=body)
                check(reply.startswith(expected), '%s %s: %s' % (subject, body, reply))
            i.write('share/smtp-contentfilter.conf', 'nonsense\n')
            os.utime(i.path('share/smtp-contentfilter.conf'), (1, 1))
            reply = offer(s, 'x')
            check(reply.startswith('451 4.3.0'), reply)
            check('smtp-contentfilter.conf:1: expected unique' in i.logs(), i.logs())


def test_a_scanner_that_is_run():
    """Exit status 0 is clean, 1 infected, anything else no answer."""
    with tempfile.TemporaryDirectory() as d:
        message = os.path.join(d, 'message')
        with open(message, 'w') as f:
            f.write('from a@b\nto bob@mail.test\nenv-end\nSubject: x\n\nEICAR\n')
        for command, expected in (('sh -c "exit 0"', '0'), ('grep -qv nothing', '0'), ('grep -q env-end', '-1 550 5.7.1 the message is infected'),
                                  ('sh -c "exit 3"', 'sh has ended with 3'), ('/nonexistent/scanner', 'cannot run /nonexistent/scanner')):
            with open(os.path.join(d, 'rules'), 'w') as f:
                f.write('scanner %s\n' % command)
            p = run(os.path.join(MAILBIN, 'smtp-contentfilter'), '-C', os.path.join(d, 'rules'), data=message + '\n')
            lines = p.out.splitlines()
            check(lines[0] == lines[2] == '#hungry' and lines[1].startswith(expected), '%s: %r' % (command, lines))


if __name__ == '__main__':
    main(sys.modules[__name__])
