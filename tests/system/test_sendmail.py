"""sendmail: what stands in the spool afterwards, and what it exits with."""
import errno, pwd, stat, sys
from zm import *

SENDMAIL = os.path.join(BIN, 'sendmail')
TEXT = 'Subject: x\n\ny\n'


def queued(i):
    """The one message in the input directory, which is taken out."""
    names = i.spool('router')
    check(len(names) == 1, 'not one message: %r' % names)
    text = i.contents(names[0])
    i.zmailer('spool', 'rm', *['router/' + os.path.basename(n) for n in names])
    return text


def envelope(i):
    return queued(i).split('env-end\n')[0].splitlines()


def recipients(i):
    return [line[3:] for line in envelope(i) if line.startswith('to ')]


def nothing_queued(i):
    check(not i.spool('router') and not i.zmailer('spool', 'ls', 'public').out, 'something is left')


def test_what_the_environment_says_cannot_forge_or_spoil_lines():
    with Instance() as i:
        bad = dict(LOGNAME='a\nto (mallory', PRETTYLOGIN='b\nto mallory', FULLNAME='\x01\n, x')
        i.sendmail('bob', data=TEXT, env=bad)
        lines = envelope(i)
        check(lines[0] == 'rcvdfrom STDIN (a?to ?mallory@mail.test)', lines)
        check(not any(l.startswith(('loginname', 'fullname')) for l in lines), lines)
        i.sendmail('bob', data=TEXT, env=dict(LOGNAME='joe', FULLNAME='& J. "Jo" Doe, room 5', PRETTYLOGIN='j.doe@mail.test'))
        lines = envelope(i)
        check(lines[:2] == ['fullname "Joe J. \\"Jo\\" Doe"', 'loginname j.doe@mail.test'], lines)
        i.sendmail('-F', 'Doe, Jane', 'bob', data=TEXT)
        check('fullname "Doe, Jane"' in envelope(i), 'the name is cut')


def test_a_word_without_an_address_is_refused():
    with Instance() as i:
        for word in ('', ' ', ',', '(nobody)'):
            check('no address' in i.sendmail('-i', word, data='To: all@far.test\n' + TEXT, code=65).err, 'no reason')
        nothing_queued(i)


def test_words_beside_the_recipients_of_the_header():
    header = 'To: all@far.test, Ann <ann@Far.test>\nBcc: "q r"@far.test\n' + TEXT
    with Instance() as i:
        i.sendmail('-t', 'joe', data=header)
        check(recipients(i) == [], 'words count')
        i.append('etc/zmailer.conf', 'SENDMAIL_T_ARGS=add\n')
        i.sendmail('-t', 'joe', 'ann@far.test', data=header)
        check(recipients(i) == ['"q r"@far.test', 'all@far.test', 'ann@Far.test', 'joe'], 'others')
        i.sendmail('-t', 'joe', data='Resent-To: bob\n' + header)
        check(recipients(i) == ['bob', 'joe'], 'not the resent ones')
        i.sendmail('-t', 'joe', data='To: a@far.test\nSubject: no body')
        check(recipients(i) == ['a@far.test', 'joe'], 'others')
        check('field To is malformed' in i.sendmail('-t', 'joe', data='To: Ann <ann\n' + TEXT, code=65).err, 'no reason')
        i.append('etc/zmailer.conf', 'SENDMAIL_T_ARGS=remove\n')
        i.sendmail('-t', 'ann@FAR.test', data=header)
        check(recipients(i) == ['"q r"@far.test', 'all@far.test'], 'others')
        check('no recipients' in i.sendmail('-t', 'bob', data='To: bob\n' + TEXT, code=65).err, 'no reason')
        i.append('etc/zmailer.conf', 'SENDMAIL_T_ARGS=perhaps\n')
        check('ignore, add or remove' in i.sendmail('-t', 'bob', data='To: bob\n' + TEXT, code=78).err, 'no reason')
        nothing_queued(i)


def test_closed_standard_streams():
    with Instance() as i:
        shell = '"%s" --root "%s" ' % (SENDMAIL, i.root)
        p = run('sh', '-c', shell + 'bob <&-', code=74)
        check('standard input' in p.err, p.err)
        run('sh', '-c', shell + 'bob < /', code=74)
        run('sh', '-c', shell + 'bob <&- >&- 2>&-', code=74)
        nothing_queued(i)
        run('sh', '-c', 'echo hi | ' + shell + '-v bob >&- 2>&-')   # what -v shows has nowhere to go
        check(queued(i).endswith('env-end\n\nhi\n'), 'something else was written')


def test_a_closed_standard_error_is_not_replaced_by_the_message():
    with Instance() as i:
        i.append('etc/zmailer.conf', 'MAX_SUBMIT_SIZE=300\n')
        run('sh', '-c', 'yes | head -500 | "%s" --root "%s" bob 2>&-' % (SENDMAIL, i.root), code=65)
        nothing_queued(i)
        check('MAX_SUBMIT_SIZE, 300 bytes' in i.sendmail('bob', data='x\n' * 500, code=65).err, 'no reason')


