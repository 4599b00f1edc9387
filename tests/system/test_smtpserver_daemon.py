"""The SMTP server as a daemon: its processes, reloads, restarts, limits."""
import sys
from zm import *


def workers(i):
    """pid -> command line of the instance's workers."""
    return {p: c for p, c in processes_of(i.root).items() if '--worker' in c}


def connect(i):
    """A raw session that has been greeted: (socket, file)."""
    s = socket.create_connection(('127.0.0.1', i.port), PATIENCE)
    f = s.makefile('rb')
    f.readline()
    return s, f


def say(session, line):
    """Sends a line and gives the last line of the reply."""
    s, f = session
    s.sendall(line + b'\r\n')
    while True:
        reply = f.readline()
        if reply[3:4] != b'-':
            return reply.decode()


def send_letter(session):
    """The rest of a message whose envelope has begun."""
    check(say(session, b'DATA').startswith('354'), 'DATA refused')
    return say(session, b'Subject: x\r\n\r\ny\r\n.')


def begin(session):
    say(session, b'EHLO x.test')
    say(session, b'MAIL FROM:<alice@mail.test>')
    check(say(session, b'RCPT TO:<bob@mail.test>').startswith('250'), 'RCPT refused')


def configure(i, text):
    i.write('share/smtpserver.conf', text + 'PARAM BindSmtp [127.0.0.1] %d\n* 999 ve\n' % i.port)


def signal_master(i, number):
    os.kill(i.pid('smtpserver'), number)


def foreground(i, *words, code=None):
    return run(os.path.join(MAILBIN, 'smtpserver'), '-Z', i.path('etc/zmailer.conf'), '--foreground', *words, code=code)


def test_all_errors_of_the_configuration_are_told():
    with Instance() as i:
        configure(i, 'PARAM maxsize lots\nPARAM nosuch\nPARAM BindSubmit x 587\n')
        p = foreground(i, code=78)
        for part in (':1: PARAM maxsize: expected', 'warning: ', ':2: PARAM nosuch is ignored', ':3: PARAM BindSubmit: expected'):
            check(part in p.err, '%s is not told: %s' % (part, p.err))
        check(not workers(i), 'it runs all the same')


def test_files_of_other_versions_are_taken_and_what_they_miss_is_told():
    with Instance() as i:
        submit = free_port()
        configure(i, 'PARAM tls-dh512 /x\nPARAM smtp-auth\nPARAM use-tcp-wrapper\nPARAM no-such-thing 1\n'
                  'PARAM newgroup\nPARAM BindSubmit [127.0.0.1] %d\n'
                  'PARAM newgroup\nold.host.test * ftveRQ\n' % submit)
        p = run(os.path.join(MAILBIN, 'smtpserver'), '-Z', i.path('etc/zmailer.conf'), '-N')
        for part in ('note: ', 'PARAM tls-dh512', 'warning: ', 'PARAM use-tcp-wrapper', 'no-such-thing', 'flag Q'):
            check(part in p.out, '%s is not told: %s' % (part, p.out))
        i.start('smtpserver')
        check('PARAM use-tcp-wrapper' in i.logs(), 'the log does not tell')
        i.submit('alice@mail.test', ['bob@mail.test'], letter())
        with socket.create_connection(('127.0.0.1', submit), PATIENCE) as s:
            session = s, s.makefile('rb')
            session[1].readline()
            say(session, b'EHLO x.test')
            check(say(session, b'MAIL FROM:<alice@mail.test>').startswith('530 5.7.0'), 'submission asks nobody')


def test_a_port_that_is_taken_is_told():
    with Instance() as i, socket.socket() as s:
        s.bind(('127.0.0.1', i.port))
        s.listen(1)
        p = foreground(i, code=78)
        check('cannot listen on 127.0.0.1:%d' % i.port in p.err, p.err)


def test_a_killed_worker_is_replaced():
    with Instance().start('smtpserver') as i:
        before = wait(lambda: workers(i), 'workers')
        victim = next(iter(before))
        os.kill(victim, signal.SIGKILL)
        wait(lambda: len(workers(i)) == len(before) and victim not in workers(i), 'another worker', instances=[i])
        i.submit('alice@mail.test', ['bob@mail.test'], letter())
        check(len(i.spool('router')) == 1, 'nothing in the spool')


def test_reload_takes_the_new_configuration_and_keeps_sessions():
    with Instance().start('smtpserver') as i:
        old = connect(i)
        begin(old)
        configure(i, 'PARAM maxsize 12345\n')
        signal_master(i, signal.SIGUSR1)

        def size():
            with i.smtp() as s:
                s.ehlo()
                return s.esmtp_features['size']
        wait(lambda: size() == '12345', 'the new limit', instances=[i])
        check(send_letter(old).startswith('250'), 'the old session has ended')
        old[1].close()
        old[0].close()
        wait(lambda: len(workers(i)) == len({c.split('--worker')[1] for c in workers(i).values()}), 'old workers to end')


def test_a_reload_during_a_reload_is_not_lost():
    with Instance().start('smtpserver') as i:
        for _ in range(3):
            other = free_port()
            i.write('share/new', 'PARAM BindSmtp [127.0.0.1] %d\nPARAM BindSmtp [127.0.0.1] %d\n* 999 ve\n' % (i.port, other))
            before = i.logs().count('event=reload')   # two signals may come as one
            signal_master(i, signal.SIGUSR1)
            wait(lambda: i.logs().count('event=reload') > before, 'the first order', instances=[i])
            os.rename(i.path('share/new'), i.path('share/smtpserver.conf'))
            signal_master(i, signal.SIGUSR1)

            def listens():
                with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', other), PATIENCE):
                    return True
            wait(listens, 'the new listener', instances=[i])


