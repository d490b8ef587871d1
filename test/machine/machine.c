/*
 * The two halves of the disposable machine.
 *
 *   machine keep CHECKOUT makes the namespaces and the file system, writes "PID\n" when they stand, and keeps them
 *                        until its standard input ends. It is process 1 in there, so the kernel kills whatever
 *                        runs in the machine when it goes, however it goes.
 *   machine enter PID F  runs what file F asks for inside, and ends as that program ended.
 *   machine record S     a syslog for machines without rsyslogd: writes each datagram of socket S as a line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "machine: %s: %s\n", what, strerror(errno));
	/* not a status that a tool under test would give */
	exit(199);
}

static void need(int ok, const char *what)
{
	if (!ok)
		die(what);
}

/* ---- keep ---- */

static void put(const char *path, const char *type, unsigned long flags, const char *data)
{
	mkdir(path, 0755);
	need(mount(type, path, type, flags, data) == 0, path);
}

static void node(const char *path, unsigned major, unsigned minor)
{
	need(mknod(path, S_IFCHR | 0666, makedev(major, minor)) == 0, path);
}

static void loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	need(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0, "lo");
	close(fd);
}

/* The checkout is to be in the machine under its own path, even where the overlay of / does not show it. */
static void show_checkout(const char *path, int fd)
{
	char target[4096], source[40];
	struct stat there;
	need(snprintf(target, sizeof target, ".%s", path) < (int)sizeof target, "the checkout's path is too long");
	char *end = target + strlen(target);
	strcat(target, "/package.json");
	if (stat(target, &there) == 0)
		return;
	*end = 0;
	for (char *slash = target + 2; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = 0;
		mkdir(target, 0755);
		*slash = '/';
	}
	mkdir(target, 0755);
	snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
	need(mount(source, target, NULL, MS_BIND, NULL) == 0, target);
}

static void file_system(const char *checkout)
{
	/* before /tmp is something else: it may be there */
	int fd = open(checkout, O_PATH | O_DIRECTORY | O_CLOEXEC);
	need(fd >= 0, checkout);
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "/");
	/* any directory will do: in this namespace nobody else looks at it */
	need(mount("machine", "/tmp", "tmpfs", 0, "mode=755") == 0, "tmpfs");
	need(mkdir("/tmp/upper", 0755) == 0 && mkdir("/tmp/work", 0755) == 0 && mkdir("/tmp/root", 0755) == 0, "mkdir");
	/* metacopy: a large program can be linked to another name and given a capability without being copied */
	need(mount("machine", "/tmp/root", "overlay", 0,
	           "lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work,metacopy=on,redirect_dir=on,xino=off") == 0,
	     "overlay");
	need(chdir("/tmp/root") == 0, "chdir");
	put("proc", "proc", MS_NOSUID, NULL);
	put("sys", "sysfs", MS_NOSUID, NULL);
	put("tmp", "tmpfs", 0, "mode=1777");
	put("run", "tmpfs", MS_NOSUID, "mode=755");
	show_checkout(checkout, fd);
	close(fd);
	put("dev", "tmpfs", MS_NOSUID, "mode=755");
	node("dev/null", 1, 3);
	node("dev/zero", 1, 5);
	node("dev/full", 1, 7);
	node("dev/random", 1, 8);
	node("dev/urandom", 1, 9);
	node("dev/tty", 5, 0);
	put("dev/pts", "devpts", MS_NOSUID, "newinstance,ptmxmode=0666,mode=620,gid=5");
	put("dev/shm", "tmpfs", MS_NOSUID, "mode=1777");
	need(symlink("pts/ptmx", "dev/ptmx") == 0 && symlink("/proc/self/fd", "dev/fd") == 0 &&
	     symlink("/proc/self/fd/0", "dev/stdin") == 0 && symlink("/proc/self/fd/1", "dev/stdout") == 0 &&
	     symlink("/proc/self/fd/2", "dev/stderr") == 0, "dev");
	/* the old root ends up on top of the new one, and goes */
	need(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
	need(umount2(".", MNT_DETACH) == 0, "umount");
	need(chdir("/") == 0, "/");
}

