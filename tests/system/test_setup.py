"""zmailer setup: the first configuration of an installation, and changes of it."""
import json, ssl, sys
from zm import *

ZMAILER = os.path.join(BIN, 'zmailer')


class Site:
    """An installation's configuration below a directory of its own."""

    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix='zmsetup-')
        os.chmod(self.root, 0o755)  # agents run as other accounts
        return self

    def __exit__(self, *a):
        shutil.rmtree(self.root, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.root, name)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def append(self, name, text):
        with open(self.path(name), 'a') as f:
            f.write(text)

    def setup(self, *words, code=0):
        return run(ZMAILER, '-Z', self.path('etc/zmailer.conf'), *words, 'setup', code=code)

    def first(self, *words):
        return self.setup('--hostname', 'mx.setup.test', '--smart-host', '[192.0.2.25]:587', '--local-domains',
                          'setup.test, lists.setup.test', '--postmaster', 'ann', '--set', 'POSTOFFICE=' + self.path('po'),
                          '--set', 'MAILVAR=' + self.path('var'), '--set', 'LOGDIR=' + self.path('log'), *words)

    def states(self, *words):
        done = json.loads(self.setup('--json', *words).out)
        found = {os.path.relpath(d['path'], self.root): d['state'] for d in done['done'] if d['state'] != 'kept'}
        check(done['changed'] == sum(s != 'yours' for s in found.values()), done)
        return found


def test_the_first_setup_makes_all_that_check_wants():
    with Site() as s:
        p = s.first('--dry-run')
        check('nothing done' in p.out and not os.listdir(s.root), 'a dry run did something')
        s.first()
        check(run(ZMAILER, '-Z', s.path('etc/zmailer.conf'), 'check').out.count('WRONG') == 0, 'check')
        check('MYHOSTNAME=mx.setup.test\n' in s.read('etc/zmailer.conf'), s.read('etc/zmailer.conf'))
        check('hostname=mx.setup.test\n' in s.read('var/mail.conf'), s.read('var/mail.conf'))
        names = s.read('var/db/localnames').split('\n')
        check(all(n in names for n in ('mx.setup.test', 'setup.test', 'lists.setup.test', 'localhost')), names)
        check('.\tsmtp![192.0.2.25]:587\n' in s.read('var/db/routes'), s.read('var/db/routes'))
        check('postmaster: ann\n' in s.read('var/db/aliases'), s.read('var/db/aliases'))
        check(os.path.exists(s.path('var/db/aliases.sqlite')), 'nothing was compiled')
        check(os.path.isdir(s.path('po/router')), os.listdir(s.path('po')))


def test_again_it_changes_what_is_said_and_nothing_else():
    with Site() as s:
        s.first()
        check(s.states() == {}, s.states())
        s.append('var/mail.conf', 'orgdomain=setup.test\n# mine\n')
        s.append('var/db/routes', 'uucp.test\tuucp!uucp.test\n')
        check(s.states('--hostname', 'new.setup.test', '--smart-host', '', '--set', 'SYSLOGFLG=RT') ==
              {n: 'changed' for n in ('etc/zmailer.conf', 'var/mail.conf', 'var/db/localnames', 'var/db/routes')}, 'others')
        check('hostname=new.setup.test\nmydomain=new.setup.test\norgdomain=mx.setup.test\n' in s.read('var/mail.conf') and
              s.read('var/mail.conf').endswith('orgdomain=setup.test\n# mine\n'), s.read('var/mail.conf'))
        check('smtp!' not in s.read('var/db/routes') and 'uucp!uucp.test' in s.read('var/db/routes'), s.read('var/db/routes'))
        check('SYSLOGFLG=RT\n' in s.read('etc/zmailer.conf'), s.read('etc/zmailer.conf'))
        check(s.states('--postmaster', 'bob, ann') == {'var/db/aliases': 'changed'}, s.read('var/db/aliases'))
        check(s.read('var/db/aliases').count('postmaster: bob, ann\n') == 1, s.read('var/db/aliases'))


def test_what_was_edited_stays_and_the_rest_is_brought_up_to_date():
    with Site() as s:
        s.first()
        s.append('etc/scheduler.conf', '# mine\n')
        s.append('etc/router.cf', '# of an older release\n')
        with open(s.path('etc/router.cf'), 'rb') as f:
            old = __import__('hashlib').sha256(f.read()).hexdigest()
        stock = re.sub(r'^\w+  router.cf$', old + '  router.cf', s.read('etc/.stock'), flags=re.M)
        with open(s.path('etc/.stock'), 'w') as f:
            f.write(stock)
        changed = s.states()
        check(changed == {'etc/router.cf': 'changed', 'etc/.stock': 'changed'}, changed)
        check('older release' not in s.read('etc/router.cf') and '# mine' in s.read('etc/scheduler.conf'), 'the wrong one')
        with open(s.path('etc/.stock'), 'w') as f: # as it is where somebody else installed the files
            f.write('')
        check(s.states() == {'etc/scheduler.conf': 'yours', 'etc/.stock': 'changed'}, 'who edited what')
        check(s.states() == {}, 'it is told again')


