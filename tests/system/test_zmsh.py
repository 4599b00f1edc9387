"""zmsh: the script language as a program."""
import ctypes.util, os, pty, select, signal, subprocess, sys, tempfile
from zm import *

ZMSH = os.path.join(BIN, 'zmsh')


def zmsh(*words, **kw):
    return run(ZMSH, *words, **kw)


def test_a_command_and_its_status():
    check(zmsh('-c', 'echo $0 $# $1; exit 3', 'a', 'b', code=3).out.split()[1:] == ['2', 'a'], 'arguments')
    check(zmsh('-c', 'f () { returns (a (b)) }; f').out == '(a (b))\n', 'a returned value is printed')
    check('line 1, column 10' in zmsh('-c', 'if true; fi', code=7).err, 'no place in the message')
    zmsh('-Z', code=64)


def test_a_script_and_its_arguments():
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, 'script.zm')
        with open(path, 'w') as f:
            f.write('#!/bin/zmsh\ntrap "echo bye $1" 0\nread line\necho "$0 $1 $line"\n')
        out = zmsh(path, 'first', data='input\nmore\n').out
        check(out == '%s first input\nbye first\n' % path, repr(out))
    zmsh('/nonexistent/script', code=1)


def test_standard_input_is_run_as_it_comes():
    out = zmsh('-s', 'x', data='echo $1\nif true\nthen\n  echo inside\nfi\nread v\ndata\necho "<$v>"\n').out
    check(out == 'x\ninside\n<data>\n', repr(out))
    check('stdin' in zmsh('-s', data='echo ok\nfi\necho never\n', code=None).err, 'no complaint')
    check('not closed' in zmsh(data='echo "open\n', code=None).err, 'an unfinished command is told')


def test_lines_are_edited_at_a_terminal():
    if not ctypes.util.find_library('edit'):
        raise Skip('needs libedit')
    child, terminal = pty.fork()
    if child == 0:
        os.execve(ZMSH, ['zmsh'], {'TERM': 'xterm', 'PS1': 'ready> ',
                                  'ASAN_OPTIONS': 'detect_leaks=0'})    # libedit frees nothing
    seen = b''

    def expect(text):
        nonlocal seen
        while text not in seen:
            ready, _, _ = select.select([terminal], [], [], PATIENCE)
            check(ready, 'waited in vain for %r in %r' % (text, seen))
            seen += os.read(terminal, 4096)
        seen = seen[seen.index(text) + len(text):]

    expect(b'ready> ')
    os.write(terminal, b'echo wrn\x02\x02o\x05g\r')     # two back, a letter, to the end, a letter
    expect(b'worng\r\n')
    expect(b'ready> ')
    os.write(terminal, b'\x10\r')        # the line before
    expect(b'worng\r\n')
    expect(b'ready> ')
    os.write(terminal, b'if true\r')
    expect(b'> ')
    os.write(terminal, b'then echo yes no; fi\r')
    expect(b'yes no\r\n')
    os.write(terminal, b'exit 6\r')
    check(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 6, 'another status')
    os.close(terminal)


def test_an_interactive_one_goes_on_after_errors():
    r = zmsh('-i', data='PS1="% "\nfi\necho ${nosuch?missing}\necho on\nexit 4\n', code=4, env={'PS1': '! '})
    check(r.out == 'on\n', r.out)
    check('% ' in r.err and 'missing' in r.err, r.err)


def test_mail_is_told_before_a_prompt():
    with tempfile.TemporaryDirectory() as d:
        one, two = os.path.join(d, 'one'), os.path.join(d, 'two')
        script = ('echo first\n/bin/sh -c "echo new > %s; echo more > %s"\necho between\n:\n'
                  'MAILPATH=\n/bin/sh -c "echo again >> %s"\n:\n' % (one, two, one))
        env = {'MAILPATH': '%s%%parcel in one:%s' % (one, two), 'MAILCHECK': '0', 'MAIL': ''}
        r = zmsh('-i', data=script, env=env)
        check('parcel in one\nyou have mail\n' in r.err and r.err.count('you have') == 1, repr(r.err))
        env['MAILCHECK'] = '600'
        check('you have' not in zmsh('-i', data=script, env=env).err, 'looked too often')


def test_what_was_made_by_gensym_stays():
    check(zmsh(data='x=$(gensym)\neval $x="(a b)"\neval grind \\$$x $x\n').out == '(a b) g0\n', 'another symbol')


def test_a_dialogue_is_not_ended_by_a_signal():
    p = subprocess.Popen([ZMSH, '-i'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    p.stdin.write(b'echo ready\n')
    p.stdin.flush()
    check(p.stdout.readline() == b'ready\n', 'not ready')
    p.send_signal(signal.SIGTERM)
    out, _ = p.communicate(b'echo still here\nexit 3\n')
    check(out == b'still here\n' and p.returncode == 3, 'ended: %r %d' % (out, p.returncode))


def test_a_trap_catches_a_signal():
    p = subprocess.Popen([ZMSH, '-c', 'trap "echo caught; exit 5" 15; echo ready; while :; do sleep 1; done'],
                         stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    check(p.stdout.readline() == b'ready\n', 'not ready')
    p.send_signal(signal.SIGTERM)
    check(p.stdout.read() == b'caught\n' and p.wait() == 5, 'not caught')


def test_the_environment_goes_both_ways():
    out = zmsh('-c', 'echo $GIVEN; GIVEN=changed; OTHER=x /bin/sh -c \'echo $GIVEN $OTHER\'; export GIVEN; '
               '/bin/sh -c \'echo $GIVEN\'', env={'GIVEN': 'here'}).out
    check(out == 'here\nhere x\nchanged\n', repr(out))


def test_nothing_is_run_with_n_and_lines_are_told_with_v_and_x():
    check(zmsh('-n', '-c', 'while :; do echo x; done').out == '', 'something ran')
    check(zmsh('-x', '-c', 'x="a b"; echo $x').err == "+ x 'a b'\n+ echo 'a b'\n", 'trace')
    check(zmsh('-v', '-c', 'echo x').err == 'echo x\n', 'echo of the input')
    zmsh('-e', '-c', 'true; false; exit 9', code=1)


if __name__ == '__main__':
    main(sys.modules[__name__])
