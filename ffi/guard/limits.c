/* Raises resource limits that are too low for the runtime, restores them before an exec, and lowers those of the program. */
#include <linux/errno.h>
#include <linux/resource.h>
#include "guard.h"
#include "syscalls.h"

/* bun:ffi needs the JIT, which reserves this much address space, without using it. */
#define ADDRESS_SPACE (2400UL << 20)
#define STACK_WANTED (8UL << 20)
#define STACK_NEEDED (192UL << 10)
/* A login opens up to 16. */
#define DESCRIPTORS_NEEDED 16

static const u32 resources[SAVED_LIMITS] = {RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK};

/* Raises the soft limit to `wanted`, or to a lower hard limit. Returns the soft limit. */
static u64 raise(u32 resource, const struct limit *limit, u64 wanted) {
  if (limit->soft >= wanted) return limit->soft;
  struct limit raised = {limit->hard < wanted ? limit->hard : wanted, limit->hard};
  return sys4(SYS_prlimit64, 0, resource, &raised, 0) == 0 ? raised.soft : limit->soft;
}

u64 read_limits(struct limit *limits) {
  u64 mask = 0;
  for (u32 i = 0; i < SAVED_LIMITS; i++)
    if (sys4(SYS_prlimit64, 0, resources[i], 0, &limits[i]) == 0) mask |= 1UL << i;
  return mask;
}

/*
 * `stack_used`: the arguments, the environment and the rest that the kernel put on the stack, which count too. The kernel
 * checks the limit when the stack grows, so raising it helps a running program.
 */
void adjust_limits(struct state *state, u64 stack_used) {
  state->limits_known = read_limits(state->limits);
  for (u32 i = 0; i < SAVED_LIMITS; i++) {
    if (!(state->limits_known >> i & 1)) continue;
    struct limit *limit = &state->limits[i];
    if (state->limits_handed && state->handed_limits[i] < limit->soft) limit->soft = state->handed_limits[i];
    switch (resources[i]) {
    case RLIMIT_NOFILE: /* the runtime does this anyway; here it lets ppoll(2) take every descriptor */
      if (raise(RLIMIT_NOFILE, limit, limit->hard) < DESCRIPTORS_NEEDED)
        refuse(CANNOT_START, "the limit on open files (ulimit -n) is below 16: raise it");
      break;
    case RLIMIT_AS:
      if (raise(RLIMIT_AS, limit, ~0UL) < ADDRESS_SPACE)
        refuse(CANNOT_START, "the limit on address space (ulimit -v) is below 2400 MiB: raise it");
      break;
    case RLIMIT_DATA:
      if (raise(RLIMIT_DATA, limit, ~0UL) < ADDRESS_SPACE)
        refuse(CANNOT_START, "the limit on data size (ulimit -d) is below 2400 MiB: raise it");
      break;
    case RLIMIT_STACK:
      if (raise(RLIMIT_STACK, limit, STACK_WANTED + stack_used) < STACK_NEEDED + stack_used)
        refuse(CANNOT_START, "the limit on stack size (ulimit -s) is below 192 KiB and the size of the arguments and "
                             "the environment: raise it");
      break;
    }
  }
}

void set_limits(const struct limit *limits, u64 mask) {
  for (u32 i = 0; i < SAVED_LIMITS; i++)
    if (mask >> i & 1) sys4(SYS_prlimit64, 0, resources[i], &limits[i], 0);
}

/*
 * Lowers soft and hard limits for good, none below what it is already, and reads each back. Returns 0, or -errno of the
 * first that is not set; those before it are.
 */
i64 lower_limits(const struct lowering *lowering) {
  for (u64 i = 0; i < lowering->count; i++) {
    const u64 resource = lowering->each[i].resource, most = lowering->each[i].most;
    struct limit limit;
    i64 error = sys4(SYS_prlimit64, 0, resource, 0, &limit);
    if (error) return error;
    if (limit.soft > most) limit.soft = most;
    if (limit.hard > most) limit.hard = most;
    error = sys4(SYS_prlimit64, 0, resource, &limit, 0);
    limit.soft = limit.hard = ~0UL;
    if (!error) error = sys4(SYS_prlimit64, 0, resource, 0, &limit);
    if (error) return error;
    if (limit.soft > most || limit.hard > most) return -EPERM;
  }
  return 0;
}

/*
 * After a failed exec: gives the runtime its soft limits again, as far as the hard ones allow. Returns 0 if it may crash
 * within them: it has reserved memory by the limits at its start, and starts threads.
 */
int raise_limits_again(const struct limit *limits, const struct lowering *lowering) {
  int enough = 1;
  for (u32 i = 0; i < SAVED_LIMITS; i++) {
    struct limit now;
    if (sys4(SYS_prlimit64, 0, resources[i], 0, &now) != 0) continue;
    u64 soft = raise(resources[i], &now, limits[i].soft);
    if (soft < (resources[i] == RLIMIT_NOFILE ? DESCRIPTORS_NEEDED : limits[i].soft)) enough = 0;
  }
  for (u64 i = 0; lowering && i < lowering->count; i++)
    if (lowering->each[i].resource == RLIMIT_NPROC) enough = 0;
  return enough;
}
