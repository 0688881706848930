/**
 * Why a program in Perl: conmon's attach socket is a SOCK_SEQPACKET socket, whose packets are the frames of its protocol.
 * Node has none, and socat loses where a packet ends when it writes to a pipe. See docs/decisions/0015-attach-in-perl.md.
 */

/** Exit codes of the bridge. */
export const bridgeExit = { cannotConnect: 2, slowClient: 3, left: 4 } as const;

/** Bytes on the bridge's standard output when conmon has taken the connection. */
export const BRIDGE_READY = Buffer.from('+');

/** What the bridge is told. */
export interface AttachBridgeOptions {
  /** Pass standard input on; its end is the end of what this client writes. */
  readonly stdin: boolean;
  /** When the client goes, stay connected and throw the output away: the connection's end would end the container's input. */
  readonly holdInput: boolean;
  /** A client that has taken nothing for so long is left, in seconds. */
  readonly stallSeconds: number;
}

/**
 * Copies between conmon's socket and its standard streams: packets that begin with 2 go to standard output, those with
 * 3 to standard error. It holds one packet, so that a slow client slows the container down as a slow terminal does; but
 * conmon waits for each of its clients, and so does the container, its log and every other client: hence the limit.
 *
 * connect(2) returns before conmon has taken the connection, and what the container writes until then is not for it.
 * Until it is taken, the other end stands in /proc/net/unix without an inode (proc_net(5)).
 *
 * What was read is written at once, without asking whether there is room: a socket that is a quarter full takes more, but
 * select(2) does not say so.
 */
const SCRIPT = `
use strict;
use Socket;
use Fcntl;
use Errno qw(EAGAIN EINTR);
my ($stdin, $hold, $stall) = @ARGV;
$SIG{PIPE} = 'IGNORE';
sub fail { print STDERR "$_[0]: $!\\n"; exit ${bridgeExit.cannotConnect} }
socket(my $sock, AF_UNIX, SOCK_SEQPACKET, 0) or fail('socket');
connect($sock, pack_sockaddr_un('attach')) or fail('connect');
for (1 .. 5000) {
  open(my $table, '<', '/proc/net/unix') or last;
  last unless grep { m{ 0005 \\d\\d +0 .*/attach$} } <$table>;
  select(undef, undef, undef, 0.001);
}
sub leave {
  exit ${bridgeExit.left} unless $hold;
  exit ${bridgeExit.left} if fork;
  setpgrp(0, 0);
  $SIG{$_} = 'IGNORE' for qw(TERM INT HUP);
  open(STDIN, '<', '/dev/null');
  open(STDOUT, '>', '/dev/null');
  open(STDERR, '>', '/dev/null');
  fcntl($sock, F_SETFL, 0);
  while (sysread($sock, my $packet, 65536)) {}
  exit 0;
}
$SIG{TERM} = \\&leave;
fcntl($_, F_SETFL, O_NONBLOCK) for ($sock, *STDOUT, *STDERR);
$| = 1;
syswrite(STDOUT, '+');
my ($in, $out, $to, $since, $reading) = ('', '', *STDOUT, time, 1);
while (1) {
  my ($r, $w) = ('', '');
  vec($r, fileno($sock), 1) = 1 if $out eq '';
  vec($r, fileno(STDIN), 1) = 1 if $reading && $in eq '';
  vec($r, fileno(STDOUT), 1) = 1;
  vec($w, fileno($sock), 1) = 1 if $in ne '';
  vec($w, fileno($to), 1) = 1 if $out ne '';
  my $n = select($r, $w, undef, $out eq '' ? undef : 1);
  next if $n < 0;
  leave() if vec($r, fileno(STDOUT), 1);
  if ($out eq '' && vec($r, fileno($sock), 1)) {
    my $got = sysread($sock, my $packet, 65536);
    if (!defined $got) { exit 0 unless $!{EAGAIN} || $!{EINTR} }
    elsif ($got == 0) { exit 0 }
    else { $to = ord($packet) == 3 ? *STDERR : *STDOUT; $out = substr($packet, 1); $since = time }
  }
  if ($out ne '') {
    my $done = syswrite($to, $out);
    if (defined $done) { substr($out, 0, $done, ''); $since = time }
    elsif (!$!{EAGAIN} && !$!{EINTR}) { leave() }
    elsif (time - $since >= $stall) { exit ${bridgeExit.slowClient} }
  }
  if ($reading && $in eq '' && vec($r, fileno(STDIN), 1)) {
    my $got = sysread(STDIN, $in, 8192);
    if (!$got) {
      $reading = 0;
      $stdin ? shutdown($sock, 1) : leave();
    } elsif (!$stdin) { $in = '' }
  }
  if ($in ne '') {
    my $done = syswrite($sock, $in);
    if (defined $done) { $in = '' }
    elsif (!$!{EAGAIN} && !$!{EINTR}) { $in = ''; $reading = 0 }
  }
}
`;

/** The bridge's command line; its working directory has to be the one in which the socket lies. */
export function attachBridge(options: AttachBridgeOptions): {
  readonly command: string;
  readonly args: readonly string[];
} {
  const { stdin, holdInput, stallSeconds } = options;
  return {
    command: 'perl',
    args: ['-e', SCRIPT, stdin ? '1' : '0', holdInput ? '1' : '0', String(stallSeconds)],
  };
}
