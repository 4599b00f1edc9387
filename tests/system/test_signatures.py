"""DKIM, ARC and DMARC: letters that are signed on the way out and examined on the way in."""
import sys
from test_tools import Zone
from zm import *


def txt(text):
    """The data of a TXT record, in strings of 200 octets."""
    data = text.encode()
    return b''.join(bytes([len(data[at:at + 200])]) + data[at:at + 200] for at in range(0, len(data), 200))


def make_key(i, domain, kind='ed25519'):
    """Makes a key and the line for it; the text of the record that is to be published."""
    shown = i.zmailer('dkim', 'key', domain, 'sel', i.path('key.' + domain), kind).out
    i.append('signers', '%s sel %s\n' % (domain, i.path('key.' + domain)))
    check('sel._domainkey.%s. IN TXT' % domain in shown, shown)
    check(os.stat(i.path('key.' + domain)).st_mode & 0o77 == 0, 'others may read the key')
    return ''.join(re.findall(r'"(.*?)"', shown))


def sign_with(i, option):
    i.write('share/scheduler.conf', i.read('share/scheduler.conf').replace(
        'command="smtp -s"', 'command="smtp -s -O %s=%s"' % (option, i.path('signers'))))


def examine(i, *lines):
    i.append('share/smtpserver.conf', ''.join('PARAM %s\n' % line for line in lines))


def offer(i, sender, raw):
    """The reply to a message on the wire: its code, and its text."""
    with i.smtp() as s:
        s.ehlo('client.test')
        s.mail(sender)
        s.rcpt('bob@in.test')
        code, text = s.data(raw)
        return code, text.decode()


def results(message):
    fields = [' '.join(f.split()) for f in message.get_all('Authentication-Results') or []]
    ours = [f for f in fields if f.startswith('in.test;')]
    check(len(ours) == 1, fields)
    return ours[0]


def sent(i, sink, count=1):
    wait(lambda: len(sink.messages) >= count, 'letter %d at the sink' % count, instances=[i])
    return sink.messages[count - 1][2]


def test_what_is_signed_here_is_good_there():
    records = {('_dmarc.out.test', Zone.TXT): [txt('v=DMARC1; p=reject')],
               ('out.test', Zone.TXT): [txt('v=spf1 -all')]}
    with Zone(records) as zone, Sink() as sink, Instance('in.test') as there, \
            Instance('out.test', smart_host='[127.0.0.1]:%d' % sink.port) as here:
        records[('sel._domainkey.out.test', Zone.TXT)] = [txt(make_key(here, 'out.test', 'rsa'))]
        sign_with(here, 'dkim')
        here.start()
        examine(there, 'auth-results enforce')
        there.zmailer('start', env={'RESOLVER': zone.where})

        found = here.zmailer('dkim', 'check', here.path('signers'), env={'RESOLVER': zone.where}).out
        check('sel._domainkey.out.test: good, rsa, 2048 bits' in found, found)
        found = here.zmailer('--dns', 'check', code=None, env={'RESOLVER': zone.where}).out
        check(re.search(r'(?m)^ok +DKIM: sel._domainkey.out.test: DNS has the key', found), found)
        found = here.zmailer('dkim', 'check', here.path('signers'), code=1, env={'RESOLVER': '127.0.0.1:1'}).out
        check('sel._domainkey.out.test: DNS does not answer' in found, found)

        # 8-bit text that the sink takes, one dot, and blanks that the canonical form leaves out
        here.sendmail('-f', 'alice@out.test', 'bob@in.test', data=letter(
            to='bob@in.test', sender='Alice <alice@out.test>', body='Hello,  you.\n.\n\ngr\u00fc\u00df dich \n\n\n',
            extra='Authentication-Results: in.test; dkim=fail\n'))
        raw = sent(here, sink)
        check(raw.startswith(b'DKIM-Signature: v=1;'), raw)
        check(raw.count(b'DKIM-Signature:') == 1, raw)

        code, text = offer(there, 'bounces@elsewhere.test', raw)
        check(code == 250, text)
        found = results(there.wait_mail('bob')[0])
        check('dkim=pass header.d=out.test header.s=sel header.a=rsa-sha256' in found, found)
        check('dmarc=pass (p=reject) header.from=out.test' in found, found)

        # what others have changed or made up is refused
        code, text = offer(there, 'bounces@elsewhere.test', raw.replace(b'Hello', b'Goodbye'))
        check(code == 550 and 'out.test refuses mail in its name' in text, text)
        code, text = offer(there, 'alice@out.test', letter(to='bob@in.test', sender='alice@out.test'))
        check(code == 550, text)
        code, text = offer(there, 'x@other.test', letter(to='bob@in.test', sender='x@other.test'))
        check(code == 250, text)
        check('dkim=none' in results(there.wait_mail('bob', 2)[1]), 'another')
        counters = there.zmailer('--json', 'metrics').out
        check(re.search(r'"SS.Auth-rejected": *2\b', counters), counters)

        # others' mail is not signed, nor is what has a signature of ours
        here.sendmail('-f', 'alice@out.test', 'bob@in.test', data=letter(to='bob@in.test', sender='x@other.test'))
        check(b'DKIM-Signature' not in sent(here, sink, 2), sink.messages)
        with here.smtp() as s:
            s.sendmail('alice@out.test', 'bob@in.test', letter(to='bob@in.test', sender='alice@out.test'))
        check(b'DKIM-Signature' not in sent(here, sink, 3), sink.messages)


