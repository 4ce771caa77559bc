#define _GNU_SOURCE
#include "cell.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Rights of landlock that older headers do not have; values from the kernel's documentation.
#define FS_TRUNCATE (1ull << 14)
#define FS_IOCTL_DEV (1ull << 15)
#define NET_BIND_TCP (1ull << 0)
#define NET_CONNECT_TCP (1ull << 1)

void clinux_shared_futex_wake(uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0); }

void clinux_shared_futex_wait(uint32_t *word, uint32_t expected, int64_t timeout_ns) {
  struct timespec limit = {timeout_ns / 1000000000, timeout_ns % 1000000000};
  syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout_ns < 0 ? NULL : &limit, NULL, 0);
}

int clinux_cell_memory(uint64_t size) {
  int memory = memfd_create("gantry-cell", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memory < 0) return -1;
  if (ftruncate(memory, (off_t)size) != 0 || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    int error = errno;
    close(memory);
    errno = error;
    return -1;
  }
  return memory;
}

int clinux_make_bell(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void clinux_ring_bell(int bell) {
  uint64_t one = 1;
  ssize_t written = write(bell, &one, sizeof one);
  (void)written;
}

void clinux_quiet_bell(int bell) {
  uint64_t count;
  ssize_t got = read(bell, &count, sizeof count);
  (void)got;
}

int clinux_cpu_count(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

int clinux_die_with_parent(int parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return 0;
  return getppid() == parent;
}

void clinux_end_with_parent(int signal) { prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0); }

void clinux_close_from(int first) {
  if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0) return;
  for (int descriptor = first; descriptor < 65536; descriptor++) close(descriptor);
}

static int limit(__rlimit_resource_t resource, uint64_t value) {
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0) return 0;
  if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > value) limit.rlim_max = value;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(resource, &limit) == 0;
}

/// SIGXCPU says what it was; SIGKILL follows where that is ignored.
static int limit_cpu(uint64_t seconds) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_CPU, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max < seconds ? limit.rlim_max : seconds;
  if (limit.rlim_max > seconds + 2) limit.rlim_max = seconds + 2;
  return setrlimit(RLIMIT_CPU, &limit) == 0;
}

static uint64_t address_space(void) {
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL) return 0;
  if (fscanf(file, "%lu", &pages) != 1) pages = 0;
  fclose(file);
  return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int clinux_landlock_version(void) {
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : (int)version;
}

static void allow(int rules, const char *path, uint64_t rights) {
  int descriptor = open(path, O_PATH | O_CLOEXEC);
  if (descriptor < 0) return;
  struct stat info;
  if (fstat(descriptor, &info) == 0 && !S_ISDIR(info.st_mode)) {
    rights &= LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
  }
  struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = descriptor};
  syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  close(descriptor);
}

/// Files by landlock, and TCP where the kernel's landlock knows it.
static uint32_t raise_landlock(const clinux_walls *walls) {
  int version = clinux_landlock_version();
  if (version < 1) return 0;
  uint64_t files = (1ull << 13) - 1;
  if (version >= 2) files |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) files |= FS_TRUNCATE;
  if (version >= 5) files |= FS_IOCTL_DEV;
  uint64_t attributes[3] = {walls->files ? 0 : files, version >= 4 && !walls->network ? NET_BIND_TCP | NET_CONNECT_TCP : 0, 0};
  if (attributes[0] == 0 && attributes[1] == 0) return 0;
  size_t size = version >= 4 ? 16 : 8;
  int rules = (int)syscall(SYS_landlock_create_ruleset, attributes, size, 0);
  if (rules < 0) return 0;
  uint64_t reading = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  if (attributes[0] != 0) {
    for (uint32_t i = 0; i < walls->path_count; i++) allow(rules, walls->paths[i], reading);
    for (uint32_t i = 0; i < walls->writable_count; i++) allow(rules, walls->writables[i], files);
  }
  uint32_t standing = 0;
  if (syscall(SYS_landlock_restrict_self, rules, 0) == 0) {
    if (attributes[0] != 0) standing |= CLINUX_WALL_LANDLOCK_FILES;
    if (attributes[1] != 0) standing |= CLINUX_WALL_LANDLOCK_NETWORK;
  }
  close(rules);
  return standing;
}

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARGUMENT(index) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[index]))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, action)
#define REFUSE(error) ANSWER(SECCOMP_RET_ERRNO | (error))
#define EQUALS(value, skip_if_not) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip_if_not)
#define DENY(number, error) EQUALS(number, 1), REFUSE(error)

