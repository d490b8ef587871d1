/*
 * From a native entry (entry/main.c) to the guard of the executable that it starts (handover.c).
 *
 * Each variable of the caller's stands behind a prefix, so that it is none that ld.so or the runtime knows. One has no
 * prefix, so that it cannot be the caller's: it names the entry, and tells whether root has called, and the soft limits
 * that the entry raised so that the executable can be loaded: HANDOVER_DIGITS hexadecimal digits for each in limits.c.
 *
 * From that exec until the guard runs the caller can trace or read the process as little as after it: ptrace(2) wants
 * all the capabilities of the tracee in the tracer. Where the executed file can be read by the caller the process is
 * dumpable in this time, and /proc/PID/fd can be listed (not opened); packages install it with mode 0711, which makes
 * the kernel keep it from that, too.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#define HANDOVER_PREFIX ":"
#define HANDOVER_NAME "JAILKIT_ENTRY="
#define HANDOVER_ROOT " root"
#define HANDOVER_LIMITS " limits="
enum { HANDOVER_DIGITS = 16 };

#endif
