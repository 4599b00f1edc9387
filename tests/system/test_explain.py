"""router -t: how the stock configuration routes, the same on every kind of spool."""
import json
import os
import re
import sys

import explain
from zm import *

ROUTER = os.path.join(os.path.dirname(BIN), 'libexec/zmailer/router')


def ask(instance, *words):
    return run(ROUTER, '--root', instance.root, *words, code=None)


def told(spool):
    """What is said on an instance with that kind of spool."""
    with Instance(engine=spool) as i:
        explain.prepare(i.root)
        run(os.path.join(BIN, 'newaliases'), '--root', i.root)
        return explain.plain(ask(i, '-t', *explain.ADDRESSES).out, [i.root])


def test_each_kind_of_address():
    got = explain.essence(told('native'))
    if os.environ.get('ZM_TEST_UPDATE'):
        with open(explain.EXPECTED, 'w') as f:
            f.write(got)
    different = explain.difference(got, explain.expected())
    check(not different, different)


def test_the_same_on_an_emulated_spool():
    different = explain.difference(told('emulated'), told('native'))
    check(not different, different)


def test_json_tells_calls_lookups_and_the_result():
    with Instance() as i:
        explain.prepare(i.root)
        run(os.path.join(BIN, 'newaliases'), '--root', i.root)
        lines = [json.loads(line) for line in ask(i, '--json', '-t', 'team', 'someone@remote.test').out.splitlines()]
        check([l['address'] for l in lines] == ['team', 'someone@remote.test'], lines)
        lookups = [s for s in lines[0]['steps'] if s['step'] == 'lookup' and s['name'] == 'aliases']
        check(lookups[0]['key'] == 'team' and lookups[0]['outcome'] == 'found', lookups)
        check(lookups[0]['answer'] == 'alice, bob, far@remote.test', lookups)
        check([q['channel'] for q in lines[0]['result']] == ['local', 'local', 'smtp'], lines[0]['result'])
        calls = [s['name'] for s in lines[1]['steps'] if s['step'] == 'call']
        check(calls[0] == 'router' and 'canonicalize' in calls, calls)


def test_a_lookup_that_fails_is_not_an_absent_key():
    with Instance() as i:
        i.write('var/db/aliases.sqlite', 'this is no database')
        said = ask(i, '-t', 'alice').out
        check('lookup aliases alice failed: IO:' in said and 'channel hold' in said, said)


OLD_WAYS = """hostname mail.test
relation -l%%t unordered -s 10 -d pathalias -f %s data
inner () {
	local subject
	subject=z
	ssift "$subject" in
	z	: ;;
	tfiss
}
router (address, A) {
	local seen subject
	seen=missed
	subject=x
	case $address in
	keys)	data bare.test > /dev/null && seen=found ;;
	covered)	seen=$(data a.sub.test); seen="$seen/$(data a.sub.test)" ;;
	sift)	ssift "$subject" in
		x	subject=y; inner ;;
		y	seen=followed ;;
		tfiss
		;;
	esac
	returns (((local - "$seen" $A)))
}
crossbar (from, to) { returns (null $from $to) }
"""


def test_old_ways_are_those_of_the_original():
    with Instance() as i:
        i.write('data', 'bare.test\n.sub.test x%0\n')
        i.write('old.cf', OLD_WAYS % i.path('data'))

        def users(*words):
            p = ask(i, '-f', i.path('old.cf'), *words, '-t', 'keys', 'covered', 'sift')
            return re.findall(r'=> .* user (\S+)', p.out) or p.err
        new, old = ['found', 'x.a/x.a', 'followed'], ['missed', 'x.a/xa.sub.test', 'missed']
        check(users() == new, users())
        check(users('--old-ways=all') == old, users('--old-ways=all'))
        check(users('--old-ways=keys,sift') == [old[0], new[1], old[2]], users('--old-ways=keys,sift'))
        check(users('--old-ways', 'covered') == [new[0], old[1], new[2]], users('--old-ways', 'covered'))
        check('unknown old way' in run(ROUTER, '--root', i.root, '--old-ways=x', code=64).err, 'an unknown one')


def test_a_script_has_the_commands_of_the_router():
    with Instance() as i:
        i.write('script', """#!%s -f
trap 'echo bye' 0
read line
echo "$# $1 $line $(recase -u abc) $(uid2login 0)"
relation -t incore known
db add known a b
rfc822syntax "$1" || exit 3
echo $(known a)
""" % ROUTER)
        os.chmod(i.path('script'), 0o755)
        i.write('data', 'input\n')

        def script(*words, **kw):
            return run(i.path('script'), *words, data='input\n', env={'ZCONFIG': i.path('etc/zmailer.conf')}, **kw)
        p = script('u@d.test', 'second')
        check(p.out == '2 u@d.test input ABC root\nb\nbye\n', p.out + p.err)
        check(script('u@', code=3).out == '1 u@ input ABC root\nbye\n', 'exit')
        i.append('script', 'fi\n')
        p = script(code=7)
        check('line 9' in p.err and p.out == '', p.out + p.err)
        i.write('rules', '#!%s -dkf\necho never\n' % ROUTER)    # a configuration, and not all of it
        check('nothing sets our host name' in ask(i, '-f', i.path('rules'), '-t', 'a').err, 'taken for a script')


def test_a_word_to_trace_is_no_address():
    with Instance() as i:
        check(run(ROUTER, '--root', i.root, '-t', 'functions', code=64).out == '', 'explained a trace word')


if __name__ == '__main__':
    main(sys.modules[__name__])
