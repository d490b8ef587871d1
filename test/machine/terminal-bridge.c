/*
 * terminal-bridge COLUMNS ROWS PROGRAM [ARGUMENT...]: a program at a terminal of its own, whose keyboard is standard input
 * and whose screen is standard output. SIGUSR1 makes it ten columns wider and five rows higher, as dragging a window does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int master;

static void widen(int number) {
  struct winsize size;
  (void)number;
  ioctl(master, TIOCGWINSZ, &size);
  size.ws_col += 10;
  size.ws_row += 5;
  ioctl(master, TIOCSWINSZ, &size);
}

int main(int argc, char **argv) {
  struct winsize size = {0};
  char bytes[4096];
  int status;
  master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (argc < 4 || master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return 125;
  size.ws_col = (unsigned short)atoi(argv[1]);
  size.ws_row = (unsigned short)atoi(argv[2]);
  ioctl(master, TIOCSWINSZ, &size);
  pid_t child = fork();
  if (child == 0) {
    setsid();
    int terminal = open(ptsname(master), O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(terminal, fd);
    close(terminal);
    execvp(argv[3], argv + 3);
    _exit(127);
  }
  struct sigaction action = {.sa_handler = widen, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  struct pollfd ends[2] = {{.fd = 0, .events = POLLIN}, {.fd = master, .events = POLLIN}};
  for (;;) {
    if (poll(ends, 2, -1) < 0) continue;
    if (ends[0].revents) {
      long count = read(0, bytes, sizeof(bytes));
      if (count <= 0) ends[0].fd = -1;
      else if (write(master, bytes, (size_t)count) != count) break;
    }
    if (ends[1].revents) {
      long count = read(master, bytes, sizeof(bytes));
      if (count <= 0 || write(1, bytes, (size_t)count) != count) break;
    }
  }
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
