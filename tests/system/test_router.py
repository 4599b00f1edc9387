"""The router daemon: what happens to messages when it is stopped, misled or cannot go on."""
import sys
from zm import *


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


if __name__ == '__main__':
    main(sys.modules[__name__])
