"""Bad configuration, bad files, full disks: a clear error, nothing lost, nothing half done."""
import sys
from zm import *


def test_a_malformed_zmailer_conf_names_file_and_line():
    with Instance() as i:
        i.append('etc/zmailer.conf', 'this is no assignment\n')
        p = i.zmailer('start', code=78)
        check('etc/zmailer.conf:' in p.err and 'expected' in p.err, p.err)
        p = i.sendmail('bob', data=letter(), code=78)
        check('etc/zmailer.conf:' in p.err, p.err)


def test_a_missing_configuration_says_where_it_was_looked_for():
    p = run(os.path.join(BIN, 'zmailer'), '--root', '/nonexistent/instance', 'status', code=78)
    check('/nonexistent/instance/etc/zmailer.conf' in p.err, p.err)


def test_a_malformed_scheduler_conf_starts_no_scheduler():
    with Instance() as i:
        i.append('share/scheduler.conf', 'local/*\n\tnosuchparameter=1\n')
        p = i.zmailer('start', 'scheduler', code=None)
        check(p.returncode != 0, 'it started')
        text = p.err + p.out + i.logs()
        check('scheduler.conf' in text and 'nosuchparameter' in text, text)
        check(i.pid('scheduler') == 0, 'it left a pid file')


def test_a_syntax_error_in_router_cf_starts_no_router():
    with Instance() as i:
        i.append('share/router.cf', 'if then fi fi\n')
        p = i.zmailer('start', 'router', code=None)
        check(p.returncode != 0, 'it started')
        check('router.cf' in p.err + p.out + i.logs(), p.err + i.logs())


def test_a_broken_reload_keeps_the_old_configuration():
    with Instance().start() as i:
        good = i.read('share/router.cf')
        i.write('share/router.cf', good + '\nif then fi fi\n')
        i.zmailer('reload')
        i.sendmail('-f', 'alice@mail.test', 'bob', data=letter())
        i.wait_mail('bob')


def test_a_message_with_an_unknown_envelope_keyword_is_parked():
    with Instance().start() as i:
        i.plant('router', 'nosuchkeyword x\nto bob\nenv-end\nSubject: x\n\ny\n')
        wait(lambda: i.spool('postman'), 'a copy in postman', instances=[i])
        i.wait_empty()
        check(not i.mbox('bob'), 'it was delivered')


def test_a_message_put_there_by_hand_is_delivered():
    with Instance().start() as i:
        i.plant('router', 'from alice@mail.test\nto bob\nenv-end\nSubject: by hand\n\ny\n')
        check(i.wait_mail('bob')[0]['Subject'] == 'by hand', 'another letter')


def test_a_corrupt_control_file_is_left_and_told():
    with Instance().start() as i:
        i.plant('queue/123456789', 'from alice@mail.test\nto bob\nenv-end\nSubject: x\n\ny\n')
        i.plant('transport/123456789', '@ 0x00000700\ni 123456789\no 40\nl <x@y>\n')
        wait(lambda: '123456789' in i.logs(), 'a complaint in the log', instances=[i])
        i.sendmail('-f', 'alice@mail.test', 'bob', data=letter())
        i.wait_mail('bob')
        check(i.spool('transport') and i.spool('queue'), 'something was deleted')


def test_a_spool_with_wrong_permissions_is_refused():
    with Instance() as i:
        where = 'postoffice' if i.emulated() else 'postoffice/queue'
        os.chmod(i.path(where), 0o777)
        p = i.zmailer('start', 'router', code=None)
        check(p.returncode != 0, 'it started')
        check(where in p.err + i.logs(), p.err + i.logs())


def test_a_full_spool_says_452():
    with Instance() as i:
        conf = i.read('share/smtpserver.conf')
        i.write('share/smtpserver.conf', conf.replace('min-availspace 5000', 'min-availspace 999999999999'))
        i.start()
        with i.smtp() as s:
            s.ehlo('x.test')
            code, text = s.docmd('MAIL FROM:<alice@mail.test>')
            if code == 250:
                code, text = s.docmd('RCPT TO:<bob@mail.test>')
            check(code == 452, '%d %r' % (code, text))


def test_what_users_put_there_themselves_has_a_limit_too():
    need_root()
    with Instance() as i:
        if i.emulated():
            raise Skip('the database belongs to one account')
        i.append('etc/zmailer.conf', 'MAX_SUBMIT_SIZE=2000\n')
        for subject, owner, size in (('small', 65534, 10), ('large', 65534, 5000), ('of root', 0, 5000)):
            name = i.plant('router', 'from alice@mail.test\nto bob\nenv-end\nSubject: %s\n\n%s\n' % (subject, 'x' * size))
            os.chown(i.path('postoffice', name), owner, -1)
        i.start()
        check(sorted(m['Subject'] for m in i.wait_mail('bob', 2)) == ['of root', 'small'], 'others')
        wait(lambda: i.spool('postman'), 'the large one')
        check(i.spool('postman')[0].endswith('.toolarge') and not i.spool('router'), i.spool('postman'))


def test_messages_that_their_owners_keep_locked_stop_nobody_else():
    import fcntl
    with Instance() as i:
        if i.emulated():
            raise Skip('nobody else can open them')
        held = []
        for n in range(6):      # more than there are workers, and more than these take in advance
            name = i.plant('router', 'from alice@mail.test\nto bob\nenv-end\nSubject: held %d\n\nx\n' % n)
            held.append(open(i.path('postoffice', name), 'r+'))
        for f in held:
            fcntl.lockf(f, fcntl.LOCK_EX)
        i.start()
        i.sendmail('-f', 'alice@mail.test', 'bob', data=letter())
        check(i.wait_mail('bob')[0]['Subject'] == 'A letter', 'a locked one')
        for f in held:
            f.close()
        i.wait_mail('bob', 7)


def test_sendmail_on_a_full_disk_exits_75_and_leaves_nothing():
    import resource
    with Instance() as i:
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        p = subprocess.run([os.path.join(BIN, 'sendmail'), '--root', i.root, 'bob'], input=b'Subject: x\n\n' + b'y\n' * 200000,
                           stderr=subprocess.PIPE, preexec_fn=limit)
        check(p.returncode == 75, '%d %r' % (p.returncode, p.stderr))
        check(not i.zmailer('spool', 'ls', 'public', 'router').out, 'something is left')


def test_addresses_that_would_forge_envelope_lines_are_refused():
    with Instance() as i:
        i.sendmail('-f', 'a\nto mallory', 'bob', data=letter(), code=64)
        i.sendmail('bob\nto mallory', data=letter(), code=64)
        check(not i.spool('router'), 'it was queued')


if __name__ == '__main__':
    main(sys.modules[__name__])
