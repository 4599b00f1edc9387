"""AUTH in the SMTP server: users in a file and users that a program knows, over TLS and not, and those who guess."""
import base64, sys
from zm import *
from test_smtpserver_tls import Authority, counters

AUTH = '''\
PARAM use-tls
PARAM tls-cert-file %(pem)s
PARAM tls-key-file %(key)s
PARAM rcvd-auth-user
PARAM smtp-auth
'''


@contextlib.contextmanager
def site(more, users=(('joe', 's3cr3t'),), start=('smtpserver',)):
    """(instance, context for TLS, port for submission) of a running server whose users are in a file."""
    with Instance() as i:
        authority = Authority(i)
        pem, key = authority.issue('mail.test')
        for name, password in users:
            i.zmailer('auth-user', 'add', name, data=password + '\n')
        port = free_port()
        i.write('share/smtpserver.conf', AUTH % dict(pem=pem, key=key) + more % dict(root=i.root)
                + 'PARAM BindSmtp [127.0.0.1] %d\nPARAM BindSubmit [127.0.0.1] %d\n* 999 ve\n' % (i.port, port))
        conf = i.read('share/scheduler.conf')
        i.write('share/scheduler.conf', conf)
        if start is not None:
            i.start(*start)
        yield i, authority.client(), port


FILE = 'PARAM auth-user-file $MAILVAR/db/smtp-users\n'


def session(port, context=None):
    s = smtplib.SMTP('127.0.0.1', port, local_hostname='peer.test', timeout=PATIENCE)
    s._host = 'mail.test'
    s.ehlo()
    if context:
        s.starttls(context=context)
        s.ehlo()
    return s


def plain(s, user, password):
    """The reply to AUTH PLAIN."""
    code, text = s.docmd('AUTH', 'PLAIN ' + base64.b64encode(('\0%s\0%s' % (user, password)).encode()).decode())
    return code, text.decode()


def envelope(i):
    return i.contents(wait(lambda: i.spool('router'), 'a message', instances=[i])[0])


def test_a_user_submits_over_tls():
    with site(FILE) as (i, context, port):
        s = session(port, context)
        check('SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN' in s.esmtp_features['auth'], s.esmtp_features)
        code, text = s.docmd('MAIL', 'FROM:<joe@mail.test>')
        check((code, text) == (530, b'5.7.0 Authentication required'), repr((code, text)))
        check(plain(s, 'joe', 's3cr3t') == (235, '2.7.0 Authentication successful'), 'the right password')
        s.sendmail('joe@mail.test', ['x@far.test'], letter())
        s.quit()
        text = envelope(i)
        check(text.startswith('external\ncomment smtp-auth: "joe"\nrcvdfrom '), text)
        check(' "ehlo peer.test" smtp-auth: "joe" ' in text.split('\n')[2], text)
        check('\nwith ESMTPSA\n' in text, text)
        check(re.search(r'^X-Comment: mail submission at mail.test from \[127.0.0.1\], authenticated as "joe"$', text, re.M), text)
        c = counters(i)
        check((c['SS.SMTP_AUTH'], c['SS.SMTP_AUTH_ok'], c['SS.SMTP_AUTH_bad']) == (1, 1, 0), repr(c))


def test_login_has_its_questions():
    with site(FILE) as (i, context, port):
        s = session(port, context)
        check(s.docmd('AUTH', 'LOGIN') == (334, base64.b64encode(b'Username:')), 'user')
        check(s.docmd(base64.b64encode(b'joe').decode()) == (334, base64.b64encode(b'Password:')), 'password')
        check(s.docmd(base64.b64encode(b's3cr3t').decode())[0] == 235, 'the right password')


def test_passwords_are_not_taken_in_clear():
    with site(FILE) as (i, context, port):
        s = session(port)
        check(s.esmtp_features['auth'].strip() == 'SCRAM-SHA-256', s.esmtp_features)
        code, text = plain(s, 'joe', 's3cr3t')
        check(code == 538 and text.startswith('5.7.11 '), repr((code, text)))


def test_a_new_password_counts_at_once():
    with site(FILE, users=(('joe', 's3cr3t'), ('ann', 'other'))) as (i, context, port):
        for user, password, code in (('joe', 'wrong', 535), ('joe', 'other', 535), ('nobody', 's3cr3t', 535), ('ann', 'other', 235)):
            with session(port, context) as s:
                check(plain(s, user, password)[0] == code, (user, password))
        i.zmailer('auth-user', 'add', 'joe', data='new one\n')
        with session(port, context) as s:
            check(plain(s, 'joe', 's3cr3t')[0] == 535, 'the old password')
            check(plain(s, 'joe', 'new one')[0] == 235, 'the new password')
        check(i.zmailer('auth-user', 'list').out == 'ann\njoe\n', i.zmailer('auth-user', 'list').out)
        i.zmailer('auth-user', 'remove', 'joe')
        with session(port, context) as s:
            check(plain(s, 'joe', 'new one')[0] == 535, 'who is no user any more')
        log = i.read('log/smtpserver.log')
        check('authentication failed' in log and 'user=joe' in log, log)


def test_hashes_of_the_system_are_taken():
    with site(FILE + 'PARAM sasl-mechanisms PLAIN LOGIN\n', users=()) as (i, context, port):
        hash = run('openssl', 'passwd', '-6', 'pass word').out
        with os.fdopen(os.open(i.path('var/db/smtp-users'), os.O_WRONLY | os.O_CREAT, 0o600), 'w') as f:
            f.write('# users of old\njoe:' + hash)
        with session(port, context) as s:
            check(s.esmtp_features['auth'].strip() == 'PLAIN LOGIN', s.esmtp_features)
            check(plain(s, 'joe', 'pass')[0] == 535, 'a wrong password')
            check(plain(s, 'joe', 'pass word')[0] == 235, 'the right password')


