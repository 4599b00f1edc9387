"""What system tests share: private instances of the real programs, SMTP peers
that are told what to say, and waiting for things to happen.

A test is a file test_NAME.py whose functions named test_* take nothing.  Run
one with `./run NAME`, or all with ctest.  Nothing sleeps for a fixed time: wait()
polls a condition and fails with its last value and the instance's logs.
"""
import contextlib, email, mailbox, os, re, shutil, signal, smtplib, socket, sqlite3, subprocess, sys, tempfile, threading, time

STAGE = os.environ.get('ZM_STAGE') or os.path.join(os.path.dirname(__file__), '../../build/dev/stage')
BIN = os.path.join(STAGE, 'bin')
MAILBIN = os.path.join(STAGE, 'libexec/zmailer')
PATIENCE = float(os.environ.get('ZM_TEST_PATIENCE', '60'))
SANITIZE = os.environ.get('ZM_SANITIZE', '')    # the sanitizers that the programs were built with


class Failure(AssertionError):
    pass


class Skip(Exception):
    pass


def need_root():
    if os.geteuid() != 0:
        raise Skip('needs root')


def check(condition, text):
    if not condition:
        raise Failure(text)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def wait(condition, what, patience=None, instances=()):
    """The first true value of condition()."""
    end = time.monotonic() + (patience or PATIENCE)
    pause = 0.01
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            logs = ''.join(i.logs() for i in instances)
            raise Failure('waited in vain for %s; last saw %r\n%s' % (what, value, logs))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


def run(*words, data=b'', code=0, env=None, timeout=120):
    """Runs a program to its end; code None: any exit status."""
    if isinstance(data, str):
        data = data.encode()
    e = dict(os.environ)
    e.pop('ZCONFIG', None)
    e.update(env or {})
    p = subprocess.run(list(words), input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=e, timeout=timeout)
    p.out, p.err = p.stdout.decode(errors='replace'), p.stderr.decode(errors='replace')
    if code is not None and p.returncode != code:
        raise Failure('%s ended with %d, expected %d\n%s%s' % (' '.join(words), p.returncode, code, p.out, p.err))
    return p


FAST_RETRIES = '''\
PARAMauthfile = "${MAILSHARE}/scheduler.auth"
PARAMmailqsock = "UNIX:${POSTOFFICE}/.mailq.sock"
*/*	interval=1s idlemax=60s expiry=%(expiry)s expiry2=%(expiry)s retries="1 1 1 2 2" skew=1
	maxchannel=0 maxring=20 maxta=0 overfeed=150 user=root group=root
local/*	command="mailbox"
error/*	command=errormail
smtp*/*	maxring=100 command="smtp -s"
hold/*	command=hold
'''


