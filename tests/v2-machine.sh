# An emulated Debian 12 with systemd 252 and version 2 of control groups; tests/run-on-v2 and tests/try-units source this file.
# Needs root, debootstrap and 3 GiB of memory. The system is made once and kept; what is run there comes on a second disk, as /work/run.
# shellcheck shell=bash
cpu=max
cache=${ALVEARE_GUEST_CACHE:-/var/cache/alveare}/v2-host
packages=systemd,systemd-sysv,udev,dbus,linux-image-cloud-amd64,qemu-system-x86,qemu-utils,seabios,ovmf,libicu72,iproute2,util-linux,procps,e2fsprogs,mtools,openssl,kmod
die() { echo "$(basename "$0"): $1" >&2; exit 1; }

# make_system WORK: the system, unless it is there; WORK is a directory for what is in the making.
make_system() {
  [ ! -f "$cache/system.img" ] || return 0
  command -v debootstrap >/dev/null || die "debootstrap is missing"
  mkdir -p "$cache"
  debootstrap --variant=minbase --include="$packages" bookworm "$1/system" http://deb.debian.org/debian >"$cache/debootstrap.log" || die "see $cache/debootstrap.log"
  mkdir "$1/system/work"
  printf '/dev/vda / ext4 rw,noatime 0 0\n/dev/vdb /work ext4 rw,noatime 0 0\n' >"$1/system/etc/fstab"
  chroot "$1/system" useradd --system --no-create-home alveare-qemu
  cat >"$1/system/etc/systemd/system/machine-tests.service" <<'UNIT'
[Service]
Type=oneshot
TimeoutStartSec=infinity
StandardOutput=journal+console
ExecStart=/bin/bash /work/run
ExecStopPost=/bin/systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target
UNIT
  chroot "$1/system" systemctl -q enable machine-tests
  cp "$1"/system/boot/vmlinuz-* "$cache/kernel"
  cp "$1"/system/boot/initrd.img-* "$cache/initrd"
  truncate -s 3G "$1/system.img"
  mkfs.ext4 -q -d "$1/system" "$1/system.img"
  cp --sparse=always "$1/system.img" "$cache/system.img"
  rm -rf "$1/system" "$1/system.img"
}

# copy_runtime DIRECTORY: this machine's .NET runtime.
copy_runtime() {
  local dotnet
  dotnet=$(dirname "$(readlink -f /usr/bin/dotnet)")
  mkdir -p "$1"
  cp -a "$dotnet/dotnet" "$dotnet/host" "$dotnet/shared" "$1/"
}

# make_disks WORK: the second disk, of what is in WORK/work, and a system disk that holds what is written in this run.
make_disks() {
  truncate -s 4G "$1/work.img"
  mkfs.ext4 -q -d "$1/work" "$1/work.img"
  qemu-img create -q -f qcow2 -b "$cache/system.img" -F raw "$1/system.qcow2"
}

# boot WORK [ARGUMENT...]: runs the machine until it powers off, with more arguments for QEMU, and shows what /work/run says.
boot() {
  local work=$1
  shift
  qemu-system-x86_64 -machine q35 -cpu "$cpu" -smp 2 -m 2560 -accel tcg,thread=multi,tb-size=256 -nodefaults -display none -no-reboot \
    -kernel "$cache/kernel" -initrd "$cache/initrd" -device virtio-rng-pci -serial stdio \
    -append "root=/dev/vda rw console=ttyS0 quiet mitigations=off random.trust_cpu=on net.ifnames=0 systemd.default_timeout_start_sec=300" \
    -drive "file=$work/system.qcow2,if=none,id=system,format=qcow2,cache=unsafe" -device virtio-blk-pci,drive=system \
    -drive "file=$work/work.img,if=none,id=work,format=raw,cache=unsafe" -device virtio-blk-pci,drive=work "$@" </dev/null |
    tee "$work/serial" | sed -un 's/\r$//; s/^.*bash\[[0-9]*\]: //p'
}
