/*
 * A process of two threads that share no root, working directory or descriptors. Words before `--` are for the first thread,
 * which then waits for SIGUSR1 and ends, or with `end` ends at once; those behind it are for the other one:
 *   root=DIR    a root of its own (root of the machine alone may)
 *   cwd=DIR     the working directory
 *   open=FILE   a descriptor
 *   uid=N       the user
 * Then it says "there". With each line of its standard input, the other thread goes up as far as it gets, and lists what is there.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char **words;
static pthread_t first;
static int ends;

static void try(int result, const char *word)
{
	if (result >= 0)
		return;
	perror(word);
	exit(1);
}

static char **obey(char **list)
{
	for (; *list && strcmp(*list, "--") != 0; list++) {
		char *value = strchr(*list, '=');
		value = value ? value + 1 : "";
		if (strcmp(*list, "end") == 0)
			ends = 1;
		else if (strncmp(*list, "root=", 5) == 0)
			try(chroot(value) == 0 ? chdir("/") : -1, *list);
		else if (strncmp(*list, "cwd=", 4) == 0)
			try(chdir(value), *list);
		else if (strncmp(*list, "open=", 5) == 0)
			try(open(value, O_RDONLY), *list);
		else if (strncmp(*list, "uid=", 4) == 0)
			try(setresuid(atoi(value), atoi(value), atoi(value)), *list);
		else
			exit(2);
	}
	return list;
}

static void list(void)
{
	for (int i = 0; i < 20; i++)
		try(chdir(".."), "..");
	DIR *here = opendir(".");
	for (struct dirent *entry; here && (entry = readdir(here));)
		printf("%s ", entry->d_name);
	puts("");
	fflush(stdout);
}

static void *other(void *unused)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, 0);
	try(unshare(CLONE_FS | CLONE_FILES), "unshare");
	if (*words)
		obey(words + 1);
	if (ends)
		pthread_join(first, 0);
	puts("there");
	fflush(stdout);
	char line[8];
	while (fgets(line, sizeof(line), stdin))
		list();
	exit(0);
}

static void nothing(int unused) {}

int main(int argc, char **argv)
{
	pthread_t second;
	(void)argc;
	words = obey(argv + 1);
	first = pthread_self();
	signal(SIGUSR1, nothing);
	pthread_create(&second, 0, other, 0);
	if (!ends)
		pause();
	syscall(SYS_exit, 0);
	return 0;
}
