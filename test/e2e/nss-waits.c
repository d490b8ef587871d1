/*
 * A name service that waits as libnss_winbind does: it takes an interrupted poll(2) for a failure. It knows one account,
 * and answers when something is in the FIFO /run/answer. With a file /run/patient it waits on, as most others do.
 */
#include <errno.h>
#include <fcntl.h>
#include <nss.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

enum nss_status _nss_waits_getpwnam_r(const char *name, struct passwd *result, char *buffer, size_t size, int *error) {
  if (strcmp(name, "ghost") != 0) return NSS_STATUS_NOTFOUND;
  struct pollfd answer = {open("/run/answer", O_RDWR | O_CLOEXEC), POLLIN, 0};
  int ready;
  do ready = poll(&answer, 1, -1);
  while (ready < 0 && errno == EINTR && access("/run/patient", F_OK) == 0);
  close(answer.fd);
  if (ready != 1 || size < 64) {
    *error = ENOENT;
    return NSS_STATUS_UNAVAIL;
  }
  strcpy(buffer, "ghost");
  strcpy(buffer + 8, "/srv/a/./home/ghost");
  strcpy(buffer + 40, "/bin/sh");
  *result = (struct passwd){buffer, buffer + 5, 7001, 7001, buffer + 5, buffer + 8, buffer + 40};
  return NSS_STATUS_SUCCESS;
}
