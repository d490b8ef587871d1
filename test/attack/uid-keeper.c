/*
 * A setuid program: who starts it has the uid of its owner, and keeps it in the way that the argument names, so that no process of
 * the owner can signal it.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_there(void) {
  puts("there");
  fflush(stdout);
  for (;;) pause();
}

static void *keep(void *unused) {
  is_there();
  return unused;
}

int main(int count, char **words) {
  const char *how = count > 1 ? words[1] : "";
  uid_t real = getuid(), effective = geteuid();
  if (!strcmp(how, "ended")) return setresuid(effective, effective, effective);
  signal(SIGCHLD, SIG_IGN);
  if (!strcmp(how, "other thread") || !strcmp(how, "only thread left")) {
    pthread_t thread;
    pthread_create(&thread, NULL, keep, NULL);
    /* Without the wrapper of libc, which changes all threads. */
    syscall(SYS_setresuid, real, real, real);
    if (!strcmp(how, "only thread left")) pthread_exit(NULL);
    for (;;) pause();
  }
  if (setresuid(real, effective, real) != 0) return 1;
  if (!strcmp(how, "hidden")) {
    puts("there");
    fflush(stdout);
    for (;;)
      if (fork() > 0) _exit(0);
  }
  if (!strcmp(how, "many")) {
    struct rlimit few = {300, 300};
    setrlimit(RLIMIT_NPROC, &few);
    puts("there");
    fflush(stdout);
    for (;;) fork();
  }
  return is_there();
}
