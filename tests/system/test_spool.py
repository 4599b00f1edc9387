"""zmailer spool: probe, init, check, repair, convert, stat, ls, cat, mv, rm, on both engines."""
import json, os, shutil, socket, sys, tempfile
from zm import *

LETTER = 'external\nfrom <ann@far.test>\nto <bob@mail.test>\nenv-end\nSubject: one\n\nhello\n'
ENGINES = ('native', 'emulated')


@contextlib.contextmanager
def spool(engine):
    """A new spool with one letter in deferred/."""
    root = tempfile.mkdtemp(prefix='zmspool-')
    os.chmod(root, 0o755)
    try:
        yield Spool(os.path.join(root, 'post'), engine)
    finally:
        shutil.rmtree(root)


class Spool:
    def __init__(self, where, engine):
        self.where, self.engine = where, engine
        self.do('init', '--engine', engine, where)
        # Objects are made where a directory tree can be written, and converted.
        if engine == 'native':
            self.plant('deferred/4711', LETTER)
        else:
            shutil.rmtree(where)
            tree = Spool(where + '.tree', 'native')
            self.do('convert', tree.where, 'emulated:' + where)

    def plant(self, name, text):
        os.makedirs(os.path.dirname(os.path.join(self.where, name)), exist_ok=True)
        with open(os.path.join(self.where, name), 'w') as f:
            f.write(text)

    def do(self, *words, **kw):
        return run(os.path.join(BIN, 'zmailer'), 'spool', *words, **kw)

    def on(self, command, *words, **kw):
        return self.do(command, '--spool', self.where, *words, **kw)


def test_probe_tells_evidence_and_choice():
    with spool('native') as s:
        told = json.loads(s.do('probe', '--json', s.where).out)
        check(told['engine'] == 'native' and len(told['guarantees']) == 6, repr(told))
        check(all(g['holds'] and g['evidence'] for g in told['guarantees']), repr(told))
        text = s.do('probe', s.where).out
        check('engine' in text and 'native' in text, text)
        check('cannot try out' in s.do('probe', s.where + '/nowhere', code=66).err, 'no reason')


def test_objects_on_both_engines():
    for engine in ENGINES:
        with spool(engine) as s:
            check(s.on('ls', 'deferred').out == 'deferred/4711\n', s.on('ls', 'deferred').out)
            check('deferred' in s.on('ls').out.split(), s.on('ls').out)
            check(s.on('cat', 'deferred/4711').out == LETTER, 'other contents')
            told = json.loads(s.on('stat', '--json', 'deferred/4711').out)[0]
            check(told['size'] == len(LETTER) and told['links'] == 1, repr(told))
            check(json.loads(s.on('stat', '--json').out)['engine'] == engine, 'another engine')
            s.on('mv', 'deferred/4711', 'router')
            check(s.on('ls', 'router').out == 'router/4711\n', 'not moved')
            check('there is no deferred/4711' in s.on('mv', 'deferred/4711', 'router', code=66).err, 'moved again')
            check('%d objects' % 1 in s.on('stat').out, s.on('stat').out)
            s.on('rm', 'router/4711')
            check(s.on('ls', 'router').out == '', 'still there')
            check('there is no router/4711' in s.on('rm', 'router/4711', code=66).err, 'removed again')


def test_nothing_is_overwritten():
    with spool('native') as s:
        s.plant('router/4711', 'another')
        check('already' in s.on('mv', 'deferred/4711', 'router', code=74).err, 'no reason')
        check(s.on('cat', 'router/4711').out == 'another', 'overwritten')


def test_put_makes_an_object():
    for engine in ENGINES:
        with spool(engine) as s:
            name = s.on('put', 'router', data='one').out.strip()
            check(name.startswith('router/') and s.on('cat', name).out == 'one', name)
            s.on('put', 'postman/4712_copy', data='two')
            check(s.on('cat', 'postman/4712_copy').out == 'two', 'other contents')
            check('already' in s.on('put', 'postman/4712_copy', data='three', code=74).err, 'overwritten')
            check(s.on('ls', 'public').out == '', 'something is left')
            s.on('put', 'router/../x', data='', code=64)
            s.on('mkdir', 'router1')
            check('already' in s.on('mkdir', 'router1', code=74).err, 'made again')
            check(s.on('put', 'router1', data='four').out.startswith('router1/'), 'no such directory')
            s.on('mkdir', 'a/b/c', code=64)


def test_bad_names_are_refused():
    bad = ['router/../x', 'router/a\\b', 'router/a:b', 'router/nul', 'router/com1.x', '/etc/passwd', 'router/A/..',
           'router/a\nb', 'router/', 'router', '', 'router/x.', '../router/x', 'router/' + 'x' * 256]
    for engine in ENGINES:
        with spool(engine) as s:
            for name in bad:
                p = s.on('cat', name, code=64)
                check('is not a name of the spool' in p.err, '%r: %s' % (name, p.err))
                s.on('mv', 'deferred/4711', name or 'x', code=None)
            check(s.on('cat', 'deferred/4711', code=None).out in (LETTER, ''), 'lost')
            check(sum(LETTER == s.on('cat', n).out for n in s.on('ls', 'deferred', 'router').out.split()) == 1, 'lost')


