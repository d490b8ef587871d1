/*
 * A part of confine-probe.c: attempts of attackers that are no files or sockets: system calls as they are, programs that are
 * started, other processes, namespaces, terminals. Each returns as a system call does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

static long call32(const unsigned long *word) {
#ifdef __x86_64__
  long result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "0"(word[0]), "b"(word[1]), "c"(word[2]), "d"(word[3])
                   : "memory", "r8", "r9", "r10", "r11");
  int narrow = (int)result;
  if (narrow < 0) errno = -narrow;
  return narrow < 0 ? -1 : narrow;
#else
  (void)word;
  errno = ENOSYS;
  return -1;
#endif
}

/* NUMBER[,ARGUMENT...] in hexadecimal; with "i386," before it, as a 32-bit program makes the call. */
static int call(const char *text, const char *b) {
  (void)b;
  int narrow = strncmp(text, "i386,", 5) == 0;
  unsigned long word[7] = {0};
  char *at = (char *)text + (narrow ? 5 : 0);
  for (int k = 0; k < 7 && *at != 0; k++) {
    word[k] = strtoul(at, &at, 16);
    if (*at == ',') at++;
  }
  alarm(5);
  long result =
      narrow ? call32(word) : syscall((long)word[0], word[1], word[2], word[3], word[4], word[5], word[6]);
  /* At once: nobody knows what it has changed. */
  _exit(result < 0 ? errno : 0);
}

/* Programs. */

/* Starts a program; its status, or the error of execve(2). Nothing that it prints is seen. */
static int started(const char *path, const char *argument) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) < 0) return -1;
  pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3 && null >= 0; fd++) dup2(null, fd);
    execl(path, path, argument, (char *)0);
    int error = errno;
    _exit(write(report[1], &error, sizeof error) < 0);
  }
  close(report[1]);
  int error = 0;
  ssize_t length = read(report[0], &error, sizeof error);
  close(report[0]);
  int result = ended(child);
  if (length != sizeof error) return result;
  errno = error;
  return -1;
}

static int executed(const char *path, const char *b) { return started(path, b); }

/* The program itself says whether it has a privilege: see isPrivileged. */
static int becomes(const char *path, const char *b) {
  (void)b;
  return started(path, "privileged");
}

static int isPrivileged(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (geteuid() != getuid() || getegid() != getgid() || syscall(SYS_capget, &header, data) < 0) return 1;
  return (data[0].effective | data[1].effective) != 0;
}

static int executesFd(int fd, int flags) {
  pid_t child = fork();
  if (child == 0) {
    char *words[] = {"probe", NULL};
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) dup2(null, 1);
    execveat(fd, "", words, environ, AT_EMPTY_PATH | flags);
    _exit(errno);
  }
  return closing(fd, ended(child));
}

static int executesEmpty(const char *path, const char *b) {
  (void)b;
  int fd = open(path, O_PATH | O_CLOEXEC);
  return fd < 0 ? -1 : executesFd(fd, 0);
}

static int memory(const char *a, const char *b) {
  (void)a, (void)b;
  int fd = memfd_create("x", MFD_CLOEXEC);
  return fd < 0 ? -1 : closing(fd, 0);
}

/* This program itself, in memory; FLAGS are those of memfd_create(2). */
static int executesMemory(const char *flags, const char *b) {
  (void)b;
  int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (self < 0) return -1;
  int fd = memfd_create("x", MFD_CLOEXEC | number(flags));
  if (fd < 0) return closing(self, -1);
  while (sendfile(fd, self, NULL, 1 << 20) > 0) continue;
  close(self);
  return executesFd(fd, 0);
}

static int maps(const char *path, const char *b) {
  (void)b;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  return closing(fd, at == MAP_FAILED ? -1 : munmap(at, 4096));
}

/* Namespaces and root directories. */

static int unshares(const char *flags, const char *b) {
  (void)b;
  return unshare(number(flags));
}