def test_a_file_that_everybody_may_read_is_not_used():
    with site(FILE) as (i, context, port):
        os.chmod(i.path('var/db/smtp-users'), 0o644)
        with session(port, context) as s:
            check(plain(s, 'joe', 's3cr3t')[0] == 454, 'a file without protection')
        check('others may read it' in i.read('log/smtpserver.log'), i.read('log/smtpserver.log'))
        os.chmod(i.path('var/db/smtp-users'), 0o600)
        with session(port, context) as s:
            check(plain(s, 'joe', 's3cr3t')[0] == 235, 'a file that is in order again')


PROGRAM = '''\
#!/bin/sh
read -r password
{ echo "arguments: $#: $1"; env; } > %(root)s/seen
test "$1" = late && exec sleep 600
test "$1" = unsure && exit 75
test "$1" = crash && kill -9 $$
test "$1" = joe -a "$password" = "pass word" && exit 0
echo no such luck
exit 1
'''


def with_program(i):
    with open(i.path('verify'), 'w') as f:
        f.write(PROGRAM % dict(root=i.root))
    os.chmod(i.path('verify'), 0o755)


def test_a_program_knows_users():
    with site('PARAM SMTP-auth-pipe %(root)s/verify\n', users=()) as (i, context, port):
        with_program(i)
        with session(port, context) as s:
            check(s.esmtp_features['auth'].strip() == 'PLAIN LOGIN', s.esmtp_features)
            r = plain(s, 'joe', 'pass')
            check(r[0] == 535, repr(r) + i.logs())
            check(plain(s, 'unsure', 'x')[0] == 454, 'a program that cannot say')
            check(plain(s, 'crash', 'x')[0] == 454, 'a program that crashes')
            check(plain(s, '-n', 'pass word')[0] == 535, 'an option as a user')
            check(plain(s, 'joe; touch x', 'pass word')[0] == 535, 'words of a shell')
            check('arguments: 1: joe; touch x\n' in i.read('seen'), i.read('seen'))
            check(plain(s, 'joe', 'pass word')[0] == 235, 'the right password')
        names = {line.split('=')[0] for line in i.read('seen').split('\n')[1:] if '=' in line}
        check({'SHELL', 'IFS', 'PATH', 'ZCONFIG'} <= names | {'IFS'} and names <= {'SHELL', 'IFS', 'TZ', 'PATH', 'ZCONFIG', 'PWD', '_', 'OLDPWD', 'SHLVL'}, names)


def test_a_program_that_everybody_may_change_is_not_run():
    with site('PARAM SMTP-auth-pipe %(root)s/verify\n', users=()) as (i, context, port):
        with_program(i)
        os.chmod(i.path('verify'), 0o777)
        with session(port, context) as s:
            check(plain(s, 'joe', 'pass word')[0] == 454, 'a program without protection')
        check(not os.path.exists(i.path('seen')), 'it was run')


def test_who_guesses_is_put_off():
    with site(FILE + 'PARAM auth-failrate 3\n') as (i, context, port):
        for n in range(3):      # in several sessions, and so in several workers
            with session(port, context) as s:
                check(plain(s, 'joe', 'guess%d' % n)[0] == 535, 'a guess')
        with session(port, context) as s:
            code, text = plain(s, 'joe', 's3cr3t')
            check(code == 454 and text.startswith('4.7.0 '), repr((code, text)))
            check(s.docmd('AUTH', 'SCRAM-SHA-256')[0] == 454, 'another mechanism')


def test_no_log_has_a_password():
    with site(FILE, start=None) as (i, context, port):
        i.append('etc/zmailer.conf', 'SMTPOPTIONS="-l ${LOGDIR}/sessions"\n')
        i.start('smtpserver')
        secrets = [base64.b64encode(b).decode() for b in (b'\0joe\0s3cr3t', b's3cr3t')]
        with session(port, context) as s:
            s.docmd('AUTH', 'PLAIN ' + secrets[0] + 'x')
            s.docmd('AUTH', 'LOGIN')
            s.docmd(base64.b64encode(b'joe').decode())
            s.docmd(secrets[1])
        wait(lambda: '**base64-password**' in i.read('log/sessions'), 'the session log', instances=[i])
        for where, _, names in os.walk(i.path('log')):
            for n in names:
                with open(os.path.join(where, n), errors='replace') as f:
                    text = f.read()
                check(not any(secret in text for secret in secrets + ['s3cr3t']), '%s has it:\n%s' % (n, text))


def test_verifiers_come_back():
    with site(FILE) as (i, context, port):
        with session(port, context) as s:
            check(plain(s, 'joe', 's3cr3t')[0] == 235, 'the right password')
        found = wait(lambda: [p for p, line in processes_of(i.root).items() if '--verify' in line], 'a verifier')
        for pid in found:
            os.kill(pid, signal.SIGKILL)

        def well():
            with session(port, context) as s:
                return plain(s, 'joe', 's3cr3t')[0] == 235
        wait(well, 'an answer', instances=[i])


def test_the_configuration_is_checked():
    with site('', users=()) as (i, context, port):
        out = run(os.path.join(MAILBIN, 'smtpserver'), '-Z', i.path('etc/zmailer.conf'), '-N', code=None).out
        check('neither auth-user-file nor SMTP-auth-pipe' in out, out)
        with session(port, context) as s:
            check('auth' not in s.esmtp_features, s.esmtp_features)


if __name__ == '__main__':
    main(sys.modules[__name__])
