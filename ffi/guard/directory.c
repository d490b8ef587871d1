/* The runtime does not start in a directory that getcwd(2) cannot name: removed, outside the root, too long. */
#include "guard.h"
#include "syscalls.h"

enum { AT_FDCWD = -100, O_PATH_CLOEXEC = 0x280000, PATH_MAX = 4096 };

void leave_unnamed_directory(struct state *state) {
  char name[PATH_MAX];
  if (sys2(SYS_getcwd, name, PATH_MAX) > 0 && name[0] == '/') return;
  /* A privileged program does not return to it: a descriptor of a directory would be a way out of the jail. */
  if (!state->privileged) {
    i64 fd = sys4(SYS_openat, AT_FDCWD, ".", O_PATH_CLOEXEC, 0);
    if (fd >= 0) state->directory = fd + 1;
  }
  if (sys1(SYS_chdir, "/") != 0) refuse(CANNOT_START, "cannot leave the working directory, which has no name");
}