static int clones(const char *flags, const char *b) {
  (void)b;
  long child = syscall(SYS_clone, number(flags) | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  return ended(child);
}

static int clones3(const char *flags, const char *b) {
  (void)b;
  uint64_t arguments[8] = {number(flags), 0, 0, 0, SIGCHLD};
  long child = syscall(SYS_clone3, arguments, sizeof arguments);
  if (child == 0) _exit(0);
  return ended(child);
}

static int joins(const char *path, const char *b) {
  (void)b;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  return fd < 0 ? -1 : closing(fd, setns(fd, 0));
}

static int chroots(const char *path, const char *b) {
  (void)b;
  return chroot(path);
}

/* A handle to a file, and the file of a handle. */
static int handles(const char *path, const char *b) {
  (void)b;
  union {
    struct file_handle handle;
    char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
  } all = {.handle.handle_bytes = MAX_HANDLE_SZ};
  int mount;
  return name_to_handle_at(AT_FDCWD, path, &all.handle, &mount, 0);
}

/* Other processes. */

static int signals(const char *pid, const char *signal) { return kill(atoi(pid), signal ? atoi(signal) : 0); }

static int traces(const char *pid, const char *b) {
  (void)b;
  pid_t other = pid ? atoi(pid) : getppid();
  return ptrace(PTRACE_SEIZE, other, NULL, NULL) < 0 ? -1 : 0;
}

static int writesMemory(const char *pid, const char *b) {
  (void)b;
  struct iovec part = {&scratch, sizeof scratch};
  return process_vm_writev(atoi(pid), &part, 1, &part, 1, 0) < 0 ? -1 : 0;
}

static int readsMemory(const char *pid, const char *b) {
  (void)b;
  struct iovec part = {&scratch, sizeof scratch};
  return process_vm_readv(atoi(pid), &part, 1, &part, 1, 0) < 0 ? -1 : 0;
}

static int opensMemory(const char *pid, const char *b) {
  (void)b;
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/mem", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  return closing(fd, pread(fd, &scratch, sizeof scratch, (off_t)(uintptr_t)&scratch) < 0 ? -1 : 0);
}

static int takesDescriptor(const char *pid, const char *b) {
  (void)b;
  int process = syscall(SYS_pidfd_open, atoi(pid), 0);
  if (process < 0) return -1;
  return closing(process, syscall(SYS_pidfd_getfd, process, 0, 0) < 0 ? -1 : 0);
}

static int signalsByPidfd(const char *pid, const char *b) {
  (void)b;
  int process = syscall(SYS_pidfd_open, atoi(pid), 0);
  if (process < 0) return -1;
  return closing(process, syscall(SYS_pidfd_send_signal, process, 0, NULL, 0) < 0 ? -1 : 0);
}

/* The limit of another process: the same as before. */
static int limitsOther(const char *pid, const char *b) {
  (void)b;
  struct rlimit limit;
  if (prlimit(getpid(), RLIMIT_CORE, NULL, &limit) < 0) return -1;
  struct rlimit lower = {0, limit.rlim_max};
  return prlimit(atoi(pid), RLIMIT_CORE, &lower, NULL);
}

/* The priority of another process: the same as before. */
static int ranksOther(const char *pid, const char *b) {
  (void)b;
  return setpriority(PRIO_PROCESS, atoi(pid), getpriority(PRIO_PROCESS, atoi(pid)));
}

static int raises(const char *resource, const char *b) {
  (void)b;
  struct rlimit limit;
  if (getrlimit(atoi(resource), &limit) < 0) return -1;
  limit.rlim_max = limit.rlim_cur = RLIM_INFINITY;
  return prlimit(0, atoi(resource), &limit, NULL);
}

static int files(const char *a, const char *b) {
  (void)a, (void)b;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  printf("nofile %ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
  limit.rlim_max = 4096;
  return setrlimit(RLIMIT_NOFILE, &limit);
}

/* Devices. */

static int controls(const char *path, const char *request) {
  char space[256] = {0};
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return fd < 0 ? -1 : closing(fd, ioctl(fd, number(request), space));
}

/* On a terminal of its own, which controls this process. */
static int onTerminal(const char *request, const char *b) {
  (void)b;
  char space[256] = {0};
  int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0) return -1;
  int fd = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return closing(terminal, -1);
  signal(SIGHUP, SIG_IGN);
  int result = setsid() < 0 || ioctl(fd, TIOCSCTTY, 0) < 0 ? -1 : ioctl(fd, number(request), space);
  return closing(terminal, closing(fd, result));
}

/* An attempt by its name, with up to two operands: what a system call returns. */
static const struct {
  const char *name;
  int (*act)(const char *a, const char *b);
} callAttempts[] = {
  {"call", call}, {"execute", executed}, {"become", becomes}, {"execute-empty", executesEmpty},
  {"memory", memory}, {"execute-memory", executesMemory}, {"map", maps},
  {"unshare", unshares}, {"clone", clones}, {"clone3", clones3}, {"setns", joins}, {"chroot", chroots},
  {"handle", handles}, {"signal", signals}, {"trace", traces}, {"vm-write", writesMemory},
  {"vm-read", readsMemory}, {"mem", opensMemory}, {"take-fd", takesDescriptor}, {"signal-fd", signalsByPidfd},
  {"limit", limitsOther}, {"priority", ranksOther}, {"raise", raises}, {"files", files}, {"ioctl", controls}, {"terminal", onTerminal},
  {"signals", handlesSignals}, {"child", signalsChild}, {"trace-child", tracesChild}, {"threads", threads},
  {"pipe", pipes}, {"wait", waits}, {"random", random_}, {"session", leads}, {"shared-memory", shares}, {"queue", queues},
};
