/* under-filter FILE... -- PROGRAM [ARGUMENT...]: executes the program under the filters in the files, which are arrays of
   struct sock_filter. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv) {
  static struct sock_filter code[4096];
  int i = 1;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 125;
  for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
    int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, code, sizeof code);
    if (size <= 0) return 124;
    struct sock_fprog program = {(unsigned short)(size / sizeof code[0]), code};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return 123;
  }
  if (i + 1 >= argc) return 122;
  execvp(argv[i + 1], argv + i + 1);
  return 121;
}
