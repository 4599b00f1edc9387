"""Whether a scheduler keeps the rules of the agents' protocol: a scripted agent sees what it is told.

ZM_SCHEDULER names another scheduler's command line; {root} {zconfig} {log} {statistics} are filled in.
"""
import glob, os, re, signal, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '../system')]
from agent import Job
from zm import *

SCHEDULER = os.environ.get('ZM_SCHEDULER', os.path.join(MAILBIN, 'scheduler') + ' -Z {zconfig} -i -S -l {statistics} -L {log}')
BASE = 'PARAMmailqsock="UNIX:${POSTOFFICE}/.mailq.sock"\n' \
       '*/* interval=1s retries="1 2 3" skew=1 expiry=1d idlemax=1h maxta=0 maxchannel=0 maxring=5 user=root group=root ageorder\n'


class Trial:
    """A private spool, a scheduler.conf, scripts of agents."""

    def __init__(self, conf=None, **scripts):
        """Each script NAME is the agent {NAME} of conf; the default is one for channel x."""
        self.i = Instance(fast=False)
        self.post = self.i.path('postoffice')
        site = self.i.read('etc/zmailer.conf')
        self.i.write('etc/zmailer.conf', re.sub(r'(?m)^SCHEDULERDIRHASH=.*\n', '', site))     # files stay where they are put
        self.process, self.jobs = None, []
        commands = {}
        for name, text in scripts.items():
            self.i.write(name, text)
            commands[name] = '%s %s %s' % (sys.executable, os.path.join(HERE, 'scripted'), self.i.path(name))
        self.commands = commands
        self.configure(conf or BASE + 'x/* command="{a} x"\n')

    def configure(self, conf):
        self.i.write('share/scheduler.conf', re.sub(r'\{([a-z])\}', lambda m: self.commands[m.group(1)], conf))

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if kind:
            print(self.i.logs())
        if self.process:
            self.process.kill()
            self.process.wait()
        self.i.__exit__(kind, *rest)

    def job(self, *recipients, **kw):
        self.jobs.append(Job(self.post, recipients or [('x', 'h', 'u@h')], **kw))
        return self.jobs[-1]

    def start(self):
        words = SCHEDULER.format(root=self.i.root, zconfig=self.i.path('etc/zmailer.conf'), log=self.i.path('log/scheduler'),
                                 statistics=self.i.path('statistics')).split()
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return self

    def send(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        self.send(number)
        return self.process.wait(30)

    def log(self, name='a'):
        """What the agents of a script saw and did: (time, pid, mark, text)."""
        try:
            rows = [r.rstrip('\n').split('\t', 3) for r in open(self.i.path(name + '.log'))]
        except OSError:
            return []
        return [(float(r[0]), int(r[1]), r[2], r[3]) for r in rows]

    def received(self, name='a'):
        return [r[3] for r in self.log(name) if r[2] == '<']

    def pids(self, name='a'):
        return sorted({r[1] for r in self.log(name)})

    def until(self, condition, what, patience=20):
        return wait(condition, what, patience, [self.i])

    def gone(self, *jobs):
        self.until(lambda: not any(os.path.exists(j.control) or os.path.exists(j.message) for j in jobs or self.jobs), 'the jobs to be removed')

    def statistics(self):
        try:
            return [line.split()[3] for line in self.i.read('statistics').splitlines()]
        except OSError:
            return []

    def reports(self):
        return [open(p).read() for p in self.i.spool('router')]


def line_of(job, host='h'):
    return '%s\\t%s' % (job.name, host)


# -- the channel and the process ----------------------------------------------------------------

def test_the_agent_gets_its_place_and_nothing_else():
    with Trial(BASE + 'x/* command="OPTION=1 {a} $channel ${{host}} ${{MAILBIN}}"\n'.replace('{{', '{').replace('}}', '}'), a='hungry\n') as t:
        os.environ['SECRET'] = 'x'
        job = t.job()
        t.start().gone(job)
        said = {r[3].split(' ', 1)[0]: r[3].split(' ', 1)[1] for r in t.log() if r[2] == '*'}
        names = [e.split('=')[0] for e in said['env'].split(' ')]
        check(set(names) <= {'OPTION', 'TZ', 'PATH', 'ZCONFIG'}, 'environment %s' % names)
        check({'OPTION', 'ZCONFIG'} <= set(names), 'environment %s' % names)
        check(said['argv'].endswith(' x h ' + MAILBIN), said['argv'])
        check(said['cwd'] == os.path.join(t.post, 'transport'), said['cwd'])
        check(said['umask'] == '22', 'umask ' + said['umask'])
        check(said['fds'] == '0=socket 1=socket 2=socket', said['fds'])
        check(os.geteuid() != 0 or said['groups'].split()[0] in ('uid', '', '0'), said['groups'])


def test_a_job_is_the_path_and_the_host_in_lower_case():
    with Trial(a='hungry\n') as t:
        job = t.job(('X', 'Host.Example', 'u'), ('x', 'host.example', 'v'))
        t.start()
        t.until(t.received, 'a job')
        check(t.received()[0] == line_of(job, 'host.example'), t.received()[0])


def test_two_recipients_at_one_host_are_one_job():
    with Trial(a='hungry\n') as t:
        job = t.job(('x', 'h', 'a'), ('x', 'h', 'b'))
        t.start().gone(job)
        check([r for r in t.received() if r[0] != '#'] == [line_of(job)], t.received())
        check(t.statistics() == ['ok3', 'ok3'], t.statistics())


def test_a_command_that_names_the_host_has_an_agent_for_each():
    with Trial(BASE + 'x/* command="{a} x $host"\n', a='hungry\n') as t:
        job = t.job(('x', 'h1', 'a'), ('x', 'h2', 'b'))
        t.start()
        t.until(lambda: len(t.pids()) == 2 and len(t.received()) >= 2, 'two agents')
        check(set(r for r in t.received() if r and r[0] != '#') == {job.name}, t.received())


def outstanding(log):
    """The largest number of jobs that were under way at once."""
    now = most = 0
    for _, _, mark, text in log:
        now += 1 if mark == '<' and text and text[0] != '#' else -1 if mark == '>' and text == '#hungry' and now else 0
        most = max(most, now)
    return most


def test_overfeeding_keeps_to_its_number():
    for overfeed, most in ((0, 1), (3, 4)):
        with Trial(BASE + 'x/* command="{a} x" overfeed=%d\n' % overfeed, a='hungry\nloop ok3 done\n') as t:
            jobs = [t.job() for _ in range(30)]
            t.start().gone(*jobs)
            # What has been sent and not read yet counts too, so look at the order of answers.
            fed = [r for r in t.received() if r and r[0] != '#']
            check(fed == [line_of(j) for j in sorted(jobs, key=lambda j: jobs.index(j))], 'order %s' % fed)
            check(outstanding(t.log()) <= most, 'overfeed %d: %d at once' % (overfeed, outstanding(t.log())))


def test_one_agent_serves_hosts_in_turn_and_idles():
    with Trial(BASE + 'x/* command="{a} x" maxring=1 idlemax=1s\n', a='hungry\n') as t:
        jobs = [t.job(('x', 'h%d' % n, 'u')) for n in range(3)]
        t.start().gone(*jobs)
        t.until(lambda: t.received() and t.received()[-1] == '', 'the end of the idle agent', 40)
        check(len(t.pids()) == 1, '%d agents' % len(t.pids()))
        check(t.received()[3:] == ['#idle', ''], t.received()[3:])


def test_an_idle_agent_is_used_again():
    with Trial(a='hungry\n') as t:
        t.start().gone(t.job())
        t.until(lambda: '#idle' in t.received(), '#idle')
        t.gone(t.job())
        check(len(t.pids()) == 1, 'another agent')


# -- results ------------------------------------------------------------------------------------

def test_deferred_jobs_come_again_at_their_time():
    with Trial(a='hungry\njob deferred later\njob deferred later\n') as t:
        t.start().gone(t.job())
        times = [r[0] for r in t.log() if r[2] == '<' and r[3] and r[3][0] != '#']
        check(len(times) == 3, '%d attempts' % len(times))
        check(0.2 < times[1] - times[0] < 4 and 1 < times[2] - times[1] < 6, 'pauses %r' % [b - a for a, b in zip(times, times[1:])])


def test_retryat_stops_the_run_and_is_obeyed():
    with Trial(a='hungry\njob retryat +3 busy\n') as t:
        jobs = [t.job(), t.job()]
        t.start().gone(*jobs)
        rows = [r for r in t.log() if r[2] == '<' and r[3] and r[3][0] != '#']
        check(rows[1][0] - rows[0][0] >= 2.5, 'again after %.1f s' % (rows[1][0] - rows[0][0]))


def test_results_reach_the_statistics_and_the_sender():
    with Trial(a='hungry\njob error no such user\njob ok fine\njob error2 bad\njob ok2 good\n') as t:
        jobs = [t.job(('x', 'h', 'u', 'NOTIFY=SUCCESS,FAILURE')) for _ in range(4)]
        t.start()
        t.until(lambda: len(t.statistics()) == 4, 'four results')
        check(t.statistics() == ['error', 'ok', 'error2', 'ok2'], t.statistics())
        t.gone(*jobs)
        text = t.until(t.reports, 'a report')
        check(any('Action: failed' in r and 'Status: 5.1.1' in r for r in text), text)


def test_the_statistics_log_has_its_line():
    with Trial(a='hungry\n') as t:
        job = t.job(('x', 'Host.Example', 'u@h'))
        t.start().gone(job)
        line = t.i.read('statistics')
        check(re.match(r'S%d[A-Za-z0-9_-]+ \d+ \d+ ok3 x/host\.example\n$' % job.id, line), line)


def test_the_trace_of_a_message_ends_with_scheduler_done():
    with Trial(a='hungry\n') as t:
        trace = os.path.join(t.post, 'public', 'v_abc123')
        open(trace, 'w').close()
        job = Job(t.post, [('x', 'h', 'u@h')])
        text = job.text()
        os.unlink(job.control)
        with open(job.control, 'w') as f:
            f.write(text.replace('\n', '\nv ../public/v_abc123\n', 1))
        t.start().gone(job)
        lines = t.until(lambda: 'scheduler done' in open(trace).read() and open(trace).read().splitlines(), 'the end of the trace')
        check(lines[0] == 'scheduler processing ' + job.name, lines)
        check(any(re.match(r'Feeding to child; ce\.argv = "(\S+ )*\S+" chan = \'x\' cmd: %s\th$' % job.name, l) for l in lines), lines)
        check(lines[-1] == 'scheduler done processing ' + job.name, lines)


# -- agents that lie, babble, die ---------------------------------------------------------------

def test_long_and_split_and_foreign_lines_disturb_nothing():
    script = 'long 100000\nstderr perl: warning: setting locale failed\nraw #hun\nsleep 0.1\nraw gry\\x0a\njob ok3\nstderr x\nlong 3000\njob ok3\n'
    with Trial(a=script) as t:
        jobs = [t.job(), t.job(), t.job()]
        t.start().gone(*jobs)
        check(len(t.pids()) == 1, '%d agents' % len(t.pids()))


def test_lies_about_other_mail_are_not_believed():
    with Trial(BASE + 'x/* command="{a} x"\ny/* queueonly command="{a} y"\n', a='hungry\nread\nsay 1/1\\t\\tok3\nsay 99999999/172\\t\\tok3\nsay OTHER\nhungry\n') as t:
        other, own = t.job(('y', 'h', 'u')), t.job()
        with open(t.i.path('a')) as f:
            text = f.read().replace('OTHER', '%d/%d\\t\\tok3' % (other.id, other.offsets[0]))
        t.i.write('a', text + 'sleep 1\n')
        t.start().gone(own)
        check(os.path.exists(other.control) and other.tag(0) == ' ', "another's mail was taken for done")
        check(t.statistics() == ['ok3'], t.statistics())


def test_a_result_told_twice_counts_once():
    with Trial(a='hungry\nonce\nread\nsay TWICE\nsay TWICE\nhungry\nend\n') as t:
        job, more = t.job(('x', 'h', 'u'), ('x', 'h', 'v')), t.job()
        with open(t.i.path('a')) as f:
            text = f.read().replace('TWICE', '%d/%d\\t\\tok3' % (job.id, job.offsets[0]))
        t.i.write('a', text)
        t.start()
        t.gone(job, more)
        check(len(t.statistics()) == 3, t.statistics())


def test_unknown_result_words_leave_the_recipient_in_the_queue():
    with Trial(a='hungry\nonce\njob wonderful\nend\n') as t:
        t.start().gone(t.job())
        check(t.statistics() == ['ok3'], t.statistics())


def test_death_at_work_unlocks_and_tries_again():
    with Trial(a='hungry\nonce\nlock\nkill 9\nend\n') as t:
        job = t.job()
        t.start().gone(job)
        check(len(t.pids()) == 2, '%d agents' % len(t.pids()))
        check(t.statistics() == ['ok3'], t.statistics())


def test_endless_resyncs_do_not_spin():
    with Trial(a='say #resync 0\nhungry\n' + 'read\nsay #resync PATH\nhungry\n' * 60) as t:
        job = t.job()
        with open(t.i.path('a')) as f:
            text = f.read().replace('PATH', job.name)
        t.i.write('a', text)
        t.start()
        t.until(t.received, 'a job')
        time.sleep(3)
        check(len(t.received()) < 45, '%d jobs in 3 seconds' % len(t.received()))
        check(os.path.exists(job.control), 'the job is gone')


def test_a_silent_agent_is_ended_by_the_watchdog():
    with Trial(BASE + 'x/* command="{a} x" watchdog=2s\n', a='hungry\nonce\nread\nsleep 600\nend\n') as t:
        t.start()
        job = t.job()
        t.until(lambda: len(t.pids()) == 2 and not os.path.exists(job.control), 'another agent', 60)


def test_an_agent_that_does_not_exist_is_told_and_found_when_it_comes():
    with Trial(BASE + 'x/* command="/nonexistent/agent x"\n', a='hungry\n') as t:
        job = t.job()
        t.start()
        t.until(lambda: 'nonexistent' in t.i.logs(), 'a line in the log')
        shown = lambda: t.i.mailq('-Q').out
        try:
            t.until(lambda: 'pend=AgentBroken' in shown(), 'the reason in mailq', 10)
        except Failure:
            raise Failure(shown())
        check('cannot execute /nonexistent/agent' in t.i.mailq().out, t.i.mailq().out)
        time.sleep(2)
        check(t.i.read('log/scheduler').count('nonexistent') < 20, 'the log is flooded')
        t.configure(BASE + 'x/* command="{a} x"\n')
        t.send(signal.SIGUSR1)
        t.gone(job)


def test_an_agent_that_ends_at_once_is_held_back():
    with Trial(a='say # cannot read the table\nexit 1\n') as t:
        t.job(), t.job(('x', 'g', 'u'))
        t.start()
        t.until(lambda: len(t.pids()) >= 2, 'a second attempt')
        time.sleep(3)
        check(len(t.pids()) < 8, '%d agents in 3 seconds' % len(t.pids()))
        shown = t.i.mailq().out
        check('the agent ended with status 1 before it asked for work: # cannot read the table' in shown, shown)
        check('said="# cannot read the table"' in t.i.read('log/scheduler'), t.i.read('log/scheduler'))


# -- many threads -------------------------------------------------------------------------------

def test_a_multi_agent_has_threads_side_by_side():
    with Trial(BASE + 'x/* command="{a} x"\n', a='multi 3\nsay #hungry\nread\nread\nread\nsleep 0.3\nsay #hungry A\nloop ok3\n') as t:
        jobs = [t.job(('x', 'h%d' % n, 'u')) for n in range(3)]
        t.start()
        t.until(lambda: len([r for r in t.received() if r and r[0] != '#']) == 3, 'three jobs at once')
        check(len(t.pids()) == 1, '%d agents' % len(t.pids()))
        check(sorted(t.received()) == sorted(line_of(j, 'h%d' % n) for n, j in enumerate(jobs)), t.received())


# -- start, stop, reload ------------------------------------------------------------------------

def test_slow_stop_waits_for_the_results():
    with Trial(a='hungry\nread\nsleep 1.5\nsay RESULT\nhungry\n') as t:
        job = t.job()
        with open(t.i.path('a')) as f:
            text = f.read().replace('RESULT', '%d/%d\\t\\tok3' % (job.id, job.offsets[0]))
        t.i.write('a', text)
        t.start()
        t.until(t.received, 'a job')
        check(t.stop(signal.SIGQUIT) == 0, 'exit status')
        check(t.statistics() == ['ok3'], t.statistics())
        check(any(r[3] == 'signal 3' for r in t.log()), 'it was not told to hurry')


def test_stop_lets_the_agent_see_the_end_and_finish():
    with Trial(a='hungry\nlock\nsleep 1.5\nmark +\nread\n') as t:
        job = t.job()
        t.start()
        t.until(t.received, 'a job')
        t.stop()
        t.until(lambda: any(r[2] == '!' for r in t.log()), 'the agent to see the end')
        check(job.tag(0) == '+', 'tag %r' % job.tag(0))
        t.start().gone(job)
        check(len(t.pids()) == 1, 'delivered again')


def test_a_live_lock_outlasts_the_scheduler():
    with Trial(a='hungry\nonce\nlock\nsleep 4\nmark +\nexit 0\nend\n') as t:
        job = t.job()
        t.start()
        t.until(lambda: job.tag(0) == '~', 'the lock')
        t.process.kill()
        t.process.wait()
        t.start()
        time.sleep(1.5)
        check(len(t.pids()) == 1 and job.tag(0) == '~', 'the locked job was given out')
        wait(lambda: not os.path.exists(job.control), 'the end of the job', 60, [t.i])
        check(len(t.pids()) == 1, 'delivered again')


def test_finished_jobs_of_another_life_are_reported_and_removed():
    with Trial(a='hungry\n') as t:
        job = t.job(extra='d OFFSET:-1:-1::1700000000\tu@h\1failed\0015.1.1\1smtp; 550\1\tno\n')
        text = job.text().replace('OFFSET', str(job.offsets[0]))
        text = text[:job.offsets[0] + 1] + '-' + text[job.offsets[0] + 2:]
        open(job.control, 'w').write(text)
        t.start().gone(job)
        check(not t.pids(), 'an agent was started')
        check('Action: failed' in t.until(t.reports, 'a report')[0], t.reports())


def test_queue_only_mail_waits_for_its_host():
    with Trial(BASE + 'x/* queueonly command="{a} x"\n', a='hungry\n') as t:
        job = t.job()
        t.start()
        time.sleep(1)
        check(not t.pids(), 'started by itself')
        with open(os.path.join(t.post, 'transport', '.4711'), 'w') as f:
            f.write('T h client.example\n')
        os.rename(os.path.join(t.post, 'transport', '.4711'), os.path.join(t.post, 'transport', '4711-etrn'))
        t.gone(job)
        t.until(lambda: not os.path.exists(os.path.join(t.post, 'transport', '4711-etrn')), 'the command to go')


def test_reload_keeps_the_queue_and_the_agents():
    with Trial(BASE + 'x/* command="{a} x"\ny/* queueonly command="{a} y"\n', a='hungry\n') as t:
        waiting = t.job(('y', 'h', 'u'))
        t.start().gone(t.job())
        t.until(lambda: '#idle' in t.received(), '#idle')
        t.configure(BASE + 'nonsense\n\tfoo=bar\n')
        t.send(signal.SIGUSR1)
        t.until(lambda: 'stays in force' in t.i.logs(), 'the refusal')
        t.gone(t.job())
        check(len(t.pids()) == 1, 'the agent was lost')
        t.configure((BASE + 'x/* command="{a} x"\ny/* command="{a} y"\n').replace('.mailq.sock', '.other.sock'))
        t.send(signal.SIGUSR1)
        t.gone(waiting)
        t.gone(t.job())
        check(os.path.exists(os.path.join(t.post, '.other.sock')), 'mailq is not at its new place')


# -- trouble with the disk ----------------------------------------------------------------------

def test_bad_control_files_are_left_alone_and_told():
    with Trial(a='hungry\n') as t:
        bad = {}
        for n, text in enumerate(('@ 0xff000007\n', '', 'hello\n', '@ 0x00000007\ni 5\nl x\nr ' + ' ' * 10 + 'x h u 0\n')):
            path = os.path.join(t.post, 'transport', str(1000 + n))
            with open(os.path.join(t.post, 'queue', str(1000 + n)), 'w') as f:
                f.write('from <a@b>\nenv-end\n\n')
            with open(path, 'w') as f:
                f.write(text)
            bad[path] = text
        t.start().gone(t.job())
        t.until(lambda: t.i.read('log/scheduler').count('left alone') >= 3, 'lines in the log')
        for path, text in bad.items():
            check(open(path).read() == text, path + ' was changed')
        time.sleep(0.5)
        check(t.i.read('log/scheduler').count('left alone') <= 4, 'told again and again')


def test_a_spool_that_disappears_does_not_make_it_spin():
    with Trial(BASE + 'x/* command="{a} x" overfeed=3\n', a='hungry\nloop error gone\n') as t:
        for n in range(40):
            t.job(('x', 'h%d' % n, 'u'))
        t.start()
        t.until(lambda: t.statistics(), 'results')
        os.rename(t.post, t.post + '.away')
        shutil.rmtree(t.post + '.away', ignore_errors=True)
        log = lambda: t.i.read('log/scheduler')
        scans = lambda n: t.until(lambda: log().count('the transport directory cannot be listed') >= n, 'scan %d' % n, 90)
        cpu = lambda: sum(int(x) for x in open('/proc/%d/stat' % t.process.pid).read().rpartition(')')[2].split()[11:13])
        scans(1)
        before, used = len(log()), cpu()
        scans(2)        # ten seconds later
        check(len(log()) - before < 20000, 'the log grows by %d bytes' % (len(log()) - before))
        check(cpu() - used < 100, '%d ticks of CPU' % (cpu() - used))


if __name__ == '__main__':
    main(sys.modules[__name__])
