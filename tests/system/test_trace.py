"""sendmail -v: a message is followed on its way, on both engines, and whoever gives up following disturbs nothing."""
import pty
from zm import *

ENGINES = ('native', 'emulated')
STATIONS = ('router processing message', 'router done processing', 'scheduler processing ', 'Feeding to child', 'bob@mail.test: ok3 ',
            'scheduler done processing ')


def begin(i, stderr):
    """sendmail -v, which has read its letter."""
    p = subprocess.Popen([os.path.join(BIN, 'sendmail'), '--root', i.root, '-v', 'bob'], stdin=subprocess.PIPE, stderr=stderr)
    p.stdin.write(b'Subject: one\n\nhello\n')
    p.stdin.close()
    return p


def traces(i):
    return [n for n in i.zmailer('spool', 'ls', 'public').out.split() if n.startswith('public/v_')]


def in_order(text):
    at = -1
    for station in STATIONS:
        check(text.find(station, at + 1) > at, '%r is missing, or too early:\n%s' % (station, text))
        at = text.find(station, at + 1)


def test_a_terminal_is_told_until_the_scheduler_is_done():
    for engine in ENGINES:
        with Instance(engine=engine) as i:
            ours, theirs = pty.openpty()
            p = begin(i, theirs)
            os.close(theirs)
            i.start('router')
            name, = wait(lambda: i.spool('transport'), 'a control file', instances=[i])
            trace, = traces(i)
            check('\nv ../%s\n' % trace in '\n' + i.contents(name), i.contents(name))
            check(p.poll() is None, 'it waits for nothing')
            i.start('scheduler')
            text = b''
            with contextlib.suppress(OSError):      # the end of a terminal
                while piece := os.read(ours, 4096):
                    text += piece
            os.close(ours)
            check(p.wait(30) == 0, 'it failed')
            in_order(text.decode().replace('\r\n', '\n'))
            check(not traces(i), 'the trace stays')
            i.wait_mail('bob')


def test_elsewhere_it_is_told_in_the_background():
    for engine in ENGINES:
        with Instance(engine=engine) as i:
            with open(i.path('told'), 'wb') as told:
                check(begin(i, told).wait(30) == 0, 'it failed')
            i.start('router', 'scheduler')
            wait(lambda: 'scheduler done' in i.read('told'), 'the end of the trace', instances=[i])
            in_order(i.read('told'))


def test_who_follows_no_more_stops_nothing():
    for engine in ENGINES:
        with Instance(engine=engine) as i:
            with open(i.path('told'), 'wb') as told:
                check(begin(i, told).wait(30) == 0, 'it failed')
            for pid, line in processes_of(i.root).items():
                if '--follow' in line:
                    os.kill(pid, signal.SIGKILL)
            trace, = traces(i)
            i.zmailer('spool', 'rm', trace)
            i.start('router', 'scheduler')
            i.wait_mail('bob')
            i.wait_empty()
            check(not traces(i), 'it was made again')


def test_a_link_in_the_place_of_a_trace_is_not_followed():
    with Instance(engine='native') as i:
        with open(i.path('told'), 'wb') as told:
            check(begin(i, told).wait(30) == 0, 'it failed')
        i.write('other', '')
        trace, = traces(i)
        os.unlink(i.path('postoffice', trace))
        os.symlink(i.path('other'), i.path('postoffice', trace))
        i.start('router', 'scheduler')
        i.wait_mail('bob')
        i.wait_empty()
        check(i.read('other') == '', i.read('other'))


if __name__ == '__main__':
    main(sys.modules[__name__])