def test_what_could_do_harm_is_refused():
    with Site() as s:
        for words in (('--hostname', 'a$(id)'), ('--hostname', ''), ('--smart-host', 'a b'), ('--local-domains', 'a;b'),
                      ('--set', 'A B=c'), ('--set', 'A=`id`'), ('--set', 'A'), ('--postmaster', '"|id"')):
            check(words[0] in s.setup(*words, code=64).err, words)
        check(not os.listdir(s.root), os.listdir(s.root))
        os.mkdir(s.path('etc'))
        s.append('etc/zmailer.conf', 'this is no variable\n')
        check('zmailer.conf:1' in s.setup(code=78).err, 'no line')
        check(s.read('etc/zmailer.conf') == 'this is no variable\n', 'changed')


def test_a_new_spool_takes_nobodys_directory():
    with Site() as s:
        os.makedirs(s.path('po/precious'))
        before = os.stat(s.path('po/precious')).st_uid, os.stat(s.path('po')).st_uid
        words = ('--hostname', 'a.test', '--set', 'POSTOFFICE=' + s.path('po'), '--set', 'MAILVAR=' + s.path('var'), '--set',
                 'LOGDIR=' + s.path('log'))
        check('it has precious in it' in s.setup(*words, code=78).err, 'not told')
        check(os.listdir(s.path('po')) == ['precious'], os.listdir(s.path('po')))
        check(before == (os.stat(s.path('po/precious')).st_uid, os.stat(s.path('po')).st_uid), 'it has another owner')
        os.rename(s.path('po/precious'), s.path('po/.freeze'))
        os.mkdir(s.path('po/public'))  # as if it had been stopped
        s.setup(*words)
        check(os.path.isdir(s.path('po/router')), os.listdir(s.path('po')))


def test_what_an_original_had_is_told():
    with Instance() as i:
        check('nothing is obsolete' in i.zmailer('import-check').out, 'of our own')
        i.append('etc/zmailer.conf', 'TALOCKMODE=1\n')
        i.append('share/router.cf', '# sift is old\nlistaddress x\n')
        i.append('share/scheduler.conf', '*/old.test  bychannel\n')
        i.write('var/db/dbases.conf', 'aliases ndbm - -la $MAILVAR/db/aliases -lm\n')
        i.write('var/db/aliases.pag', '')
        found = json.loads(i.zmailer('--json', 'import-check', code=1).out)['found']
        check([f['what'] for f in found] == ['TALOCKMODE', 'listaddress', 'bychannel', 'ndbm', 'aliases.pag'], found)
        i.write('share/smtpserver.conf', 'PARAM tls-dh512 x\n' + i.read('share/smtpserver.conf'))
        p = i.zmailer('import-check', code=1)
        check('tls-dh512' in p.out + p.err and 'router.cf:%d: listaddress' % len(i.read('share/router.cf').splitlines()) in p.out, p.out + p.err)


def test_a_certificate_is_made_and_checked():
    with Instance(hostname='mx.setup.test') as i:
        check('tls-init' in i.zmailer('tls-check', code=1).out, 'no advice')
        lines = [l for l in i.zmailer('tls-init', 'mail.setup.test').out.splitlines() if l.startswith('PARAM ')]
        i.write('share/smtpserver.conf', '\n'.join(lines) + '\n' + i.read('share/smtpserver.conf'))
        certificate, key = i.path('var/db/smtpserver-cert.pem'), i.path('var/db/smtpserver-key.pem')
        check(os.stat(key).st_mode & 0o777 == 0o400, oct(os.stat(key).st_mode))
        check('WRONG' not in i.zmailer('tls-check').out and 'already' in i.zmailer('tls-init', code=1).err, 'made twice')
        i.start('smtpserver')
        context = ssl.create_default_context(cafile=certificate)
        with i.smtp() as s:
            s._host = 'mail.setup.test'     # the name that the certificate is to have
            s.starttls(context=context)
            s.ehlo()
        i.stop()
        os.chmod(key, 0o644)
        check('chmod 400' in i.zmailer('tls-check', code=1).out, 'everybody may read the key')
        os.rename(key, key + '.first')
        os.rename(certificate, certificate + '.first')
        i.zmailer('tls-init')
        os.rename(certificate + '.first', certificate)
        told = json.loads(i.zmailer('--json', 'tls-check', code=1).out)
        check(told['wrong'] == 1 and 'another certificate' in told['certificates'][1]['detail'], told)
        i.append('etc/zmailer.conf', 'MYHOSTNAME=other.test\n')
        check('is not for other.test' in i.zmailer('tls-check', code=1).out, 'for anybody')
        i.zmailer('tls-init', 'a b', code=64)


def test_a_private_instance_is_set_up_and_works():
    with Site() as s:
        root, port = s.path('post'), free_port()
        words = ZMAILER, '--root', root
        run(*words, '--hostname', 'mx.setup.test', '--users', 'bob', '--smtp-port', str(port), '--local-domains', 'setup.test', 'setup')
        try:
            run(*words, 'start')
            run(os.path.join(BIN, 'sendmail'), '--root', root, '-f', 'bob', 'bob@setup.test', data=letter())
            wait(lambda: os.path.exists(os.path.join(root, 'mail/bob')), 'a letter')
            run(*words, '--local-domains', 'more.test', 'setup')
            check('more.test' in s.read('post/var/db/localnames'), 'no further domain')
        finally:
            run(*words, 'stop', code=None)


if __name__ == '__main__':
    main(sys.modules[__name__])
