"""The scheduler alone: queues of several lengths, agents that do nothing.  `run scheduler`."""
import json, os, shutil, signal, subprocess, sys, tempfile, time

from bench import *
from spool import Goals

SHM, ROOM = '/dev/shm', 4 << 30

CONF = '''\
PARAMmailqsock = "UNIX:${POSTOFFICE}/.mailq.sock"
*/*	interval=1h expiry=3d retries="1" maxta=0 maxchannel=0 maxring=0 overfeed=%(overfeed)d ageorder user=root group=root
wait/*	queueonly command="%(agent)s -c wait"
null/*	command="%(agent)s -m %(threads)d" maxring=%(threads)d
'''


def in_memory():
    """Where files cost least, so that the scheduler is measured and not the disk; None: nowhere."""
    return SHM if os.access(SHM, os.W_OK) and shutil.disk_usage(SHM).free > ROOM else None


class Queue:
    """A private instance with a scheduler and nothing else."""

    def __init__(self, args, stage):
        self.args, self.stage = args, stage
        self.root = tempfile.mkdtemp(prefix='zmbench-', dir=args.dir or in_memory())
        os.chmod(self.root, 0o755)
        subprocess.run([os.path.join(stage, 'bin', 'zmailer'), '--root', self.root, '--hostname', 'bench.test', 'init'],
                       check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(self.root, 'share/scheduler.conf'), 'w') as f:
            f.write(CONF % dict(agent=tool(stage, 'zm-null-ta'), threads=args.threads, overfeed=args.overfeed))
        self.statistics, self.log = os.path.join(self.root, 'statistics'), os.path.join(self.root, 'log/scheduler')
        self.process, self.done, self.at = None, 0, 0

    def fill(self, channel, recipients, *options):
        """Messages of --recipients each, as many as it takes."""
        each = min(self.args.recipients, recipients)
        subprocess.run([tool(self.stage, 'zm-fill'), '--root', self.root, '-m', str(recipients // each), '-r', str(each),
                        '--hosts', str(self.args.hosts), '-c', channel, *options], check=True)
        return recipients // each

    def start(self, *options):
        """Returns when the spool is read: seconds it took."""
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [os.path.join(self.stage, 'libexec/zmailer/scheduler'), '--root', self.root, '-i', '-S', '-H', '-H', '-l', self.statistics,
             '-L', self.log, *options], stdin=subprocess.DEVNULL)
        self.seen = 0
        while True:
            with open(self.log, errors='replace') if os.path.exists(self.log) else open(os.devnull) as f:
                if any('spool read' in line for line in f):
                    return time.monotonic() - begin
            if self.process.poll() is not None:
                sys.exit('bench: the scheduler ended')
            time.sleep(0.005)

    def finished(self):
        """Recipients in the statistics log."""
        with open(self.statistics, 'rb') as f:
            f.seek(self.at)
            data = f.read()
        self.at += len(data)
        self.done += data.count(b'\n')
        return self.done

    def wait(self, count):
        """Until so many more are finished; seconds."""
        begin, goal = time.monotonic(), self.done + count
        while self.finished() < goal:
            if time.monotonic() - begin > self.args.limit or self.process.poll() is not None:
                sys.exit('bench: only %d of %d were delivered' % (self.done - goal + count, count))
            time.sleep(0.005)
        return time.monotonic() - begin

    def memory(self):
        with open('/proc/%d/statm' % self.process.pid) as f:
            return int(f.read().split()[1]) * PAGE

    def cpu(self):
        with open('/proc/%d/stat' % self.process.pid) as f:
            fields = f.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def close(self):
        self.stop()
        remove(self.root)


