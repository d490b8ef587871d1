/*
 * The keyrings of a user, for ffi/keys.ts: user-keyring(7), user-session-keyring(7), persistent-keyring(7). The kernel knows
 * whose are meant by the real uid of a process, which whoever has that uid may stop and end meanwhile, as by a setuid program of
 * an account that is gone. So a process of its own gets the uid, which starts and ends here, and is given up if it does not answer.
 */
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/keyctl.h>
#include <linux/poll.h>
#include <linux/time.h>
#include <linux/wait.h>
#include "guard.h"
#include "syscalls.h"

#define ALL_SIGNALS ~0UL

enum {
  ANSWER_SECONDS = 1, /* from the process, which waits less for the kernel */
  PATIENCE_MS = 500,
  /* As the kernel makes keyrings: all for who possesses them but to change this, and all for the user. */
  RIGHTS = 0x1f3f0000,
};

#define keyctl(command, a, b, c) sys5(SYS_keyctl, command, a, b, c, 0)

static i64 milliseconds(void) {
  i64 time[2] = {0, 0};
  sys2(SYS_clock_gettime, CLOCK_MONOTONIC, time);
  return time[0] * 1000 + time[1] / 1000000;
}

/*
 * The number of a keyring by what the kernel calls it, which is not `old`, or -errno. For a while what was removed is not gone,
 * and another machine with the same kernel may be removing those of the uid, too.
 */
static i64 number_of(i64 ring, i64 old, i64 until) {
  const i64 millisecond[2] = {0, 1000000};
  for (;;) {
    i64 serial = keyctl(KEYCTL_GET_KEYRING_ID, ring, 0, 0);
    if (old == 0 ? serial != -ENOKEY : serial >= 0 && serial != old) return serial;
    if (milliseconds() > until) return serial == old ? -EBUSY : serial;
    sys2(SYS_nanosleep, millisecond, 0);
  }
}

/* Removes a keyring. Returns 1 if a key but `except` was in it, 0 or -errno. */
static i64 remove_ring(i64 ring, i64 except) {
  i32 keys[2];
  i64 bytes = keyctl(KEYCTL_READ, ring, keys, sizeof(keys));
  i64 result = bytes < 0 ? bytes : keyctl(KEYCTL_INVALIDATE, ring, 0, 0);
  if (result < 0) return result == -ENOKEY ? 0 : result;
  return bytes > (i64)sizeof(*keys) || (bytes > 0 && keys[0] != except);
}

/*
 * One of the two keyrings that the kernel makes anew, which is removed with `removes`; its number becomes `serial`. By what the
 * kernel calls them, which gives the rights of who possesses them: to link one would fail for many keyrings in keyrings.
 */
static i64 work_on_ring(i64 ring, u64 removes, i64 except, i64 *serial, i64 until) {
  /* Its user may have taken the own rights to it. */
  if (removes) keyctl(KEYCTL_SETPERM, ring, RIGHTS, 0);
  *serial = number_of(ring, 0, until);
  if (*serial < 0 || !removes) return *serial < 0 ? *serial : 0;
  i64 had = remove_ring(ring, except);
  i64 other = had < 0 ? had : number_of(ring, *serial, until);
  return other < 0 ? other : had;
}

/* The real id of the user, and the one for files, which has the rights of the user to the keyrings. */
static i64 take_ids(u32 uid) {
  u32 real, effective, saved;
  i64 error = done(sys3(SYS_setresuid, uid, -1, -1));
  if (error == 0) error = done(sys3(SYS_getresuid, &real, &effective, &saved));
  if (error < 0) return error;
  sys1(SYS_setfsuid, uid);
  return real != uid || effective != 0 || saved != 0 || (u32)sys1(SYS_setfsuid, -1) != uid ? -EPERM : 0;
}

/* As guard_keys. */
static i64 work_on(u32 uid, u64 removes) {
  /* Root's, which counts as nothing that the user has: the user may have as much as a user may. */
  i64 thread = keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 1, 0);
  if (thread == -EPERM || thread == -ENOSYS) return 0;
  i64 own, session, until = milliseconds() + PATIENCE_MS, error = take_ids(uid);
  if (error < 0) return error;
  /* In this order: the kernel makes a session keyring with a link to the other one, which has to be the new one. */
  i64 had = work_on_ring(KEY_SPEC_USER_KEYRING, removes, 0, &own, until);
  /* Who has a session keyring that fails has no other one, either: the kernel looks for both. */
  i64 had_session = had < 0 ? had : work_on_ring(KEY_SPEC_USER_SESSION_KEYRING, removes, own, &session, until);
  if (had_session < 0) return had_session;
  /* Last: its user can make that fail, by keyrings in keyrings. */
  i64 persistent = keyctl(KEYCTL_GET_PERSISTENT, uid, KEY_SPEC_THREAD_KEYRING, 0);
  if (persistent == -EOPNOTSUPP || persistent == -ENOSYS || (persistent >= 0 && !removes)) persistent = 0;
  if (persistent > 0) persistent = remove_ring(persistent, 0);
  return persistent < 0 ? persistent : had | had_session | persistent;
}

/*
 * Returns 1 if it has removed keys, 0 or -errno, which is -ECANCELED if there was no answer. 0 also where nobody may use
 * keyctl(2), as in a container, or the kernel has no keys.
 */
i64 guard_keys(u64 uid, u64 removes) {
  const u64 all = ALL_SIGNALS;
  u64 mask;
  i32 ends[2];
  i64 answer, error = done(sys2(SYS_pipe2, ends, O_CLOEXEC));
  if (error < 0) return error;
  /* No handler of the runtime may run in the new process. */
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, 8);
  /* Without a signal for its end, by which others would wait for it, or nobody could. */
  i64 child = sys5(SYS_clone, 0, 0, 0, 0, 0);
  if (child == 0) {
    /* The run's locks are among them. */
    sys3(SYS_close_range, 0, ends[1] - 1, 0);
    sys3(SYS_close_range, ends[1] + 1, ~0U, 0);
    answer = work_on((u32)uid, removes);
    sys3(SYS_write, ends[1], &answer, sizeof(answer));
    for (;;) sys1(SYS_exit_group, 0);
  }
  sys1(SYS_close, ends[1]);
  if (child > 0) {
    struct pollfd ready = {ends[0], POLLIN, 0};
    i64 time[2] = {ANSWER_SECONDS, 0};
    error = sys5(SYS_ppoll, &ready, 1, time, 0, 8) == 1 &&
            sys3(SYS_read, ends[0], &answer, sizeof(answer)) == sizeof(answer)
            ? answer : -ECANCELED;
    sys2(SYS_kill, child, SIGKILL);
    sys4(SYS_wait4, child, 0, __WALL, 0);
  } else {
    error = child;
  }
  sys1(SYS_close, ends[0]);
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
  return error;
}
