"""Transport agents as programs: what their users could do to them, their command lines, and the tools beside them."""
import pwd, sys
from zm import *

AGENTS = ('mailbox', 'smtp', 'errormail', 'hold', 'expirer', 'reroute')


def configuration(i):
    return [os.path.join(w, n) for w, _, names in os.walk(i.root) for n in names if n == 'zmailer.conf'][0]


def account():
    """An account that is nobody's."""
    for name in ('games', 'news', 'lp', 'mail', 'bin'):
        with contextlib.suppress(KeyError):
            if pwd.getpwnam(name).pw_uid != 0:
                return pwd.getpwnam(name)
    raise Skip('needs another account')


def test_a_users_link_gets_no_file_made_by_root():
    need_root()
    user = account()
    with Instance() as i:
        os.mkdir(i.path('secret'), 0o755)
        os.makedirs(i.path('homes', user.pw_name))
        os.chown(i.path('homes', user.pw_name), user.pw_uid, user.pw_gid)
        os.symlink(i.path('secret'), i.path('homes', user.pw_name, 'mail'))
        with open(configuration(i), 'a') as f:
            f.write('MAILBOX=%s\n' % i.path('homes/%u/mail/inbox'))
        i.start()
        i.sendmail('-f', 'alice@mail.test', user.pw_name + '@mail.test', data=letter(to='x@mail.test'))
        wait(lambda: 'retry in' in i.mailq().out or 'inbox' in i.mailq('-v').out, 'a deferred letter', instances=[i])
        check(os.listdir(i.path('secret')) == [], 'root made %s' % os.listdir(i.path('secret')))
        os.unlink(i.path('homes', user.pw_name, 'mail'))    # what belongs to the user works
        os.mkdir(i.path('homes', user.pw_name, 'mail'), 0o700)
        os.chown(i.path('homes', user.pw_name, 'mail'), user.pw_uid, user.pw_gid)
        wait(lambda: os.path.exists(i.path('homes', user.pw_name, 'mail/inbox')), 'the letter', instances=[i])
        check(os.stat(i.path('homes', user.pw_name, 'mail/inbox')).st_uid == user.pw_uid, 'it is somebody else\'s')


def test_command_lines():
    with Instance() as i:
        env = {'ZCONFIG': configuration(i)}
        for a in AGENTS:
            agent = os.path.join(MAILBIN, 'ta', a)
            run(agent, '-V', env=env)
            run(agent, '--no-such-option', code=64, env=env)
            run(agent, '-O', 'no-such-word', code=64, env=env)
            p = run(agent, '-O', 'strict-3.0', data='#idle\n\ntruncated', env=env)
            check(p.out.count('#hungry') == 2, '%s said %s' % (a, p.out))
        run(os.path.join(MAILBIN, 'ta/smtp'), '-s8XxerW', '-T', '90', '-L', '[127.0.0.1]', 'host.test', data='\n', env=env)
        run(os.path.join(MAILBIN, 'ta/mailbox'), '-8c', 'local', '-abrRS', data='\n', env=env)


def test_letters_reach_our_own_server_in_chunks():
    bodies = ['.\n..\n.hidden\nend\n', ''.join('.line %d\n' % n for n in range(20000)), 'short\n']
    with Instance(hostname='far.test') as there, Instance(smart_host='[127.0.0.1]:%d' % there.port) as here:
        there.start()
        here.start()
        for n, body in enumerate(bodies):
            here.sendmail('-f', 'alice@mail.test', 'bob@far.test', 'alice@far.test',
                          data=letter(subject=str(n), body=body, to='bob@far.test'))
        for user in ('bob', 'alice'):
            got = {m['Subject']: body_of(m) for m in there.wait_mail(user, len(bodies))}
            check(got == {str(n): b for n, b in enumerate(bodies)}, 'the bodies differ')
        here.wait_empty()
        counted = dict(l.split()[:2] for l in here.mailq('-QQQQ').out.splitlines() if l.startswith('TA-SMTP.'))
        check(counted['TA-SMTP.SmtpBDATok'] == '3' and counted['TA-SMTP.SmtpDATA'] == '0', counted)


def test_mboxpath():
    tool = os.path.join(BIN, 'mboxpath')
    with Instance() as i:
        p = run(tool, '--root', i.root, 'alice')
        check(p.out == i.path('mail/alice') + '\n', p.out)
        p = run(tool, '--root', i.root, '-d', i.path('mail'), '-PP', '-', data='bob\nalice\n')
        check(len(p.out.split()) == 2 and p.out.split()[0].endswith('/bob'), p.out)
        p = run(tool, '--root', i.root, 'alice', 'no-such-user', code=8)
        check(p.out.count('\n') == 1, p.out)
        run(tool, '--root', i.root, code=64)


def test_mprobe():
    tool = os.path.join(BIN, 'mprobe')
    with Sink() as sink:
        p = run(tool, '-p', str(sink.port), '127.0.0.1')
        check(p.out.startswith('220'), p.out)
    run(tool, '-p', str(free_port()), '127.0.0.1', code=4)
    run(tool, code=99)
    for said, code in (('554 go away\r\n', 18), ('', 17)):
        with socket.socket() as listener:
            listener.bind(('127.0.0.1', 0))
            listener.listen()

            def serve():
                c, _ = listener.accept()
                c.sendall(said.encode())
                c.close()
            t = threading.Thread(target=serve)
            t.start()
            run(tool, '-p', str(listener.getsockname()[1]), '127.0.0.1', code=code)
            t.join()


if __name__ == '__main__':
    main(sys.modules[__name__])
