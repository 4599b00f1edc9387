"""Mail that cannot be routed yet waits for its condition and is then routed again."""
import datetime, sys
from zm import *


def queued(i, channel, reason):
    return channel in i.mailq().out and reason in i.mailq('-v').out.lower()


def test_mail_waits_for_the_aliases():
    with Instance() as i:
        i.append('var/db/aliases', 'team: bob\n')
        i.start()
        i.zmailer('newaliases')
        os.rename(i.path('var/db/aliases.sqlite'), i.path('var/db/away.sqlite'))
        for n in range(12):     # one attempt in ten succeeds
            i.submit('outside@far.test', ['team@mail.test'], letter(subject='number %d' % n, to='team@mail.test'))
        wait(lambda: queued(i, 'hold', 'waits after an error'), 'held mail', instances=[i])
        check(not i.mbox('bob') and not i.mbox('alice'), 'somebody got mail')
        os.rename(i.path('var/db/away.sqlite'), i.path('var/db/aliases.sqlite'))
        i.wait_mail('bob')
        i.stop()
        got = i.mbox('bob')
        check(len({m['Subject'] for m in got}) == len(got), 'a letter came twice')
        check(got[0]['Return-Path'].strip() == '<outside@far.test>', 'return path is %r' % got[0]['Return-Path'])
        check(body_of(got[0]) == 'Hello.\n', 'the body is %r' % body_of(got[0]))


def test_a_delayed_route_is_taken_once_its_time_has_come():
    with Instance() as i:
        i.append('var/db/routes', 'slow.test\tdelay!2\n')
        i.start()
        i.sendmail('-f', 'alice@mail.test', 'x@slow.test', data=letter(to='x@slow.test'))
        wait(lambda: 'channel=smtp host=slow.test' in i.logs() or queued(i, 'smtp', 'slow.test'), 'mail on its way',
             instances=[i])
        check('hold' not in i.mailq().out, i.mailq().out)
        first, second = (datetime.datetime.fromisoformat(line.split('Z')[0])
                         for line in i.read('log/router').splitlines() if ': routed ' in line and 'from=alice' in line)
        check((second - first).total_seconds() >= 1, 'it did not wait')     # times are whole seconds


if __name__ == '__main__':
    main(sys.modules[__name__])
