/* Stands between a program and the C library (LD_PRELOAD): writes down what the program does to the files below one
   folder, in the order in which it happened, and lets the n-th of these calls fail. Linux only; test code. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name, type, ...) \
    static type (*real_##name)(__VA_ARGS__); \
    if (!real_##name) real_##name = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static pthread_mutex_t guard = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char root[PATH_MAX];
static size_t root_length;
static int record = -1;
static long calls, fail_at, fail_times, hits;
static int fail_errno, fail_kinds;
static char failed[PATH_MAX + 16];

enum { OPEN = 1, WRITE = 2, SYNC = 4, RENAME = 8, UNLINK = 16, MKDIR = 32, LINK = 64, READ = 128 };

void recorder_watch(const char *folder) {
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
}
int recorder_start(const char *path) {
    record = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return record >= 0;
}
/* Let `times` calls fail from the `at`-th on (counted from 1; 0 for none); starts counting anew. */
void recorder_fail(long at, long times, int error, int kinds) {
    pthread_mutex_lock(&guard);
    calls = hits = 0, fail_at = at, fail_times = times, fail_errno = error, fail_kinds = kinds;
    pthread_mutex_unlock(&guard);
}
long recorder_calls(void) { return calls; }
long recorder_hits(void) { return hits; }
/* Kind and path of the first call that was let fail. */
const char *recorder_failed(void) { return failed; }

static void put(const void *data, size_t size) {
    for (const char *at = data; size;) {
        long done = syscall(SYS_write, record, at, size);
        if (done < 0) abort();
        at += done, size -= done;
    }
}
static void note(char kind, uint64_t inode, uint64_t number, const void *first, size_t one, const void *second,
                 size_t two) {
    if (record < 0) return;
    struct __attribute__((packed)) { char kind; uint64_t inode, number, one, two; } head = {kind, inode, number, one, two};
    put(&head, sizeof head), put(first, one), put(second, two);
}
void recorder_note(const char *text) {
    pthread_mutex_lock(&guard);
    note('N', 0, 0, text, strlen(text), "", 0);
    pthread_mutex_unlock(&guard);
}

static int whole(int folder, const char *path, char *out) {
    char above[PATH_MAX] = "";
    if (path[0] != '/') {
        if (folder == AT_FDCWD) {
            if (!getcwd(above, sizeof above)) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t size = readlink(link, above, sizeof above - 1);
            if (size < 0) return 0;
            above[size] = 0;
        }
        strncat(above, "/", sizeof above - strlen(above) - 1);
    }
    snprintf(out, PATH_MAX, "%s%s", above, path);
    for (size_t end = strlen(out); end > 1 && out[end - 1] == '/'; end--) out[end - 1] = 0;
    return root_length && !strncmp(out, root, root_length) && (out[root_length] == '/' || !out[root_length]);
}
static int path_of(int file, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, out, PATH_MAX - 1);
    if (size < 0) return 0;
    out[size] = 0;
    return root_length && !strncmp(out, root, root_length) && out[root_length] == '/';
}
static int fails(int kind, const char *path) {
    if (!(kind & fail_kinds)) return 0;
    calls++;
    if (!fail_at || calls < fail_at || calls >= fail_at + fail_times) return 0;
    if (!hits++) snprintf(failed, sizeof failed, "%d %s", kind, path);
    errno = fail_errno;
    return 1;
}
/* Files that were made by calls that nobody can stand before (Rust speaks with the kernel itself): what is in one when
   it is seen for the first time is put down with its opening. */