def read_back(args, stage, length):
    """Restart with a queue of that many recipients, and its memory; the scheduler is left running."""
    queue = Queue(args, stage)
    queue.start()
    empty = queue.memory()
    queue.stop()
    os.remove(queue.log)
    messages = queue.fill('wait', length)
    result = dict(queued=length, messages=messages, restart_s=queue.start('-F'))
    result['restart_cpu_s'] = queue.cpu()
    result['memory_mb'] = queue.memory() / 1e6
    result['bytes_per_recipient'] = (queue.memory() - empty) / length
    result['intake_per_second'] = messages / result['restart_s']
    queue.stop()
    os.remove(queue.log)
    queue.start()
    queue.fill('null', args.passing // 10, '--hint')        # starts the agents
    queue.wait(args.passing // 10)
    return queue, result


def pass_by(args, queue):
    """New mail through a queue: recipients a second, and CPU us of each."""
    cpu = queue.cpu()
    queue.process.send_signal(signal.SIGSTOP)           # making the messages is not what is measured
    queue.fill('null', args.passing, '--hint')
    queue.process.send_signal(signal.SIGCONT)
    seconds = queue.wait(args.passing)
    return args.passing / seconds, (queue.cpu() - cpu) / args.passing * 1e6


def passing(args, queues, results):
    """In turns through all queues, there and back, since what else the machine does changes by the second; all rounds count."""
    seconds, cpu = [0] * len(queues), [0] * len(queues)
    for turn in range(args.runs):
        for i in range(len(queues))[::-1 if turn % 2 else 1]:
            rate, each = pass_by(args, queues[i])
            seconds[i] += 1 / rate
            cpu[i] += each
    for i, result in enumerate(results):
        result['passing_per_second'] = args.runs / seconds[i]
        result['passing_cpu_us'] = cpu[i] / args.runs
        result['passing_share'] = seconds[0] / seconds[i]


def dispatch(args, stage):
    """A full queue for agents that do nothing: recipients a second from the start of the agents to the end."""
    queue = Queue(args, stage)
    try:
        queue.fill('null', args.dispatch)
        queue.start()
        rate = args.dispatch / queue.wait(args.dispatch)
        return dict(dispatched=args.dispatch, recipients_per_second=rate, cpu_us=queue.cpu() / args.dispatch * 1e6)
    finally:
        queue.close()


def judge(goals, results, dispatched):
    """The budgets; those of a length that was not measured are left out."""
    full = results[-1]
    if full['messages'] >= 100000:
        goals.add('restart with %d messages' % full['messages'],
                  '%.1f s, %.1f s of it CPU' % (full['restart_s'], full['restart_cpu_s']), '<= 10 s', full['restart_s'] <= 10)
    if full['queued'] >= 1000000:
        goals.add('memory with %d recipients' % full['queued'], '%.0f MB' % full['memory_mb'], '<= 300 MB', full['memory_mb'] <= 300)
    if full['queued'] >= 10000:
        goals.add('memory of a recipient', '%.0f bytes' % full['bytes_per_recipient'], '<= 200 bytes',
                  full['bytes_per_recipient'] <= 200)
    if len(results) > 1:
        goals.add('new mail past that queue, of past one of %d' % results[0]['queued'], '%.0f %%' % (full['passing_share'] * 100),
                  '>= 90 %', full['passing_share'] >= 0.9)
    rate = dispatched['recipients_per_second']
    goals.add('dispatch to agents that do nothing', '%.0f recipients/s' % rate, '>= 20000/s', rate >= 20000)


def main(args, stage):
    queues, results, goals = [], [], Goals(args.json)
    try:
        for length in sorted(args.queued):
            queue, result = read_back(args, stage, length)
            queues.append(queue)
            results.append(result)
            if not args.json:
                print('queue of %(queued)d recipients, %(messages)d messages: read in %(restart_s).2f s (%(intake_per_second).0f messages/s, '
                      '%(restart_cpu_s).2f s CPU), %(memory_mb).0f MB, %(bytes_per_recipient).0f bytes a recipient' % result, flush=True)
        passing(args, queues, results)
        for result in results:
            if not args.json:
                print('new mail past %(queued)d recipients: %(passing_per_second).0f recipients/s, %(passing_cpu_us).1f us CPU each'
                      % result, flush=True)
    finally:
        for queue in queues:
            queue.close()
    dispatched = dispatch(args, stage)
    if not args.json:
        print('dispatch of %(dispatched)d recipients: %(recipients_per_second).0f recipients/s, %(cpu_us).1f us CPU each' % dispatched)
    judge(goals, results, dispatched)
    if args.json:
        print(json.dumps(dict(results=results, dispatch=dispatched, goals=goals.list), indent=1))
    return goals.status()
