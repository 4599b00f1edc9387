"""Mail for programs by the table of mailers: from submission to what the program reads, and what comes of its end."""
import pwd, stat, sys
from zm import *

CLAUSES = '''\
PARAMauthfile = "${MAILSHARE}/scheduler.auth"
PARAMmailqsock = "UNIX:${POSTOFFICE}/.mailq.sock"
*/*	interval=1s idlemax=60s expiry=3d retries="1 1 1 2 2" skew=1
	maxchannel=0 maxring=20 maxta=0 overfeed=150 user=root group=root
local/*	command="mailbox"
error/*	command=errormail
fax/*	command="sm -8c $channel $channel"
batch/*	command="sm -c $channel batch"
'''


def instance(flags, words, script):
    """An instance where mail for fax.test and batch.test goes to mailers that run a shell script in its root."""
    i = Instance()
    i.write('share/scheduler.conf', CLAUSES)
    i.write('mailer', '#!/bin/sh\ncd %s\n%s\n' % (i.root, script))
    os.chmod(i.path('mailer'), stat.S_IRWXU)
    i.write('share/sm.conf', 'fax %s %s mailer %s\nbatch mbnR %s mailer\n' % (flags, i.path('mailer'), words, i.path('mailer')))
    i.append('var/db/routes', 'fax.test\tfax!hub\nbatch.test\tbatch!hub\n')
    return i


def read(i, name):
    return i.read(name) if os.path.exists(i.path(name)) else ''


def test_letter_and_addresses_reach_the_program():
    with instance('nP', '$g $h -- $u', 'echo "$@" >>words; cat >>letter') as i:
        i.start()
        i.sendmail('-f', 'alice@mail.test', '--', 'one@fax.test', '-two@fax.test', data=letter(to='one@fax.test'))
        wait(lambda: read(i, 'words').count('\n') == 2, 'two processes', instances=[i])
        check(sorted(read(i, 'words').splitlines()) == ['alice@mail.test hub -- -two@fax.test',
                                                        'alice@mail.test hub -- one@fax.test'], read(i, 'words'))
        i.wait_empty()
        got = read(i, 'letter')
        check(got.count('\nReturn-Path: <alice@mail.test>\n\nHello.\n') == 2, got)
        check(not i.mbox('alice'), 'a report came')


def test_a_program_that_fails_for_now_is_run_again():
    with instance('n', '$u', 'if [ -e tried ]; then cat >letter; else touch tried; echo not now; exit 75; fi') as i:
        i.start()
        i.sendmail('-f', 'alice@mail.test', 'one@fax.test', data=letter(to='one@fax.test'))
        wait(lambda: 'Hello.' in read(i, 'letter'), 'the second attempt', instances=[i])
        i.wait_empty()
        check(not i.mbox('alice'), 'a report came')


def test_a_program_that_fails_for_good_is_reported():
    with instance('n', '$u', 'cat >/dev/null; echo no such number; exit 67') as i:
        i.start()
        i.sendmail('-f', 'alice@mail.test', 'one@fax.test', data=letter(to='one@fax.test'))
        text = i.wait_mail('alice')[0].as_string()
        check('no such number' in text and 'Status: 5.1.1' in text, text)


def test_an_address_is_no_option():
    with instance('n', '$u', 'echo "$@" >>words') as i:
        i.start()
        i.sendmail('-f', 'alice@mail.test', '--', '-oQ/tmp@fax.test', data=letter(to='one@fax.test'))
        text = i.wait_mail('alice')[0].as_string()
        check('Status: 5.1.3' in text and 'could take it for something else' in text, text)
        check(read(i, 'words') == '', read(i, 'words'))


def test_batches_follow_each_other():
    with instance('n', '$u', 'cat >>batch') as i:
        i.start()
        for n in range(3):
            i.sendmail('-f', 'alice@mail.test', 'a@batch.test', 'b@batch.test',
                       data=letter(subject='number %d' % n, to='a@batch.test', body='.\nFrom here\n'))
        wait(lambda: read(i, 'batch').count('DATA') == 3, 'three batches', instances=[i])
        i.wait_empty()
        with open(i.path('batch'), newline='') as f:
            batches = f.read().split('\r\n.\r\n')
        check(len(batches) == 4 and batches[3] == '', repr(batches))
        for b in batches[:3]:
            check(b.startswith('MAIL From:<alice@mail.test>\r\nRCPT TO:<a@batch.test>\r\nRCPT TO:<b@batch.test>\r\nDATA\r\n')
                  and b.endswith('\r\n\r\n..\r\nFrom here'), repr(b))


def test_a_mailer_that_is_not_there_keeps_its_mail():
    with instance('n', '$u', 'cat >letter') as i:
        i.write('share/sm.conf', '# none\n')
        i.start()
        i.sendmail('-f', 'alice@mail.test', 'one@fax.test', data=letter(to='one@fax.test'))
        wait(lambda: 'channel=fax with=status code=72' in i.logs(), 'the complaint', instances=[i])
        check(len(i.spool('transport')) == 1 and not i.mbox('alice'), 'the letter is gone')


def test_stock_mailers_have_no_rights_of_root():
    if os.geteuid() != 0 or os.environ.get('ZM_TEST_SPOOL'):
        return
    with contextlib.suppress(KeyError), Instance(fast=False) as i:
        account = pwd.getpwnam('daemon')
        for where, names, _ in os.walk(i.path('postoffice')):         # as the guide makes the spool
            for n in [where] + [os.path.join(where, n) for n in names]:
                os.chown(n, account.pw_uid, account.pw_gid)
                os.chmod(n, stat.S_IMODE(os.stat(n).st_mode) | stat.S_ISGID)
        i.write('mailer', '#!/bin/sh\nid -u >%s\nid -g >>%s\ncat >/dev/null\n' % ((i.path('who'),) * 2))
        os.chmod(i.path('mailer'), 0o755)
        i.write('who', '')
        os.chown(i.path('who'), account.pw_uid, account.pw_gid)
        i.write('share/sm.conf', 'uucp U %s mailer $u\n' % i.path('mailer'))
        i.append('var/db/routes', 'fax.test\tuucp!hub\n')
        i.start()
        i.sendmail('-f', 'alice@mail.test', 'one@fax.test', data=letter(to='one@fax.test'))
        wait(lambda: read(i, 'who').count('\n') == 2, 'the mailer', instances=[i])
        check(read(i, 'who') == '%d\n%d\n' % (account.pw_uid, account.pw_gid), read(i, 'who'))
        i.wait_empty()


def test_usage():
    sm = os.path.join(MAILBIN, 'ta/sm')
    for words in ([], ['-c', 'x'], ['mailer'], ['-c', 'x', 'one', 'two'], ['-c', 'x', '-y', 'one'],
                  ['-c', 'x', '-O', 'y', 'one']):
        run(sm, *words, code=64)
    with instance('n', '$u', 'exit 0') as i:
        conf = [i.path(w, n) for w, _, names in os.walk(i.root) for n in names if n == 'zmailer.conf'][0]
        p = run(sm, '-c', 'fax', 'none', code=72, env={'ZCONFIG': conf})
        check('there is no mailer none' in p.err, p.err)
        p = run(sm, '-w', '80', '-v', '-c', 'fax', 'fax', data='#idle\n\n', env={'ZCONFIG': conf})
        check(p.out == '#hungry\n#hungry\n', p.out)


if __name__ == '__main__':
    main(sys.modules[__name__])
