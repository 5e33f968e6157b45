// A plain C program: prints what it is given, and fails if that is nothing.

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  if (getchar() != EOF) {
    fputs("there should be no input\n", stderr);
    return 4;
  }
  if (argc < 2) {
    fputs("usage: orders ID..\n", stderr);
    return 3;
  }
  for (int i = 1; i < argc; i++) printf("order %d: %s\n", i, argv[i]);
  return 0;
}