/// Refuses what no plugin needs: other processes, programs, mounts, modules, tracing, and interfaces that
/// go round this very filter; and sockets where the network was not granted.
static uint32_t raise_seccomp(const clinux_walls *walls) {
#ifdef MACHINE
  uint32_t self = (uint32_t)getpid();
  uint32_t network = walls->network ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EACCES;
  uint32_t local = walls->local_sockets ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EACCES;
  uint32_t either = walls->network || walls->local_sockets ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EACCES;
  struct sock_filter filter[] = {
      LOAD(arch), EQUALS(MACHINE, 1), BPF_STMT(BPF_JMP | BPF_JA, 1), ANSWER(SECCOMP_RET_KILL_PROCESS),
      LOAD(nr),
#if defined(__x86_64__)
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1), REFUSE(ENOSYS),
      DENY(__NR_fork, EPERM), DENY(__NR_vfork, EPERM),
#endif
      DENY(__NR_execve, EPERM), DENY(__NR_execveat, EPERM), DENY(__NR_clone3, ENOSYS),
      DENY(__NR_ptrace, EPERM), DENY(__NR_process_vm_readv, EPERM), DENY(__NR_process_vm_writev, EPERM),
      DENY(__NR_pidfd_open, EPERM), DENY(__NR_pidfd_send_signal, EPERM), DENY(438 /* pidfd_getfd */, EPERM),
      DENY(__NR_mount, EPERM), DENY(__NR_umount2, EPERM), DENY(__NR_pivot_root, EPERM), DENY(__NR_chroot, EPERM),
      DENY(428 /* open_tree */, EPERM), DENY(429 /* move_mount */, EPERM), DENY(430 /* fsopen */, EPERM),
      DENY(__NR_setns, EPERM), DENY(__NR_unshare, EPERM), DENY(__NR_bpf, EPERM), DENY(__NR_perf_event_open, EPERM),
      DENY(__NR_userfaultfd, EPERM), DENY(__NR_init_module, EPERM), DENY(__NR_finit_module, EPERM),
      DENY(__NR_delete_module, EPERM), DENY(__NR_kexec_load, EPERM), DENY(__NR_reboot, EPERM),
      DENY(__NR_swapon, EPERM), DENY(__NR_swapoff, EPERM), DENY(__NR_settimeofday, EPERM), DENY(__NR_clock_settime, EPERM),
      DENY(__NR_adjtimex, EPERM), DENY(__NR_acct, EPERM), DENY(__NR_quotactl, EPERM), DENY(__NR_keyctl, EPERM),
      DENY(__NR_add_key, EPERM), DENY(__NR_request_key, EPERM), DENY(__NR_setsid, EPERM), DENY(__NR_setpgid, EPERM),
      DENY(__NR_shmget, EPERM), DENY(__NR_msgget, EPERM), DENY(__NR_semget, EPERM),
      DENY(425 /* io_uring_setup */, ENOSYS), DENY(426, ENOSYS), DENY(427, ENOSYS),
      EQUALS(__NR_socket, 10), LOAD_ARGUMENT(0),
      EQUALS(AF_INET, 1), ANSWER(network), EQUALS(AF_INET6, 1), ANSWER(network), EQUALS(AF_NETLINK, 1), ANSWER(network),
      EQUALS(AF_UNIX, 1), ANSWER(local), REFUSE(EACCES),
      EQUALS(__NR_connect, 1), ANSWER(either), EQUALS(__NR_bind, 1), ANSWER(either),
      // A signal may go to this process only.
      EQUALS(__NR_kill, 3), LOAD_ARGUMENT(0), EQUALS(self, 1), ANSWER(SECCOMP_RET_ALLOW), LOAD(nr),
      EQUALS(__NR_kill, 1), REFUSE(EPERM),
      EQUALS(__NR_tgkill, 3), LOAD_ARGUMENT(0), EQUALS(self, 1), ANSWER(SECCOMP_RET_ALLOW), LOAD(nr),
      EQUALS(__NR_tgkill, 1), REFUSE(EPERM),
      DENY(__NR_tkill, EPERM), DENY(__NR_rt_sigqueueinfo, EPERM), DENY(__NR_rt_tgsigqueueinfo, EPERM),
      // A thread, never a process.
      EQUALS(__NR_clone, 4), LOAD_ARGUMENT(0), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x00010000u /* CLONE_THREAD */, 0, 1),
      ANSWER(SECCOMP_RET_ALLOW), REFUSE(EPERM),
      ANSWER(SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? CLINUX_WALL_SECCOMP : 0;
#else
  (void)walls;
  return 0;
#endif
}

/// Root in a cell keeps the user's own reach over files and, with the network granted, low ports.
static void drop_capabilities(const clinux_walls *walls) {
  uint32_t kept = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER;
  if (walls->network) kept |= 1u << CAP_NET_BIND_SERVICE;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
  if (syscall(SYS_capget, &header, data) != 0) return;
  for (int i = 0; i < 2; i++) {
    uint32_t keep = i == 0 ? kept : 0;
    data[i].effective &= keep;
    data[i].permitted &= keep;
    data[i].inheritable = 0;
  }
  syscall(SYS_capset, &header, data);
}

uint32_t clinux_raise_walls(const clinux_walls *walls) {
  uint32_t standing = 0;
  int limits = limit(RLIMIT_CORE, 0) & limit(RLIMIT_FSIZE, walls->file_bytes) & limit(RLIMIT_NOFILE, walls->open_files);
  if (walls->memory_bytes > 0) limits &= limit(RLIMIT_AS, address_space() + walls->memory_bytes);
  if (walls->cpu_seconds > 0) limits &= limit_cpu(walls->cpu_seconds);
  if (limits) standing |= CLINUX_WALL_LIMITS;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return standing;
  standing |= CLINUX_WALL_NO_NEW_PRIVILEGES;
  drop_capabilities(walls);
  standing |= raise_landlock(walls);
  return standing | raise_seccomp(walls);
}
