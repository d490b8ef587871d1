/*
 * The program in the sessions of confine.test.ts and others: each argument is an attempt, WHAT:OPERAND[:OPERAND]; each is
 * made in a process of its own, and printed with "works", the name of the error, or "killed" by a filter. "serve" waits
 * for a signal outside of the jail. Static, so that a jail needs nothing else.
 */
#define _GNU_SOURCE
#include "confine-usual.c"
#include "confine-calls.c"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int opened(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC, 0644);
  if (fd < 0) return -1;
  char byte = 'x';
  int result = 0;
  struct stat status;
  fstat(fd, &status);
  if (S_ISDIR(status.st_mode)) result = 0;
  else if ((flags & O_ACCMODE) == O_RDONLY) result = read(fd, &byte, 1) < 0 ? -1 : 0;
  else result = write(fd, &byte, 1) < 0 ? -1 : 0;
  return closing(fd, result);
}

static int tcp(const char *port, int binds) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  struct sockaddr_in address = {
    .sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr = { htonl(INADDR_LOOPBACK) }
  };
  int result = binds ? bind(fd, (struct sockaddr *)&address, sizeof address)
                     : connect(fd, (struct sockaddr *)&address, sizeof address);
  return closing(fd, result);
}

/* Without bind(2): the kernel chooses a port. */
static int listens(const char *family) {
  int fd = socket(atoi(family), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int result = listen(fd, 1);
  return closing(fd, result);
}

static socklen_t abstract(struct sockaddr_un *address, const char *name) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  strcpy(address->sun_path + 1, name);
  return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}

static int reaches(const char *name) {
  struct sockaddr_un address;
  socklen_t length = abstract(&address, name);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int result = connect(fd, (struct sockaddr *)&address, length);
  return closing(fd, result);
}

static int socketOf(const char *family, const char *type, const char *protocol) {
  int fd = socket(atoi(family), atoi(type) | SOCK_CLOEXEC, protocol ? atoi(protocol) : 0);
  if (fd < 0) return -1;
  close(fd);
  return 0;
}

static int sends(const char *port, int flags) {
  int fd = socket(AF_INET, (flags ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  struct sockaddr_in address = {
    .sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr = { htonl(INADDR_LOOPBACK) }
  };
  int result = sendto(fd, "x", 1, flags | MSG_NOSIGNAL, (struct sockaddr *)&address, sizeof address);
  return closing(fd, result < 0 ? -1 : 0);
}

/* An option of TCP on a new socket. */
static int sets(const char *option, const char *value) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), number = value ? atoi(value) : 0;
  if (fd < 0) return -1;
  return closing(fd, setsockopt(fd, IPPROTO_TCP, atoi(option), &number, sizeof number));
}

static int pairs(const char *family, const char *type) {
  int fds[2];
  if (socketpair(atoi(family), atoi(type) | SOCK_CLOEXEC, 0, fds) < 0) return -1;
  char byte = 'x';
  int result = write(fds[0], &byte, 1) == 1 && read(fds[1], &byte, 1) == 1 ? 0 : -1;
  return closing(fds[0], closing(fds[1], result));
}

/* Two sockets of this process, by a path or an abstract name. */
static int meets(const char *name, int isAbstract) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  socklen_t length = sizeof address;
  if (isAbstract) length = abstract(&address, name);
  else strncpy(address.sun_path, name, sizeof address.sun_path - 1);
  int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server < 0 || client < 0 || bind(server, (struct sockaddr *)&address, length) < 0) return -1;
  return listen(server, 1) < 0 ? -1 : connect(client, (struct sockaddr *)&address, length);
}

static int logs(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  return closing(fd, sendto(fd, "<14>attempt", 11, 0, (struct sockaddr *)&address, sizeof address) < 0 ? -1 : 0);
}

static int attempt(const char *what, const char *a, const char *b, const char *c) {
  for (unsigned i = 0; i < sizeof callAttempts / sizeof *callAttempts; i++)
    if (!strcmp(what, callAttempts[i].name)) return callAttempts[i].act(a, b);
  if (!strcmp(what, "read")) return opened(a, O_RDONLY);
  if (!strcmp(what, "write")) return opened(a, O_WRONLY);
  if (!strcmp(what, "create")) return opened(a, O_WRONLY | O_CREAT | O_EXCL);
  if (!strcmp(what, "cut")) return truncate(a, 0);
  if (!strcmp(what, "remove")) return unlink(a);
  if (!strcmp(what, "mkdir")) return mkdir(a, 0755);
  if (!strcmp(what, "rmdir")) return rmdir(a);
  if (!strcmp(what, "rename")) return rename(a, b);
  if (!strcmp(what, "link")) return link(a, b);
  if (!strcmp(what, "symlink")) return symlink(a, b);
  if (!strcmp(what, "make")) return mknod(a, S_IFREG | 0600, 0);
  if (!strcmp(what, "fifo")) return mkfifo(a, 0600);
  if (!strcmp(what, "mode")) return chmod(a, 0600);
  if (!strcmp(what, "time")) return utimensat(AT_FDCWD, a, NULL, 0);
  if (!strcmp(what, "stat")) return access(a, F_OK);
  if (!strcmp(what, "connect")) return tcp(a, 0);
  if (!strcmp(what, "bind")) return tcp(a, 1);
  if (!strcmp(what, "listen")) return listens(a);
  if (!strcmp(what, "socket")) return socketOf(a, b, c);
  if (!strcmp(what, "reach")) return reaches(a);
  if (!strcmp(what, "udp")) return sends(a, 0);
  if (!strcmp(what, "fast-open")) return sends(a, MSG_FASTOPEN);
  if (!strcmp(what, "option")) return sets(a, b);
  if (!strcmp(what, "pair")) return pairs(a, b);
  if (!strcmp(what, "unix")) return meets(a, 0);
  if (!strcmp(what, "abstract")) return meets(a, 1);
  if (!strcmp(what, "log")) return logs(a);
  if (!strcmp(what, "device")) return mknod(a, S_IFCHR | 0600, makedev(1, 3));
  if (!strcmp(what, "disk")) return mknod(a, S_IFBLK | 0600, makedev(7, 0));
  if (!strcmp(what, "unnamed")) return opened(a, O_TMPFILE | O_WRONLY);
  if (!strcmp(what, "empty")) return opened(a, O_RDONLY | O_TRUNC);
  if (!strcmp(what, "append")) return opened(a, O_WRONLY | O_APPEND);
  if (!strcmp(what, "exchange")) return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
  errno = EINVAL;
  return -1;
}

static int serve(const char *name) {
  struct sockaddr_un address;
  socklen_t length = abstract(&address, name);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 64) < 0) return 1;
  printf("%d\n", getpid());
  fflush(stdout);
  for (;;) pause();
}

/* In a process of its own: whatever it does to itself, the others begin as the session did. */
static const char *outcome(char **words) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(60);
    int error = attempt(words[0], words[1], words[2], words[3]) < 0 ? errno : 0;
    fflush(stdout);
    _exit(error);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return "unknown";
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGSYS ? "killed" : sigabbrev_np(WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "works" : strerrorname_np(WEXITSTATUS(status));
}

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "privileged")) return !isPrivileged();
  if (argc == 3 && !strcmp(argv[1], "serve")) return serve(argv[2]);
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] == '-') continue;
    char *words[4] = { NULL };
    char *text = strdup(argv[i]);
    int count = 0;
    for (char *word = strtok(text, ":"); word && count < 4; word = strtok(NULL, ":")) words[count++] = word;
    printf("%s %s\n", argv[i], outcome(words));
  }
  return 0;
}
