"""Plays the scheduler to one transport agent: jobs on disk, the channel, and what the agent says."""
import os, re, select, signal, socket, subprocess, tempfile, time

PATIENCE = float(os.environ.get('ZM_TEST_PATIENCE', '20'))
SLOT = ' ' * 10                         # pid and delay columns


class Failure(AssertionError):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


class Job:
    """A message and its control file in $POSTOFFICE, both at the top."""

    def __init__(self, postoffice, recipients, suffix='', message=True, sender='sender@from.test', null=False, extra='',
                 body='Hello.\n'):
        """recipients: (channel, host, user) or (channel, host, user, N value)."""
        header = 'From: %s\nTo: somebody\nSubject: a test\nMessage-Id: <%s@from.test>\nDate: Sat, 21 Nov 2026 10:00:00 +0000\n' % (sender, time.monotonic_ns())
        envelope = ('channel error\n' if null else 'from <%s>\n' % sender) + 'env-end\n'
        fd, scratch = tempfile.mkstemp(prefix='.tatest', dir=os.path.join(postoffice, 'queue'))
        with os.fdopen(fd, 'w') as f:
            f.write(envelope + header + '\n' + body)
        self.id = os.stat(scratch).st_ino
        self.name = '%d%s' % (self.id, suffix)
        self.message = os.path.join(postoffice, 'queue', self.name)
        self.control = os.path.join(postoffice, 'transport', self.name)
        os.rename(scratch, self.message)
        if not message:
            os.unlink(self.message)
        text = '@ 0x00000007\ni %s\no %d\nl <%s@from.test>\n' % (self.name, len(envelope + header) + 1, self.name)
        text += '' if null else 'e %s\n' % sender
        text += 's error <> <> 0\n' if null else 's local from.test %s 65534\n' % sender
        self.offsets = []
        for r in recipients:
            self.offsets.append(len(text))
            text += 'r ' + SLOT + '%s %s %s 65534\n' % r[:3]
            if len(r) > 3:
                text += 'N %s\n' % r[3]
        text += 'm\n' + header + '\n' + extra
        scratch = os.path.join(postoffice, 'transport', '.' + self.name)
        with open(scratch, 'w') as f:
            f.write(text)
        os.rename(scratch, self.control)

    def text(self):
        with open(self.control, 'rb') as f:
            return f.read().decode(errors='replace')

    def line(self, n):
        """The n-th recipient's line as it stands now."""
        return self.text()[self.offsets[n]:].split('\n', 1)[0]

    def tag(self, n):
        return self.line(n)[1]

    def diagnostics(self):
        """The d lines: (tag, recipient's offset, notary, text)."""
        found = []
        for line in self.text().split('\n'):
            m = re.match(r'd(.)(-?\d+):(-?\d+):(-?\d+):\d*:(\d+)\t([^\t]*)\t(.*)$', line)
            if m:
                found.append((m.group(1), int(m.group(2)), m.group(6), m.group(7)))
        return found

    def remove(self):
        for path in (self.message, self.control):
            if os.path.exists(path):
                os.unlink(path)


class Result:
    """One diagnostic line."""

    def __init__(self, line):
        m = re.match(r'(\d+)/(\d+)\t([^\t]*)\t(\S+)(?: ([^\t]*))?$', line, re.S)
        check(m, 'no diagnostic: %r' % line)
        self.id, self.offset, self.notary = int(m.group(1)), int(m.group(2)), m.group(3).split('\1') if m.group(3) else []
        self.word, self.text = m.group(4), m.group(5) or ''


class Agent:
    """The agent as a process, its channel on 0, 1 and 2 as a scheduler gives it."""

    def __init__(self, command, postoffice, environment):
        ours, theirs = socket.socketpair()
        environment.update({k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')})
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
                                        cwd=os.path.join(postoffice, 'transport'), preexec_fn=self.prepare)
        theirs.close()
        self.socket, self.buffer, self.comments, self.multi = ours, b'', [], 1

    @staticmethod
    def prepare():
        os.umask(0o022)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def raw(self, patience=PATIENCE):
        """The next line, or None at the end of the file."""
        end = time.monotonic() + patience
        while b'\n' not in self.buffer:
            left = end - time.monotonic()
            check(left > 0 and select.select([self.socket], [], [], max(left, 0))[0], 'the agent says nothing (has said %r)' % self.buffer)
            data = self.socket.recv(65536)
            if not data:
                check(not self.buffer, 'the last line has no end: %r' % self.buffer)
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b'\n', 1)
        return line.decode(errors='replace')

    def line(self):
        """The next line that is no comment."""
        while True:
            line = self.raw()
            if line is not None and (line == '' or (line[0] == '#' and not re.match('#(hungry|resync|multi)', line))):
                self.comments.append(line)
                continue
            return line

    def send(self, text):
        self.socket.sendall(text.encode())

    def greet(self):
        """Up to the first #hungry."""
        line = self.raw()
        if line and re.match(r'#multi (\d+)$', line):
            self.multi = int(line.split()[1])
            check(2 <= self.multi <= 1000, '#multi %d' % self.multi)
            line = self.line()
        while line and line[0] == '#' and not line.startswith('#hungry'):
            check(not line.startswith('#multi'), '#multi is not the first line')
            line = self.line()
        check(line == '#hungry', 'the agent begins with %r' % line)
        return self

    def answer(self, seen=None):
        """Results until #hungry: ([Result], [paths of #resync], what #hungry named)."""
        results, resyncs = [], []
        while True:
            line = self.line()
            check(line is not None, 'the agent ended instead of saying #hungry')
            if line.startswith('#hungry'):
                return results, resyncs, line[7:].strip(' ')
            if line.startswith('#resync '):
                resyncs.append(line[8:])
                continue
            results.append(Result(line))
            if seen:
                seen(results[-1])

    def do(self, job, host, seen=None):
        """One job; results and resyncs."""
        line = job if isinstance(job, str) else job.name
        self.send('%s\t%s\n' % (line, host))
        results, resyncs, named = self.answer(seen)
        if self.multi > 1:
            check(named == '%s\t%s' % (line, host), '#hungry of a #multi agent names %r' % named)
        return results, resyncs

    def silent(self, seconds=0.3):
        """That nothing more comes."""
        check(not self.buffer and not select.select([self.socket], [], [], seconds)[0], 'the agent says more than it was asked')

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def ended(self, patience=PATIENCE):
        """Its exit status; 0 - N for a signal."""
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failure('the agent does not end')

    def close(self):
        self.process.kill()
        self.process.wait()
        self.socket.close()
