"""Relations in LDAP directories and SQL databases, with real servers of their own."""
import glob
import os
import pwd
import sys

from zm import *

ZMSH = os.path.join(BIN, 'zmsh')
LIBEXEC = os.path.join(os.path.dirname(BIN), 'libexec/zmailer')
ROUTER = os.path.join(LIBEXEC, 'router')


def program(name, *more):
    """Where a server's program is, or the test is left out."""
    places = os.environ.get('PATH', '').split(':') + ['/usr/sbin', '/usr/local/sbin', '/usr/libexec'] + list(more)
    for place in places:
        if os.access(os.path.join(place, name), os.X_OK):
            return os.path.join(place, name)
    raise Skip('no %s' % name)


def need_module(name):
    if not os.path.exists(os.path.join(LIBEXEC, 'map', name + '.so')):
        raise Skip('built without %s' % name)


def zmsh(directory, text, code=None):
    path = os.path.join(directory, 'script')
    with open(path, 'w') as f:
        f.write(text)
    return run(ZMSH, path, code=code, timeout=60)


class Running:
    """A server in a directory of its own, ended with its `with` block."""
    stop_signal = signal.SIGTERM

    def __init__(self, account=None):
        self.dir = tempfile.mkdtemp(prefix='zmsrv-')
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        self.process = None
        self.account = None
        if account and os.getuid() == 0:       # servers that refuse to be root
            for name in (account, 'nobody'):
                try:
                    self.account = pwd.getpwnam(name)
                    break
                except KeyError:
                    pass
            os.chown(self.dir, self.account.pw_uid, self.account.pw_gid)

    def as_account(self):
        if not self.account:
            return {}
        return dict(user=self.account.pw_uid, group=self.account.pw_gid, extra_groups=[])

    def do(self, *words, text=None):
        p = subprocess.run(words, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.dir,
                           env=dict(os.environ, HOME=self.dir), **self.as_account())
        check(p.returncode == 0, '%s: %s' % (words[0], p.stdout[-800:]))
        return p.stdout

    def launch(self, *words):
        with open(os.path.join(self.dir, 'output'), 'ab') as output:
            self.process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, cwd=self.dir, **self.as_account())

    def answers(self):
        with contextlib.suppress(OSError):
            socket.create_connection(('127.0.0.1', self.port), 1).close()
            return True
        check(self.process.poll() is None, 'the server ended: ' + open(os.path.join(self.dir, 'output'), errors='replace').read()[-800:])

    def end(self):
        if self.process:
            self.process.send_signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
            self.process.kill()
            self.process.wait()
            self.process = None

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, 'w') as f:
            f.write(text)
        return path

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.end()
        shutil.rmtree(self.dir, ignore_errors=True)


SLAPD = '''\
%(more)s
include /etc/ldap/schema/core.schema
modulepath %(modules)s
moduleload back_mdb
pidfile %(dir)s/pid
database mdb
suffix "dc=test"
rootdn "cn=admin,dc=test"
rootpw secret
directory %(dir)s/data
access to * by dn="cn=admin,dc=test" write by users read by anonymous auth
'''
SECURE = '''\
TLSCACertificateFile %(dir)s/ca.pem
TLSCertificateFile %(dir)s/cert.pem
TLSCertificateKeyFile %(dir)s/key.pem
sasl-host localhost
sasl-secprops noanonymous
authz-regexp "^uid=([^,]*),cn=[^,]*,cn=auth$" "cn=$1,dc=test"
authz-regexp "^gidNumber=.*uidNumber=.*,cn=peercred,cn=external,cn=auth$" "cn=mailer,dc=test"
'''
ENTRIES = '''\
dn: dc=test
objectClass: dcObject
objectClass: organization
o: test
dc: test

dn: cn=ann,dc=test
objectClass: person
cn: ann
sn: ann@far.test
description: one

dn: cn=mailer,dc=test
objectClass: person
cn: mailer
sn: mailer
userPassword: secret

dn: cn=star*(x),dc=test
objectClass: person
cn: star*(x)
sn: starred

dn: cn=team1,dc=test
objectClass: person
cn: team1
cn: team
sn: bob

dn: cn=team2,dc=test
objectClass: person
cn: team2
cn: team
sn: carl

'''
LDAP = '''\
# how to ask
uri ldap://127.0.0.1:%d
base dc=test
BindDN cn=admin,dc=test
passwd %s
filter (&(objectClass=person)(cn=%%s))
attr sn
timeout 2
'''


