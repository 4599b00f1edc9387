#!/usr/bin/env python3
"""Programs of users hand mail in through a socket: what the SMTP server hears of it, and what becomes of it."""
import errno, os, re, socket, subprocess, sys, tempfile, threading
from zm import *

SENDMAIL = os.path.join(BIN, 'sendmail')
TEXT = 'From: alice@mail.test\nTo: bob@mail.test\nSubject: hello\n\nHello.\n'


class Client:
    """A machine without a spool: nothing but a configuration."""

    def __init__(self, server, more=''):
        self.root = tempfile.TemporaryDirectory(prefix='zmclient-')
        self.conf = os.path.join(self.root.name, 'zmailer.conf')
        with open(self.conf, 'w') as f:
            f.write('POSTOFFICE=%s/postoffice\nMAILVAR=%s\nLOGDIR=%s\nMYHOSTNAME=client.test\nSUBMIT_TRANSPORT=socket\n'
                    'SUBMIT_SERVER=%s\nDEADLETTER=none\n%s' % ((self.root.name,) * 3 + (server, more)))

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.root.cleanup()

    def run(self, program, *words, data=TEXT, code=0, **kw):
        env = dict(kw.pop('env', {}), ZCONFIG=self.conf, HOME=self.root.name)
        return run(os.path.join(BIN, program), *words, data=data, code=code, env=env, **kw)

    def sendmail(self, *words, **kw):
        return self.run('sendmail', *words, **kw)


def at(peer):
    return '127.0.0.1:%d' % peer.port


def test_a_client_without_spool_submits():
    with Instance() as i:
        i.start()
        with Client(at(i)) as client:
            client.sendmail('-f', 'alice@mail.test', '-t', data='To: bob@mail.test\nBcc: alice@mail.test\n\nHi.\n.\n..\nBye.\n')
            client.sendmail('-oi', 'bob@mail.test', data='Subject: second\n\nÄhm.\n')
            check(os.listdir(client.root.name) == ['zmailer.conf'], os.listdir(client.root.name))
        i.wait_mail('bob', 2)
        first = [m for m in i.mbox('bob') if m['subject'] is None][0]
        check(body_of(first) == 'Hi.\n.\n..\nBye.\n' and first['bcc'] is None, first.as_string())
        check('alice@mail.test' in first['from'] and first['message-id'], first.as_string())
        i.wait_mail('alice')


def test_the_server_hears_the_envelope():
    with Sink() as sink, Client(at(sink)) as client:
        client.sendmail('-f', 'ann@client.test', '-N', 'success,failure', '-R', 'hdrs', '-V', 'e+2B1', '-B', '8BITMIME', 'bob',
                        '"x y"@far.test', data='Subject: x\n\n.dot\n\xe4\nno end'.encode('latin-1'))
        sender, recipients, data = sink.messages[0]
        check((sender, recipients) == ('ann@client.test', ['bob@client.test', '"x y"@far.test']), sink.messages)
        check(data == b'Subject: x\r\n\r\n.dot\r\n\xe4\r\nno end\r\n', data)
        mail = [c for c in sink.commands if c.startswith('MAIL')][0]
        check(re.fullmatch(r'MAIL FROM:<ann@client.test> SIZE=\d+ BODY=8BITMIME RET=HDRS ENVID=e\+2B1', mail), mail)
        rcpt = [c for c in sink.commands if c.startswith('RCPT')]
        check(all(' NOTIFY=SUCCESS,FAILURE ' in c and ' ORCPT=rfc822;' in c for c in rcpt), rcpt)
        check('EHLO client.test' in sink.commands and 'INRCPT' not in repr(sink.commands), sink.commands)


