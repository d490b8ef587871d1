/* Signal dispositions and the signal mask, as the caller left them. signal(7). */
#include "guard.h"
#include "signals.h"
#include "syscalls.h"

void save_signals(struct state *state) {
  struct signal_action action = {SIGNAL_DEFAULT, 0, 0, 0};
  for (i64 number = 1; number <= SIGNALS; number++) {
    if (sys4(SYS_rt_sigaction, number, 0, &action, 8) == 0 && action.handler == SIGNAL_IGNORE)
      state->signals_ignored |= 1UL << (number - 1);
  }
  sys4(SYS_rt_sigprocmask, 0, 0, &state->signal_mask, 8);
  /* The runtime uses SIGPWR, and complains if it is ignored; an ignored SIGCHLD loses exit statuses. */
  struct signal_action normal = {SIGNAL_DEFAULT, 0, 0, 0};
  sys4(SYS_rt_sigaction, SIGNAL_POWER, &normal, 0, 8);
  if (state->signals_ignored >> (SIGNAL_CHILD - 1) & 1) sys4(SYS_rt_sigaction, SIGNAL_CHILD, &normal, 0, 8);
}
