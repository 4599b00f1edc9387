"""Many recipients and large messages."""
import sys
from zm import *


def test_two_thousand_recipients_on_one_message():
    recipients = ['r%04d@d%02d.test' % (n, n % 20) for n in range(2000)]
    with Sink() as sink, Instance(smart_host='[127.0.0.1]:%d' % sink.port).start() as i:
        i.submit('alice@mail.test', recipients, letter(subject='crowd'))
        wait(lambda: sum(len(r) for _, r, _ in sink.messages) >= 2000, '2000 recipients', instances=[i])
        i.wait_empty()
        got = sorted(a for _, r, _ in sink.messages for a in r)
        check(got == sorted(recipients), 'recipients differ')


def test_a_20_mb_message_does_not_grow_the_programs():
    line = 'x' * 76 + '\n'
    body = line * (20 * 1024 * 1024 // len(line))
    with Sink() as sink, Instance(smart_host='[127.0.0.1]:%d' % sink.port).start() as i:
        i.submit('alice@mail.test', ['warm@far.test', 'bob@mail.test'], letter())
        wait(lambda: sink.messages and i.mbox('bob'), 'the first letter', instances=[i])
        i.wait_empty()
        before = {p: memory_peak(p) for p in processes_of(i.root)}
        i.submit('alice@mail.test', ['big@far.test', 'bob@mail.test'], letter(body=body))
        wait(lambda: len(sink.messages) > 1 and len(i.mbox('bob')) > 1, 'the large letter', instances=[i])
        i.wait_empty()
        check(len(sink.messages[1][2]) > len(body), 'it was cut to %d' % len(sink.messages[1][2]))
        if SANITIZE:
            raise Skip('sanitizers keep what is freed, so memory is not measured')
        names = processes_of(i.root)
        for p, peak in before.items():
            if p in names:
                grown = memory_peak(p) - peak
                check(grown < 3 * 1024 * 1024, '%s grew by %d KiB' % (names[p], grown // 1024))


if __name__ == '__main__':
    main(sys.modules[__name__])
