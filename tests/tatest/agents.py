"""Our agents under tatest, and an agent that breaks the rules, to show that it is seen."""
import os, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '../system')]
from zm import *


def trial(i, agent, channel, host, user, *more, arguments=(), code=0):
    words = [sys.executable, os.path.join(HERE, 'tatest'), '--postoffice', i.path('postoffice'), '--env',
             'ZCONFIG=' + i.path('etc/zmailer.conf'), '--channel', channel, '--user', user, '--strict']
    words += (['--host', host] if host else []) + list(more) + ['--', agent, *arguments]
    p = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    check(p.returncode == code, p.stdout)
    return p.stdout


def ours(name):
    return os.path.join(MAILBIN, 'ta', name)


def test_mailbox():
    with Instance() as i:
        trial(i, ours('mailbox'), 'local', None, 'bob')
    with Instance(mailbox='maildir') as i:
        trial(i, ours('mailbox'), 'local', None, 'bob')


def test_smtp():
    with Instance() as i, Sink() as sink:
        trial(i, ours('smtp'), 'smtp', '[127.0.0.1]:%d' % sink.port, 'x@far.test', '--relays', arguments=['-s'])


def test_smtp_that_reaches_nobody():
    with Instance() as i:
        trial(i, ours('smtp'), 'smtp', '[127.0.0.1]:%d' % free_port(), 'x@far.test', arguments=['-s'])


def test_errormail():
    with Instance() as i:
        trial(i, ours('errormail'), 'error', 'norecipients', 'x@far.test')


def test_hold():
    with Instance() as i:
        trial(i, ours('hold'), 'hold', 'timeout:1', 'x@far.test')
        trial(i, ours('hold'), 'hold', 'timeout:9999999999', 'x@far.test')


def test_an_agent_that_breaks_the_rules_is_seen():
    with Instance() as i:
        said = trial(i, os.path.join(STAGE, '../tests/zm-null-ta'), 'null', 'h', 'u', code=1)
        for rule in ('writes the tag before it tells', 'fails all when the message is gone', 'understands names with a suffix'):
            check('BROKEN  ' + rule in said, said)


if __name__ == '__main__':
    main(sys.modules[__name__])
