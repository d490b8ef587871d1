/*
 * execve(2) for JavaScript: the new program gets what this program's caller had set up, not what the runtime did. The
 * rest of that is saved in descriptors.c and limits.c, and the signal dispositions and mask here.
 */
#include <asm/signal.h>
#include <linux/close_range.h>
#include <linux/errno.h>
#include "guard.h"
#include "syscalls.h"

enum { SIGNALS = 64 };
#define FIRST_INHERITABLE 3
#define LAST ~0U
#define ALL_SIGNALS ~0UL

struct runtime {
  u64 signal_mask;
  struct sigaction actions[SIGNALS + 1];
  struct limit limits[SAVED_LIMITS];
};

void save_signals(struct state *state) {
  struct sigaction action = {0};
  for (i64 number = 1; number <= SIGNALS; number++) {
    if (sys4(SYS_rt_sigaction, number, 0, &action, 8) == 0 && action.sa_handler == SIG_IGN)
      state->signals_ignored |= 1UL << (number - 1);
  }
  sys4(SYS_rt_sigprocmask, 0, 0, &state->signal_mask, 8);
  /* The runtime uses SIGPWR, and complains if it is ignored; an ignored SIGCHLD loses exit statuses. */
  struct sigaction normal = {0};
  sys4(SYS_rt_sigaction, SIGPWR, &normal, 0, 8);
  if (state->signals_ignored >> (SIGCHLD - 1) & 1) sys4(SYS_rt_sigaction, SIGCHLD, &normal, 0, 8);
}

static void restore_signals(const struct state *state, struct runtime *runtime) {
  for (i64 number = 1; number <= SIGNALS; number++) {
    struct sigaction action = {.sa_handler = state->signals_ignored >> (number - 1) & 1 ? SIG_IGN : SIG_DFL};
    if (sys4(SYS_rt_sigaction, number, &action, &runtime->actions[number], 8) != 0)
      runtime->actions[number].sa_handler = SIG_DFL;
  }
}

/* After a failed execve: JavaScript continues, to report it. */
static void resume_runtime(const struct runtime *runtime, i64 nothing) {
  hide_standard_error(nothing);
  for (i64 number = 1; number <= SIGNALS; number++)
    sys4(SYS_rt_sigaction, number, &runtime->actions[number], 0, 8);
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &runtime->signal_mask, 0, 8);
}

/* A failed execve with limits in which the runtime would crash. */
__attribute__((noreturn)) static void report_failure(i64 error) {
  if (error <= -OF_A_LIMIT) refuse(NOT_PERMITTED, "the limits of the session cannot be set");
  if (error == -ENOENT) refuse(CANNOT_START, "the program or its interpreter does not exist");
  refuse(NOT_PERMITTED, "the program cannot be executed");
}

/* Returns only if it fails: -errno, see also OF_A_LIMIT. */
i64 guard_exec(const char *path, char *const *argv, char *const *env, u64 flags, const struct lowering *lowering) {
  const struct state *state = STATE;
  struct runtime runtime;
  i64 error = sys3(SYS_close_range, FIRST_INHERITABLE, LAST, CLOSE_RANGE_CLOEXEC);
  if (error) return error;
  /* From here on no handler of the runtime may run. */
  u64 all = ALL_SIGNALS;
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &runtime.signal_mask, 8);
  read_limits(runtime.limits);
  i64 nothing = show_standard_error(state);
  error = nothing < 0 ? nothing : flags & EXEC_STANDARD_ONLY ? replace_unsafe_descriptors() : 0;
  if (error) {
    if (nothing >= 0) hide_standard_error(nothing);
    sys4(SYS_rt_sigprocmask, SIG_SETMASK, &runtime.signal_mask, 0, 8);
    return error;
  }
  if (!(flags & EXEC_STANDARD_ONLY)) restore_descriptors(state);
  if (state->directory && !(flags & EXEC_DIRECTORY_CHANGED)) sys1(SYS_fchdir, state->directory - 1);
  set_limits(state->limits, state->limits_known);
  restore_signals(state, &runtime);
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &state->signal_mask, 0, 8);
  /* Last: a hard limit does not rise again. */
  error = lowering ? lower_limits(lowering) : 0;
  error = error ? error - OF_A_LIMIT : sys3(SYS_execve, path, argv, env);
  if (flags & EXEC_FORKED) return error;
  int goes_on = raise_limits_again(runtime.limits, lowering);
  resume_runtime(&runtime, nothing);
  if (goes_on) return error;
  if (lowering && lowering->failure_pipe >= 0) sys3(SYS_write, lowering->failure_pipe, "", 1);
  report_failure(error);
}