def test_letters_are_signed_as_they_go_over_the_wire():
    """Converted for a server that takes no 8 bits, and as one chunk of more than a window."""
    records = {}
    with Zone(records) as zone, Sink({'EHLO': '250 sink.test'}) as sink, Instance('in.test') as there, \
            Instance('out.test') as here:
        records[('sel._domainkey.out.test', Zone.TXT)] = [txt(make_key(here, 'out.test'))]
        here.append('var/db/routes', 'in.test\tsmtp![127.0.0.1]:%d\nsink.test\tsmtp![127.0.0.1]:%d\n' % (
            there.port, sink.port))
        here.zmailer('newdb', code=None)
        sign_with(here, 'dkim')
        here.start()
        examine(there, 'auth-results header')
        there.zmailer('start', env={'RESOLVER': zone.where})
        text = letter(to='bob@in.test', sender='alice@out.test', body='gr\u00fc\u00df dich \n.\n' + 'x' * 70 + '\n',
                      extra='MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n')
        here.sendmail('-f', 'alice@out.test', 'x@sink.test', data=text)
        raw = sent(here, sink)
        check(b'gr=C3=BC' in raw, raw)
        code, reply = offer(there, 'alice@out.test', raw)
        check(code == 250 and 'dkim=pass' in results(there.wait_mail('bob')[0]), reply)

        here.sendmail('-f', 'alice@out.test', 'bob@in.test', data=text + ('y' * 70 + ' \n\n') * 3000)
        check('dkim=pass' in results(there.wait_mail('bob', 2)[1]), 'the large one')
        counters = here.zmailer('--json', 'metrics').out
        check(re.search(r'"SS.SMTP_BDAT": *[1-9]', there.zmailer('--json', 'metrics').out), counters)


def test_without_a_key_mail_waits():
    with Sink() as sink, Instance('out.test', smart_host='[127.0.0.1]:%d' % sink.port) as here:
        make_key(here, 'out.test')
        os.rename(here.path('key.out.test'), here.path('key.away'))
        sign_with(here, 'dkim')
        here.start()
        here.sendmail('-f', 'alice@out.test', 'bob@in.test', data=letter(to='bob@in.test', sender='alice@out.test'))
        wait(lambda: 'cannot sign: cannot open the key' in here.mailq('-v').out, 'the reason', instances=[here])
        check(not sink.messages, 'it was sent')
        os.rename(here.path('key.away'), here.path('key.out.test'))
        check(b'a=ed25519-sha256' in sent(here, sink), sink.messages)
        here.wait_empty()


def test_forwarders_vouch_for_what_they_forward():
    records = {('_dmarc.far.test', Zone.TXT): [txt('v=DMARC1; p=reject')],
               ('far.test', Zone.TXT): [txt('v=spf1 ip4:127.0.0.1 -all')]}
    with Zone(records) as zone, Sink() as sink, Instance('in.test') as there, \
            Instance('via.test', smart_host='[127.0.0.1]:%d' % sink.port) as via:
        records[('sel._domainkey.via.test', Zone.TXT)] = [txt(make_key(via, 'via.test'))]
        sign_with(via, 'arc')
        via.append('var/db/aliases', 'forward: bob@in.test\n')
        via.zmailer('newaliases')
        examine(via, 'auth-results header')
        via.zmailer('start', env={'RESOLVER': zone.where})
        examine(there, 'auth-results enforce', 'arc-trusted via.test')
        there.zmailer('start', env={'RESOLVER': zone.where})
        via.submit('x@far.test', 'forward@via.test', letter(to='forward@via.test', sender='x@far.test'))
        raw = sent(via, sink)
        check(raw.startswith(b'ARC-Seal: i=1; cv=none;'), raw)
        check(b'ARC-Authentication-Results: i=1; via.test;' in raw and b'dmarc=pass' in raw, raw)
        # its sender is the forwarder's now, so that only the seal speaks for it
        code, text = offer(there, 'x@via.test', raw)
        check(code == 250, text)
        found = results(there.wait_mail('bob')[0])
        check('arc=pass (i=1) header.d=via.test' in found and 'dmarc=fail' in found, found)
        code, text = offer(there, 'x@via.test', raw.replace(b'Hello', b'Goodbye'))
        check(code == 550, text)


if __name__ == '__main__':
    main(sys.modules[__name__])
