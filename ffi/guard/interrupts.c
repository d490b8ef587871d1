/*
 * What a signal does while JavaScript cannot: it notes one, or writes a line.
 *
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

/* Its default comes first: a second signal ends the process if nobody reads the words. */
static void end_by_signal(const struct last_words *words, int number) {
  const struct sigaction end = {.sa_handler = SIG_DFL};
  sys4(SYS_rt_sigaction, (u64)number, &end, 0, 8);
  for (u64 i = 0; i < sizeof(asking) / sizeof(*asking); i++)
    if (asking[i] == number) sys3(SYS_write, words->fd, words->bytes[i], words->lengths[i]);
  sys2(SYS_kill, sys0(SYS_getpid), (u64)number);
}

/* Only the first one counts. During a look-up, before anything is changed, it ends the process: see ffi/last-words.ts. */
static void note_signal(int number) {
  struct last_words *words = STATE->changing->last_words;
  u32 may_end = WORDS_MAY_END;
  if (words && __atomic_compare_exchange_n(&words->phase, &may_end, WORDS_ENDING, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    end_by_signal(words, number);
    return;
  }
  volatile u32 *received = &STATE->changing->received_signal;
  if (*received == 0) *received = (u32)number;
}

/* A look-up of the C library may wait for a long time: see ffi/waiting.ts. */
static void write_notice(int number) {
  (void)number;
  struct notice *notice = STATE->changing->notice;
  u32 armed = NOTICE_ARMED;
  if (!__atomic_compare_exchange_n(&notice->phase, &armed, NOTICE_WRITING, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return;
  sys3(SYS_write, notice->fd, notice->bytes, notice->length);
  __atomic_store_n(&notice->phase, NOTICE_ARMED, __ATOMIC_RELEASE);
}

/* From now on the signal writes that notice. */
i64 guard_write_notices(struct notice *notice, u64 signal) {
  const struct sigaction write = {.sa_handler = write_notice, RETURN};
  STATE->changing->notice = notice;
  return sys4(SYS_rt_sigaction, signal, &write, 0, 8);
}

/*
 * The thread of that signal, for pthread_create(3). In the thread that looks up it would interrupt a system call, which
 * some name services (libnss_winbind) take for a failure. It leaves other signals to the others, except those by which
 * the C library changes the ids of every thread. It ends at the first signal after NOTICE_LAST.
 */
void *guard_notices_thread(u64 signal) {
  const u64 of_library = 1UL << (32 - 1) | 1UL << (33 - 1);
  const u64 blocked = ~of_library, waiting = ~(of_library | 1UL << (signal - 1));
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, 0, 8);
  __atomic_store_n(&STATE->changing->notices_thread, (u32)sys0(SYS_gettid), __ATOMIC_RELEASE);
  while (__atomic_load_n(&STATE->changing->notice->phase, __ATOMIC_ACQUIRE) != NOTICE_LAST)
    sys5(SYS_ppoll, 0, 0, 0, &waiting, 8);
  return 0;
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
