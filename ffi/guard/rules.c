/*
 * Landlock's rules of a session, as far as nothing is doubtful, for JavaScript: they are most of what a login does to confine
 * itself, and a call from there takes longer than most system calls.
 */
#include <asm/fcntl.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include "guard.h"
#include "syscalls.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum { PATH_BENEATH = 1, NET_PORT = 2, RULESET_ATTR = 3 * sizeof(u64) }; /* linux/landlock.h */
enum { MOST_ABOVE = 64, OTHERS_WRITE = 022, WRITE_AND_SEARCH = 3 };
enum { FILE_RIGHTS = 0xc007 }; /* as in ffi/landlock.ts: those that a rule for a file that is no directory may have */

struct path_beneath {
  u64 allowed;
  i32 fd;
} __attribute__((packed));

struct net_port {
  u64 allowed, port;
};

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

static i64 allow(const struct rules *rules, u64 allowed, i64 fd) {
  struct path_beneath rule = {allowed, (i32)fd};
  i64 error = sys4(SYS_landlock_add_rule, rules->ruleset, PATH_BENEATH, &rule, 0);
  return error ? error - OF_A_RULE : 0;
}

static i64 add_name(const struct rules *rules, i64 directory, const char *name, u64 allowed, const struct homes *homes) {
  struct statx stat;
  i64 fd = open_name(directory, name + 2, *name == RULES_DIRECTORY ? O_DIRECTORY : 0, homes != 0, &stat);
  if (fd < 0) return fd;
  i64 error = 0;
  for (u64 i = 0; homes && i < homes->count; i++)
    if (is_same(&homes->each[i], &stat)) error = -EPERM;
  if (!error) error = allow(rules, allowed, fd);
  sys1(SYS_close, fd);
  return error;
}

static i64 add_path(const struct rules *rules, i64 root, const char *name, u64 allowed) {
  struct statx stat;
  i64 fd = name[2] == '/' ? open_path(root, name + 2, *name == RULES_NAMED, &stat) : -ENOENT;
  if (fd < 0) return fd;
  if ((stat.stx_mode & S_IFMT) != S_IFDIR) allowed &= FILE_RIGHTS;
  if (*name == RULES_PROGRAM && (stat.stx_mode & S_IFMT) != S_IFREG) allowed = 0;
  i64 error = allowed ? allow(rules, allowed, fd) : 0;
  sys1(SYS_close, fd);
  return error;
}

static i64 add_port(const struct rules *rules, const char *number, u64 allowed) {
  struct net_port rule = {allowed & rules->ports, 0};
  for (; *number; number++) rule.port = 10 * rule.port + (u64)(*number - '0');
  i64 error = rule.allowed ? sys4(SYS_landlock_add_rule, rules->ruleset, NET_PORT, &rule, 0) : 0;
  return error ? error - OF_A_RULE : 0;
}

/* True for a path in a directory that each session reads, as src/confine/asked-rules.ts says. */
static int is_of_system(const char *path) {
  static const char directories[][9] = {"/usr/",   "/bin/",    "/sbin/", "/lib/", "/lib32/",
                                        "/lib64/", "/libx32/", "/opt/",  "/etc/"};
  for (const char *at = path; *at; at++)
    if (at[0] == '/' && at[1] == '.' && at[2] == '.') return 0;
  for (u64 i = 0; i < sizeof directories / sizeof *directories; i++) {
    const char *one = directories[i], *at = path;
    while (*one && *one == *at) one++, at++;
    if (!*one) return 1;
  }
  return 0;
}

/* A path without symbolic links is where it says. Where /bin is a link, the file is also in /usr, by the same path. */
static i64 look_readable(i64 root, const char *in_usr) {
  struct statx stat, other;
  const char *path = in_usr + sizeof "/usr" - 1;
  if (!is_of_system(path)) return -EPERM;
  i64 fd = open_path(root, path, 1, &stat);
  if (fd >= 0) sys1(SYS_close, fd);
  if (fd != -ELOOP) return fd < 0 ? fd : 0;
  i64 error = sys5(SYS_statx, root, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stat);
  if (!error) error = sys5(SYS_statx, root, in_usr, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &other);
  return error || !is_same(&stat, &other) ? -EPERM : 0;
}

