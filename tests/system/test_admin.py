"""zmailer, mailq, newaliases."""
import json, sys
from zm import *


def test_status_start_stop():
    with Instance() as i:
        check(i.zmailer('status', code=3).out.count('not running') == 3, 'something runs')
        i.start()
        check(i.zmailer('status').out.count('running (pid') == 3, 'not all run')
        state = json.loads(i.zmailer('--json', 'status').out)
        check(all(d['running'] for d in state.values()), repr(state))
        i.stop('scheduler')
        i.zmailer('status', code=4)
        i.stop()
        i.zmailer('status', code=3)
        wait_no_processes(i)


def test_a_frozen_spool_starts_nothing():
    with Instance() as i:
        i.zmailer('freeze')
        check('frozen' in i.zmailer('start', code=2).err, 'no reason')
        i.zmailer('thaw')
        i.start()


def test_mail_waits_while_daemons_are_down():
    with Instance() as i:
        i.sendmail('-f', 'alice@mail.test', 'bob', data=letter())
        check(len(i.spool('router')) == 1, 'not queued')
        i.start('router')
        wait(lambda: i.spool('transport'), 'routing', instances=[i])
        i.start('scheduler')
        i.wait_mail('bob')


def test_the_queue_is_shown():
    with Instance(smart_host='[127.0.0.1]:%d' % free_port()).start() as i:
        i.submit('alice@mail.test', ['x@far.test'], letter(to='x@far.test'))
        wait(lambda: 'x@far.test' in i.mailq().out, 'the recipient in mailq', instances=[i])
        queue = json.loads(i.mailq('--json').out)
        check('far.test' in json.dumps(queue), repr(queue))
        check(i.mailq('-Q').out.strip(), 'mailq -Q says nothing')


def test_the_spool_is_counted():
    counted = lambda i, *w: re.sub(re.escape(i.path('postoffice')), 'P', i.mailq('-ss', *w).out).splitlines()
    with Instance() as i:
        never = ['0 entries in P/router/ directory: never started', '0 messages in P/transport/ directory: never started']
        check(counted(i) == never, counted(i))
        i.make_directory('router2')
        i.plant('router2/987650', 'from alice@mail.test\nto bob\nenv-end\nSubject: x\n\nx\n')
        i.plant('deferred/987654.deferred', 'from alice@mail.test\nto bob\nenv-end\nSubject: x\n\nx\n')
        check(counted(i) == [never[0], '1 entry in P/router2/ directory: never started', '1 message deferred', never[1]], counted(i))
        check('non-local' in i.mailq('-ss', 'other.test').out, i.mailq('-ss', 'other.test').out)
        state = {d['directory']: d for d in json.loads(i.mailq('-ss', '--json').out)}
        check(state['router2']['messages'] == state['deferred']['messages'] == 1, state)
        check(state['transport'] == {'directory': 'transport', 'messages': 0, 'daemon': 'never started'}, state)
        check('one thing' in i.mailq('-s', '--json', code=64).err, 'two things')
        i.start('scheduler')
        check('router2/987650: it waits for the router' in i.mailq('--explain', '987650').out, i.mailq('--explain', '987650').out)
        i.stop()
        i.start('router')
        wait(lambda: counted(i)[:2] == ['0 entries in P/router/ directory: idle', '1 message deferred'], 'routing', instances=[i])
        i.stop('router')
        i.write('postoffice/.pid.router', '1073741824\n')
        check(counted(i)[0].endswith(': no daemon'), counted(i))
        check(counted(i)[-1] == '1 message in P/transport/ directory: never started', counted(i))