def test_planted_links_are_not_followed():
    with spool('native') as s:
        secret = os.path.join(os.path.dirname(s.where), 'secret')
        with open(secret, 'w') as f:
            f.write('secret')
        os.symlink(secret, os.path.join(s.where, 'public/4712'))
        os.symlink(secret, os.path.join(s.where, 'router/4713'))
        os.link(secret, os.path.join(s.where, 'router/4714'))
        os.mkfifo(os.path.join(s.where, 'router/4715'))
        for name in ('public/4712', 'router/4713', 'router/4714', 'router/4715'):
            p = s.on('cat', name, code=77)
            check('secret' not in p.out and 'nothing follows it' in p.err, p.err)
        findings = {f['name']: f['kind'] for f in json.loads(s.do('check', '--json', s.where, code=1).out)['findings']}
        check(findings == {'public/4712': 'foreign', 'router/4713': 'foreign', 'router/4714': 'planted-link',
                           'router/4715': 'foreign'}, repr(findings))
        s.do('repair', s.where, code=1)
        check(os.path.islink(os.path.join(s.where, 'public/4712')), 'it was touched')


def test_repair_says_what_it_does_and_loses_nothing():
    with spool('native') as s:
        s.plant('queue/A/B/4712', LETTER)
        s.plant('queue/note', LETTER)
        s.plant('public/%s:999999' % socket.gethostname()[:19], LETTER)
        s.plant('transport/.4713', 'half')
        s.plant('transport/4714', 'i 4714\n')
        p = s.do('check', s.where, code=1)
        for word in ('orphan: queue/A/B/4712', 'wrong-name: queue/note', 'leftover: public/', 'temporary: transport/.4713',
                     'finished: transport/4714', 'repair will give it back to the router'):
            check(word in p.out, p.out)
        before = {n for d, _, names in os.walk(s.where) for n in names}
        check('repair will' in s.do('repair', '--dry-run', s.where, code=1).out, 'no plan')
        check(before == {n for d, _, names in os.walk(s.where) for n in names}, 'a dry run does something')
        p = s.do('repair', s.where)
        check('repaired 5, failed 0' in p.out or 'repaired 6, failed 0' in p.out, p.out)
        check('nothing is wrong' in s.do('check', s.where).out, 'still something')
        names = s.on('ls', 'router', 'postman', 'deferred').out.split()
        check(sum(s.on('cat', n).out == LETTER for n in names) == 4, repr(names))


def test_conversion_is_to_a_new_place_only():
    with spool('native') as s:
        p = s.do('convert', s.where, 'emulated:' + s.where, code=78)
        check('is not empty' in p.err, p.err)
        p = s.do('convert', s.where + '.no', 'emulated:' + s.where + '.new', code=78)
        check('is missing' in p.err or 'no spool' in p.err, p.err)
        s.do('convert', s.where, 'emulated:' + s.where + '.new')
        check(s.do('cat', '--spool', s.where + '.new', 'deferred/4711').out == LETTER, 'other contents')
        with open(s.where + '.new/.engine', 'w') as f:
            f.write('zmailer-spool 1\nengine converting\n')
        check('not converted to its end' in s.do('stat', '--spool', s.where + '.new', code=78).err, 'used half')


def test_no_spool_is_made_within_another():
    for engine in ENGINES:
        with spool(engine) as s:
            for inside in ('/new', '/queue/A/new', '/new/.', '/../post/new'):
                p = s.do('convert', s.where, 'emulated:' + s.where + inside, code=78)
                check('lies within a spool' in p.err, p.err)
                p = s.do('init', s.where + inside, code=78)
                check('lies within a spool' in p.err, p.err)
            p = subprocess.run([os.path.join(BIN, 'zmailer'), 'spool', 'init', 'new'], cwd=s.where, capture_output=True)
            check(p.returncode == 78 and b'lies within a spool' in p.stderr, repr(p))
            check('nothing is wrong' in s.do('check', s.where).out, 'something was made')
            os.unlink(s.where + '/.engine')                     # an original's spool has none
            if engine == 'native':
                check('lies within a spool' in s.do('convert', s.where, s.where + '/new', code=78).err, 'within an original')


def test_two_engines_never_share_a_directory():
    for engine, other in (ENGINES, ENGINES[::-1]):
        with spool(engine) as s:
            p = s.do('init', '--engine', other, s.where, code=78)
            check('has the engine ' + engine in p.err, p.err)


def test_unusable_spools_are_named():
    with spool('emulated') as s:
        with open(s.where + '/.engine', 'w') as f:
            f.write('zmailer-spool 99\nengine emulated\n')
        check('newer version' in s.do('check', s.where, code=69).err, 'no reason')
        with open(s.where + '/.engine', 'w') as f:
            f.write('zmailer-spool 1\nengine quantum\n')
        check('quantum' in s.do('check', s.where, code=69).err, 'no reason')
        with open(s.where + '/.engine', 'w') as f:
            f.write('zmailer-spool 1\nengine emulated\n')
        for name in ('spool.db-wal', 'spool.db-shm'):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(s.where, name))
        with open(s.where + '/spool.db', 'w') as f:
            f.write('no database at all, though it is long enough to be one' * 20)
        p = s.do('check', s.where, code=65)
        check('spool.db' in p.err, p.err)


def test_repair_waits_for_the_daemons():
    with Instance().start() as i:
        p = i.zmailer('spool', 'repair', code=75)
        check('zmailer stop' in p.err, p.err)
        p = i.zmailer('spool', 'convert', i.path('postoffice'), i.path('new'), code=75)
        check('zmailer stop' in p.err, p.err)
        check('nothing is wrong' in i.zmailer('spool', 'check').out, 'not healthy')


def test_usage():
    zmailer = os.path.join(BIN, 'zmailer')
    check('probe' in run(zmailer, 'spool', '--help').out, 'no help')
    check('unknown spool command' in run(zmailer, 'spool', 'frobnicate', code=64).err, 'no reason')
    check('usage' in run(zmailer, 'spool', 'mv', 'a', code=64).err, 'no usage')
    check('frob' in run(zmailer, 'spool', 'check', '--frob', code=64).err, 'no reason')


if __name__ == '__main__':
    main(sys.modules[__name__])
