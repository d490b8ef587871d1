/*
 * login-watch UID EXECS STEP PROGRAM [ARGUMENT...]
 *
 * Starts a program as a user, under ptrace(2) by root, and stops it after every exec and before and after every system
 * call. At each stop a process of the same user, which has nothing to do with it, tries to get at it. After EXECS execs
 * it is the user's own program, and the tries must work. One line for each kind of try: how often, and with what result.
 *
 * ptrace(2) itself cannot be tried on a process that is traced, so at every STEPth stop and at the end of each exec it is
 * let go, stopped by a signal, and tried; and a new one is started.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Files of /proc/PID first, then links, then system calls; the last two are for processes that nobody traces. */
static const char *const names[] = {"mem", "environ", "maps", "auxv", "syscall", "cwd", "fd/0", "exe", "fd", "fdinfo",
                                    "map_files", "oom_score_adj", "clear_refs", "process_vm_readv", "pidfd_getfd",
                                    "seize", "attach"};
enum { MEM = 0, CWD = 5, FD_LIST = 8, OOM_SCORE_ADJ = 11, CLEAR_REFS, PROCESS_VM_READV, PIDFD_GETFD, SEIZE, ATTACH, TRIES,
       RESULTS = 4 };

/* By kind of stop: with the privilege, without it but before the last exec, after the last exec. */
enum { PRIVILEGED, DROPPED, OWN, KINDS };
static const char *const kinds[KINDS] = {"privileged", "dropped", "own"};
static struct { int error, count; } results[KINDS][TRIES][RESULTS];
static int stops[KINDS];

static void check(long result, const char *what) {
  if (result >= 0) return;
  perror(what);
  exit(99);
}

static void become(int id) {
  gid_t group = id;
  check(setgroups(1, &group), "setgroups");
  check(setresgid(id, id, id), "setresgid");
  check(setresuid(id, id, id), "setresuid");
}

static int attempt(pid_t pid, int what) {
  char path[64], buffer[64];
  long result = -1;
  snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[what]);
  switch (what) {
  default:
    result = open(path, what == MEM ? O_RDWR : what == OOM_SCORE_ADJ || what == CLEAR_REFS ? O_WRONLY : O_RDONLY);
    /* Some can be opened by everybody, but tell nothing. */
    if (result >= 0 && what != MEM && what < CWD) result = read(result, buffer, sizeof(buffer));
    if (result >= 0 && what >= FD_LIST && what < OOM_SCORE_ADJ) result = syscall(SYS_getdents64, result, buffer, sizeof(buffer));
    break;
  case PROCESS_VM_READV: {
    /* Where nothing is mapped: EFAULT means that it was allowed to look. */
    struct iovec here = {buffer, 1}, there = {(void *)1, 1};
    result = process_vm_readv(pid, &here, 1, &there, 1, 0);
    if (result < 0 && errno == EFAULT) result = 0;
    break;
  }
  case PIDFD_GETFD: {
    int fd = syscall(SYS_pidfd_open, pid, 0);
    result = fd < 0 ? -1 : syscall(SYS_pidfd_getfd, fd, 0, 0);
    break;
  }
  case SEIZE: result = ptrace(PTRACE_SEIZE, pid, 0, 0); break;
  case ATTACH: result = ptrace(PTRACE_ATTACH, pid, 0, 0); break;
  }
  return result >= 0 ? 0 : errno;
}

/* A process of the user for each round: what it opened or attached to ends with it. */
static void try_all(int uid, pid_t pid, int kind, int first, int end) {
  int ends[2], errors[TRIES];
  check(pipe(ends), "pipe");
  pid_t attacker = fork();
  check(attacker, "fork");
  if (attacker == 0) {
    become(uid);
    for (int i = first; i < end; i++) errors[i] = attempt(pid, i);
    _exit(write(ends[1], errors, sizeof(errors)) != sizeof(errors));
  }
  close(ends[1]);
  check(read(ends[0], errors, sizeof(errors)) == sizeof(errors) ? 0 : -1, "attacker");
  close(ends[0]);
  check(waitpid(attacker, NULL, 0), "waitpid");
  for (int i = first; i < end; i++)
    for (int j = 0; j < RESULTS; j++)
      if (results[kind][i][j].count == 0 || results[kind][i][j].error == errors[i]) {
        results[kind][i][j].error = errors[i];
        results[kind][i][j].count++;
        break;
      }
}

