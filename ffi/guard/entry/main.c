/*
 * A native entry: the privileged file of a program that any user may start, while the program itself is part of an
 * executable without privileges. It gives up everything but CAP_SYS_CHROOT and executes the one file that is compiled in,
 * independently of everything that the caller controls. build/guard.ts sets ENTRY_NAME and ENTRY_TARGET.
 */
#include <asm/stat.h>
#include <linux/auxvec.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include "../guard.h"
#include "../syscalls.h"

/* The kernel passes only the stack. */
#if defined(__x86_64__)
asm(".globl _start\n"
    ".section .text.start,\"ax\"\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  call entry_main\n"
    "  hlt\n"
    ".previous\n");
#else
asm(".globl _start\n"
    ".section .text.start,\"ax\"\n"
    "_start:\n"
    "  mov x29, xzr\n"
    "  mov x30, xzr\n"
    "  mov x0, sp\n"
    "  bl entry_main\n"
    "  brk #0\n"
    ".previous\n");
#endif

void refuse(int status, const char *reason) {
  report_refusal(STANDARD_ERROR, ENTRY_NAME, reason, 1);
  for (;;) sys1(SYS_exit_group, refusal_status(ENTRY_NAME, status));
}

/*
 * Checks the file through the descriptor that is then executed. Its directories belong to root, as those of every program
 * that root runs. The group bits are the mask of an ACL, which gives no more than them.
 */
static i64 open_target(void) {
  struct stat file;
  i64 fd = sys4(SYS_openat, AT_FDCWD, ENTRY_TARGET, O_PATH | O_CLOEXEC | O_NOFOLLOW, 0);
  if (fd < 0) refuse(CANNOT_START, ENTRY_TARGET " cannot be opened: install jailkit again");
  if (sys2(SYS_fstat, fd, &file) != 0 || !S_ISREG(file.st_mode) || file.st_uid != 0 ||
      file.st_mode & (S_IWGRP | S_IWOTH | S_ISUID | S_ISGID))
    refuse(CANNOT_START, ENTRY_TARGET " is not a regular file that only root can write: install jailkit again");
  return fd;
}

static char *append(char *to, const char *text) {
  while (*text) *to++ = *text++;
  return to;
}

static char *append_limits(char *to, const struct limit *limits) {
  to = append(to, HANDOVER_LIMITS);
  for (u64 i = 0; i < SAVED_LIMITS; i++)
    for (i32 shift = 4 * (HANDOVER_DIGITS - 1); shift >= 0; shift -= 4) *to++ = "0123456789abcdef"[limits[i].soft >> shift & 15];
  return to;
}

/* See HANDOVER_NAME. */
static char **make_environment(char *const *env, const struct state *state) {
  static const char name[] = HANDOVER_NAME ENTRY_NAME, root[] = HANDOVER_ROOT, limits[] = HANDOVER_LIMITS;
  u64 count = 0, bytes = sizeof(name) + sizeof(root) + sizeof(limits) + SAVED_LIMITS * HANDOVER_DIGITS;
  for (; env[count]; count++) {
    for (const char *at = env[count]; *at; at++) bytes++;
    bytes += sizeof(HANDOVER_PREFIX);
  }
  u64 pointers = (count + 2) * sizeof(char *);
  /* The mapping is all zeros, so every string ends with a NUL, and the pointers with a null. */
  char **made = map_zeros(pointers + bytes);
  char *at = (char *)made + pointers;
  made[0] = at;
  at = append(at, name);
  if (state->uid == 0) at = append(at, root);
  at = append_limits(at, state->limits);
  for (u64 i = 0; i < count; i++) {
    made[i + 1] = ++at;
    at = append(append(at, HANDOVER_PREFIX), env[i]);
  }
  return made;
}

/* The size of what the kernel put on the stack, up to the file name at its end. */
static u64 stack_used(const u64 *stack, char *const *env) {
  while (*env) env++;
  for (const u64 *auxv = (const u64 *)(env + 1); auxv[0]; auxv += 2)
    if (auxv[0] == AT_EXECFN) return auxv[1] - (u64)stack;
  refuse(CANNOT_START, "the kernel gave no AT_EXECFN");
}

__attribute__((used, noreturn)) void entry_main(u64 *stack) {
  char **argv = (char **)(stack + 1);
  char **env = argv + stack[0] + 1;
  close_inherited_descriptors();
  /* Too large for a stack that the caller may have limited. */
  struct state *state = map_zeros(sizeof(struct state));
  save_privileges(state);
  give_up_privileges(state);
  if (state->kept_chroot) pass_chroot_to_program();
  /* The kernel kills a program with a signal if its limits are too low to load the file. */
  adjust_limits(state, stack_used(stack, env));
  char **made = make_environment(env, state);
  i64 error = sys5(SYS_execveat, open_target(), "", argv, made, AT_EMPTY_PATH);
  refuse(CANNOT_START, error == -E2BIG ? "the environment, or one of its variables, is too large"
                                       : ENTRY_TARGET " cannot be executed: install jailkit again");
}
