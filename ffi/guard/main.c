/* Everything that happens before the runtime starts, in order. */
#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/mman.h>
#include "guard.h"
#include "syscalls.h"

void refuse(int status, const char *reason) {
  const struct state *state = STATE;
  const char *who = state && state->entry ? state->entry : "jailkit";
  i64 fd = state && state->standard_error ? (i64)state->standard_error : STANDARD_ERROR;
  report_refusal(fd, who, reason, state ? state->privileged != 0 : config.privileged == PRIVILEGED_ALWAYS);
  for (;;) sys1(SYS_exit_group, refusal_status(who, status));
}

/*
 * strip(1) and objcopy(1) lose the program or the runtime's pointer to it. The runtime would then be the bun command,
 * which runs whatever its caller names.
 */
static void check_payload(void) {
  static const char last_line[] = "\n---- Bun! ----\n";
  const u64 length = sizeof(last_line) - 1;
  if (*(volatile u64 *)config.payload_pointer != config.payload || *(volatile u64 *)config.payload != config.payload_size)
    refuse(CANNOT_START, "this executable was stripped or changed: install it again");
  const volatile char *end = (const volatile char *)(config.payload + sizeof(u64) + config.payload_size - length);
  for (u64 i = 0; i < length; i++)
    if (end[i] != last_line[i])
      refuse(CANNOT_START, "this executable was stripped or changed: install it again");
}

static struct state *make_state(u64 argc, u64 envc) {
  u64 bytes = sizeof(struct state) + (argc + 1 + envc + 1) * sizeof(char *);
  struct state *state = map_zeros(bytes);
  state->bytes = bytes;
  return state;
}

static void save_strings(struct state *state, char **argv, char **env) {
  state->argv = (char **)(state + 1);
  state->env = state->argv + state->argc + 1;
  for (u64 i = 0; i < state->argc; i++) state->argv[i] = argv[i];
  for (u64 i = 0; i < state->envc; i++) state->env[i] = env[i];
}

static void save_auxiliary_vector(struct state *state, const u64 *auxv) {
  state->page_size = 4096;
  for (; auxv[0]; auxv += 2) {
    if (auxv[0] == AT_PAGESZ) state->page_size = auxv[1];
    if (auxv[0] == AT_SECURE) state->secure = auxv[1];
    if (auxv[0] == AT_EXECFN) state->execfn = (char *)auxv[1];
  }
  if (!state->execfn) refuse(CANNOT_START, "the kernel gave no AT_EXECFN");
  /* The kernel puts this string at the end of the stack, followed by one word of zeros. */
  const char *end = state->execfn;
  while (*end) end++;
  state->stack_top = ((u64)end + 1 + sizeof(u64) + state->page_size - 1) & ~(state->page_size - 1);
}

/* Whether `path` is `name`, or a file of this name in any directory. */
static int has_name(const char *path, const char *name) {
  for (const char *at = path; *at; at++)
    if (*at == '/') path = at + 1;
  while (*name && *path == *name) path++, name++;
  return !*name && !*path;
}

/* Whether the caller gave it this name: a wrong one only costs time or memory. */
static int is_called(const struct state *state, const char *name) {
  return state->argc > 0 && has_name(state->argv[0], name);
}

/*
 * The variable for src/tools/shared.ts: which program that any user may start this is. By its entry, or for jk_lsh, which
 * needs no privilege, by the executed name. Null for all others, which find out themselves.
 */
static const char *program_variable(const struct state *state) {
  static const char *const variables[] = {
    "JAILKIT_PROGRAM=jk_lsh",
    "JAILKIT_PROGRAM=jk_chrootsh",
    "JAILKIT_PROGRAM=jk_uchroot",
    "JAILKIT_PROGRAM=jk_procmailwrapper",
  };
  const u64 start = sizeof("JAILKIT_PROGRAM=") - 1, count = state->entry ? sizeof(variables) / sizeof(*variables) : 1;
  if (config.privileged != PRIVILEGED_BY_ENTRY) return 0;
  for (u64 i = 0; i < count; i++)
    if (has_name(state->entry ? state->entry : state->execfn, variables[i] + start)) return variables[i];
  return 0;
}

/*
 * The runtime obeys hundreds of variables and a few program names. It gets one fixed argument and our environment, and
 * nothing of the caller's, which JavaScript reads from the state.
 *
 * In a privileged program the runtime must have one thread, since a thread cannot give up the capabilities of another. So
 * it starts none for garbage collection or compilation there. In no program it starts one that warms up memory, which
 * only costs a short run, or one that returns memory every 30 seconds, which would wake up a waiting daemon; and it does
 * not look for nodes of memory (NUMA). jk_socketd runs for months: it collects garbage after 2 MiB instead of 8, and returns
 * memory at once. jk_init and jk_cp mostly wait for the kernel: there optimized code saves less than the compiler takes, a
 * tenth of the whole. Homes have many files, of which each leaves garbage: jk_jailuser collects it after 1.5 MiB, and always
 * all of it, since what was in use once stays otherwise, and returns memory at once. It has the first of two optimizers:
 * with 50,000 files, the second one takes longer than it saves.
 */
