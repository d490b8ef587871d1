/* The receiving end of a native entry: see HANDOVER_NAME in guard.h. */
#include <linux/prctl.h>
#include "guard.h"
#include "syscalls.h"

static const char *const entries[] = {"jk_chrootsh", "jk_uchroot", "jk_procmailwrapper"};

/* The rest of `text` after `start`; null if it does not begin with it. */
static const char *after(const char *text, const char *start) {
  while (*start)
    if (*text++ != *start++) return 0;
  return text;
}

/* Reads the limits at the end of a variable; 0 if they are malformed. */
static int read_handed_limits(const char *digits, u64 *limits) {
  for (u64 i = 0; i < SAVED_LIMITS; i++) {
    limits[i] = 0;
    for (u64 digit = 0; digit < HANDOVER_DIGITS; digit++, digits++) {
      u64 value = *digits >= 'a' && *digits <= 'f' ? (u64)(*digits - 'a' + 10) : (u64)(*digits - '0');
      if (value > 15) return 0;
      limits[i] = limits[i] << 4 | value;
    }
  }
  return *digits == 0;
}

/* The entry that a variable names, whether root called it, and the limits, if there are any. */
static const char *entry_of(const char *variable, u64 *root_called, u64 *limits, u64 *limits_handed) {
  const char *name = after(variable, HANDOVER_NAME);
  for (u64 i = 0; name && i < sizeof(entries) / sizeof(*entries); i++) {
    const char *rest = after(name, entries[i]);
    if (!rest) continue;
    const char *root = after(rest, HANDOVER_ROOT);
    if (root) rest = root;
    const char *digits = after(rest, HANDOVER_LIMITS);
    if (digits ? !read_handed_limits(digits, limits) : *rest) continue;
    *root_called = root != 0;
    *limits_handed = digits != 0;
    return entries[i];
  }
  return 0;
}

/*
 * The name proves nothing, since anyone can set a variable. CAP_SYS_CHROOT in the ambient set makes the process a
 * privileged one, and only the entry puts it there. Without it the program only reports that it has no privilege.
 */
void take_handover(struct state *state) {
  if (config.privileged != PRIVILEGED_BY_ENTRY) return;
  u64 root_called = 0, at = state->envc;
  for (u64 i = 0; i < state->envc; i++) {
    if (after(state->env[i], HANDOVER_PREFIX)) continue;
    if (at < state->envc) return;
    at = i;
  }
  u64 limits[SAVED_LIMITS], limits_handed = 0;
  const char *entry = at < state->envc ? entry_of(state->env[at], &root_called, limits, &limits_handed) : 0;
  if (!entry) return;
  check_handed_privileges(state);
  sys2(SYS_prctl, PR_SET_NAME, entry);
  state->entry = entry;
  state->root_called = root_called;
  state->limits_handed = limits_handed;
  for (u64 i = 0; limits_handed && i < SAVED_LIMITS; i++) state->handed_limits[i] = limits[i];
  state->privileged = 1;
  state->envc--;
  for (u64 i = 0; i < state->envc; i++) state->env[i] = state->env[i + (i >= at)] + sizeof(HANDOVER_PREFIX) - 1;
}
