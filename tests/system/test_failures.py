"""What cannot be delivered is told once, to the right person, and retried when that may help."""
import sys
from zm import *


def test_unknown_user_gives_one_report_to_the_sender():
    with Instance().start() as i:
        i.submit('alice@mail.test', ['nobody-here@mail.test'], letter(subject='lost', to='nobody-here@mail.test'))
        report = i.wait_mail('alice')[0]
        i.wait_empty()
        check(len(i.mbox('alice')) == 1, '%d reports' % len(i.mbox('alice')))
        check(report.get_content_type() == 'multipart/report', report.get_content_type())
        check('nobody-here@mail.test' in str(report), 'the address is not named')
        check('lost' in str(report), 'the message is not shown')
        check(report['Return-Path'].strip() in ('<>', ''), 'return path is %r' % report['Return-Path'])


def test_a_refusing_host_gives_a_report_with_its_words():
    with Sink({('RCPT', 'bad@'): '550 5.1.1 never heard of'}) as sink, \
            Instance(smart_host='[127.0.0.1]:%d' % sink.port).start() as i:
        i.submit('alice@mail.test', ['bad@far.test', 'good@far.test'], letter(to='bad@far.test'))
        report = i.wait_mail('alice')[0]
        check('never heard of' in str(report), 'the reply is not quoted')
        check('Status: 5.1.1' in str(report), 'no status 5.1.1 in\n%s' % report)
        check('Final-Recipient: rfc822;bad@far.test' in str(report).replace('; ', ';'), str(report))
        check('good@far.test' not in str(report.get_payload()[1]), 'the good recipient is reported')
        i.wait_empty()
        check([r for _, r, _ in sink.messages] == [['good@far.test']], 'sink has %r' % sink.messages)


def test_a_report_is_never_reported():
    with Instance().start() as i:
        i.submit('', ['nobody-here@mail.test'], letter())
        i.wait_empty()
        check(not i.mbox('alice') and not i.mbox('bob'), 'somebody got mail')


def test_a_dead_next_hop_is_retried_and_then_delivered():
    port = free_port()
    with Instance(smart_host='[127.0.0.1]:%d' % port).start() as i:
        i.submit('alice@mail.test', ['x@far.test'], letter(subject='patience', to='x@far.test'))
        wait(lambda: 'refused' in i.mailq().out.lower() or 'retry' in i.mailq().out.lower(), 'the reason in mailq', instances=[i])
        with Sink(port=port) as sink:
            wait(lambda: sink.messages, 'delivery after the host came up', instances=[i])
            check(b'patience' in sink.messages[0][2], 'another message came')
            i.wait_empty()
        check(not i.mbox('alice'), 'a report was sent')


def test_a_smart_host_that_is_down_has_a_second_behind_it():
    with Sink() as sink:
        hosts = '[127.0.0.1]:%d,[127.0.0.1]:%d' % (free_port(), sink.port)
        with Instance(smart_host=hosts).start() as i:
            i.submit('alice@mail.test', ['x@far.test'], letter(to='x@far.test'))
            wait(lambda: sink.messages, 'the second host', instances=[i])
            check(sink.messages[0][1] == ['x@far.test'], repr(sink.messages[0]))
            i.wait_empty()


def test_a_temporary_refusal_is_retried():
    with Sink({'RCPT': '450 4.2.1 later'}) as sink, Instance(smart_host='[127.0.0.1]:%d' % sink.port).start() as i:
        i.submit('alice@mail.test', ['x@far.test'], letter(to='x@far.test'))
        wait(lambda: sum(c.startswith('RCPT') for c in sink.commands) >= 2, 'a second try', instances=[i])
        sink.replies.clear()
        wait(lambda: sink.messages, 'delivery', instances=[i])
        i.wait_empty()


