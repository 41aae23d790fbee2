#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the front page promises: its C example, as it stands there, builds without a warning and does
# what it says; and every file that a page links to is there.

set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
cc=${CC:-cc}
folder=$(mktemp -d "${TMPDIR:-/tmp}/pagepool-readme.XXXXXX")
trap 'rm -rf "$folder"' EXIT

sanitize=$(grep -o -e '-fsanitize=[^ ]*' "$B/flags" | head -n 1)
sed -n '/^```c$/,/^```$/p' README.md | sed '/^```/d' >"$folder/example.c"
"$cc" -std=c11 -Wall -Wextra -Werror ${sanitize:+"$sanitize"} -Iinclude -o "$folder/example" \
	"$folder/example.c" -L"$B" -lpagepool -Wl,-rpath,"$(cd "$B" && pwd)" || exit 1
examples/with-daemon "$B" "$folder/example" | tee "$folder/output" || exit 1
grep -q 'hello' "$folder/output" || exit 1

status=0
for page in *.md docs/*.md; do
	while read -r target; do
		[[ -e $(dirname "$page")/$target ]] && continue
		printf '%s links to %s, which is not there\n' "$page" "$target"
		status=1
	done < <(grep -o '](\([^)#:]*\))' "$page" | sed 's/^](\(.*\))$/\1/')
done
exit $status
