/**
 * System calls that a bottle may make without conditions, by purpose. Names that an architecture lacks are skipped by the runtime.
 * What is not here, and has no rule in `profile.ts`, answers ENOSYS.
 */
export const ALLOWED_SYSCALLS: Readonly<Record<string, readonly string[]>> = {
  files: words(`
    access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64 fallocate
    fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat
    fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr ioctl lchown lgetxattr link linkat listxattr
    llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv
    preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr rename renameat renameat2 rmdir
    sendfile setxattr splice stat statfs statx symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat
    ustat utime utimensat utimes vmsplice write writev cachestat chroot
  `),
  memory: words(`
    brk madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap mseal msync munlock munlockall munmap
    pkey_alloc pkey_free pkey_mprotect process_madvise process_mrelease remap_file_pages map_shadow_stack
  `),
  processes: words(`
    arch_prctl capget capset execve execveat exit exit_group fork get_robust_list getegid geteuid getgid getgroups getpgid
    getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get ioprio_set kill
    pidfd_getfd pidfd_open pidfd_send_signal prctl prlimit64 ptrace process_vm_readv process_vm_writev rseq seccomp
    set_robust_list set_tid_address setfsgid setfsuid setgid setgroups setpgid setpriority setregid setresgid setresuid setreuid
    setrlimit setsid setuid tgkill tkill vfork wait4 waitid landlock_add_rule landlock_create_ruleset landlock_restrict_self
  `),
  scheduling: words(`
    getcpu sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
    sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
  `),
  signals: words(`
    pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_tgsigqueueinfo sigaltstack signalfd signalfd4
  `),
  time: words(`
    alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
    timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times
  `),
  waiting: words(`
    epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 futex futex_requeue futex_wait
    futex_waitv futex_wake inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents
    io_pgetevents io_setup io_submit poll ppoll pselect6 select
  `),
  sockets: words(`
    accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto
    setsockopt shutdown
  `),
  messages: words(`
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 semctl semget
    semop semtimedop shmat shmctl shmdt shmget
  `),
  machine: words(`
    getrandom sysinfo uname
  `),
};

/** Calls that programs expect to be refused rather than missing: they answer EPERM. */
export const REFUSED_SYSCALLS: readonly string[] = words(`
  acct add_key adjtimex bpf clock_adjtime clock_settime delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick
  init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie
  mount mount_setattr move_mount name_to_handle_at nfsservctl open_by_handle_at open_tree perf_event_open pivot_root quotactl
  quotactl_fd reboot request_key setdomainname sethostname setns settimeofday swapoff swapon syslog umount2 userfaultfd vhangup
`);

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
