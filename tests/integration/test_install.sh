#!/bin/bash
# SPDX-License-Identifier: MIT
#
# `make install` as a package builder uses it: into a folder of its own, for /usr. Everything must be
# where Debian keeps such things, and a program must build against what was installed, shared and
# static, with pkg-config's flags alone.

set -u
cd "$(dirname "$0")/../.." || exit 1
cc=${CC:-cc}
root=$(mktemp -d "${TMPDIR:-/tmp}/pagepool-install.XXXXXX")
trap 'rm -rf "$root"' EXIT
status=0

fail() {
	printf '%s\n' "$*"
	status=1
}

if grep -q -e -fsanitize "$B/flags"; then
	printf 'a build with a sanitizer is not for installing\n'
	exit 77
fi

install_to() {
	env -u MAKEFLAGS -u MAKELEVEL "${MAKE:-make}" --no-print-directory install \
		B="$B" CC="$cc" DESTDIR="$root" "$@" >"$root/log" 2>&1 || {
		cat "$root/log"
		exit 1
	}
}

install_to PREFIX=/usr
lib=usr/lib/$("$cc" -print-multiarch)
for file in usr/sbin/pagepoold usr/bin/pagepoolctl usr/include/pagepool.h "$lib/libpagepool.so.0" \
	"$lib/libpagepool.so" "$lib/libpagepool.a" "$lib/pkgconfig/pagepool.pc" \
	usr/lib/systemd/system/pagepoold.service usr/lib/systemd/system/pagepoold.socket \
	usr/lib/sysusers.d/pagepool.conf usr/lib/tmpfiles.d/pagepool.conf \
	usr/share/man/man1/pagepoolctl.1 usr/share/man/man8/pagepoold.8 \
	usr/share/man/man5/pagepoold.conf.5 usr/share/bash-completion/completions/pagepoolctl; do
	[[ -s $root/$file ]] || fail "not installed: /$file"
done
[[ $(readlink "$root/$lib/libpagepool.so") == libpagepool.so.0 ]] ||
	fail 'libpagepool.so does not lead to libpagepool.so.0'

# The shared library exports the symbol map and nothing else.
exported=$(nm --dynamic --defined-only --extern-only "$root/$lib/libpagepool.so.0" |
	sed -n 's/.* T \([^@]*\).*/\1/p' | sort)
mapped=$(sed -n 's/^[[:space:]]*\(pp_[a-z_0-9]*\);.*/\1/p' client/lib/libpagepool.map | sort)
[[ -n $mapped && $exported == "$mapped" ]] || fail "exported, but not as the map says: $exported"
# Each function has a manual page, of its own or one that leads to where it is told of.
man3=$root/usr/share/man/man3
for name in $mapped; do
	read -r word target <"$man3/$name.3" || fail "no manual page: $name(3)"
	[[ ${word:-} == .so ]] || target=man3/$name.3
	grep -q -e "$name" "$root/usr/share/man/$target" || fail "$target does not tell of $name"
done
stray=$(nm --defined-only --extern-only "$root/$lib/libpagepool.a" | sed -n 's/.* T //p' |
	grep -v '^pp_')
[[ -z $stray ]] || fail "private names in libpagepool.a: $stray"

export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$root/$lib/pkgconfig
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
read -ra shared < <(pkg-config --cflags --libs pagepool)
read -ra static < <(pkg-config --cflags --libs --static pagepool)
"$cc" -o "$root/shared" examples/hello.c "${shared[@]}" || fail 'does not build, shared'
"$cc" -o "$root/static" examples/hello.c -Wl,-Bstatic "${static[@]}" -Wl,-Bdynamic -pthread ||
	fail 'does not build, static'
c++ -std=c++11 -Wall -Wextra -Werror -o "$root/cxx" tests/cxx/header.cc "${shared[@]}" ||
	fail 'does not build, in C++'
readelf -d "$root/static" | grep -q libpagepool && fail 'the static program needs the library'

export LD_LIBRARY_PATH=$root/$lib
"$root/cxx" || fail 'the functions are not what C++ takes them for'
for program in shared static; do
	examples/with-daemon "$B" "$root/$program" >"$root/log" 2>&1 ||
		fail "built $program, it fails: $(cat "$root/log")"
done

# Elsewhere than /usr everything lies below the prefix, and says so.
install_to PREFIX=/opt/pagepool
[[ -e $root/opt/pagepool/lib/libpagepool.so.0 ]] || fail 'no library below another prefix'
grep -q '^ExecStart=/opt/pagepool/sbin/pagepoold' \
	"$root/opt/pagepool/lib/systemd/system/pagepoold.service" ||
	fail 'the unit starts a daemon of another prefix'
exit $status
