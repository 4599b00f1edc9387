#!/bin/bash
# windeps.sh [--where] [DIRECTORY]   cross-builds the static Windows libraries
#
# Fills DIRECTORY/include and DIRECTORY/lib; a finished build is left alone.
# The default directory lies in the cache, keyed by this script and the tool
# chain file: ${ZM_CACHE:-$HOME/.cache/zmailer}/windeps-KEY.  --where only
# prints it.  Sources come from Debian's source packages, hashes checked by
# apt; the system's own package configuration is not touched.
set -euo pipefail
export LC_ALL=C.UTF-8

HERE=$(cd "$(dirname "$0")" && pwd)
TOOLCHAIN=$HERE/../cmake/mingw.cmake
CACHE=${ZM_CACHE:-${HOME:-/tmp}/.cache/zmailer}
KEY=$(cat "$0" "$TOOLCHAIN" | sha256sum | cut -c1-16)

where=no
if [ "${1:-}" = --where ]; then
    where=yes
    shift
fi
PREFIX=${1:-$CACHE/windeps-$KEY}
if [ $where = yes ]; then
    echo "$PREFIX"
    exit 0
fi
[ "$(cat "$PREFIX/stamp" 2>/dev/null)" != "$KEY" ] || exit 0

mkdir -p "$PREFIX"
exec 9>"$PREFIX/lock"
flock 9
[ "$(cat "$PREFIX/stamp" 2>/dev/null)" != "$KEY" ] || exit 0 # built while we waited

HOST=x86_64-w64-mingw32
JOBS=$(nproc)
export CC=$HOST-gcc-win32 AR=$HOST-gcc-ar-win32 RANLIB=$HOST-gcc-ranlib-win32
WINDOWS_8=-D_WIN32_WINNT=0x0602
export WIN_DEPS=$PREFIX # for the tool chain file
WORK=$PREFIX/src
CMAKE_ARGS=(-S . -B b -G Ninja "-DCMAKE_TOOLCHAIN_FILE=$TOOLCHAIN" -DCMAKE_BUILD_TYPE=Release
    "-DCMAKE_INSTALL_PREFIX=$PREFIX")

# Private package lists: the machine's own Debian mirrors with their sources.
APT=(-qq -o "Dir::Etc::sourcelist=$WORK/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$WORK/apt/lists" -o APT::Sandbox::User=root)

prepare_sources() {
    mkdir -p "$WORK/apt/lists/partial"
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $4 == "main" { print "deb-src", $2, $3, $4 }' |
        sort -u >"$WORK/apt/sources.list"
    if [ ! -s "$WORK/apt/sources.list" ]; then
        echo "windeps: no Debian package source is configured here (apt-get update was never run?)" >&2
        return 1
    fi
    apt-get "${APT[@]}" update
}

# The release's own version, because of a security update only the upstream archive may be there.
source_of() {
    (. /etc/os-release && apt-get "${APT[@]}" source "$1/$VERSION_CODENAME")
}

fetch() {
    prepare_sources
    local name
    for name in apr c-ares cunit sqlite3 pcre2 libidn2 libpsl; do
        source_of $name
    done
    apt-get "${APT[@]}" source --download-only --tar-only openssl
    tar xf openssl_*.orig.tar.gz
}

build_openssl() {
    cd openssl-*/
    (unset CC AR RANLIB
        ./Configure mingw64 --cross-compile-prefix=$HOST- "--prefix=$PREFIX" --libdir=lib \
            --openssldir=C:/ProgramData/ssl no-shared no-tests no-legacy no-module no-engine
        make -s "-j$JOBS" build_libs
        make install_dev)
}

# - gen_test_char: as a bare target name cmake runs it through the emulator.
# - forced includes: apr.h includes a cut-down windows.h, with which the headers of
#   access control fail to compile unless the full one came first.
# - FD_SETSIZE: APR defines it as 1024 itself, too late after winsock2.h.
# - HAVE_ATOMIC_BUILTINS: else the Win32 file calls a function that is not built.
# - no install target: it wants the DLL and all tools.
build_apr() {
    cd apr-1*/
    sed -i 's/\$<TARGET_FILE:gen_test_char>/gen_test_char/' CMakeLists.txt
    cmake "${CMAKE_ARGS[@]}" -DMIN_WINDOWS_VER=0x0602 -DCMAKE_C_FLAGS="$WINDOWS_8 -DFD_SETSIZE=1024 \
        -DHAVE_ATOMIC_BUILTINS=1 -DHAVE_ATOMIC_BUILTINS64=1 -Wno-incompatible-pointer-types \
        -include winsock2.h -include ws2tcpip.h -include mswsock.h -include windows.h -include iphlpapi.h"
    ninja -C b apr-1 </dev/null
    mkdir -p "$PREFIX/include/apr-1"
    cp b/libapr-1.a "$PREFIX/lib"
    cp include/*.h b/apr.h "$PREFIX/include/apr-1"
}

# INADDRSZ: a Debian patch uses glibc's name.
build_cares() {
    cd c-ares-*/
    cmake "${CMAKE_ARGS[@]}" -DCMAKE_C_FLAGS=-DINADDRSZ=4 -DCARES_STATIC=ON -DCARES_SHARED=OFF \
        -DCARES_BUILD_TOOLS=OFF
    ninja -C b install
}

