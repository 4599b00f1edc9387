"""ETRN: a client asks for the mail that waits for it."""
import pwd, sys
from zm import *

def waiting(sink):
    """An instance with a letter to waits.test, which waits to be called; sink is where it would go."""
    i = Instance()
    i.append('var/db/routes', 'waits.test\tcalled!waits.test\n')
    conf = i.read('share/scheduler.conf')
    called = 'called/*\tqueueonly retries="12" interval=1h command="smtp -s -c $channel -p %d -F [127.0.0.1]"\n' % sink.port
    i.write('share/scheduler.conf', conf.replace('local/*', called + 'local/*', 1))
    i.zmailer('newdb', code=None)
    if os.geteuid() == 0 and not i.emulated():      # the SMTP server's workers are nobody special
        os.chown(i.path('postoffice/transport'), pwd.getpwnam('daemon').pw_uid, -1)
    return i


def letter_waits(i):
    i.submit('alice@mail.test', ['x@waits.test'], letter(to='x@waits.test'))
    wait(lambda: 'waits.test' in i.mailq().out, 'mail in the queue', instances=[i])


def etrn(i, host, greet=True):
    with i.smtp() as s:
        if greet:
            s.ehlo()
        code, text = s.docmd('ETRN ' + host)
        return '%d %s' % (code, text.decode())


def cluster(i, *nodes):
    i.write('share/smtpserver.conf', ''.join('PARAM etrn-cluster %s\n' % n for n in nodes) + i.read('share/smtpserver.conf'))


def test_etrn_flushes_what_waits_to_be_called():
    with Sink() as sink, waiting(sink).start() as i:
        letter_waits(i)
        reply = etrn(i, 'other.test')
        check(reply == '251 2.0.0 no mail waits for other.test', reply)
        check(not sink.messages, 'it went with the wrong call')
        reply = etrn(i, 'Waits.TEST')
        check(reply == '250 2.0.0 delivery to Waits.TEST is started', reply)
        wait(lambda: sink.messages, 'the letter', instances=[i])
        i.wait_empty()


def test_etrn_asks_the_schedulers_of_a_cluster():
    with Sink() as sink, waiting(sink) as i:
        i.append('share/scheduler.auth', 'turner:secret:ETRN:\nlooker:word:TT:\n')
        cluster(i, i.path('postoffice/.mailq.sock') + ' turner secret')
        i.start()
        letter_waits(i)
        reply = etrn(i, 'other.test')
        check(reply.startswith('251 ') and 'nothing waits' in reply, reply)
        reply = etrn(i, 'waits.test')
        check(reply.startswith('250 ') and 'node 1: delivery is started' in reply, reply)
        wait(lambda: sink.messages, 'the letter', instances=[i])
        check('for=[127.0.0.1]@mail.test' in i.logs(), i.logs())
        i.wait_empty()


def test_a_node_that_fails_leaves_it_to_the_file():
    with Sink() as sink, waiting(sink) as i, socket.socket() as nobody:
        i.append('share/scheduler.auth', 'turner:secret:ETRN:\nlooker:word:TT:\n')
        nobody.bind(('127.0.0.1', 0))
        sock = i.path('postoffice/.mailq.sock')
        cluster(i, '[127.0.0.1]/%d turner secret' % nobody.getsockname()[1], sock + ' turner wrong', sock + ' looker word',
                'localhost/%d a b' % sink.port)
        i.start()
        letter_waits(i)
        reply = etrn(i, 'waits.test')
        check(reply.startswith('250 ') and reply.count('cannot be asked now') == 4, reply)
        wait(lambda: sink.messages, 'the letter', instances=[i])
        for text in ('cannot be reached', 'does not admit us', 'is no scheduler'):
            check(text in i.logs(), text)
        check('secret' not in i.logs() and 'wrong' not in i.logs(), 'a password is in the log')


def test_etrn_is_refused_where_it_has_no_place():
    with Instance().start('smtpserver') as i:
        for host, expected in (('', '501 5.5.4'), ('@mail.test', '458 5.7.1'), ('#queue', '458 5.7.1'), ('a..b', '501 5.5.4'),
                               ('a b', '501 5.5.4'), ('[1.2.3.4]', '501 5.5.4'), ('-x', '501 5.5.4'), ('a;b', '501 5.5.4'),
                               ('x' * 300 + '.test', '501 5.5.4'), ('../../etc', '501 5.5.4')):
            reply = etrn(i, host)
            check(reply.startswith(expected), '%s: %s' % (host, reply))
        check(etrn(i, 'mail.test', greet=False).startswith('503 5.5.1'), 'without EHLO')
        check(not i.spool('transport'), 'it left a file')
        with i.smtp() as s:
            check(b'ETRN' in s.ehlo()[1], 'it is not offered')
            s.docmd('MAIL FROM:<a@far.test>')
            check(s.docmd('ETRN mail.test')[0] == 503, 'amid a message')
        i.write('share/smtpserver.conf', 'PARAM NoETRN\n' + i.read('share/smtpserver.conf'))
        i.stop('smtpserver')
        i.start('smtpserver')
        check(etrn(i, 'mail.test').startswith('500 5.5.2'), 'it is done all the same')
        with i.smtp() as s:
            check(b'ETRN' not in s.ehlo()[1], 'it is offered')


def test_without_the_scheduler_the_request_waits_in_the_spool():
    with Sink() as sink, waiting(sink) as i:
        i.start()
        letter_waits(i)
        i.stop('scheduler')
        reply = etrn(i, 'waits.test')
        check(reply.startswith('250 2.0.0'), reply)
        check(len([n for n in i.spool('transport') if n.endswith('-etrn')]) == 1, repr(i.spool('transport')))
        i.start('scheduler')
        wait(lambda: sink.messages, 'the letter', instances=[i])
        i.wait_empty()


def test_a_spool_that_takes_nothing_is_told():
    with Instance().start('smtpserver') as i:
        if i.emulated():
            raise Skip('the names of an emulated spool are no directories')
        os.rename(i.path('postoffice/transport'), i.path('postoffice/away'))
        check(etrn(i, 'waits.test').startswith('458 4.3.0'), 'no complaint')


if __name__ == '__main__':
    main(sys.modules[__name__])