def certificates(server):
    """ca.pem, and cert.pem and key.pem for 127.0.0.1, in the server's directory."""
    openssl = program('openssl')
    server.do(openssl, 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test ca',
              '-keyout', 'ca.key', '-out', 'ca.pem')
    server.do(openssl, 'req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-keyout', 'key.pem', '-out', 'req.pem')
    server.write('names', 'subjectAltName=IP:127.0.0.1,DNS:localhost')
    server.do(openssl, 'x509', '-req', '-in', 'req.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2',
              '-extfile', 'names', '-out', 'cert.pem')


class Slapd(Running):
    more, urls = '', ''

    def __init__(self):
        need_module('ldap')
        super().__init__()
        self.program = program('slapd', '/usr/lib/openldap')
        if not os.path.exists('/etc/ldap/schema/core.schema'):
            raise Skip('no /etc/ldap/schema')
        os.mkdir(os.path.join(self.dir, 'data'))
        modules = glob.glob('/usr/lib*/ldap') + glob.glob('/usr/lib/*/ldap')
        self.prepare()
        self.conf = self.write('slapd.conf', SLAPD % dict(dir=self.dir, more=self.more, modules=modules[0] if modules else '/usr/lib/ldap'))
        self.do(program('slapadd'), '-f', self.conf, text=ENTRIES)
        self.start()

    def prepare(self):
        pass

    def start(self):
        self.launch(self.program, '-f', self.conf, '-h', 'ldap://127.0.0.1:%d %s' % (self.port, self.urls), '-d', '0')
        wait(self.answers, 'slapd')


class SecureSlapd(Slapd):
    def prepare(self):
        certificates(self)
        self.more = SECURE % dict(dir=self.dir)
        self.socket = os.path.join(self.dir, 'socket')
        self.urls = 'ldapi://' + self.socket.replace('/', '%2F')

    def ask(self, settings, key='ann', uri=None):
        """What the relation says: the value, or what is wrong."""
        self.write('map', 'uri %s\nbase dc=test\nfilter (cn=%%s)\nattr sn\ntimeout 5\n%s' % (
            uri or 'ldap://127.0.0.1:%d' % self.port, settings))
        out = zmsh(self.dir, 'relation -t ldap -f %s/map l; l %s || echo "$defer"' % (self.dir, key)).out
        return out.strip()


def test_ldap_goes_on_with_tls():
    with SecureSlapd() as s:
        simple = 'binddn cn=admin,dc=test\npasswd secret\nstart_tls on\n'
        check(s.ask(simple + 'tls_cacert %s/ca.pem\n' % s.dir) == 'ann@far.test', s.ask(simple))
        check(s.ask(simple).startswith('IO:'), 'a server that nobody vouches for is believed')
        check(s.ask(simple + 'tls_cacert %s/nosuch\n' % s.dir).startswith('IO:'), 'without authorities')
        check('start_tls is neither' in s.ask('start_tls maybe\n'), s.ask('start_tls maybe\n'))


def test_ldap_authenticates_with_sasl():
    with SecureSlapd() as s:
        sasl = 'authmethod sasl\nsasl_authc_id mailer\npasswd secret\n'
        check(s.ask('') .startswith('IO:') or s.ask('') == '', 'anybody is answered')
        for mechanism in ('SCRAM-SHA-1', 'DIGEST-MD5', 'CRAM-MD5'):
            said = s.ask(sasl + 'sasl_mech %s\n' % mechanism)
            check(said == 'ann@far.test', (mechanism, said))
        said = s.ask(sasl + 'sasl_mech PLAIN\nsasl_secprops none\nstart_tls on\ntls_cacert %s/ca.pem\n' % s.dir)
        check(said == 'ann@far.test', said)
        said = s.ask(sasl.replace('secret', 'wrong') + 'sasl_mech SCRAM-SHA-1\n')
        check(said.startswith('IO:') and 'redentials' in said, said)
        said = s.ask('authmethod sasl\nsasl_mech EXTERNAL\n', uri=s.urls)
        check(said == 'ann@far.test', said)
        check(s.ask('authmethod magic\n').find('authmethod magic is not possible') > 0, s.ask('authmethod magic\n'))


