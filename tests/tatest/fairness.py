"""No destination starves another. What is asked is seconds, so this runs alone."""
from scheduler import BASE, SANITIZE, STAGE, Trial, check, main, os, run, sys, time


def flood(limits, bound):
    """100,000 recipients at one host; how long the next message to another waits."""
    conf = BASE.replace('maxring=5', 'maxring=5 overfeed=20') + \
        'x/* command="{a} x" %s\nflood/* command="%s -d 2 -c flood" %s\n' % (limits, os.path.join(STAGE, '../tests/zm-null-ta'), limits)
    with Trial(conf, a='hungry\n') as t:
        run(os.path.join(STAGE, '../tests/zm-fill'), '--root', t.i.root, '-m', '10000', '-r', '10', '--hosts', '1', '-c', 'flood')
        t.start()
        t.until(lambda: len(t.statistics()) > 1000, 'the flood')
        arrived = lambda: [row[0] for row in t.log() if row[2] == '<']
        waited = []
        while len(waited) < 3 and min(waited, default=bound) >= bound:     # a busy machine may hold up one of them
            seen, begin = len(arrived()), time.time()
            t.job()
            t.until(lambda: len(arrived()) > seen, 'the other job')
            waited.append(arrived()[seen] - begin)
            check(len(t.statistics()) < 100000, 'the flood was over')
        check(min(waited) < bound * (10 if SANITIZE else 1), 'they waited %s s' % waited)
        return waited


def test_a_flood_does_not_delay_another_channel():
    flood('', 1)


def test_a_flood_that_holds_the_only_agent_gives_way():
    flood('maxta=1', 3)


if __name__ == '__main__':
    main(sys.modules[__name__])
