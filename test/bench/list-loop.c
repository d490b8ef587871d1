/*
 * What a list of jailed processes cannot do without: the names in /proc, and the root directory of each process, and the
 * number of its threads, each of which can have another one.
 * With arguments, `N J DIR`: makes N processes that wait, J of them with the root DIR, says so, and waits for the end
 * of its standard input.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int crowd(int count, int jailed, const char *jail)
{
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();
		if (pid < 0)
			return 1;
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (i < jailed && (chroot(jail) != 0 || chdir("/") != 0))
				_exit(1);
			for (;;)
				pause();
		}
	}
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4)
		return crowd(atoi(argv[1]), atoi(argv[2]), argv[3]);
	DIR *proc = opendir("/proc");
	if (!proc)
		return 1;
	int jailed = 0, threaded = 0;
	for (struct dirent *entry; (entry = readdir(proc));) {
		char path[300], root[4096];
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/root", entry->d_name);
		ssize_t length = readlink(path, root, sizeof(root));
		if (length > 0 && !(length == 1 && root[0] == '/'))
			jailed++;
		struct stat threads;
		snprintf(path, sizeof(path), "/proc/%s/task", entry->d_name);
		if (stat(path, &threads) == 0 && threads.st_nlink != 3)
			threaded++;
	}
	printf("%d %d\n", jailed, threaded);
	return 0;
}
