/*
 * limit-probe [WHAT]: prints the limits that it has, tries to raise each, and prints them again; or does WHAT until a limit
 * stops it, and prints how far it came. Static, so that a jail needs nothing else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void print_limits(const char *word) {
  struct rlimit limit;
  printf("%s", word);
  for (int resource = 0; resource < 16; resource++) {
    getrlimit(resource, &limit);
    printf(" %ld:%ld", (long)limit.rlim_cur, (long)limit.rlim_max);
  }
  printf("\n");
}

/* Every way up: the soft limit above the hard one, the hard one alone, and both. */
static void raise_all(void) {
  int raised = 0;
  for (int resource = 0; resource < 16; resource++) {
    struct rlimit now;
    getrlimit(resource, &now);
    if (now.rlim_max == RLIM_INFINITY) continue;
    struct rlimit tries[] = {
      {now.rlim_max + 1, now.rlim_max},
      {now.rlim_cur, now.rlim_max + 1},
      {now.rlim_max + 1, now.rlim_max + 1},
      {RLIM_INFINITY, RLIM_INFINITY},
      {now.rlim_cur, RLIM_INFINITY},
    };
    for (unsigned i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
      raised += setrlimit(resource, &tries[i]) == 0;
      raised += prlimit(getpid(), resource, &tries[i], NULL) == 0;
    }
  }
  printf("raised %d\n", raised);
}

static int files(void) {
  int count = 0;
  while (dup(0) >= 0) count++;
  printf("files %d %s\n", count + 3, strerrorname_np(errno));
  return 0;
}

static int processes(void) {
  int count = 0;
  pid_t pid;
  int pipe_[2];
  if (pipe(pipe_) != 0) return 1;
  char byte;
  while ((pid = fork()) > 0 && count < 5000) count++;
  if (pid == 0) {
    /* Stays until the parent has counted. */
    close(pipe_[1]);
    _exit(read(pipe_[0], &byte, 1) < 0);
  }
  printf("processes %d %s\n", count + 1, strerrorname_np(errno));
  fflush(stdout);
  close(pipe_[1]);
  while (wait(NULL) > 0) continue;
  return 0;
}

static int file_size(const char *name) {
  static char block[1000];
  long written = 0, got;
  signal(SIGXFSZ, SIG_IGN);
  /* The home, if it is another directory. */
  if (access(".", W_OK) != 0 && chdir("/home/u") != 0) return 1;
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) return 1;
  while ((got = write(fd, block, sizeof(block))) > 0 && written < 100000000) written += got;
  printf("size %ld %s\n", written, strerrorname_np(errno));
  return unlink(name);
}

static int memory(void) {
  long size = 0;
  while (size < 4096 && mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) size++;
  printf("memory %ld %s\n", size, strerrorname_np(errno));
  return 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "files")) return files();
  if (!strcmp(what, "processes")) return processes();
  if (!strcmp(what, "size")) return file_size("limit-probe.out");
  if (!strcmp(what, "memory")) return memory();
  if (!strcmp(what, "burn"))
    for (volatile unsigned long i = 0;; i++) continue;
  print_limits("limits");
  raise_all();
  print_limits("after");
  return 0;
}
