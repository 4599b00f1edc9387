"""What `router -t` says about addresses of every kind with the stock configuration, whatever carries the spool: the
addresses, the databases behind them, and tests/data/router/explain.txt, the lookups and results that must come out."""
import os
import re

EXPECTED = os.path.join(os.path.dirname(__file__), '../data/router/explain.txt')
ADDRESSES = ['alice', 'bob@mail.test', 'alice+news@mail.test', 'nobody-of-that-name', 'postmaster', 'team', 'club',
             'me@virtual.test', 'other@virtual.test', 'carol@a.routed.test', 'someone@remote.test',
             'a%b@mail.test', 'x!y@mail.test', 'one two', 'alice@[127.0.0.1]', '"odd name"@remote.test']
FILES = {
    'aliases': 'postmaster: alice\nteam: alice, bob, far@remote.test\n',
    'fqdnaliases': 'me@virtual.test: alice\n@virtual.test: bob\n',
    'routes': '.routed.test\tsmtp!relay.test\nbsmtp.test\tbsmtp!far\n',
    'localnames': 'mail.test\n',
}
LIST = 'alice\nfar@remote.test\n'


def prepare(root):
    """Fills the databases of an instance."""
    for name, text in FILES.items():
        with open(os.path.join(root, 'var/db', name), 'w') as f:
            f.write(text)
    lists = os.path.join(root, 'var/lists')
    os.makedirs(lists, exist_ok=True)
    os.chmod(lists, 0o755)
    with open(os.path.join(lists, 'club'), 'w') as f:
        f.write(LIST)
    os.chmod(os.path.join(lists, 'club'), 0o644)


def plain(text, roots):
    """Without what belongs to the machine: where the instance is, and the numbers of accounts."""
    for root in roots:
        text = text.replace(root, 'ROOT')
    text = text.replace('\r\n', '\n')
    return re.sub(r'(privilege|databasepriv|\(g\d+) -?\d+', r'\1 N', text)


def essence(text):
    """Addresses, lookups and results: what stays when functions of the configuration get other names."""
    return ''.join(line.strip() + '\n' for line in text.splitlines() if not re.match(r' *(call|return) ', line))


def expected():
    with open(EXPECTED) as f:
        return f.read()


def difference(got, want):
    """The first line that is not as wanted; '' when all are."""
    got, want = got.splitlines(), want.splitlines()
    for number, line in enumerate(got):
        if number >= len(want) or line != want[number]:
            return 'line %d: %r instead of %r' % (number + 1, line, want[number] if number < len(want) else '')
    return '' if len(want) == len(got) else 'the end is missing'