static int keep(const char *checkout)
{
	int ready[2];
	char byte;
	umask(0);
	need(unshare(SPACES) == 0, "unshare (root and namespaces are needed)");
	need(pipe2(ready, O_CLOEXEC) == 0, "pipe");
	pid_t pid = fork();
	need(pid >= 0, "fork");
	if (pid == 0) {
		need(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl");
		setsid();
		loopback();
		need(sethostname("machine", 7) == 0, "sethostname");
		file_system(checkout);
		/* orphans of the machine become children of this process: reaped unseen */
		signal(SIGCHLD, SIG_IGN);
		need(write(ready[1], "", 1) == 1, "pipe");
		close(ready[1]);
		while (read(0, &byte, 1) > 0 || errno == EINTR)
			errno = 0;
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) == 1) {
		printf("%d\n", pid);
		fflush(stdout);
	}
	int status = 0;
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 199;
}

/* ---- enter ---- */

static pid_t child;

static void forward(int number)
{
	/* a test that has waited long enough sends SIGTERM; the program inside may not care for that */
	if (child > 0)
		kill(child, number == SIGTERM ? SIGKILL : number);
}

static char *contents(const char *path, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	need(fd >= 0 && fstat(fd, &st) == 0, path);
	char *text = malloc(st.st_size + 1);
	size_t have = 0;
	need(text != NULL, "malloc");
	while (have < (size_t)st.st_size) {
		ssize_t count = read(fd, text + have, st.st_size - have);
		need(count > 0, path);
		have += count;
	}
	text[have] = 0;
	*length = have;
	close(fd);
	unlink(path);
	return text;
}

struct limit {
	int resource;
	rlim_t soft, hard;
};

struct request {
	uid_t uid;
	gid_t gid;
	gid_t groups[256];
	int group_count, limit_count, no_new_privs, close_count, open_count, timed;
	mode_t mask;
	const char *cwd, *path;
	struct limit limits[32];
	int closes[16];
	char *opens[64];
	char **argv, **envp;
	size_t argc, envc;
};

/* The file is a list of NUL-terminated strings: a word that says what, then its value. */
static void parse(char *text, size_t length, struct request *r)
{
	size_t most = length + 1;
	r->argv = calloc(most, sizeof(char *));
	r->envp = calloc(most, sizeof(char *));
	need(r->argv != NULL && r->envp != NULL, "calloc");
	for (char *key = text; key < text + length;) {
		char *value = key + strlen(key) + 1;
		if (!strcmp(key, "uid"))
			r->uid = strtoul(value, NULL, 10);
		else if (!strcmp(key, "gid"))
			r->gid = strtoul(value, NULL, 10);
		else if (!strcmp(key, "group") && r->group_count < 256)
			r->groups[r->group_count++] = strtoul(value, NULL, 10);
		else if (!strcmp(key, "umask"))
			r->mask = strtoul(value, NULL, 8);
		else if (!strcmp(key, "cwd"))
			r->cwd = value;
		else if (!strcmp(key, "path"))
			r->path = value;
		else if (!strcmp(key, "nnp"))
			r->no_new_privs = 1;
		else if (!strcmp(key, "time"))
			r->timed = 1;
		else if (!strcmp(key, "close") && r->close_count < 16)
			r->closes[r->close_count++] = atoi(value);
		else if (!strcmp(key, "open") && r->open_count < 64)
			r->opens[r->open_count++] = value;
		else if (!strcmp(key, "limit") && r->limit_count < 32) {
			struct limit *l = &r->limits[r->limit_count++];
			long long soft, hard;
			need(sscanf(value, "%d %lld %lld", &l->resource, &soft, &hard) == 3, "limit");
			l->soft = soft < 0 ? RLIM_INFINITY : (rlim_t)soft;
			l->hard = hard < 0 ? RLIM_INFINITY : (rlim_t)hard;
		} else if (!strcmp(key, "arg"))
			r->argv[r->argc++] = value;
		else if (!strcmp(key, "env"))
			r->envp[r->envc++] = value;
		else {
			errno = EINVAL;
			die(key);
		}
		key = value + strlen(value) + 1;
	}
}

