#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
/* fd_set has another field name with _GNU_SOURCE, and Swift refuses two definitions when another C module (libarchive,
   swift-system) is imported beside this one: so take the one they have. */
#include <features.h>
#pragma push_macro("__USE_XOPEN")
#undef __USE_XOPEN
#include <sys/select.h>
#pragma pop_macro("__USE_XOPEN")
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* System calls that Swift cannot reach: variadic ones, and those without a Glibc wrapper.
   Each returns what the system call returns: -1 and errno on failure. */

static inline int linux_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}
static inline int linux_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
static inline int linux_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}
static inline int linux_renameat2(int from, const char *old, int to, const char *name, unsigned flags) {
    return (int)syscall(SYS_renameat2, from, old, to, name, flags);
}
/* From now on the calling thread has a umask and a working folder of its own. */
static inline int linux_unshare_umask(void) { return unshare(CLONE_FS); }
static inline int linux_syncfs(int descriptor) { return syncfs(descriptor); }
static inline int linux_set_child_subreaper(int on) { return prctl(PR_SET_CHILD_SUBREAPER, on, 0, 0, 0); }

/* An anonymous file, closed on exec. */
static inline int linux_memfd_create(const char *name) { return (int)syscall(SYS_memfd_create, name, 1U /* MFD_CLOEXEC */); }
/* An unnamed file in a folder, which linux_link_descriptor gives its name. */
static inline int linux_open_unnamed(int directory, mode_t mode) {
    return openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
}
/* Fails with EEXIST rather than replace anything. */
static inline int linux_link_descriptor(int file, int directory, const char *name) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW);
}
/* Begins to write a file to its disk and does not wait. */
static inline int linux_start_writing(int file) { return sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE); }
static inline int linux_close_from(unsigned first) { return (int)syscall(SYS_close_range, first, ~0U, 0); }
/* For programs that live long and have many threads one after the other: they share two heaps instead of having one each,
   and what was large goes back to the system when it is freed (mallopt(3)). */
void linux_share_heaps(void);
/* Swift 6 refuses the global itself. */
static inline char **linux_environment(void) { return environ; }
/* What Glibc's module hides of spawn.h, which cannot be included here beside it; actions: posix_spawn_file_actions_t. */
int linux_spawn_add_chdir(void *actions, const char *path);
int linux_spawn_add_close_from(void *actions, int first);
short linux_spawn_new_session(void);

/* What a clock shows. In C, because Swift's timespec has another defining module in a static build. */
static inline int64_t linux_nanoseconds(clockid_t clock) {
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* When a file was last written, in seconds since 1970; 0 when it is not there. */
static inline int64_t linux_modified_seconds(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0 ? (int64_t)status.st_mtim.tv_sec : 0;
}

/* When a folder's names or its status last changed, in nanoseconds since 1970; 0 when there is no such folder. */
static inline int64_t linux_folder_changed(int directory, const char *name) {
    struct stat status;
    if (fstatat(directory, name, &status, 0) != 0 || !S_ISDIR(status.st_mode)) return 0;
    return (int64_t)status.st_ctim.tv_sec * 1000000000 + status.st_ctim.tv_nsec;
}
/* Says that a file was used now; one that is gone is no matter. */
static inline void linux_touch(const char *path) { utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW); }
/* Makes an empty file like another: 1 when they share their blocks, 0 when the bytes were copied. */
int linux_copy_file(int from, int to);
/* Gives a file or a folder the times of another. */
static inline int linux_copy_times(int from, int to) {
    struct stat status;
    if (fstat(from, &status) != 0) return -1;
    struct timespec times[2] = {status.st_atim, status.st_mtim};
    return futimens(to, times);
}

/* Times in nanoseconds since 1970. Anyone may set a time that has none in 64 bits; then it is the nearest that has.
   In C, because Swift's timespec has another defining module in a static build. */
static inline int64_t linux_nanoseconds_of(struct timespec time) {
    int64_t sum;
    if (__builtin_mul_overflow((int64_t)time.tv_sec, (int64_t)1000000000, &sum) ||
        __builtin_add_overflow(sum, (int64_t)time.tv_nsec, &sum))
        return time.tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}
static inline int64_t linux_modified(const struct stat *status) { return linux_nanoseconds_of(status->st_mtim); }
static inline int64_t linux_changed(const struct stat *status) { return linux_nanoseconds_of(status->st_ctim); }

/* When a file was last read and written, in seconds since 1970. */
static inline int linux_set_times(int file, int64_t seconds) {
    struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    return futimens(file, times);
}

/* Whether something below a folder has extended attributes or access control lists, SELinux's label aside. */
int linux_has_attributes(int directory, const char *path);

static const uint64_t LINUX_RESOLVE_BENEATH = RESOLVE_BENEATH;
static const uint64_t LINUX_RESOLVE_NO_SYMLINKS = RESOLVE_NO_SYMLINKS;
static const uint64_t LINUX_RESOLVE_NO_MAGICLINKS = RESOLVE_NO_MAGICLINKS;
static const uint64_t LINUX_RESOLVE_IN_ROOT = RESOLVE_IN_ROOT;
static const uint64_t LINUX_RESOLVE_NO_XDEV = RESOLVE_NO_XDEV;

#include <sys/eventfd.h>
/* A counter that poll can wait on; closed on exec. */
/* MFD_CLOEXEC is 1 */
static inline int linux_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }
