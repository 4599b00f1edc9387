set -x
export DEBIAN_FRONTEND=noninteractive
sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >/etc/apt/sources.list.d/src.sources
apt-get update -qq
apt-get install -y -qq --no-install-recommends libapr1-dev libssl-dev libsqlite3-dev libcunit1-dev libc-ares-dev libpcre2-dev libidn2-dev libpsl-dev ninja-build clang libclang-rt-14-dev musl-tools pkg-config
echo NATIVE DONE
apt-get install -y -qq --no-install-recommends gcc-mingw-w64-x86-64-win32 wine wine64 dpkg-dev tcl python3-minimal make perl publicsuffix
echo MINGW DONE
apt-get install -y -qq --no-install-recommends universal-ctags mandoc swaks linux-perf fuse3 libfuse3-dev
PEERS_DIR=/var/tmp/mta-peers
echo ALL DONE
