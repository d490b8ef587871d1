/*
 * The guard: native code in every executable of jailkit that runs after ld.so and before the JavaScript runtime. It is
 * freestanding (it uses only headers of the C library), has no writable data, and is mapped read-only and executable. Its
 * results are in one anonymous mapping, `struct state`, that is read-only when the runtime starts.
 */
#ifndef GUARD_H
#define GUARD_H

typedef unsigned long u64;
typedef long i64;
typedef unsigned int u32;
typedef int i32;
typedef unsigned short u16;

#define GUARD_MAGIC 0x31647261754b4a01UL /* 01 "JKuard1", little endian; also in ffi/guard.ts */

/* Exit statuses of a refusal. */
#define CANNOT_START 127
#define NOT_PERMITTED 126
#define TRY_AGAIN 75      /* EX_TEMPFAIL of sysexits.h */
#define CALLER_IS_ROOT 12 /* as in jailkit 2.23... */
#define NO_PRIVILEGE 11   /* ...and so is this */

enum { STANDARD_ERROR = 2 };

#define CAP_SYS_CHROOT_BIT (1UL << 18)

/*
 * The injector fills this in when the executable is built. Addresses are those of the runtime's ELF file, which is not
 * relocatable. The struct is at the start of the guard's segment, so that JavaScript finds it too.
 */
struct config {
  u64 magic;
  u64 size;                      /* sizeof(struct config), which the injector checks */
  u64 runtime_entry;             /* where the runtime starts */
  u64 privileged;                /* PRIVILEGED_* */
  u64 payload_pointer;           /* the runtime's variable that points to the program... */
  u64 payload;                   /* ...and its value */
  u64 payload_size;              /* also the first word of the program */
  u64 environ_variable;          /* environ(7), a COPY relocation in the executable */
  u64 state_slot;                /* an unused writable word for the address of the state */
  u64 got_pthread_getattr_np;    /* slots of the global offset table */
  u64 got_pthread_attr_init;
  u64 got_pthread_attr_setstack;
  u64 got_pthread_self;
};

extern const volatile struct config config;

enum {
  PRIVILEGED_NEVER = 0,
  PRIVILEGED_ALWAYS = 1,   /* any user may start the program, and it may hold CAP_SYS_CHROOT */
  PRIVILEGED_BY_ENTRY = 2, /* all programs in one file: as above if a native entry has started it */
};

struct limit {
  u64 soft, hard;
};

struct saved_descriptor {
  u32 number;
  u32 status; /* F_GETFL: how it was opened */
  u64 device, inode;
};

enum { MAX_DESCRIPTORS = 1024, SAVED_LIMITS = 4 };

/* guard_exec and guard_daemon return -errno minus this if a limit could not be set; also in ffi/exec-arguments.ts. */
enum { OF_A_LIMIT = 4096 };

/* Laid out by ffi/waiting.ts. */
enum { NOTICE_IDLE, NOTICE_ARMED, NOTICE_WRITING, NOTICE_LAST };
struct notice {
  i32 fd;
  u32 phase; /* only an armed notice is written, and JavaScript waits until it is */
  u64 length;
  char bytes[];
};

/* Laid out by ffi/last-words.ts: a line for each of SIGHUP, SIGINT and SIGTERM. */
enum { WORDS_HELD, WORDS_MAY_END, WORDS_ENDING };
struct last_words {
  u32 phase; /* JavaScript goes on only with words that are held */
  i32 fd;
  u32 lengths[3];
  char bytes[3][4096];
};

/* What changes after the start. */
struct changing {
  u32 received_signal; /* 0: the first signal that arrived while they were held */
  u32 notices_thread;  /* 4: the id of guard_notices_thread, or 0 */
  struct notice *notice;
  struct last_words *last_words; /* 16: or null; ffi/last-words.ts writes it */
};

