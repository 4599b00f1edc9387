"""The main job: a letter goes in and comes out at its mailbox."""
import os, sys
from zm import *


def test_sendmail_to_mbox():
    with Instance().start() as i:
        i.sendmail('-f', 'alice@mail.test', 'bob', data='Subject: Greetings\n\nHello Bob.\nFrom here on.\n')
        m = i.wait_mail('bob')[0]
        check(m['Subject'] == 'Greetings', 'subject is %r' % m['Subject'])
        check(body_of(m).startswith('Hello Bob.\n>From here on.\n'), 'body is %r' % body_of(m))
        check('alice' in m['Return-Path'], 'return path is %r' % m['Return-Path'])
        for name in ('Received', 'Message-Id', 'Date', 'From'):
            check(m[name], 'no %s in\n%s' % (name, m))
        i.wait_empty()


def test_sendmail_to_maildir():
    with Instance(mailbox='maildir').start() as i:
        i.sendmail('-f', 'alice@mail.test', 'bob', data='Subject: Greetings\n\nHello Bob.\n')
        m = i.wait_mail('bob')[0]
        check(m['Subject'] == 'Greetings', 'subject is %r' % m['Subject'])
        check(os.listdir(i.path('mail/bob/tmp')) == [], 'left in tmp')
        i.wait_empty()


def test_recipients_from_the_header_and_bcc_is_hidden():
    with Instance(users=('alice', 'bob', 'carol')).start() as i:
        i.sendmail('-t', '-f', 'alice@mail.test', data='To: bob\nBcc: carol\nSubject: x\n\ny\n')
        check(i.wait_mail('bob')[0]['Bcc'] is None, 'Bcc is shown')
        i.wait_mail('carol')


def test_smtp_out_to_a_second_instance_and_back():
    with Instance(hostname='one.test') as one, Instance(hostname='two.test') as two:
        one.append('var/db/routes', 'two.test\tsmtp![127.0.0.1]:%d\n' % two.port)
        two.append('var/db/routes', 'one.test\tsmtp![127.0.0.1]:%d\n' % one.port)
        one.start()
        two.start()
        one.sendmail('-f', 'alice@one.test', 'bob@two.test', data=letter(to='bob@two.test', sender='alice@one.test'))
        there = two.wait_mail('bob')[0]
        check(len(there.get_all('Received')) == 2, 'Received lines: %r' % there.get_all('Received'))
        check('EHLO one.test' in there.get_all('Received')[0], 'greeted as %r' % there.get_all('Received')[0])
        two.sendmail('-f', 'bob@two.test', 'alice@one.test', data='Subject: Re: A letter\n\nThank you.\n')
        back = one.wait_mail('alice')[0]
        check(back['Subject'] == 'Re: A letter', 'subject is %r' % back['Subject'])
        one.wait_empty()
        two.wait_empty()


def test_an_alias_reaches_its_members_once():
    with Instance(users=('alice', 'bob', 'carol')) as i:
        i.append('var/db/aliases', 'team: bob, carol, bob\n')
        i.zmailer('newaliases')
        i.start()
        i.sendmail('-f', 'alice@mail.test', 'team', data='Subject: t\n\nx\n')
        i.wait_mail('bob')
        i.wait_mail('carol')
        i.wait_empty()
        check(len(i.mbox('bob')) == 1, 'bob has %d' % len(i.mbox('bob')))


def test_dots_and_long_lines_pass_unharmed():
    body = '.\n..\n.leading\n' + 'x' * 2000 + '\nlast line without end'
    with Instance(hostname='one.test') as one, Instance(hostname='two.test') as two:
        one.append('var/db/routes', 'two.test\tsmtp![127.0.0.1]:%d\n' % two.port)
        one.start()
        two.start()
        one.sendmail('-i', '-f', 'alice@one.test', 'bob@two.test', data='Subject: dots\n\n' + body)
        m = two.wait_mail('bob')[0]
        check(body_of(m).rstrip('\n') == body, 'body came as %r' % body_of(m))


def test_the_null_sender_stays_null():
    with Sink() as sink, Instance(smart_host='[127.0.0.1]:%d' % sink.port).start() as i:
        i.sendmail('-f', '<>', 'x@remote.test', data='Subject: report\n\nx\n')
        wait(lambda: sink.messages, 'a message at the sink', instances=[i])
        check(sink.messages[0][0] == '', 'sender is %r' % sink.messages[0][0])


if __name__ == '__main__':
    main(sys.modules[__name__])
