"""makedb, newdb, newaliases, newfqdnaliases, dblook, zmailer newdb."""
import os
import pwd
import sys
import time

from zm import *

ROUTER = os.path.join(os.path.dirname(BIN), 'libexec/zmailer/router')


def tool(name, *words, **kw):
    return run(os.path.join(BIN, name), *words, **kw)


def explain(instance, address):
    return run(ROUTER, '--root', instance.root, '-t', address, code=None).out


def dump(path):
    return tool('dblook', '--dump', 'sqlite', path).out


def older(path, seconds=10):
    t = time.time() - seconds
    os.utime(path, (t, t))


def test_makedb_compiles_a_text_and_dblook_looks_into_it():
    with Instance() as i:
        i.write('text', '# c\nA one two\nb\nA again\n')
        r = tool('makedb', '-l', '-v', 'btree', i.path('base'), i.path('text'))
        check('text:4: warning: "a" stands here again; line 2 counts' in r.err, r.err)
        check('2 entries, 0 errors, 1 repeated keys' in r.out, r.out)
        check(tool('dblook', 'sqlite', i.path('base'), 'a').out == 'siz:8, dat: one two\n', 'value')
        check(tool('dblook', '-q', 'btree', i.path('base.sqlite'), 'b').out == '\n', 'empty value')
        check('Key z not found' in tool('dblook', 'sqlite', i.path('base'), 'z', code=2).err, 'absent')
        tool('dblook', 'sqlite', i.path('nosuch'), 'a', code=1)
        check(tool('dblook', '-dump', 'sqlite', i.path('base')).out == 'a\tone two\nb\t\n', 'dump')
        tool('makedb', '-x', 'sqlite', i.path('base'), code=64)
        tool('makedb', 'ldap', i.path('base'), i.path('text'), code=64)
        tool('makedb', 'sqlite', i.path('base'), i.path('absent'), code=1)
        check('3 aliases' in tool('makedb', '-a', 'sqlite', i.path('al'), data='a: b\nc: d,\n e\nf: g\n').out, 'input')


def test_a_base_name_is_the_database_and_not_its_source():
    with Instance() as i:
        i.write('base', 'a one\n')
        tool('makedb', 'sqlite', i.path('base'), i.path('base'))
        for name in ('base', 'base.sqlite', 'base.db'):
            check(tool('dblook', '-q', 'sqlite', i.path(name), 'a').out == 'one\n', name)
        check(dump(i.path('base')) == 'a\tone\n', 'dump')
        check('neither' in tool('dblook', 'sqlite', i.path('none'), 'a', code=1).err, 'a missing one')
        check('not a database' in tool('dblook', 'sqlite', __file__, 'a', code=1).err, 'a foreign one')


def test_a_large_compilation_tells_how_far_it_is():
    with Instance() as i:
        text = ''.join('key%d value\n' % n for n in range(250000))
        r = tool('makedb', '-v', 'sqlite', i.path('base'), data='# first\n' + text + 'key7 again\n')
        told = re.findall(r': (\d+) entries, line (\d+)', r.out + r.err)
        check(told == [('100000', '100001'), ('200000', '200001')], r.out + r.err)
        check('250002: warning' in r.err and '250000 entries, 0 errors, 1 repeated' in r.out, r.out + r.err)


POLICY = """# the rules
. relaytarget - senderokwithdns - # all others
[0.0.0.0]/0 = _empty
_empty # nothing
_localnames localdomain + relaytarget +
_relaytarget relaytarget +
_full_rights rejectnet - relaycustnet + relaytarget +
_bulk_mail message "not wanted" rejectsource +
Special.Test relaytarget -
"""


def policy_of(i, *key):
    return tool('dblook', '-p', 'sqlite', i.path('var/db/smtp-policy'), *key).out