def hung_up(i, ignored):
    """Sends SIGHUP to a sendmail that waits for input; its exit status."""
    def prepare():
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    p = subprocess.Popen([SENDMAIL, '--root', i.root, 'bob'], stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=prepare)
    p.stdin.write(TEXT.encode() * 100)
    p.stdin.flush()
    wait(lambda: waits_for_input(p.pid), 'it to read')
    p.send_signal(signal.SIGHUP)
    with contextlib.suppress(subprocess.TimeoutExpired):
        return p.wait(0.5 if ignored else PATIENCE)
    p.stdin.close()
    return p.wait(PATIENCE)


def waits_for_input(pid):
    with open('/proc/%d/stat' % pid) as f:
        state = f.read().rpartition(')')[2].split()[0]
    with open('/proc/%d/status' % pid) as f:
        caught = int(re.search(r'Sig(?:Cgt):\s+(\w+)', f.read()).group(1), 16)
    return state == 'S' and caught & 1 << signal.SIGTERM - 1


def test_a_hangup_leaves_nothing_and_nohup_is_obeyed():
    if not os.path.isdir('/proc/self'):
        raise Skip('needs /proc')
    with Instance() as i:
        check(hung_up(i, False) == 75, 'not 75')
        nothing_queued(i)
        check(hung_up(i, True) == 0, 'it ended')
        queued(i)


def test_modes():
    with Instance() as i:
        i.zmailer('newaliases')
        p = i.sendmail('-d0.1', '-bv', 'bob', data='')
        check(p.out.startswith('sendmail (ZMailer)') and 'bob' in p.out, p.out)
        check('ZMailer' in i.sendmail('-d0', data='').out, 'no version')
        p = i.sendmail('-bv', '--', '--help', 'bob,carol', data='', code=None)
        check('Usage' not in p.out and '--help' in p.out and 'carol' in p.out, p.out)
        check('needs addresses' in i.sendmail('-bv', data='', code=64).err, 'no reason')
        i.sendmail('-oMrESMTP', '-oMs', 'client.far.test', 'bob', data=TEXT)
        check(recipients(i) == ['bob'], 'a macro took it')
        for name, words, said in (('hoststat', [], 'not supported'), ('mailq', ['--root', i.root, '-ss'], '0 entries')):
            os.symlink(SENDMAIL, i.path(name))
            check(said in run(i.path(name), *words).out, name)


LIBRARY = """
import ctypes, os, sys
lib, c = ctypes.CDLL(sys.argv[1], use_errno=True), ctypes.CDLL(None)
lib.mail_open.restype = ctypes.c_void_p
for f in (lib.mail_close, lib.mail_abort): f.argtypes = [ctypes.c_void_p]
c.fputs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
m = lib.mail_open(b'')
c.fputs(b'from ann@far.test\\nto bob\\nenv-end\\nSubject: x\\n\\ny\\n', m)
sys.exit(0 if lib.mail_close(m) == 0 else ctypes.get_errno())
"""


def test_the_library_writes_the_same_first_lines():
    if SANITIZE:
        raise Skip('the interpreter is built without the sanitizer')
    with Instance() as i:
        library = [sys.executable, '-c', LIBRARY, os.path.join(STAGE, 'lib/libzmailer.so')]
        env = dict(ZMAILER_ROOT=i.root, FULLNAME='J. Doe, room 5', LOGNAME='a)b', PRETTYLOGIN='\n')
        run(*library, env=env)
        lines = envelope(i)
        check(lines[0] == 'fullname "J. Doe"' and lines[1].startswith('rcvdfrom STDIN (a?b@') and lines[2] == 'from ann@far.test', lines)
        i.append('etc/zmailer.conf', 'MAX_SUBMIT_SIZE=20\n')
        run(*library, env=env, code=errno.EFBIG)
        i.append('etc/zmailer.conf', 'SUBMIT_FSYNC=perhaps\n')
        check(run(*library, env=env, code=None).returncode not in (0, 1), 'submitted')
        nothing_queued(i)


def test_smtp_on_standard_input_has_its_own_configuration():
    with Instance() as i:
        i.append('etc/zmailer.conf', 'SMTPOPTIONS="-d 2 -p 2599 -I .pid.other -s ve"\n')
        check('220 ' in i.sendmail('-bs', data='QUIT\r\n').out, 'no greeting')
        i.write('share/sendmail-smtp-in.conf', i.read('share/smtpserver.conf') + 'PARAM hdr220 %H on the stdin\n')
        check('on the stdin' in i.sendmail('-bs', data='QUIT\r\n').out, 'another configuration')
        check(not os.path.exists(i.path('postoffice/.pid.other')), 'it took a pid file')


