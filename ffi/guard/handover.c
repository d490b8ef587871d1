/* The receiving end of a native entry: see handover.h. */
#include "handover.h"
#include "guard.h"
#include "syscalls.h"

enum { PR_SET_NAME = 15 };

static const char *const entries[] = {"jk_chrootsh", "jk_uchroot", "jk_procmailwrapper"};

/* What follows `start` in `text`; null where it does not begin so. */
static const char *after(const char *text, const char *start) {
  while (*start)
    if (*text++ != *start++) return 0;
  return text;
}

/* The entry that a variable names, and whether root called it. */
static const char *entry_of(const char *variable, u64 *root_called) {
  const char *name = after(variable, HANDOVER_NAME);
  for (u64 i = 0; name && i < sizeof(entries) / sizeof(*entries); i++) {
    const char *rest = after(name, entries[i]);
    const char *end = rest ? after(rest, HANDOVER_ROOT) : 0;
    if (end) rest = end;
    if (!rest || *rest) continue;
    *root_called = end != 0;
    return entries[i];
  }
  return 0;
}

/*
 * The name is not the proof: anybody can set a variable. What makes the process a privileged one is CAP_SYS_CHROOT in
 * the ambient set, which the entry alone puts there; without it the program runs only to say that it has no privilege.
 */
void take_handover(struct state *state) {
  if (config.privileged != PRIVILEGED_BY_ENTRY) return;
  u64 root_called = 0, at = state->envc;
  for (u64 i = 0; i < state->envc; i++) {
    if (after(state->env[i], HANDOVER_PREFIX)) continue;
    if (at < state->envc) return;
    at = i;
  }
  const char *entry = at < state->envc ? entry_of(state->env[at], &root_called) : 0;
  if (!entry) return;
  check_handed_privileges(state);
  sys2(SYS_prctl, PR_SET_NAME, entry);
  state->entry = entry;
  state->root_called = root_called;
  state->privileged = 1;
  state->envc--;
  for (u64 i = 0; i < state->envc; i++) state->env[i] = state->env[i + (i >= at)] + sizeof(HANDOVER_PREFIX) - 1;
}
