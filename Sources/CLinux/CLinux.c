#include "CLinux.h"

#include <malloc.h>
#include <spawn.h>
#include <sys/ioctl.h>

int linux_spawn_add_chdir(void *actions, const char *path) {
    return posix_spawn_file_actions_addchdir_np(actions, path);
}
int linux_spawn_add_close_from(void *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}
short linux_spawn_new_session(void) { return POSIX_SPAWN_SETSID; }

/* FICLONE of linux/fs.h, which cannot be included beside the headers above. */
#define LINUX_CLONE _IOW(0x94, 9, int)

int linux_copy_file(int from, int to) {
    if (ioctl(to, LINUX_CLONE, from) == 0) return 1;
    char buffer[64 << 10];
    int in_kernel = 1;
    for (;;) {
        ssize_t count = in_kernel ? copy_file_range(from, NULL, to, NULL, 1 << 30, 0) : read(from, buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && in_kernel && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
            in_kernel = 0;
            continue;
        }
        if (count <= 0) return (int)count;
        for (ssize_t done = 0; !in_kernel && done < count;) {
            ssize_t written = write(to, buffer + done, (size_t)(count - done));
            if (written < 0 && errno != EINTR) return -1;
            if (written > 0) done += written;
        }
    }
}

#include <string.h>
#include <sys/xattr.h>

int linux_has_attributes(int directory, const char *path) {
    char whole[4200], names[4096];
    int length = snprintf(whole, sizeof whole, "/proc/self/fd/%d/%s", directory, path);
    if (length < 0 || (size_t)length >= sizeof whole) return 1;
    ssize_t count = llistxattr(whole, names, sizeof names);
    if (count < 0) return errno == ENOTSUP || errno == ENOENT || errno == ENOTDIR ? 0 : 1;
    for (ssize_t place = 0; place < count; place += (ssize_t)strlen(names + place) + 1)
        if (strcmp(names + place, "security.selinux") != 0) return 1;
    return 0;
}

void linux_share_heaps(void) {
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 512 << 10);
    mallopt(M_TRIM_THRESHOLD, 512 << 10);
}
