#!/usr/bin/env bash
# Lays out the files of the container image in a folder: deploy/image.sh BINARY FOLDER. The Containerfile does this in
# its build stage; the tests do it too and run the binary there, with nothing else around it.
set -euo pipefail
binary=$1 root=$2

install -d -m 0755 "$root" "$root/usr/bin" "$root/etc/ssl/certs" "$root/var/lib"
install -d -m 1777 "$root/tmp"
install -m 0755 "$binary" "$root/usr/bin/offtake"

# The binary needs the C library and nothing else; what it is linked with is asked, not guessed.
ldd "$binary" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-linux[^ ]*\) .*/\1/p' | while read -r library; do
  install -D -m 0755 "$(readlink -f "$library")" "$root$library"
done

# Whom TLS trusts.
certificates=/etc/ssl/certs/ca-certificates.crt
[ -f "$certificates" ] || { echo "$certificates is needed: apt-get install ca-certificates" >&2; exit 1; }
install -m 0644 "$certificates" "$root$certificates"

printf 'root:x:0:0:root:/:/sbin/nologin\nofftake:x:65532:65532:Offtake:/var/lib/offtake:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nofftake:x:65532:\n' >"$root/etc/group"
install -d -m 0700 "$root/var/lib/offtake"
if [ "$(id -u)" = 0 ] && [ -n "${IMAGE:-}" ]; then chown 65532:65532 "$root/var/lib/offtake"; fi
