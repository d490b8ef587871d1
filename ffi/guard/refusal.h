#ifndef REFUSAL_H
#define REFUSAL_H

#include "guard.h"

/*
 * One line on descriptor `fd` that tells why `who` does not start. `logged`: a program that any user may start, so the
 * line also goes to the log of the host, with an error id that the user is told. Nothing the caller gave is in it, so
 * nothing has to be escaped.
 */
void tell_refusal(i64 fd, const char *who, const char *reason, int logged);

/* The exit status that `who` ends with: at CANNOT_START a mail server loses the mail, which it keeps at TRY_AGAIN. */
int refusal_status(const char *who, int status);

#endif
