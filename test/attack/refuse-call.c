/*
 * refuse-call ERRNO NUMBER[:FIRST]... -- PROGRAM [ARGUMENT...]: the program finds that these system calls, with this first
 * argument, end with that errno.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv) {
  struct sock_filter code[64] = {{0}};
  const struct sock_filter number = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  const struct sock_filter first = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args));
  unsigned short length = 0;
  int i = 2;
  for (; i < argc && strcmp(argv[i], "--") != 0 && length < 58; i++) {
    const char *argument = strchr(argv[i], ':');
    code[length++] = number;
    code[length++] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(argv[i]), 0, argument ? 3 : 1);
    if (argument) {
      code[length++] = first;
      code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(argument + 1), 0, 1);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)atoi(argv[1]));
  }
  code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {length, code};
  if (i + 1 >= argc) return 125;
  /* root needs no no_new_privs, and what it starts as a user keeps the capabilities of files. */
  if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 125;
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return 124;
  execv(argv[i + 1], argv + i + 1);
  return 123;
}
