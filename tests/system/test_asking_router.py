"""The SMTP server asks the router about senders and recipients (enable-router)."""
import sys
from zm import *


def asking(**kw):
    """An instance whose SMTP server asks."""
    i = Instance(**kw)
    i.append('var/db/aliases', 'club: alice, bob\nloop: loop\n')
    i.write('share/smtpserver.conf', 'PARAM enable-router\nPARAM VRFYcmd\nPARAM EXPNcmd\n' + i.read('share/smtpserver.conf'))
    i.zmailer('newaliases')
    return i


def command(s, *lines):
    """The last reply as "CODE TEXT"."""
    for line in lines:
        code, text = s.docmd(line)
    return '%d %s' % (code, text.decode(errors='replace'))


def begin(s):
    s.ehlo()
    reply = command(s, 'MAIL FROM:<outside@far.test>')
    check(reply.startswith('250 2.1.0'), reply)


def running(i, word):
    return {p for p, c in processes_of(i.root).items() if word in c}


def routers(i):
    return running(i, '-I smtpserver')


def desk(i):
    return running(i, '--desk')


def test_recipients_are_accepted_and_refused_by_the_rules():
    with asking().start() as i, i.smtp() as s:
        begin(s)
        for address, expected in (('bob@mail.test', '250 2.1.5'), ('club@mail.test', '250 2.1.5'), ('nosuch@mail.test', '554 5.0.0'),
                                  ('postmaster', '250 2.1.5')):
            reply = command(s, 'RCPT TO:<%s>' % address)
            check(reply.startswith(expected), '%s: %s' % (address, reply))
        check(command(s, 'DATA').startswith('354'), 'DATA refused')
        s.send('Subject: x\r\n\r\ny\r\n.\r\n')
        check(s.getreply()[0] == 250, 'not taken')
        i.wait_mail('alice')


def test_a_recipient_that_cannot_be_told_about_is_deferred():
    with asking().start('smtpserver') as i, i.smtp() as s:
        os.rename(i.path('var/db/aliases.sqlite'), i.path('var/db/away.sqlite'))
        begin(s)
        reply = command(s, 'RCPT TO:<club@mail.test>')
        check(reply.startswith('451 4.3.0'), reply)
        os.rename(i.path('var/db/away.sqlite'), i.path('var/db/aliases.sqlite'))
        wait(lambda: command(s, 'RCPT TO:<club@mail.test>').startswith('250'), 'an accepted recipient', instances=[i])


def test_vrfy_and_expn_are_answered():
    with asking().start('smtpserver') as i, i.smtp() as s:
        code, text = s.ehlo()
        check(b'VRFY' in text and b'EXPN' in text, repr(text))
        reply = command(s, 'EXPN club')
        check(reply.startswith('250') and '<alice@mail.test>' in reply and '<bob@mail.test>' in reply, reply)
        check(command(s, 'VRFY nosuch').startswith('550 5.1.1'), 'VRFY of nobody')
        check(command(s, 'VRFY bob').startswith('250 2.1.5'), 'VRFY of bob')


def test_hostile_addresses_ask_one_question_each():
    with asking().start('smtpserver') as i, i.smtp() as s:
        begin(s)
        for line, codes in (('RCPT TO:<"a b\\"; echo 250 x"@mail.test>', '5'), ('RCPT TO:<"$(kill -9 0)"@mail.test>', '5'),
                            ('RCPT TO:<"`id`"@mail.test>', '5'), ('RCPT TO:<-n@mail.test>', '5'), ('RCPT TO:<loop@mail.test>', '245'),
                            ('RCPT TO:<%s@mail.test>' % ('a' * 3000), '5'), ('VRFY %s' % ('(' * 2000), '245'),
                            ('VRFY -n -e', '245'), ('EXPN $(exit 1)', '245'), ('VRFY #hungry', '245'), ('VRFY a\tb', '245'),
                            ('VRFY ' + ':' * 500, '245'), ('VRFY "', '245'), ('VRFY |/bin/sh', '245'), ('VRFY /etc/passwd', '245')):
            reply = command(s, line)
            check(reply[0] in codes, '%.60s: %s' % (line, reply))
            check(command(s, 'NOOP').startswith('250 2.0.0'), 'replies are out of step after %.60s' % line)
        s.sock.sendall(b'VRFY a\0b\r\nVRFY a\rto\tbob\r\nNOOP\r\n')
        check([s.getreply()[0] for _ in range(3)] == [500, 500, 250], 'NUL and CR')
        check(len(routers(i)) <= 2, 'too many routers')


