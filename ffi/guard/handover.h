/*
 * From a native entry (entry/main.c) to the guard of the executable that it starts (handover.c).
 *
 * The first variable of the environment is the prefix and the entry's name, with a mark behind it where root has
 * called. The others are the caller's, each behind the prefix: neither ld.so nor the runtime knows such names, and
 * what they mean by their own is nothing to them.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#define HANDOVER_PREFIX ":"
#define HANDOVER_ROOT " root"

#endif
