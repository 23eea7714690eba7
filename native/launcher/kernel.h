/*
** The kernel's interface: what the launcher calls, and nothing of a C library. So the same bytes come out of every
** compiler of one version, for both architectures from one machine, and the file is small.
**
** Every call returns what the kernel returns: below 0 it is minus an error number (E...).
*/
#ifndef MYCELIUM_KERNEL_H
#define MYCELIUM_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#define MACHINE 62
#define CALL(x64, arm64) x64
#elif defined(__aarch64__)
#define MACHINE 183
#define CALL(x64, arm64) arm64
#else
#error "The launcher is for x86-64 and arm64"
#endif

enum {
  CALL_read = CALL(0, 63),
  CALL_write = CALL(1, 64),
  CALL_close = CALL(3, 57),
  CALL_mmap = CALL(9, 222),
  CALL_munmap = CALL(11, 215),
  CALL_rt_sigaction = CALL(13, 134),
  CALL_rt_sigprocmask = CALL(14, 135),
  CALL_pread = CALL(17, 67),
  CALL_nanosleep = CALL(35, 101),
  CALL_getpid = CALL(39, 172),
  CALL_clone = CALL(56, 220),
  CALL_execve = CALL(59, 221),
  CALL_wait4 = CALL(61, 260),
  CALL_kill = CALL(62, 129),
  CALL_flock = CALL(73, 32),
  CALL_fcntl = CALL(72, 25),
  CALL_fsync = CALL(74, 82),
  CALL_ftruncate = CALL(77, 46),
  CALL_getcwd = CALL(79, 17),
  CALL_fchmod = CALL(91, 52),
  CALL_geteuid = CALL(107, 175),
  CALL_setsid = CALL(112, 157),
  CALL_fstatfs = CALL(138, 44),
  CALL_getdents64 = CALL(217, 61),
  CALL_clock_gettime = CALL(228, 113),
  CALL_exit_group = CALL(231, 94),
  CALL_openat = CALL(257, 56),
  CALL_mkdirat = CALL(258, 34),
  CALL_unlinkat = CALL(263, 35),
  CALL_renameat = CALL(264, 38),
  CALL_linkat = CALL(265, 37),
  CALL_readlinkat = CALL(267, 78),
  CALL_faccessat = CALL(269, 48),
  CALL_ppoll = CALL(271, 73),
  CALL_fallocate = CALL(285, 47),
  CALL_dup3 = CALL(292, 24),
  CALL_execveat = CALL(322, 281),
  CALL_statx = CALL(332, 291),
  CALL_ioctl = CALL(16, 29),
  CALL_pidfd_send_signal = 424,
  CALL_pidfd_open = 434,
  CALL_close_range = 436,
};

enum {
  ERR_PERM = 1,
  ERR_NOENT = 2,
  ERR_INTR = 4,
  ERR_IO = 5,
  ERR_NOEXEC = 8,
  ERR_AGAIN = 11,
  ERR_NOMEM = 12,
  ERR_ACCES = 13,
  ERR_EXIST = 17,
  ERR_XDEV = 18,
  ERR_NOTDIR = 20,
  ERR_INVAL = 22,
  ERR_NOSPC = 28,
  ERR_ROFS = 30,
  ERR_MLINK = 31,
  ERR_NAMETOOLONG = 36,
  ERR_NOSYS = 38,
  ERR_OPNOTSUPP = 95,
  ERR_DQUOT = 122,
};