def test_words_are_done_in_order_and_to_the_end():
    with Instance() as i:
        i.zmailer('newal', 'freeze')
        check(os.path.exists(i.path('var/db/aliases.sqlite')), 'no aliases')
        check('frozen' in i.zmailer('newdb', 'scheduler', code=2).err, 'the last word is lost')
        p = i.zmailer('nonsense', 'unfr', 'status', code=1)
        check('unknown word "nonsense"' in p.err and 'not running' in p.out and 'frozen' not in p.out, p.out + p.err)
        i.zmailer('new-local', 'killr')
        check(os.path.exists(i.path('var/db/localnames.sqlite')), 'no localnames')
        check('ZMailer' in i.zmailer('version').out, 'no version')
        check('0 entries' in i.zmailer('mailq', '-ss').out, 'options of mailq are not its own')
        check('say which' in i.zmailer('hold', code=64).err, 'held nothing')
        i.write('etc/zmailer.conf', i.read('etc/zmailer.conf') + 'LOGDIR=%s\n' % i.path('log'))
        check('LOGDIR is set again' in i.zmailer('status', code=3).err, 'no warning')


def test_a_service_manager_starts_and_stops():
    with Instance() as i:
        i.write('manager', '#!/bin/sh\necho "$@" >> %s\n[ $2 != zmailer-smtpserver ]\n' % i.path('called'))
        os.chmod(i.path('manager'), 0o755)
        i.append('etc/zmailer.conf', 'SERVICE_MANAGER="%s %%v zmailer-%%d"\n' % i.path('manager'))
        check('smtpserver: SERVICE_MANAGER restart ended with 1' in i.zmailer('start', code=1).err, 'all is well')
        i.zmailer('stop', 'router')
        check(i.read('called').splitlines() == ['restart zmailer-router', 'restart zmailer-scheduler', 'restart zmailer-smtpserver',
                                                'stop zmailer-router'], i.read('called'))
        i.zmailer('status', code=3)
        i.write('called', '')
        i.zmailer('nuke')
        check(i.read('called') == '', 'nuke asks')


def test_no_daemon_starts_without_mailboxes():
    with Instance() as i:
        os.rename(i.path('mail'), i.path('elsewhere'))
        check('is no directory' in i.zmailer('start', code=1).err, 'no reason')
        check(i.zmailer('status', code=3).out.count('not running') == 3, 'something runs')


def test_several_servers():
    with Instance() as i:
        conf, other = i.read('share/smtpserver.conf'), free_port()
        os.unlink(i.path('share/smtpserver.conf'))
        os.mkdir(i.path('share/smtpserver.conf'))
        i.write('share/smtpserver.conf/inner', conf)
        i.write('share/smtpserver.conf/outer', conf.replace(str(i.port), str(other)))
        i.write('share/smtpserver.conf/.outer', '-l ${LOGDIR}/outer\n')
        i.start()
        out = i.zmailer('status').out
        check('smtpserver/inner running' in out and 'smtpserver/outer running' in out, out)
        for port in (i.port, other):
            with smtplib.SMTP('127.0.0.1', port, timeout=PATIENCE) as s:
                s.sendmail('alice@mail.test', ['bob@mail.test'], letter())
        i.wait_mail('bob', 2)
        check(os.path.exists(i.path('log/outer')) and not os.path.exists(i.path('log/inner')), os.listdir(i.path('log')))
        i.stop('smtpserver/outer')
        check('smtpserver/outer not running' in i.zmailer('status', code=4).out, 'it runs')
        check('is running on this spool' in i.zmailer('spool', 'repair', code=75).err, 'nobody minds the daemons')
        i.zmailer('reload')
        i.stop('smtp')
        i.stop()
        i.zmailer('bootclean')
        wait_no_processes(i)


