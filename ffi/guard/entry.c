/* The first instructions: they pass the registers and the stack of ld.so to the runtime unchanged. */
#include "guard.h"

#if defined(__x86_64__)
/* rdx is a function that ld.so wants called at exit; the stack is aligned to 16 bytes at the call. */
asm(".globl guard_start\n"
    ".section .text.start,\"ax\"\n"
    "guard_start:\n"
    "  mov %rsp, %rdi\n"
    "  push %rdx\n"
    "  sub $8, %rsp\n"
    "  call guard_main\n"
    "  add $8, %rsp\n"
    "  pop %rdx\n"
    "  jmp *config+16(%rip)\n" /* runtime_entry */
    ".previous\n");
#else
/* The same in x0. */
asm(".globl guard_start\n"
    ".section .text.start,\"ax\"\n"
    "guard_start:\n"
    "  stp x0, x30, [sp, #-16]!\n"
    "  add x0, sp, #16\n"
    "  bl guard_main\n"
    "  ldp x0, x30, [sp], #16\n"
    "  adrp x16, config\n"
    "  add x16, x16, :lo12:config\n"
    "  ldr x16, [x16, #16]\n" /* runtime_entry */
    "  br x16\n"
    ".previous\n");
#endif

_Static_assert(__builtin_offsetof(struct config, runtime_entry) == 16, "the jump above");
_Static_assert(__builtin_offsetof(struct config, state_slot) == 64, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, execfn) == 40, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, stack_top) == 104, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, write_pid) == 112, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, daemon) == 120, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, entry) == 128, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, standard_error) == 136, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, hold_signals) == 144, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, changing) == 152, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, directory) == 160, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, write_notices) == 168, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, notices_thread) == 176, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, rules) == 184, "ffi/guard.ts");
_Static_assert(__builtin_offsetof(struct state, keys) == 192, "ffi/guard.ts");

__attribute__((section(".config"), used)) const volatile struct config config = {
    .magic = GUARD_MAGIC,
    .size = sizeof(struct config),
};