enum {
  AT_CWD = -100,
  AT_EMPTY_PATH = 0x1000,
  AT_SYMLINK_NOFOLLOW = 0x100,
  OPEN_READ = 0,
  OPEN_WRITE = 1,
  OPEN_BOTH = 2,
  OPEN_CREATE = 0x40,
  OPEN_EXCLUSIVE = 0x80,
  OPEN_TRUNCATE = 0x200,
  OPEN_NONBLOCK = 0x800,
  OPEN_DIRECTORY = CALL(0x10000, 0x4000),
  OPEN_NOFOLLOW = CALL(0x20000, 0x8000),
  OPEN_CLOEXEC = 0x80000,
  ACCESS_X = 1,
  ACCESS_W = 2,
  ACCESS_R = 4,
  PROT_READ_ = 1,
  PROT_WRITE_ = 2,
  MAP_SHARED_ = 1,
  MAP_PRIVATE_ = 2,
  MAP_ANONYMOUS_ = 0x20,
  LOCK_EXCLUSIVE = 2,
  LOCK_NO_WAIT = 4,
  CLOCK_REALTIME_ = 0,
  CLOCK_MONOTONIC_ = 1,
  MODE_STICKY = 01000,
  MODE_TYPE = 0170000,
  MODE_FILE = 0100000,
  MODE_DIRECTORY = 0040000,
  SIGNAL_HUP = 1,
  SIGNAL_INT = 2,
  SIGNAL_BUS = 7,
  SIGNAL_KILL = 9,
  SIGNAL_TERM = 15,
  SIGNAL_CHILD = 17,
  SIGACTION_RESTORER = 0x04000000,
  STATX_BASIC = 0x7ff,
};

struct timespec_ {
  int64_t seconds;
  int64_t nanoseconds;
};

struct statx_time {
  int64_t seconds;
  uint32_t nanoseconds;
  int32_t reserved;
};

struct statx_ {
  uint32_t mask, block_size;
  uint64_t attributes;
  uint32_t links, uid, gid;
  uint16_t mode, spare0;
  uint64_t inode, size, blocks, attributes_mask;
  struct statx_time accessed, born, changed, modified;
  uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
  uint64_t spare1[14];
};

/* struct statfs, the same on both architectures. */
struct statfs_ {
  int64_t type, block_size;
  uint64_t blocks, free, available, files, files_free, id;
  int64_t name_length, fragment_size, flags;
  int64_t spare[4];
};

struct pollfd_ {
  int fd;
  short events, revents;
};

static inline long kernel_call(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#else
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
#endif
}

#define KERNEL_6(name, a, b, c, d, e, f) \
  kernel_call(CALL_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define KERNEL_5(name, a, b, c, d, e) KERNEL_6(name, a, b, c, d, e, 0)
#define KERNEL_4(name, a, b, c, d) KERNEL_6(name, a, b, c, d, 0, 0)
#define KERNEL_3(name, a, b, c) KERNEL_6(name, a, b, c, 0, 0, 0)
#define KERNEL_2(name, a, b) KERNEL_6(name, a, b, 0, 0, 0, 0)
#define KERNEL_1(name, a) KERNEL_6(name, a, 0, 0, 0, 0, 0)
#define KERNEL_0(name) KERNEL_6(name, 0, 0, 0, 0, 0, 0)

static inline int open_at(int directory, const char *path, int flags, int mode) {
  return (int)KERNEL_4(openat, directory, path, flags | OPEN_CLOEXEC, mode);
}
static inline long close_fd(int fd) { return KERNEL_1(close, fd); }
static inline long stat_at(int directory, const char *path, int flags, struct statx_ *into) {
  return KERNEL_5(statx, directory, path, flags, STATX_BASIC, into);
}
static inline long stat_fd(int fd, struct statx_ *into) {
  return stat_at(fd, "", AT_EMPTY_PATH, into);
}
static inline long make_directory(int directory, const char *path, int mode) {
  return KERNEL_3(mkdirat, directory, path, mode);
}
static inline long remove_file(int directory, const char *path) {
  return KERNEL_3(unlinkat, directory, path, 0);
}
static inline long rename_in(int directory, const char *from, const char *to) {
  return KERNEL_4(renameat, directory, from, directory, to);
}
static inline long sync_fd(int fd) { return KERNEL_1(fsync, fd); }
static inline void *map_memory(size_t size, int protection, int flags, int fd) {
  return (void *)KERNEL_6(mmap, 0, size, protection, flags, fd, 0);
}
/* mmap answers minus an error number among addresses. */
static inline long map_error(const void *address) {
  long value = (long)address;
  return value < 0 && value > -4096 ? value : 0;
}
static inline void unmap_memory(void *address, size_t size) { KERNEL_2(munmap, address, size); }
__attribute__((noreturn)) static inline void end_process(int status) {
  for (;;) KERNEL_1(exit_group, status);
}

#endif