def test_the_freezer():
    message = 'from ann@far.test\ntodsn ORCPT=rfc822;bob\nto bob\nto carol\nenv-end\nSubject: %d\n\nto x\n'
    with Instance() as i:
        check('empty' in i.zmailer('freezer', 'list').out, 'not empty')
        names = ['freezer/%dpolicy-1' % n for n in (111, 222, 333)]
        for n, name in enumerate(names):
            i.plant(name, message % n, mtime=time.time() - (n == 2) * 40 * 86400)
        lines = i.zmailer('freezer', 'list').out.splitlines()
        check(len(lines) == 3 and all(l.endswith('ann@far.test -> bob and 1 more') for l in lines), lines)
        found = json.loads(i.zmailer('--json', 'freezer', 'list').out)
        check([m['recipients'] for m in found] == [2, 2, 2] and found[0]['sender'] == 'ann@far.test', found)
        check(i.zmailer('freezer', 'show', '111').out == message % 0, 'another text')
        check('released ' + names[1] in i.zmailer('freezer', 'release', '222').out, 'not told')
        check('Subject: 1' in i.contents(i.spool('router')[0]), 'not there')
        check('deleted ' + names[2] in i.zmailer('freezer', 'expire', '30').out, 'not told')
        i.zmailer('freezer', 'delete', names[0])
        check(not i.spool('freezer'), i.spool('freezer'))
        check('no 111' in i.zmailer('freezer', 'delete', '111', code=66).err, 'no reason')
        for wrong in ([], ['release'], ['list', '1'], ['thaw', '1'], ['expire', 'soon'], ['expire', '1', '2']):
            i.zmailer('freezer', *wrong, code=64)
        i.start('router')
        wait(lambda: i.spool('transport'), 'routing', instances=[i])


def test_only_copies_do_not_go_unnoticed():
    with Instance() as i:
        old = time.time() - 40 * 86400
        for leaf in ('111._badheader', '222.nosender', '333.with_underscore'):
            i.plant('postman/' + leaf, 'to bob\n\n', mtime=old if leaf[0] != '3' else time.time() - 20 * 86400)
        out = i.zmailer('cleanup').out
        check('removed postman/222.nosender, the only copy' in out and '_badheader' not in out and 'removed 2' in out, out)
        check(len(i.spool('postman')) == 1, 'an only copy of 20 days is gone')


def test_logs_are_rotated():
    with Instance().start('scheduler') as i:
        wait(lambda: os.path.getsize(i.path('log/scheduler')), 'a log')
        i.write('log/smtp', 'first\n')
        os.chmod(i.path('log/smtp'), 0o640)
        i.write('log/empty.log', '')
        i.write('log/notes', 'not ours\n')
        check('rotated 2' in i.zmailer('logrotate').out, os.listdir(i.path('log')))
        check(i.read('log/smtp.0') == 'first\n' and os.path.getsize(i.path('log/smtp')) == 0, 'not renamed')
        check(os.stat(i.path('log/smtp')).st_mode & 0o777 == 0o640, 'other permissions')
        i.zmailer('reload')
        wait(lambda: os.path.getsize(i.path('log/scheduler')), 'the new log', instances=[i])
        for n in range(11):
            i.write('log/smtp', '%d\n' % n)
            i.zmailer('logrotate')
        found = sorted(n for n in os.listdir(i.path('log')) if n.startswith('smtp.'))
        check(len(found) == 10 and not [n for n in found if n.startswith('smtp.10')], found)
        check('notes' in os.listdir(i.path('log')) and i.read('log/smtp.0') == '10\n', 'others')
        if any(os.path.exists(d + '/gzip') for d in ('/usr/bin', '/bin')):
            import gzip
            with gzip.open(i.path('log/smtp.1.gz')) as f:
                check(f.read() == b'9\n', 'another text')


