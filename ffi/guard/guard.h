/*
 * The guard: native code that is added to every executable of jailkit and runs after ld.so and before the
 * JavaScript runtime. It is freestanding (no C library), has no writable data of its own and is mapped
 * read-only and executable; what it finds out lives in one anonymous mapping, `struct state`, that is made
 * read-only before the runtime starts.
 */
#ifndef GUARD_H
#define GUARD_H

typedef unsigned long u64;
typedef long i64;
typedef unsigned int u32;
typedef int i32;
typedef unsigned short u16;

#define GUARD_MAGIC 0x31647261754b4a01UL /* 01 "JKuard1", little endian; also in ffi/guard.ts and build/elf-inject.ts */

/* Exit statuses of a refusal. */
#define CANNOT_START 127
#define NOT_PERMITTED 126
#define TRY_AGAIN 75      /* EX_TEMPFAIL of sysexits.h */
#define CALLER_IS_ROOT 12 /* what jailkit 2.23 ends with in that case, ... */
#define NO_PRIVILEGE 11   /* ... and in this one */

enum { STANDARD_ERROR = 2 };

#define CAP_SYS_CHROOT_BIT (1UL << 18)

/*
 * Filled in by the injector when the executable is built. Addresses are those of the runtime's ELF file, which is
 * not relocatable. The struct stands at the start of the guard's segment, so that JavaScript finds it too.
 */
struct config {
  u64 magic;
  u64 size;                      /* sizeof(struct config), so that injector and guard cannot disagree */
  u64 runtime_entry;             /* where the runtime starts */
  u64 privileged;                /* PRIVILEGED_*: see below */
  u64 payload_pointer;           /* the runtime's variable that points to the program... */
  u64 payload;                   /* ...and what it must hold */
  u64 payload_size;              /* which is also the first word of the program */
  u64 environ_variable;          /* environ(7), a COPY relocation in the executable */
  u64 state_slot;                /* a writable word nobody uses: the guard puts the address of its state there */
  u64 got_pthread_getattr_np;    /* slots of the global offset table */
  u64 got_pthread_attr_init;
  u64 got_pthread_attr_setstack;
  u64 got_pthread_self;
};

extern const volatile struct config config;

enum {
  PRIVILEGED_NEVER = 0,
  PRIVILEGED_ALWAYS = 1,   /* a program that any user may start and that may hold CAP_SYS_CHROOT */
  PRIVILEGED_BY_ENTRY = 2, /* all programs in one file: such a program where a native entry has started it */
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

struct state {
  /* Read by ffi/guard.ts, at these offsets. */
  u64 magic;          /* 0 */
  u64 argc;           /* 8 */
  char **argv;        /* 16 */
  u64 envc;           /* 24 */
  char **env;         /* 32 */
  char *execfn;       /* 40 */
  u64 uid, euid;      /* 48, 56: of the caller, as at exec */
  u64 gid, egid;      /* 64, 72 */
  u64 privileged;     /* 80: this process may hold CAP_SYS_CHROOT */
  u64 kept_chroot;    /* 88: CAP_SYS_CHROOT is in the effective set */
  void *exec;         /* 96: guard_exec */
  u64 stack_top;      /* 104: the end of the stack, where the strings of argv and env are */
  void *write_pid;    /* 112: guard_write_pid */
  void *daemon;       /* 120: guard_daemon */
  const char *entry;  /* 128: the name of the native entry that started it, or null */
  u64 standard_error; /* 136: where what was descriptor 2 is now; 2 itself leads nowhere */
  void *hold_signals; /* 144: guard_hold_signals */
  u32 *signal_came;   /* 152: a word that can be written: the signal that came while they were held; not in privileged ones */

  /* Used by the guard alone. */
  u64 bytes;          /* of the state, with the pointers behind it */
  u64 root_called;    /* root started the entry: see handover.h */
  u64 secure;
  u64 page_size;
  u64 real_pthread_getattr_np;
  u64 signals_ignored; /* bit N - 1 for signal N */
  u64 signal_mask;
  struct limit limits[SAVED_LIMITS]; /* as the caller set them */
  u64 limits_known;                  /* bit i: limits[i] could be read */
  u64 handed_limits[SAVED_LIMITS];   /* soft ones, as they were before the entry raised them, */
  u64 limits_handed;                 /* if there are any: see handover.h */
  u64 filled_descriptors;            /* bit N: 0, 1 or 2 was closed and is filled */
  u64 directory;                     /* 1 + a descriptor on the working directory the runtime cannot name, or 0 */
  u64 descriptor_count;
  struct saved_descriptor descriptors[MAX_DESCRIPTORS];
  char *runtime_environment[6]; /* none in most programs: see hide_caller */
  char *runtime_argv[2];   /* the only argument that the runtime sees */
};

#define STATE (*(struct state **)config.state_slot)

/* main.c */
__attribute__((noreturn)) void refuse(int status, const char *reason);

/* One job each; called from main.c in this order. */
void save_signals(struct state *state);
void save_privileges(struct state *state);
void close_inherited_descriptors(void);
void give_up_privileges(struct state *state);
void refuse_unexpected_privileges(const struct state *state);
void check_handed_privileges(const struct state *state);
void take_handover(struct state *state);
void keep_for_program(void);
void keep_from_programs(void);
void adjust_limits(struct state *state, u64 stack_used);
void save_descriptors(struct state *state);
void fill_standard_descriptors(struct state *state);
i64 move_standard_error(struct state *state);
void hide_standard_error(i64 nothing);
void leave_unnamed_directory(struct state *state);
void override_stack_lookup(struct state *state);

/* exec.c, called from JavaScript */
i64 guard_exec(const char *path, char *const *argv, char *const *env, u64 flags);

/* launch.c, called from JavaScript. As ffi/launch.ts lays it out: eight words. */
struct daemon_request {
  i64 null;                    /* becomes standard input, output and error */
  i64 pid_pipe;                /* where the pid is told and a failure, or -1 */
  i64 report_out, report_in;   /* a pipe: its end for reading and that for writing, which exec closes */
  const char *path;
  char *const *argv, *const *env;
  u64 flags;
};
struct pid_request;
i64 guard_write_pid(const struct pid_request *request);
i64 guard_daemon(const struct daemon_request *request);

/* interrupts.c, called from JavaScript */
i64 guard_hold_signals(u64 hold);

/* The other way round, for exec.c: what the runtime changed is put back. */
i64 show_standard_error(const struct state *state);
i64 take_powers_away(void);
void restore_descriptors(const struct state *state);
u64 read_limits(struct limit *limits); /* the result: which were read, as in limits_known */
void set_limits(const struct limit *limits, u64 known);

#endif
