"""What the real programs do with a spool that something has damaged, on both engines: each names what is wrong and
what to do, nothing is lost, and nothing is followed out of the spool."""
import json, os
from zm import *

ENGINES = ('native', 'emulated')
LETTER = 'external\nfrom <ann@far.test>\nto <bob@mail.test>\nenv-end\nSubject: one\n\nhello\n'
LARGE = 'Subject: large\n\n' + 'x' * 69 + '\n'
SECRET = 'this was never submitted to anybody\n'


def write(path, text):
    with open(path, 'wb') as f:
        f.write(text if isinstance(text, bytes) else text.encode())


def copied(i):
    """Where the spool is kept while it is damaged."""
    shutil.copytree(i.path('postoffice'), i.path('kept'), symlinks=True)
    return i.path('postoffice')


def again(i):
    shutil.rmtree(i.path('postoffice'))
    shutil.copytree(i.path('kept'), i.path('postoffice'), symlinks=True)


def refused_by_all(i, *words):
    """Every program ends with the reason and the advice, and does nothing."""
    tries = [lambda: i.sendmail('bob', data='Subject: x\n\nhi\n', code=None), lambda: i.zmailer('start', 'router', code=None),
             lambda: i.zmailer('start', 'scheduler', code=None), lambda: i.zmailer('spool', 'check', code=None),
             lambda: i.zmailer('spool', 'ls', 'router', code=None), lambda: i.zmailer('spool', 'put', 'router', code=None)]
    for one in tries:
        p = one()
        check(p.returncode != 0, '%r is not refused: %r ended with %d\n%s%s' % (words, p.args, p.returncode, p.out, p.err))
        for word in words:
            check(word in p.err, '%r is not told: %s' % (word, p.err))


# -- the engine and its mark

def test_a_spool_of_a_newer_version_is_refused():
    for engine in ENGINES:
        with Instance(engine=engine) as i:
            write(i.path('postoffice/.engine'), 'zmailer-spool 99\nengine %s\n' % engine)
            refused_by_all(i, 'newer version', 'use that version')
            if engine == 'emulated':
                write(i.path('postoffice/.engine'), 'zmailer-spool 1\nengine emulated\n')
                with contextlib.closing(sqlite3.connect(i.path('postoffice/spool.db'))) as db:
                    db.execute('PRAGMA user_version=99')
                refused_by_all(i, 'newer version', 'use that version')


def test_a_mark_that_says_the_wrong_thing_is_named():
    for engine, other in (ENGINES, ENGINES[::-1]):
        with Instance(engine=engine) as i:
            mark = i.path('postoffice/.engine')
            write(mark, 'zmailer-spool 1\nengine %s\n' % other)
            refused_by_all(i, 'is missing', '.engine' if engine == 'native' else 'zmailer init')
            write(mark, 'zmailer-spool 1\nengine quantum\n')
            refused_by_all(i, 'quantum')
            write(mark, b'\0\0\0')
            refused_by_all(i, 'engine native')
            os.unlink(mark)
            os.symlink('/etc/passwd', mark)
            refused_by_all(i, 'link')


def test_a_lost_mark_of_a_database_is_written_again():
    with Instance(engine='emulated') as i:
        i.plant('deferred/4711', LETTER)
        os.unlink(i.path('postoffice/.engine'))
        refused_by_all(i, '.engine', 'zmailer spool init')
        i.zmailer('spool', 'init', i.path('postoffice'), code=78)        # no second spool beside it
        i.zmailer('spool', 'init', 'emulated:' + i.path('postoffice'))
        check(i.zmailer('spool', 'cat', 'deferred/4711').out == LETTER, 'lost')


def test_two_engines_are_never_pointed_at_one_directory():
    for engine, other in (ENGINES, ENGINES[::-1]):
        with Instance(engine=engine) as i:
            where = i.path('postoffice')
            for words in (['ls', '--spool'], ['check'], ['init']):
                p = i.zmailer('spool', *words, other + ':' + where, code=78)
                check('has the engine ' + engine in p.err, p.err)
            if engine == 'native':
                write(where + '/spool.db', 'x')
            else:
                os.mkdir(where + '/queue')
            told = json.loads(i.zmailer('spool', 'check', '--json', code=1).out)['findings']
            check(len(told) == 1 and told[0]['name'] in ('spool.db', 'queue'), repr(told))


