/*
 * Holds back the signals that ask a program to end, for JavaScript that must not be interrupted: see ffi/interrupts.ts.
 * It uses a handler, since a blocked signal would end the process in another thread of the runtime.
 */
#include <asm/signal.h>
#include "guard.h"
#include "syscalls.h"

static const i64 asking[] = {SIGHUP, SIGINT, SIGTERM};

#if defined(__x86_64__)
void return_from_signal(void);
asm("return_from_signal:\n"
    "  mov $15, %eax\n" /* SYS_rt_sigreturn */
    "  syscall\n");
#define RETURN .sa_flags = SA_RESTART | SA_RESTORER, .sa_restorer = return_from_signal
#else
/* The kernel's own, unless there is SA_RESTORER. */
#define RETURN .sa_flags = SA_RESTART
#endif

/* Only the first one counts. */
static void note_signal(int number) {
  volatile u32 *received = STATE->received_signal;
  if (*received == 0) *received = (u32)number;
}

/* Notes later signals, or lets them end the process again. Signals that the caller ignores stay ignored. */
i64 guard_hold_signals(u64 hold) {
  const struct sigaction end = {.sa_handler = SIG_DFL};
  const struct sigaction note = {.sa_handler = note_signal, RETURN};
  i64 error = 0;
  for (u64 i = 0; i < sizeof(asking) / sizeof(*asking); i++) {
    if (STATE->signals_ignored >> (asking[i] - 1) & 1) continue;
    i64 result = sys4(SYS_rt_sigaction, asking[i], hold ? &note : &end, 0, 8);
    if (result != 0) error = result;
  }
  return error;
}
