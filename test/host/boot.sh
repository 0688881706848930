#!/bin/sh
# Starts the throw-away host. Runs in a mount namespace of its own (see host.mjs), so that every mount made here ends
# with it, whatever happens. Arguments: NAME, the directory for the host's disk, the checkout, further directories to
# share; the cgroup.procs files to enter come one per line in $PODWRIGHT_HOST_CGROUPS.
set -eu
name=$1 disk=$2 repository=$3
here=$(dirname "$0")
shift 3

# Its own cgroups: systemd-nspawn would otherwise share them with every other host of this machine.
for file in $PODWRIGHT_HOST_CGROUPS; do echo 0 > "$file"; done

# systemd-nspawn leaves lock files and directories below /run/systemd: let them end with this namespace too.
mount -t tmpfs -o mode=755 tmpfs /run/systemd
mount -t tmpfs -o mode=755,size=80% tmpfs "$disk"
mkdir "$disk/upper" "$disk/work" "$disk/root"
mount -t overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" overlay "$disk/root"

root=$disk/root
cp "$here/init.sh" "$root/podwright-host-init"
chmod 755 "$root/podwright-host-init"
echo "$name" > "$root/etc/hostname"
printf '127.0.0.1 localhost %s\n::1 localhost\n' "$name" > "$root/etc/hosts"
# A machine id of its own, or journald would go on in the journal that was copied from the machine below.
tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
rm -rf "$root/var/log/journal"

# Nothing that the machine below has installed starts by itself, and nothing may touch its kernel: its settings
# (sysctl), modules, clock and file systems belong to the machine, not to this host.
units="getty.target getty@.service console-getty.service systemd-logind.service remote-fs.target timers.target
  systemd-sysctl.service systemd-modules-load.service modprobe@.service proc-sys-fs-binfmt_misc.automount
  systemd-binfmt.service systemd-timesyncd.service systemd-pstore.service systemd-update-utmp.service
  systemd-update-utmp-runlevel.service systemd-remount-fs.service systemd-networkd.service systemd-resolved.service
  systemd-udevd.service systemd-udev-trigger.service systemd-firstboot.service systemd-random-seed.service
  systemd-ask-password-console.path systemd-ask-password-wall.path systemd-journald-audit.socket e2scrub_reap.service
  systemd-sysusers.service dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount
  sys-fs-fuse-connections.mount"
installed=$(for folder in "$root/etc/systemd/system/"*.target.wants "$root/lib/systemd/system/"*.target.wants; do
  case $folder in */sysinit.target.wants | */local-fs.target.wants) continue ;; esac
  [ -d "$folder" ] && ls "$folder"
done)
for unit in $units $installed; do
  case $unit in
    dbus.* | systemd-journal* | systemd-tmpfiles-setup* | systemd-user-sessions*) case $unit in *audit*) ;; *) continue ;; esac ;;
  esac
  rm -rf "$root/etc/systemd/system/$unit"
  ln -s /dev/null "$root/etc/systemd/system/$unit"
done

# An overlay cannot have its upper directory on another overlay, which the root file system of this host is. Mounted
# here, outside of the host, they outlive its reboots as its disk does.
for folder in /var/lib/containers /var/lib/podwright /var/lib/cni /var/tmp; do
  mkdir -p "$root$folder"
  mount -t tmpfs -o mode=755,size=60% tmpfs "$root$folder"
done
chmod 1777 "$root/var/tmp"

binds=
for folder in "$repository" "$@"; do binds="$binds --bind=$folder:$folder:norbind"; done
# systemd-nspawn gives a /dev of its own, with few devices.
[ -c /dev/fuse ] && binds="$binds --bind=/dev/fuse"

# Without SYSTEMD_SECCOMP=0 every container inside would inherit the system call filter of systemd-nspawn itself.
export SYSTEMD_SECCOMP=0
# With 133 it says that the host is to be rebooted.
status=133
while [ "$status" -eq 133 ]; do
  status=0
  # shellcheck disable=SC2086 # one word for each bind: paths with blanks or colons are refused by host.mjs
  systemd-nspawn --quiet --register=no --keep-unit --directory="$root" --machine="$name" --capability=all \
    --private-users=no --private-network --resolv-conf=off --link-journal=no --console=read-only $binds \
    /podwright-host-init || status=$?
done
exit "$status"