# -- the database

def test_a_corrupt_database_is_named_by_every_program():
    with Instance(engine='emulated') as i:
        where = copied(i)
        for name in ('spool.db-wal', 'spool.db-shm'):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(where, name))
        with open(where + '/spool.db', 'r+b') as f:
            f.write(os.urandom(4096))
        refused_by_all(i, 'spool.db', 'not a database', 'backup')


def test_a_lost_database_is_named_and_never_made_anew():
    with Instance(engine='emulated') as i:
        i.sendmail('bob', data=LARGE * 5000)
        where = copied(i)
        bodies = sum(len(names) for _, _, names in os.walk(where + '/bodies'))
        for text in (None, ''):
            again(i)
            for name in ('spool.db', 'spool.db-wal', 'spool.db-shm'):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(where, name))
            if text is not None:
                write(where + '/spool.db', text)
            refused_by_all(i, 'spool.db', 'backup')
            p = i.zmailer('spool', 'init', where, code=65)
            check('backup' in p.err, p.err)
            os.unlink(where + '/.engine')
            i.zmailer('spool', 'init', 'emulated:' + where, code=65)
            check(bodies == sum(len(names) for _, _, names in os.walk(where + '/bodies')), 'a body is gone')


def test_a_file_of_the_engine_that_is_a_link_or_open_to_all_is_refused():
    with Instance(engine='emulated') as i:
        where = copied(i)
        for name in ('spool.db', 'turn', 'locks'):
            again(i)
            os.rename(os.path.join(where, name), i.path('elsewhere'))
            os.symlink(i.path('elsewhere'), os.path.join(where, name))
            refused_by_all(i, '/' + name, 'nothing in a spool is followed')
            os.unlink(i.path('elsewhere'))
            again(i)
            os.chmod(os.path.join(where, name), 0o666)
            refused_by_all(i, '/' + name, 'chmod it to 0660')


def test_a_damaged_body_leaves_its_message_and_no_other_waits():
    with Instance(engine='emulated') as i:
        for n in range(3):
            i.sendmail('bob', data=LARGE * 5000)
        i.sendmail('alice', data='Subject: small\n\nhello\n')
        files = sorted(os.path.join(d, n) for d, _, names in os.walk(i.path('postoffice/bodies')) for n in names)
        os.unlink(files[0])
        os.truncate(files[1], 0)
        os.truncate(files[2], 1000)
        told = json.loads(i.zmailer('spool', 'check', '--json', code=1).out)['findings']
        check([f['kind'] for f in told] == ['lost-body'] * 3 and all('restore' in f['detail'] for f in told), repr(told))
        damaged = {f['name'] for f in told}
        i.start('router', 'scheduler')
        i.wait_mail('alice')
        check(set(i.spool('router')) == damaged, repr(i.spool('router')))
        for name in damaged:
            p = i.zmailer('spool', 'cat', name, code=None)
            check(p.returncode not in (0, 1) and 'damaged' in p.err and not p.out, p.err)
        check('damaged' in i.logs(), i.logs())
        i.stop()
        i.zmailer('spool', 'repair', code=1)
        check(set(i.spool('router')) == damaged, 'repair removed one')


def test_mail_that_an_older_copy_of_the_database_does_not_know_is_kept_and_delivered():
    with Instance(engine='emulated') as i:
        where = copied(i)
        i.sendmail('bob', data=LARGE * 5000)
        for name in ('spool.db', 'spool.db-wal', 'spool.db-shm'):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(where, name))
            if os.path.exists(i.path('kept', name)):
                shutil.copy(i.path('kept', name), where)
        check(not i.spool('router'), 'the database is not older')
        write(where + '/bodies/A/26', b'\0was being written')
        i.start('router')
        wait(lambda: 'belong to no object' in i.logs(), 'a warning', instances=[i])
        check('zmailer spool repair' in i.logs() and 'files=1' in i.logs(), i.logs())
        check(not os.path.exists(where + '/bodies/A/26'), 'what was never published is there still')
        i.stop()
        told = json.loads(i.zmailer('spool', 'check', '--json', code=1).out)['findings']
        check([f['kind'] for f in told] == ['stray-body'], repr(told))
        i.zmailer('spool', 'repair')
        name, = i.spool('postman')
        check('leftover' in name and i.zmailer('spool', 'cat', name).out.endswith(LARGE * 5000), 'not whole: ' + name)
        i.zmailer('resubmit', name)
        i.start('router', 'scheduler')
        i.wait_mail('bob')


