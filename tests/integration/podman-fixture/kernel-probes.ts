/** Perl programs that ask the kernel for something and print `ok` or the error number. */
export const SOCKETS = {
  AF_ALG: probe('socket(S, 38, 5, 0)'),
  AF_VSOCK: probe('socket(S, 40, 1, 0)'),
  AF_PACKET: probe('socket(S, 17, 3, 0)'),
  NETLINK_UEVENT: probe('socket(S, 16, 3, 15)'),
  NETLINK_AUDIT: probe('socket(S, 16, 3, 9)'),
  NETLINK_ROUTE: probe('socket(S, 16, 3, 0)'),
  AF_INET: probe('socket(S, 2, 1, 0)'),
  AF_INET6: probe('socket(S, 10, 1, 0)'),
  AF_UNIX: probe('socket(S, 1, 1, 0)'),
} as const;

/** x86-64 system call numbers; a call that is refused answers before it looks at its arguments */
export const CALLS = {
  unshareUser: probe('syscall(272, 0x10000000) == 0'),
  cloneUser: probe('do { my $p = syscall(56, 0x10000000 | 17, 0, 0, 0, 0); exit 0 if $p == 0; $p > 0 }'),
  ioUringSetup: probe('do { my $b = "\\0" x 120; syscall(425, 1, $b) >= 0 }'),
  keyctl: probe('syscall(250, 0, -3, 0) >= 0'),
  addKey: probe('do { my ($t, $d, $p) = ("user", "terok", "x"); syscall(248, $t, $d, $p, 1, -3) >= 0 }'),
  userfaultfd: probe('syscall(323, 1) >= 0'),
  nameToHandle: probe(
    'do { my ($n, $h, $m) = ("/dev/shm", pack("LL", 128, 0) . "\\0" x 128, "\\0" x 8); syscall(303, -100, $n, $h, $m, 0) >= 0 }',
  ),
  mount: probe('do { my ($f, $s, $o) = ("tmpfs", "none", ""); my $d = "/tmp/mount-$$"; mkdir $d; syscall(165, $s, $d, $f, 0, $o) == 0 }'),
  getpid: probe('syscall(39) > 0'),
} as const;

function probe(expression: string): readonly string[] {
  return ['perl', '-e', `print((${expression}) ? "ok" : $! + 0)`];
}
