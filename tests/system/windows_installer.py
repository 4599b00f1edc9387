#!/usr/bin/env python3
"""The installer for Windows, under Wine: it installs, upgrades and removes.

Made here of programs of the staged installation.  Skipped without wixl.  ZM_STAGE names the staged installation,
ZM_WINE_RUN the wrapper."""
import os
import pathlib
import shutil
import smtplib
import subprocess
import sys
import time

from windows_service import Failed, Place, check

MSI = pathlib.Path(__file__).resolve().parents[2] / "win32" / "deploy" / "msi"
STAGE = pathlib.Path(os.environ["ZM_STAGE"])


def windows(path):
    return "Z:" + str(path).replace("/", "\\")


class Installed(Place):
    def __init__(self):
        super().__init__()
        self.programs = self.scratch / "programs"
        self.root = self.scratch / "data"
        self.files = self.scratch / "files"
        self.packages = []

    def prepare(self):
        """What a letter needs."""
        for name in ("bin/zmailer", "bin/sendmail", "bin/newaliases", "bin/newdbprocessor", "bin/newdb", "bin/makedb",
                     "libexec/zmailer/router", "libexec/zmailer/pickup", "libexec/zmailer/scheduler",
                     "libexec/zmailer/smtpserver", "libexec/zmailer/ta/mailbox"):
            (self.files / name).parent.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(["x86_64-w64-mingw32-strip", "-o", f"{self.files / name}.exe", f"{STAGE / name}.exe"], check=False)
            check(done.returncode == 0, f"{name} cannot be stripped")
        shutil.copytree(STAGE / "share" / "zmailer", self.files / "share" / "zmailer")

    def package(self, version):
        package = self.scratch / f"{version}.msi"
        done = subprocess.run([MSI, self.files, version, package], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=300, check=False)
        check(done.returncode == 0 and package.exists(), done.stdout.decode(errors="replace"))
        self.packages.append(windows(package))
        return windows(package)

    def msiexec(self, *words):
        self.wine("msiexec", *words, "/qn")

    def program(self, name, *words, **kw):
        return self.wine(str(self.programs / "bin" / f"{name}.exe"), "-Z", windows(self.root / "etc" / "zmailer.conf"),
                         *words, **kw)


def installs(place, package):
    place.msiexec("/i", package, f"INSTALLDIR={windows(place.programs)}", f"DATADIR={windows(place.root)}",
                  f"SERVICE={place.name}", f"PORT={place.port}")
    place.all_run()
    with place.client() as client:
        check(client.ehlo()[0] == 250, "no SMTP server")
    conf = (place.root / "etc" / "zmailer.conf").read_text()
    check("SUBMIT_TRANSPORT=socket\n" in conf, conf)
    (place.root / "var" / "db" / "mailusers").write_text("anna\n")
    place.program("sendmail", "-f", "anna@localhost", "anna@localhost", text=b"Subject: installed\n\nHello\n")
    place.letter("installed")


def upgrades(place, package):
    """It knows by itself where the older one is."""
    marked = place.root / "share" / "scheduler.conf"
    marked.write_text("# edited\n" + marked.read_text())
    place.msiexec("/i", package)
    place.all_run()
    check(marked.read_text().startswith("# edited\n"), "the configuration was replaced")
    check((place.root / "mail" / "anna").exists(), "mail is gone")


def removes(place, package):
    place.msiexec("/x", package)
    check(not (place.programs / "bin" / "zmailer.exe").exists(), "programs are left")
    check((place.root / "mail" / "anna").exists(), "mail is gone")
    said = place.wine(str(STAGE / "bin" / "zmailer.exe"), "-Z", windows(place.root / "etc" / "zmailer.conf"), "status", code=3)
    check("service" not in said, "the service is left")


def versions():
    """Two that are newer than what an earlier run, which was ended amid its work, may have left in the registry of Wine."""
    minutes = int(time.time() / 60)
    return [f"1.{number >> 16 & 255}.{number & 65535}" for number in (minutes, minutes + 1)]


def main():
    if shutil.which("wixl") is None:
        print("skipped: needs wixl")
        return 77
    place, failed = Installed(), None
    try:
        place.prepare()
        first, second = (place.package(version) for version in versions())
        installs(place, first)
        upgrades(place, second)
        removes(place, second)
    except (Failed, OSError, subprocess.SubprocessError, smtplib.SMTPException) as reason:
        failed = f"{type(reason).__name__}: {reason}"
        place.show()
        for package in place.packages:
            place.wine("msiexec", "/x", package, "/qn", code=None)
        for words in (("service", "remove"), ("nuke",)):
            place.wine(str(STAGE / "bin" / "zmailer.exe"), "-Z", windows(place.root / "etc" / "zmailer.conf"), *words, code=None)
    finally:
        shutil.rmtree(place.scratch, ignore_errors=True)
    print(f"failed: {failed}" if failed else "installed, upgraded, removed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
