/*
 * What filling a jail cannot do without. Reads what is in the directory FROM, which is not measured; then makes the same
 * directories, files and links in the new directory TO, the files in two threads, and prints how many milliseconds that
 * took. It looks at nothing, compares nothing, records nothing, and a killed run leaves half a file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define THREADS 2
#define AT_ONCE 32
#define MOST 100000

static struct entry {
	char *path, *target;
	struct stat stat;
} entries[MOST];
static int count, from, to;
static size_t prefix;
static atomic_int next;

static void require(int holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(1);
}

static int note(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
	(void)type;
	if (walk->level == 0)
		return 0;
	require(count < MOST, "too many");
	struct entry *entry = &entries[count++];
	entry->path = strdup(path + prefix);
	entry->stat = *stat;
	if (S_ISLNK(stat->st_mode)) {
		char text[4096];
		ssize_t length = readlink(path, text, sizeof(text) - 1);
		require(length >= 0, path);
		entry->target = strndup(text, length);
	}
	return 0;
}

static void fill(const struct entry *entry, char *buffer, size_t size)
{
	int source = openat(from, entry->path, O_RDONLY);
	int made = openat(to, entry->path, O_WRONLY | O_CREAT | O_EXCL, entry->stat.st_mode & 07777);
	require(source >= 0 && made >= 0, entry->path);
	for (off_t left = entry->stat.st_size; left > 0;) {
		ssize_t length = read(source, buffer, size);
		require(length > 0 && write(made, buffer, length) == length, entry->path);
		left -= length;
	}
	const struct timespec times[2] = { entry->stat.st_atim, entry->stat.st_mtim };
	require(futimens(made, times) == 0, entry->path);
	close(source);
	close(made);
}

static void *work(void *unused)
{
	const size_t size = 1 << 20;
	char *buffer = malloc(size);
	(void)unused;
	for (;;) {
		int first = atomic_fetch_add(&next, AT_ONCE);
		for (int i = first; i < first + AT_ONCE && i < count; i++) {
			if (entries[i].target)
				require(symlinkat(entries[i].target, to, entries[i].path) == 0, entries[i].path);
			else if (S_ISREG(entries[i].stat.st_mode))
				fill(&entries[i], buffer, size);
		}
		if (first >= count)
			return NULL;
	}
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	prefix = strlen(argv[1]) + 1;
	require(nftw(argv[1], note, 64, FTW_PHYS) == 0, argv[1]);
	from = open(argv[1], O_RDONLY | O_DIRECTORY);
	umask(0);
	struct timespec start, end;
	clock_gettime(CLOCK_MONOTONIC, &start);
	require(mkdir(argv[2], 0755) == 0, argv[2]);
	to = open(argv[2], O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < count; i++)
		if (S_ISDIR(entries[i].stat.st_mode))
			require(mkdirat(to, entries[i].path, entries[i].stat.st_mode & 07777) == 0, entries[i].path);
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		require(pthread_create(&threads[i], NULL, work, NULL) == 0, "pthread_create");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.1f\n", (end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6);
	return 0;
}