def test_expired_mail_is_reported():
    port = free_port()
    with Instance(smart_host='[127.0.0.1]:%d' % port, expiry='3s').start() as i:
        i.submit('alice@mail.test', ['x@far.test'], letter(subject='too late', to='x@far.test'))
        report = i.wait_mail('alice')[0]
        check('x@far.test' in str(report) and 'Action: failed' in str(report), str(report))
        i.wait_empty()


def test_an_alias_loop_ends():
    with Instance() as i:
        i.append('var/db/aliases', 'ping: pong\npong: ping, bob\n')
        i.zmailer('newaliases')
        i.start()
        i.submit('alice@mail.test', ['ping@mail.test'], letter(to='ping@mail.test'))
        i.wait_mail('bob')
        i.wait_empty()
        check(len(i.mbox('bob')) == 1, 'bob has %d' % len(i.mbox('bob')))


def test_a_message_that_has_looped_is_reported():
    hops = ''.join('Received: from a by b; Sat, 21 Nov 2026 04:59:47 +0000\n' for _ in range(60))
    with Instance().start() as i:
        with i.smtp() as s:     # the door is closed to it
            try:
                s.sendmail('alice@mail.test', ['bob@mail.test'], hops + letter())
                raise Failure('the server took it')
            except smtplib.SMTPResponseException as e:
                check(e.smtp_code == 554, '%d' % e.smtp_code)
        i.sendmail('-f', 'alice@mail.test', 'bob', data=hops + letter())
        i.wait_mail('alice')
        i.wait_empty()
        check(not i.mbox('bob'), 'it was delivered')

FORM = 'HDR From: The Office <postmaster>\nSUB Subject: Our own form\n\nOwn words.\n'


def test_reports_follow_the_form_of_the_clause():
    """Also without that form, and without anybody to tell."""
    with Sink({'RCPT': '550 5.1.1 no such user'}) as sink, Instance(smart_host='[127.0.0.1]:%d' % sink.port) as i:
        i.write('share/scheduler.conf', 'PARAMstore-error-on-error = 1\n' +
                i.read('share/scheduler.conf').replace('smtp*/*', 'smtp*/* deliveryform=own'))
        i.write('share/forms/own', FORM)
        i.start()
        i.submit('alice@mail.test', ['x@far.test'], letter())
        report = i.wait_mail('alice')[0]
        check(report['Subject'] == 'Our own form [FAILED(1)]' and 'Own words.' in report.as_string(), report.as_string())
        i.submit('', ['x@far.test'], letter())
        stored = wait(lambda: i.spool('postman'), 'a report for nobody', instances=[i])[0]
        check(stored.endswith(':error-on-error') and 'Subject: Double-fault: Our own form [FAILED(1)]' in i.contents(stored),
              stored)
        check('\nto ' not in i.contents(stored), 'it has a recipient')
        os.unlink(i.path('share/forms/own'))
        i.submit('bob@mail.test', ['x@far.test'], letter())
        report = i.wait_mail('bob')[0]
        check(report['Subject'].startswith('Multiple-fault: ') and 'postmaster' in report['From'], report.as_string())
        copied = [l for l in i.read('log/router').splitlines() if 'recipients=2' in l]
        check(len(copied) == 1, 'the postmaster got no copy')


def test_all_forms_of_the_catalogue_are_there():
    with Instance() as i:
        names = ('acctexpired bitnetgw bounce database delivery envelope expansion header headerwarn ip-number localhost '
                 'loopexceeded nonewsgroup norealname norecipients nosuchuser unresolvable vms-in-pros wrongname').split()
        missing = set(names) - set(os.listdir(i.path('share/forms')))
        check(not missing, missing)
        for name in names:
            text = i.read('share/forms/' + name)
            head, _, body = text.partition('\n\n')
            check(all(l[:4] in ('HDR ', 'ADR ', 'SUB ') for l in head.splitlines()) and body.endswith('\n'), text)


if __name__ == '__main__':
    main(sys.modules[__name__])
