#define _GNU_SOURCE
#include "durable.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Inodes are used again; ids are not.
static struct {
  ino_t inode;
  unsigned number;
} made_[1 << 16];
static unsigned num_made_;
static pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;

static FILE* record(const char* name, const char* mode) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", getenv("MOM_FAULT_SHADOW"), name);
  FILE* file = fopen(path, mode);  // within the C library: none of the calls that faults.c counts
  if (!file) abort();
  return file;
}

static void write_id(char* id, size_t size, ino_t inode) {
  for (unsigned i = num_made_; i-- > 0;)
    if (made_[i].inode == inode) {
      snprintf(id, size, "new%u", made_[i].number);
      return;
    }
  snprintf(id, size, "%lu", (unsigned long)inode);
}

void durable_created(const char* path) {
  struct stat status;
  if (!getenv("MOM_FAULT_SHADOW") || stat(path, &status) != 0) return;
  pthread_mutex_lock(&mutex_);
  if (num_made_ == sizeof made_ / sizeof made_[0]) abort();
  made_[num_made_].inode = status.st_ino;
  made_[num_made_].number = num_made_;
  FILE* ids = record("ids", "a");
  fprintf(ids, "%lu new%u\n", (unsigned long)status.st_ino, num_made_++);
  fclose(ids);
  pthread_mutex_unlock(&mutex_);
}

static void record_folder(const char* id, const char* path) {
  char name[64], entry_path[8192], entry_id[32];
  snprintf(name, sizeof name, "dir-%s", id);
  FILE* out = record(name, "w");
  DIR* folder = opendir(path);
  for (struct dirent* entry; folder && (entry = readdir(folder));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    snprintf(entry_path, sizeof entry_path, "%s/%s", path, entry->d_name);
    struct stat status;
    if (lstat(entry_path, &status) != 0) continue;
    write_id(entry_id, sizeof entry_id, status.st_ino);
    fprintf(out, "%s %s\n", entry_id, entry->d_name);
  }
  if (folder) closedir(folder);
  fclose(out);
}

static void record_file(const char* id, const char* path) {
  char name[64], block[1 << 16];
  snprintf(name, sizeof name, "file-%s", id);
  FILE *out = record(name, "w"), *in = fopen(path, "r");
  for (size_t got; in && (got = fread(block, 1, sizeof block, in)) > 0;) fwrite(block, 1, got, out);
  if (in) fclose(in);
  fclose(out);
}

void durable_synced(int fd) {
  struct stat status;
  if (!getenv("MOM_FAULT_SHADOW") || fstat(fd, &status) != 0) return;
  char id[32], path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  pthread_mutex_lock(&mutex_);
  write_id(id, sizeof id, status.st_ino);
  S_ISDIR(status.st_mode) ? record_folder(id, path) : record_file(id, path);
  pthread_mutex_unlock(&mutex_);
}
