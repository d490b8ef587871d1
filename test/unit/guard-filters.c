/*
 * guard-filters FILTERS: installs filters as the guard does, and prints the result, the number of filters that this process
 * has, and the errors of the calls that prove them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include "../../ffi/guard/filters.c"

int main(int argc, char **argv) {
  char line[256];
  int count = -1;
  if (argc != 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 125;
  i64 result = install_filters(strtoul(argv[1], 0, 10));
  FILE *status = fopen("/proc/self/status", "r");
  if (!status) return 124;
  while (fgets(line, sizeof line, status)) sscanf(line, "Seccomp_filters: %d", &count);
  printf("%ld %d", result, count);
  for (u64 i = 0; i < COUNT_OF(filter_proofs); i++) {
    const struct filter_proof *proof = &filter_proofs[i];
    const i64 *words = proof->arguments;
    printf(" %ld", -sys3(proof->call, words[0], words[1], words[2]));
  }
  puts("");
  return 0;
}
