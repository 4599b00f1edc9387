"""The router daemon: what happens to messages when it is stopped, misled or cannot go on."""
import json, pwd, sys
from zm import *

ROUTER = os.path.join(os.path.dirname(BIN), 'libexec/zmailer/router')


def test_a_stop_of_the_whole_group_loses_nothing_and_logs_no_error():
    with Instance(users=('alice', 'bob')).start('router') as i:
        for n in range(40):
            i.sendmail('-f', 'alice@mail.test', 'bob', data=letter(subject='n%d' % n))
        os.killpg(i.pid('router'), signal.SIGTERM)
        wait_no_processes(i)
        log = i.read('log/router')
        check(' error ' not in log and 'by=signal' not in log, 'errors at a stop:\n' + log)
        i.start('router')
        wait(lambda: len(i.spool('transport')) == 40, '40 routed messages', instances=[i])
        os.killpg(i.pid('router'), signal.SIGINT)
        wait_no_processes(i)
        log = i.read('log/router')
        check(' error ' not in log and 'by=signal' not in log, 'errors at a stop:\n' + log)



def put(i, name, to, text='x\n', mtime=None):
    """A message straight into the spool, as a submitter would rename it there."""
    put_raw(i, name, ('from alice@mail.test\nto %s\nenv-end\nSubject: %s\n\n%s' % (to, name, text)).encode(), mtime)


def put_raw(i, name, data, mtime=None):
    i.plant(name, data, mtime)


def test_a_message_that_kills_workers_is_parked():
    with Instance(users=('alice', 'bob')) as i:
        i.write('var/router.local.cf', 'protocols=(deadly routes smtp)\n'
                'deadly_neighbour (domain) {\n\t[ "$domain" = deadly.test ] || return 1\n\t/bin/kill -9 $$\n}\n')
        i.start('router')
        i.sendmail('-f', 'alice@mail.test', 'x@deadly.test', data=letter())
        for n in range(5):
            i.sendmail('-f', 'alice@mail.test', 'bob', data=letter(subject='n%d' % n))
        wait(lambda: len(i.spool('transport')) == 5 and len(i.spool('postman')) == 1, 'five routed and one parked',
             instances=[i])
        name = os.path.basename(i.spool('postman')[0])
        check(name.endswith('.killsrouter'), name)
        check('killed two workers' in i.read('log/router'), 'the reason is not in the log')
        # mended, and routed after all
        i.write('var/router.local.cf', '')
        i.zmailer('reload')
        wait(lambda: 'configuration loaded again' in i.read('log/router'), 'the reload', instances=[i])
        check('resubmitted 1' in i.zmailer('resubmit', 'postman/' + name).out, 'not resubmitted')
        wait(lambda: len(i.spool('transport')) == 6, 'the sixth', instances=[i])


def test_deferred_mail_comes_back_by_itself():
    with Instance() as i:
        i.append('etc/zmailer.conf', 'RESUBMIT_INTERVAL=1s\n')
        i.start()
        i.plant('deferred/987654.deferred', 'from alice@mail.test\nto bob\nenv-end\nSubject: again\n\nx\n')
        check(i.wait_mail('bob')[0]['Subject'] == 'again', 'another letter')
        check(counters(i)('ResubmittedMessages') >= 1, 'not counted')
        i.stop()
        i.append('etc/zmailer.conf', 'RESUBMIT_INTERVAL=soon\n')
        check('RESUBMIT_INTERVAL' in i.zmailer('start', 'router', code=78).err + i.read('log/router'), 'no reason')


def counters(i):
    said = json.loads(run(os.path.join(BIN, 'mailq'), '--root', i.root, '-M', '--json').out)
    return lambda name: said['RT.' + name]