class Instance:
    """A private instance, stopped and removed at the end of its `with` block."""

    def __init__(self, hostname='mail.test', users=('alice', 'bob'), mailbox='mbox', smart_host=None, local_domains=(),
                 expiry='3d', fast=True, engine=os.environ.get('ZM_TEST_SPOOL')):
        self.root = tempfile.mkdtemp(prefix='zmsys-')
        os.chmod(self.root, 0o755)
        self.hostname, self.port = hostname, free_port()
        words = ['--hostname', hostname, '--smtp-port', str(self.port), '--users', ','.join(users), '--mailbox', mailbox]
        if engine:
            words += ['--spool', engine]
        if smart_host:
            words += ['--smart-host', smart_host]
        if local_domains:
            words += ['--local-domains', ','.join(local_domains)]
        self.zmailer(*words, 'init')
        if fast:
            self.write('share/scheduler.conf', FAST_RETRIES % dict(expiry=expiry))

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if kind and os.environ.get('ZM_TEST_KEEP'):
            print('kept', self.root)
        with contextlib.suppress(Exception):
            self.zmailer('stop', code=None, timeout=60)
            self.zmailer('nuke', code=None, timeout=60)
        for pid in processes_of(self.root):     # sessions that outlived the daemons
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not (kind and os.environ.get('ZM_TEST_KEEP')):
            shutil.rmtree(self.root, ignore_errors=True)

    # -- files

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def write(self, name, text):
        with open(self.path(name), 'w') as f:
            f.write(text)

    def append(self, name, text):
        with open(self.path(name), 'a') as f:
            f.write(text)

    def read(self, name):
        with open(self.path(name), errors='replace') as f:
            return f.read()

    def spool(self, directory):
        """Messages in a directory of the spool, hash directories included: paths, of an emulated spool names."""
        found = []
        if self.emulated():
            p = self.zmailer('spool', 'ls', directory, code=None)
            return [n for n in p.out.split() if n.rpartition('/')[2][0].isdigit()]
        for where, _, names in os.walk(self.path('postoffice', directory)):
            found += [os.path.join(where, n) for n in names if n[0].isdigit()]
        return found

    def emulated(self):
        return os.path.exists(self.path('postoffice/spool.db'))

    def plant(self, name, text, mtime=None):
        """Puts an object under a name of the spool, whatever engine it has; "router" gives it its own number."""
        if not self.emulated() and mtime is not None:
            scratch = self.path('postoffice/public/planted')
            with open(scratch, 'wb') as f:
                f.write(text if isinstance(text, bytes) else text.encode())
            os.utime(scratch, (mtime, mtime))
            os.rename(scratch, self.path('postoffice', name))
            return name
        name = self.zmailer('spool', 'put', '--force', name, data=text).out.strip()
        if mtime is not None:
            with contextlib.closing(sqlite3.connect(self.path('postoffice/spool.db'))) as db, db:
                db.execute('UPDATE objects SET mtime = ? WHERE id = (SELECT id FROM names WHERE name = ?)', (mtime, name))
        return name

    def make_directory(self, name):
        """In the spool, unless it is there."""
        self.zmailer('spool', 'mkdir', name, code=None)

    def contents(self, name):
        """Of an object, as spool() names it."""
        if self.emulated():
            return self.zmailer('spool', 'cat', name).out
        with open(name, errors='replace') as f:
            return f.read()

    def logs(self):
        text = ''
        for where, _, names in os.walk(self.path('log')):
            for n in sorted(names):
                with open(os.path.join(where, n), errors='replace') as f:
                    text += '--- %s\n%s' % (n, ''.join(f.readlines()[-25:]))
        return text

    # -- programs

    def zmailer(self, *words, code=0, **kw):
        return run(os.path.join(BIN, 'zmailer'), '--root', self.root, *words, code=code, **kw)

    def start(self, *what):
        try:
            self.zmailer('start', *what)
        except Failure as e:
            raise Failure('%s\n%s' % (e, self.logs()))
        return self

    def stop(self, *what):
        self.zmailer('stop', *what)

    def pid(self, daemon):
        try:
            return int(self.read('postoffice/.pid.' + daemon))
        except (OSError, ValueError):
            return 0

    def sendmail(self, *words, data, code=0, **kw):
        return run(os.path.join(BIN, 'sendmail'), '--root', self.root, *words, data=data, code=code, **kw)

    def mailq(self, *words, code=0):
        return run(os.path.join(BIN, 'mailq'), '--root', self.root, *words, code=code)

    # -- SMTP in

    def smtp(self):
        return smtplib.SMTP('127.0.0.1', self.port, timeout=PATIENCE)

    def submit(self, sender, recipients, text):
        with self.smtp() as s:
            s.sendmail(sender, recipients, text)

    # -- mail out

    def mbox(self, user):
        """The messages in a user's mbox file or Maildir."""
        path = self.path('mail', user)
        if os.path.isdir(path):
            if not os.path.isdir(os.path.join(path, 'cur')):  # the last that the agent makes
                return []
            return [m for m in mailbox.Maildir(path, create=False)]
        if not os.path.exists(path):
            return []
        box = mailbox.mbox(path, create=False)
        try:
            return [m for m in box]
        finally:
            box.close()

    def wait_mail(self, user, count=1, patience=None):
        return wait(lambda: len(self.mbox(user)) >= count and self.mbox(user), '%d letters for %s' % (count, user),
                    patience, [self])

    def wait_empty(self, patience=None):
        """Until nothing is under way any more."""
        wait(lambda: not any(self.spool(d) for d in ('router', 'queue', 'transport')), 'an empty spool', patience, [self])