def test_a_killed_router_and_a_killed_desk_are_replaced():
    with asking().start('smtpserver') as i, i.smtp() as s:
        begin(s)
        check(command(s, 'RCPT TO:<bob@mail.test>').startswith('250'), 'refused')
        for what in (routers, desk):
            old = wait(lambda: what(i), 'a process', instances=[i])
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            wait(lambda: not old & what(i), 'its end')
            wait(lambda: command(s, 'RCPT TO:<bob@mail.test>').startswith('250'), 'an answer', instances=[i])
            check(what(i), 'none runs')


def test_a_router_that_hangs_does_not_stop_others():
    with asking().start('smtpserver') as i, i.smtp() as s, i.smtp() as t:
        begin(s)
        check(command(s, 'RCPT TO:<bob@mail.test>').startswith('250'), 'refused')
        victim = next(iter(routers(i)))
        os.kill(victim, signal.SIGSTOP)
        s.putcmd('RCPT TO:<alice@mail.test>')
        begin(t)        # the second router answers
        check(command(t, 'RCPT TO:<bob@mail.test>').startswith('250'), 'refused')
        os.kill(victim, signal.SIGCONT)
        check(s.getreply()[0] == 250, 'the first is not answered')


def test_a_router_that_does_not_start_defers():
    with asking() as i:
        i.write('share/router.cf', 'this is ( no configuration\n')
        i.start('smtpserver')
        with i.smtp() as s:
            s.ehlo()
            reply = command(s, 'MAIL FROM:<outside@far.test>')
            check(reply.startswith('451 4.3.0'), reply)
        check('does not load' in i.logs(), i.logs())


def test_a_reload_starts_and_ends_the_desk():
    with asking().start('smtpserver') as i:
        conf = i.read('share/smtpserver.conf')
        first = wait(lambda: desk(i), 'a desk')
        i.write('share/smtpserver.conf', conf.replace('PARAM enable-router\n', ''))
        os.kill(i.pid('smtpserver'), signal.SIGUSR1)
        wait(lambda: not desk(i), 'the end of the desk', instances=[i])
        with i.smtp() as s:
            begin(s)
            check(command(s, 'RCPT TO:<nosuch@mail.test>').startswith('250'), 'it asks all the same')
        i.write('share/smtpserver.conf', conf)
        os.kill(i.pid('smtpserver'), signal.SIGUSR1)
        wait(lambda: desk(i) and not desk(i) & first, 'another desk', instances=[i])

        def refused():                  # a desk that is slow to come has the sender deferred
            with i.smtp() as s:
                s.ehlo()
                return command(s, 'MAIL FROM:<outside@far.test>', 'RCPT TO:<nosuch@mail.test>').startswith('554')
        wait(refused, 'a refusal', instances=[i])
        i.stop('smtpserver')
        wait(lambda: not desk(i) and not routers(i), 'their end', instances=[i])


def test_nothing_that_answers_runs_as_root():
    need_root()
    with asking() as i:
        i.append('etc/zmailer.conf', 'TRUSTEDUSER=daemon\n')
        shutil.copyfile('/dev/null', i.path('log/keep'))
        os.chmod(i.path('log'), 0o777)
        i.start('smtpserver')
        with i.smtp() as s:
            begin(s)
        for pid in desk(i) | routers(i):
            check(os.stat('/proc/%d' % pid).st_uid != 0, 'process %d is root' % pid)
        with socket.socket(socket.AF_UNIX) as s:   # another user is not let in
            if os.fork() == 0:
                os.setuid(65534)
                try:
                    s.connect(i.path('postoffice/.pid.smtpserver.router'))
                    s.sendall(b'1 to\tbob\n')
                    os._exit(len(s.recv(100)))
                except OSError:
                    os._exit(0)
            check(os.wait()[1] == 0, 'a stranger is answered')


if __name__ == '__main__':
    main(sys.modules[__name__])
