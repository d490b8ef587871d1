/*
 * exec-watch PID FILE
 *
 * Follows process PID, and whatever it starts from now on, by ptrace(2), and writes a line into FILE for each program
 * that was executed, before its first instruction runs: pid, root directory, the file that is executed (for a
 * script its interpreter), the arguments, with tabs between. An execve(2) that fails leaves no line. A byte on standard
 * input is answered with "idle", when PID is the only one left of those that are followed; 'k' ends the others first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)
#define MOST 4096

/* Those that run; and those whose end came before the news of their beginning, which is no beginning any more. */
struct set {
	struct { pid_t pid; int announced; } list[MOST];
	int count;
};
static struct set followed, early;
static int asked;
static FILE *out;

static void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(99);
}

static int find(const struct set *set, pid_t pid)
{
	for (int i = 0; i < set->count; i++)
		if (set->list[i].pid == pid)
			return i;
	return -1;
}

static void take_out(struct set *set, int i)
{
	set->list[i] = set->list[--set->count];
}

static void add(struct set *set, pid_t pid, int announced)
{
	int i = find(set, pid);
	if (i < 0) {
		need(set->count < MOST, "too many processes");
		i = set->count++;
		set->list[i].announced = 0;
	}
	set->list[i].pid = pid;
	set->list[i].announced |= announced;
}

static void announce(pid_t pid)
{
	int i = find(&early, pid);
	if (i >= 0)
		take_out(&early, i);
	else
		add(&followed, pid, 1);
}

static void drop(pid_t pid)
{
	int i = find(&followed, pid);
	if (i < 0)
		return;
	if (!followed.list[i].announced)
		add(&early, pid, 0);
	take_out(&followed, i);
}

static void field(char end, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		fputc((unsigned char)text[i] < 32 || text[i] == 127 ? '?' : text[i], out);
	fputc(end, out);
}

static void link_field(pid_t pid, const char *name)
{
	char path[64], target[4096];
	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	ssize_t length = readlink(path, target, sizeof target);
	need(length > 0, path);
	field('\t', target, length);
}

static void executed(pid_t pid)
{
	char path[64], text[16384];
	snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	need(fd >= 0, path);
	ssize_t length = read(fd, text, sizeof text);
	need(length >= 0, path);
	close(fd);
	fprintf(out, "%d\t", pid);
	link_field(pid, "root");
	link_field(pid, "exe");
	for (ssize_t i = 0; i < length - 1; i++)
		if (text[i] == 0)
			text[i] = ' ';
	field('\n', text, length > 0 ? length - 1 : 0);
	fflush(out);
}

static void stopped(pid_t pid, int status)
{
	int number = WSTOPSIG(status), event = status >> 16;
	unsigned long other = 0;
	add(&followed, pid, 0);
	switch (event) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		if (ptrace(PTRACE_GETEVENTMSG, pid, 0, &other) == 0)
			announce(other);
		number = 0;
		break;
	case PTRACE_EVENT_EXEC:
		/* the thread that did it has taken the pid of its process */
		if (ptrace(PTRACE_GETEVENTMSG, pid, 0, &other) == 0 && (pid_t)other != pid)
			drop(other);
		executed(pid);
		number = 0;
		break;
	case PTRACE_EVENT_STOP:
		if (number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU) {
			ptrace(PTRACE_LISTEN, pid, 0, 0);
			return;
		}
		number = 0;
		break;
	}
	ptrace(PTRACE_CONT, pid, 0, number);
}

static void collect(pid_t first)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
		if (WIFSTOPPED(status))
			stopped(pid, status);
		else
			drop(pid);
	}
	need(find(&followed, first) >= 0, "the first process ended");
	if (asked > 0 && followed.count == 1 && early.count == 0) {
		asked--;
		puts("idle");
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	need(argc == 3, "exec-watch PID FILE");
	pid_t first = atoi(argv[1]);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	need(sigprocmask(SIG_BLOCK, &set, NULL) == 0, "sigprocmask");
	int children = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	need(children >= 0, "signalfd");
	out = fopen(argv[2], "ae");
	need(out != NULL, argv[2]);
	need(ptrace(PTRACE_SEIZE, first, 0, OPTIONS) == 0, "ptrace");
	add(&followed, first, 1);
	puts("ready");
	fflush(stdout);
	struct pollfd wait[2] = {{children, POLLIN, 0}, {0, POLLIN, 0}};
	for (;;) {
		struct signalfd_siginfo info;
		char byte;
		need(poll(wait, 2, -1) >= 0 || errno == EINTR, "poll");
		if (wait[1].revents) {
			if (read(0, &byte, 1) != 1)
				return 0;
			for (int i = 0; byte == 'k' && i < followed.count; i++)
				if (followed.list[i].pid != first)
					kill(followed.list[i].pid, SIGKILL);
			asked++;
		}
		while (read(children, &info, sizeof info) > 0)
			;
		collect(first);
	}
}
