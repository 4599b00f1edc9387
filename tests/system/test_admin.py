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
        i.start('scheduler')
        check('router2/987650: it waits for the router' in i.mailq('--explain', '987650').out, i.mailq('--explain', '987650').out)
        i.stop()
        i.start('router')
        wait(lambda: counted(i)[:2] == ['0 entries in P/router/ directory: idle', '1 message deferred'], 'routing', instances=[i])
        i.stop('router')
        i.write('postoffice/.pid.router', '1073741824\n')
        check(counted(i)[0].endswith(': no daemon'), counted(i))
        check(counted(i)[-1] == '1 message in P/transport/ directory: never started', counted(i))


def test_deferred_mail_is_resubmitted():
    with Instance().start() as i:
        i.plant('deferred/987654.deferred', 'from alice@mail.test\nto bob\nenv-end\nSubject: again\n\nx\n')
        check('resubmitted 1' in i.zmailer('resubmit').out, 'not counted')
        check(i.wait_mail('bob')[0]['Subject'] == 'again', 'another letter')


if __name__ == '__main__':
    main(sys.modules[__name__])