# -- files that do not belong there

def test_foreign_files_are_told_and_left():
    for engine in ENGINES:
        with Instance(engine=engine) as i:
            where = i.path('postoffice')
            inside = 'queue' if engine == 'native' else 'bodies/A'
            names = ['note', inside + '/a:b', inside + '/4711 ', inside + '/NUL.txt']
            for name in names:
                write(os.path.join(where, name), SECRET)
            i.start('router', 'scheduler')
            i.sendmail('bob', data='Subject: x\n\nhi\n')
            i.wait_mail('bob')
            i.stop()
            told = {f['name']: f['kind'] for f in json.loads(i.zmailer('spool', 'check', '--json', code=1).out)['findings']}
            check(told == {n: 'foreign' for n in names}, repr(told))
            i.zmailer('spool', 'repair', code=1)
            check(all(os.path.exists(os.path.join(where, n)) for n in names), 'repair removed one')


def test_names_of_any_bytes_are_told_as_text():
    with Instance(engine='native') as i:
        public = os.fsencode(i.path('postoffice/public'))
        names = {b'\x1b[2Jdone': r'\033[2Jdone', b'a\nspool.db: done': r'a\012spool.db: done', b'\xff\xfe*': r'\377\376*',
                 b'\xc2\x9b1m*': r'\302\2331m*', 'f\u00fcr*'.encode(): 'f\u00fcr*'}
        for name in names:
            write(os.path.join(public, name), SECRET)
        p = i.zmailer('spool', 'check', code=1)
        for shown in names.values():
            check('foreign: public/%s: ' % shown in p.out, '%r: %r' % (shown, p.out))
        check('\x1b' not in p.out and '\x9b' not in p.out, repr(p.out))
        text = i.zmailer('spool', 'check', '--json', code=1).stdout.decode()         # is UTF-8
        told = {f['name'] for f in json.loads(text)['findings']}
        check({'public/\x1b[2Jdone', 'public/a\nspool.db: done', 'public/\ufffd\ufffd*', 'public/f\u00fcr*'} <= told, repr(told))


def test_impossible_names_in_the_input_directory_are_passed_over():
    with Instance(engine='native') as i:
        names = ['1:2', 'CON', 'NUL.txt', '5.', '6 ', '..7', 'com1', '8\\9', '9\n9']
        for name in names:
            write(os.path.join(i.path('postoffice/router'), name), LETTER)
        i.start('router', 'scheduler')
        i.sendmail('bob', data='Subject: x\n\nhi\n')
        i.wait_mail('bob')
        check(set(os.listdir(i.path('postoffice/router'))) >= set(names), 'one was taken')
        check(len(i.mbox('bob')) == 1, 'one was delivered')


def test_links_in_the_input_directory_are_not_followed_by_the_router():
    with Instance(engine='native') as i:
        secret, router = i.path('secret'), i.path('postoffice/router')
        write(secret, LETTER + SECRET)
        os.symlink(secret, os.path.join(router, '4711'))
        os.link(secret, os.path.join(router, '4712'))
        os.symlink(i.root, os.path.join(router, 'A'))
        os.symlink(secret, i.path('postoffice/public/4713'))
        i.start('router', 'scheduler')
        i.sendmail('alice', data='Subject: x\n\nhi\n')
        i.wait_mail('alice')
        check(i.mbox('bob') == [], 'the secret was delivered')
        check({'4711', '4712', 'A'} <= set(os.listdir(router)) and os.stat(secret).st_nlink == 2, 'a link is gone')
        i.stop()
        told = {f['name']: f['kind'] for f in json.loads(i.zmailer('spool', 'check', '--json', code=1).out)['findings']}
        check(told == {'router/4711': 'foreign', 'router/4712': 'planted-link', 'router/A': 'foreign',
                       'public/4713': 'foreign'}, repr(told))
        with open(secret) as f:
            check(f.read() == LETTER + SECRET, 'it was changed')


if __name__ == '__main__':
    main(sys.modules[__name__])
