/*
 * The signals that ask a program to end, held back for JavaScript that must not be cut short in the middle: see
 * ffi/interrupts.ts. A handler, since the runtime has threads and a blocked signal would end the process in another one.
 */
#include "guard.h"
#include "signals.h"
#include "syscalls.h"

#define SIGNAL_RESTORER 0x04000000UL
#define SIGNAL_RESTART 0x10000000UL

static const i64 asking[] = {SIGNAL_HANG_UP, SIGNAL_INTERRUPT, SIGNAL_TERMINATE};

#if defined(__x86_64__)
void return_from_signal(void);
asm("return_from_signal:\n"
    "  mov $15, %eax\n" /* SYS_rt_sigreturn */
    "  syscall\n");
#define RETURN ((u64)return_from_signal)
#else
#define RETURN 0 /* the kernel has its own */
#endif

/* The first one counts. */
static void note_signal(int number) {
  volatile u32 *came = STATE->signal_came;
  if (*came == 0) *came = (u32)number;
}

/* Notes those that come from here on, or lets them end the process again. What the caller ignores stays ignored. */
i64 guard_hold_signals(u64 hold) {
  struct signal_action action = {SIGNAL_DEFAULT, 0, 0, 0};
  if (hold) {
    action.handler = (u64)note_signal;
    action.flags = SIGNAL_RESTART | SIGNAL_RESTORER;
    action.restorer = RETURN;
  }
  i64 error = 0;
  for (u64 i = 0; i < sizeof(asking) / sizeof(*asking); i++) {
    if (STATE->signals_ignored >> (asking[i] - 1) & 1) continue;
    i64 result = sys4(SYS_rt_sigaction, asking[i], &action, 0, 8);
    if (result != 0) error = result;
  }
  return error;
}