struct state {
  /* Those that ffi/guard.ts reads are at these offsets: see entry.c. */
  u64 magic;          /* 0 */
  u64 argc;           /* 8 */
  char **argv;        /* 16 */
  u64 envc;           /* 24 */
  char **env;         /* 32 */
  char *execfn;       /* 40 */
  u64 uid, euid;      /* 48, 56: of the caller, at exec */
  u64 gid, egid;      /* 64, 72 */
  u64 privileged;     /* 80: this process may hold CAP_SYS_CHROOT */
  u64 kept_chroot;    /* 88: CAP_SYS_CHROOT is in the effective set */
  void *exec;         /* 96: guard_exec */
  u64 stack_top;      /* 104: the end of the stack, where the strings of argv and env are */
  void *write_pid;    /* 112: guard_write_pid */
  void *daemon;       /* 120: guard_daemon */
  const char *entry;  /* 128: the name of the native entry that started it, or null */
  u64 standard_error; /* 136: the former descriptor 2, which is /dev/null now */
  void *hold_signals; /* 144: guard_hold_signals */
  struct changing *changing; /* 152: not in privileged programs */
  u64 directory;        /* 160: 1 + a descriptor of a working directory without a name, or 0 */
  void *write_notices;  /* 168: guard_write_notices */
  void *notices_thread; /* 176: guard_notices_thread */
  void *rules;          /* 184: guard_rules */
  void *keys;           /* 192: guard_keys */

  /* Used by the guard only. */
  u64 bytes;          /* of the state, with the pointers behind it */
  u64 root_called;    /* root started the entry: see HANDOVER_NAME */
  u64 secure;
  u64 page_size;
  u64 real_pthread_getattr_np;
  u64 signals_ignored; /* bit N - 1 for signal N */
  u64 signal_mask;
  struct limit limits[SAVED_LIMITS]; /* as the caller set them */
  u64 limits_known;                  /* bit i: limits[i] was read */
  u64 handed_limits[SAVED_LIMITS];   /* soft limits before the entry raised them... */
  u64 limits_handed;                 /* ...if there was an entry: see HANDOVER_NAME */
  u64 filled_descriptors;            /* bit N: descriptor N was closed and is filled */
  u64 descriptor_count;
  struct saved_descriptor descriptors[MAX_DESCRIPTORS];
  char *runtime_environment[8]; /* three to seven variables and a null: see hide_caller */
};

/*
 * From a native entry (entry/main.c) to the guard of the executable that it starts (handover.c).
 *
 * Each variable of the caller gets a prefix, so that neither ld.so nor the runtime knows it. One has no prefix, so that
 * it cannot be the caller's: it has the name of the entry, whether root called it, and the soft limits that the entry
 * raised to load the executable: HANDOVER_DIGITS hexadecimal digits for each limit in limits.c.
 *
 * Between that exec and the guard the caller cannot trace or read the process either: ptrace(2) requires that the tracer
 * has all capabilities of the tracee. If the caller may read the executed file, the process is dumpable during this time,
 * and its /proc/PID/fd can be listed, but not opened. Packages install the file with mode 0711, which prevents that too.
 */
#define HANDOVER_PREFIX ":"
#define HANDOVER_NAME "JAILKIT_ENTRY="
#define HANDOVER_ROOT " root"
#define HANDOVER_LIMITS " limits="
enum { HANDOVER_DIGITS = 16 };

#define STATE (*(struct state **)config.state_slot)

/* main.c and entry/main.c: prints the reason and exits. */
__attribute__((noreturn)) void refuse(int status, const char *reason);

/*
 * refusal.c: writes one line to `fd` with the reason why `who` does not start. `logged`: any user may start the program,
 * so the line also goes to the host's log, with an error id that is shown to the user. It contains nothing of the
 * caller's, so nothing needs to be escaped.
 */
void report_refusal(i64 fd, const char *who, const char *reason, int logged);
/* The exit status of `who`: a mail server loses the mail after CANNOT_START, and keeps it after TRY_AGAIN. */
int refusal_status(const char *who, int status);

/* Called from main.c in this order. */
void save_signals(struct state *state);
void save_privileges(struct state *state);
void close_inherited_descriptors(void);
void give_up_privileges(struct state *state);
void refuse_unexpected_privileges(const struct state *state);
void check_handed_privileges(const struct state *state);
void take_handover(struct state *state);
void pass_chroot_to_program(void);
void drop_ambient_chroot(void);
void adjust_limits(struct state *state, u64 stack_used);
void save_descriptors(struct state *state);
void fill_standard_descriptors(struct state *state);
i64 move_standard_error(struct state *state);
void hide_standard_error(i64 nothing);
void override_stack_lookup(struct state *state);

/* Limits for a program, by the numbers of setrlimit(2). Laid out by ffi/exec-arguments.ts: pairs of words, after two. */
struct lowering {
  u64 count;
  i64 failure_pipe; /* gets a byte if the guard has to end this process after a failed execve; or -1 */
  struct {
    u64 resource, most;
  } each[];
};