def test_check_finds_what_others_may_write():
    with Instance() as i:
        out = i.zmailer('check').out
        check('WRONG' not in out and 'ok       db' in out, out)
        os.chmod(i.path('var/db/aliases'), 0o666)
        i.write('var/lists/team', 'bob\n')
        os.chmod(i.path('var/lists'), 0o777)
        check(os.stat(i.path('share/scheduler.auth')).st_mode & 0o077 == 0, 'passwords for everybody to read')
        i.append('share/scheduler.auth', 'bob:secret:ALL:[unix]\n')
        os.chmod(i.path('share/scheduler.auth'), 0o644)
        i.write('var/db/smtpserver-key.pem', 'x')
        os.chmod(i.path('var/db/smtpserver-key.pem'), 0o644)
        out = i.zmailer('check', code=1).out
        for what in ('var/db/aliases: it has permissions 0666', 'var/lists/team: others may write its directory',
                     'scheduler.auth has 0644; others may read it', 'smtpserver-key.pem: it has permissions 0644'):
            check(what in out, what + ' is not in\n' + out)
        told = json.loads(i.zmailer('--json', 'check', code=1).out)
        check(told['wrong'] == 4 == sum(not c['good'] for c in told['checks']), told)


def test_check_knows_the_variables():
    with Instance() as i:
        check('note' not in i.zmailer('check').out, i.zmailer('check').out)
        page = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../doc/man/zmailer.conf.5')
        with open(page) as f:
            names = re.findall(r'^\.It Va (.*)', f.read(), re.M)
        known = {n for line in names for n in re.split(r'[ ,]+', line)} - {'MAILBOX', 'POSTOFFICE', 'MAILSHARE', 'MAILVAR', 'MAILBIN', 'LOGDIR', 'MAILUSERS'}
        check(len(known) > 40, known)
        i.append('etc/zmailer.conf', ''.join('%s=\n' % n for n in sorted(known)) + 'SCHEDULEROPTION=-S\nSMARTHOST=x\n')
        notes = [l for l in i.zmailer('check', code=None).out.splitlines() if l.startswith('note')]
        check([n.split()[1] for n in notes] == ['SCHEDULEROPTION:', 'SMARTHOST:'] and 'routes' in notes[1], notes)
        told = json.loads(i.zmailer('--json', 'check', code=None).out)
        check(len([c for c in told['checks'] if 'note' in c]) == 2, told)


def test_deferred_mail_is_resubmitted():
    with Instance().start() as i:
        i.plant('deferred/987654.deferred', 'from alice@mail.test\nto bob\nenv-end\nSubject: again\n\nx\n')
        check('resubmitted 1' in i.zmailer('resubmit').out, 'not counted')
        check(i.wait_mail('bob')[0]['Subject'] == 'again', 'another letter')


def tree(i, levels):
    """The names of the pairs below queue/ and transport/, when all stand at that level."""
    names = {d: sorted(n.partition(d + '/')[2] for n in i.spool(d)) for d in ('queue', 'transport')}
    check(names['queue'] == names['transport'], names)
    check(all(n.count('/') == levels for n in names['queue']), (levels, names))
    return len(names['queue'])


def test_rehash_moves_what_lies_at_another_level():
    with Instance(smart_host='[127.0.0.1]:%d' % free_port()) as i:
        i.start('router')
        for n in range(3):
            i.sendmail('-f', 'alice@mail.test', 'x@far.test', data=letter())
        wait(lambda: len(i.spool('transport')) == 3 and len(i.spool('queue')) == 3, 'three routed', instances=[i])
        check('router is running' in i.zmailer('rehash', code=75).err, 'a daemon does not matter')
        i.stop()
        check(tree(i, 2) == 3, 'not three')
        i.sendmail('-f', 'alice@mail.test', 'x@far.test', data=letter())
        i.append('etc/zmailer.conf', 'SCHEDULERDIRHASH=1\nROUTERDIRHASH=1\n')
        check('moved 4' in i.zmailer('rehash').out, 'not four')
        check(tree(i, 1) == 3 and re.search(r'router/[A-Z]/\d+$', i.spool('router')[0]), i.spool('router'))
        check('moved 0' in i.zmailer('rehash').out, 'again')
        i.append('etc/zmailer.conf', 'SCHEDULERDIRHASH=3\n')
        check('SCHEDULERDIRHASH' in i.zmailer('rehash', code=78).err, 'no reason')


if __name__ == '__main__':
    main(sys.modules[__name__])
