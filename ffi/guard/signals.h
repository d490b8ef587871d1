#ifndef SIGNALS_H
#define SIGNALS_H

#include "guard.h"

enum { SIGNALS = 64 };
enum { SIGNAL_HANG_UP = 1, SIGNAL_INTERRUPT = 2, SIGNAL_TERMINATE = 15, SIGNAL_CHILD = 17, SIGNAL_POWER = 30 };
enum { SIGNAL_DEFAULT = 0, SIGNAL_IGNORE = 1 };

/* For rt_sigaction(2). aarch64 has the restorer too, but does not use it. */
struct signal_action {
  u64 handler, flags, restorer, mask;
};

#endif
