#!/usr/bin/env bash
# Runs Fanring on other kernels than this machine's: boots Debian's in QEMU, without KVM, and has the doctor, the ring's
# tests, fan-out with sends that are cut, slow readers and backpressure run there (tests/kernel/init).
#   scripts/kernel-test.sh              on the oldest series there is from 6.1 on: under five minutes
#   scripts/kernel-test.sh --all        on the newest kernel of every series that apt knows of, backports among them
#   scripts/kernel-test.sh PACKAGE...   on these, such as linux-image-6.12.117+deb12-cloud-amd64
# Ends with code 77, and a notice, where QEMU or the kernels can't be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/common.sh

use_tools
# What one guest may take; on a machine with a free processor it is a third of that.
guest_seconds_max=900
cache=$CARGO_TARGET_DIR/kernel-test

if [ "$(uname -m)" != x86_64 ] || ! command -v apt-cache >/dev/null; then
  skip "no other kernel was tried: that needs Debian's packages for x86-64"
fi
missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
command -v cpio >/dev/null || missing+=(cpio)
[ -x /bin/busybox ] && /bin/busybox --list | grep -qx poweroff || missing+=(busybox-static)
install_packages "${missing[@]}" || skip "no other kernel was tried: ${missing[*]} could not be installed"

# The newest kernel for virtual machines of each series from 6.1 on, oldest series first.
newest_of_each_series() {
  apt-cache pkgnames linux-image- | sed -n 's/^linux-image-\(\([0-9]*\)\.\([0-9]*\)\..*\)-cloud-amd64$/\2 \3 \1/p' |
    awk '$1 > 6 || ($1 == 6 && $2 >= 1)' | sort -k1,1n -k2,2n -k3,3V |
    awk '{ key = $1 "." $2; if (key != last && last != "") print version; last = key; version = $3 } END { if (last != "") print version }' |
    sed 's/.*/linux-image-&-cloud-amd64/'
}

case ${1:-} in
  '') mapfile -t kernels < <(newest_of_each_series | head -1) ;;
  --all) mapfile -t kernels < <(newest_of_each_series) ;;
  -*) echo "kernel-test: unknown option $1; see the head of this script" >&2; exit 2 ;;
  *) kernels=("$@") ;;
esac
[ ${#kernels[@]} -gt 0 ] || skip "no other kernel was tried: apt knows of none; run 'apt-get update'"

# fetch PACKAGE: its kernel is in the cache after that.
fetch() {
  local package=$1 work
  [ -s "$cache/$package" ] && return
  mkdir -p "$cache"
  work=$(mktemp -d)
  (cd "$work" && timeout 300 apt-get download -qq "$package" && dpkg-deb --fsys-tarfile ./*.deb |
    tar -x --wildcards './boot/vmlinuz-*') >"$work/log" 2>&1 || { cat "$work/log" >&2; rm -rf "$work"; return 1; }
  mv "$work"/boot/vmlinuz-* "$cache/$package"
  rm -rf "$work"
}

# test_binary NAME: the path of a test's executable, as cargo has just built it.
test_binary() {
  sed -n "s|^ *Executable .*$1.* (\(.*\))\$|\1|p" "$built"
}

# pack FOLDER: the guest's first file system, from the folder up.
pack() { (cd "$1" && find . | cpio -o -H newc --quiet); }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --release --locked -q -p fanring -p fanload
built=$work/built
cargo test --locked --no-run -p fanring --lib --test backpressure --test slow 2>&1 | tee "$built" | grep -v Executable

root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,tests}
cp /bin/busybox "$root/bin/"
cp tests/kernel/init "$root/init"
cp "$CARGO_TARGET_DIR"/release/{fanring,fanload} "$root/bin/"
cp "$(test_binary src/lib.rs)" "$root/tests/lib"
cp "$(test_binary tests/backpressure.rs)" "$root/tests/backpressure"
cp "$(test_binary tests/slow/main.rs)" "$root/tests/slow"
strip "$root"/bin/fan* "$root"/tests/*
for library in $({ ldd "$root"/bin/* "$root"/tests/* || true; } 2>/dev/null | grep -o '/[^ ]*\.so[^ ]*' | sort -u); do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
pack "$root" >"$work/initrd"

good=0 bad=0
for kernel in "${kernels[@]}"; do
  if ! fetch "$kernel"; then
    notice "$kernel was not tried: it could not be downloaded"
    continue
  fi
  echo "==> $kernel: waiting for the guest to end, $guest_seconds_max s at most"
  : >"$work/console"
  timeout "$guest_seconds_max" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 2048 -nodefaults -no-reboot \
    -display none -serial "file:$work/console" -kernel "$cache/$kernel" -initrd "$work/initrd" \
    -append 'console=ttyS0 panic=-1 quiet loglevel=4' </dev/null || echo "QEMU ended with code $?"
  tr -d '\r' <"$work/console" | sed 's/\x1b\[[0-9;?]*[a-zA-Z]//g' | sed -n '/guest: /,$p'
  if grep -qE '^Linux .*: [1-9][0-9]* passed, 0 failed' <(tr -d '\r' <"$work/console"); then
    good=$((good + 1))
  else
    bad=$((bad + 1))
    grep -q 'guest: ' "$work/console" || tail -5 "$work/console"
    echo "FAILED on $kernel"
  fi
done
[ $((good + bad)) -gt 0 ] || skip "no other kernel was tried: none could be downloaded"
echo "kernels: $good passed, $bad failed after $SECONDS s"
[ "$bad" -eq 0 ]