def test_a_part_of_a_list_is_no_list():
    """More answers than the directory or the relation gives are a failure, not a shorter list."""
    with SecureSlapd() as s:
        entries = ''.join('dn: cn=m%d,dc=test\nobjectClass: person\ncn: m%d\ncn: many\nsn: u%d\n\n' % (n, n, n) for n in range(600))
        s.end()
        s.do(program('slapadd'), '-f', s.conf, text=entries)
        s.start()
        admin = 'binddn cn=admin,dc=test\npasswd secret\n'
        check(s.ask(admin, 'many').count('u') == 600, s.ask(admin, 'many')[-80:])
        user = 'binddn cn=mailer,dc=test\npasswd secret\n'      # whom slapd gives 500 at most
        check('imit' in s.ask(user, 'many'), s.ask(user, 'many')[-80:])
        check(s.ask(user + 'base dc=nosuch\n').startswith('IO:'), 'a base that is not there')


NIS = '''\
ip link set lo up || ifconfig lo up
domainname zmtest
mount -t tmpfs none /run && mkdir -p /run/rpcbind /run/sendsigs.omit.d
mount -t tmpfs none /var/yp && mkdir -p /var/yp/zmtest /var/yp/binding
printf 'ann ann@far.test\\nteam bob, carl\\n' | %(makedbm)s - /var/yp/zmtest/mail.aliases
echo 'domain zmtest server 127.0.0.1' > /run/yp.conf
rpcbind -w
until rpcinfo -p 127.0.0.1 > /run/log; do sleep 0.1; done
ypserv -d > /run/ypserv.log 2>&1 & server=$!
until rpcinfo -p 127.0.0.1 | grep -q 100004; do sleep 0.1; done
ypbind -n -debug -f /run/yp.conf > /run/ypbind.log 2>&1 &
n=0
until ypwhich_is_up || [ $n = 200 ]; do n=$((n + 1)); sleep 0.1; done
%(zmsh)s %(dir)s/ask
kill $server
echo away
%(zmsh)s %(dir)s/ask
'''
ASK = '''\
relation -lt yp,mail.aliases l
relation -t yp,mail.aliases -f otherdomain o
relation -t yp,nosuch n
l Ann; l team; l nobody; echo "$? <$defer>"
db print l
[ "$(db owner l)" = "$(db owner l)" ] && echo owned
o ann; echo "$? $defer"; defer=
n ann; echo "$? $defer"
'''


def test_nis_finds_values_and_tells_absent_from_failed():
    """A NIS domain of its own, in a network and a mount space of its own."""
    need_root()
    if SANITIZE:
        raise Skip('a sanitizer takes the place of the XDR functions that the NIS library calls')
    need_module('yp')
    for name in ('ypserv', 'ypbind', 'rpcbind', 'unshare'):
        program(name)
    makedbm = program('makedbm', '/usr/lib/yp', '/usr/lib64/yp', '/usr/libexec/yp')
    directory = tempfile.mkdtemp(prefix='zmsrv-')
    try:
        with open(os.path.join(directory, 'ask'), 'w') as f:
            f.write(ASK)
        with open(os.path.join(directory, 'nis'), 'w') as f:
            f.write('ypwhich_is_up() { %s -c "relation -t yp,mail.aliases l; l ann" | grep -q far.test; }\n' % ZMSH +
                    NIS % dict(makedbm=makedbm, zmsh=ZMSH, dir=directory))
        said = run('unshare', '--net', '--uts', '--mount', '--pid', '--fork', '--mount-proc', 'sh', directory + '/nis',
                   code=None, timeout=120)
        if 'unshare:' in said.err:
            raise Skip('no spaces of our own: ' + said.err.strip())
        there, away = said.out.split('away\n')
        lines = there.splitlines()
        check(lines[:3] == ['ann@far.test', "'bob, carl'", '1 <>'], said.out + said.err)
        check('team\tbob, carl' in lines and 'owned' in lines, there)
        check(any(l.startswith('1 IO:yp mail.aliases: ') for l in lines) and
              any(l.startswith('1 IO:yp nosuch: ') for l in lines), there)
        check(away.splitlines()[0].startswith('1 <IO:yp mail.aliases: '), away)
    finally:
        shutil.rmtree(directory)


