#!/usr/bin/env python3
"""A letter through the Windows programs, under Wine.

An instance is made and started with the cross-built programs; a letter comes
in by SMTP from this side and must stand in the mailbox, and another one given
to sendmail.  ZM_STAGE names the staged installation, ZM_WINE_RUN the wrapper."""
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


def run(program, *arguments, root, text=None):
    """Runs a program of ours; the wrapper gives it no standard input, so a text comes from a file."""
    command = [WINE_RUN, str(STAGE / "bin" / f"{program}.exe"), *arguments]
    environment = dict(os.environ, ZMAILER_ROOT=f"Z:{root}")
    if text is not None:
        letter = root.parent / "letter"
        letter.write_bytes(text)
        environment["ZM_WINE_INPUT"] = str(letter)
    with tempfile.TemporaryFile() as output:  # not a pipe: under Wine the daemons would keep it open
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                              stderr=subprocess.STDOUT, timeout=120, check=False)
        output.seek(0)
        said = output.read().decode(errors="replace")
    print(f"{program} {' '.join(arguments)}: {done.returncode}\n{said}", flush=True)
    return done


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def await_letter(mailbox, mark):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if mailbox.exists() and mark in mailbox.read_bytes():
            return True
        time.sleep(0.2)
    return False


def start(place, root):
    """Starts the instance, with an SMTP server that asks the router about recipients; the exit code."""
    conf = root / "share" / "smtpserver.conf"
    conf.write_text("PARAM enable-router\n" + conf.read_text())
    return run("zmailer", *place, "start", root=root).returncode


def unknown_is_refused(port):
    with smtplib.SMTP("127.0.0.1", port, timeout=90) as client:
        client.ehlo()
        replies = [client.docmd("MAIL", "FROM:<x@far.example>"), client.docmd("RCPT", "TO:<nosuch@localhost>"),
                   client.docmd("RCPT", "TO:<anna@localhost>")]
    print(f"replies: {replies}", flush=True)
    return [code for code, _ in replies] == [250, 554, 250]


def show_logs(root):
    for log in sorted((root / "log").glob("*")):
        print(f"-- {log.name}\n{log.read_text(errors='replace')[-3000:]}")
    for control in (root / "postoffice" / "transport").rglob("[0-9]*"):
        print(f"-- {control}\n{control.read_text(errors='replace')}")


def main():
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="zmwine"))
    root, port, failed = scratch / "instance", free_port(), []
    place = ["--root", f"Z:{root}"]
    try:
        if run("zmailer", *place, "--smtp-port", str(port), "--users", "anna", "init", root=root).returncode:
            failed.append("init")
        elif start(place, root):
            failed.append("start")
        else:
            if not unknown_is_refused(port):
                failed.append("the refusal of an unknown recipient")
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
                client.sendmail("anna@localhost", ["anna@localhost"],
                                "From: anna@localhost\nTo: anna@localhost\nSubject: by SMTP\n\nHello\n")
            if not await_letter(root / "mail" / "anna", b"Subject: by SMTP"):
                failed.append("the letter by SMTP")
            if run("sendmail", "-i", "-f", "anna@localhost", "anna@localhost", root=root,
                   text=b"Subject: by sendmail\n\nHello\n").returncode:
                failed.append("sendmail")
            elif not await_letter(root / "mail" / "anna", b"Subject: by sendmail"):
                failed.append("the letter by sendmail")
            if run("mailq", root=root).returncode:
                failed.append("mailq")
        if run("zmailer", *place, "stop", root=root).returncode:
            failed.append("stop")
    finally:
        if failed:
            show_logs(root)
            run("zmailer", *place, "nuke", root=root)
        shutil.rmtree(scratch, ignore_errors=True)
    print("failed: " + ", ".join(failed) if failed else "both letters arrived")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
