/*
 * The processes that jk_chrootlaunch starts. A process that runs JavaScript has threads and must not continue after a
 * fork, so the new process never returns to the runtime: it starts and ends here.
 */
#include <asm/signal.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/wait.h>
#include "guard.h"
#include "syscalls.h"

#define ALL_SIGNALS ~0UL

/* Laid out by ffi/launch.ts: six words. */
struct pid_request {
  i64 pipe;              /* its read end: a pid of eight bytes, then the end of the pipe if the program was executed */
  i64 other_end;         /* its write end, which this process must not hold */
  i64 directory, file;   /* of the pidfile, and an empty file in it... */
  const char *temporary; /* ...with this name... */
  const char *name;      /* ...which becomes this one */
};

_Static_assert(sizeof(struct pid_request) == 48, "ffi/launch.ts");

static i64 fork_process(void) { return sys5(SYS_clone, SIGCHLD, 0, 0, 0, 0); }

/*
 * Forks twice, so that the new process is no child of the daemon, which would have to wait for it. Returns 0 in the new
 * process, 1 in the old one, or -errno. All signals must be blocked, since no handler of the runtime may run in the new
 * process.
 */
static i64 fork_stranger(int new_session) {
  i64 child = fork_process();
  if (child == 0) {
    if (new_session) sys0(SYS_setsid);
    i64 grandchild = fork_process();
    if (grandchild == 0) return 0;
    for (;;) sys1(SYS_exit_group, grandchild < 0);
  }
  if (child < 0) return child;
  i32 status = 0;
  i64 waited = sys4(SYS_wait4, child, &status, __WALL, 0);
  if (waited < 0) return waited;
  return status == 0 ? 1 : -EAGAIN;
}

/* Reads up to `size` bytes; fewer only at the end of the pipe. */
static u64 read_bytes(i64 fd, void *buffer, u64 size) {
  u64 done = 0;
  while (done < size) {
    i64 count = sys3(SYS_read, fd, (char *)buffer + done, size - done);
    if (count <= 0) break;
    done += (u64)count;
  }
  return done;
}

static int write_number(i64 fd, u64 number) {
  char digits[20];
  u64 at = sizeof(digits);
  do digits[--at] = (char)('0' + number % 10);
  while (number /= 10);
  return sys3(SYS_write, fd, digits + at, sizeof(digits) - at) == (i64)(sizeof(digits) - at);
}

/* An exec closes the daemon's end of the pipe; a byte reports that it failed. */
static void write_pid(const struct pid_request *request) {
  static const char message[] = "jk_chrootlaunch: cannot write the pidfile\n";
  u64 pid;
  char failed;
  sys1(SYS_close, request->other_end);
  int executed = read_bytes(request->pipe, &pid, sizeof(pid)) == sizeof(pid) && read_bytes(request->pipe, &failed, 1) == 0;
  if (executed) {
    if (write_number(request->file, pid) &&
        sys4(SYS_renameat, request->directory, request->temporary, request->directory, request->name) == 0)
      return;
    sys3(SYS_write, STATE->standard_error, message, sizeof(message) - 1);
  }
  sys3(SYS_unlinkat, request->directory, request->temporary, 0);
}

/* Starts the process that writes the pidfile. Returns 0 or -errno. */
i64 guard_write_pid(const struct pid_request *request) {
  u64 all = ALL_SIGNALS, mask;
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, 8);
  i64 result = fork_stranger(0);
  if (result == 0) {
    write_pid(request);
    for (;;) sys1(SYS_exit_group, 0);
  }
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
  return result < 0 ? result : 0;
}

/* In a process of its own without a terminal: executes the program, or reports the error. */
__attribute__((noreturn)) static void become_daemon(const struct daemon_request *request) {
  u64 pid = (u64)sys0(SYS_getpid);
  i64 error = 0;
  for (i64 fd = 0; fd <= STANDARD_ERROR && error >= 0; fd++) error = sys3(SYS_dup3, request->dev_null, fd, 0);
  /* guard_exec makes this the program's standard error. */
  if (error >= 0) error = sys3(SYS_dup3, request->dev_null, STATE->standard_error, O_CLOEXEC);
  if (error >= 0 && request->pid_pipe >= 0 && sys3(SYS_write, request->pid_pipe, &pid, sizeof(pid)) != sizeof(pid))
    error = -EIO;
  if (error >= 0)
    error = guard_exec(request->path, request->argv, request->env, request->flags | EXEC_FORKED, request->lowering);
  if (request->pid_pipe >= 0) sys3(SYS_write, request->pid_pipe, "", 1);
  sys3(SYS_write, request->report_in, &error, sizeof(error));
  for (;;) sys1(SYS_exit_group, 1);
}

/* Executes a program in a new process. Returns 0 once it is executed, or -errno. */
i64 guard_daemon(const struct daemon_request *request) {
  u64 all = ALL_SIGNALS, mask;
  i64 error;
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, 8);
  i64 result = fork_stranger(1);
  if (result == 0) become_daemon(request);
  sys1(SYS_close, request->report_in);
  if (result > 0)
    result = read_bytes(request->report_out, &error, sizeof(error)) == sizeof(error) ? error : 0;
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
  return result;
}
