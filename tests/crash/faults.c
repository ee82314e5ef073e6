// Makes one system call of a program fail, for tests: preloaded, it counts the calls that write below MOM_FAULT_ROOT, and of the
// one numbered MOM_FAULT_AT (from 1) makes what MOM_FAULT_KIND says: ENOSPC, EIO, EINTR, short (half of a write) or kill.
// MOM_FAULT_LOG: where the names of the calls go, one in a line. durable.h: what of it was synced.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "durable.h"

static atomic_int calls;

static int below_root(const char* path) {
  const char* root = getenv("MOM_FAULT_ROOT");
  return root && path && strncmp(path, root, strlen(root)) == 0;
}

static int file_below_root(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = '\0';
  return below_root(path);
}

// The kind of fault that this call is to have, or null. A killed program does not come back.
static const char* fault_of(const char* name) {
  const char *kind = getenv("MOM_FAULT_KIND"), *at = getenv("MOM_FAULT_AT"), *log = getenv("MOM_FAULT_LOG");
  const int number = atomic_fetch_add(&calls, 1) + 1;
  if (log) {
    FILE* file = fopen(log, "a");
    fprintf(file, "%s\n", name);
    fclose(file);
  }
  if (!kind || !at || atoi(at) != number) return NULL;
  if (strcmp(kind, "kill") == 0) raise(SIGKILL);
  return kind;
}

static int fails(const char* kind) {
  if (!kind) return 0;
  errno = strcmp(kind, "ENOSPC") == 0 ? ENOSPC : strcmp(kind, "EIO") == 0 ? EIO : strcmp(kind, "EINTR") == 0 ? EINTR : 0;
  return errno != 0;
}

#define REAL(type, name, ...)                             \
  static type (*real)(__VA_ARGS__);                       \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void* data, size_t count) {
  REAL(ssize_t, "write", int, const void*, size_t);
  const char* kind = file_below_root(fd) ? fault_of("write") : NULL;
  if (fails(kind)) return -1;
  return real(fd, data, kind && count > 1 ? count / 2 : count);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  REAL(ssize_t, "writev", int, const struct iovec*, int);
  const char* kind = file_below_root(fd) ? fault_of("writev") : NULL;
  if (fails(kind)) return -1;
  return real(fd, parts, kind && count > 1 ? count / 2 : count);
}

ssize_t pwrite(int fd, const void* data, size_t count, off_t at) {
  REAL(ssize_t, "pwrite", int, const void*, size_t, off_t);
  const char* kind = file_below_root(fd) ? fault_of("pwrite") : NULL;
  if (fails(kind)) return -1;
  return real(fd, data, kind && count > 1 ? count / 2 : count, at);
}

int fsync(int fd) {
  REAL(int, "fsync", int);
  const int counts = file_below_root(fd);
  if (fails(counts ? fault_of("fsync") : NULL)) return -1;
  const int result = real(fd);
  if (result == 0 && counts) durable_synced(fd);
  return result;
}

int ftruncate(int fd, off_t length) {
  REAL(int, "ftruncate", int, off_t);
  return fails(file_below_root(fd) ? fault_of("ftruncate") : NULL) ? -1 : real(fd, length);
}

int rename(const char* from, const char* to) {
  REAL(int, "rename", const char*, const char*);
  return fails(below_root(to) ? fault_of("rename") : NULL) ? -1 : real(from, to);
}

// renameat2 has no function in older C libraries.
long syscall(long number, ...) {
  REAL(long, "syscall", long, ...);
  long of[6];
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; ++i) of[i] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_renameat2 && fails(below_root((const char*)of[3]) ? fault_of("renameat2") : NULL)) return -1;
  return real(number, of[0], of[1], of[2], of[3], of[4], of[5]);
}

int mkdir(const char* path, mode_t mode) {
  REAL(int, "mkdir", const char*, mode_t);
  const int counts = below_root(path);
  if (fails(counts ? fault_of("mkdir") : NULL)) return -1;
  const int result = real(path, mode);
  if (result == 0 && counts) durable_created(path);
  return result;
}

// Of folders that are removed.
int unlinkat(int folder, const char* name, int flags) {
  REAL(int, "unlinkat", int, const char*, int);
  const int counts = folder == AT_FDCWD ? below_root(name) : file_below_root(folder);
  return fails(counts ? fault_of("unlinkat") : NULL) ? -1 : real(folder, name, flags);
}

static int open_with(const char* name, int (*real)(const char*, int, ...), const char* path, int flags, mode_t mode) {
  if ((flags & O_CREAT) == 0 || !below_root(path)) return real(path, flags, mode);
  if (fails(fault_of(name))) return -1;
  const int is_new = access(path, F_OK) != 0, fd = real(path, flags, mode);
  if (fd >= 0 && is_new) durable_created(path);
  return fd;
}

int open(const char* path, int flags, ...) {
  REAL(int, "open", const char*, int, ...);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_with("open", real, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  REAL(int, "open64", const char*, int, ...);
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_with("open64", real, path, flags, mode);
}
