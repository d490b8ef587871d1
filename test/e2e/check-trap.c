/* A name service that tells whether root loaded it from a jail: it leaves a file behind. */
#include <fcntl.h>
#include <unistd.h>

__attribute__((constructor)) static void loaded(void) {
  int fd = open(geteuid() == 0 || getuid() == 0 ? "/loaded-by-root" : "/tmp/loaded", O_CREAT | O_WRONLY, 0600);
  if (fd >= 0) close(fd);
}
