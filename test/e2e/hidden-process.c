/* A process that is never the same one for long: each ends as soon as it has started another. */
#include <signal.h>
#include <unistd.h>

int main(void) {
  signal(SIGCHLD, SIG_IGN);
  for (;;)
    if (fork() > 0) _exit(0);
}
