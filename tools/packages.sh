#!/bin/sh
# packages.sh [--list|--missing] GROUP...   installs what the named groups need
#
# Groups: build (compile and run), maps (client libraries of LDAP, PostgreSQL and
# MySQL, all optional), mapservers (such servers, for tests), test (system tests
# and checks), fuzz (clang fuzzing runtime), windows (cross compiler and Wine; Debian family only).
# Known package managers: apt, dnf, apk, pkg (FreeBSD), brew.  As an ordinary
# user without sudo it only reports what is missing, and exits 1.
set -eu
export LC_ALL=C.UTF-8

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
}

manager() {
    for candidate in apt-get dnf apk pkg brew; do
        if command -v "$candidate" >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    echo unknown
}

names() {
    case $MANAGER:$1 in
    apt-get:build) echo gcc libc6-dev cmake ninja-build pkg-config libapr1-dev libssl-dev libsqlite3-dev \
        libc-ares-dev libpcre2-dev libidn2-dev libpsl-dev libcunit1-dev ;;
    apt-get:maps) echo libldap-dev libsasl2-dev libpq-dev libmariadb-dev libnsl-dev libtirpc-dev ;;
    apt-get:mapservers) echo slapd ldap-utils libsasl2-modules postgresql mariadb-server rpcbind ypserv ypbind-mt ;;
    apt-get:test) echo python3 mandoc clang clang-tidy clang-format cppcheck musl-tools ;;
    apt-get:fuzz) echo clang libclang-rt-dev ;;
    apt-get:windows) echo gcc-mingw-w64-x86-64-win32 mingw-w64-x86-64-dev binutils-mingw-w64-x86-64 wine wine64 \
        gcc libc6-dev cmake ninja-build make perl python3 tcl dpkg-dev patch bzip2 xz-utils publicsuffix ;;
    dnf:build) echo gcc cmake ninja-build pkgconf apr-devel openssl-devel sqlite-devel c-ares-devel pcre2-devel \
        libidn2-devel libpsl-devel CUnit-devel ;;
    dnf:maps) echo openldap-devel cyrus-sasl-devel libpq-devel mariadb-connector-c-devel libnsl2-devel libtirpc-devel ;;
    dnf:mapservers) echo openldap-servers openldap-clients postgresql-server mariadb-server ;;
    dnf:test) echo python3 mandoc clang clang-tools-extra cppcheck ;;
    dnf:fuzz) echo clang compiler-rt ;;
    apk:build) echo build-base cmake ninja pkgconf apr-dev openssl-dev sqlite-dev c-ares-dev pcre2-dev \
        libidn2-dev libpsl-dev cunit-dev ;;
    apk:maps) echo openldap-dev cyrus-sasl-dev libpq-dev mariadb-connector-c-dev ;;
    apk:mapservers) echo openldap openldap-back-mdb openldap-clients postgresql mariadb mariadb-client ;;
    apk:test) echo python3 mandoc clang clang-extra-tools cppcheck ;;
    apk:fuzz) echo clang compiler-rt ;;
    pkg:build) echo cmake-core ninja pkgconf apr openssl sqlite3 c-ares pcre2 libidn2 libpsl cunit ;;
    pkg:maps) echo openldap26-client cyrus-sasl postgresql16-client mariadb1011-client ;;
    pkg:mapservers) echo openldap26-server postgresql16-server mariadb1011-server ;;
    pkg:test) echo python3 cppcheck ;;
    pkg:fuzz) echo ;;
    brew:build) echo cmake ninja pkg-config apr openssl@3 sqlite c-ares pcre2 libidn2 libpsl cunit ;;
    brew:maps) echo openldap libpq mariadb-connector-c ;;
    brew:mapservers) echo openldap postgresql@16 mariadb ;;
    brew:test) echo python3 mandoc llvm cppcheck ;;
    brew:fuzz) echo llvm ;;
    *)
        echo "packages.sh: no list of '$1' packages for the package manager '$MANAGER'" >&2
        return 1
        ;;
    esac
}

present() {
    case $MANAGER in
    apt-get) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    dnf) rpm -q --whatprovides "$1" >/dev/null 2>&1 ;;
    apk) apk info -e "$1" >/dev/null 2>&1 ;;
    pkg) pkg info -e "$1" >/dev/null 2>&1 ;;
    brew) brew list --versions "$1" >/dev/null 2>&1 ;;
    esac
}

missing() {
    for name in "$@"; do
        present "$name" || echo "$name"
    done
}

# Homebrew refuses to run as root; every other manager needs it.
as_root() {
    if [ "$MANAGER" = brew ] || [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

may_install() {
    [ "$MANAGER" = brew ] || [ "$(id -u)" = 0 ] ||
        { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }
}

# Unpacking needs no lists when they are fresh; a failure is answered by one update.
install() {
    case $MANAGER in
    apt-get)
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" ||
            { as_root apt-get -qq update &&
                as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"; }
        ;;
    dnf) as_root dnf -q install -y "$@" ;;
    apk) as_root apk add -q "$@" ;;
    pkg) as_root pkg install -q -y "$@" ;;
    brew) brew install -q "$@" ;;
    esac
}

mode=install
case ${1:-} in
--list | --missing) mode=${1#--} && shift ;;
--help | -h) usage && exit 0 ;;
esac
[ $# -gt 0 ] || { usage >&2 && exit 64; }

MANAGER=$(manager)
wanted=
for group in "$@"; do
    list=$(names "$group")
    wanted="$wanted $list"
done
if [ "$mode" = list ]; then
    echo $wanted
    exit 0
fi
absent=$(missing $wanted)
if [ "$mode" = missing ] || [ -z "$absent" ]; then
    [ -z "$absent" ] || echo $absent
    exit 0
fi
if ! may_install; then
    echo "packages.sh: these packages are missing, and only root can install them:" $absent >&2
    exit 1
fi
echo "installing:" $absent
install $absent >/dev/null </dev/null
