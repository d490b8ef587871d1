/*
 * The program in the jails of these tests: prints what it was given, one thing on each line, and tries to get more.
 * Static, so that a jail needs nothing else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

static void capabilities(void) {
  struct { unsigned version; int pid; } header = { 0x20080522, 0 };
  unsigned data[6] = { 0 };
  syscall(SYS_capget, &header, data);
  unsigned ambient = 0;
  for (int i = 0; i < 41; i++) ambient |= prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1;
  printf("capabilities %x %x %x %u\n", data[0] | data[3], data[1] | data[4], data[2] | data[5], ambient);
}

int main(int argc, char **argv) {
  uid_t r, e, s;
  gid_t groups[64];
  char directory[4096];
  struct rlimit files;
  getresuid(&r, &e, &s);
  printf("uid %d %d %d\n", r, e, s);
  getresgid(&r, &e, &s);
  printf("gid %d %d %d\n", r, e, s);
  int count = getgroups(64, groups);
  printf("groups");
  for (int i = 0; i < count; i++) printf(" %d", groups[i]);
  printf("\ncwd %s\n", getcwd(directory, sizeof directory) ? directory : strerror(errno));
  capabilities();
  printf("dumpable %d\nno_new_privs %d\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  printf("chroot %s\n", chroot("/") == 0 ? "works" : strerror(errno));
  getrlimit(RLIMIT_NOFILE, &files);
  printf("files %ld %ld\n", (long)files.rlim_cur, (long)files.rlim_max);
  printf("limits");
  for (int i = 0; i < 4; i++) {
    int wanted[] = {RLIMIT_STACK, RLIMIT_DATA, RLIMIT_AS, RLIMIT_NOFILE};
    getrlimit(wanted[i], &files);
    printf(" %ld", (long)files.rlim_cur);
  }
  printf("\n");
  for (int fd = 0; fd < 70000; fd++) {
    struct stat status;
    if (fstat(fd, &status) == 0) printf("fd %d %s\n", fd, S_ISDIR(status.st_mode) ? "directory" : "other");
  }
  for (int i = 1; i < 65; i++) {
    struct sigaction action;
    if (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN) printf("ignored %d\n", i);
  }
  printf("outside %s\n", access("/../../../../etc/only-outside", F_OK) == 0 ? "seen" : "not seen");
  printf("argc %d\n", argc);
  for (int i = 0; i < argc && i < 10; i++) printf("arg %s\n", argv[i]);
  for (char **entry = environ; *entry; entry++) printf("env %s\n", *entry);
  return 0;
}