def test_ldap_finds_values_and_tells_absent_from_failed():
    with Slapd() as s:
        conf = s.write('map', LDAP % (s.port, 'secret'))
        rule = 'relation -lmt ldap -f %s l\n' % conf
        out = zmsh(s.dir, rule + 'l ann; l nobody; echo "$? <$defer>"; l team; l "star*(x)"; l "*"; echo $?; l "a)(cn=*"; echo $?').out
        check(out == 'ann@far.test\n1 <>\n(bob carl)\nstarred\n1\n1\n', repr(out))
        s.write('map', LDAP % (s.port, 'wrong'))
        out = zmsh(s.dir, rule + 'l ann; echo "$? $defer"').out
        check(out.startswith('1 IO:') and 'Invalid credentials' in out, out)
        s.write('map', 'uri ldap://127.0.0.1:%d\nfoo bar\n' % s.port)
        out = zmsh(s.dir, rule + 'l ann; echo "$? $defer"').out
        check('map:2: unknown keyword "foo"' in out, out)


def test_ldap_comes_back_when_the_server_does():
    with Slapd() as s:
        conf = s.write('map', LDAP % (s.port, 'secret'))
        p = subprocess.Popen([ZMSH, '-s'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        say = lambda text: (p.stdin.write(text + '\n'), p.stdin.flush(), p.stdout.readline())[2]
        check(say('relation -t ldap -f %s l; l ann' % conf) == 'ann@far.test\n', 'before')
        s.end()
        check(say('defer=; l ann; echo "$? $defer"').startswith('1 IO:'), 'while it is away')
        s.start()
        check(say('l ann') == 'ann@far.test\n', 'after')
        s.end()
        s.start()
        check(say('l ann') == 'ann@far.test\n', 'lost meanwhile')
        p.stdin.close()
        p.wait()


def test_aliases_in_a_directory_route_mail():
    with Slapd() as s, Instance() as i:
        conf = s.write('map', LDAP % (s.port, 'secret'))
        i.write('var/db/aliases', 'local: alice\n')
        i.write('var/db/dbases.conf', 'aliases $DBTYPE - -la $MAILVAR/db/aliases -lm\naliases ldap - - %s -lmNs 100 -e 60\n' % conf)
        i.zmailer('newdb')
        said = run(ROUTER, '--root', i.root, '-t', 'ann', 'local', code=None).out
        check('channel smtp  host far.test  user ann@far.test' in said, said)
        check('user alice@mail.test' in said, said)
        s.end()
        said = run(ROUTER, '--root', i.root, '-t', 'ann', 'local', code=None).out
        check(said.count('=> channel hold') == 2 and 'channel error' not in said, said)


TABLE = '''\
CREATE TABLE aliases (name varchar(100), target varchar(100));
INSERT INTO aliases VALUES ('ann', 'ann@far.test'), ('team', 'bob'), ('team', 'carl'), ('empty', NULL), ('o''neil', 'quoted');
'''


def ask_database(s, conf, kind):
    rule = 'relation -lmt %s -f %s l\n' % (kind, conf)
    out = zmsh(s.dir, rule + '''l ann; l nobody; echo "$? <$defer>"; l team; l empty; echo $?; l "o'neil"; l "' OR 1=1 --"; echo $?''').out
    check(out == 'ann@far.test\n1 <>\n(bob carl)\n1\nquoted\n1\n', repr(out))


def database_comes_back(s, conf, kind):
    p = subprocess.Popen([ZMSH, '-s'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    say = lambda text: (p.stdin.write(text + '\n'), p.stdin.flush(), p.stdout.readline())[2]
    check(say('relation -t %s -f %s l; l ann' % (kind, conf)) == 'ann@far.test\n', 'before')
    s.end()
    check(say('defer=; l ann; echo "$? $defer"').startswith('1 IO:'), 'while it is away')
    s.start()
    check(say('l ann') == 'ann@far.test\n', 'after')
    s.end()
    s.start()
    check(say('l ann') == 'ann@far.test\n', 'lost meanwhile')
    p.stdin.close()
    p.wait()


class Postgres(Running):
    stop_signal = signal.SIGINT     # it does not wait for its clients then

    def __init__(self):
        need_module('pgsql')
        places = sorted(glob.glob('/usr/lib/postgresql/*/bin'))
        self.postgres = program('postgres', *places)
        initdb = program('initdb', *places)
        super().__init__('postgres')
        self.data = os.path.join(self.dir, 'data')
        self.do(initdb, '-D', self.data, '-U', 'zm', '-A', 'trust', '-N', '--no-locale', '-E', 'UTF8')
        self.start()
        self.do(program('psql', *places), '-h', '127.0.0.1', '-p', str(self.port), '-U', 'zm', '-q', 'postgres', text=TABLE)

    def start(self):
        self.launch(self.postgres, '-D', self.data, '-h', '127.0.0.1', '-p', str(self.port), '-k', self.dir, '-F')
        wait(lambda: self.answers() and not subprocess.run(
            [program('psql', *sorted(glob.glob('/usr/lib/postgresql/*/bin'))), '-h', '127.0.0.1', '-p', str(self.port), '-U', 'zm', '-c', 'SELECT 1', 'postgres'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode, 'postgres', 60)

    def map(self, query='SELECT target FROM aliases WHERE name = $1 ORDER BY target'):
        return self.write('map', 'connection host=127.0.0.1 port=%d user=zm dbname=postgres\ntimeout 2\nquery %s\n' % (self.port, query))


def test_postgresql_finds_values_and_tells_absent_from_failed():
    with Postgres() as s:
        ask_database(s, s.map(), 'pgsql')
        conf = s.map('SELECT nosuch FROM aliases WHERE name = $1')
        out = zmsh(s.dir, 'relation -t pgsql -f %s l; l ann; echo "$? $defer"' % conf).out
        check(out.startswith('1 IO:') and 'nosuch' in out, out)
        conf = s.map('SELECT pg_sleep(10)::text || $1')
        begin = time.monotonic()
        out = zmsh(s.dir, 'relation -t pgsql -f %s l; l ann; echo "$? $defer"' % conf).out
        check('timeout' in out and time.monotonic() - begin < 8, out)
        database_comes_back(s, s.map(), 'pgsql')


class MariaDB(Running):
    def __init__(self):
        need_module('mysql')
        self.program = program('mariadbd')
        install = program('mariadb-install-db')
        super().__init__('mysql')
        self.data = os.path.join(self.dir, 'data')
        self.socket = os.path.join(self.dir, 'socket')
        os.mkdir(self.data)
        if self.account:
            os.chown(self.data, self.account.pw_uid, self.account.pw_gid)
        self.do(install, '--no-defaults', '--datadir=' + self.data, '--auth-root-authentication-method=normal', '--skip-test-db')
        self.start()
        self.do(program('mariadb'), '--no-defaults', '-S', self.socket, '-u', 'root',
                text="CREATE DATABASE mail; CREATE USER zm@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT SELECT ON mail.* TO zm@'127.0.0.1'; USE mail;" + TABLE)

    def start(self):
        self.launch(self.program, '--no-defaults', '--datadir=' + self.data, '--socket=' + self.socket, '--port=%d' % self.port,
                    '--bind-address=127.0.0.1', '--skip-name-resolve', '--innodb-flush-log-at-trx-commit=0')
        wait(self.answers, 'mariadbd', 60)

    def map(self, query='SELECT target FROM aliases WHERE name = ? ORDER BY target', password='secret'):
        return self.write('map', 'host 127.0.0.1\nport %d\nuser zm\npassword %s\ndatabase mail\ntimeout 2\nquery %s\n' % (self.port, password, query))


def test_mysql_finds_values_and_tells_absent_from_failed():
    with MariaDB() as s:
        ask_database(s, s.map(), 'mysql')
        out = zmsh(s.dir, 'relation -t mysql -f %s l; l ann; echo "$? $defer"' % s.map(password='wrong')).out
        check(out.startswith('1 IO:') and 'denied' in out, out)
        begin = time.monotonic()
        out = zmsh(s.dir, 'relation -t mysql -f %s l; l ann; echo "$? $defer"' % s.map('SELECT SLEEP(10) FROM aliases WHERE name = ?')).out
        check(out.startswith('1 IO:') and time.monotonic() - begin < 8, out)
        database_comes_back(s, s.map(), 'mysql')


def test_a_type_whose_module_is_missing_is_unknown():
    check(zmsh(tempfile.gettempdir(), 'relation -T -t oracle x; echo $?').out == '3\n', 'oracle is there')


if __name__ == '__main__':
    main(sys.modules[__name__])
