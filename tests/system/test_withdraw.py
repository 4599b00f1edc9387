"""mailrm, listexpand, autoanswer: messages are withdrawn, sent on to lists, and answered by a program."""
import sys
from zm import *

HOURLY = '''\
PARAMauthfile = "${MAILSHARE}/scheduler.auth"
PARAMmailqsock = "UNIX:${POSTOFFICE}/.mailq.sock"
*/*	interval=1h idlemax=60s expiry=3d retries="1" skew=1
	maxchannel=0 maxring=20 maxta=0 overfeed=150 user=root group=root
local/*	command="mailbox"
error/*	command=errormail
smtp*/*	maxring=100 command="smtp -s"
hold/*	command=hold
'''


def mailrm(i, *words, code=0):
    return run(os.path.join(BIN, 'mailrm'), '--root', i.root, *words, code=code)


def waiting(i, count):
    wait(lambda: i.mailq().out.count('far.test') >= count and len(i.spool('transport')) == count, '%d that wait' % count, instances=[i])


def test_a_sender_withdraws_what_waits():
    with Instance(users=('alice', 'bob', 'boss')) as i:
        i.write('share/scheduler.conf', HOURLY)
        i.write('var/db/routes', '.\tsmtp![127.0.0.1]:%d\n' % free_port())
        i.write('var/db/aliases', 'postmaster: boss\n')
        i.start()
        i.sendmail('x@far.test', data=letter(extra='Message-Id: <one@mail.test>\n', sender='postmaster'))
        i.sendmail('-f', 'alice@mail.test', 'y@far.test', data=letter(extra='Message-Id: <two@mail.test>\n'))
        i.sendmail('z@far.test', data=letter(extra='Message-Id: <three@mail.test>\n', sender='postmaster'))
        waiting(i, 3)
        check('cancelled' in mailrm(i, '<one@mail.test>').out, 'no answer')
        waiting(i, 2)
        check('one@mail.test' in body_of(i.wait_mail('boss')[0]), 'the postmaster does not know')
        waiting(i, 2)           # the letter to the postmaster has gone
        # that of another sender, by its number
        number = [n for n in i.spool('transport') if '<two@mail.test>' in i.contents(n)][0].rpartition('/')[2]
        mailrm(i, '-f', 'alice@mail.test', number)
        waiting(i, 1)
        if os.geteuid() != 0:   # the sender that another account asks for is not believed, so all are its own
            return
        mailrm(i, '-f', 'bob@mail.test', '<three@mail.test>')   # bob did not send it
        i.wait_mail('boss', 3)
        waiting(i, 1)


def test_what_is_no_message_is_told():
    with Instance() as i:
        p = mailrm(i, '4711', code=1)
        check('4711 is not in the queue' in p.err and 'No messages cancelled' in p.out, p.err + p.out)
        check('Message-ID in angle' in mailrm(i, 'alice', code=64).err, 'no advice')
        check('expected messages' in mailrm(i, code=64).err, 'nothing is enough')
        check(not i.spool('router'), 'it was submitted')


def expand(i, *words, data, code=0):
    return run(os.path.join(MAILBIN, 'ta/listexpand'), *words, data=data, code=code, env={'ZCONFIG': i.path('etc/zmailer.conf')})