def test_makedb_compiles_policy_rules_and_dblook_follows_them():
    with Instance() as i:
        i.write('src', POLICY)
        r = tool('makedb', '-Ap', 'BTREE', i.path('base'), i.path('src'))
        check('src:2: warning: # and what follows' in r.err, r.err)
        said = tool('dblook', '-policydump', 'sqlite', i.path('base')).out
        check('special.test\trelaytarget "-"\n' in said and '\n_empty' not in said, said)
        check('[0.0.0.0]/0\t= "_empty"\n' in said, said)
        tool('makedb', '-p', 'sqlite', i.path('again'), data=said)
        check(tool('dblook', '-policydump', 'sqlite', i.path('again')).out == said, 'a dump is no source')
        tool('dblook', '-p', 'sqlite', i.path('base'), 'u@special.test', code=2)
        tool('makedb', '-p', 'sqlite', i.path('base'), code=1, data='a.test nosuch +\n')
        tool('makedb', '-ap', 'sqlite', i.path('base'), code=64)


def test_the_policy_builder_joins_its_files_in_their_order():
    with Instance() as i:
        tool('policy-builder', '--root', i.root, code=64)
        i.write('var/db/smtp-policy.src', POLICY)
        i.write('var/db/localnames', 'mail.test canonical.test # ours\nspecial.test\n')
        i.write('var/db/smtp-policy.relay', '[10.1.0.0]/16 filtering -\n')
        i.write('var/db/smtp-policy.mx', 'customer.test\n')
        i.write('var/db/smtp-policy.spam', '@Spam.Test\n[192.0.2.0]/24\nbad@spam.test\ncustomer.test\n')
        out = tool('policy-builder', '--root', i.root, '-n').out
        check('smtp-policy: NEW' in out, out)
        check(policy_of(i, 'MAIL.test') == 'mail.test\trelaytarget "+" localdomain "+"\n', policy_of(i, 'mail.test'))
        check('relaytarget "-"' in policy_of(i, 'special.test'), 'the source does not come first')
        check(policy_of(i, '10.1.2.3').startswith('[10.1.0.0]/16\trejectnet "-"') and
              'filtering "-"' in policy_of(i, '10.1.2.3'), policy_of(i, '10.1.2.3'))
        check('relaytarget "+"' in policy_of(i, 'customer.test') and
              'message "not wanted" rejectsource "+"' in policy_of(i, 'customer.test'), policy_of(i, 'customer.test'))
        check('rejectsource "+"' in policy_of(i, 'bad@spam.test') and 'rejectsource' in policy_of(i, 'spam.test'), 'spam')
        check('rejectnet "+"' in policy_of(i, '192.0.2.77'), 'network')
        check('relaytarget "-"' in policy_of(i, 'else.where'), 'default')
        check('smtp-policy: current' in i.zmailer('newdb').out, 'built again')
        before = os.stat(i.path('var/db/smtp-policy.sqlite')).st_ino
        i.append('var/db/smtp-policy.mx', 'x.test nonsense\n')
        r = i.zmailer('newdb', code=65)
        check('nonsense' in r.err and 'rebuilding aborted' in r.err, r.err)
        check(os.stat(i.path('var/db/smtp-policy.sqlite')).st_ino == before, 'replaced')
        tool('policy-builder', '--root', i.root, '-d', i.path('nowhere'), code=1)
        tool('policy-builder', '--root', i.root, 'word', code=2)
        tool('policy-builder', '--root', i.root, '-x', code=2)


def test_the_sample_policy_compiles_without_a_word():
    with Instance() as i:
        share = os.path.join(os.path.dirname(BIN), 'share/zmailer/proto/smtp-policy.src')
        i.write('var/db/smtp-policy.src', open(share).read())
        r = tool('policy-builder', '--root', i.root, '-s')
        check(r.out == '' and r.err == '', r.out + r.err)
        check('relaycustnet "+"' in policy_of(i, '127.0.0.1') and 'relaytarget "-"' in policy_of(i, 'far.test'), 'rules')
        check('relaycustnet' not in policy_of(i, '192.0.2.1'), 'an open relay')


