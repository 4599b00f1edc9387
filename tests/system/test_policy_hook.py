"""A policy daemon decides about senders and recipients: greylisting, and what becomes of mail without it."""
import sys
from zm import *


class Daemon(threading.Thread):
    """Puts off each client, sender and recipient the first time; some names it knows."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.asked, self.known, self.connections = [], set(), 0
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self, c):
        with c, c.makefile('rw', newline='\n') as f:
            asked = {}
            for line in f:
                name, _, value = line.rstrip('\n').partition('=')
                if name:
                    asked[name] = value
                    continue
                self.asked.append(asked)
                if asked['sender'].startswith('bye@'):
                    return
                f.write('action=%s\n\n' % self.judge(asked))
                f.flush()
                asked = {}

    def judge(self, asked):
        key = asked['client_address'], asked['sender'], asked['recipient']
        if asked['sender'].startswith('spammer@'):
            return 'REJECT 5.7.9 not from you'
        if asked['sender'].startswith('odd@'):
            return 'HOLD'
        if key in self.known:
            return 'PREPEND X-Greylist: passed'
        self.known.add(key)
        return 'DEFER_IF_PERMIT greylisted, come again'


def hooked(daemon, extra=''):
    i = Instance()
    i.write('share/smtpserver.conf', 'PARAM policy-hook inet:127.0.0.1:%d rcpt\n%s%s' %
            (daemon.port, extra, i.read('share/smtpserver.conf')))
    return i


def rcpt(s, sender, to='bob@mail.test'):
    s.rset()
    check(s.docmd('MAIL FROM:<%s>' % sender)[0] == 250, 'MAIL')
    code, text = s.docmd('RCPT TO:<%s>' % to)
    return '%d %s' % (code, text.decode())


def test_greylisting():
    daemon = Daemon()
    with hooked(daemon).start() as i, i.smtp() as s:
        s.ehlo('client.test')
        reply = rcpt(s, 'outside@far.test')
        check(reply.startswith('451 4.7.1') and '[127.0.0.1] rcpt=<bob@mail.test>: greylisted, come again' in reply, reply)
        reply = rcpt(s, 'outside@far.test')
        check(reply.startswith('250 2.1.5'), reply)
        check(s.docmd('DATA')[0] == 354, 'DATA')
        s.send('Subject: x\r\n\r\ny\r\n.\r\n')
        check(s.getreply()[0] == 250, 'not taken')
        check(i.wait_mail('bob')[0]['X-Greylist'] == 'passed', 'no field')
        reply = rcpt(s, 'spammer@far.test')
        check(reply.startswith('550 5.7.9') and '[127.0.0.1] rcpt=<bob@mail.test>: not from you' in reply, reply)
        check(rcpt(s, 'odd@far.test').startswith('250'), 'HOLD')
        check(s.docmd('DATA')[0] == 354, 'DATA')
        s.send('Subject: x\r\n\r\ny\r\n.\r\n')
        check(s.getreply()[0] == 250, 'not taken')
        check([n.rpartition('policy-')[2] for n in i.spool('freezer')] == ['2'], repr(i.spool('freezer')))
    daemon.close()
    check(daemon.connections <= 2, 'one connection a worker')
    first = daemon.asked[0]
    for name, value in (('request', 'smtpd_access_policy'), ('protocol_state', 'RCPT'), ('helo_name', 'client.test'),
                        ('client_address', '127.0.0.1'), ('sender', 'outside@far.test'), ('recipient', 'bob@mail.test')):
        check(first.get(name) == value, '%s: %r' % (name, first))


def test_without_the_daemon():
    daemon = Daemon()
    with hooked(daemon).start('smtpserver') as i, i.smtp() as s:
        s.ehlo()
        check(rcpt(s, 'bye@far.test').startswith('451 4.3.5'), 'it has hung up')
        check(rcpt(s, 'x@far.test').startswith('451 4.7.1'), 'and answers again')
    daemon.close()
    with hooked(daemon).start('smtpserver') as i, i.smtp() as s:
        s.ehlo()
        reply = rcpt(s, 'x@far.test')
        check(reply.startswith('451 4.3.5'), reply)
        check('policy daemon' in i.logs() and 'it cannot be reached' in i.logs(), i.logs())
    with hooked(daemon, 'PARAM contentfilter-failmode accept\n').start('smtpserver') as i, i.smtp() as s:
        s.ehlo()
        check(rcpt(s, 'x@far.test').startswith('250'), 'not without it')


def test_users_are_known_to_the_daemon_and_not_put_off():
    with contextlib.closing(Daemon()) as daemon, Instance() as i:
        i.zmailer('auth-user', 'add', 'joe', data='s3cr3t\n')
        i.write('share/smtpserver.conf', 'PARAM policy-hook inet:127.0.0.1:%d rcpt,data\nPARAM smtp-auth\n'
                'PARAM auth-user-file $MAILVAR/db/smtp-users\nPARAM AUTH-LOGIN-also-without-TLS\n%s'
                % (daemon.port, i.read('share/smtpserver.conf')))
        i.start('smtpserver')
        daemon.known.add(('127.0.0.1', 'ann@mail.test', ''))
        daemon.known.add(('127.0.0.1', 'ann@mail.test', 'bob@mail.test'))
        with i.smtp() as s:
            s.ehlo()
            s.login('joe', 's3cr3t')
            check(rcpt(s, 'ann@mail.test', 'away@far.test').startswith('250'), 'a user may not send')
            check(not daemon.asked, 'asked about a user: %r' % daemon.asked)
            check(s.data('Subject: x\n\nx\n')[0] == 250, 'no message')
        check([a['sasl_username'] for a in daemon.asked] == ['joe'], daemon.asked)


if __name__ == '__main__':
    main(sys.modules[__name__])
