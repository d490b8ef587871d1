/* System calls without a C library: numbers and the one instruction. Results below 0 are -errno. */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include "guard.h"

#if defined(__x86_64__)
enum {
  SYS_read = 0,
  SYS_write = 1,
  SYS_close = 3,
  SYS_fstat = 5,
  SYS_mmap = 9,
  SYS_mprotect = 10,
  SYS_rt_sigaction = 13,
  SYS_rt_sigprocmask = 14,
  SYS_getpid = 39,
  SYS_socket = 41,
  SYS_sendto = 44,
  SYS_clone = 56,
  SYS_execve = 59,
  SYS_wait4 = 61,
  SYS_fcntl = 72,
  SYS_getcwd = 79,
  SYS_chdir = 80,
  SYS_fchdir = 81,
  SYS_setsid = 112,
  SYS_setgroups = 116,
  SYS_setresuid = 117,
  SYS_getresuid = 118,
  SYS_setresgid = 119,
  SYS_getresgid = 120,
  SYS_setfsuid = 122,
  SYS_setfsgid = 123,
  SYS_capget = 125,
  SYS_capset = 126,
  SYS_fstatfs = 138,
  SYS_prctl = 157,
  SYS_gettid = 186,
  SYS_exit_group = 231,
  SYS_openat = 257,
  SYS_unlinkat = 263,
  SYS_renameat = 264,
  SYS_ppoll = 271,
  SYS_dup3 = 292,
  SYS_prlimit64 = 302,
  SYS_getrandom = 318,
  SYS_memfd_create = 319,
  SYS_execveat = 322,
};

static inline i64 system_call(i64 number, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
  i64 result;
  register i64 r10 asm("r10") = d;
  register i64 r8 asm("r8") = e;
  register i64 r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum {
  SYS_getcwd = 17,
  SYS_dup3 = 24,
  SYS_fcntl = 25,
  SYS_unlinkat = 35,
  SYS_renameat = 38,
  SYS_fstatfs = 44,
  SYS_chdir = 49,
  SYS_fchdir = 50,
  SYS_openat = 56,
  SYS_close = 57,
  SYS_read = 63,
  SYS_write = 64,
  SYS_ppoll = 73,
  SYS_fstat = 80,
  SYS_capget = 90,
  SYS_capset = 91,
  SYS_exit_group = 94,
  SYS_rt_sigaction = 134,
  SYS_rt_sigprocmask = 135,
  SYS_setresuid = 147,
  SYS_getresuid = 148,
  SYS_setresgid = 149,
  SYS_getresgid = 150,
  SYS_setfsuid = 151,
  SYS_setfsgid = 152,
  SYS_setsid = 157,
  SYS_setgroups = 159,
  SYS_prctl = 167,
  SYS_getpid = 172,
  SYS_gettid = 178,
  SYS_socket = 198,
  SYS_sendto = 206,
  SYS_clone = 220,
  SYS_execve = 221,
  SYS_mmap = 222,
  SYS_mprotect = 226,
  SYS_wait4 = 260,
  SYS_prlimit64 = 261,
  SYS_getrandom = 278,
  SYS_memfd_create = 279,
  SYS_execveat = 281,
};

static inline i64 system_call(i64 number, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
  register i64 x8 asm("x8") = number;
  register i64 x0 asm("x0") = a;
  register i64 x1 asm("x1") = b;
  register i64 x2 asm("x2") = c;
  register i64 x3 asm("x3") = d;
  register i64 x4 asm("x4") = e;
  register i64 x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "the guard knows x86-64 and aarch64"
#endif

enum { SYS_close_range = 436 }; /* the same on both */

#define sys0(n) system_call(n, 0, 0, 0, 0, 0, 0)
#define sys1(n, a) system_call(n, (i64)(a), 0, 0, 0, 0, 0)
#define sys2(n, a, b) system_call(n, (i64)(a), (i64)(b), 0, 0, 0, 0)
#define sys3(n, a, b, c) system_call(n, (i64)(a), (i64)(b), (i64)(c), 0, 0, 0)
#define sys4(n, a, b, c, d) system_call(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), 0, 0)
#define sys5(n, a, b, c, d, e) system_call(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), 0)
#define sys6(n, a, b, c, d, e, f) system_call(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), (i64)(f))

#endif