/* Goes from one directory to another one, or to the reason why not. */
static i64 enter(i64 here, i64 above, const char *name, int trusted) {
  struct statx stat;
  i64 next = above < 0 ? above : open_name(above, name, O_DIRECTORY, trusted, &stat);
  if (here >= 0) sys1(SYS_close, here);
  return next;
}

/* Adds the rules. Returns how many results JavaScript has to look at. */
static i64 add_rules(struct rules *rules, i64 root) {
  struct homes found;
  const struct homes *homes = 0;
  i64 here = -EPERM, unclear = 0;
  char *name = rules->names;
  for (u64 i = 0; i < rules->count; i++) {
    char *end = name;
    while (*end) end++;
    /* Another letter than those that there are is for nothing. */
    u64 letter = end - name < 2 ? RULES_LETTERS : (u64)(name[1] - 'A');
    u64 asked = letter < RULES_LETTERS ? rules->allowed[letter] : 0, allowed = asked & rules->files;
    i64 result = 0;
    switch (*name) {
      case RULES_HOME:
        homes = &found;
        result = find_homes(root, name + 2, &found);
        here = enter(here, result < 0 ? result : root, ".", 1);
        /* Nothing is missing then. */
        if (here < 0) result = here = -EPERM;
        break;
      case RULES_ROOT:
        homes = 0;
        here = enter(here, root, ".", 0);
        break;
      case RULES_ENTER:
        here = enter(here, here, name + 2, homes != 0);
        if (here < 0) result = here;
        break;
      case RULES_PORT: result = add_port(rules, name + 2, asked); break;
      case RULES_READABLE: result = look_readable(root, name + 2); break;
      case RULES_PROGRAM:
      case RULES_NAMED:
        if (allowed) result = add_path(rules, root, name, allowed);
        break;
      default:
        if (here < 0) result = here;
        else if (allowed) result = add_name(rules, here, name, allowed, homes);
    }
    rules->results[i] = (i32)result;
    int is_missing = result == -ENOENT || result == -ENOTDIR || result == -ELOOP;
    if (result != 0 && (*name == RULES_NAMED || !is_missing)) unclear++;
    name = end + 1;
  }
  if (here >= 0) sys1(SYS_close, here);
  return unclear;
}

/*
 * The rules refuse a device before the kernel sees that the process may make none. If the user cannot write in the working
 * directory, that fails in any case.
 */
static int can_prove(void) {
  return sys3(SYS_faccessat, AT_FDCWD, ".", WRITE_AND_SEARCH) == 0;
}

static i64 prove(void) {
  char name[] = ".jailkit-probe-................";
  u64 random;
  /* The kernel looks for the name first, and the user may have taken another one. */
  if (sys3(SYS_getrandom, &random, sizeof random, 0) != sizeof random) return -EAGAIN;
  for (char *end = name + sizeof name - 2; *end == '.'; random >>= 4) *end-- = "0123456789abcdef"[random & 15];
  i64 error = sys4(SYS_mknodat, AT_FDCWD, name, S_IFBLK, 0);
  if (error == 0) sys3(SYS_unlinkat, AT_FDCWD, name, 0);
  /* Or the directory was removed. */
  return error == -EACCES || error == -ENOENT ? 0 : -EPERM;
}

static i64 create_ruleset(const struct rules *rules) {
  u64 count = 0;
  for (u64 i = 0; i < rules->size; i++)
    if (!rules->names[i]) count++;
  if (count != rules->count) return -EINVAL;
  return sys3(SYS_landlock_create_ruleset, &rules->files, RULESET_ATTR, 0);
}

i64 guard_rules(struct rules *rules) {
  if (rules->end == RULES_FILTER) {
    rules->filtered = install_filters(rules->filters);
    return 0;
  }
  int is_ours = rules->ruleset < 0;
  if (is_ours) rules->ruleset = create_ruleset(rules);
  if (rules->ruleset < 0) return rules->ruleset;
  i64 root = sys3(SYS_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  i64 open = add_rules(rules, root);
  if (root >= 0) sys1(SYS_close, root);
  if (open || rules->end == RULES_ADD) return open;
  int is_proved = rules->end == RULES_RESTRICT_PROVED;
  if (is_proved && !can_prove()) return 1;
  i64 error = done(sys2(SYS_landlock_restrict_self, rules->ruleset, 0));
  if (is_ours) sys1(SYS_close, rules->ruleset);
  if (!error && is_proved) error = prove();
  if (!error && is_proved) rules->filtered = install_filters(rules->filters);
  return error;
}
