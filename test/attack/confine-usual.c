/*
 * A part of confine-probe.c: what every program does; and what the attempts of confine-calls.c need as well. Each returns as
 * a system call does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* At the same address in every process of this program, which is not position-independent. */
static long scratch;

static unsigned long number(const char *text) { return text ? strtoul(text, NULL, 16) : 0; }

static int closing(int fd, int result) {
  int error = errno;
  close(fd);
  errno = error;
  return result;
}

/* The end of a child: its status, or an error by which it ended. */
static int ended(pid_t child) {
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  return -1;
}

static volatile sig_atomic_t arrived;
static void arrive(int signal) { arrived = signal; }

static int handlesSignals(const char *a, const char *b) {
  (void)a, (void)b;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  signal(SIGUSR1, arrive);
  if (kill(getpid(), SIGUSR1) < 0 || arrived != SIGUSR1 || sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -1;
  int fd = signalfd(-1, &set, SFD_CLOEXEC);
  struct signalfd_siginfo information;
  if (fd < 0 || raise(SIGUSR2) < 0) return -1;
  return closing(fd, read(fd, &information, sizeof information) < 0 ? -1 : 0);
}

static int signalsChild(const char *a, const char *b) {
  (void)a, (void)b;
  pid_t child = fork();
  if (child == 0)
    for (;;) pause();
  if (child < 0 || kill(child, SIGSTOP) < 0 || waitpid(child, NULL, WUNTRACED) < 0) return -1;
  return kill(child, SIGCONT) < 0 || kill(child, SIGKILL) < 0 || waitpid(child, NULL, 0) < 0 ? -1 : 0;
}

static int tracesChild(const char *a, const char *b) {
  (void)a, (void)b;
  pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) _exit(errno);
    _exit(raise(SIGSTOP));
  }
  if (child < 0 || waitpid(child, NULL, 0) < 0 || ptrace(PTRACE_CONT, child, NULL, NULL) < 0) return -1;
  return ended(child);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int signalled;

static void *signalling(void *argument) {
  pthread_mutex_lock(&lock);
  signalled = 1;
  pthread_cond_signal(&condition);
  pthread_mutex_unlock(&lock);
  return argument;
}

static int threads(const char *a, const char *b) {
  (void)a, (void)b;
  pthread_t thread;
  errno = pthread_create(&thread, NULL, signalling, NULL);
  if (errno != 0) return -1;
  pthread_mutex_lock(&lock);
  while (!signalled) pthread_cond_wait(&condition, &lock);
  pthread_mutex_unlock(&lock);
  errno = pthread_join(thread, NULL);
  return errno == 0 ? 0 : -1;
}

static int pipes(const char *a, const char *b) {
  (void)a, (void)b;
  int end[2];
  char byte = 'x';
  if (pipe2(end, O_CLOEXEC) < 0) return -1;
  pid_t child = fork();
  if (child == 0) _exit(write(end[1], &byte, 1) != 1);
  return ended(child) < 0 || read(end[0], &byte, 1) != 1 ? -1 : 0;
}

static int waits(const char *path, const char *b) {
  (void)b;
  int events = epoll_create1(EPOLL_CLOEXEC), counter = eventfd(1, EFD_CLOEXEC), files = inotify_init1(IN_CLOEXEC);
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  if (events < 0 || counter < 0 || files < 0 || timer < 0) return -1;
  struct itimerspec soon = {.it_value = {0, 1}};
  struct epoll_event event = {.events = EPOLLIN};
  if (inotify_add_watch(files, path, IN_CREATE) < 0 || timerfd_settime(timer, 0, &soon, NULL) < 0) return -1;
  if (epoll_ctl(events, EPOLL_CTL_ADD, timer, &event) < 0 || epoll_wait(events, &event, 1, -1) != 1) return -1;
  fd_set set;
  FD_ZERO(&set);
  FD_SET(counter, &set);
  struct pollfd one = {counter, POLLIN, 0};
  return select(counter + 1, &set, NULL, NULL, NULL) == 1 && poll(&one, 1, -1) == 1 ? 0 : -1;
}

static int random_(const char *a, const char *b) {
  (void)a, (void)b;
  return getrandom(&scratch, sizeof scratch, 0) < 0 ? -1 : 0;
}

static int leads(const char *a, const char *b) {
  (void)a, (void)b;
  pid_t child = fork();
  if (child == 0) _exit(setsid() < 0 || setpgid(0, 0) == 0 ? errno : 0);
  return ended(child);
}

static int queues(const char *name, const char *b) {
  (void)b;
  mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600, NULL);
  return queue < 0 || mq_unlink(name) < 0 ? -1 : 0;
}

static int shares(const char *a, const char *b) {
  (void)a, (void)b;
  int segment = shmget(IPC_PRIVATE, 4096, 0600);
  if (segment < 0) return -1;
  void *at = shmat(segment, NULL, 0);
  int removed = shmctl(segment, IPC_RMID, NULL);
  return at == (void *)-1 || removed < 0 ? -1 : shmdt(at);
}
