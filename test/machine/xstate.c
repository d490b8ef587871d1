/*
 * For linux.uml as Debian 13 builds it, to be loaded by LD_PRELOAD. That has 2696 bytes for the registers of a process.
 * A processor with AMX has more: then ptrace(2) cuts off what it reads, and refuses to set what was cut off, and no
 * process ever starts there. So what is set is made whole again. Without the tiles of AMX, which nothing uses there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* Where XSTATE_BV stands, and its bits of the tiles: Intel's manual, volume 1, 13.4.2 and 13.5.14. */
#define HEADER 512
#define TILES (UINT64_C(3) << 17)

typedef long (*ptrace_function)(enum __ptrace_request, ...);

long ptrace(enum __ptrace_request request, ...)
{
    static ptrace_function next;
    static unsigned char whole[1 << 16] __attribute__((aligned(64)));
    va_list list;
    va_start(list, request);
    int pid = va_arg(list, int);
    void *address = va_arg(list, void *);
    void *data = va_arg(list, void *);
    va_end(list);

    if (next == NULL) next = (ptrace_function)dlsym(RTLD_NEXT, "ptrace");
    long result = next(request, pid, address, data);
    if (result == 0 || request != PTRACE_SETREGSET || (uintptr_t)address != NT_X86_XSTATE) return result;

    struct iovec *given = data, all = { whole, sizeof whole };
    if (next(PTRACE_GETREGSET, pid, address, &all) != 0 || given->iov_len > all.iov_len) return result;
    if (given->iov_len < HEADER + sizeof(uint64_t)) return result;
    memset(whole, 0, all.iov_len);
    memcpy(whole, given->iov_base, given->iov_len);
    uint64_t present;
    memcpy(&present, whole + HEADER, sizeof present);
    present &= ~TILES;
    memcpy(whole + HEADER, &present, sizeof present);
    return next(PTRACE_SETREGSET, pid, address, &all);
}
