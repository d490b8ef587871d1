#ifndef REFUSAL_H
#define REFUSAL_H

#include "guard.h"

/*
 * One line on descriptor `fd` that tells why `who` does not start. `logged`: a program that any user may start, so the
 * line also goes to the log of the host, with an error id that the user is told. Nothing the caller gave is in it, so
 * nothing has to be escaped.
 */
void tell_refusal(i64 fd, const char *who, const char *reason, int logged);

#endif
