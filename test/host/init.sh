#!/bin/sh
# The first process of the throw-away host: makes it a machine that can run containers, then becomes systemd.
set -u

# systemd-nspawn mounts the controllers of cgroup v1 and /proc/sys read-only; a container runtime writes to both.
for controller in /sys/fs/cgroup/*; do
  [ -L "$controller" ] || ! mountpoint -q "$controller" || mount -o remount,bind,rw,nosuid,nodev,noexec "$controller"
done
mount -o remount,bind,rw,nosuid,nodev,noexec /proc/sys

# As on any machine that systemd has booted.
mount --make-rshared /
exec /lib/systemd/systemd --show-status=no
