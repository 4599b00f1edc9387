"""Mail that cannot be routed yet waits for its condition and is then routed again."""
import sys
from zm import *


def instance(**options):
    """An instance that tries held mail every second."""
    i = Instance(**options)
    i.append('share/scheduler.conf', 'hold/*\tretries="1" command=hold\n')
    return i


def queued(i, channel, reason):
    return channel in i.mailq().out and reason in i.mailq('-v').out.lower()


def test_mail_waits_for_the_aliases():
    with instance() as i:
        i.append('var/db/aliases', 'team: bob\n')
        i.start()
        i.zmailer('newaliases')
        os.rename(i.path('var/db/aliases.sqlite'), i.path('var/db/away.sqlite'))
        i.submit('outside@far.test', ['team@mail.test'], letter(subject='patience', to='team@mail.test'))
        wait(lambda: queued(i, 'hold', 'io:'), 'held mail', instances=[i])
        check(not i.mbox('bob') and not i.mbox('alice'), 'somebody got mail')
        os.rename(i.path('var/db/away.sqlite'), i.path('var/db/aliases.sqlite'))
        got = i.wait_mail('bob', patience=4 * PATIENCE)[0]    # one attempt in ten succeeds
        check(got['Subject'] == 'patience', 'another message came: %s' % got)
        check(got['Return-Path'].strip() == '<outside@far.test>', 'return path is %r' % got['Return-Path'])
        check(body_of(got) == 'Hello.\n', 'the body is %r' % body_of(got))
        i.wait_empty()
        check(len(i.mbox('bob')) == 1, 'bob has %d' % len(i.mbox('bob')))


def test_a_delayed_route_is_taken_once_its_time_has_come():
    with instance() as i:
        i.append('var/db/routes', 'slow.test\tdelay!2\n')
        i.start()
        i.sendmail('-f', 'alice@mail.test', 'x@slow.test', data=letter(to='x@slow.test'))
        wait(lambda: queued(i, 'hold', 'waits for its time'), 'held mail', instances=[i])
        wait(lambda: 'channel=smtp host=slow.test' in i.logs() or queued(i, 'smtp', 'slow.test'), 'mail on its way',
             instances=[i])
        check('hold' not in i.mailq().out, i.mailq().out)


if __name__ == '__main__':
    main(sys.modules[__name__])
