"""Spools on real filesystems: what probe finds, the engines' unit tests, and letters through the whole pipeline."""
import glob, json
from filesystems import *


def each(*kinds):
    """The mounts that can be had; says which cannot, and is skipped only when there is none."""
    any = False
    for kind in kinds:
        try:
            with FILESYSTEMS[kind]() as mount:
                any = True
                yield kind, mount
        except Skip as e:
            print('skipped: %s  (%s)' % (e, kind), flush=True)
    if not any:
        raise Skip('needs a filesystem of %s' % ', '.join(kinds))


def probe(mount):
    return json.loads(zmailer('spool', 'probe', '--json', mount).out)


def check_probe(kind, mount, engine):
    told = probe(mount)
    failing = [g['name'] for g in told['guarantees'] if not g['holds']]
    check(told['engine'] == engine and bool(failing) == (engine == 'emulated'), '%s: %r' % (kind, told))
    zmailer('spool', 'init', mount + '/post')
    check(json.loads(zmailer('spool', 'stat', '--json', '--spool', mount + '/post').out)['engine'] == engine, kind)
    check(not [n for n in os.listdir(mount) if n.startswith('.probe')], 'the probe left something')
    return failing


def test_probe_chooses_native_on_disks():
    for kind, mount in each('ext4', 'xfs', 'btrfs'):
        check_probe(kind, mount, 'native')


def test_probe_chooses_emulated_where_numbers_change():
    with nolinkfs() as mount:
        check(check_probe('nolinkfs', mount, 'emulated') == ['link', 'identity'], 'other guarantees fail')


def test_probe_chooses_emulated_where_links_fail():
    for error in ('1', '95', '38'):
        with nolinkfs(NOLINKFS_INO='real', NOLINKFS_ERRNO=error) as mount:
            check(check_probe('nolinkfs', mount, 'emulated') == ['link'], 'other guarantees fail')


def test_a_native_spool_is_refused_where_numbers_change():
    with nolinkfs() as mount:
        p = zmailer('spool', 'init', '--engine', 'native', mount + '/post', code=69)
        check('guarantee' in p.err and 'link' in p.err, p.err)
        check(not os.path.exists(mount + '/post/.engine'), 'a spool was made')


def run_unit_tests(mount, engine, sockets=True):
    programs = [p for p in sorted(glob.glob(os.path.join(TESTS, 'test_spool_*'))) if engine in p and not p.endswith('.exe')]
    check(len(programs) > 8, 'no unit tests in ' + TESTS)
    for program in programs:
        if 'submit' in program and not sockets:     # it waits for a datagram
            continue
        p = run(program, env={'TMPDIR': mount}, code=None, timeout=120)
        check(p.returncode == 0, '%s\n%s%s' % (program, p.out, p.err))


def test_unit_tests_of_the_native_engine_pass_on_disks():
    for kind, mount in each('ext4', 'xfs', 'btrfs'):
        run_unit_tests(mount, 'native')


def test_unit_tests_of_the_emulated_engine_pass_everywhere():
    for kind, mount in each('ext4', 'xfs', 'btrfs', 'nolinkfs'):
        run_unit_tests(mount, 'emulated', kind != 'nolinkfs')


def test_letters_pass_on_every_filesystem():
    for kind, mount in each('ext4', 'xfs', 'btrfs', 'nolinkfs'):
        with InstanceOn(mount) as i:
            check(i.emulated() == (kind == 'nolinkfs'), kind + ': another engine')
            i.start()
            i.submit('alice@mail.test', ['bob@mail.test'], letter())
            i.sendmail('-f', 'alice@mail.test', 'bob', data=letter(body='x' * 70 + '\n') * 3000)
            i.wait_mail('bob', 2)
            i.wait_empty()
            check('nothing is wrong' in i.zmailer('spool', 'check').out, kind)


def test_a_full_disk_accepts_nothing_and_loses_nothing():
    for kind in ('ext4', 'xfs', 'btrfs'):
        for engine in ('native', 'emulated'):
            try:
                with loop(kind, 320 if kind == 'xfs' else 120) as mount:
                    full_disk(mount, engine)
            except Skip as e:
                print('skipped: %s  (%s)' % (e, kind), flush=True)