def test_the_counters_tell_what_the_router_does():
    with Instance(users=('alice', 'bob')) as i:
        i.write('var/router.local.cf', 'protocols=(deadly routes smtp)\n'
                'deadly_neighbour (domain) {\n\t[ "$domain" = deadly.test ] || return 1\n\t/bin/kill -9 $$\n}\n')
        i.start('router')
        for n in range(3):
            i.sendmail('-f', 'alice@mail.test', 'bob@mail.test', 'x@far.test', data=letter(subject='n%d' % n))
        wait(lambda: counters(i)('TransmittedMessages') == 3, 'routed messages', instances=[i])
        c = counters(i)
        check((c('ReceivedMessages'), c('ReceivedRecipients'), c('TransmittedRecipients')) == (3, 6, 6), 'counts')
        check(c('ReceivedVolume-kB') == c('TransmittedVolume-kB') >= 3 and c('TransmittedVolume2-kB') >= 3, 'kB')
        wait(lambda: counters(i)('RouterProcesses-G') >= 1 and counters(i)('RouterProcessForks') >= 1, 'processes', instances=[i])
        i.sendmail('-f', 'alice@mail.test', 'x@deadly.test', data=letter())
        wait(lambda: counters(i)('RouterProcessFaults') >= 1, 'faults', instances=[i])
        wait(lambda: i.spool('postman'), 'the parked letter', instances=[i])
        i.stop('router')
        check(counters(i)('StoredMessages-G') == 0 and counters(i)('StoredVolume-kB-G') == 0, 'gauges')


def need_preload():
    preload = os.path.join(os.path.dirname(STAGE.rstrip('/')), 'tests', 'libzm-preload.so')
    if not os.path.exists(preload) or SANITIZE:
        raise Skip('needs ' + os.path.basename(preload))
    return preload


def test_what_the_system_cannot_tell_waits():
    need_root()
    preload = need_preload()
    games = pwd.getpwnam('games')
    with Instance(users=('alice', 'bob')) as i:
        i.zmailer('newaliases')
        os.makedirs(i.path('var/lists'), exist_ok=True)
        os.makedirs(i.path('home/alice'), exist_ok=True)
        i.write('var/lists/club', 'x1@l.test\n')
        i.write('var/lists/lost', 'x1@l.test\n')
        os.chown(i.path('var/lists/club'), games.pw_uid, -1)
        os.chown(i.path('var/lists/lost'), 4242424, -1)
        i.write('home/alice/.forward', 'x4@l.test\n')
        os.chown(i.path('home/alice/.forward'), games.pw_uid, -1)
        i.write('var/router.local.cf', 'homedirectory (user) {\n\t[ "$user" = alice ] || return 2\n\techo %s\n}\n' % i.path('home/alice'))
        i.append('var/router.local.cf', 'login2uid (user) {\n\t[ "$user" = alice ] && user=games\n\tbuiltin login2uid "$user"\n}\n')

        def says(address, **environment):
            said = run(ROUTER, '--root', i.root, '-t', address, code=None,
                       env=dict(os.environ, LD_PRELOAD=preload, **environment)).out
            return [l.strip() for l in said.splitlines() if '=> channel' in l or l.strip().startswith('channel')][-1]
        uid = str(games.pw_uid)
        for address, environment, wanted in (
                ('club-owner', {}, 'user games@'), ('club-owner', {'ZM_NO_ACCOUNT': uid}, 'hold  host HOME:uid#' + uid),
                ('lost-owner', {}, 'hold  host HOME:uid#4242424'),
                ('root-group', {}, 'nosuchuser'), ('root-group', {'ZM_NO_ACCOUNT': 'root'}, 'hold  host HOME:root'),
                ('alice', {}, 'user x4@l.test'), ('alice', {'ZM_NO_OPEN': '/.forward'}, 'hold  host IO:Input'),
                ('alice', {'ZM_NO_ACCOUNT': 'games'}, 'hold  host HOME:games'),
                ('club', {'ZM_NO_OPEN': '/lists/club'}, 'hold  host IO:Input')):
            check(wanted in says(address, **environment), (address, environment, wanted, says(address, **environment)))
        if i.emulated():
            return
        put(i, 'router/77', 'bob')
        os.chown(i.path('postoffice/router/77'), games.pw_uid, -1)
        r = run(ROUTER, '--root', i.root, '77', code=None, env=dict(os.environ, LD_PRELOAD=preload, ZM_NO_ACCOUNT=uid))
        check('cannot tell now who owns it' in r.err + r.out, r.out + r.err)
        left = i.spool('router')
        check(len(left) == 1 and not i.spool('deferred'), 'set aside for good')
        run(ROUTER, '--root', i.root, os.path.basename(left[0]), code=None)
        check(i.spool('transport'), 'not routed when the system can tell')


