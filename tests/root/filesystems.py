"""Filesystems of our own making, for a while: images on loop devices, and the FUSE filesystem without links."""
import contextlib, os, shutil, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../system'))
from zm import *

TESTS = os.path.join(os.path.dirname(STAGE.rstrip('/')), 'tests')
NOLINKFS = os.path.join(TESTS, 'zm-nolinkfs')
PRELOAD = os.path.join(TESTS, 'libzm-preload.so')
MAKERS = {'ext4': ['mkfs.ext4', '-q', '-F'], 'xfs': ['mkfs.xfs', '-q', '-f'], 'btrfs': ['mkfs.btrfs', '-q', '-f']}


def need(path):
    if not os.path.exists(path):
        raise Skip('needs %s' % os.path.basename(path))


@contextlib.contextmanager
def scratch():
    where = tempfile.mkdtemp(prefix='zmfs-', dir='/var/tmp')
    os.chmod(where, 0o755)
    try:
        yield where
    finally:
        shutil.rmtree(where, ignore_errors=True)


def unmount(*command):
    for _ in range(50):     # a process that was killed may still be ending
        if subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.1)
    raise Failure('cannot unmount: ' + ' '.join(command))


@contextlib.contextmanager
def loop(kind, megabytes=400):
    """An image with a new filesystem, mounted."""
    need_root()
    maker = MAKERS[kind]
    if not shutil.which(maker[0]):
        raise Skip('needs ' + maker[0])
    with scratch() as where:
        image, mount = os.path.join(where, 'image'), os.path.join(where, 'mount')
        os.mkdir(mount)
        with open(image, 'wb') as f:
            f.truncate(megabytes << 20)
        run(*maker, image)
        p = run('mount', '-o', 'loop', image, mount, code=None)
        if p.returncode != 0:
            raise Skip('cannot mount %s here: %s' % (kind, p.err.strip()))
        try:
            os.chmod(mount, 0o755)
            yield mount
        finally:
            unmount('umount', mount)


@contextlib.contextmanager
def nolinkfs(**environment):
    """Our filesystem without links, whose inode numbers change with names."""
    need_root()
    need(NOLINKFS)
    need('/dev/fuse')
    with scratch() as where:
        backing, mount = os.path.join(where, 'backing'), os.path.join(where, 'mount')
        os.mkdir(backing)
        os.mkdir(mount)
        env = dict(os.environ, **environment)
        p = subprocess.Popen([NOLINKFS, backing, mount, '-f', '-o', 'allow_other,default_permissions'], env=env,
                             stdin=subprocess.DEVNULL)
        try:
            wait(lambda: os.path.ismount(mount) or p.poll() is not None, 'the mount')
            if p.poll() is not None:
                raise Skip('cannot mount FUSE filesystems here')
            yield mount
        finally:
            if os.path.ismount(mount):
                unmount('fusermount3', '-u', mount)
            p.wait(10)


FILESYSTEMS = {'ext4': lambda: loop('ext4'), 'xfs': lambda: loop('xfs'), 'btrfs': lambda: loop('btrfs'),
               'nolinkfs': nolinkfs}


class InstanceOn(Instance):
    """An instance whose spool lies on a mount, and all else where instances always lie."""

    def __init__(self, mount, **kw):
        self.post = os.path.join(mount, 'post')
        super().__init__(**kw)

    def zmailer(self, *words, **kw):
        if 'init' in words:
            os.mkdir(self.post)
            os.chmod(self.post, 0o755)
            os.mkdir(self.path('postoffice'))
            run('mount', '--bind', self.post, self.path('postoffice'))
        return super().zmailer(*words, **kw)

    def __exit__(self, *a):
        with contextlib.suppress(Exception):
            self.zmailer('stop', code=None)
            self.zmailer('nuke', code=None)
        wait_no_processes(self)
        unmount('umount', self.path('postoffice'))
        super().__exit__(*a)
        shutil.rmtree(self.post, ignore_errors=True)


def zmailer(*words, **kw):
    return run(os.path.join(BIN, 'zmailer'), *words, **kw)
