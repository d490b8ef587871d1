/*
 * Processes that jk_chrootlaunch needs besides the daemon. A process in which JavaScript runs has threads and must not
 * go on after a fork, so the other process never sees the runtime again: it is made here, and ends here.
 */
#include "guard.h"
#include "syscalls.h"

enum { SIGNAL_CHILD_ENDED = 17, SIG_BLOCK = 0, SIG_SETMASK = 2, WAIT_FOR_CLONES = 0x40000000 };
enum { AT_FDCWD = -100, O_CLOEXEC = 02000000 };
enum { EAGAIN_ = 11, EIO_ = 5 };
#define ALL_SIGNALS ~0UL

/* As ffi/launch.ts lays it out: eight words. */
struct pid_request {
  i64 pipe;              /* to be read: a pid of eight bytes, then the end if the program was executed */
  i64 other_end;         /* the end for writing, which this process must not hold */
  i64 directory, file;   /* of the pidfile, and an empty file in it... */
  const char *temporary; /* ...under this name... */
  const char *name;      /* ...which is to get this one */
};

_Static_assert(sizeof(struct pid_request) == 48, "ffi/launch.ts");

static i64 fork_process(void) { return sys5(SYS_clone, SIGNAL_CHILD_ENDED, 0, 0, 0, 0); }

/*
 * Forks twice, so that the new process is nobody's child: the daemon would be told of its end, and would have to wait
 * for it. 0 in the new process, 1 in the old one, -errno. All signals must be blocked, for no handler of the runtime may
 * run in the new one.
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
  i64 waited = sys4(SYS_wait4, child, &status, WAIT_FOR_CLONES, 0);
  if (waited < 0) return waited;
  return status == 0 ? 1 : -EAGAIN_;
}

/* As many bytes as came, up to `size`; less only at the end. */
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

/* The end of the pipe comes with the exec, which closes the daemon's side of it; a failed exec is told by a byte. */
static void write_pid(const struct pid_request *request) {
  static const char complaint[] = "jk_chrootlaunch: the pidfile could not be written\n";
  u64 pid;
  char failed;
  sys1(SYS_close, request->other_end);
  int executed = read_bytes(request->pipe, &pid, sizeof(pid)) == sizeof(pid) && read_bytes(request->pipe, &failed, 1) == 0;
  if (executed) {
    if (write_number(request->file, pid) &&
        sys4(SYS_renameat, request->directory, request->temporary, request->directory, request->name) == 0)
      return;
    sys3(SYS_write, STATE->standard_error, complaint, sizeof(complaint) - 1);
  }
  sys3(SYS_unlinkat, request->directory, request->temporary, 0);
}

/* Starts the process that writes the pidfile. 0 or -errno. */
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

/* In a process of its own that has no terminal: becomes the program, or tells the error. */
__attribute__((noreturn)) static void become_daemon(const struct daemon_request *request) {
  u64 pid = (u64)sys0(SYS_getpid);
  i64 error = 0;
  for (i64 fd = 0; fd <= STANDARD_ERROR && error >= 0; fd++) error = sys3(SYS_dup3, request->null, fd, 0);
  /* guard_exec makes this the program's standard error. */
  if (error >= 0) error = sys3(SYS_dup3, request->null, STATE->standard_error, O_CLOEXEC);
  if (error >= 0 && request->pid_pipe >= 0 && sys3(SYS_write, request->pid_pipe, &pid, sizeof(pid)) != sizeof(pid))
    error = -EIO_;
  if (error >= 0) error = guard_exec(request->path, request->argv, request->env, request->flags);
  if (request->pid_pipe >= 0) sys3(SYS_write, request->pid_pipe, "", 1);
  sys3(SYS_write, request->report_in, &error, sizeof(error));
  for (;;) sys1(SYS_exit_group, 1);
}

/* Executes a program in a new process and comes back when that has happened: 0, or -errno where it has not. */
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
