"""What the bench commands share: a private instance of ours, its CPU time and memory, the sink."""
import contextlib, glob, json, os, shutil, signal, socket, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TICK = os.sysconf('SC_CLK_TCK')
PAGE = os.sysconf('SC_PAGE_SIZE')
USERS = ['u%03d' % i for i in range(1, 101)]
LOCAL = 'local.test'


def find_stage():
    """Where the newest build put the programs."""
    found = [os.environ['ZM_STAGE']] if os.environ.get('ZM_STAGE') else \
        [os.path.join(TOP, 'build', 'stage')] + glob.glob(os.path.join(TOP, 'build', '*', 'stage'))
    found = [s for s in found if os.path.exists(tool(s, 'zm-load'))]
    if not found:
        sys.exit('bench: no build found; build first, or set ZM_STAGE')
    return max(found, key=lambda s: os.path.getmtime(tool(s, 'zm-load')))


def tool(stage, name):
    return os.path.join(os.path.dirname(stage), 'tests', name)


def free_port(host='127.0.0.1'):
    with socket.socket() as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def wait_port(address, limit=20):
    end = time.monotonic() + limit
    while True:
        try:
            socket.create_connection(address, 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


# -- what processes use ---------------------------------------------------------

class ProcessTree:
    """The processes given and all below them.  What has ended and been waited for counts with its parent."""

    def __init__(self, roots):
        self.roots = roots              # a function: the pids of the moment

    def stats(self):
        table = {}
        for name in os.listdir('/proc'):
            if name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    with open('/proc/%s/stat' % name) as f:
                        table[int(name)] = f.read().rpartition(')')[2].split()
        inside, more = set(), set(self.roots())
        while more:
            inside |= more
            more = {p for p, s in table.items() if int(s[1]) in inside} - inside
        return [table[p] for p in inside if p in table]

    def cpu(self):
        """(user, system) seconds."""
        stats = self.stats()
        return tuple(sum(int(s[i]) + int(s[i + 2]) for s in stats) / TICK for i in (11, 12))

    def memory(self):
        """Resident bytes, shared pages counted once for each process."""
        return sum(int(s[21]) for s in self.stats()) * PAGE

    def close(self):
        pass


COLUMNS = ('cpu_us', 'waits', 'preempted', 'reads', 'writes', 'bytes_read', 'bytes_written')


def task_name(pid):
    """Of a process as a table has it: its program, and what it is for."""
    with open('/proc/%d/cmdline' % pid) as f:
        words = f.read().rstrip('\0').split('\0')
    return ' '.join([os.path.basename(words[0])] + [w for w in words[1:] if w.startswith('--')][:1])


def tasks(roots):
    """What each thread of the processes given, and of all below them, has used: {(pid, tid): (name, columns)}."""
    found, seen, more = {}, set(), set(roots)
    while more:
        pid = more.pop()
        seen.add(pid)
        with contextlib.suppress(OSError, ValueError, KeyError):
            name = task_name(pid)
            for tid in map(int, os.listdir('/proc/%d/task' % pid)):
                at = '/proc/%d/task/%d/' % (pid, tid)
                with open(at + 'children') as f:
                    more |= set(map(int, f.read().split())) - seen
                with open(at + 'schedstat') as f:
                    row = [int(f.read().split()[0]) / 1e3]
                for leaf, keys in (('status', ('voluntary_ctxt_switches', 'nonvoluntary_ctxt_switches')),
                                   ('io', ('syscr', 'syscw', 'rchar', 'wchar'))):
                    with open(at + leaf) as f:
                        values = dict(line.split(':', 1) for line in f)
                    row += [int(values[k]) for k in keys]
                found[pid, tid] = (name + ('' if tid == pid else ', its threads'), row)
    return found


def tasks_between(before, now, messages):
    """By name, for each message."""
    table = {}
    for key, (name, row) in now.items():
        old = before.get(key, (name, [0] * len(row)))[1]
        sums = table.setdefault(name, [0] * len(row))
        for i in range(len(row)):
            sums[i] += (row[i] - old[i]) / messages
    return {name: dict(zip(COLUMNS, row)) for name, row in sorted(table.items()) if row[0] >= 0.5}


class ControlGroup:
    """A control group (version 1 cpuacct or version 2), exact also for processes that nobody waited for."""
    V1 = '/sys/fs/cgroup/cpuacct'

    def __init__(self, directory=None):
        self.own = directory is None
        self.v1 = os.path.isdir(self.V1)
        self.dir = directory or os.path.join(self.V1 if self.v1 else '/sys/fs/cgroup', 'zm-bench-%d' % os.getpid())
        if self.own:
            os.mkdir(self.dir)
        self.v1 = os.path.exists(os.path.join(self.dir, 'cpuacct.usage_user'))

    def enter(self):                    # in a child, before exec
        with open(os.path.join(self.dir, 'cgroup.procs'), 'w') as f:
            f.write(str(os.getpid()))

    def pids(self):
        with open(os.path.join(self.dir, 'cgroup.procs')) as f:
            return [int(x) for x in f.read().split()]

    def read(self, name):
        with open(os.path.join(self.dir, name)) as f:
            return f.read()

    def cpu(self):
        if self.v1:
            return tuple(int(self.read('cpuacct.usage_' + n)) / 1e9 for n in ('user', 'sys'))
        d = dict(line.split() for line in self.read('cpu.stat').splitlines())
        return int(d['user_usec']) / 1e6, int(d['system_usec']) / 1e6

    def memory(self):
        total = 0
        for p in self.pids():
            with contextlib.suppress(OSError, IndexError):
                with open('/proc/%d/statm' % p) as f:
                    total += int(f.read().split()[1]) * PAGE
        return total

    def close(self):
        if self.own:
            for _ in range(50):
                with contextlib.suppress(OSError):
                    os.rmdir(self.dir)
                    return
                time.sleep(0.1)


def control_group():
    """One of our own, or None where that needs a right that we lack."""
    with contextlib.suppress(OSError):
        return ControlGroup()


# -- an instance ----------------------------------------------------------------

TUNED_SCHEDULER = '''\
PARAMmailqsock = "UNIX:${POSTOFFICE}/.mailq.sock"
*/*	interval=1m idlemax=10m expiry=3d retries="1 1 2 3 5 8 13 21 34"
	maxchannel=0 maxring=20 maxta=0 overfeed=150 user=root group=root
local/*	command="mailbox" maxring=8
error/*	command=errormail
smtp/*	maxring=50 command="smtp -s"
hold/*	command=hold
'''


class Instance:
    """A private ZMailer below root, for the relay, accept and local loads."""

    def __init__(self, stage, root, address, sink, group=None):
        self.stage, self.root, self.address, self.sink, self.group = stage, root, address, sink, group

    def zmailer(self, *words, check=True):
        command = [os.path.join(self.stage, 'bin', 'zmailer'), '--root', self.root] + list(words)
        env = {k: v for k, v in os.environ.items() if k != 'ZCONFIG'}
        p = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           preexec_fn=self.group.enter if self.group else None, timeout=120)
        if check and p.returncode != 0:
            sys.exit('bench: %s\n%s%s' % (' '.join(command), p.stdout.decode(errors='replace'), self.logs()))

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def logs(self):
        text = ''
        for name in sorted(glob.glob(self.path('log', '*'))):
            with contextlib.suppress(OSError):
                with open(name, errors='replace') as f:
                    text += '--- %s\n%s' % (os.path.basename(name), ''.join(f.readlines()[-20:]))
        return text

    def init(self, profile='tuned'):
        os.makedirs(self.root, exist_ok=True)
        os.chmod(self.root, 0o755)
        engine = ['--spool', os.environ['ZM_SPOOL']] if 'ZM_SPOOL' in os.environ else []
        self.zmailer(*engine, '--hostname', 'zmailer.bench.test', '--smtp-port', str(self.address[1]), '--mailbox', 'maildir',
                     '--local-domains', LOCAL, '--users', ','.join(USERS), '--smart-host', '[%s]:%d' % self.sink, 'init')
        conf = self.path('share', 'smtpserver.conf')
        with open(conf) as f:
            text = f.read().replace('[127.0.0.1]', '[%s]' % self.address[0])
        with open(conf, 'w') as f:
            f.write(text)
        if profile == 'tuned':
            with open(self.path('share', 'scheduler.conf'), 'w') as f:
                f.write(TUNED_SCHEDULER)

    def start(self, profile='tuned'):
        """Profile hold starts only what accepts: nothing is delivered."""
        self.zmailer('start', *(['smtpserver'] if profile == 'hold' else []))
        wait_port(self.address)

    def stop(self):
        self.zmailer('stop', check=False)
        self.zmailer('nuke', check=False)

    def pids(self):
        found = []
        for name in ('router', 'scheduler', 'smtpserver'):
            with contextlib.suppress(OSError, ValueError):
                with open(self.path('postoffice', '.pid.' + name)) as f:
                    found.append(int(f.read()))
        return found

    def maildir(self, user):
        return self.path('mail', user)


def delivered(maildirs):
    """Messages in these Maildirs."""
    count = 0
    for path in maildirs:
        for sub in ('new', 'cur'):
            with contextlib.suppress(OSError):
                count += len(os.listdir(os.path.join(path, sub)))
    return count


# -- the sink -------------------------------------------------------------------

class Sink:
    def __init__(self, stage, address='127.0.0.1:0'):
        self.process = subprocess.Popen([tool(stage, 'zm-sink'), '--json', address], stdout=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True)
        words = self.process.stdout.readline().split()
        if not words:
            sys.exit('bench: no sink at %s' % address)
        host, port = words[-1].rsplit(':', 1)
        self.address = (host, int(port))
        self.connection = socket.create_connection(self.address, 10)
        self.lines = self.connection.makefile('rb')
        self.lines.readline()

    def count(self):
        """The counts of the moment."""
        self.connection.sendall(b'XCOUNT\r\n')
        return json.loads(self.lines.readline()[4:])

    def close(self):
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def remove(root):
    shutil.rmtree(root, ignore_errors=True)
