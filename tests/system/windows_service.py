#!/usr/bin/env python3
"""The Windows service, under Wine: installed, started, used, frozen, stopped and removed as an administrator would.

Letters come in by SMTP and from sendmail.exe, which has no spool to write to but a socket.  What Wine cannot show (its
access control, the event log, recovery after a crash) is not asked for.  ZM_STAGE names the staged installation,
ZM_WINE_RUN the wrapper."""
import os
import pathlib
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

STAGE = pathlib.Path(os.environ["ZM_STAGE"])
WINE_RUN = os.environ["ZM_WINE_RUN"]
PATIENCE = 60


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


class Place:
    """An instance whose service has a name of its own: the services of Wine are those of all tests."""

    def __init__(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="zmwine"))
        self.root = self.scratch / "instance with blanks"
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        self.name = f"ZMailerTest{self.port}"

    def wine(self, *command, code=0, text=None):
        """Runs something; the wrapper gives it no standard input, so a text comes from a file."""
        environment = dict(os.environ)
        if text is not None:
            (self.scratch / "letter").write_bytes(text)
            environment["ZM_WINE_INPUT"] = str(self.scratch / "letter")
        with tempfile.TemporaryFile() as output:  # not a pipe: programs of Wine's own would keep it open
            done = subprocess.run([WINE_RUN, *command], env=environment, stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=subprocess.STDOUT, timeout=300, check=False)
            output.seek(0)
            said = output.read().decode(errors="replace")
        print(f"{' '.join(command)}: {done.returncode}\n{said}", flush=True)
        check(code is None or done.returncode == code, f"{command[-1]} ended with {done.returncode}, not {code}")
        return said

    def program(self, name, *words, **kw):
        return self.wine(str(STAGE / "bin" / f"{name}.exe"), "--root", f"Z:{self.root}", *words, **kw)

    def zmailer(self, *words, **kw):
        return self.program("zmailer", *words, **kw)

    def sc(self, *words, **kw):
        return self.wine("sc", words[0], self.name, *words[1:], **kw)

    def log(self, name):
        try:
            return (self.root / "log" / name).read_text(errors="replace")
        except OSError:
            return ""

    def letter(self, subject):
        """Until it stands in the mailbox."""
        mailbox = self.root / "mail" / "anna"
        self.until(lambda: mailbox.exists() and f"Subject: {subject}\n".encode() in mailbox.read_bytes(), subject)

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            check(time.monotonic() < end, f"waited in vain for {what}")
            time.sleep(0.2)

    def client(self):
        """A client of the SMTP server, as soon as that listens."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return smtplib.SMTP("127.0.0.1", self.port, timeout=90)
            except ConnectionRefusedError:
                check(time.monotonic() < end, "the SMTP server does not listen")
                time.sleep(0.2)

    def all_run(self):
        """Until the daemons, which the service starts, are there."""
        def running():
            said = self.zmailer("status", code=None)
            return f"service {self.name}: running" in said and said.count("running (pid") == 3 + 1
        self.until(running, "all daemons")

    def show(self):
        for log in sorted((self.root / "log").glob("*")):
            print(f"-- {log.name}\n{log.read_text(errors='replace')[-3000:]}")


def install(place):
    place.zmailer("--smtp-port", str(place.port), "--users", "anna", "init")
    with open(place.root / "etc" / "zmailer.conf", "a") as conf:
        conf.write(f"SERVICENAME={place.name}\nSUBMIT_TRANSPORT=socket\nSUBMIT_SERVER=127.0.0.1:{place.port}\n")
    place.zmailer("service", "install")
    place.zmailer("service", "install")  # the same again is no fault
    said = place.zmailer("status", code=3)
    check(f"service {place.name}: stopped" in said, "status does not tell of the service")


def a_frozen_spool_is_not_started(place):
    place.zmailer("freeze")
    check("frozen" in place.zmailer("start", code=2), "no reason")
    place.sc("start", code=None)  # the manager does not know, the service does
    place.until(lambda: "ended with code 2" in place.zmailer("status", code=3), "the exit code of a frozen service")
    place.zmailer("thaw")


def letters(place):
    place.zmailer("start")
    place.all_run()
    with place.client() as client:
        client.sendmail("anna@localhost", ["anna@localhost"], "From: anna@localhost\nSubject: by SMTP\n\nHello\n")
    place.program("sendmail", "-i", "-f", "anna@localhost", "anna@localhost",
                  text=b"Subject: by sendmail\r\n\r\n.\r\nA dot.\x1a\r\n")
    place.letter("by SMTP")
    place.letter("by sendmail")
    mailbox = place.root / "mail" / "anna"
    place.until(lambda: b"\n.\nA dot.\x1a\n" in mailbox.read_bytes(), "the text as it was given")


def controls(place):
    check("starts all daemons" in place.zmailer("start", "router", code=1), "a second copy")
    place.zmailer("reload")  # the manager's PARAMCHANGE, which the service passes on
    place.until(lambda: "configuration loaded again" in place.log("router"), "the router's reload")
    os.rename(place.root / "log" / "zmailer", place.root / "log" / "zmailer.0")
    place.zmailer("logsync")  # control 128
    place.until((place.root / "log" / "zmailer").exists, "a new log")


def stop(place):
    place.zmailer("stop")
    said = place.zmailer("status", code=3)
    check(f"service {place.name}: stopped\n" in said.replace("\r", ""), "it did not end in good order")
    said = place.program("sendmail", "anna@localhost", text=b"Subject: x\n\n", code=75)
    check("no mail server answers" in said, "no reason")


def help_of_windows(place):
    check("Usage: sendmail" in place.wine(str(STAGE / "bin" / "sendmail.exe"), "/?"), "/?")


def main():
    place, failed = Place(), None
    try:
        install(place)
        help_of_windows(place)
        a_frozen_spool_is_not_started(place)
        letters(place)
        controls(place)
        stop(place)
    except (Failed, OSError, subprocess.SubprocessError, smtplib.SMTPException) as reason:
        failed = f"{type(reason).__name__}: {reason}"
        place.show()
    finally:
        try:
            place.zmailer("service", "remove", code=None if failed else 0)
            place.zmailer("nuke", code=None)
        except (Failed, subprocess.SubprocessError) as reason:
            failed = failed or str(reason)
        shutil.rmtree(place.scratch, ignore_errors=True)
    print(f"failed: {failed}" if failed else "the service did what it should")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
