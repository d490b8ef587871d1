/*
 * The program in the sessions of confine.test.ts: each argument is an attempt, WHAT:OPERAND[:OPERAND]; for each it prints
 * the attempt and "works" or the name of the error. "serve" waits for a signal outside of the jail. Static, so that a jail
 * needs nothing else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
  int error = errno;
  close(fd);
  errno = error;
  return result;
}

static int executed(const char *path) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) < 0) return -1;
  pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    execl(path, path, (char *)0);
    int error = errno;
    if (write(report[1], &error, sizeof error) < 0) _exit(1);
    _exit(0);
  }
  close(report[1]);
  int error = 0;
  ssize_t length = read(report[0], &error, sizeof error);
  close(report[0]);
  waitpid(child, NULL, 0);
  errno = error;
  return length == sizeof error ? -1 : 0;
}

static int tcp(const char *port, int binds) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  struct sockaddr_in address = {
    .sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr = { htonl(INADDR_LOOPBACK) }
  };
  int result = binds ? bind(fd, (struct sockaddr *)&address, sizeof address)
                     : connect(fd, (struct sockaddr *)&address, sizeof address);
  int error = errno;
  close(fd);
  errno = error;
  return result;
}

/* Without bind(2): the kernel chooses a port. */
static int listens(const char *family) {
  int fd = socket(atoi(family), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int result = listen(fd, 1);
  int error = errno;
  close(fd);
  errno = error;
  return result;
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
  int error = errno;
  close(fd);
  errno = error;
  return result;
}

static int socketOf(const char *family, const char *type, const char *protocol) {
  int fd = socket(atoi(family), atoi(type) | SOCK_CLOEXEC, protocol ? atoi(protocol) : 0);
  if (fd < 0) return -1;
  close(fd);
  return 0;
}

static int memory(void) {
  int fd = memfd_create("x", MFD_CLOEXEC);
  if (fd < 0) return -1;
  close(fd);
  return 0;
}

static int attempt(const char *what, const char *a, const char *b, const char *c) {
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
  if (!strcmp(what, "stat")) return access(a, F_OK);
  if (!strcmp(what, "execute")) return executed(a);
  if (!strcmp(what, "connect")) return tcp(a, 0);
  if (!strcmp(what, "bind")) return tcp(a, 1);
  if (!strcmp(what, "listen")) return listens(a);
  if (!strcmp(what, "socket")) return socketOf(a, b, c);
  if (!strcmp(what, "reach")) return reaches(a);
  if (!strcmp(what, "signal")) return kill(atoi(a), 0);
  if (!strcmp(what, "memory")) return memory();
  if (!strcmp(what, "mount")) return mount("none", "/", "tmpfs", 0, NULL);
  if (!strcmp(what, "namespace")) return unshare(CLONE_NEWUSER);
  if (!strcmp(what, "trace")) return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
  if (!strcmp(what, "keys")) return syscall(SYS_keyctl, 0, -3, 0, 0, 0) < 0 ? -1 : 0;
  if (!strcmp(what, "files")) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    printf("nofile %ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
    limit.rlim_max = 4096;
    return setrlimit(RLIMIT_NOFILE, &limit);
  }
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

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "serve")) return serve(argv[2]);
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] == '-') continue;
    char *words[4] = { NULL };
    char *text = strdup(argv[i]);
    int count = 0;
    for (char *word = strtok(text, ":"); word && count < 4; word = strtok(NULL, ":")) words[count++] = word;
    int result = attempt(words[0], words[1], words[2], words[3]);
    printf("%s %s\n", argv[i], result >= 0 ? "works" : strerrorname_np(errno));
  }
  return 0;
}
