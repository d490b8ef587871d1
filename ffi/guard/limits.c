/* Resource limits under which the runtime cannot start are raised for it, and put back before an exec. */
#include "guard.h"
#include "syscalls.h"

enum { RLIMIT_DATA = 2, RLIMIT_STACK = 3, RLIMIT_NOFILE = 7, RLIMIT_AS = 9 };

/* bun:ffi needs the JIT, which reserves (and does not use) so much address space. */
#define ADDRESS_SPACE (2400UL << 20)
#define STACK_WANTED (8UL << 20)
#define STACK_NEEDED (160UL << 10)

static const u32 resources[SAVED_LIMITS] = {RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK};

/* The soft limit becomes `wanted`, or the hard limit where that is lower; the result. */
static u64 raise(u32 resource, const struct limit *limit, u64 wanted) {
  if (limit->soft >= wanted) return limit->soft;
  struct limit raised = {limit->hard < wanted ? limit->hard : wanted, limit->hard};
  return sys4(SYS_prlimit64, 0, resource, &raised, 0) == 0 ? raised.soft : limit->soft;
}

u64 read_limits(struct limit *limits) {
  u64 known = 0;
  for (u32 i = 0; i < SAVED_LIMITS; i++)
    if (sys4(SYS_prlimit64, 0, resources[i], 0, &limits[i]) == 0) known |= 1UL << i;
  return known;
}

void adjust_limits(struct state *state) {
  state->limits_known = read_limits(state->limits);
  for (u32 i = 0; i < SAVED_LIMITS; i++) {
    if (!(state->limits_known >> i & 1)) continue;
    const struct limit *limit = &state->limits[i];
    switch (resources[i]) {
    case RLIMIT_NOFILE: /* the runtime does this anyway; done here, ppoll(2) takes every descriptor */
      raise(RLIMIT_NOFILE, limit, limit->hard);
      break;
    case RLIMIT_AS:
      if (raise(RLIMIT_AS, limit, ~0UL) < ADDRESS_SPACE)
        refuse(CANNOT_START, "the limit on address space (ulimit -v) is below 2400 MiB: raise it\n");
      break;
    case RLIMIT_DATA:
      if (raise(RLIMIT_DATA, limit, ~0UL) < ADDRESS_SPACE)
        refuse(CANNOT_START, "the limit on data size (ulimit -d) is below 2400 MiB: raise it\n");
      break;
    case RLIMIT_STACK:
      if (raise(RLIMIT_STACK, limit, STACK_WANTED) < STACK_NEEDED)
        refuse(CANNOT_START, "the limit on stack size (ulimit -s) is below 160 KiB: raise it\n");
      break;
    }
  }
}

void set_limits(const struct limit *limits, u64 known) {
  for (u32 i = 0; i < SAVED_LIMITS; i++)
    if (known >> i & 1) sys4(SYS_prlimit64, 0, resources[i], &limits[i], 0);
}
