#!/bin/sh
# quickstart.sh [--preset NAME] [--directory DIR] [--no-install] [--keep]
#
# The first letter: prepares this machine, builds ZMailer, starts a private
# instance, sends a letter through it and shows the letter as delivered.
# Needs no root except for missing packages, and touches nothing outside the
# build directory and the instance.
#
#   --preset NAME     the build to use (default: release)
#   --directory DIR   where the instance is made (default: a temporary one)
#   --no-install      use the packages that are there
#   --keep            leave the instance running, and say how to go on
set -eu
export LC_ALL=C.UTF-8
cd "$(dirname "$0")"

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
}

preset=release root= install=yes keep=no
while [ $# -gt 0 ]; do
    case $1 in
    --preset) preset=$2 && shift ;;
    --directory) root=$2 && shift ;;
    --no-install) install=no ;;
    --keep) keep=yes ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && exit 64 ;;
    esac
    shift
done

say() {
    printf '\n== %s\n' "$*"
}

# What to look at when the last step failed.
explain() {
    echo >&2
    echo "quickstart.sh: $1" >&2
    if [ -n "$root" ] && [ -d "$root/log" ]; then
        for log in "$root"/log/*; do
            [ -s "$log" ] || continue
            echo "---- end of $log" >&2
            tail -n 15 "$log" >&2
        done
        echo "---- the queue" >&2
        "$bin/mailq" >&2 2>&1 || true
    fi
    exit 1
}

built=no
stop_instance() {
    [ "$built" = yes ] && [ -n "$root" ] || return 0
    "$bin/zmailer" --root "$root" stop >/dev/null 2>&1 || true
    [ "$temporary" = no ] || rm -rf "$root"
}

quietly() {
    log=build/$preset/$1.log
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        explain "failed: $* (whole log: $log)"
    fi
}

bin=build/$preset/stage/bin
mkdir -p "build/$preset"
if [ $install = yes ]; then
    say "Packages"
    tools/packages.sh build
fi
say "Build (preset $preset; one to three minutes the first time)"
quietly configure cmake --preset "$preset" -DBUILD_TESTING=OFF
quietly compile cmake --build --preset "$preset"
bin=$PWD/$bin

temporary=no
if [ -z "$root" ]; then
    root=$(mktemp -d "${TMPDIR:-/tmp}/zmailer.XXXXXX")
    temporary=yes
    chmod 755 "$root" # started by root, the daemons run as other accounts
fi
export ZMAILER_ROOT="$root"
[ $keep = yes ] || trap stop_instance EXIT INT TERM
built=yes

me=$(id -un)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' \
    2>/dev/null || echo 2525)
say "A private instance in $root, SMTP on 127.0.0.1:$port"
"$bin/zmailer" --root "$root" --smtp-port "$port" init || explain "the instance could not be made"
"$bin/zmailer" --root "$root" start || explain "the instance did not start"
"$bin/zmailer" --root "$root" status

say "A letter to $me"
"$bin/sendmail" -t -i <<LETTER || explain "the letter was not accepted"
From: $me
To: $me
Subject: The first letter

It went from sendmail through the spool, the router and the scheduler
to the mailbox agent.
LETTER

mailbox=$root/mail/$me
waited=0
while ! grep -q '^Subject: The first letter' "$mailbox" "$mailbox"/new/* 2>/dev/null; do
    waited=$((waited + 1))
    [ $waited -lt 60 ] || explain "the letter has not come to $mailbox within a minute"
    sleep 1
done
say "Delivered to $mailbox"
if [ -d "$mailbox" ]; then
    cat "$mailbox"/new/*
else
    cat "$mailbox"
fi

if [ $keep = yes ]; then
    say "The instance goes on; stop it with: $bin/zmailer --root $root stop"
else
    say "Done. With --keep the instance goes on running; README.md tells how to install ZMailer."
fi