static _Noreturn void become(struct request *r)
{
	/* the runtime of the tests leaves signals ignored and blocked; a login does not */
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	setsid();
	need(chdir(r->cwd) == 0, r->cwd);
	for (int i = 0; i < r->open_count; i++) {
		int number, flags, used = 0;
		need(sscanf(r->opens[i], "%d %d %n", &number, &flags, &used) == 2, "open");
		int fd = open(r->opens[i] + used, flags);
		need(fd >= 0, r->opens[i] + used);
		if (fd != number) {
			need(dup2(fd, number) == number, "dup2");
			close(fd);
		}
	}
	for (int i = 0; i < r->limit_count; i++) {
		struct rlimit limit = { r->limits[i].soft, r->limits[i].hard };
		need(setrlimit(r->limits[i].resource, &limit) == 0, "setrlimit");
	}
	umask(r->mask);
	need(setgroups(r->group_count, r->groups) == 0, "setgroups");
	need(setresgid(r->gid, r->gid, r->gid) == 0, "setresgid");
	need(setresuid(r->uid, r->uid, r->uid) == 0, "setresuid");
	if (r->no_new_privs)
		need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
	/* the program may be there for descriptor 2 to be missing: say so, before it is */
	if (access(r->path, F_OK) != 0)
		die(r->path);
	for (int i = 0; i < r->close_count; i++)
		close(r->closes[i]);
	execve(r->path, r->argv, r->envp);
	die(r->path);
}

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int enter(pid_t pid, const char *file)
{
	static struct request request = { .mask = 022, .cwd = "/" };
	size_t length;
	char *text = contents(file, &length);
	parse(text, length, &request);
	need(request.path != NULL, "path");

	char path[40];
	snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int root = open(path, O_PATH | O_DIRECTORY);
	need(pidfd >= 0 && root >= 0 && setns(pidfd, SPACES) == 0, "the machine is gone");
	/*
	 * setns leads to the root of the mount namespace, which is the host's where the machine was opened from within
	 * a chroot: only the keeper's own root is the machine.
	 */
	need(fchdir(root) == 0 && chroot(".") == 0, "chroot");
	/* the clock is the host's */
	need(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0) == 0, "PR_CAPBSET_DROP");
	/* none of the tests' descriptors but 0, 1, 2 goes in */
	close_range(3, ~0U, 0);
	struct sigaction action = { .sa_handler = forward };
	sigset_t most, before;
	sigfillset(&most);
	sigprocmask(SIG_SETMASK, &most, &before);
	int report = request.timed ? fcntl(1, F_DUPFD_CLOEXEC, 3) : -1;
	long long start = now();
	child = fork();
	need(child >= 0, "fork");
	if (child == 0)
		become(&request);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	/* or the reader of the output would wait for this process too */
	close(0);
	close(1);
	int status = 0;
	while (waitpid(child, &status, 0) < 0)
		need(errno == EINTR, "waitpid");
	if (request.timed)
		dprintf(report, "\n%lld %lld", start, now());
	if (WIFSIGNALED(status)) {
		struct rlimit none = { 0, 0 };
		setrlimit(RLIMIT_CORE, &none);
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	return WEXITSTATUS(status);
}

/* ---- record ---- */

static _Noreturn void record(const char *name)
{
	static unsigned char text[65536];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strncpy(address.sun_path, name, sizeof address.sun_path - 1);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unlink(name);
	umask(0);
	need(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0, name);
	puts("ready");
	for (;;) {
		fflush(stdout);
		ssize_t count = recv(fd, text, sizeof text, 0);
		need(count >= 0, "recv");
		while (count > 0 && (text[count - 1] == '\n' || text[count - 1] == 0))
			count--;
		/* control bytes as rsyslogd shows them, so that one datagram is one line */
		for (ssize_t i = 0; i < count; i++)
			if (text[i] < 32 || text[i] == 127)
				printf("#%03o", text[i]);
			else
				putchar(text[i]);
		putchar('\n');
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "keep"))
		return keep(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "enter"))
		return enter(atoi(argv[2]), argv[3]);
	if (argc == 3 && !strcmp(argv[1], "record"))
		record(argv[2]);
	fputs("machine keep CHECKOUT | enter PID FILE | record SOCKET\n", stderr);
	return 199;
}
