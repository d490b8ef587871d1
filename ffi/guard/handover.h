/*
 * From a native entry (entry/main.c) to the guard of the executable that it starts (handover.c).
 *
 * Each variable of the caller gets a prefix, so that neither ld.so nor the runtime knows it. One has no prefix, so that
 * it cannot be the caller's: it has the name of the entry, whether root called it, and the soft limits that the entry
 * raised to load the executable: HANDOVER_DIGITS hexadecimal digits for each limit in limits.c.
 *
 * Between that exec and the guard the caller cannot trace or read the process either: ptrace(2) requires that the tracer
 * has all capabilities of the tracee. If the caller may read the executed file, the process is dumpable during this time,
 * and its /proc/PID/fd can be listed, but not opened. Packages install the file with mode 0711, which prevents that too.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#define HANDOVER_PREFIX ":"
#define HANDOVER_NAME "JAILKIT_ENTRY="
#define HANDOVER_ROOT " root"
#define HANDOVER_LIMITS " limits="
enum { HANDOVER_DIGITS = 16 };

#endif
