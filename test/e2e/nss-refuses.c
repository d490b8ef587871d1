/*
 * A name service that does not answer for some names, as nslcd(8) for those that do not match its validnames: it takes letters,
 * digits, '.', '_' and '-'. It knows two accounts. With a file /run/down it answers nothing. Each question is added to
 * /run/asked, if that is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const users[] = {"anna", "berta"};

static int is_down(const char *what, int *error) {
  char line[256];
  int length = snprintf(line, sizeof line, "%s\n", what);
  int asked = open("/run/asked", O_WRONLY | O_APPEND | O_CLOEXEC);
  if (asked >= 0 && write(asked, line, length) < 0) *error = EIO;
  close(asked);
  *error = ENOENT;
  return access("/run/down", F_OK) == 0;
}

static int is_refused(const char *name) {
  return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] != '\0';
}

static enum nss_status user(size_t at, struct passwd *result, char *buffer, size_t size) {
  if (size < 64) return NSS_STATUS_TRYAGAIN;
  int end = sprintf(buffer, "%s", users[at]) + 1;
  sprintf(buffer + end, "/srv/a/./home/%s", users[at]);
  char *shell = strcpy(buffer + 40, "/usr/sbin/jk_chrootsh");
  *result = (struct passwd){buffer, buffer + end - 1, 7001 + at, 7000, buffer + end - 1, buffer + end, shell};
  return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_refuses_getpwnam_r(const char *name, struct passwd *result, char *buffer, size_t size, int *error) {
  if (is_down(name, error) || is_refused(name)) return NSS_STATUS_UNAVAIL;
  for (size_t at = 0; at < 2; at++) if (strcmp(name, users[at]) == 0) return user(at, result, buffer, size);
  return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_refuses_getpwuid_r(uid_t uid, struct passwd *result, char *buffer, size_t size, int *error) {
  if (is_down("a uid", error)) return NSS_STATUS_UNAVAIL;
  return uid == 7001 || uid == 7002 ? user(uid - 7001, result, buffer, size) : NSS_STATUS_NOTFOUND;
}

static enum nss_status corp(struct group *result, char *buffer, size_t size) {
  if (size < 64) return NSS_STATUS_TRYAGAIN;
  char **members = (char **)(buffer + 8 - (size_t)buffer % 8);
  members[0] = NULL;
  *result = (struct group){strcpy(buffer + 16, "corp"), buffer + 20, 7000, members};
  return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_refuses_getgrnam_r(const char *name, struct group *result, char *buffer, size_t size, int *error) {
  if (is_down(name, error) || is_refused(name)) return NSS_STATUS_UNAVAIL;
  return strcmp(name, "corp") == 0 ? corp(result, buffer, size) : NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_refuses_getgrgid_r(gid_t gid, struct group *result, char *buffer, size_t size, int *error) {
  if (is_down("a gid", error)) return NSS_STATUS_UNAVAIL;
  return gid == 7000 ? corp(result, buffer, size) : NSS_STATUS_NOTFOUND;
}
