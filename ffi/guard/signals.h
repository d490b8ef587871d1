#ifndef SIGNALS_H
#define SIGNALS_H

#include "guard.h"

enum { SIGNALS = 64 };
enum { SIGNAL_HANG_UP = 1, SIGNAL_INTERRUPT = 2, SIGNAL_TERMINATE = 15, SIGNAL_CHILD = 17, SIGNAL_POWER = 30 };
enum { SIGNAL_DEFAULT = 0, SIGNAL_IGNORE = 1 };

/* What rt_sigaction takes (x86-64 has a restorer; aarch64 has the word, too, and does not use it). */
struct signal_action {
  u64 handler, flags, restorer, mask;
};

#endif