def test_a_reload_with_errors_changes_nothing():
    with Instance().start('smtpserver') as i:
        configure(i, 'PARAM maxsize lots\n')
        signal_master(i, signal.SIGUSR1)
        wait(lambda: 'reload failed' in i.logs(), 'the complaint', instances=[i])
        i.submit('alice@mail.test', ['bob@mail.test'], letter())


def test_sessions_outlive_a_stop_and_do_not_hinder_a_start():
    with Instance().start('smtpserver') as i:
        old = connect(i)
        begin(old)
        i.stop('smtpserver')
        i.start('smtpserver')
        i.submit('alice@mail.test', ['bob@mail.test'], letter())
        check(send_letter(old).startswith('250'), 'the old session has ended')
        check(say(old, b'QUIT').startswith('221'), 'the old session has ended')
        check(len(i.spool('router')) == 2, '%d messages' % len(i.spool('router')))


def test_workers_of_a_killed_master_make_room():
    with Instance().start('smtpserver') as i:
        old = connect(i)
        begin(old)
        signal_master(i, signal.SIGKILL)
        i.start('smtpserver')
        i.submit('alice@mail.test', ['bob@mail.test'], letter())
        check(send_letter(old).startswith('250'), 'the old session has ended')


def test_a_slow_stop_ends_idle_sessions():
    with Instance().start('smtpserver') as i:
        idle, busy = connect(i), connect(i)
        say(idle, b'EHLO x.test')
        begin(busy)
        signal_master(i, signal.SIGQUIT)
        check(idle[1].readline().startswith(b'421 4.3.2'), 'the idle session goes on')
        check(send_letter(busy).startswith('250'), 'the message was lost')
        check(busy[1].readline().startswith(b'421 4.3.2'), 'the session goes on')


def test_sessions_from_one_address_are_limited_over_all_workers():
    with Instance() as i:
        configure(i, 'PARAM MaxSameIpSource 5\n')
        i.start('smtpserver')
        sessions = [socket.create_connection(('127.0.0.1', i.port), PATIENCE) for _ in range(6)]
        greetings = [s.recv(3) for s in sessions]
        check(greetings.count(b'220') == 5 and greetings.count(b'421') == 1, repr(greetings))
        sessions[greetings.index(b'220')].close()

        def served():
            with socket.create_connection(('127.0.0.1', i.port), PATIENCE) as s:
                return s.recv(3) == b'220'
        wait(served, 'room', instances=[i])
        for s in sessions:
            s.close()


def test_workers_give_root_up():
    need_root()
    with Instance().start('smtpserver') as i:
        for p in wait(lambda: workers(i), 'workers'):
            with open('/proc/%d/status' % p) as f:
                uids = re.search(r'Uid:\s+(.*)', f.read()).group(1).split()
            check('0' not in uids, 'a worker has the ids %s' % uids)


def test_a_client_can_be_pretended():
    with Instance() as i:
        p = run(os.path.join(MAILBIN, 'smtpserver'), '-Z', i.path('etc/zmailer.conf'), '-i', '-T', '[192.0.2.9]',
                data='HELO x.test\nMAIL FROM:<a@far.test>\nRCPT TO:<x@far.test>\nRCPT TO:<bob@mail.test>\nQUIT\n')
        check('550 5.7.1 [192.0.2.9] rcpt=<x@far.test>' in p.out and 'Recipient <bob@mail.test> ok' in p.out, p.out)


def test_a_batch_of_smtp_is_taken():
    with Instance() as i:
        run(os.path.join(MAILBIN, 'smtpserver'), '-Z', i.path('etc/zmailer.conf'), '-i', '-B',
            data='HELO x.test\n' + 3 * 'MAIL FROM:<a@far.test>\nRCPT TO:<bob@mail.test>\nDATA\nSubject: y\n\n..z\n.\n')
        texts = [i.contents(n) for n in i.spool('router')]
        check(len(texts) == 3 and all('with BSMTP\n' in t and t.endswith('\n\n.z\n') for t in texts), repr(texts))


def counters(i):
    """The counters of the instance: name -> value."""
    lines = [line.split() for line in i.mailq('-M').out.splitlines()]
    return {w[0]: int(w[1]) for w in lines if len(w) > 1 and w[1].lstrip('-').isdigit()}


def test_sessions_are_counted_for_the_whole_system():
    with Instance().start('smtpserver') as i:
        open_one = connect(i)
        i.submit('alice@mail.test', ['bob@mail.test', 'alice@mail.test'], letter())
        c = wait(lambda: (counters(i)['SS.ParallelSMTPconnects-G'] == 1) and counters(i), 'one session', instances=[i])
        for name, value in (('SS.SMTPconnects', 2), ('SS.SMTP_EHLO_ok', 1), ('SS.SMTP_MAIL_ok', 1), ('SS.SMTP_RCPT_ok', 2),
                            ('SS.SMTP_DATA_ok', 1), ('SS.TransmittedMessages', 1), ('SS.TransmittedRecipients', 2),
                            ('SS.SMTPcommands', 6), ('SS.Processes-G', len(workers(i))), ('SS.ProcessForks', len(workers(i)))):
            check(c[name] == value, '%s is %d, not %d' % (name, c[name], value))
        for pid in workers(i):
            os.kill(pid, signal.SIGKILL)
        wait(lambda: counters(i)['SS.ParallelSMTPconnects-G'] == 0, 'no session', instances=[i])
        open_one[1].close()
        open_one[0].close()


if __name__ == '__main__':
    main(sys.modules[__name__])
