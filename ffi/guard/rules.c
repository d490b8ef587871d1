/*
 * Landlock's rules on the system's directories and devices, for JavaScript: they are most of what a login does to confine
 * itself, and a call from there takes longer than most system calls.
 */
#include <asm/fcntl.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include "guard.h"
#include "syscalls.h"

#ifndef SYS_landlock_add_rule
#define SYS_landlock_add_rule 445
#endif

enum { PATH_BENEATH = 1, MOST_ABOVE = 64, OTHERS_WRITE = 022 };
enum { FILE_RIGHTS = 0xc007 }; /* as in ffi/landlock.ts: those that a rule for a file that is no directory may have */

struct path_beneath {
  u64 allowed;
  i32 fd;
} __attribute__((packed));

/* The home, or the last directory of its path that is there, and those above it; none if only root can write it. */
struct homes {
  u64 count;
  struct statx each[MOST_ABOVE];
};

static i64 look(i64 fd, struct statx *stat) {
  return sys5(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, stat);
}

static int only_root_writes(const struct statx *stat) {
  return stat->stx_uid == 0 && (stat->stx_mode & OTHERS_WRITE) == 0;
}

static int is_same(const struct statx *one, const struct statx *other) {
  return one->stx_ino == other->stx_ino && one->stx_dev_major == other->stx_dev_major &&
         one->stx_dev_minor == other->stx_dev_minor;
}

/* Opens a name, not through a symbolic link. `trusted`: only if root alone can write there. */
static i64 open_name(i64 directory, const char *name, u64 flags, int trusted, struct statx *stat) {
  i64 fd = sys3(SYS_openat, directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | flags);
  if (fd < 0 || !trusted) return fd;
  i64 error = look(fd, stat);
  if (!error && only_root_writes(stat)) return fd;
  sys1(SYS_close, fd);
  return error ? error : -EPERM;
}

/* Opens a path, by the rights of this process: see RULES_PROGRAM and RULES_NAMED. */
static i64 open_path(i64 root, const char *path, int is_named, struct statx *stat) {
  struct open_how how = {.flags = O_PATH | O_CLOEXEC};
  if (is_named) how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  i64 fd = is_named ? sys4(SYS_openat2, root, path, &how, sizeof how) : sys3(SYS_openat, root, path, how.flags);
  if (fd < 0) return fd;
  i64 error = look(fd, stat);
  if (!error) return fd;
  sys1(SYS_close, fd);
  return error;
}

/* Opens a path; if it is missing, it is cut after the last directory that is there, which is opened. */
static i64 open_last(i64 root, char *path, struct statx *stat) {
  char *end = path;
  while (*end) end++;
  for (;;) {
    i64 fd = open_path(root, path, 1, stat);
    if (fd != -ENOENT) return fd;
    while (end > path && *--end != '/') continue;
    if (end == path) return fd;
    *end = 0;
  }
}

/*
 * JavaScript judges a link on the way to the home, and a directory above it that others can write. Who can make a home that
 * is missing can write the directory above it, which counts then.
 */
static i64 find_homes(i64 root, char *home, struct homes *homes) {
  struct statx *stat = homes->each;
  i64 fd = open_last(root, home, stat);
  if (fd < 0) return fd;
  for (;;) {
    i64 above = sys3(SYS_openat, fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    sys1(SYS_close, fd);
    if (above < 0) return above;
    stat++;
    i64 error = stat == homes->each + MOST_ABOVE ? -E2BIG : look(above, stat);
    if (!error && !only_root_writes(stat)) error = -EPERM;
    /* The directory above the root is the root. */
    int ends = !error && is_same(stat - 1, stat);
    if (error || ends) sys1(SYS_close, above);
    if (error) return error;
    if (ends) break;
    fd = above;
  }
  homes->count = only_root_writes(homes->each) ? 0 : (u64)(stat - homes->each);
  return 0;
}

static i64 add_rule(const struct rules *rules, i64 directory, const char *name, u64 allowed, const struct homes *homes) {
  struct statx stat;
  char sign = *name;
  int is_path = sign == RULES_PROGRAM || sign == RULES_NAMED;
  i64 fd = is_path ? open_path(rules->root, name + 1, sign == RULES_NAMED, &stat)
                   : open_name(directory, name + 1, sign == RULES_DIRECTORY ? O_DIRECTORY : 0, homes != 0, &stat);
  if (fd < 0) return fd;
  i64 error = 0;
  if (is_path && (stat.stx_mode & S_IFMT) != S_IFDIR) allowed &= FILE_RIGHTS;
  if (sign == RULES_PROGRAM && (stat.stx_mode & S_IFMT) != S_IFREG) allowed = 0;
  for (u64 i = 0; !is_path && homes && i < homes->count; i++)
    if (is_same(&homes->each[i], &stat)) error = -EPERM;
  if (!error && allowed) {
    struct path_beneath rule = {allowed, (i32)fd};
    error = sys4(SYS_landlock_add_rule, rules->ruleset, PATH_BENEATH, &rule, 0);
    if (error) error -= OF_A_RULE;
  }
  sys1(SYS_close, fd);
  return error;
}

i64 guard_rules(struct rules *rules) {
  struct homes found;
  struct statx stat;
  const struct homes *homes = rules->home ? &found : 0;
  i64 here = homes ? find_homes(rules->root, rules->home, &found) : 0;
  if (here == 0) here = open_name(rules->root, ".", O_DIRECTORY, homes != 0, &stat);
  /* Nothing is missing then. */
  if (here < 0) here = -EPERM;
  const char *name = rules->names;
  i64 unclear = 0;
  for (u64 i = 0; i < rules->count; i++) {
    i64 result = 0;
    if (here >= 0 && *name == RULES_ENTER) {
      i64 next = open_name(here, name + 1, O_DIRECTORY, homes != 0, &stat);
      sys1(SYS_close, here);
      here = next;
    }
    int is_path = *name == RULES_PROGRAM || *name == RULES_NAMED;
    if (here < 0 && !is_path) result = here;
    else if (*name != RULES_ENTER && rules->each[i].allowed)
      result = add_rule(rules, here, name, rules->each[i].allowed, homes);
    rules->each[i].result = (i32)result;
    int is_missing = result == -ENOENT || result == -ENOTDIR || result == -ELOOP;
    if (*name == RULES_NAMED ? result != 0 : result != 0 && !is_missing) unclear++;
    while (*name) name++;
    name++;
  }
  if (here >= 0) sys1(SYS_close, here);
  return unclear;
}
