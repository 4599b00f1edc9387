"""The SMTP server, as a client sees it."""
import sys
from zm import *


def raw(i, *lines):
    """Sends lines as they are (bytes), waits for a reply after each; the replies."""
    with socket.create_connection(('127.0.0.1', i.port), PATIENCE) as s:
        f = s.makefile('rb')
        replies = []

        def reply():
            text = b''
            while True:
                line = f.readline()
                text += line
                if not line or line[3:4] != b'-':
                    return text.decode(errors='replace')
        replies.append(reply())
        for line in lines:
            s.sendall(line)
            replies.append(reply())
        return replies


def test_greeting_and_extensions():
    with Instance().start() as i:
        r = raw(i, b'EHLO client.test\r\n', b'NOOP\r\n', b'QUIT\r\n')
        check(r[0].startswith('220 ') and 'mail.test' in r[0], r[0])
        for word in ('PIPELINING', '8BITMIME', 'SIZE', 'ENHANCEDSTATUSCODES', 'DSN'):
            check(word in r[1], '%s is not offered: %s' % (word, r[1]))
        check(r[3].startswith('221 '), r[3])


def test_relaying_is_refused_to_strangers():
    with Instance() as i:
        i.write('share/smtpserver.conf', i.read('share/smtpserver.conf'))
        i.start()
        with i.smtp() as s:     # loopback may relay
            s.ehlo('x.test')
            check(s.docmd('MAIL FROM:<a@b.test>')[0] == 250, 'MAIL refused')
            check(s.docmd('RCPT TO:<x@elsewhere.test>')[0] == 250, 'loopback may not relay')


def test_bare_line_feeds_do_not_end_data():
    with Instance().start() as i:
        r = raw(i, b'EHLO x.test\r\n', b'MAIL FROM:<alice@mail.test>\r\n', b'RCPT TO:<bob@mail.test>\r\n', b'DATA\r\n',
                b'Subject: smuggled\r\n\r\nx\n.\nMAIL FROM:<evil@x.test>\r\n.\r\n')
        check(r[5][0] in '45', 'a bare LF was accepted: %r' % r[5])
        i.wait_empty()
        check(not i.mbox('bob'), 'it was delivered')


def test_size_is_checked_before_and_while_receiving():
    with Instance() as i:
        i.write('share/smtpserver.conf', 'PARAM maxsize 10000\n' + i.read('share/smtpserver.conf'))
        i.start()
        with i.smtp() as s:
            s.ehlo('x.test')
            check(s.docmd('MAIL FROM:<alice@mail.test> SIZE=20000')[0] == 552, 'SIZE= was accepted')
        try:
            i.submit('alice@mail.test', ['bob@mail.test'], 'Subject: x\n\n' + 'y' * 70 + '\n' * 1 + ('z' * 70 + '\n') * 300)
            raise Failure('a message over the limit was accepted')
        except smtplib.SMTPResponseException as e:
            check(e.smtp_code == 552, '%d' % e.smtp_code)


def test_pipelined_commands_are_answered_in_order():
    with Instance().start() as i:
        with socket.create_connection(('127.0.0.1', i.port), PATIENCE) as s:
            f = s.makefile('rb')
            f.readline()
            s.sendall(b'EHLO x.test\r\n')
            while f.readline()[3:4] == b'-':
                pass
            s.sendall(b'MAIL FROM:<alice@mail.test>\r\nRCPT TO:<bob@mail.test>\r\nRCPT TO:<alice@mail.test>\r\nDATA\r\n')
            codes = [f.readline()[:3] for _ in range(4)]
            check(codes == [b'250', b'250', b'250', b'354'], repr(codes))
            s.sendall(b'Subject: piped\r\n\r\n..x\r\n.\r\nQUIT\r\n')
            codes = [f.readline()[:3] for _ in range(2)]
            check(codes == [b'250', b'221'], repr(codes))
        check(body_of(i.wait_mail('bob')[0]).startswith('.x'), 'dots')


def test_commands_out_of_order_and_garbage():
    with Instance().start() as i:
        r = raw(i, b'EHLO x.test\r\n', b'RCPT TO:<bob@mail.test>\r\n', b'DATA\r\n', b'MAIL FROM:bob\r\n', b'XYZZY\r\n', b'QUIT\r\n')
        check(r[2].startswith('503') and r[3].startswith('503'), repr(r))
        check(r[4].startswith('501') or r[4].startswith('250'), r[4])
        check(r[5].startswith('50'), r[5])