static uint64_t seen[1 << 16];
static int is_new(uint64_t inode) {
    size_t at = inode * 2654435761u % (1 << 16);
    while (seen[at] && seen[at] != inode) at = (at + 1) % (1 << 16);
    if (seen[at]) return 0;
    seen[at] = inode;
    return 1;
}
static void note_opened(const char *path, struct stat *about, int made) {
    char *content = NULL;
    long size = 0;
    if (is_new(about->st_ino) && !made && record >= 0 && (content = malloc(about->st_size + 1))) {
        int file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
        size = file < 0 ? 0 : syscall(SYS_pread64, file, content, about->st_size, 0L);
        if (file >= 0) syscall(SYS_close, file);
    }
    note(made ? 'C' : 'O', about->st_ino, 0, path, strlen(path), content ? content : "", size > 0 ? size : 0);
    free(content);
}
static uint64_t inode_of(int file) {
    struct stat about;
    return fstat(file, &about) ? 0 : about.st_ino;
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    REAL(openat, int, int, const char *, int, ...);
    char full[PATH_MAX];
    if (!whole(folder, path, full)) return real_openat(folder, path, flags, mode);
    pthread_mutex_lock(&guard);
    struct stat about;
    int there = !fstatat(folder, path, &about, 0), file = -1;
    if (!fails((flags & O_ACCMODE) == O_RDONLY ? READ : OPEN, full)) {
        file = real_openat(folder, path, flags, mode);
        if (file >= 0 && !fstat(file, &about) && S_ISREG(about.st_mode)) {
            note_opened(full, &about, !there);
            if (there && flags & O_TRUNC) note('T', about.st_ino, 0, "", 0, "", 0);
        }
    }
    int error = errno;
    pthread_mutex_unlock(&guard);
    errno = error;
    return file;
}
#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags), mode = va_arg(more, mode_t), va_end(more); \
    }
int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int f, const char *path, int flags, ...) { MODE(flags) return opened(f, path, flags, mode); }
int openat64(int f, const char *path, int flags, ...) { MODE(flags) return opened(f, path, flags | O_LARGEFILE, mode); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

static ssize_t written(int file, const void *data, size_t size, off_t at) {
    REAL(pwrite64, ssize_t, int, const void *, size_t, off_t);
    REAL(write, ssize_t, int, const void *, size_t);
    char full[PATH_MAX];
    if (!path_of(file, full)) return at < 0 ? real_write(file, data, size) : real_pwrite64(file, data, size, at);
    pthread_mutex_lock(&guard);
    ssize_t done = -1;
    if (!fails(WRITE, full)) {
        struct stat about;
        off_t start = at;
        if (at < 0) start = lseek(file, 0, SEEK_CUR);
        if (fcntl(file, F_GETFL) & O_APPEND && !fstat(file, &about)) start = about.st_size;
        done = at < 0 ? real_write(file, data, size) : real_pwrite64(file, data, size, at);
        if (done > 0) note('W', inode_of(file), start, data, done, "", 0);
    }
    int error = errno;
    pthread_mutex_unlock(&guard);
    errno = error;
    return done;
}
ssize_t write(int file, const void *data, size_t size) { return written(file, data, size, -1); }
ssize_t pwrite(int file, const void *data, size_t size, off_t at) { return written(file, data, size, at); }
ssize_t pwrite64(int file, const void *data, size_t size, off_t at) { return written(file, data, size, at); }
static ssize_t vector(int file, const struct iovec *parts, int count, off_t at) {
    ssize_t sum = 0;
    for (int i = 0; i < count; i++) {
        ssize_t done = written(file, parts[i].iov_base, parts[i].iov_len, at < 0 ? -1 : at + sum);
        if (done < 0) return sum ? sum : -1;
        sum += done;
        if ((size_t)done < parts[i].iov_len) break;
    }
    return sum;
}
ssize_t writev(int file, const struct iovec *parts, int count) { return vector(file, parts, count, -1); }
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) { return vector(file, parts, count, at); }
ssize_t pwritev64(int file, const struct iovec *parts, int count, off_t at) { return vector(file, parts, count, at); }

