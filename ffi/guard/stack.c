/*
 * The runtime asks pthread_getattr_np(3) for the bounds of the main thread's stack, and aborts if that fails. glibc reads
 * them from /proc/self/maps, and a jail has no /proc, so this code answers.
 */
#include <linux/resource.h>
#include "guard.h"
#include "syscalls.h"

#define USUAL_SIZE (8UL << 20)
#define LARGEST_SIZE (1UL << 30)

#define FUNCTION(slot, type) (*(type *)config.slot)
typedef u64 (*pthread_self_function)(void);
typedef i32 (*pthread_attr_init_function)(void *attributes);
typedef i32 (*pthread_attr_setstack_function)(void *attributes, u64 lowest, u64 size);
typedef i32 (*pthread_getattr_np_function)(u64 thread, void *attributes);

static i32 main_thread_attributes(void *attributes) {
  struct state *state = STATE;
  u64 limit[2] = {0, 0};
  sys4(SYS_prlimit64, 0, RLIMIT_STACK, 0, limit);
  u64 size = limit[0] > LARGEST_SIZE || limit[0] == 0 ? USUAL_SIZE : limit[0];
  size &= ~(state->page_size - 1);
  i32 error = FUNCTION(got_pthread_attr_init, pthread_attr_init_function)(attributes);
  if (error) return error;
  return FUNCTION(got_pthread_attr_setstack, pthread_attr_setstack_function)(attributes, state->stack_top - size,
                                                                            size);
}

static i32 guard_pthread_getattr_np(u64 thread, void *attributes) {
  u64 self = FUNCTION(got_pthread_self, pthread_self_function)();
  if (thread == self && sys0(SYS_gettid) == sys0(SYS_getpid)) return main_thread_attributes(attributes);
  return ((pthread_getattr_np_function)STATE->real_pthread_getattr_np)(thread, attributes);
}

/* ld.so has filled the slot, since the injector makes it bind everything at start. */
void override_stack_lookup(struct state *state) {
  u64 *slot = (u64 *)config.got_pthread_getattr_np;
  state->real_pthread_getattr_np = *slot;
  *slot = (u64)guard_pthread_getattr_np;
}
