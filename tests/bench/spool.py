"""run spool: what both engines publish, beside what plain calls can do on the same disk at the same moment."""
import json, os, subprocess, sys, tempfile, time

from bench import *

ENGINES = ('native', 'emulated')
DELAY = 5000        # microseconds


class Disk:
    """Runs zm-spool-bench in a directory; keeps what it told."""

    def __init__(self, args, stage, where, delay=0):
        self.args, self.where, self.delay = args, where, delay
        self.program, self.preload = tool(stage, 'zm-spool-bench'), tool(stage, 'libzm-preload.so')
        self.count = 0

    def measure(self, kind, publishers, size, messages, *more, place=None):
        """One run; kind is an engine, raw or append."""
        self.count += 1
        place = place or os.path.join(self.where, '%s%d' % (kind, self.count))
        env = dict(os.environ)
        if self.delay:
            env.update(LD_PRELOAD=self.preload, ZM_SYNC_DELAY=str(self.delay))
        words = [self.program, '%s:%s' % (kind, place), '--json', '--publishers', str(publishers), '--size', str(size),
                 '--messages', str(messages)] + list(more)
        with tempfile.TemporaryFile() as out:
            p = subprocess.Popen(words, stdout=out, env=env)
            _, status, used = os.wait4(p.pid, 0)
            p.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            text = out.read()
        if p.returncode != 0:
            sys.exit('bench: %s ended with %d' % (' '.join(words), p.returncode))
        result = json.loads(text)
        result.update(kind=kind, delay=self.delay, peak_rss_mb=used.ru_maxrss / 1000)
        return result

    def several(self, kinds, publishers, size, messages):
        """Medians of runs that take turns, so that what else the machine does hits all alike."""
        runs = {kind: [] for kind in kinds}
        for _ in range(self.args.runs):
            for kind in kinds:
                # A new spool each: its directory is as small as that of the others.
                n = max(publishers, messages // 4 if publishers == 1 else messages)
                runs[kind].append(self.measure(kind, publishers, size, n))
        found = {}
        for kind, some in runs.items():
            found[kind] = middle(some, 'rate')
            found[kind]['rates'] = [r['rate'] for r in some]
        return found


def show(r, note=''):
    text = '%-9s %3d publishers %6d bytes %8.0f/s %7.0f us CPU  p50 %7.2f ms  p99 %7.2f ms' % (
        r['kind'], r['publishers'], r['size'], r['rate'], r['cpu_us'], r['p50_ms'], r['p99_ms'])
    print(text + note, flush=True)


class Goals:
    def __init__(self, quiet):
        self.list, self.quiet = [], quiet

    def add(self, what, figure, goal, met):
        """met may be None: told, but not judged."""
        self.list.append(dict(goal=what, figure=figure, wanted=goal, met=met if met is None else bool(met)))
        if not self.quiet:
            word = 'told  ' if met is None else 'met   ' if met else 'MISSED'
            print('%s  %s: %s (wanted %s)' % (word, what, figure, goal), flush=True)

    def status(self):
        """The program's exit status."""
        return 1 if any(g['met'] is False for g in self.list) else 0


def table(args, disk, results, sizes=(4096, 65536)):
    found = {}
    for size in sizes:
        for publishers in (1, 8, 64):
            n = args.messages if size < 60000 else args.messages // 4
            if disk.delay:
                n //= 2
            some = disk.several(('raw', 'append') + ENGINES, publishers, size, n)
            found[size, publishers] = some
            for kind in some:
                results.append(some[kind])
                if not args.json:
                    show(some[kind])
    return found


def middle(runs, key):
    return sorted(runs, key=lambda r: r[key])[len(runs) // 2]


def half_load(args, disk, found, goals, results):
    """p99 at half of what 64 publishers reach, in units of one sync of one thread; and what plain calls give at half of theirs."""
    kinds = ('raw',) + ENGINES
    rates = {kind: int(found[4096, 64][kind]['rate'] / 2) for kind in kinds}
    places = {kind: os.path.join(disk.where, 'half-' + kind) for kind in kinds}
    for kind in kinds:                  # a spool in use, whose log and directories have their size
        disk.measure(kind, 64, 4096, args.messages, '--consume', place=places[kind])
    os.sync()                           # what that left to do is none of the runs' business
    runs = {kind: [] for kind in ('append',) + kinds}
    for _ in range(args.runs):          # in turns, so that what else the machine does hits all alike
        runs['append'].append(disk.measure('append', 1, 4096, min(args.messages, 1000)))
        for kind in kinds:
            runs[kind].append(disk.measure(kind, 64, 4096, min(4 * args.messages, rates[kind] * 10), '--rate', str(rates[kind]), place=places[kind]))
    lone = middle(runs['append'], 'p50_ms')
    sync = lone['p50_ms']
    half = {kind: middle(runs[kind], 'p99_ms') for kind in kinds}
    for kind in kinds:
        results.append(dict(half[kind], what='half load'))
        if not args.json:
            show(half[kind], '  (asked %d/s)' % rates[kind])
    for engine in ENGINES:
        told = '%.1f syncs of %.2f ms; plain calls at half of their load %.1f; 99 %% of lone syncs end within %.1f' % (
            half[engine]['p99_ms'] / sync, sync, half['raw']['p99_ms'] / sync, lone['p99_ms'] / sync)
        # Where plain calls cannot keep 3 syncs either, other things than syncs are waited for, and the goal says nothing.
        met = half[engine]['p99_ms'] <= 3 * sync or (None if half['raw']['p99_ms'] > 3 * sync else False)
        goals.add('%s: p99 at half load' % engine, told, '<= 3; not judged where plain calls need more', met)


def full(args, disk, goals, results):
    """With many objects there already, in turns with a spool without them."""
    for engine in ENGINES:
        places = [os.path.join(disk.where, name + engine) for name in ('empty-', 'full-')]
        began = time.monotonic()
        disk.measure(engine, 64, 4096, 64, '--fill', str(args.objects), place=places[1])
        os.sync()                       # what the filling left to do is none of the runs' business
        if not args.json:
            print('%-9s filled with %d objects in %.0f s' % (engine, args.objects, time.monotonic() - began), flush=True)
        runs = [[], []]
        for _ in range(args.runs):
            for some, place in zip(runs, places):
                some.append(disk.measure(engine, 64, 4096, args.messages, place=place))
        empty, there = (middle(some, 'rate') for some in runs)
        results += [dict(r, what='%d objects' % args.objects) for r in runs[1]]
        goals.add('%s: rate with %d objects present' % (engine, args.objects),
                  '%.0f/s (%.0f us CPU) of %.0f/s (%.0f us CPU), %.0f %%' % (there['rate'], there['cpu_us'], empty['rate'],
                                                                          empty['cpu_us'], 100 * there['rate'] / empty['rate']),
                  '>= 80 %', there['rate'] >= 0.8 * empty['rate'])
        for place in places:
            subprocess.run(['rm', '-rf', place])


def large(args, disk, goals, results):
    for engine in ENGINES:
        small = disk.measure(engine, 1, 4096, 20)
        r = disk.measure(engine, 1, 20000000, 5)
        results.append(dict(r, what='20 MB'))
        grown = r['peak_rss_mb'] - small['peak_rss_mb']
        goals.add('%s: growth by a message of 20 MB' % engine, '%.1f MB' % grown, '<= 1 MB', grown <= 1)


def spool(args, stage):
    results, goals = [], Goals(args.json)
    where = tempfile.mkdtemp(prefix='zmbench-', dir=args.directory)
    try:
        disk = Disk(args, stage, where)
        found = table(args, disk, results)
        most = found[4096, 64]
        ratio = most['native']['rate'] / most['raw']['rate']
        goals.add('native at 64 publishers, of plain calls', '%.0f %%' % (ratio * 100), '>= 80 %', ratio >= 0.8)
        ratio = most['emulated']['rate'] / most['native']['rate']
        goals.add('emulated at 64 publishers, of native', '%.0f %%' % (ratio * 100), '>= 100 %', ratio >= 1)
        half_load(args, disk, found, goals, results)
        large(args, disk, goals, results)
        if os.path.exists(disk.preload):
            slow = Disk(args, stage, os.path.join(where, 'slow'), DELAY)
            os.mkdir(slow.where)
            if not args.json:
                print('each sync %d ms slower:' % (DELAY // 1000))
            found = table(args, slow, results, (4096,))
            ratio = found[4096, 64]['emulated']['rate'] / found[4096, 1]['raw']['rate']
            goals.add('emulated at 64 publishers, of plain calls one by one', '%.0f times' % ratio, '>= 20 times', ratio >= 20)
            half_load(args, slow, found, goals, results)
        else:
            print('skipped: slow syncs need libzm-preload.so', file=sys.stderr)
        if args.objects > 0:
            full(args, disk, goals, results)
    finally:
        remove(where)
    if args.json:
        print(json.dumps(dict(results=results, goals=goals.list), indent=1))
    return goals.status()