def test_a_list_is_sorted_and_cut_into_bundles():
    with Instance() as i:
        i.write('list', '# members\n\n  b@Two.Example.ORG  Bob\n<a@one.test> (Ann)\nc@ONE.test\nno address\nd@example.org\na@one.test\n')
        p = expand(i, '-debug', '-2', 'own@mail.test', i.path('list'), data='From x Mon\nSubject: s\n\nbody\n')
        to = re.findall(r'^to (.*)$', p.out, re.M)
        check(to == ['d@example.org', 'b@two.example.org', 'a@one.test', 'c@one.test', 'own@mail.test'], to)
        check(p.out.count('from own@mail.test\n') == 2 and p.out.count('via listexpand\n') == 3, p.out)
        check(p.out.count('Subject: s\n\nbody\n') == 2 and 'From x' not in p.out, p.out)
        check("Subject: Bad data at listfile '%s'" % i.path('list') in p.out and '6: no address' in p.out, p.out)
        p = expand(i, '-debug', '+ezmlm', '', i.path('list'), data='x\n')
        check('todsn ORCPT=rfc822;a@one.test EZMLM=+a=40one=2Etest\nto a@one.test\n' in p.out, p.out)
        check(p.out.count('channel error\n') == 1 and 'Bad data' not in p.out, p.out)
        i.write('empty', '\n')
        check('to postmaster\n' in expand(i, '-debug', 'o@mail.test', i.path('empty'), data='x\n').out, 'for nobody')
        check('cannot read' in expand(i, 'o@mail.test', i.path('absent'), data='x\n', code=75).err, 'no list')
        for words in (('-0', 'o', 'l'), ('o',), ('o\nfrom x', 'l'), ('o', 'l', 'root'), ('-x', 'o', 'l')):
            check('usage' in expand(i, *words, data='', code=64).err, words)


def test_a_list_is_sent_to():
    with Instance(users=('alice', 'bob')) as i:
        i.write('list', 'alice@mail.test\nbob@mail.test\nwho\n')
        i.start()
        expand(i, '-1', 'alice@mail.test', i.path('list'), data='Subject: to all\nTo: l@mail.test\n\n' + 'x' * 200000 + '\n')
        check(i.wait_mail('bob')[0]['Subject'] == 'to all' and len(body_of(i.mbox('bob')[0])) > 200000, 'another letter')
        i.wait_mail('alice', 2)
        check({m['Subject'] for m in i.mbox('alice')} == {'to all', "Bad data at listfile '%s'" % i.path('list')}, 'the owner')


def autoanswer(i, *words, data, sender='ann@far.test', **kw):
    env = {'ZCONFIG': i.path('etc/zmailer.conf'), 'SENDER': sender, 'INRCPT': 'rfc822;echo@mail.test'}
    return run(os.path.join(MAILBIN, 'ta/autoanswer'), *words, data=data, env=env, **kw)


def test_a_program_answers_with_the_header():
    with Instance() as i:
        text = letter(extra='Message-Id: <1@far.test>\nX-Trace: here\n', body='secret\n')
        out = autoanswer(i, '-n', data='From ann Mon\n' + text).out
        check('From: echo@mail.test\nTo: ann@far.test\nSubject: Autoanswer: A letter\nIn-Reply-To: <1@far.test>\n' in out, out)
        check('Auto-Submitted: auto-replied\n' in out and 'X-Trace: here\n' in out and 'secret' not in out, out)
        for sender, extra in (('', ''), ('<>', ''), ('MAILER-DAEMON', ''), ('ann@far.test', 'X-autoanswer-loop: Megaloop\n'),
                              ('ann@far.test', 'Auto-Submitted: auto-generated\n'), ('ann@far.test', 'Precedence: bulk\n'),
                              ('two, words', '')):
            p = autoanswer(i, '-n', data=letter(extra=extra), sender=sender)
            check(not p.out and 'not answered' in p.err, (sender, extra, p.out))
        for n in range(2):
            autoanswer(i, data=text)
        check(len(i.spool('router')) == 1, 'once each hour')
        queued = i.contents(i.spool('router')[0])
        check('channel error\n' in queued and 'to ann@far.test\n' in queued, queued)
        check(re.findall(r'ann@far.test: (.*)', i.read('log/autoanswer')) == ['answered', 'not answered: it was answered not long ago'],
              i.read('log/autoanswer'))
        autoanswer(i, '-r', '0', data=text)
        check(len(i.spool('router')) == 2, 'everybody always')


if __name__ == '__main__':
    main(sys.modules[__name__])