def full_disk(mount, engine):
    where = mount + '/post'
    zmailer('spool', 'init', '--engine', engine, where)
    zmailer('spool', 'put', '--spool', where, 'deferred/1', data='before')
    with open(mount + '/fill', 'wb') as f, contextlib.suppress(OSError):
        while True:
            f.write(b'x' * 65536)
            f.flush()
    with open(mount + '/fill', 'r+b') as f:         # SQLite needs a little to look into a database
        f.truncate(os.path.getsize(mount + '/fill') - (8 << 20))
    os.sync()
    p = zmailer('spool', 'put', '--spool', where, 'deferred/2', data='y' * (16 << 20), code=74)
    check('space' in p.err, p.err)
    check(zmailer('spool', 'ls', '--spool', where, 'deferred', 'public').out == 'deferred/1\n', 'something is left')
    check(zmailer('spool', 'cat', '--spool', where, 'deferred/1').out == 'before', 'lost')
    os.unlink(mount + '/fill')
    os.sync()
    wait(lambda: zmailer('spool', 'put', '--spool', where, 'deferred/2', data='y' * 200000, code=None).returncode == 0,
         'room', 20)
    zmailer('spool', 'check', where)


CONTROL = ('@ 0x00000007\ni 4711\no 8\nl <x@mail.test>\ns local ann ann@mail.test 0\n'
           'r           local bob bob@mail.test 0\nm\nSubject: x\n\n')


def test_a_read_only_filesystem_is_named():
    for kind, mount in each('ext4'):
        for engine in ('native', 'emulated'):
            where = mount + '/' + engine
            zmailer('spool', 'init', '--engine', engine, where)
            zmailer('spool', 'put', '--spool', where, 'deferred/1', data='before')
            zmailer('spool', 'put', '--spool', where, 'queue/4711', data='to bob\n\nhello\n')
            zmailer('spool', 'put', '--spool', where, 'transport/4711', data=CONTROL)
        run('mount', '-o', 'remount,ro', mount)
        for engine in ('native', 'emulated'):
            p = zmailer('spool', 'put', '--spool', mount + '/' + engine, 'deferred/2', data='x', code=None)
            check(p.returncode != 0 and ('read-only' in p.err.lower() or 'readonly' in p.err.lower()), p.err)
        check(zmailer('spool', 'cat', '--spool', mount + '/native', 'deferred/1').out == 'before', 'not readable')
        check('nothing is wrong' in zmailer('spool', 'check', mount + '/native').out, 'what cannot be written is not wrong')
        run('mount', '-o', 'remount,rw', mount)


def test_windows_programs_keep_an_emulated_spool_where_links_fail():
    """The Windows build under Wine, on the filesystem without links."""
    build = os.environ.get('ZM_MINGW', os.path.join(os.path.dirname(__file__), '../../build/mingw64'))
    runner = os.path.join(os.path.dirname(__file__), '../unit/wine')
    tests = [os.path.join(build, 'tests', 'test_spool_%s.exe' % n) for n in
             ('emulated_bodies', 'emulated_database', 'publish_emulated', 'names_emulated', 'handles_emulated', 'listing_emulated',
              'update_emulated', 'submit_emulated', 'recover_emulated', 'check_emulated')]
    zmailer_exe = os.path.join(build, 'stage/bin/zmailer.exe')
    if not shutil.which('wine') or not os.path.exists(zmailer_exe):
        raise Skip('needs wine and a build with the preset mingw64')
    environment = {'WINEDEBUG': '-all', 'WINEPREFIX': os.environ.get('WINEPREFIX', os.path.join(os.path.abspath(build), 'wine'))}

    def wine(*words, cwd, code=0):
        p = subprocess.run(['wine'] + list(words), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=300,
                           env=dict(os.environ, TMP='Z:' + cwd, TEMP='Z:' + cwd, **environment))
        text = p.stdout.decode(errors='replace') + p.stderr.decode(errors='replace')
        check(code is None or p.returncode == code, '%s: %d\n%s' % (' '.join(words), p.returncode, text))
        return text
    with nolinkfs() as mount:
        told = wine(os.path.abspath(zmailer_exe), 'spool', 'probe', '.', cwd=mount)
        check('emulated' in told, told)
        wine(os.path.abspath(zmailer_exe), 'spool', 'init', 'post', cwd=mount)
        told = wine(os.path.abspath(zmailer_exe), 'spool', 'stat', '--spool', 'post', cwd=mount)
        check('engine emulated' in told, told)
        for test in tests:
            if os.path.exists(test):
                wine(os.path.abspath(test), cwd=mount)


if __name__ == '__main__':
    main(sys.modules[__name__])
