#!/bin/sh
# Makes a Debian root file system one that runs the tests: kernels, Node, units. Called by mmdebstrap, with the directory
# as argument; $PODWRIGHT_NODE is the node to copy, $PODWRIGHT_GUEST the guest's own files.
set -eu
root=$1
# Packages as of that system, not of the machine that makes it.
export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG

# kernel NAME [/SUITE]: puts a kernel of Debian there. Its package would bring what makes a boot loader and an initramfs; the
# kernel itself is enough here.
kernel() {
  mkdir "$root/tmp/kernel"
  (
    cd "$root/tmp/kernel"
    apt-get download -q "linux-image-cloud-amd64${2:-}"
    package=$(dpkg-deb -f ./*.deb Depends | sed 's/ (= \(.*\))$/=\1/')
    rm ./*.deb
    apt-get download -q "$package"
    dpkg-deb -x ./*.deb .
  )
  mkdir -p "$root/usr/lib/modules"
  mv "$root/tmp/kernel/boot/vmlinuz-"* "$root/boot/$1"
  mv "$root/tmp/kernel/lib/modules/"* "$root/usr/lib/modules/"
  rm -r "$root/tmp/kernel"
}
kernel vmlinuz
kernel vmlinuz-backports /bookworm-backports
for version in $(ls "$root/usr/lib/modules"); do chroot "$root" depmod "$version"; done

cp "$PODWRIGHT_NODE" "$root/usr/bin/node"
cp "$PODWRIGHT_GUEST/podwright-guest.service" "$root/etc/systemd/system/"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../podwright-guest.service "$root/etc/systemd/system/multi-user.target.wants/"

# Without udev, which would load a hundred modules; others are loaded by whoever asks the kernel for what they do.
printf '%s\n' virtio_pci virtio_console virtio_blk overlay >"$root/etc/modules-load.d/podwright.conf"

# Nothing starts by itself that the tests do not need: each process costs time under emulation.
for unit in systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
  systemd-udev-trigger.service systemd-logind.service systemd-user-sessions.service systemd-pcrphase.service \
  systemd-pcrphase-sysinit.service dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
  sys-kernel-config.mount sys-fs-fuse-connections.mount modprobe@.service systemd-tmpfiles-clean.timer getty.target serial-getty@ttyS0.service docker-registry.service e2scrub_reap.service timers.target \
  systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-random-seed.service systemd-pstore.service \
  systemd-timesyncd.service systemd-networkd.service systemd-resolved.service systemd-firstboot.service \
  systemd-sysusers.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-journal-flush.service \
  systemd-machine-id-commit.service systemd-boot-system-token.service ldconfig.service \
  systemd-journal-catalog-update.service systemd-update-done.service systemd-hwdb-update.service \
  systemd-ask-password-wall.path systemd-ask-password-console.path remote-fs.target; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
echo podwright-v2 >"$root/etc/hostname"
printf '127.0.0.1 localhost podwright-v2\n::1 localhost\n' >"$root/etc/hosts"
: >"$root/etc/resolv.conf"
: >"$root/etc/fstab"