/* What the kernel copies by itself is made visible: callers fall back to read and write. */
ssize_t sendfile(int out, int in, off_t *at, size_t size) {
    char full[PATH_MAX];
    REAL(sendfile, ssize_t, int, int, off_t *, size_t);
    if (!path_of(out, full)) return real_sendfile(out, in, at, size);
    errno = ENOTSOCK;
    return -1;
}
ssize_t sendfile64(int out, int in, off_t *at, size_t size) { return sendfile(out, in, at, size); }
ssize_t copy_file_range(int in, off_t *a, int out, off_t *b, size_t size, unsigned flags) {
    char full[PATH_MAX];
    REAL(copy_file_range, ssize_t, int, off_t *, int, off_t *, size_t, unsigned);
    if (!path_of(out, full)) return real_copy_file_range(in, a, out, b, size, flags);
    errno = ENOSYS;
    return -1;
}

#define ON_FILE(kind, call, letter, number) \
    char full[PATH_MAX]; \
    if (!path_of(file, full)) return call; \
    pthread_mutex_lock(&guard); \
    int done = -1; \
    if (!fails(kind, full) && !(done = call)) note(letter, inode_of(file), number, full, strlen(full), "", 0); \
    int error = errno; \
    pthread_mutex_unlock(&guard); \
    errno = error; \
    return done;
static int synced(int file) {
    REAL(fsync, int, int);
    struct stat about;
    char here[PATH_MAX];
    /* Of the watched folder itself, too. */
    if (!path_of(file, here) && strcmp(here, root)) return real_fsync(file);
    pthread_mutex_lock(&guard);
    int done = -1;
    if (!fails(SYNC, here) && !(done = real_fsync(file)) && !fstat(file, &about))
        note(S_ISDIR(about.st_mode) ? 'D' : 'S', about.st_ino, 0, here, strlen(here), "", 0);
    int error = errno;
    pthread_mutex_unlock(&guard);
    errno = error;
    return done;
}
int fsync(int file) { return synced(file); }
int fdatasync(int file) { return synced(file); }
int ftruncate(int file, off_t size) {
    REAL(ftruncate64, int, int, off_t);
    ON_FILE(WRITE, real_ftruncate64(file, size), 'T', size)
}
int ftruncate64(int file, off_t size) { return ftruncate(file, size); }

static int renamed(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(renameat2, int, int, const char *, int, const char *, unsigned);
    char one[PATH_MAX], two[PATH_MAX];
    if (!(whole(a, from, one) & whole(b, to, two))) return real_renameat2(a, from, b, to, flags);
    pthread_mutex_lock(&guard);
    int done = -1;
    if (!fails(RENAME, two) && !(done = real_renameat2(a, from, b, to, flags)))
        note(flags & RENAME_EXCHANGE ? 'X' : 'R', 0, 0, one, strlen(one), two, strlen(two));
    int error = errno;
    pthread_mutex_unlock(&guard);
    errno = error;
    return done;
}
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return renamed(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return renamed(a, from, b, to, flags); }

#define ON_PATH(kind, folder, path, call, letter) \
    char full[PATH_MAX]; \
    if (!whole(folder, path, full)) return call; \
    pthread_mutex_lock(&guard); \
    int done = -1; \
    if (!fails(kind, full) && !(done = call) && (letter)) note(letter, 0, 0, full, strlen(full), "", 0); \
    int error = errno; \
    pthread_mutex_unlock(&guard); \
    errno = error; \
    return done;
int unlinkat(int folder, const char *path, int flags) {
    REAL(unlinkat, int, int, const char *, int);
    ON_PATH(UNLINK, folder, path, real_unlinkat(folder, path, flags), flags & AT_REMOVEDIR ? 'K' : 'U')
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int mkdirat(int folder, const char *path, mode_t mode) {
    REAL(mkdirat, int, int, const char *, mode_t);
    ON_PATH(MKDIR, folder, path, real_mkdirat(folder, path, mode), 'M')
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
    REAL(linkat, int, int, const char *, int, const char *, int);
    ON_PATH(LINK, b, to, real_linkat(a, from, b, to, flags), 0)
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
int symlinkat(const char *from, int folder, const char *to) {
    REAL(symlinkat, int, const char *, int, const char *);
    ON_PATH(LINK, folder, to, real_symlinkat(from, folder, to), 0)
}
int symlink(const char *from, const char *to) { return symlinkat(from, AT_FDCWD, to); }