build_pcre2() {
    cd pcre2-*/
    cmake "${CMAKE_ARGS[@]}" -DBUILD_SHARED_LIBS=OFF -DPCRE2_SUPPORT_JIT=ON -DPCRE2_BUILD_PCRE2GREP=OFF \
        -DPCRE2_BUILD_TESTS=OFF
    ninja -C b install
}

# The package's own rules make the one-file sqlite3.c with the build machine's compiler.
build_sqlite() {
    cd sqlite3-*/
    (unset CC AR RANLIB && ./configure --disable-tcl --disable-readline && make -s sqlite3.c)
    cp sqlite3.h "$PREFIX/include"
    $CC -O2 $WINDOWS_8 -DSQLITE_THREADSAFE=1 -DSQLITE_DQS=0 -DSQLITE_OMIT_LOAD_EXTENSION -c sqlite3.c
    $AR rcs "$PREFIX/lib/libsqlite3.a" sqlite3.o
}

build_cunit() {
    cd cunit-*/CUnit
    mkdir -p o "$PREFIX/include/CUnit"
    local file
    for file in Framework/{CUError,MyMem,TestDB,TestRun,Util} Basic/Basic Automated/Automated; do
        $CC -O2 -w -IHeaders -DVERSION='"2.1-3"' -c Sources/$file.c -o "o/${file##*/}.o"
    done
    $AR rcs "$PREFIX/lib/libcunit.a" o/*.o
    cp Headers/*.h "$PREFIX/include/CUnit"
}

build_libidn2() {
    cd libidn2-*/
    ./configure "CPPFLAGS=$WINDOWS_8" --host=$HOST "--prefix=$PREFIX" --disable-shared --disable-nls \
        --disable-doc --disable-gcc-warnings --with-included-libunistring
    local part
    for part in gl unistring lib; do
        make -s "-j$JOBS" -C $part
    done
    make -C lib install
}

# The source package has no configure; its two C files need no IDN library when
# asked with lower-case A-labels only.
build_libpsl() {
    cd libpsl-*/
    python3 src/psl-make-dafsa --output-format=cxx+ /usr/share/publicsuffix/public_suffix_list.dat \
        src/suffixes_dafsa.h
    sed 's/@LIBPSL_VERSION@/0.21.2/;s/@LIBPSL_VERSION_MAJOR@/0/;s/@LIBPSL_VERSION_MINOR@/21/
         s/@LIBPSL_VERSION_PATCH@/2/;s/@LIBPSL_VERSION_NUMBER@/0x001502/' include/libpsl.h.in >"$PREFIX/include/libpsl.h"
    local file
    for file in psl lookup_string_in_fixed_set; do
        $CC -O2 -DPACKAGE_VERSION='"0.21.2"' -DHAVE_UNISTD_H=1 -DENABLE_BUILTIN=1 -DPSL_DISTFILE='""' \
            "-I$PREFIX/include" -c src/$file.c -o $file.o
    done
    $AR rcs "$PREFIX/lib/libpsl.a" psl.o lookup_string_in_fixed_set.o
}

# A step runs in the source directory, its output goes to a log shown when it fails.
step() {
    local began=$SECONDS
    if ! (cd "$WORK" && set -e && "$1") >"$PREFIX/$1.log" 2>&1 </dev/null; then
        tail -n 40 "$PREFIX/$1.log" >&2
        echo "windeps: $1 failed; the whole log is $PREFIX/$1.log" >&2
        exit 1
    fi
    echo "windeps: $1 $((SECONDS - began)) s"
}

"$HERE/packages.sh" windows
echo "windeps: building the Windows libraries in $PREFIX (once, about five minutes)"
rm -rf "$WORK" "$PREFIX/lib" "$PREFIX/include"
mkdir -p "$WORK" "$PREFIX/lib" "$PREFIX/include"
find "$CACHE" -maxdepth 1 -name 'windeps-*' -mtime +30 ! -path "$PREFIX" -exec rm -rf {} + 2>/dev/null || true
step fetch
for name in apr sqlite cunit libpsl libidn2 pcre2 cares openssl; do
    step build_$name
done
echo "$KEY" >"$PREFIX/stamp"
rm -rf "$WORK"