def test_an_address_beyond_ascii():
    offer = '250-sink.test\r\n250-8BITMIME\r\n250 SMTPUTF8'
    with Sink({'EHLO': offer}) as sink, Client(at(sink)) as client:
        client.sendmail('-f', 'ann@client.test', 'j\u00f6rg@far.test')
        client.sendmail('-f', 'ann@client.test', 'bob@far.test')
        mail = [c for c in sink.commands if c.startswith('MAIL')]
        check(mail[0].endswith(' SMTPUTF8') and 'SMTPUTF8' not in mail[1], mail)
        check(sink.messages[0][1] == ['j\u00f6rg@far.test'], sink.messages)


def test_the_null_sender_and_the_users_own():
    with Sink() as sink, Client(at(sink)) as client:
        client.sendmail('-f', '<>', 'bob@far.test')
        client.sendmail('-F', 'Ann "X" Other', 'bob@far.test', data='Subject: y\n\n')
        check(sink.messages[0][0] == '' and sink.messages[1][0].endswith('@client.test'), sink.messages)
        text = sink.messages[1][2].decode()
        check(text.startswith('From: "Ann ') and sink.messages[1][0] in text, text)


def test_refusals_are_for_good_and_for_all():
    with Sink({('RCPT', 'bad'): '550 5.1.1 no such user'}) as sink, Client(at(sink)) as client:
        told = client.sendmail('good@far.test', 'bad@far.test', code=69).err
        check('bad@far.test' in told and '550' in told and 'no such user' in told, told)
        check(not sink.messages and not any(c.startswith('DATA') for c in sink.commands), sink.commands)
    with Sink({'MAIL': '552 5.3.4 too large'}) as sink, Client(at(sink)) as client:
        client.sendmail('bob@far.test', code=65)


def test_what_may_pass_is_to_be_tried_again():
    for replies in ({'CONNECT': '421 4.3.2 busy'}, {'MAIL': '451 4.3.0 later'}, {'RCPT': '452 4.2.2 full'},
                    {'DATA': '451 4.3.0 later'}, {'.': '452 4.3.1 no space'}, {'EHLO': 'what'}):
        with Sink(replies) as sink, Client(at(sink)) as client:
            check('nothing was queued' in client.sendmail('bob@far.test', code=75).err, replies)
            check(not sink.messages, replies)
    with Client('127.0.0.1:%d' % free_port()) as client:
        check('no mail server answers' in client.sendmail('bob@far.test', code=75).err, 'no reason')


def test_a_server_that_dies_amid_the_message():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(5)

        def serve():
            c, _ = listener.accept()
            f = c.makefile('rwb')
            f.write(b'220 x\r\n')
            f.flush()
            while not f.readline().startswith(b'DATA'):
                f.write(b'250 x\r\n')
                f.flush()
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')  # a reset
            f.close()
            c.close()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with Client('127.0.0.1:%d' % listener.getsockname()[1]) as client:
            client.sendmail('bob@far.test', code=75, data='Subject: big\n\n' + 'x' * 70 + '\n' + 'y\n' * 2000000)
        thread.join(PATIENCE)


def test_what_smtp_cannot_say_is_refused():
    with Sink() as sink, Client(at(sink)) as client:
        for recipient in ('|/bin/true', '/tmp/x', ':include:/tmp/y'):
            check('cannot be handed' in client.sendmail('--', recipient, code=65).err, recipient)
        client.sendmail('-f', 'a\nb@x', 'bob@far.test', code=64)
        client.sendmail('-t', code=65, data='Subject: nobody\n\n')
        check(sink.connections == 0, sink.commands)
        check('nothing to follow' in client.sendmail('-v', 'bob@far.test').err, '-v')
    with Client('127.0.0.1:notaport') as client:
        client.sendmail('bob@far.test', code=78)


def test_empty_input_is_nothing():
    with Sink() as sink, Client(at(sink)) as client:
        client.sendmail('bob@far.test', data='')
        check(sink.connections == 0, sink.commands)