def test_the_system_log_has_a_line_for_each_message():
    preload = need_preload()
    with Instance(users=('alice', 'bob')) as i:
        told = i.path('syslog')

        def line(letters, text):
            i.append('etc/zmailer.conf', 'SYSLOGFLG=%s\n' % letters)
            put_raw(i, 'router/77', text.encode())
            left = [os.path.basename(n) for n in (i.spool('router') if not i.emulated() else ['77'])]
            run(ROUTER, '--root', i.root, *left, code=None, env=dict(os.environ, LD_PRELOAD=preload, ZM_SYSLOG=told))
            with open(told) as f:
                said = f.read()
            os.unlink(told)
            return [l for l in said.splitlines() if 'rrelay=' in l][0]
        text = 'rcvdfrom far.test\nfrom <ann@far.test>\nto bob\nto x@y.test\nenv-end\nMessage-Id: <%s@far.test>\n\n' % ('m' * 300)
        said = line('R', text)
        check(re.fullmatch(r'\d+ (router: )?S[\w-]+: from=<ann@far\.test>, rrelay=far\.test, size=%d, nrcpts=2, msgid=<m{199}, '
                           r'delay=\d\d:\d\d:\d\d, xdelay=00:00:\d\d, rusage=\d+\.\d\d/\d+\.\d\d' % len(text), said), said)
        said = line('r', text.replace('from <ann@far.test>', 'channel error').replace('m' * 300, 'm\tm'))
        check(re.fullmatch(r'\d+ (router: )?S[\w-]+:\tfrom=<>\trrelay=far\.test\tsize=\d+\tnrcpts=2\tmsgid=<m ?m@far\.test>\t'
                           r'delay=\S+\txdelay=\S+\trusage=\S+', said), repr(said))


