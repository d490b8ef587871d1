/*
 * A user's process that exchanges two directories at the worst moment. Arguments: the two, "" being what came last,
 * and then, three words each, what is waited for, one after the other: "made", "changed" or "closed" (inotify(7):
 * appeared, new attributes, was open for reading), the directory in which it happens, and what the name begins with.
 * Says "ready", then what renameat2(2) answered, and stays.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

static char came[8192];

static unsigned maskOf(const char *word) {
  if (strcmp(word, "made") == 0) return IN_CREATE | IN_MOVED_TO;
  return strcmp(word, "changed") == 0 ? IN_ATTRIB : IN_CLOSE_NOWRITE;
}

int main(int argc, char **argv) {
  int fd = inotify_init1(IN_CLOEXEC);
  int steps = (argc - 3) / 3, watches[16];
  if (fd < 0 || steps < 1 || steps > 16) return 2;
  for (int i = 0; i < steps; i++) {
    char **step = argv + 3 + 3 * i;
    watches[i] = inotify_add_watch(fd, step[1], maskOf(step[0]) | IN_MASK_ADD);
    if (watches[i] < 0) return 3;
  }
  setvbuf(stdout, NULL, _IONBF, 0);
  puts("ready");
  int step = 0;
  for (;;) {
    char buffer[65536] __attribute__((aligned(8)));
    ssize_t count = read(fd, buffer, sizeof buffer);
    if (count <= 0) return 4;
    for (char *at = buffer; at < buffer + count;) {
      struct inotify_event *event = (struct inotify_event *)at;
      at += sizeof *event + event->len;
      if (step == steps) continue;
      char **wanted = argv + 3 + 3 * step;
      if (event->wd != watches[step] || !(event->mask & maskOf(wanted[0])) || event->len == 0) continue;
      if (strncmp(event->name, wanted[2], strlen(wanted[2])) != 0) continue;
      snprintf(came, sizeof came, "%s/%s", wanted[1], event->name);
      if (++step < steps) continue;
      const char *a = argv[1][0] ? argv[1] : came, *b = argv[2][0] ? argv[2] : came;
      puts(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0 ? "exchanged" : strerrorname_np(errno));
    }
  }
}
