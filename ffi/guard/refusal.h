#ifndef REFUSAL_H
#define REFUSAL_H

#include "guard.h"

/*
 * Writes one line to `fd` with the reason why `who` does not start. `logged`: any user may start the program, so the line
 * also goes to the host's log, with an error id that is shown to the user. It contains nothing of the caller's, so
 * nothing needs to be escaped.
 */
void report_refusal(i64 fd, const char *who, const char *reason, int logged);

/* The exit status of `who`: a mail server loses the mail after CANNOT_START, and keeps it after TRY_AGAIN. */
int refusal_status(const char *who, int status);

#endif
