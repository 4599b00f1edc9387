#!/bin/sh
# test.sh [--preset NAME] [--jobs N] [--no-install] [--label LABEL]
#
# Prepares this machine, builds ZMailer and runs all its tests: units, system
# tests with the real programs, and the checks of the sources.  Under ten
# minutes.  Packages are installed with apt, dnf, apk, pkg or brew, as root or
# with sudo; an ordinary user is told which ones are missing.
#
#   --preset NAME   the build to test (default: dev); see cmake --list-presets
#   --jobs N        tests that run at a time (default: one more than processors)
#   --label LABEL   only tests with this label: unit, system or check
#   --no-install    use what is there
#
# Exit status: 0 when every test passed.
set -eu
export LC_ALL=C.UTF-8
cd "$(dirname "$0")"

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
}

preset=dev jobs= label= install=yes
while [ $# -gt 0 ]; do
    case $1 in
    --preset) preset=$2 && shift ;;
    --jobs) jobs=$2 && shift ;;
    --label) label=$2 && shift ;;
    --no-install) install=no ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && exit 64 ;;
    esac
    shift
done
[ -n "$jobs" ] || jobs=$(($(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1))

# Says what goes on; at a terminal also how long it has taken.
began=$(date +%s)
say() {
    if [ -t 1 ]; then
        printf '\033[1m[%3d s]\033[0m %s\n' $(($(date +%s) - began)) "$*"
    else
        printf '%s\n' "$*"
    fi
}

# Runs a step with its output in a log, which is shown when it fails.
quietly() {
    log=$build/$1.log
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        echo "test.sh: failed: $* (whole log: $log)" >&2
        exit 1
    fi
}

build=build/$preset
mkdir -p "$build"
if [ $install = yes ]; then
    say "Packages"
    case $preset in
    fuzz) groups="build test fuzz" ;;
    *) groups="build test" ;;
    esac
    tools/packages.sh $groups
fi
say "Configure ($preset)"
quietly configure cmake --preset "$preset"
say "Build"
if [ -t 1 ]; then
    cmake --build --preset "$preset"
else
    quietly compile cmake --build --preset "$preset"
fi
say "Test"
code=0
ctest --preset "$preset" -j "$jobs" --output-junit "$PWD/$build/tests.xml" ${label:+-L "$label"} || code=$?
tools/summary "$build/tests.xml" || code=$?
exit $code
