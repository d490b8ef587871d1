/*
 * standard put THING PROGRAM [ARGUMENT...]
 * standard look
 *
 * The first puts a thing on descriptors 0, 1 and 2 and executes the program, which is this one in a jail. That one says
 * what it finds there, in one line for each, over descriptor 2 of the one that began: a socket whose name both know.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* MFD_NOEXEC_SEAL of Linux 6.3. */
enum { NOEXEC_SEAL = 8 };

static int thing(const char *name) {
  char queues[512] = {0};
  int ends[2];
  struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(event), .config = PERF_COUNT_SW_TASK_CLOCK,
                                  .exclude_kernel = 1, .exclude_hv = 1};
  union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
  if (!strcmp(name, "directory")) return open("/", O_RDONLY);
  if (!strcmp(name, "o-path-file")) return open("/etc/passwd", O_PATH);
  if (!strcmp(name, "o-path-directory")) return open("/", O_PATH);
  if (!strcmp(name, "user-namespace")) return open("/proc/self/ns/user", O_RDONLY);
  if (!strcmp(name, "mount-namespace")) return open("/proc/self/ns/mnt", O_RDONLY);
  if (!strcmp(name, "pidfd")) return syscall(SYS_pidfd_open, getpid(), 0);
  if (!strcmp(name, "proc-memory")) return open("/proc/self/mem", O_RDWR);
  if (!strcmp(name, "proc-root")) return open("/proc/self/root", O_RDONLY);
  if (!strcmp(name, "epoll")) return epoll_create1(0);
  if (!strcmp(name, "eventfd")) return eventfd(0, 0);
  if (!strcmp(name, "inotify")) return inotify_init1(0);
  if (!strcmp(name, "io_uring")) return syscall(SYS_io_uring_setup, 1, queues);
  if (!strcmp(name, "userfaultfd")) return syscall(SYS_userfaultfd, 1);
  if (!strcmp(name, "bpf")) return syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map));
  if (!strcmp(name, "perf")) return syscall(SYS_perf_event_open, &event, 0, -1, -1, 0);
  if (!strcmp(name, "file")) return open("/etc/passwd", O_RDONLY);
  if (!strcmp(name, "pipe")) return pipe(ends) ? -1 : ends[1];
  if (!strcmp(name, "socket")) return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) ? -1 : ends[0];
  if (!strcmp(name, "terminal")) return open("/dev/ptmx", O_RDWR);
  if (!strcmp(name, "null")) return open("/dev/null", O_RDWR);
  /* One that can be executed is refused with execute = system. */
  if (!strcmp(name, "memfd")) return memfd_create("memory", NOEXEC_SEAL);
  fprintf(stderr, "%s?\n", name);
  exit(99);
}

static struct sockaddr_un address(const char *pid) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  /* Of the abstract kind, which a jail does not keep away. */
  snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "standard-%s", pid);
  return name;
}

static int look(const char *pid) {
  struct sockaddr_un name = address(pid);
  char text[200];
  int length = 0, fd;
  for (fd = 0; fd < 3; fd++) {
    struct stat file;
    const char *kind = "closed";
    if (fstat(fd, &file) == 0)
      kind = S_ISCHR(file.st_mode) && file.st_rdev == makedev(1, 3) ? "null" :
             S_ISREG(file.st_mode) && file.st_size == 0 && (fcntl(fd, F_GET_SEALS) | 32) == 47 ? "null" : "other";
    length += snprintf(text + length, sizeof(text) - length, "%d %s\n", fd, kind);
  }
  int to = socket(AF_UNIX, SOCK_DGRAM, 0);
  return sendto(to, text, length, 0, (struct sockaddr *)&name, sizeof(name)) == length ? 0 : 96;
}

int main(int argc, char **argv) {
  char pid[20], text[200];
  if (argc == 3 && !strcmp(argv[1], "look")) return look(argv[2]);
  if (argc < 4 || strcmp(argv[1], "put")) return 97;
  snprintf(pid, sizeof(pid), "%d", getpid());
  struct sockaddr_un name = address(pid);
  int answer = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (bind(answer, (struct sockaddr *)&name, sizeof(name))) return 95;
  int fd = thing(argv[2]);
  if (fd < 0) return printf("none: %s\n", strerror(errno)), 0;
  pid_t child = fork();
  if (child == 0) {
    int last = argc - 1;
    char *word = NULL;
    /* The number goes behind the last word, or into it where that is a command line. */
    if (asprintf(&word, "%s %s", argv[last], pid) < 0) return 94;
    char **words = calloc(argc + 1, sizeof(char *));
    for (int i = 3; i < argc; i++) words[i - 3] = argv[i];
    if (strchr(argv[last], ' ')) words[last - 3] = word;
    else words[last - 2] = pid;
    for (int i = 0; i < 3; i++) dup2(fd, i);
    execv(words[0], words);
    _exit(98);
  }
  int status;
  waitpid(child, &status, 0);
  ssize_t length = recv(answer, text, sizeof(text) - 1, MSG_DONTWAIT);
  if (length < 0) return fprintf(stderr, "no answer, status %x\n", status), 93;
  text[length] = 0;
  return fputs(text, stdout) < 0;
}
