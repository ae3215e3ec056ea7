#include "CLinux.h"

#include <spawn.h>

int linux_spawn_add_chdir(void *actions, const char *path) {
    return posix_spawn_file_actions_addchdir_np(actions, path);
}
int linux_spawn_add_close_from(void *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}
short linux_spawn_new_session(void) { return POSIX_SPAWN_SETSID; }
