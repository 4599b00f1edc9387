"""The system refuses one thing or another (space, a sync, a file, half of a write) at each step of a program's work on
the disk: nobody is told success for what is not there, nothing is half, and nothing that was there is lost."""
import json, os
from zm import *

PRELOAD = os.path.join(os.path.dirname(STAGE.rstrip('/')), 'tests', 'libzm-preload.so')
ENGINES = ('native', 'emulated')
FAILURES = {'EIO': 'nput/output error', 'ENOSPC': 'space', 'EMFILE': 'open files', 'short': None}
LETTER = 'external\nfrom <ann@far.test>\nto <bob@mail.test>\nenv-end\nSubject: one\n\n' + 'hello\n' * 1000
LARGE = LETTER + 'x' * 69 + '\n' * 40000
FOR_GOOD = 100000


def instance(engine):
    if not os.path.exists(PRELOAD):
        raise Skip('needs ' + os.path.basename(PRELOAD))
    if SANITIZE:
        raise Skip('a sanitizer and the preload library cannot both come first')
    return Instance(engine=engine)


def failing(i, **more):
    environment = {'LD_PRELOAD': PRELOAD, 'ZM_KILL_BELOW': i.path('postoffice')}
    environment.update({k: str(v) for k, v in more.items()})
    return environment


def each_failure(i, work):
    """Runs it with each step failing: that one alone, and all from there on.  Yields what fails, and what work gives."""
    for failure in FAILURES:
        told = i.path('steps')
        with contextlib.suppress(OSError):
            os.unlink(told)
        yield failure, 'nothing', work(failing(i, ZM_FAIL=failure, ZM_STEPS=told))
        with open(told) as f:
            steps = max(int(n) for n in f.read().split())
        check(steps > 0, 'no step can fail with ' + failure)
        for step in range(1, steps + 1):
            for times in (1, FOR_GOOD):
                place = '%s at step %d of %d%s' % (failure, step, steps, ' and later' if times > 1 else '')
                yield failure, place, work(failing(i, ZM_FAIL=failure, ZM_FAIL_STEP=step, ZM_FAIL_FOR=times))


def objects(i, *directories):
    return i.zmailer('spool', 'ls', *directories).out.split()


def judge_spool(i, what):
    findings = json.loads(i.zmailer('spool', 'check', '--json', code=None).out)['findings']
    if any(f['kind'] == 'unsynced' for f in findings):
        i.zmailer('spool', 'repair', code=None)
        findings = json.loads(i.zmailer('spool', 'check', '--json', code=None).out)['findings']
    check(all(f['kind'] in ('leftover', 'stray-body') for f in findings), '%r after %s' % (findings, what))


def test_a_submission_that_the_disk_refuses_is_not_accepted():
    for engine in ENGINES:
        for text in (LETTER, LARGE):
            with instance(engine) as i:
                refused = 0
                put = lambda e: i.zmailer('spool', 'put', 'router', data=text, env=e, code=None)
                for failure, place, p in each_failure(i, put):
                    check(p.returncode >= 0, 'it died: %d, %s' % (p.returncode, place))
                    accepted = p.out.split()
                    there = objects(i, 'router')
                    check(len(accepted) <= 1 and (p.returncode == 0) == (len(accepted) == 1), place + p.out + p.err)
                    check(set(accepted) <= set(there), 'accepted, and not there: ' + place)
                    for name in there:
                        check(i.zmailer('spool', 'cat', name).out == text, 'half a letter: ' + place)
                    if FAILURES[failure] is None or place == 'nothing':
                        check(p.returncode == 0, 'refused for %s: %s' % (place, p.err))
                    elif p.returncode != 0:
                        check(FAILURES[failure] in p.err or 'I/O error' in p.err, 'no reason for %s: %s' % (place, p.err))
                        refused += 1
                    if there:
                        i.zmailer('spool', 'rm', *there)
                    judge_spool(i, place)
                check(refused > 5, 'hardly anything failed')


def test_sendmail_tells_to_try_again():
    for engine in ENGINES:
        with instance(engine) as i:
            i.zmailer('spool', 'put', 'deferred/1', data='before')
            send = lambda e: i.sendmail('-f', 'ann@far.test', 'bob', data='Subject: one\n\nhello\n', env=e, code=None)
            for failure, place, p in each_failure(i, send):
                there = objects(i, 'router')
                check(p.returncode in (0, 75), '%d for %s: %s' % (p.returncode, place, p.err))
                check(len(there) == 1 if p.returncode == 0 else True, 'accepted, and not there: ' + place)
                if there:
                    i.zmailer('spool', 'rm', *there)
            check(i.zmailer('spool', 'cat', 'deferred/1').out == 'before', 'lost')
            judge_spool(i, 'all')


def test_a_router_that_the_disk_refuses_loses_no_message():
    router = os.path.join(MAILBIN, 'router')
    for engine in ENGINES:
        with instance(engine) as i:
            i.zmailer('newaliases')                     # a router waits for a map that is missing

            def route(environment):
                i.plant('router', LETTER)
                name = os.path.basename(i.spool('router')[0])
                return run(router, '--root', i.root, name, env=environment, code=None)
            for failure, place, p in each_failure(i, route):
                check(p.returncode >= 0, 'it died: %d, %s' % (p.returncode, place))
                # What happens at the next start, when the disk is well again.
                i.zmailer('resubmit', code=None)
                for name in i.spool('router'):
                    run(router, '--root', i.root, os.path.basename(name), code=None)
                recover_and_take(i, place)


def recover_and_take(i, place):
    i.zmailer('spool', 'repair', code=None)
    for name in i.spool('router'):
        run(os.path.join(MAILBIN, 'router'), '--root', i.root, os.path.basename(name), code=None)
    queue, transport = i.spool('queue'), i.spool('transport')
    check(len(queue) == 1 and len(transport) == 1, 'lost by %s: %r %r' % (place, queue, transport))
    check(i.contents(queue[0]) == LETTER, 'another message after ' + place)
    check('nothing is wrong' in i.zmailer('spool', 'check').out, place)
    for directory in ('queue', 'transport'):
        i.zmailer('spool', 'rm', *objects(i, directory))


if __name__ == '__main__':
    main(sys.modules[__name__])