def test_who_follows_at_a_terminal_ends_with_it():
    import pty
    with Instance() as i:
        if i.emulated():
            raise Skip('there are no traces')
        for number in (signal.SIGHUP, signal.SIGTERM):
            ours, theirs = pty.openpty()
            p = subprocess.Popen([SENDMAIL, '--root', i.root, '-v', 'bob'], stdin=subprocess.PIPE, stderr=theirs)
            p.stdin.write(TEXT.encode())
            p.stdin.close()
            wait(lambda: i.spool('router'), 'the message')
            queued(i)
            wait(lambda: p.poll() is not None or p.send_signal(number), 'its end')
            check(p.returncode == -number, p.returncode)
            os.close(ours)
            os.close(theirs)


def test_another_way_of_submission_is_no_secret_wish():
    with Instance() as i:
        i.append('etc/zmailer.conf', 'SUBMIT_TRANSPORT=pigeon\n')
        check('expected dropbox, socket' in i.sendmail('bob', data=TEXT, code=78).err, 'no reason')


def test_following_an_empty_message_ends():
    with Instance() as i:
        i.sendmail('-v', 'bob', data='', timeout=20)
        nothing_queued(i)
        check(not any('--follow' in line for line in processes_of(i.root).values()), 'somebody follows')


def as_nobody(i, *words, program=SENDMAIL, data=TEXT, code=0, env=None):
    nobody = pwd.getpwnam('nobody')

    def become():
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    p = subprocess.run([program, '--root', i.root, *words], input=data.encode(), stderr=subprocess.PIPE, preexec_fn=become,
                       env=dict(os.environ, **(env or {})))
    p.err = p.stderr.decode()
    check(p.returncode == code, '%d: %s' % (p.returncode, p.err))
    return p


def test_a_set_user_id_bit_gives_nothing():
    need_root()
    with Instance() as i:
        if i.emulated():
            raise Skip('the database belongs to one account')
        copy = i.path('bin/sendmail')
        os.mkdir(i.path('bin'))
        shutil.copy(SENDMAIL, copy)
        for mode in (0o4755, 0o2755, 0o6755):
            os.chmod(copy, mode)
            as_nobody(i, 'bob', program=copy)
            name = i.spool('router')[0]
            check(os.stat(name).st_uid == pwd.getpwnam('nobody').pw_uid, 'owner %d' % os.stat(name).st_uid)
            check(not any(line.startswith('from') for line in envelope(i)), 'it speaks for another')


def saving(i, home, *words, code):
    """Runs sendmail as an account with that home, made for it in a name space of its own."""
    with open('/etc/passwd') as f:
        i.write('passwd', f.read() + 'writer:x:64999:64999:A writer:%s:/bin/sh\n' % home)
    if subprocess.run(['unshare', '-m', 'mount', '--bind', i.path('passwd'), '/etc/passwd'], stderr=subprocess.DEVNULL).returncode:
        raise Skip('needs a mount name space')
    script = 'mount --bind "$1" /etc/passwd; shift; exec setpriv --reuid 64999 --regid 64999 --clear-groups "$@"'
    return run('unshare', '-m', 'sh', '-c', script, 'sh', i.path('passwd'), SENDMAIL, '--root', i.root, *words, 'bob',
               data='From me\nno header\nFrom here on\n', code=code)


def test_what_cannot_be_queued_is_saved():
    need_root()
    with Instance() as i:
        if i.emulated():
            raise Skip('the database belongs to one account')
        home, letter_ = i.path('home'), i.path('home/dead.letter')
        os.mkdir(home)
        os.chown(home, 64999, 64999)
        for directory in ('public', 'router'):
            os.chmod(i.path('postoffice', directory), 0o755)
        p = saving(i, home, code=75)            # nobody sits at a terminal
        check('Permission denied' in p.err and not os.path.exists(letter_), p.err)
        p = saving(i, home, '-oem', code=75)
        check('saved in ' + letter_ in p.err, p.err)
        with open(letter_) as f:
            lines = f.read().splitlines()
        check(lines[0].startswith('From writer ') and lines[1:] == ['', '>From me', 'no header', '>From here on', ''], lines)
        check(stat.S_IMODE(os.stat(letter_).st_mode) == 0o600, 'others can read it')
        os.rename(letter_, i.path('mail/other'))
        os.symlink(i.path('mail/other'), letter_)
        check('not saved' in saving(i, home, '-oem', code=73).err, 'a link was followed')
        os.unlink(letter_)
        i.append('etc/zmailer.conf', 'DEADLETTER=no\n')
        check('saved' not in saving(i, home, '-oem', code=75).err and not os.path.exists(letter_), 'saved')
        check(saving(i, home, '-oeq', code=75).err == '', 'not quiet')


if __name__ == '__main__':
    main(sys.modules[__name__])
