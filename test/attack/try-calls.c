/* try-calls CALL...: makes each system call in a process of its own, and prints the name of its error, "done", or "killed".
   A CALL is NUMBER[,ARGUMENT...] in hexadecimal; with "i386," before it, as a 32-bit program makes it. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  for (int i = 1; i < argc; i++) {
    int narrow = strncmp(argv[i], "i386,", 5) == 0;
    unsigned long word[7] = {0};
    char *at = argv[i] + (narrow ? 5 : 0);
    for (int k = 0; k < 7 && *at != 0; k++) {
      word[k] = strtoul(at, &at, 16);
      if (*at == ',') at++;
    }
    pid_t child = fork();
    if (child == 0) {
      signal(SIGALRM, SIG_DFL);
      alarm(5);
      long result =
          narrow ? call32(word) : syscall((long)word[0], word[1], word[2], word[3], word[4], word[5], word[6]);
      _exit(result >= 0 ? 0 : errno);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return 1;
    if (WIFSIGNALED(status)) puts(WTERMSIG(status) == SIGSYS ? "killed" : strsignal(WTERMSIG(status)));
    else puts(WEXITSTATUS(status) == 0 ? "done" : strerrorname_np(WEXITSTATUS(status)));
  }
  return 0;
}