static void hide_caller(struct state *state, u64 *stack, char **env) {
  static const char name[] = "jailkit";
  static const char no_warm_up[] = "BUN_JSC_useWarmUpMarkedBlocks=0";
  static const char no_scavenger[] = "MIMALLOC_PURGE_DELAY=-1";
  static const char one_node[] = "MIMALLOC_USE_NUMA_NODES=1";
  static const char purge_at_once[] = "MIMALLOC_PURGE_DELAY=0";
  static const char small_heap[] = "BUN_JSC_gcMaxHeapSize=2097152";
  static const char no_optimizer[] = "BUN_JSC_useDFGJIT=0";
  static const char no_last_optimizer[] = "BUN_JSC_useFTLJIT=0";
  static const char *const little_garbage[] = {
    "BUN_JSC_gcMaxHeapSize=1572864",
    "BUN_JSC_useGenerationalGC=0",
    "BUN_JSC_useConcurrentGC=0",
  };
  static const char *const one_thread[] = {
    "BUN_JSC_useConcurrentGC=0",
    "BUN_JSC_numberOfGCMarkers=1",
    "BUN_JSC_useConcurrentJIT=0",
  };
  u64 variables = 0;
  state->runtime_environment[variables++] = (char *)no_warm_up;
  state->runtime_environment[variables++] = (char *)one_node;
  int moves = !state->privileged && is_called(state, "jk_jailuser");
  int small = !state->privileged && is_called(state, "jk_socketd");
  state->runtime_environment[variables++] = (char *)(small || moves ? purge_at_once : no_scavenger);
  if (small) state->runtime_environment[variables++] = (char *)small_heap;
  if (moves) state->runtime_environment[variables++] = (char *)no_last_optimizer;
  else if (!state->privileged && (is_called(state, "jk_init") || is_called(state, "jk_cp")))
    state->runtime_environment[variables++] = (char *)no_optimizer;
  for (u64 i = 0; moves && i < sizeof(little_garbage) / sizeof(*little_garbage); i++) {
    state->runtime_environment[variables++] = (char *)little_garbage[i];
  }
  for (u64 i = 0; state->privileged && i < sizeof(one_thread) / sizeof(*one_thread); i++) {
    state->runtime_environment[variables++] = (char *)one_thread[i];
  }
  const char *program = program_variable(state);
  if (program) state->runtime_environment[variables++] = (char *)program;
  *(char ***)config.environ_variable = state->runtime_environment;
  while (*env) *env++ = 0;
  char **argv = (char **)(stack + 1);
  for (u64 i = 0; i < state->argc; i++) argv[i] = 0;
  if (state->argc > 0) {
    stack[0] = 1;
    argv[0] = (char *)name;
  }
}

/* The runtime does not start in a directory that getcwd(2) cannot name: removed, outside the root, too long. */
static void leave_unnamed_directory(struct state *state) {
  char name[PATH_MAX];
  if (sys2(SYS_getcwd, name, PATH_MAX) > 0 && name[0] == '/') return;
  /* A privileged program does not return to it: a descriptor of a directory would be a way out of the jail. */
  if (!state->privileged) {
    i64 fd = sys4(SYS_openat, AT_FDCWD, ".", O_PATH | O_CLOEXEC, 0);
    if (fd >= 0) state->directory = fd + 1;
  }
  if (sys1(SYS_chdir, "/") != 0) refuse(CANNOT_START, "cannot leave the working directory, which has no name");
}

/* `stack` is laid out by the kernel: argc, argv, NULL, env, NULL, auxiliary vector. */
__attribute__((used)) void guard_main(u64 *stack) {
  check_payload();
  u64 argc = stack[0];
  char **argv = (char **)(stack + 1);
  char **env = argv + argc + 1;
  u64 envc = 0;
  while (env[envc]) envc++;
  /* When ld.so removes variables (AT_SECURE), it leaves more than one NULL. */
  const u64 *auxv = (const u64 *)(env + envc + 1);
  while (!*auxv) auxv++;

  struct state *state = make_state(argc, envc);
  STATE = state;
  state->magic = GUARD_MAGIC;
  state->argc = argc;
  state->envc = envc;
  state->privileged = config.privileged == PRIVILEGED_ALWAYS;
  save_strings(state, argv, env);
  save_auxiliary_vector(state, auxv);
  save_signals(state);
  save_privileges(state);
  if (!state->privileged) refuse_unexpected_privileges(state);
  take_handover(state);
  if (state->privileged) {
    close_inherited_descriptors();
    give_up_privileges(state);
  } else {
    drop_ambient_chroot();
  }
  /* From here on with the caller's privileges. */
  adjust_limits(state, state->stack_top - (u64)stack);
  if (!state->privileged) save_descriptors(state);
  fill_standard_descriptors(state);
  leave_unnamed_directory(state);
  override_stack_lookup(state);
  i64 nothing = move_standard_error(state);
  hide_caller(state, stack, env);
  state->exec = (void *)guard_exec;
  state->write_pid = (void *)guard_write_pid;
  state->daemon = (void *)guard_daemon;
  state->hold_signals = (void *)guard_hold_signals;
  state->write_notices = (void *)guard_write_notices;
  state->notices_thread = (void *)guard_notices_thread;
  state->rules = (void *)guard_rules;
  state->keys = (void *)guard_keys;
  if (!state->privileged) state->changing = map_zeros(state->page_size);
  if (sys3(SYS_mprotect, state, state->bytes, PROT_READ) != 0) refuse(CANNOT_START, "mprotect failed");
  hide_standard_error(nothing);
}