class Sink:
    """An SMTP server in a thread.  It keeps (sender, recipients, data) of what it took, and can be told to answer
    otherwise: replies maps a command word, or a (word, argument part) pair, to the reply line given instead."""

    def __init__(self, replies=None, port=0):
        self.replies = replies or {}
        self.messages, self.commands, self.connections = [], [], 0
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1', port))
        self.listener.listen(100)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *a):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.session, args=(c,), daemon=True).start()

    def answer(self, word, line, default):
        for key, reply in list(self.replies.items()):
            if key == word or (isinstance(key, tuple) and key[0] == word and key[1] in line):
                return reply
        return default

    def session(self, c):
        f = c.makefile('rwb')

        def say(text):
            f.write(text.encode() + b'\r\n')
            f.flush()
        with contextlib.suppress(OSError, ValueError):
            say(self.answer('CONNECT', '', '220 sink.test ESMTP'))
            sender, recipients = None, []
            while True:
                raw = f.readline()
                if not raw:
                    break
                line = raw.decode(errors='replace').strip()
                word = line.split(' ')[0].upper()
                self.commands.append(line)
                if word == 'EHLO':
                    say(self.answer(word, line, '250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE'))
                elif word == 'MAIL':
                    reply = self.answer(word, line, '250 2.1.0 ok')
                    sender, recipients = re.search(r'<(.*?)>', line).group(1), []
                    say(reply)
                elif word == 'RCPT':
                    reply = self.answer(word, line, '250 2.1.5 ok')
                    if reply.startswith('2'):
                        recipients.append(re.search(r'<(.*?)>', line).group(1))
                    say(reply)
                elif word == 'DATA':
                    reply = self.answer(word, line, '354 go' if recipients else '503 5.5.1 no recipients')
                    say(reply)
                    if reply.startswith('354'):
                        data = []
                        while True:
                            raw = f.readline()
                            if not raw or raw == b'.\r\n':
                                break
                            data.append(raw[1:] if raw.startswith(b'..') else raw)
                        if not raw:
                            break
                        reply = self.answer('.', line, '250 2.0.0 taken')
                        if reply.startswith('2'):
                            self.messages.append((sender, recipients, b''.join(data)))
                        say(reply)
                elif word == 'QUIT':
                    say('221 2.0.0 bye')
                    break
                else:
                    say(self.answer(word, line, '250 2.0.0 ok'))
        c.close()


def letter(subject='A letter', body='Hello.\n', to='bob@mail.test', sender='alice@mail.test', extra=''):
    return 'From: %s\nTo: %s\nSubject: %s\n%s\n%s' % (sender, to, subject, extra, body)


def body_of(message):
    return message.get_payload()


def memory_peak(pid):
    """The largest resident size that a process has had, in bytes (Linux)."""
    with open('/proc/%d/status' % pid) as f:
        return int(re.search(r'VmHWM:\s+(\d+) kB', f.read()).group(1)) * 1024


def processes_of(root):
    """pid -> command line of every process whose command line or working directory lies below root (Linux)."""
    found = {}
    for p in filter(str.isdigit, os.listdir('/proc') if os.path.isdir('/proc') else []):
        with contextlib.suppress(OSError):
            with open('/proc/%s/cmdline' % p, 'rb') as f:
                line = f.read().replace(b'\0', b' ').decode(errors='replace')
            cwd = os.readlink('/proc/%s/cwd' % p)
            if root in line or cwd.startswith(root):
                found[int(p)] = line
    return found


def wait_no_processes(i):
    """Until every process of an instance has ended."""
    left = {}

    def none():
        left.clear()
        left.update(processes_of(i.root))
        return not left
    try:
        wait(none, 'all processes to end', instances=[i])
    except Failure as e:
        raise Failure('still there: %r\n%s' % (left, e))


def collect_reports():
    """The programs write what sanitizers find into this directory from now on: daemons have no other place for it.
    Leaks are left to the unit tests: a daemon leaves to the system what it holds at its end, and the search for leaks
    never ends in a process that has given up its rights."""
    where = tempfile.mkdtemp(prefix='zmsys-reports-')
    os.chmod(where, 0o1777)     # daemons may run as other accounts
    for variable in ('ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS', 'LSAN_OPTIONS'):
        words = [os.environ.get(variable), 'log_path=' + where + '/report', 'detect_leaks=0', 'use_sigaltstack=0']
        os.environ[variable] = ':'.join(filter(None, words))
    return where


def take_reports(where):
    """The texts of the reports since the last call."""
    texts = []
    for name in sorted(os.listdir(where)):
        with open(os.path.join(where, name), errors='replace') as f:
            texts.append(f.read())
        os.unlink(os.path.join(where, name))
    return texts


def main(module):
    """Runs the test_* functions of a module, or those named on the command line."""
    reports = collect_reports() if SANITIZE else None
    names = sys.argv[1:] or [n for n in dir(module) if n.startswith('test_')]
    failed = 0
    for n in names:
        t = time.monotonic()
        try:
            getattr(module, n)()
            found = take_reports(reports) if reports else []
            check(not found, 'a sanitizer found:\n' + '\n'.join(found))
            print('ok      %s (%.1f s)' % (n, time.monotonic() - t), flush=True)
        except Skip as e:
            print('skipped: %s  %s' % (e, n), flush=True)
        except Exception as e:
            failed += 1
            if reports:
                print(*take_reports(reports), sep='\n')
            print('FAILED  %s\n        %s: %s' % (n, type(e).__name__, e), flush=True)
            if not isinstance(e, Failure):
                import traceback
                traceback.print_exc()
    if reports:
        shutil.rmtree(reports, ignore_errors=True)
    sys.exit(1 if failed else 0)
