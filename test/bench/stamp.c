/* A program that says when it began: CLOCK_MONOTONIC in nanoseconds. Stands in for `true`. */
#include <stdio.h>
#include <time.h>

int main(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	printf("%lld", t.tv_sec * 1000000000LL + t.tv_nsec);
	return 0;
}
