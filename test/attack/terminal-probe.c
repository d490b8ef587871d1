/* A program of a jail that tries to type into the terminal on its standard input, in every way that there is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define TIOCSTI_ 0x5412UL
#define TIOCLINUX_ 0x541cUL

static char typed[] = "abcdefg";

static void say(const char *what, long result) {
  printf("%s %s\n", what, result < 0 ? strerror(errno) : "done");
}

static void type(const char *what, unsigned long number, int fd, unsigned long request, char *key) {
  say(what, syscall(number, fd, request, key));
}

#ifdef __x86_64__
/* The same in a process of its own, which a filter may kill. */
static void type_apart(const char *what, unsigned long number, unsigned long request, char *key) {
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    type(what, number, 0, request, key);
    _exit(0);
  }
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("%s %s\n", what, strsignal(WTERMSIG(status)));
}

/* What a 32-bit program calls; the addresses of a static program fit. */
static long call32(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
  int narrow = (int)result;
  if (narrow < 0) errno = -narrow;
  return narrow < 0 ? -1 : narrow;
}
#endif

static void lead_session(void) {
  if (fork() == 0) {
    setsid();
    ioctl(0, TIOCSCTTY, 0);
    type("new-session", SYS_ioctl, 0, TIOCSTI_, typed + 6);
    fflush(stdout);
    _exit(0);
  }
  wait(0);
}

int main(void) {
  struct termios settings;
  int pipes[2];
  setvbuf(stdout, 0, _IOLBF, 0);
  if (pipe(pipes) != 0) return 1;
  printf("seccomp %d\n", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
  printf("no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  printf("uid %d\n", getuid());
  say("settings", ioctl(0, TCGETS, &settings));
  type("plain", SYS_ioctl, 0, TIOCSTI_, typed);
  type("high-bits", SYS_ioctl, 0, 0xffffffff00000000UL | TIOCSTI_, typed + 1);
  type("bit-32", SYS_ioctl, 0, 0x100000000UL | TIOCSTI_, typed + 2);
  type("console", SYS_ioctl, 0, TIOCLINUX_, typed + 3);
  type("no-terminal", SYS_ioctl, pipes[0], TIOCSTI_, typed);
  int tty = open("/dev/tty", O_RDWR);
  if (tty >= 0) type("dev-tty", SYS_ioctl, tty, TIOCSTI_, typed + 4);
#ifdef __x86_64__
  type_apart("x32", 0x40000000UL | 514, TIOCSTI_, typed);
  type_apart("x32-without-mark", 514, TIOCSTI_, typed);
  type_apart("marked", 0x40000000UL | SYS_ioctl, TIOCSTI_, typed);
  say("i386-pid", call32(20, 0, 0, 0));
  say("i386", call32(54, 0, TIOCSTI_, (long)(typed + 5)));
  say("i386-console", call32(54, 0, TIOCLINUX_, (long)typed));
#endif
  lead_session();
  return 0;
}
