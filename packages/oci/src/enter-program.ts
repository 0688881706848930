/**
 * Why a program in Perl: between entering a container's mount namespace and giving up the caller's rights not one file
 * of the container may be executed or loaded, and setpriv(1) would be. See docs/decisions/0020-entering-by-pid.md.
 *
 * It reads names and values from the file `command` of its directory, writes the command's PID to `pid` when it was
 * executed, and to `failure` why it was not. It ends with the command's exit code, 128 + n for a signal.
 *
 * - First it executes perl anew from a read-only bind mount: a container may have the command lead to /proc/self/exe, which
 *   would be the host's perl, open to be written (CVE-2019-5736).
 * - Everything of the host is opened before any namespace is entered, the user's last: from inside it others would be out of
 *   reach. The process that enters stays out of the PID namespace, keeps no capability and only waits, or copies for
 *   the terminal; its child becomes the command.
 * - The terminal is the container's own. Its other end is taken by TIOCGPTPEER, not by a name of the container's.
 */
export const ENTER_PROGRAM = String.raw`
use strict;
my ($dir, $again) = @ARGV;
my %v;
{
  open(my $file, '<', "$dir/command") or die "$dir/command: $!";
  local $/;
  my @words = split /\0/, <$file>, -1;
  while (@words > 1) { my ($name, $value) = splice(@words, 0, 2); push @{ $v{$name} }, $value }
}
open(my $failure, '>', "$dir/failure") or die "$dir/failure: $!";
sub all { @{ $v{$_[0]} || [] } }
sub one { (all($_[0]))[0] }
sub fail { syswrite($failure, "$_[0]: $!"); exit 125 }
sub sys { my $name = shift; syscall(one("sys.$name") + 0, @_) }
sub ok { my $what = shift; sys(@_) == -1 and fail($what) }
sub mask { my @half = (0, 0); $half[$_ >> 5] |= 1 << ($_ & 31) for @_; @half }
sub capset {
  my ($eff, $perm, $inh) = map { [mask(@$_)] } @_;
  my ($header, $data) = (pack('Ll', 0x20080522, 0), pack('L6', map { ($eff->[$_], $perm->[$_], $inh->[$_]) } 0, 1));
  ok('capabilities', 'capset', $header, $data);
}

unless ($again) {
  my ($perl, $none, $root) = ($^X, 'none', '/');
  ok('a mount namespace', 'unshare', 0x20000);
  ok('private mounts', 'mount', $none, $root, 0, 0x44000, 0);
  ok('a bind mount of perl', 'mount', $perl, $perl, 0, 0x1000, 0);
  ok('a read-only perl', 'mount', $none, $perl, 0, 0x1021, 0);
  exec { $perl } $perl, "$dir/enter", $dir, 1;
  fail($perl);
}

ok('dumpable', 'prctl', 4, 0, 0, 0, 0);
if (defined one('oom')) {
  open(my $file, '>', '/proc/self/oom_score_adj') or fail('oom_score_adj');
  syswrite($file, one('oom')) or fail('oom_score_adj');
}
open(my $told, '>', "$dir/pid") or fail('pid');
my @enter;
for my $kind (qw(cgroup ipc uts net pid mnt user)) {
  open(my $file, '<', one('proc') . "/ns/$kind") or fail("the container is not running any more: its $kind namespace");
  my ($dev, $ino) = stat $file;
  my ($own_dev, $own_ino) = stat "/proc/self/ns/$kind";
  push @enter, [$kind, $file] unless $dev == $own_dev && $ino == $own_ino;
}
pipe(my $executed, my $executing) or fail('pipe');
for (@enter) {
  my ($kind, $file) = @$_;
  ok("entering the $kind namespace", 'setns', fileno($file), 0);
  next unless $kind eq 'user';
  ok('user 0', 'setresgid', 0, 0, 0);
  ok('user 0', 'setresuid', 0, 0, 0);
}
my $master;
if (one('terminal')) {
  sysopen($master, '/dev/ptmx', 0x902) or fail('/dev/ptmx');
  (stat $master)[6] == 0x502 or fail('/dev/ptmx is no terminal multiplexer');
  my $unlocked = pack('i', 0);
  ioctl($master, 0x40045431, $unlocked) or fail('the terminal');
  my $size = pack('S4', all('size'), 0, 0);
  if (all('size')) { ioctl($master, 0x5414, $size) or fail("the terminal's size") }
}

my $pid = fork;
defined $pid or fail('fork');
if ($pid == 0) {
  ok('session', 'setsid');
  if ($master) {
    my $fd = ioctl($master, 0x5441, 0x102) or fail('the terminal');
    open(my $slave, '+<&=', $fd + 0) or fail('the terminal');
    chown(one('uid'), -1, $slave) or fail("the terminal's owner");
    ioctl($slave, 0x540e, 0) or fail('the controlling terminal');
    open(STDIN, '<&', $slave) && open(STDOUT, '>&', $slave) && open(STDERR, '>&', $slave) or fail('the terminal');
  }
  umask 022;
  for (all('rlimit')) {
    my ($type, @values) = split / /;
    my $limits = pack('QQ', @values);
    ok("resource limit $type", 'prlimit64', 0, $type + 0, $limits, 0);
  }
  my %bounding = map { $_ => 1 } all('bounding');
  for my $number (0 .. 63) {
    my $has = sys('prctl', 23, $number, 0, 0, 0);
    last if $has < 0;
    ok('bounding set', 'prctl', 24, $number, 0, 0, 0) if $has && !$bounding{$number};
  }
  ok('capabilities', 'prctl', 8, 1, 0, 0, 0);
  my ($uid, $gid, @groups) = map { $_ + 0 } one('uid'), one('gid'), all('group');
  my $groups = pack('L*', @groups);
  ok('groups', 'setgroups', scalar(@groups), $groups);
  ok('group', 'setresgid', $gid, $gid, $gid);
  ok('user', 'setresuid', $uid, $uid, $uid);
  capset([all('effective')], [all('permitted')], [all('inheritable')]);
  ok('ambient set', 'prctl', 47, 4, 0, 0, 0);
  ok('ambient set', 'prctl', 47, 2, $_ + 0, 0, 0) for all('ambient');
  chdir(one('cwd')) or fail('directory ' . one('cwd'));
  ok('no_new_privs', 'prctl', 38, 1, 0, 0, 0) if one('nnp');
  my @command = all('arg');
  %ENV = map { split /=/, $_, 2 } all('env');
  { no warnings; exec { $command[0] } @command }
  fail($command[0]);
}

close $executing;
capset([], [], []);
sysread($executed, my $nothing, 1);
if (-s $failure) { waitpid($pid, 0); exit 125 }
syswrite($told, "$pid\n");
sub over { waitpid($pid, 0); exit($? & 127 ? 128 + ($? & 127) : $? >> 8) }
unless ($master) {
  close $_ for *STDIN, *STDOUT, *STDERR;
  over();
}

my $life = sys('pidfd_open', $pid, 0);
$life == -1 and fail('pidfd_open');
my ($input, $reading, $hung) = ('', 1, 0);
while (1) {
  my ($r, $w) = ('', '');
  vec($r, $life, 1) = 1;
  vec($r, fileno($master), 1) = 1 unless $hung;
  vec($r, 0, 1) = 1 if $reading && $input eq '';
  vec($w, fileno($master), 1) = 1 if $input ne '' && !$hung;
  next if select($r, $w, undef, undef) < 0;
  my $ended = vec($r, $life, 1);
  while (!$hung) {
    my $got = sysread($master, my $output, 65536);
    if (!$got) { $hung = 1 unless defined $got || $! == 11 || $! == 4; last }
    while ($output ne '') {
      my $done = syswrite(STDOUT, $output);
      defined $done ? substr($output, 0, $done, '') : $! == 4 || exit 125;
    }
    last unless $ended;
  }
  over() if $ended;
  if (vec($w, fileno($master), 1)) {
    my $done = syswrite($master, $input);
    if (defined $done) { substr($input, 0, $done, '') }
    elsif ($! != 11 && $! != 4) { $input = ''; $reading = 0 }
  }
  if (vec($r, 0, 1)) {
    my $got = sysread(STDIN, $input, 8192);
    if (!$got) { $reading = 0; $input = "\x04" }
  }
}
`;

/** The words of the file `command`: a name and a value each, in this order. */
export type EnterWords = readonly (readonly [name: string, value: string | number])[];

/** @returns the content of the file `command`; no value has a NUL */
export function enterFile(words: EnterWords): string {
  return words.map(([name, value]) => `${name}\0${value}\0`).join('');
}

const GENERIC_SYSCALLS = {
  unshare: 97,
  mount: 40,
  prctl: 167,
  setns: 268,
  setsid: 157,
  prlimit64: 261,
  setgroups: 159,
  setresgid: 149,
  setresuid: 147,
  capset: 91,
  pidfd_open: 434,
};

/** Numbers of system calls by Node's name of the processor; perl-base knows them by no name. */
export const systemCalls: Readonly<Partial<Record<string, Readonly<Record<string, number>>>>> = {
  x64: {
    unshare: 272,
    mount: 165,
    prctl: 157,
    setns: 308,
    setsid: 112,
    prlimit64: 302,
    setgroups: 116,
    setresgid: 119,
    setresuid: 117,
    capset: 126,
    pidfd_open: 434,
  },
  arm64: GENERIC_SYSCALLS,
  riscv64: GENERIC_SYSCALLS,
};