enum {
  EXEC_DIRECTORY_CHANGED = 1, /* JavaScript changed the working directory on purpose */
  EXEC_STANDARD_ONLY = 2,     /* the program gets only 0, 1 and 2, which stay filled and give no access */
  EXEC_FORKED = 4,            /* no runtime continues in this process if the exec fails */
};

/* exec.c, called from JavaScript. `lowering`: or null. */
i64 guard_exec(const char *path, char *const *argv, char *const *env, u64 flags, const struct lowering *lowering);

/* launch.c, called from JavaScript. Laid out by ffi/launch.ts: nine words. */
struct daemon_request {
  i64 dev_null;              /* becomes standard input, output and error */
  i64 pid_pipe;              /* for the pid, and for a failure; or -1 */
  i64 report_out, report_in; /* the read end of a pipe, and its write end, which exec closes */
  const char *path;
  char *const *argv, *const *env;
  u64 flags;
  const struct lowering *lowering;
};
struct pid_request;
i64 guard_write_pid(const struct pid_request *request);
i64 guard_daemon(const struct daemon_request *request);

/*
 * rules.c, called from JavaScript. Laid out by ffi/landlock-names.ts. A name begins with one of the signs, and then with the
 * letter of what it is allowed.
 */
enum {
  RULES_HOME = '~',      /* a path: what follows needs trust: root alone can write it and all above, and this is not in it */
  RULES_ROOT = '<',      /* what follows needs none */
  RULES_DIRECTORY = '/', /* these three are in the root directory at first, and lead through no symbolic link */
  RULES_FILE = '=',
  RULES_ENTER = '>',    /* the names that follow are in it, up to RULES_HOME or RULES_ROOT */
  RULES_PROGRAM = '@',  /* a path; there is no rule if it leads to no regular file */
  RULES_NAMED = '!',    /* a path without symbolic links */
  RULES_READABLE = '?', /* "/usr" and a path: no rule, but -EPERM if it may be a file that not every session reads */
  RULES_PORT = ':',     /* a number */
};
/* What is done in the end (see src/confine/in-force.ts); or all that is done. */
enum { RULES_ADD, RULES_RESTRICT_PROVED, RULES_RESTRICT, RULES_FILTER };
enum { NO_FILTERS = 1 };
enum { RULES_LETTERS = 12 };
enum { OF_A_RULE = 4096 }; /* a result is -errno, minus this if the rule could not be added; -EPERM if it is not trusted */
struct rules {
  u64 files, ports, scopes; /* struct landlock_ruleset_attr: what is denied unless a rule allows it */
  i64 ruleset;              /* or negative: it is made here, or its -errno */
  u64 end;
  u64 filters;  /* bits of ffi/seccomp.ts: installed if the rules are in force and proved, or with RULES_FILTER */
  i64 filtered; /* 0, NO_FILTERS or -errno */
  char *names; /* each with a NUL; a home is cut */
  u64 size;
  u64 count;
  u32 allowed[RULES_LETTERS]; /* by its letter, from A, as far as it is denied; with 0, there is no rule */
  i32 results[];
};
/*
 * Returns 0 if all is done; or how much JavaScript has to do before the end: results other than that a name is missing or no
 * directory, and a proof. Or -errno of making the ruleset, which is -EINVAL if there are more NULs than names, or of the end.
 */
i64 guard_rules(struct rules *rules);

/* keys.c, called from JavaScript: looks whether the keyrings of a user can be removed, or removes them */
i64 guard_keys(u64 uid, u64 removes);

/* filters.c: installs filters for this thread, and proves them. Returns 0, or NO_FILTERS if the kernel has none, or -errno. */
i64 install_filters(u64 wanted);

/* interrupts.c, called from JavaScript */
i64 guard_hold_signals(u64 hold);
i64 guard_write_notices(struct notice *notice, u64 signal);
void *guard_notices_thread(u64 signal);

/* For exec.c: they restore what the guard or the runtime changed. */
i64 show_standard_error(const struct state *state);
i64 replace_unsafe_descriptors(void);
void restore_descriptors(const struct state *state);
u64 read_limits(struct limit *limits); /* returns limits_known */
void set_limits(const struct limit *limits, u64 mask);
i64 lower_limits(const struct lowering *lowering);
int raise_limits_again(const struct limit *limits, const struct lowering *lowering);

#endif
