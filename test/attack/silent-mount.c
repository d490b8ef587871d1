/* silent-mount DIRECTORY UID OPTIONS: mounts FUSE as fusermount3(1) does for a user, and never answers. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

int main(int count, char **words) {
  static char request[1 << 17];
  char options[200];
  if (count != 4) return 2;
  int fd = open("/dev/fuse", O_RDWR);
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%s,group_id=0%s", fd, words[2], words[3]);
  if (mount("fuse", words[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
    perror("mount");
    return 1;
  }
  puts("mounted");
  fflush(stdout);
  while (read(fd, request, sizeof request) > 0) {
    struct fuse_in_header *header = (void *)request;
    /* The kernel keeps all other requests back until it knows the version. */
    if (header->opcode != FUSE_INIT) continue;
    struct {
      struct fuse_out_header header;
      struct fuse_init_out init;
    } answer;
    memset(&answer, 0, sizeof answer);
    answer.header.len = sizeof answer;
    answer.header.unique = header->unique;
    answer.init.major = 7;
    answer.init.minor = 31;
    answer.init.max_write = 4096;
    if (write(fd, &answer, sizeof answer) < 0) return 1;
  }
  return 0;
}
