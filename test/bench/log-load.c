/*
 * log-load sink SOCKET FIFO           receives at SOCKET; when all messages of a load are there, writes to FIFO how many
 *                                     nanoseconds went by from the first to the last, and goes on.
 * log-load send COUNT FIFO SOCKET...  sends COUNT messages of 100 bytes to each SOCKET in turn, and prints what comes
 *                                     from FIFO.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static int local_socket(const char *path, struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	need(fd >= 0 && strlen(path) < sizeof address->sun_path, path);
	memset(address, 0, sizeof *address);
	address->sun_family = AF_UNIX;
	strcpy(address->sun_path, path);
	return fd;
}

static long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}

static int sink(const char *path, const char *fifo)
{
	static char message[1 << 16];
	struct sockaddr_un address;
	int fd = local_socket(path, &address);
	long first = 0, seen = 0;
	need(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && chmod(path, 0666) == 0, path);
	/* Open at both ends, so that opening does not wait and reading does not end. */
	int out = open(fifo, O_RDWR);
	need(out >= 0, fifo);
	puts("ready");
	fflush(stdout);
	for (;;) {
		long length = recv(fd, message, sizeof message - 1, 0);
		need(length >= 0, "recv");
		message[length] = 0;
		if (strncmp(message, "<13>load", 8) != 0)
			continue;
		if (seen++ == 0)
			first = now();
		if (seen < atol(strchr(message, ':') + 1))
			continue;
		dprintf(out, "%ld\n", now() - first);
		seen = 0;
	}
}

static int send_all(long count, const char *fifo, char **paths, int sockets)
{
	char message[101], answer[64];
	struct sockaddr_un address;
	int *fds = calloc(sockets, sizeof *fds);
	for (int i = 0; i < sockets; i++) {
		fds[i] = local_socket(paths[i], &address);
		need(connect(fds[i], (struct sockaddr *)&address, sizeof address) == 0, paths[i]);
	}
	memset(message, 'x', 100);
	int head = snprintf(message, sizeof message, "<13>load[1]: %ld", count);
	message[head] = ' ';
	for (long i = 0; i < count; i++)
		need(send(fds[i % sockets], message, 100, 0) == 100, "send");
	int in = open(fifo, O_RDONLY);
	need(in >= 0, fifo);
	long length = read(in, answer, sizeof answer);
	return write(1, answer, length > 0 ? length : 0) == length ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "sink") == 0)
		return sink(argv[2], argv[3]);
	if (argc > 4 && strcmp(argv[1], "send") == 0)
		return send_all(atol(argv[2]), argv[3], argv + 4, argc - 4);
	return 2;
}
