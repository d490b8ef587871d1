/* The caller's ids, and giving up the privileges of the program file: capabilities(7), credentials(7). */
#include <linux/capability.h>
#include <linux/prctl.h>
#include "guard.h"
#include "syscalls.h"

enum { NOBODY = 65534 };

struct capabilities {
  u64 effective, permitted, inheritable;
};

struct ids {
  u32 real, effective, saved;
};

static void read_capabilities(struct capabilities *out) {
  u32 header[2] = {_LINUX_CAPABILITY_VERSION_3, 0};
  u32 data[6]; /* effective, permitted, inheritable: the low halves, then the high halves */
  if (sys2(SYS_capget, header, data) != 0) refuse(CANNOT_START, "capget failed");
  out->effective = data[0] | (u64)data[3] << 32;
  out->permitted = data[1] | (u64)data[4] << 32;
  out->inheritable = data[2] | (u64)data[5] << 32;
}

static void read_ids(i64 call, struct ids *out) {
  if (sys3(call, &out->real, &out->effective, &out->saved) != 0) refuse(CANNOT_START, "getresuid failed");
}

void save_privileges(struct state *state) {
  struct ids user, group;
  struct capabilities now;
  read_ids(SYS_getresuid, &user);
  read_ids(SYS_getresgid, &group);
  read_capabilities(&now);
  state->uid = user.real;
  state->euid = user.effective;
  state->gid = group.real;
  state->egid = group.effective;
  state->kept_chroot = (now.effective & CAP_SYS_CHROOT_BIT) != 0;
}

/* Sets the effective and permitted sets to the permitted part of `wanted`, and empties inheritable and ambient. */
static void keep_capabilities(u64 wanted) {
  struct capabilities now;
  read_capabilities(&now);
  u32 keep = (u32)(now.permitted & wanted);
  u32 header[2] = {_LINUX_CAPABILITY_VERSION_3, 0};
  u32 data[6] = {keep, keep, 0, 0, 0, 0};
  /* An old kernel has no ambient set; otherwise emptying the inheritable set empties it too. */
  sys5(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (sys2(SYS_capset, header, data) != 0) refuse(CANNOT_START, "capset failed");
  read_capabilities(&now);
  if (now.effective != keep || now.permitted != keep || now.inheritable != 0)
    refuse(CANNOT_START, "capabilities could not be given up");
}

static void check_ids(i64 call, i64 filesystem_call, u32 wanted) {
  struct ids now;
  read_ids(call, &now);
  /* setfsuid(2) with an invalid id changes nothing and returns the present one. */
  u32 filesystem = (u32)sys1(filesystem_call, -1);
  if (now.real != wanted || now.effective != wanted || now.saved != wanted || filesystem != wanted)
    refuse(CANNOT_START, "user or group ids could not be given up");
}

/* Sets real, effective and saved ids. The group first, since that needs the user's privilege. */
static void become(u32 uid, u32 gid, int status) {
  if (sys3(SYS_setresgid, gid, gid, gid) != 0 || sys3(SYS_setresuid, uid, uid, uid) != 0)
    refuse(status, status == CALLER_IS_ROOT ? "this program cannot be run by root" : "setresuid failed");
}

/* Checks that the ids of the program file cannot be restored. */
static void check_no_return(const struct state *state) {
  if (state->euid != state->uid && sys3(SYS_setresuid, -1, state->euid, -1) == 0)
    refuse(CANNOT_START, "the effective user id came back");
  if (state->egid != state->gid && sys3(SYS_setresgid, -1, state->egid, -1) == 0)
    refuse(CANNOT_START, "the effective group id came back");
}

static void become_user(struct state *state) {
  /* If it fails (locked by the caller), the capability is lost, and the program reports that. */
  sys2(SYS_prctl, PR_SET_KEEPCAPS, 1);
  become(state->uid, state->gid, CANNOT_START);
  keep_capabilities(CAP_SYS_CHROOT_BIT);
  sys2(SYS_prctl, PR_SET_KEEPCAPS, 0);
  check_ids(SYS_getresuid, SYS_setfsuid, state->uid);
  check_ids(SYS_getresgid, SYS_setfsgid, state->gid);
  check_no_return(state);
}

/* Root has no use for these programs: they only say so, without any privilege. */
static void become_nobody(void) {
  sys2(SYS_prctl, PR_SET_KEEPCAPS, 0);
  if (sys2(SYS_setgroups, 0, 0) != 0) refuse(CALLER_IS_ROOT, "this program cannot be run by root");
  become(NOBODY, NOBODY, CALLER_IS_ROOT);
  keep_capabilities(0);
  check_ids(SYS_getresuid, SYS_setfsuid, NOBODY);
  check_ids(SYS_getresgid, SYS_setfsgid, NOBODY);
}

/* The runtime starts with the caller's ids and at most CAP_SYS_CHROOT; the bounding set is unchanged. */
void give_up_privileges(struct state *state) {
  struct capabilities now;
  if (state->uid == 0)
    become_nobody();
  else
    become_user(state);
  /* After the ids, which reset it. Otherwise the caller could trace the process that holds the capability. */
  sys2(SYS_prctl, PR_SET_DUMPABLE, 0);
  if (sys1(SYS_prctl, PR_GET_DUMPABLE) != 0) refuse(CANNOT_START, "PR_SET_DUMPABLE failed");
  read_capabilities(&now);
  state->kept_chroot = (now.effective & CAP_SYS_CHROOT_BIT) != 0;
  /* nobody: the entry became that, so that no runtime starts as root. */
  if (state->root_called) state->uid = state->euid = state->gid = state->egid = 0;
}

/* In a native entry, after everything else is given up: the capability survives its one exec. */
void pass_chroot_to_program(void) {
  u32 header[2] = {_LINUX_CAPABILITY_VERSION_3, 0};
  u32 data[6] = {CAP_SYS_CHROOT_BIT, CAP_SYS_CHROOT_BIT, CAP_SYS_CHROOT_BIT, 0, 0, 0};
  if (sys2(SYS_capset, header, data) != 0 ||
      sys5(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_CHROOT, 0, 0) != 0)
    refuse(CANNOT_START, "PR_CAP_AMBIENT_RAISE failed");
}

static int chroot_is_ambient(void) {
  return sys5(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_SYS_CHROOT, 0, 0) == 1;
}

/* An entry passes only CAP_SYS_CHROOT, or nothing if it had nothing, and never runs this as root. */
void check_handed_privileges(const struct state *state) {
  struct capabilities now;
  read_capabilities(&now);
  u64 handed = chroot_is_ambient() ? CAP_SYS_CHROOT_BIT : 0;
  if (state->uid == 0 || now.permitted != handed || now.effective != handed)
    refuse(NO_PRIVILEGE, "only its own entry may start this program");
}

/* The other programs do not need it, and programs that they start in a jail could leave it. */
void drop_ambient_chroot(void) {
  if (chroot_is_ambient()) sys5(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_SYS_CHROOT, 0, 0);
}

/* All other programs run with their caller's privileges, whatever bits the file has. */
void refuse_unexpected_privileges(const struct state *state) {
  struct capabilities now;
  if (state->uid != state->euid || state->gid != state->egid)
    refuse(NOT_PERMITTED, "this program must not be setuid or setgid");
  if (!state->secure || state->uid == 0) return;
  read_capabilities(&now);
  if (now.permitted != 0) refuse(NOT_PERMITTED, "this program must not have file capabilities");
}