def test_the_command_daemon_routes_what_comes():
    with Instance(users=('alice', 'bob')) as i:
        i.zmailer('newaliases')
        put(i, 'router/4711', 'bob')
        p = subprocess.Popen([ROUTER, '--root', i.root, '-i'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        p.stdin.write(b'type daemon\ndaemon\n')
        p.stdin.flush()
        wait(lambda: len(i.spool('transport')) == 1, 'the message that was there', instances=[i])
        i.sendmail('-f', 'alice@mail.test', 'bob', data=letter())
        wait(lambda: len(i.spool('transport')) == 2, 'the message that came', instances=[i])
        p.send_signal(signal.SIGTERM)
        out, err = p.communicate(timeout=60)
        check(b'daemon is a shell builtin' in out and p.returncode == 0, '%r %r %d' % (out, err, p.returncode))


def test_messages_that_were_set_aside_are_resubmitted_by_name():
    with Instance(users=('alice', 'bob')).start('router') as i:
        for name in ('deferred/101.ctrlfile', 'deferred/102.ctrlfile', 'freezer/103policy-1', 'postman/104._badheader',
                     'postman/105.noerraddr', 'postman/106:orphan'):
            put(i, name, 'bob')
        check('a copy' in i.zmailer('resubmit', 'postman/104._badheader', code=1).err, 'a copy was taken')
        for wrong in ('queue/104', '../etc/passwd', 'postman/../queue/1', 'router/5', 'deferred/x', 'deferred/999'):
            i.zmailer('resubmit', wrong, code=1)
        check(len(i.spool('deferred')) == 2, 'more than what was named')
        i.zmailer('resubmit', 'freezer/103policy-1', 'postman/105.noerraddr', 'deferred/102.ctrlfile', 'postman/106:orphan')
        wait(lambda: len(i.spool('transport')) == 4, 'four routed', instances=[i])
        i.zmailer('resubmit')
        wait(lambda: len(i.spool('transport')) == 5, 'the fifth', instances=[i])
        check(not i.spool('deferred') and not i.spool('freezer'), 'something is left')


def test_what_the_rules_break_is_deferred_and_routed_later():
    with Instance(users=('alice', 'bob')) as i:
        i.write('var/router.local.cf', 'crossbar (from, to) { returns (null (a b) c) }\n')
        i.start('router')
        i.sendmail('-f', 'alice@mail.test', 'bob', data=letter())
        wait(lambda: i.spool('deferred'), 'a deferred message', instances=[i])
        i.write('var/router.local.cf', '')
        i.zmailer('reload')
        wait(lambda: 'configuration loaded again' in i.read('log/router'), 'the reload', instances=[i])
        i.zmailer('resubmit')
        wait(lambda: i.spool('transport'), 'a routed message', instances=[i])


def test_a_configuration_with_errors_is_not_taken():
    with Instance(users=('alice', 'bob')).start('router') as i:
        i.write('var/router.local.cf', 'router () {\n\tif\n')
        i.write('share/router.cf', i.read('share/router.cf') + '\nif true; then\n')
        i.zmailer('reload')
        wait(lambda: 'the old configuration stays in force' in i.read('log/router'), 'a refusal', instances=[i])
        check(re.search(r'router\.cf.*line \d+, column \d+', i.read('log/router')), 'no place is named')
        i.sendmail('-f', 'alice@mail.test', 'bob', data=letter())
        wait(lambda: i.spool('transport'), 'a routed message', instances=[i])


def test_the_oldest_message_is_first():
    with Instance(users=('alice', 'bob')) as i:
        with open(i.path('etc/zmailer.conf'), 'a') as f:
            f.write('ROUTEROPTIONS="-dW -n 1"\n')
        now = int(time.time())
        for n in range(30):
            put(i, 'router/%d' % (1000 + n), 'u%d@x.test' % n, mtime=now - 1000 - (n * 7 % 30) * 10)
        i.start('router')
        wait(lambda: len(i.spool('transport')) == 30, 'thirty routed', instances=[i])
        order = [int(n) for n in re.findall(r'u(\d+)@x\.test', '\n'.join(
            line for line in i.read('log/router').splitlines() if 'fromto' in line))]
        check(order == sorted(range(30), key=lambda n: -(n * 7 % 30)), 'taken in the order %r' % order)


def test_hashed_and_secondary_directories_are_served():
    for levels in ('', '1'):
        with Instance(users=('alice', 'bob')) as i:
            i.append('etc/zmailer.conf', 'ROUTERDIRHASH=%s\nROUTERDIRS=router1:router2\n' % levels)
            i.make_directory('router1')
            i.start('router')
            i.make_directory('router/C')
            for n in range(10):
                i.sendmail('-f', 'alice@mail.test', 'bob', data=letter(subject='n%d' % n))
            put(i, 'router1/5555', 'bob')
            put(i, 'router/C/7777', 'bob')      # without a hint, in a hash directory
            wait(lambda: len(i.spool('transport')) == 12, 'twelve routed', instances=[i])
            check(not i.spool('router') and not i.spool('router1'), 'something is left')


def test_a_flood_in_one_directory_does_not_hold_up_another():
    with Instance(users=('alice', 'bob')) as i:
        i.append('etc/zmailer.conf', 'ROUTERDIRS=router1\n')
        i.make_directory('router1')
        for n in range(400):
            put(i, 'router1/%d' % (2000 + n), 'bulk%d@x.test' % n)
        put(i, 'router/77', 'bob')
        i.start('router')
        wait(lambda: 'bob' in ''.join(l for l in i.read('log/router').splitlines() if 'fromto' in l), 'bob', instances=[i])
        wait(lambda: len(i.spool('transport')) == 401, 'all routed', instances=[i])
        lines = [l for l in i.read('log/router').splitlines() if 'fromto' in l]
        at = [n for n, l in enumerate(lines) if 'bulk' not in l]
        check(at and at[0] < 390, 'the other directory waited: %r of %d' % (at, len(lines)))


def test_hostile_letters_leave_the_router_working():
    long_name = 'x' * 100000
    with Instance(users=('alice', 'bob')).start('router') as i:
        for n, line in enumerate(('To: ' + long_name + '@a.test', 'To: ' + '(' * 50000 + ')' * 50000 + ' bob@mail.test',
                                  'To: g: ' + 'a, ' * 30000 + ';', 'From: ' + '<' * 30000, 'Cc: "' + '\\' * 90000,
                                  'To: ' + '@a,' * 20000 + '@b:c@d', 'To: \x01\x7f\xff\x00@mail.test', 'To: Bob <bob@mail.test> trailing <')):
            put(i, 'router/%d' % (300 + n), 'bob')
            raw = line.encode('latin-1')
            put_raw(i, 'router/%d' % (400 + n), b'from alice@mail.test\nto bob\nenv-end\n' + raw + b'\nSubject: x\n\nx\n')
            put_raw(i, 'router/%d' % (500 + n), b'from alice@mail.test\nto ' + raw[4:] + b'\nenv-end\nSubject: x\n\nx\n')
        wait(lambda: not i.spool('router'), 'an empty input directory', instances=[i])
        log = i.read('log/router')
        check('worker ended' not in log and 'stuck' not in log, 'a worker died:\n' + log[-3000:])
        check(len(i.spool('transport')) >= 16, 'the good ones are not all there')


def without_rights(i):
    """Makes the workers run as daemon, who may write the spool and nothing else."""
    who = pwd.getpwnam('daemon')
    for where, directories, names in os.walk(i.path('postoffice')):
        for n in [where] + [os.path.join(where, n) for n in names]:
            os.chown(n, who.pw_uid, who.pw_gid)
    i.append('etc/zmailer.conf', 'ROUTERUSER=daemon\n')


def control_files(i):
    texts = {}
    for path in i.spool('transport'):
        with open(path, errors='replace') as f:
            text = f.read()
        for line in text.splitlines():
            if re.match(r'r\s', line):
                words = line.split()
                texts[words[3]] = words[1:]
    return texts


def test_workers_without_rights_read_files_as_their_owners():
    need_root()
    games = pwd.getpwnam('games').pw_uid
    with Instance(users=('alice', 'bob')) as i:
        if i.emulated():    # its objects have no descriptors that could be handed over
            raise Skip('needs a native spool')
        without_rights(i)
        os.makedirs(i.path('var/lists'), exist_ok=True)
        os.makedirs(i.path('home/bob'))
        for name, text in (('var/lists/club', 'x1@l.test\n":include:%s"\n' % i.path('home/more')),
                           ('var/lists/open', 'x2@l.test\n'), ('home/more', 'x3@l.test\n'),
                           ('home/bob/.forward', 'x4@l.test\n"\\bob"\n')):
            i.write(name, text)
            os.chown(i.path(name), games, -1)
            os.chmod(i.path(name), 0o600)
        os.chmod(i.path('var/lists/open'), 0o666)      # anybody may have written it: nobody's
        os.chown(i.path('home/bob'), games, -1)
        i.write('var/router.local.cf', 'homedirectory (user) {\n\t[ "$user" = bob ] && echo %s && return 0\n\treturn 2\n}\n'
                'login2uid (user) { echo %d }\n' % (i.path('home/bob'), games))
        i.start('router')
        workers = [p for p, line in processes_of(i.root).items() if '--worker' in line]
        check(all(os.stat('/proc/%d' % p).st_uid == pwd.getpwnam('daemon').pw_uid for p in workers), 'workers are root')
        began = time.monotonic()
        i.sendmail('-f', 'alice@mail.test', 'club', 'open', 'bob', data=letter())
        wait(lambda: i.spool('transport'), 'a routed message', instances=[i])
        check(time.monotonic() - began < 30, 'the helper does not answer')
        found = control_files(i)
        check(found['x1@l.test'][3] == str(games), 'list: %r' % found)
        check(found['x3@l.test'][3] == str(games), 'included file: %r' % found)
        check(found['x2@l.test'][3] == str(pwd.getpwnam('nobody').pw_uid), 'writable list: %r' % found)
        check(found['x4@l.test'][3] == str(games) and 'bob' in found, '.forward: %r' % found)


def test_questions_of_the_smtp_server_are_answered():
    with Instance(users=('alice', 'bob')) as i:
        i.zmailer('newaliases')
        out = run(os.path.join(MAILBIN, 'router'), '--root', i.root, '-i', '-I', 'smtpserver',
                  data='to\tbob@mail.test\nto\tbob@mail.test\nto\tnosuch@mail.test\nto\t<>\nto\ta b\nfrom\t\nverify\tbob\n'
                       'hello\t[1.2.3.4] x\nnonsense\t\nto\t-n@mail.test\n').out
        answers = [a.strip() for a in out.split('#hungry\n')]
        check(answers[0] == '' and answers[-1] == '', 'not hungry at first and at last: %r' % out)
        codes = [a[:3] for a in answers[1:-1]]
        check(codes == ['250', '250', '554', '250', '554', '250', '250', '250', '550', '554'], repr(answers))
        check('<bob@mail.test>' in answers[7], answers[7])


if __name__ == '__main__':
    main(sys.modules[__name__])
