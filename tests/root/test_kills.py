"""A process dies at each step of its work on the disk; what it was told to keep is there, and nothing is half."""
import json
from filesystems import *

LETTER = 'external\nfrom <ann@far.test>\nto <bob@mail.test>\nenv-end\nSubject: one\n\n' + 'hello\n' * 2000
ENGINES = ('native', 'emulated')


def preloaded(below, **more):
    environment = {'LD_PRELOAD': PRELOAD, 'ZM_KILL_BELOW': below}
    environment.update({k: str(v) for k, v in more.items()})
    return environment


def count_steps(work, below):
    """How many steps a run has that is left alone."""
    with scratch() as where:
        told = os.path.join(where, 'steps')
        work(preloaded(below, ZM_STEPS=told), 0)
        with open(told) as f:
            return max(int(n) for n in f.read().split())


def deaths(work, below):
    """Runs it once for each place to die at; yields after each."""
    steps = count_steps(work, below)
    check(steps > 3, 'only %d steps were seen' % steps)
    for after in (0, 1):
        for step in range(1, steps + 1):
            work(preloaded(below, ZM_KILL_STEP=step, ZM_KILL_AFTER=after), None)
            yield '%s step %d of %d' % ('after' if after else 'before', step, steps)


def objects(where, *directories):
    return zmailer('spool', 'ls', '--spool', where, *directories).out.split()


def test_a_publisher_that_dies_leaves_whole_messages_only():
    need(PRELOAD)
    for kind in FILESYSTEMS:
        try:
            with FILESYSTEMS[kind]() as mount:
                for engine in ENGINES if kind != 'nolinkfs' else ('emulated',):
                    publish(mount + '/' + engine, engine)
        except Skip as e:
            print('skipped: %s  (%s)' % (e, kind), flush=True)


def publish(where, engine):
    zmailer('spool', 'init', '--engine', engine, where)
    acknowledged = []

    def put(environment, code):
        p = zmailer('spool', 'put', '--spool', where, 'router', data=LETTER, env=environment, code=code)
        acknowledged.extend(p.out.split())
    for place in deaths(put, where):
        for name in objects(where, 'router'):
            check(zmailer('spool', 'cat', '--spool', where, name).out == LETTER, '%s is half, %s' % (name, place))
        for name in acknowledged:
            check(name in objects(where, 'router'), '%s is lost, %s' % (name, place))
        findings = json.loads(zmailer('spool', 'check', '--json', where, code=None).out)['findings']
        check(all(f['kind'] in ('leftover', 'stray-body') for f in findings), '%r %s' % (findings, place))
        if objects(where, 'router'):
            zmailer('spool', 'rm', '--spool', where, *objects(where, 'router'))
        del acknowledged[:]
        zmailer('spool', 'repair', where, code=None)
        check('nothing is wrong' in zmailer('spool', 'check', where).out, place)


def test_a_router_that_dies_loses_no_message():
    need(PRELOAD)
    for engine in ENGINES:
        os.environ['ZM_TEST_SPOOL'] = engine
        with Instance() as i:
            route(i)


def route(i):
    post = i.path('postoffice')

    def one(environment, code):
        i.plant('router', LETTER)
        name = os.path.basename(i.spool('router')[0])
        run(os.path.join(MAILBIN, 'router'), '--root', i.root, name, env=environment, code=code)
        if code == 0:
            check(len(i.spool('transport')) == 1, 'not routed')
            empty(i)
    for place in deaths(one, post):
        # A router's start puts everything right.
        i.zmailer('start', 'router')
        wait(lambda: not i.spool('router') and len(i.spool('queue')) == 1 and len(i.spool('transport')) == 1,
             'a routed message, killed ' + place, 20, [i])
        check(i.contents(i.spool('queue')[0]) == LETTER, 'another message, killed ' + place)
        i.stop('router')
        check('nothing is wrong' in i.zmailer('spool', 'check').out, place)
        empty(i)


def empty(i):
    for directory in ('queue', 'transport'):
        names = i.zmailer('spool', 'ls', directory).out.split()
        if names:
            i.zmailer('spool', 'rm', *names)


if __name__ == '__main__':
    main(sys.modules[__name__])
