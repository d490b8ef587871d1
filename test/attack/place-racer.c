/*
 * A user who may write directories of a jail puts something else in the place of names there, over and over: a symbolic
 * link out of the jail (absolute and relative), a FIFO, a directory, a hard link to a file of the user's, nothing. Arguments:
 * where the links lead, and the names. What was in the place is kept beside it. Says "ready" after the first round.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINK, RELATIVE, FIFO, DIRECTORY, HARDLINK, NOTHING, KINDS };

static void make(int kind, const char *at, const char *target, const char *own) {
  char relative[4096];
  snprintf(relative, sizeof relative, "../../../../../../../..%s", target);
  if (kind == LINK) (void)!symlink(target, at);
  else if (kind == RELATIVE) (void)!symlink(relative, at);
  else if (kind == FIFO) (void)!mkfifo(at, 0666);
  else if (kind == DIRECTORY) (void)!mkdir(at, 0777);
  else if (kind == HARDLINK && link(own, at) != 0) close(open(at, O_CREAT | O_WRONLY | O_EXCL, 0666));
}

int main(int argc, char **argv) {
  umask(0);
  setvbuf(stdout, NULL, _IONBF, 0);
  unsigned long round = 0, kept = 0;
  for (;; round++) {
    for (int i = 2; i < argc; i++) {
      char beside[4096], old[4096], own[4096];
      snprintf(beside, sizeof beside, "%s.new", argv[i]);
      snprintf(own, sizeof own, "%s.own", argv[i]);
      close(open(own, O_CREAT | O_WRONLY, 0666));
      int kind = (round + i) % KINDS;
      make(kind, beside, argv[1], own);
      if (kind == NOTHING) (void)!rename(argv[i], beside);
      else if (renameat2(AT_FDCWD, beside, AT_FDCWD, argv[i], RENAME_EXCHANGE) != 0)
        (void)!renameat2(AT_FDCWD, beside, AT_FDCWD, argv[i], RENAME_NOREPLACE);
      if (unlink(beside) == 0 || rmdir(beside) == 0 || access(beside, F_OK) != 0) continue;
      snprintf(old, sizeof old, "%s.old%lu", argv[i], kept);
      if (rename(beside, old) == 0) kept++;
    }
    if (round == KINDS) puts("ready");
    usleep(50);
  }
}
