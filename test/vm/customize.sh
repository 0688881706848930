#!/bin/sh
# Makes a Debian root file system one that runs the tests: kernel, Node, units. Called by mmdebstrap, with the directory
# as argument and apt set to that system; $PODWRIGHT_NODE is the node to copy, $PODWRIGHT_GUEST the guest's own files.
set -eu
root=$1

# The package of the kernel would bring what makes a boot loader and an initramfs; the kernel itself is enough here.
mkdir "$root/tmp/kernel"
(
  cd "$root/tmp/kernel"
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: *//p' | head -n 1)
  apt-get download -q "$package"
  dpkg-deb -x ./*.deb .
)
mv "$root/tmp/kernel/boot/vmlinuz-"* "$root/boot/vmlinuz"
mkdir -p "$root/usr/lib/modules"
mv "$root/tmp/kernel/lib/modules/"* "$root/usr/lib/modules/"
rm -r "$root/tmp/kernel"
chroot "$root" depmod "$(ls "$root/usr/lib/modules")"

cp "$PODWRIGHT_NODE" "$root/usr/bin/node"
cp "$PODWRIGHT_GUEST/podwright-guest.service" "$root/etc/systemd/system/"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../podwright-guest.service "$root/etc/systemd/system/multi-user.target.wants/"

# Without udev, which would load a hundred modules; others are loaded by whoever asks the kernel for what they do.
printf '%s\n' virtio_pci virtio_console overlay >"$root/etc/modules-load.d/podwright.conf"

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