def test_an_error_keeps_the_old_database():
    with Instance() as i:
        path = i.path('var/db/aliases')
        i.write('var/db/aliases', 'a: alice\n')
        tool('newaliases', '--root', i.root)
        before = os.stat(path + '.sqlite').st_ino
        i.write('var/db/aliases', 'a: bob\nthis is none\n')
        r = tool('newaliases', '--root', i.root, code=65)
        check(path + ':2: expected "name: address, ..."' in r.err and 'rebuilding aborted' in r.err, r.err)
        check(os.stat(path + '.sqlite').st_ino == before and dump(path) == 'a\talice\n', 'replaced')
        check(not os.path.exists(path + '.sqlite.new'), 'left-overs')
        i.write('var/db/aliases', 'a: bob\n')
        tool('newaliases', '--root', i.root, '-s')
        check(os.stat(path + '.sqlite').st_ino != before and dump(path) == 'a\tbob\n', 'not replaced')


def test_private_aliases_are_compiled_with_the_others():
    with Instance() as i:
        i.write('var/db/aliases', 'a: alice')
        i.write('var/db/aliases.private', 'b: bob\n')
        tool('newaliases', '--root', i.root, i.path('var/db/aliases'))
        check(dump(i.path('var/db/aliases')) == 'a\talice\nb\tbob\n', dump(i.path('var/db/aliases')))
        i.write('var/db/fqdnaliases', 'a@x.test: alice\n')
        tool('newfqdnaliases', '--root', i.root)
        check(dump(i.path('var/db/fqdnaliases')) == 'a@x.test\talice\n', 'fqdnaliases')


def test_a_killed_compilation_leaves_the_old_database():
    with Instance() as i:
        i.write('var/db/aliases', 'a: alice\n')
        tool('newaliases', '--root', i.root)
        i.write('var/db/aliases', ''.join('u%d: alice\n' % n for n in range(300000)))
        p = subprocess.Popen([os.path.join(BIN, 'newaliases'), '-s', '--root', i.root])
        wait(lambda: os.path.exists(i.path('var/db/aliases.sqlite.new')), 'the new file')
        p.kill()
        p.wait()
        check(dump(i.path('var/db/aliases')) == 'a\talice\n', 'the old one is damaged')
        wait(lambda: not any(b'makedb' in open('/proc/%s/cmdline' % p, 'rb').read() for p in processes_of(i.root)), 'its end')
        tool('newaliases', '--root', i.root)
        check(dump(i.path('var/db/aliases')).count('\n') == 300000, 'not compiled')


def test_a_source_that_changes_while_it_is_compiled_is_compiled_again():
    with Instance() as i:
        i.write('var/db/aliases', ''.join('u%d: alice\n' % n for n in range(300000)))
        i.write('var/db/edited', 'u1: bob\n')
        p = subprocess.Popen([os.path.join(BIN, 'newaliases'), '-s', '--root', i.root])
        wait(lambda: os.path.exists(i.path('var/db/aliases.sqlite.new')), 'the new file')
        time.sleep(0.2)
        os.utime(i.path('var/db/edited'))
        os.rename(i.path('var/db/edited'), i.path('var/db/aliases'))
        check(p.wait() == 0, 'not compiled')
        i.zmailer('newdb')
        check(dump(i.path('var/db/aliases')) == 'u1\tbob\n', 'the change is overlooked')


CONF = '''# the databases
aliases   $DBTYPE   -            -la  $MAILVAR/db/aliases   -lm
aliases   btree     -            -la  $MAILVAR/db/more      -lm
routesdb  $DBTYPE   %s           -l   $MAILVAR/db/routes    -lm%%:d pathalias
thishost  unordered -            -    $MAILVAR/db/localnames  -lmd pathalias
fqdnaliases NONE    -            -    -                     -
expired   incore    -            -    $MAILVAR/db/expired   -l
'''


def databases(i):
    i.write('var/db/dbases.conf', CONF % 'priv')
    i.write('var/db/aliases', 'one: alice\nboth: alice\n')
    i.write('var/db/more', 'two: bob\nboth: bob\n')
    i.write('var/db/routes', '.routed.test smtp!relay.test\n')
    i.write('var/db/localnames', 'mail.test\n')
    i.write('var/db/expired', "old it's $(gone)\n")
    i.write('var/db/fqdnaliases', 'x@y.test: alice\n')