def test_falling_back_is_only_by_permission():
    with Instance() as i:
        i.append('etc/zmailer.conf', 'SUBMIT_TRANSPORT=socket\nSUBMIT_SERVER=127.0.0.1:%d\n' % i.port)
        i.sendmail('bob', data=TEXT, code=75)
        check(not i.spool('router') and not i.spool('public'), 'the spool was used')
        i.append('etc/zmailer.conf', 'SUBMIT_TRANSPORT=socket,dropbox\n')
        i.sendmail('-f', 'alice@mail.test', 'bob', data=TEXT)
        names = i.spool('router')
        check(len(names) == 1 and TEXT in i.contents(names[0]), names)
        i.start()
        i.wait_mail('bob')
        i.sendmail('-f', 'alice@mail.test', 'bob', data=TEXT)
        with_smtp = [m for m in i.wait_mail('bob', 2) if 'SMTP' in m['received']]
        check(len(with_smtp) == 1, [m['received'] for m in i.mbox('bob')])


def test_a_refusal_does_not_fall_back():
    with Sink({'RCPT': '550 5.7.1 no'}) as sink, Instance() as i:
        i.append('etc/zmailer.conf', 'SUBMIT_TRANSPORT=socket,dropbox\nSUBMIT_SERVER=%s\n' % at(sink))
        i.sendmail('bob', data=TEXT, code=69)
        sink.replies = {'RCPT': '450 4.7.1 not now'}
        i.sendmail('bob', data=TEXT, code=75)
        check(not i.spool('router'), 'queued')


def test_other_programs_too():
    with Sink() as sink, Client(at(sink)) as client:
        client.run('rmail', 'bob@far.test', data='From ann Thu Jan  1 00:00:00 1970 remote from there\nSubject: uucp\n\nHi.\n')
        check(sink.messages[0][1] == ['bob@far.test'] and b'Subject: uucp' in sink.messages[0][2], sink.messages)


LIBRARY = """
import ctypes, sys
lib, c = ctypes.CDLL(sys.argv[1], use_errno=True), ctypes.CDLL(None)
lib.mail_open.restype = ctypes.c_void_p
lib.mail_close.argtypes = [ctypes.c_void_p]
c.fputs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
m = lib.mail_open(b'')
c.fputs(b'Subject: x\\nTo: <bob@far.test>\\n\\ny\\n', m)
sys.exit(0 if lib.mail_close(m) == 0 else ctypes.get_errno())
"""


def test_the_library_too():
    if SANITIZE:
        raise Skip('the interpreter is built without the sanitizer')
    with Sink() as sink, Client(at(sink)) as client:
        library = [sys.executable, '-c', LIBRARY, os.path.join(STAGE, 'lib/libzmailer.so')]
        run(*library, env=dict(ZCONFIG=client.conf))
        check(sink.messages[0][1] == ['bob@far.test'] and sink.messages[0][2].startswith(b'Subject: x'), sink.messages)
        sink.replies = {'RCPT': '550 5.1.1 no'}
        run(*library, env=dict(ZCONFIG=client.conf), code=errno.EPERM)


def test_a_socket_of_the_local_kind():
    with tempfile.TemporaryDirectory(prefix='zmsock-') as where:
        path = os.path.join(where, 'submit')
        with Instance() as i, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            i.start('router', 'scheduler')
            with Client(path) as client:
                p = subprocess.Popen([SENDMAIL, '-f', 'alice@mail.test', 'bob@mail.test'], stdin=subprocess.PIPE,
                                     env=dict(os.environ, ZCONFIG=client.conf))
                p.stdin.write(TEXT.encode())
                p.stdin.close()
                connection, _ = listener.accept()   # as inetd and systemd do
                with connection:
                    server = subprocess.Popen([os.path.join(MAILBIN, 'smtpserver'), '-i', '-Z', i.path('etc/zmailer.conf')],
                                              stdin=connection, stdout=connection)
                check(p.wait(PATIENCE) == 0 and server.wait(PATIENCE) == 0, (p.returncode, server.returncode))
            i.wait_mail('bob')


if __name__ == '__main__':
    main(sys.modules[__name__])
