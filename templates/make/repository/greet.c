/* Greets somebody, or says which revision it is. */
#include <stdio.h>
#include <string.h>

#ifndef REVISION
#define REVISION "unknown"
#endif

int main(int count, char **arguments) {
    const char *name = count > 1 ? arguments[1] : "world";
    if (strcmp(name, "--version") == 0) {
        puts("greet " REVISION);
    } else {
        printf("Hello, %s!\n", name);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
