"""Relations that ask others: what their slowness does to the mail."""
import os
import sys

from zm import *

RULE = '''
relation -t bind,mx slowmx
smtp_neighbour (domain, address, A) {
	slowmx "$domain" > /dev/null
	returns (((smtp "$domain" "$address" $A)))
}
'''


def test_a_silent_name_server_stops_only_the_message_that_waits_for_it():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)    # takes questions and says nothing
    server.bind(('127.0.0.1', 0))
    with Instance() as i:
        i.write('var/router.local.cf', RULE)
        i.zmailer('start', env={'RESOLVER': '127.0.0.1:%d' % server.getsockname()[1]})
        begin = time.monotonic()
        many = ['u%d@slow%d.test' % (n, n % 2) for n in range(40)]
        i.submit('bob@mail.test', many, letter(subject='slow', to=many[0]))
        server.settimeout(20)
        server.recv(1000)                                         # a worker waits now
        for n in range(4):
            i.submit('bob@mail.test', ['alice@mail.test'], letter(subject='quick %d' % n, to='alice@mail.test'))
        i.wait_mail('alice', 4, patience=5)
        check(time.monotonic() - begin < 8, 'the others waited, too')
        check(len(i.spool('router')) == 1, 'the slow one is not under way any more')
        # two names of ten seconds each, not forty
        wait(lambda: 'deferred: NS:slow1.test/mx' in i.read('log/router'), 'the end of waiting', 60, [i])
        check(time.monotonic() - begin < 45, 'it took %.0f s' % (time.monotonic() - begin))
    server.close()


if __name__ == '__main__':
    main(sys.modules[__name__])
