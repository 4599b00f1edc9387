"""Milters: what they are told, what they add, and what becomes of mail when they fail."""
import sys
from zm import *
from milter import Milter


def with_milter(words, extra='', **kw):
    i = Instance(**kw)
    i.write('share/smtpserver.conf', 'PARAM milter %s\n%s%s' % (words, extra, i.read('share/smtpserver.conf')))
    return i


def offer(s, subject, to='bob@mail.test', body='x'):
    for line in ('MAIL FROM:<outside@far.test>', 'RCPT TO:<%s>' % to):
        code, text = s.docmd(line)
        if code != 250:
            s.rset()
            return '%d %s' % (code, text.decode())
    check(s.docmd('DATA')[0] == 354, 'DATA')
    s.send('Subject: %s\r\n\r\n%s\r\n.\r\n' % (subject, body))
    code, text = s.getreply()
    return '%d %s' % (code, text.decode())


def test_what_a_milter_does():
    milter = Milter()
    with with_milter('inet:127.0.0.1:%d' % milter.port).start() as i:
        with i.smtp() as s:
            s.ehlo('client.test')
            for subject, expected in (('spam', '554 5.7.1 spam; S'), ('later', '451 4.7.1 come again later; S'),
                                      ('odd', '250 2.7.1 Content-Policy accept-into-freezer-1 msg: looks odd; S'),
                                      ('fine', '250 2.0.0 Message accepted; S')):
                reply = offer(s, subject)
                check(reply.startswith(expected), '%s: %s' % (subject, reply))
            reply = offer(s, 'fine', to='refused@mail.test')
            check(reply.startswith('550 5.1.1 [127.0.0.1] rcpt=<refused@mail.test>: not this one'), reply)
            reply = offer(s, 'big', body='0123456789abcdef\r\n' * 60000)
            check(reply.startswith('250 2.0.0'), reply)
        letters = i.wait_mail('bob', 2)
        fields = sorted(m['X-Looked-At'] for m in letters)
        check(fields == ['yes, %d octets' % n for n in (1080002, 3)], repr(fields))
        check(all(m['Subject'] in ('fine', 'big') for m in letters), 'wrong letters')
        big = next(m for m in letters if m['Subject'] == 'big')
        check(big.get_payload().count('0123456789abcdef') == 60000, 'the body has suffered')
        check(len(i.spool('freezer')) == 1 and not i.spool('public'), 'freezer or leftovers')
    milter.close()
    check(milter.connections == 1, '%d connections for one session' % milter.connections)
    check([c for c, _ in milter.seen[:4]] == ['O', 'C', 'H', 'M'], repr(milter.seen[:4]))
    check(milter.seen[2][1] == b'client.test\0', repr(milter.seen[2]))
    check(milter.seen[3][1].startswith(b'<outside@far.test>\0'), repr(milter.seen[3]))


def test_a_milter_that_answers_nothing_but_the_end():
    milter = Milter(steps=Milter.MUTE)
    with with_milter('inet:%d@127.0.0.1' % milter.port).start() as i:
        with i.smtp() as s:
            s.ehlo()
            check(offer(s, 'x').startswith('250 2.0.0'), 'not taken')
        check(i.wait_mail('bob')[0]['X-Looked-At'] == 'yes, 3 octets', 'no field')
    milter.close()


def test_a_milter_that_dies_or_is_not_there():
    with Instance() as i:
        path = i.path('milter.sock')
        i.write('share/smtpserver.conf', 'PARAM milter unix:%s\n%s' % (path, i.read('share/smtpserver.conf')))
        i.start('smtpserver')
        with i.smtp() as s:
            s.ehlo()
            reply = offer(s, 'x')
            check(reply.startswith('451 4.3.0'), reply)
            milter = Milter(path)
            os.chmod(path, 0o666)
            check(offer(s, 'x').startswith('250 2.0.0'), 'not taken')
            check(offer(s, 'die').startswith('451 4.3.0'), 'taken')
            check(offer(s, 'x').startswith('250 2.0.0'), 'not taken')
        milter.close()


def test_groups_have_their_own():
    first, second, port = Milter(), Milter(), free_port()
    with with_milter('inet:127.0.0.1:%d' % first.port, 'PARAM milter inet:127.0.0.1:%d\n' % second.port) as i:
        i.append('share/smtpserver.conf', 'PARAM newgroup\nPARAM no-milter\nPARAM BindSmtp [127.0.0.1] %d\n' % port)
        i.start('smtpserver')
        with i.smtp() as s:
            s.ehlo()
            check(offer(s, 'x').startswith('250 2.0.0'), 'not taken')
        check(first.connections == second.connections == 1, 'both are asked')
        with smtplib.SMTP('127.0.0.1', port, timeout=PATIENCE) as s:
            s.ehlo()
            check(offer(s, 'spam').startswith('250 2.0.0'), 'not taken')
        check(first.connections == second.connections == 1, 'asked all the same')
    first.close()
    second.close()


if __name__ == '__main__':
    main(sys.modules[__name__])
