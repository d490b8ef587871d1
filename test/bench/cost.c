/* Runs a program, and prints what it cost: processor time in microseconds, and the most memory in KiB (VmHWM). */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **words)
{
	(void)count;
	pid_t child = fork();
	if (child == 0) {
		execv(words[1], words + 1);
		_exit(127);
	}
	int status = 0;
	struct rusage used;
	if (child < 0 || wait4(child, &status, 0, &used) != child || status != 0) return 1;
	long seconds = used.ru_utime.tv_sec + used.ru_stime.tv_sec;
	printf("%ld %ld\n", seconds * 1000000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec, used.ru_maxrss);
	return 0;
}