static int kind_of(pid_t pid, int execs, int wanted) {
  char path[64], line[256];
  unsigned long long permitted = 0;
  if (execs > wanted) return OWN;
  snprintf(path, sizeof(path), "/proc/%d/status", pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) check(-1, path);
  while (fgets(line, sizeof(line), file)) sscanf(line, "CapPrm: %llx", &permitted);
  fclose(file);
  return permitted ? PRIVILEGED : DROPPED;
}

static pid_t start(int uid, char **words) {
  pid_t pid = fork();
  check(pid, "fork");
  if (pid == 0) {
    dup2(open("/dev/null", O_RDWR), 1);
    check(ptrace(PTRACE_TRACEME, 0, 0, 0), "PTRACE_TRACEME");
    raise(SIGSTOP);
    become(uid);
    execv(words[0], words);
    _exit(96);
  }
  check(waitpid(pid, NULL, 0), "waitpid");
  long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  check(ptrace(PTRACE_SETOPTIONS, pid, 0, options), "PTRACE_SETOPTIONS");
  return pid;
}

static void read_name(pid_t pid, char *name, int size) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/comm", pid);
  FILE *file = fopen(path, "r");
  if (file == NULL || fgets(name, size, file) == NULL) check(-1, path);
  fclose(file);
}

static void detach_and_try(int uid, pid_t pid, int execs, int wanted) {
  int status;
  char before[32], after[32];
  read_name(pid, before, sizeof(before));
  check(ptrace(PTRACE_DETACH, pid, 0, SIGSTOP), "PTRACE_DETACH");
  check(waitpid(pid, &status, WUNTRACED), "waitpid");
  if (!WIFSTOPPED(status)) return;
  int kind = kind_of(pid, execs, wanted);
  read_name(pid, after, sizeof(after));
  /* A stop before a system call lets it happen, and it may have been the last exec. */
  if (kind == DROPPED && strcmp(before, after)) kind = OWN;
  /* The tries leave one after the other, since a traced process cannot be traced again. */
  for (int what = SEIZE; what < TRIES; what++) try_all(uid, pid, kind, what, what + 1);
}

enum { ALL = -1, NONE = -2 };

/*
 * Runs to the stop with the number `last`, or right behind the exec with the number `last_exec`, and tries what it has
 * to be let go for. ALL: tries the rest at every stop, to the first of the user's own program.
 */
static int run(int uid, int wanted, char **words, int last, int last_exec) {
  int status, execs = 0, stop = 0, executed = 0;
  pid_t pid = start(uid, words);
  for (;;) {
    check(ptrace(PTRACE_SYSCALL, pid, 0, 0), "PTRACE_SYSCALL");
    check(waitpid(pid, &status, 0), "waitpid");
    if (!WIFSTOPPED(status)) return -1;
    /* That stop is inside of execve(2), with the new program in place; the next one is at its end. */
    int before_end = executed;
    executed = status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
    execs += executed;
    if (execs == 0) continue;
    int kind = kind_of(pid, execs, wanted);
    if (last == ALL) {
      try_all(uid, pid, kind, 0, SEIZE);
      stops[kind]++;
    }
    int here = stop == last || (before_end && execs == last_exec);
    if (here) detach_and_try(uid, pid, execs, wanted);
    stop++;
    if (!here && (kind != OWN || executed)) continue;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return stop;
  }
}

int main(int argc, char **argv) {
  if (argc < 5) return 97;
  int uid = atoi(argv[1]), wanted = atoi(argv[2]), step = atoi(argv[3]);
  int count = run(uid, wanted, argv + 4, ALL, 0);
  if (count < 0) return 98;
  for (int stop = step; stop < count; stop += step) run(uid, wanted, argv + 4, stop, 0);
  for (int exec = 1; exec <= wanted + 1; exec++) run(uid, wanted, argv + 4, NONE, exec);
  for (int kind = 0; kind < KINDS; kind++) {
    printf("stops %s %d\n", kinds[kind], stops[kind]);
    for (int what = 0; what < TRIES; what++)
      for (int i = 0; i < RESULTS && results[kind][what][i].count; i++)
        printf("%s %s %s %d\n", kinds[kind], names[what],
               results[kind][what][i].error ? strerrorname_np(results[kind][what][i].error) : "works",
               results[kind][what][i].count);
  }
  return 0;
}
