"""rmail: what stands in the spool, and what it exits with."""
import sys
from zm import *

RMAIL = os.path.join(BIN, 'rmail')
TEXT = 'From b!ann Fri Nov 20 10:00:00 1987 remote from gate\n>From ann Thu Nov 19 9:00:00 1987 remote from b\nSubject: x\n\n\0y\nFrom z\n'


def rmail(i, *words, data=TEXT, code=0, **env):
    p = run(RMAIL, *words, data=data, code=code, env=dict(ZMAILER_ROOT=i.root, LOGNAME='uucp', **env))
    if code != 0:
        check(not i.spool('router') and not i.zmailer('spool', 'ls', 'public').out, 'something is left')
    return p


def queued(i):
    names = i.spool('router')
    check(len(names) == 1, 'not one message: %r' % names)
    name = 'router/' + os.path.basename(names[0])
    text = i.zmailer('spool', 'cat', name).out
    i.zmailer('spool', 'rm', name)
    return text


def test_the_spool_file():
    with Instance() as i:
        rmail(i, 'bob', 'carol@mail.test,dave', UU_MACHINE='gate')
        text = queued(i)
        check(text == 'rcvdfrom STDIN (uucp@mail.test)\nexternal\ntodsn ORCPT=rfc822;bob\nto bob\n'
              'todsn ORCPT=rfc822;carol@mail.test\nto carol@mail.test\ntodsn ORCPT=rfc822;dave\nto dave\nwith UUCP\n'
              'rcvdfrom gate\nfrom gate!b!ann\nenv-end\nReceived: by gate.uucp ; Fri Nov 20 10:00:00 1987\n'
              'Subject: x\n\n\0y\nFrom z\n', text)
        check(rmail(i, '-d', 'bob', data='From ann@far.test d\nno header\n').out.endswith(
            'with UUCP\nrcvdfrom uunet\nfrom ann@far.test\nenv-end\n\nno header\n'), 'others')
        out = rmail(i, '-d', '-h', 'far.test', 'bob', data='Subject: x\n\n').out
        check('rcvdfrom far.test\nfrom uucp\nenv-end\nSubject: x\n' in out, out)
        check('rcvdfrom near\nfrom near!ann\n' in rmail(i, '-d', '-h', 'far', 'bob', data='From ann d\n\nx\n', REMOTE='near').out, 'others')
        check('\nchannel error\n' in rmail(i, '-d', 'bob', data='From <> d remote from b\n\nx\n').out, 'no null path')
        check(not i.spool('router'), '-d has queued')


def test_what_is_wrong_is_told():
    with Instance() as i:
        check('expected recipients' in rmail(i, code=64).err, 'no reason')
        check('empty message' in rmail(i, 'bob', data='', code=65).err, 'no reason')
        check('empty message' in rmail(i, 'bob', data='From a b\n', code=65).err, 'no reason')
        check('malformed' in rmail(i, 'bob', data='From \nx\n', code=65).err, 'no reason')
        check('malformed' in rmail(i, 'bob', data='From ' + 'a' * 70000 + '\nx\n', code=65).err, 'no reason')
        check('too many hops' in rmail(i, 'bob', data='From a b\n' * 501 + 'x\n', code=70).err, 'no reason')
        check('control character' in rmail(i, 'bob\nto mallory', code=65).err, 'no reason')
        check('no address' in rmail(i, '', code=65).err, 'no reason')
        check('name of a host' in rmail(i, 'bob', code=64, UU_MACHINE='a\nto mallory').err, 'no reason')
        i.append('etc/zmailer.conf', 'MAX_SUBMIT_SIZE=1000\n')
        check('MAX_SUBMIT_SIZE' in rmail(i, 'bob', data=TEXT * 30, code=65).err, 'no reason')
        i.append('etc/zmailer.conf', 'POSTOFFICE=/nonexistent\n')
        check('nothing was queued' in run(RMAIL, 'bob', data=TEXT, code=75, env=dict(ZMAILER_ROOT=i.root)).err, 'no reason')
        i.append('etc/zmailer.conf', 'nonsense\n')
        check('nothing was queued' in run(RMAIL, 'bob', data=TEXT, code=75, env=dict(ZMAILER_ROOT=i.root)).err, 'no reason')


def test_recipients_are_no_options():
    with Instance() as i:
        rmail(i, 'bob', '-d', '-Z', '/etc/passwd')      # the other site has chosen these
        check(queued(i).count('\nto ') == 4, 'an option was taken')
        run(RMAIL, '-Z', i.path('etc/zmailer.conf'), 'bob', data=TEXT, code=64)


def test_delivery():
    with Instance().start() as i:
        rmail(i, 'bob', UU_MACHINE='gate')
        message = i.wait_mail('bob')[0]
        check(message['Return-Path'] is None or 'ann' in message['Return-Path'], message.as_string())
        check('gate' in message.get_all('Received')[0] and 'with UUCP' in message.get_all('Received')[0].replace('\n', ' ').replace('\t', ' '),
              message.as_string())


if __name__ == '__main__':
    main(sys.modules[__name__])
