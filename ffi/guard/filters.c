/* The filters of system calls of a session, seccomp(2), for JavaScript. */
#include <linux/errno.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include "guard.h"
#include "syscalls.h"

struct filter_program {
  u64 filters;
  u16 length; /* in struct sock_filter, two words each */
  const u32 *words;
};

/* A call that a filter refuses with an error that neither the kernel nor another filter gives. */
struct filter_proof {
  u64 filter;
  i64 call, arguments[3], error;
};

#include "filter-words.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static i64 install(const struct filter_program *program) {
  struct sock_fprog filter = {program->length, (struct sock_filter *)program->words};
  return done(sys3(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
}

/* The kernel also says EINVAL to a filter that is wrong. It has none if it says so where there is no filter at all. */
static int has_filters(void) {
  return sys3(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0) != -EINVAL;
}

/* As one program if there is one of all of them, else one after the other. */
static i64 install_all(u64 wanted) {
  for (u64 i = 0; i < COUNT_OF(filter_programs); i++)
    if (filter_programs[i].filters == wanted) return install(&filter_programs[i]);
  i64 error = 0;
  for (u64 i = 0; !error && i < COUNT_OF(filter_proofs); i++) {
    u64 one = filter_proofs[i].filter;
    if (wanted & one) error = install_all(one);
  }
  return error;
}

i64 install_filters(u64 wanted) {
  if (!wanted) return 0;
  i64 error = install_all(wanted);
  if (error == -EINVAL && !has_filters()) return NO_FILTERS;
  if (error) return error;
  for (u64 i = 0; i < COUNT_OF(filter_proofs); i++) {
    const struct filter_proof *proof = &filter_proofs[i];
    if (!(wanted & proof->filter)) continue;
    const i64 *words = proof->arguments;
    if (sys3(proof->call, words[0], words[1], words[2]) != -proof->error) return -proof->error;
    wanted &= ~proof->filter;
  }
  /* What has no proof here is not one of ours. */
  return wanted ? -EINVAL : 0;
}
