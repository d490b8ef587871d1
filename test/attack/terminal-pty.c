/*
 * terminal-pty OWNER PROGRAM [ARGUMENT...]: a terminal that belongs to a uid, and a shell's part on it: leads the session,
 * runs the program with the terminal as its standard input, and then reads what it finds typed there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int lead(int terminal, char **words) {
  int status;
  char typed[64];
  setsid();
  if (ioctl(terminal, TIOCSCTTY, 0) != 0) return 126;
  if (fork() == 0) {
    dup2(terminal, 0);
    close(terminal);
    execv(words[0], words);
    _exit(127);
  }
  wait(&status);
  fcntl(terminal, F_SETFL, O_NONBLOCK);
  long count = read(terminal, typed, sizeof(typed));
  printf("typed %.*s\n", count > 0 ? (int)count : 0, typed);
  fflush(stdout);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv) {
  struct termios settings;
  int status;
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (argc < 3 || master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return 125;
  int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
  if (terminal < 0 || fchown(terminal, (uid_t)atoi(argv[1]), -1) != 0) return 124;
  tcgetattr(terminal, &settings);
  cfmakeraw(&settings);
  tcsetattr(terminal, TCSANOW, &settings);
  if (fork() == 0) _exit(lead(terminal, argv + 2));
  wait(&status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 123;
}