def test_dsn_parameters_are_carried():
    with Sink() as sink, Instance(smart_host='[127.0.0.1]:%d' % sink.port).start() as i:
        with i.smtp() as s:
            s.ehlo('x.test')
            s.docmd('MAIL FROM:<alice@mail.test> RET=HDRS ENVID=Q+2B1')
            check(s.docmd('RCPT TO:<x@far.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@far.test')[0] == 250, 'RCPT refused')
            s.data('Subject: x\r\n\r\ny\r\n')
        wait(lambda: sink.messages, 'the message', instances=[i])
        mail = [c for c in sink.commands if c.startswith('MAIL')][0]
        rcpt = [c for c in sink.commands if c.startswith('RCPT')][0]
        check('RET=HDRS' in mail and 'ENVID=Q+2B1' in mail, mail)
        check('NOTIFY=SUCCESS,FAILURE' in rcpt and 'ORCPT=rfc822;x@far.test' in rcpt, rcpt)


def test_sendmail_bs_speaks_smtp():
    with Instance().start() as i:
        p = i.sendmail('-bs', data='EHLO x.test\r\nMAIL FROM:<alice@mail.test>\r\nRCPT TO:<bob@mail.test>\r\nDATA\r\n'
                       'Subject: bs\r\n\r\nx\r\n.\r\nQUIT\r\n')
        check('354' in p.out and p.out.rstrip().splitlines()[-1].startswith('221'), p.out)
        check(i.wait_mail('bob')[0]['Subject'] == 'bs', 'another letter')


def test_a_batch_shows_its_commands_and_knows_no_strictness():
    with Instance().start('router') as i:
        p = run(os.path.join(MAILBIN, 'smtpserver'), '-Z', i.path('etc/zmailer.conf'), '-i', '-v', '-s', 'strict',
                data='MAIL FROM: <alice>\nQUIT \n')
        lines = [line[:17] for line in p.out.replace('\r', '').splitlines()]
        check(lines[1:] == ['MAIL FROM: <alice', '250 2.1.0 Sender ', 'QUIT ', '221 2.0.0 mail.te'], repr(lines))


RULES = '''
. relaytarget -
[0.0.0.0]/0 # nothing
[127.0.0.0]/8 = _full_rights
[198.51.100.0]/24 message "not from there" rejectnet +
bad@spam.test message "not from you" rejectsource +
odd.test freezesource +
_full_rights relaycustnet +
_localnames localdomain + relaytarget +
'''


def test_the_policy_database_decides():
    with Instance() as i:
        i.write('var/db/smtp-policy.src', RULES)
        i.write('share/smtpserver.conf', 'PARAM policydb $DBTYPE $MAILVAR/db/smtp-policy\n' + i.read('share/smtpserver.conf'))
        p = run(os.path.join(MAILBIN, 'smtpserver'), '-Z', i.path('etc/zmailer.conf'), '-N')
        check('warning: the policy database' in p.out and 'zmailer newdb' in p.out and 'can be used' in p.out, p.out)
        i.start('smtpserver')
        check(raw(i)[0].startswith('421 4.3.5'), 'a database that is not there lets clients in')
        run(os.path.join(BIN, 'policy-builder'), '--root', i.root)
        r = raw(i, b'EHLO x.test\r\n', b'MAIL FROM:<bad@spam.test>\r\n', b'RSET\r\n', b'MAIL FROM:<a@odd.test>\r\n',
                b'RCPT TO:<bob@mail.test>\r\n', b'DATA\r\n', b'Subject: x\r\n\r\n.\r\n')
        check('not from you' in r[2] and r[2].startswith('550'), r[2])
        check(r[7].startswith('250 2.0.0'), r[7])
        check(not i.spool('router') and len(i.spool('freezer')) == 1, 'it is not set aside')
        p = run(os.path.join(MAILBIN, 'smtpserver'), '-Z', i.path('etc/zmailer.conf'), '-i', '-T', '[198.51.100.7]', data='QUIT\n')
        check(p.out.startswith('554-5.7.1') and 'not from there' in p.out, p.out)
        p = run(os.path.join(MAILBIN, 'smtpserver'), '-Z', i.path('etc/zmailer.conf'), '-i', '-T', '[203.0.113.7]',
                data='EHLO [203.0.113.7]\nMAIL FROM:<a@b.test>\nRCPT TO:<x@far.test>\nRCPT TO:<bob@mail.test>\n',
                env={'RESOLVER': '127.0.0.1:1'})
        check('rcpt=<x@far.test>: relaying denied' in p.out and '250 2.1.5 Recipient <bob@mail.test> ok' in p.out, p.out)


if __name__ == '__main__':
    main(sys.modules[__name__])
