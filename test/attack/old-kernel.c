/*
 * old-kernel VERSION PROGRAM [ARGUMENT...]: the program finds the Landlock of an older kernel. It is told this version, 1
 * to 6, and what later versions know is refused as that kernel refuses it: landlock_create_ruleset(2). Started by root;
 * the status is that of the program.
 *
 * old-kernel NUMBER[:FIRST]=RESULT PROGRAM [ARGUMENT...]: this system call, with this first argument, does nothing and
 * returns this number.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CREATE_RULESET = 444, ADD_RULE = 445, VERSION_FLAG = 1, NET_PORT = 2 };

static int version;
/* The call that does nothing, its first argument, and its result; no call has the number -1. */
static int idle = -1, first = -1;
static int64_t result;

/* What each version knows: access to files, access to ports, scopes. */
static const uint64_t known[][3] = {
  {0}, {0x1fff}, {0x3fff}, {0x7fff}, {0x7fff, 3}, {0xffff, 3}, {0xffff, 3, 3},
};

/* What the older kernel says to landlock_create_ruleset; 0 if this one may say it. */
static int64_t created(pid_t pid, uint64_t address, uint64_t size, uint64_t flags) {
  unsigned char attributes[4096] = {0};
  if (flags != 0) return flags == VERSION_FLAG && address == 0 && size == 0 ? version : -EINVAL;
  if (size < 8) return -EINVAL;
  if (size > sizeof attributes) return -E2BIG;
  struct iovec here = {attributes, size}, there = {(void *)(uintptr_t)address, size};
  if (process_vm_readv(pid, &here, 1, &there, 1, 0) != (ssize_t)size) return -EFAULT;
  uint64_t length = version < 4 ? 8 : version < 6 ? 16 : 24, asked[3] = {0}, any = 0;
  for (uint64_t i = length; i < size; i++)
    if (attributes[i] != 0) return -E2BIG;
  memcpy(asked, attributes, size < length ? size : length);
  for (int i = 0; i < 3; i++) {
    if ((asked[i] & ~known[version][i]) != 0) return -EINVAL;
    any |= asked[i];
  }
  return any == 0 ? -ENOMSG : 0;
}

static int64_t said(const struct seccomp_notif *call) {
  const uint64_t *given = (const uint64_t *)call->data.args;
  if (call->data.nr == idle) return first < 0 || given[0] == (unsigned)first ? result : 0;
  if (version == 0) return 0;
  if (call->data.nr == CREATE_RULESET) return created(call->pid, given[0], given[1], given[2]);
  return version < 4 && given[1] == NET_PORT ? -EINVAL : 0;
}

/* Installs the filter, and lets the other side of the socket take its descriptor. */
static int announce(int other) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CREATE_RULESET, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)idle, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ADD_RULE, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  char taken;
  if (fd < 0 || write(other, &fd, sizeof fd) != sizeof fd || read(other, &taken, 1) != 1) return -1;
  close(fd);
  return close(other);
}

int main(int argc, char **argv) {
  int pair[2], number, status;
  const char *answer = argc > 2 ? strchr(argv[1], '=') : NULL, *argument = answer ? strchr(argv[1], ':') : NULL;
  if (answer) {
    idle = atoi(argv[1]);
    result = atoi(answer + 1);
    if (argument) first = atoi(argument + 1);
  }
  version = argc > 2 && !answer ? atoi(argv[1]) : 0;
  if ((!answer && (version < 1 || version > 6)) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 125;
  pid_t child = fork();
  if (child == 0) {
    close(pair[0]);
    if (announce(pair[1]) != 0) _exit(124);
    execv(argv[2], argv + 2);
    _exit(123);
  }
  close(pair[1]);
  if (child < 0 || read(pair[0], &number, sizeof number) != sizeof number) return 122;
  int process = syscall(SYS_pidfd_open, child, 0);
  int fd = syscall(SYS_pidfd_getfd, process, number, 0);
  if (process < 0 || fd < 0 || write(pair[0], "", 1) != 1) return 121;
  struct pollfd wait[2] = {{fd, POLLIN, 0}, {process, POLLIN, 0}};
  while (poll(wait, 2, -1) > 0 && wait[1].revents == 0) {
    struct seccomp_notif call = {0};
    if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
    int64_t answer = said(&call);
    struct seccomp_notif_resp response = {.id = call.id};
    if (answer == 0) response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if (answer < 0) response.error = answer;
    else response.val = answer;
    ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
  }
  if (waitpid(child, &status, 0) != child) return 120;
  if (WIFSIGNALED(status)) kill(getpid(), WTERMSIG(status));
  return WEXITSTATUS(status);
}
