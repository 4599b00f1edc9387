#!/usr/bin/env python3
"""router -t by the Windows program under Wine says what the native one says.

ZM_STAGE names the staged installation for Windows, ZM_WINE_RUN the wrapper.  When ZM_NATIVE_STAGE names one for this
system, whole traces are compared, else lookups and results with those that are kept."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import explain

STAGE = pathlib.Path(os.environ["ZM_STAGE"])
NATIVE = pathlib.Path(os.environ.get("ZM_NATIVE_STAGE", "/nonexistent"))


def run(*command):
    with tempfile.TemporaryFile() as output:  # not a pipe: programs of Wine's own would keep it open
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, timeout=120, check=False)
        output.seek(0)
        return output.read().decode(errors="replace")


def told(root, stage, start, suffix, place):
    """Makes an instance with the programs of that stage and asks its router."""
    program = lambda *parts: start + [str(stage.joinpath(*parts)) + suffix, "--root", place]
    run(*program("bin", "zmailer"), "--hostname", "mail.test", "--users", "alice,bob", "init")
    explain.prepare(root)
    run(*program("bin", "newaliases"))
    said = run(*program("libexec", "zmailer", "router"), "-t", *explain.ADDRESSES)
    return explain.plain(said, [place, str(root)])


def main():
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="zmwine"))
    try:
        root = scratch / "windows"
        got = told(root, STAGE, [os.environ["ZM_WINE_RUN"]], ".exe", f"Z:{root}")
        if NATIVE.is_dir():
            want = told(scratch / "native", NATIVE, [], "", str(scratch / "native"))
        else:
            got, want = explain.essence(got), explain.expected()
        different = explain.difference(got, want)
        print(f"{len(got.splitlines())} lines, {'whole traces' if NATIVE.is_dir() else 'lookups and results'}: "
              + (different or "identical"))
        if different:
            print(got)
        return 1 if different else 0
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
