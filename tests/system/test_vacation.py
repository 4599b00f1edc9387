"""vacation: from .forward to the answer."""
import pwd, sys
from zm import *

VACATION = os.path.join(BIN, 'vacation')
LETTER = 'From: bob@mail.test\nTo: %s@mail.test\nSubject: lunch\nMessage-Id: <1@far.test>\n\nToday?\n'


def me():
    return pwd.getpwuid(os.getuid()).pw_name


def away(i, *words, data='', code=0, env=None):
    """vacation as our own account, with files in the instance."""
    return run(VACATION, '--root', i.root, '-f', i.path('answered'), '-m', i.path('answer'), *words, data=data, code=code,
               env=dict(dict(SENDER='bob@mail.test'), **(env or {})))


def test_who_is_answered():
    with Instance() as i:
        name, letter_ = me(), LETTER % me()
        i.write('answer', 'Subject: away ($SUBJECT)\n\nI am away.\n')
        away(i, '-I', '-r', '1w', name)
        p = away(i, '-n', name, data=letter_, env=dict(INRCPT='rfc822;%s+40mail.test' % name))
        check(p.out.startswith('channel error\nto bob@mail.test\nenv-end\nFrom: %s@mail.test\nTo: bob@mail.test\n' % name), p.out)
        check('\nSubject: away (lunch)\n' in p.out and 'In-Reply-To: <1@far.test>' in p.out, p.out)
        check('not long ago' in away(i, '-n', name, data=letter_).out, 'twice')
        check('bob@mail.test' in away(i, '-l').out, 'not listed')
        check('Subject: away' in away(i, '-n', '-d', name, data=letter_).out, '-d looks at the database')
        check('none of your names' in away(i, '-n', '-d', name, data=letter_.replace('To: ', 'To: x')).out, 'not for us')
        check('Subject: away' in away(i, '-n', '-d', '-j', name, data=letter_.replace('To: ', 'To: x')).out, '-j')
        check('Subject: away' in away(i, '-n', '-d', '-a', 'x' + name, name, data=letter_.replace('To: ', 'To: x')).out, '-a')
        check('null sender' in away(i, '-n', '-d', name, data=letter_, env=dict(SENDER='<>')).out, 'a bounce is answered')
        check('Auto-Submitted' in away(i, '-n', '-d', name, data='Auto-Submitted: auto-replied\n' + letter_).out, 'a loop')
        check('your own' in away(i, '-n', '-d', '-a', 'boss', name, data=letter_, env=dict(SENDER='Boss@mail.test')).out, 'myself')
        away(i, '-x', data='# friends\n@loud.test\n')
        check('not long ago' in away(i, '-n', name, data=letter_, env=dict(SENDER='a@LOUD.test')).out, 'excluded')
        check('from %s\n' % name in away(i, '-n', '-d', '-R', name, name, data=letter_).out, '-R')


def test_what_is_wrong_is_told():
    with Instance() as i:
        name, letter_ = me(), LETTER % me()
        for words in ([], ['one', 'two'], ['-r', '5s', name], ['-r', '7x', name], ['-Q', name]):
            away(i, *words, code=64)
        away(i, 'no-such-account', code=67)
        check('answer' in away(i, '-d', name, data=letter_, code=167).err, 'no reason')
        away(i, '-d', name, data=letter_, code=169, env=dict(SENDER=''))
        for sender in ('a@b, c@d', 'a b@c', 'x' * 2000 + '@y', 'a@b\nto c'):
            away(i, '-d', name, data=letter_, code=168, env=dict(SENDER=sender))
        check(not i.spool('router'), 'something was sent')


def test_two_deliveries_at_once_answer_once():
    with Instance() as i:
        name = me()
        i.write('answer', 'Subject: away\n\nI am away.\n')
        words = [VACATION, '--root', i.root, '-f', i.path('answered'), '-m', i.path('answer'), name]
        running = [subprocess.Popen(words, stdin=subprocess.PIPE, env=dict(os.environ, SENDER='bob@mail.test')) for _ in range(8)]
        for p in running:
            p.stdin.write((LETTER % name).encode())
            p.stdin.close()
        check([p.wait(PATIENCE) for p in running] == [0] * 8, 'one failed')
        check(len(i.spool('router')) == 1, '%d answers' % len(i.spool('router')))


def test_start_and_stop():
    need_root()
    with Instance() as i:
        home = i.path('home')
        os.mkdir(home)
        os.chown(home, 64998, 64998)
        with open('/etc/passwd') as f:
            i.write('passwd', f.read() + 'away:x:64998:64998::%s:/bin/sh\n' % home)
        if subprocess.run(['unshare', '-m', 'mount', '--bind', i.path('passwd'), '/etc/passwd'], stderr=subprocess.DEVNULL).returncode:
            raise Skip('needs a mount name space')
        script = 'mount --bind "$1" /etc/passwd; shift; exec setpriv --reuid 64998 --regid 64998 --clear-groups "$@"'

        def away_(*words, code=0, data=''):
            return run('unshare', '-m', 'sh', '-c', script, 'sh', i.path('passwd'), VACATION, '--root', i.root, *words, code=code,
                       data=data, env=dict(LOGNAME='away', USER='away', SENDER='bob@mail.test'))
        check('.vacation.msg' in away_('start').out, 'not told')
        forward = i.read('home/.forward')
        check(forward == '\\away, "|%s away"\n' % os.path.realpath(VACATION), forward)
        check('$SUBJECT' in i.read('home/.vacation.msg') and os.path.exists(i.path('home/.vacation.db')), os.listdir(home))
        check('already' in away_('start', code=1).err, 'twice')
        if not i.emulated():
            away_('away', data=LETTER % 'away')
            check('Subject: Away from my mail: lunch' in i.contents(i.spool('router')[0]), 'no answer')
        away_('stop')
        check(not os.path.exists(i.path('home/.forward')) and os.path.exists(i.path('home/.vacforward')), os.listdir(home))
        away_('stop', code=1)


if __name__ == '__main__':
    main(sys.modules[__name__])
