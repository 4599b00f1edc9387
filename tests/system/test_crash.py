"""Daemons die at any moment; accepted mail does not."""
import random, sys
from zm import *

MESSAGES = 500
KILLS = 20


def daemons(i):
    """The pids of everything of this instance, by program name."""
    found = {}
    for pid, line in processes_of(i.root).items():
        name = os.path.basename(line.split(' ')[0])
        found.setdefault(name, []).append(pid)
    return found


def test_every_daemon_killed_while_mail_flows():
    rng = random.Random(int(os.environ.get('ZM_TEST_SEED', '1')))
    accepted, kills = set(), 0
    with Instance(users=('alice', 'bob')).start() as i:
        done = threading.Event()

        def send():
            n = 0
            while len(accepted) < MESSAGES or kills < KILLS:
                try:
                    with i.smtp() as s:
                        while len(accepted) < MESSAGES or kills < KILLS:
                            n += 1
                            time.sleep(0.005)
                            s.sendmail('alice@mail.test', ['bob@mail.test'],
                                       letter(subject='n%d' % n, body='line\n' * 20 + 'end %d\n' % n))
                            accepted.add(n)
                except (smtplib.SMTPException, OSError):
                    done.wait(0.02)     # nobody said yes to n: it may or may not come
            done.set()

        threading.Thread(target=send, daemon=True).start()
        while not done.wait(rng.uniform(0.02, 0.3)):
            victims = daemons(i)
            kills += 1
            name = rng.choice(['router', 'scheduler', 'smtpserver', 'mailbox'])
            for pid in victims.get(name, []):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if name != 'mailbox':
                i.zmailer('start', name)
        i.start()
        wait(lambda: accepted <= {int(m['Subject'][1:]) for m in i.mbox('bob')}, 'every accepted message', 120, [i])
        i.wait_empty(120)
        seen = {}
        for m in i.mbox('bob'):
            n = int(m['Subject'][1:])
            check(body_of(m).rstrip('\n').endswith('end %d' % n), 'message %d is cut' % n)
            seen[n] = seen.get(n, 0) + 1
        twice = [n for n, count in seen.items() if count > 1]
        check(max(seen.values()) <= 2 + len(twice) // 10 and len(twice) <= MESSAGES // 10,
              'delivered more than once: %d messages, one %d times' % (len(twice), max(seen.values())))


if __name__ == '__main__':
    main(sys.modules[__name__])
