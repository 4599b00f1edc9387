"""The smtp agent says who it is: from sendmail over the agent to the submission port of another server of ours."""
import base64, sys
from zm import *
from test_smtpserver_tls import Authority

HUB = '''\
PARAM use-tls
PARAM tls-cert-file %s
PARAM tls-key-file %s
PARAM BindSmtp [127.0.0.1] %d
PARAM newgroup
PARAM smtp-auth
PARAM auth-user-file $MAILVAR/db/smtp-users
%sPARAM BindSubmit [127.0.0.1] %d
* 999 ve
'''


def write_secrets(leaf, port, user, password, mode=0o600):
    words = ['smtp', '[127.0.0.1]:%d' % port] + [base64.b64encode(w.encode()).decode() for w in (user, password)]
    path = leaf.path('secrets')
    with open(path, 'w') as f:
        os.chmod(path, 0o600)
        f.write('# channel host user secret\n%s\n' % '\t'.join(words))
    os.chmod(path, mode)


@contextlib.contextmanager
def site(password='s3cr3t', more='', mode=0o600):
    """(leaf, hub, port): the leaf sends all mail to the hub's port for submission, where it is joe."""
    port = free_port()
    with Instance(hostname='hub.test') as hub, Instance(hostname='leaf.test', smart_host='[127.0.0.1]:%d' % port) as leaf:
        pem, key = Authority(hub).issue('hub.test')
        hub.zmailer('auth-user', 'add', 'joe', data='s3cr3t\n')
        hub.write('share/smtpserver.conf', HUB % (pem, key, hub.port, more, port))
        write_secrets(leaf, port, 'joe', password, mode)
        conf = leaf.read('share/scheduler.conf')
        leaf.write('share/scheduler.conf', conf.replace('smtp -s', 'smtp -s -l %s -A %s' % (leaf.path('log/smtp'), leaf.path('secrets'))))
        os.chmod(leaf.path('log'), 0o777)
        hub.start()
        yield leaf.start(), hub, port


def send(leaf):
    leaf.sendmail('-f', 'alice@leaf.test', 'bob@hub.test', data=letter(to='bob@hub.test', sender='alice@leaf.test'))


def test_mail_goes_by_the_smart_host_that_knows_us():
    with site() as (leaf, hub, port):
        send(leaf)
        message = hub.wait_mail('bob')[0]
        check('with ESMTPSA' in message['Received'], message['Received'])
        check('authenticated as "joe"' in message['X-Comment'], message.as_string())
        log = leaf.read('log/smtp')
        check('authenticated as joe by SCRAM-SHA-256-PLUS' in log, log)
        check('s3cr3t' not in log and 'czNjcjN0' not in log, log)
        leaf.wait_empty()


def test_each_mechanism_does():
    for name in 'SCRAM-SHA-256', 'PLAIN', 'LOGIN':
        with site(more='PARAM sasl-mechanisms %s\n' % name) as (leaf, hub, port):
            send(leaf)
            hub.wait_mail('bob')
            check('authenticated as joe by %s\n' % name in leaf.read('log/smtp'), leaf.read('log/smtp'))


def waits(leaf, text):
    def shown():
        out = leaf.mailq('-v').out
        return text in out and out
    return wait(shown, '%r in mailq' % text, instances=[leaf])


def goes(leaf, hub, port):
    """The letter that waits is tried again until it goes."""
    def gone():
        if not hub.mbox('bob'):
            leaf.mailq('--retry', 'smtp/[127.0.0.1]:%d' % port, code=None)
        return hub.mbox('bob')
    wait(gone, 'the letter to go', instances=[leaf, hub])


def test_a_wrong_password_makes_mail_wait():
    with site(password='forgotten') as (leaf, hub, port):
        send(leaf)
        waits(leaf, '535 5.7.8')
        check(not hub.spool('router') and not hub.mbox('bob'), 'mail without authentication')
        write_secrets(leaf, port, 'joe', 's3cr3t')
        goes(leaf, hub, port)
        leaf.wait_empty()


def test_secrets_that_others_can_read_are_not_used():
    with site(mode=0o644) as (leaf, hub, port):
        send(leaf)
        waits(leaf, 'others may read it')
        write_secrets(leaf, port, 'joe', 's3cr3t')
        goes(leaf, hub, port)


if __name__ == '__main__':
    main(sys.modules[__name__])
