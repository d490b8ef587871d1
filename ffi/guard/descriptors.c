/* Inherited file descriptors. */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/poll.h>
#include <linux/stat.h>
#include "guard.h"
#include "syscalls.h"

/* MFD_NOEXEC_SEAL of Linux 6.3 and PID_FS_MAGIC of 6.9: the headers may be older. */
enum { NOEXEC_SEAL = 8, PIDFS = 0x50494446 };
enum { EVERY_SEAL = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };
enum { DEV_NULL = 1 << 8 | 3 };
#define LAST ~0U

/* Before anything else is opened. Descriptors above the soft RLIMIT_NOFILE may be open too. */
void close_inherited_descriptors(void) {
  if (sys3(SYS_close_range, 3, LAST, 0) != 0)
    refuse(CANNOT_START, "close_range failed: Linux 5.11 or later is needed");
}

static void save_descriptor(struct state *state, u32 number) {
  struct stat file;
  i64 status = sys2(SYS_fcntl, number, F_GETFL);
  /* The exec has closed descriptors with FD_CLOEXEC. */
  if (status < 0 || sys2(SYS_fstat, number, &file) != 0) return;
  struct saved_descriptor *saved = &state->descriptors[state->descriptor_count++];
  saved->number = number;
  saved->status = (u32)status;
  saved->device = file.st_dev;
  saved->inode = file.st_ino;
}

/*
 * ppoll(2) finds the open descriptors in one call, without /proc. It takes no more than RLIMIT_NOFILE entries, so
 * descriptors above the limit, which may be open, are checked one by one.
 */
void save_descriptors(struct state *state) {
  struct pollfd entries[MAX_DESCRIPTORS];
  u64 no_time[2] = {0, 0};
  u64 count = state->limits[0].hard; /* adjust_limits has raised the soft limit to it */
  if (count > MAX_DESCRIPTORS) count = MAX_DESCRIPTORS;
  for (u64 i = 0; i < count; i++) entries[i] = (struct pollfd){(i32)i, 0, 0};
  if (sys5(SYS_ppoll, entries, count, no_time, 0, 8) < 0) count = 0;
  for (u32 i = 3; i < MAX_DESCRIPTORS; i++)
    if (i >= count || !(entries[i].revents & POLLNVAL)) save_descriptor(state, i);
}

/* For 0, 1 or 2 if the caller left it closed: reads find the end. Never a directory, since it may be inherited. */
static i64 open_nothing(void) {
  struct stat file;
  i64 fd = sys4(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
  if (fd >= 0) {
    if (sys2(SYS_fstat, fd, &file) == 0 && S_ISCHR(file.st_mode) && file.st_rdev == DEV_NULL) return fd;
    sys1(SYS_close, fd); /* in a jail any file can have this name */
  }
  /* Sessions that may not execute all files accept no other. */
  fd = sys2(SYS_memfd_create, "nothing", MFD_ALLOW_SEALING | NOEXEC_SEAL);
  if (fd < 0) fd = sys2(SYS_memfd_create, "nothing", MFD_ALLOW_SEALING);
  if (fd >= 0) sys3(SYS_fcntl, fd, F_ADD_SEALS, EVERY_SEAL);
  return fd;
}

/*
 * Whether a program in a jail may have this as standard input, output or error: a regular file, a pipe, a socket, a
 * terminal or another character device. Anything else could give it access outside the jail: a directory (fchdir(2)), a
 * namespace or a pidfd (setns(2)), a file of /proc (the memory of another process), an O_PATH descriptor, and descriptors
 * without a file type (io_uring(7), userfaultfd(2), older pidfds and similar).
 */
static int is_harmless(i64 fd, const struct stat *file) {
  if (!S_ISREG(file->st_mode) && !S_ISFIFO(file->st_mode) && !S_ISSOCK(file->st_mode) && !S_ISCHR(file->st_mode)) return 0;
  i64 status = sys2(SYS_fcntl, fd, F_GETFL);
  struct statfs filesystem;
  if (status < 0 || status & O_PATH || sys2(SYS_fstatfs, fd, &filesystem) != 0) return 0;
  return filesystem.f_type != NSFS_MAGIC && filesystem.f_type != PIDFS && filesystem.f_type != PROC_SUPER_MAGIC;
}

static int is_usable(i64 fd, u64 into_jail) {
  struct stat file;
  if (sys2(SYS_fstat, fd, &file) != 0) return 0;
  if (!into_jail || is_harmless(fd, &file)) return 1;
  sys1(SYS_close, fd);
  return 0;
}

/* Otherwise the next opened files would become standard input, output and error. */
void fill_standard_descriptors(struct state *state) {
  for (i64 fd = 0; fd < 3; fd++) {
    if (is_usable(fd, state->privileged)) continue;
    if (open_nothing() != fd) refuse(CANNOT_START, "standard input, output or error cannot be opened");
    state->filled_descriptors |= 1UL << fd;
  }
}

/* The same for a program that is about to be executed. Returns 0 or -errno. */
i64 replace_unsafe_descriptors(void) {
  for (i64 fd = 0; fd < 3; fd++) {
    if (is_usable(fd, 1)) continue;
    i64 nothing = open_nothing();
    if (nothing != fd) return nothing < 0 ? nothing : -EBADF;
  }
  return 0;
}

/*
 * The runtime's own output, mostly crash reports, must not reach users: its standard error is /dev/null. The tools write
 * to the descriptor that is kept here, and programs that they execute get it back as number 2.
 */
i64 move_standard_error(struct state *state) {
  i64 kept = sys3(SYS_fcntl, STANDARD_ERROR, F_DUPFD_CLOEXEC, STANDARD_ERROR + 1);
  i64 nothing = open_nothing();
  if (kept < 0 || nothing < 0) refuse(CANNOT_START, "standard error cannot be kept");
  state->standard_error = (u64)kept;
  return nothing;
}

void hide_standard_error(i64 nothing) {
  sys3(SYS_dup3, nothing, STANDARD_ERROR, 0);
  sys1(SYS_close, nothing);
}

/* For a program that is about to be executed. Returns the descriptor to hide it with again, or -errno. */
i64 show_standard_error(const struct state *state) {
  i64 nothing = sys3(SYS_fcntl, STANDARD_ERROR, F_DUPFD_CLOEXEC, STANDARD_ERROR + 1);
  i64 result = nothing < 0 ? nothing : sys3(SYS_dup3, state->standard_error, STANDARD_ERROR, 0);
  return result < 0 ? result : nothing;
}

static int same_open_file(const struct saved_descriptor *saved) {
  struct stat file;
  return sys2(SYS_fcntl, saved->number, F_GETFL) == saved->status && sys2(SYS_fstat, saved->number, &file) == 0 &&
         file.st_dev == saved->device && file.st_ino == saved->inode;
}

/*
 * An executed program gets 0, 1, 2 and the descriptors that the caller passed, if they are still the same files:
 * JavaScript may have closed one and opened another file with its number.
 */
void restore_descriptors(const struct state *state) {
  for (u64 i = 0; i < state->descriptor_count; i++) {
    const struct saved_descriptor *saved = &state->descriptors[i];
    if (same_open_file(saved)) sys3(SYS_fcntl, saved->number, F_SETFD, 0);
  }
  /* A privileged program leaves them filled, as jailkit 2.23 did, since its child may rely on the numbers too. */
  if (state->privileged) return;
  for (u64 fd = 0; fd < 3; fd++)
    if (state->filled_descriptors >> fd & 1) sys3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
}
