/* System calls without a C library: the one instruction. Results below 0 are -errno. */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include <linux/errno.h>
#include <linux/mman.h>
#include <sys/syscall.h>
#include "guard.h"

#if defined(__x86_64__)
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

#define sys0(n) system_call(n, 0, 0, 0, 0, 0, 0)
#define sys1(n, a) system_call(n, (i64)(a), 0, 0, 0, 0, 0)
#define sys2(n, a, b) system_call(n, (i64)(a), (i64)(b), 0, 0, 0, 0)
#define sys3(n, a, b, c) system_call(n, (i64)(a), (i64)(b), (i64)(c), 0, 0, 0)
#define sys4(n, a, b, c, d) system_call(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), 0, 0)
#define sys5(n, a, b, c, d, e) system_call(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), 0)
#define sys6(n, a, b, c, d, e, f) system_call(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), (i64)(f))

/* Of a call that returns 0 or -errno: a kernel that says anything else has not done it. */
static inline i64 done(i64 result) {
  return result > 0 ? -EPERM : result;
}

static inline void *map_zeros(u64 bytes) {
  i64 address = sys6(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address < 0 && address > -4096) refuse(CANNOT_START, "out of memory");
  return (void *)address;
}

#endif
