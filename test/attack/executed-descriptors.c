/*
 * executed put THING PROGRAM [ARGUMENT...]
 * executed run
 *
 * The first puts a copy of itself on descriptors 0 and 7 and executes the program, which is this one in a jail. That one
 * executes what it finds at 0, by its descriptor and by its name in /proc, and looks at 7; the copy says "ran".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOEXEC_SEAL = 8, EXEC = 16 };

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(99);
}

static int filled(int fd) {
  struct stat file;
  int self = open("/proc/self/exe", O_RDONLY);
  if (fd < 0 || self < 0 || fstat(self, &file) || sendfile(fd, self, 0, file.st_size) != file.st_size) fail("copy");
  lseek(fd, 0, SEEK_SET);
  return fd;
}

static int in_memory(unsigned flags) {
  int fd = memfd_create("memory", flags | MFD_CLOEXEC);
  if (fd < 0 && errno == EINVAL) puts("none"), exit(0); /* before Linux 6.3 */
  return filled(fd);
}

/* A file in another directory than the session may execute, which has no name any more. */
static int at(const char *path, int flags) {
  close(filled(open(path, O_WRONLY | O_CREAT | O_EXCL, 0755)));
  int fd = open(path, flags);
  unlink(path);
  return fd;
}

static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) fail(path);
  close(fd);
}

static pid_t helper;

/* A file in a mount that only another process sees, on a directory of the jail that root alone can write. */
static int mounted(const char *directory) {
  char map[64], name[200], space[CMSG_SPACE(sizeof(int))] = {0};
  int ends[2], fd;
  struct iovec byte = {.iov_base = map, .iov_len = 1};
  struct msghdr message = {.msg_iov = &byte, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  uid_t uid = getuid();
  gid_t gid = getgid();
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) fail("socketpair");
  helper = fork();
  if (helper == 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) puts("none"), fflush(stdout), _exit(1);
    snprintf(map, sizeof(map), "%d %d 1", uid, uid);
    put("/proc/self/uid_map", map);
    put("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "%d %d 1", gid, gid);
    put("/proc/self/gid_map", map);
    if (mount("none", directory, "tmpfs", 0, 0)) fail("mount");
    snprintf(name, sizeof(name), "%s/program", directory);
    fd = at(name, O_RDONLY);
    header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
    if (sendmsg(ends[1], &message, 0) < 0) fail("sendmsg");
    /* The mount is gone with this process. */
    for (;;) pause();
  }
  close(ends[1]);
  if (recvmsg(ends[0], &message, MSG_CMSG_CLOEXEC) <= 0) exit(0);
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
  return fd;
}

static int thing(const char *name) {
  if (!strcmp(name, "memfd")) return in_memory(0);
  if (!strcmp(name, "memfd-exec")) return in_memory(EXEC);
  if (!strcmp(name, "memfd-noexec")) return in_memory(NOEXEC_SEAL);
  if (!strcmp(name, "memfd-mode")) {
    int fd = in_memory(0);
    return fchmod(fd, 0600), fd;
  }
  if (!strcmp(name, "file")) return at("/tmp/program", O_RDONLY);
  if (!strcmp(name, "shm")) return at("/dev/shm/program", O_RDONLY);
  if (!strcmp(name, "o-path")) return at("/tmp/program", O_PATH);
  if (!strncmp(name, "/", 1)) return mounted(name);
  errno = EINVAL;
  fail(name);
  return -1;
}

static int run(void) {
  char *words[] = {"copy", NULL}, *none[] = {NULL};
  fchmod(0, 0755);
  syscall(SYS_execveat, 0, "", words, none, AT_EMPTY_PATH);
  printf("%s ", strerrorname_np(errno));
  fflush(stdout);
  execve("/proc/self/fd/0", words, none);
  printf("%s ", strerrorname_np(errno));
  return printf("%s\n", fcntl(7, F_GETFD) < 0 ? strerrorname_np(errno) : "open") < 0;
}

int main(int argc, char **argv) {
  if (!strcmp(argv[0], "copy")) return puts("ran") < 0;
  if (argc >= 2 && !strcmp(argv[1], "run")) return run();
  if (argc < 4 || strcmp(argv[1], "put")) return 97;
  int fd = thing(argv[2]);
  if (fd < 0) fail(argv[2]);
  pid_t session = fork();
  if (session == 0) {
    dup2(fd, 0);
    dup2(fd, 7);
    execv(argv[3], argv + 3);
    _exit(98);
  }
  int status;
  waitpid(session, &status, 0);
  if (helper) kill(helper, SIGKILL);
  return WEXITSTATUS(status);
}