def test_zmailer_newdb_makes_what_dbases_conf_says():
    with Instance() as i:
        databases(i)
        out = i.zmailer('newdb').out
        check('aliases{aliases_1:NEW,aliases_2:NEW}' in out and 'expired{expired_1:defined}' in out, out)
        check('channel local  host one  user alice' in explain(i, 'one'), explain(i, 'one'))
        check('channel local  host two  user bob' in explain(i, 'two'), explain(i, 'two'))
        check('user alice@' in explain(i, 'both') and 'user bob@' not in explain(i, 'both'), explain(i, 'both'))
        check('channel smtp  host relay.test' in explain(i, 'a@b.routed.test'), explain(i, 'a@b.routed.test'))
        check('channel smtp  host y.test' in explain(i, 'x@y.test'), 'NONE is asked')
        said = run(ROUTER, '--root', i.root, '-i', data='expired OLD\ndb count expired_1\n').out
        check(said == "'it'\\''s $(gone)'\n1\n", said)
        # nothing is done twice, and a change is seen by those who have it open
        before = os.stat(i.path('var/db/aliases.zmsh')).st_ino
        check('aliases_1:current' in i.zmailer('newdb').out, 'compiled again')
        check(os.stat(i.path('var/db/aliases.zmsh')).st_ino == before, 'the script is written again')


def test_a_mistake_in_dbases_conf_changes_nothing():
    with Instance() as i:
        databases(i)
        i.append('var/db/dbases.conf', 'bad nosuchtype - - /f -\n')
        r = i.zmailer('newdb', code=65)
        check('dbases.conf:8: there is no database type "nosuchtype"' in r.err, r.err)
        check(not os.path.exists(i.path('var/db/aliases.sqlite')) and not os.path.exists(i.path('var/db/aliases.zmsh')), 'done')


def test_one_faulty_database_does_not_stop_the_others():
    with Instance() as i:
        databases(i)
        i.write('var/db/more', 'no colon\n')
        r = i.zmailer('newdb', code=65)
        check('aliases_1:NEW,aliases_2:FAILED' in r.out and 'routesdb_1:NEW' in r.out, r.out)
        check('more:1: expected' in r.err, r.err)


def test_without_dbases_conf_the_usual_files_are_compiled():
    with Instance() as i:
        i.write('var/db/aliases', 'one: alice\n')
        i.write('var/db/routes', '.routed.test smtp!relay.test\n')
        out = i.zmailer('newdb').out
        check('routes: NEW' in out and '1 aliases' in out, out)
        check(dump(i.path('var/db/routes')) == '.routed.test\tsmtp!relay.test\n', 'routes')
        check('host relay.test' in explain(i, 'a@b.routed.test'), 'not used')


def test_a_running_router_sees_the_new_database():
    with Instance() as i:
        databases(i)
        i.start()
        i.submit('alice@mail.test', ['one@mail.test'], letter(subject='first', to='one@mail.test'))
        i.wait_mail('alice')
        i.write('var/db/aliases', 'one: bob\n')
        i.zmailer('newdb')
        i.submit('alice@mail.test', ['one@mail.test'], letter(subject='second', to='one@mail.test'))
        check(i.wait_mail('bob')[0]['Subject'] == 'second', 'the wrong letter')


def test_a_source_is_compiled_as_its_owner():
    need_root()
    with Instance() as i:
        nobody = pwd.getpwnam('nobody')
        path = i.path('var/db/aliases')
        i.write('var/db/aliases', 'a: alice\n')
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
        tool('newaliases', '--root', i.root)
        check(os.stat(path + '.sqlite').st_uid == nobody.pw_uid, 'not the owner')
        i.write('secret', 'password: root\n')
        os.chmod(i.path('secret'), 0o600)
        i.write('var/db/dbases.conf', 'routesdb sqlite 1:1:640 -l $MAILVAR/db/routes -l\n')
        i.write('var/db/routes', 'x.test smtp!y\n')
        os.chown(i.path('var/db/routes'), nobody.pw_uid, nobody.pw_gid)
        i.zmailer('newdb')
        s = os.stat(i.path('var/db/routes.sqlite'))
        check((s.st_uid, s.st_gid, s.st_mode & 0o777) == (1, 1, 0o640), s)


if __name__ == '__main__':
    main(sys.modules[__name__])
