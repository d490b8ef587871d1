/*
 * setuid-owner HOME WORK: opens HOME, waits until root empties it, and starts the setuid program HOME/program by a descriptor; with
 * the id of its owner, that creates files in HOME by the other one (WORK "fill"), or sleeps ("sleep", and "become" with the real
 * id, too). With WORK "kill" and a third word, it signals that process instead.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int as_owner(int directory, const char *work) {
  if (strcmp(work, "become") == 0 && setreuid(geteuid(), geteuid()) < 0) return 1;
  puts("started");
  fflush(stdout);
  if (strcmp(work, "fill") != 0) return sleep(600);
  for (long count = 0;; count++) {
    char name[32];
    snprintf(name, sizeof name, "new%ld", count);
    int fd = openat(directory, name, O_CREAT | O_WRONLY, 0600);
    if (fd >= 0) close(fd);
  }
}

int main(int count, char **words) {
  if (count < 3) return 2;
  if (geteuid() != getuid()) return as_owner(atoi(words[3]), words[2]);
  char path[4096];
  snprintf(path, sizeof path, "%s/program", words[1]);
  int program = open(path, O_RDONLY);
  int directory = open(words[1], O_DIRECTORY | O_RDONLY);
  if (program < 0 || directory < 0) return 3;
  puts("ready");
  fflush(stdout);
  struct stat home;
  do {
    if (fstat(directory, &home) < 0) return 4;
  } while ((home.st_mode & 07777) != 0700);
  if (count > 3) return kill(atoi(words[3]), SIGTERM);
  char number[12];
  snprintf(number, sizeof number, "%d", directory);
  char *next[] = {"program", words[1], words[2], number, NULL};
  if (fork() == 0) {
    fexecve(program, next, environ);
    return 5;
  }
  return wait(NULL) < 0;
}
