/*
 * powerfs: a file system that forgets what was not synced (FUSE 3, in memory).
 *
 *   powerfs MOUNTPOINT CONTROL_SOCKET
 *
 * Model: each directory at the top is one machine. Everything has two states, the present one and the durable one.
 *   - fsync or fdatasync of a file makes its bytes and length durable, and nothing else: not its name.
 *   - fsync of a directory makes its entries durable, and with them the things they name, as they are durable.
 *     (ext4 is kinder: it makes the name of a synced new file durable too. Programs may not count on that.)
 *   - Changes of entries become durable one by one in any order: a rename may be half done, except that a rename in
 *     one directory over an existing name replaces it as one.
 * Commands on the control socket, one a connection, answered by "ok\n" or "no: REASON\n":
 *   cut MACHINE SEED PERCENT   the present state becomes the durable one, and of what was not synced each 512-byte
 *                              sector, each length and each change of an entry survives with PERCENT per cent
 *   slow MICROSECONDS          each fsync takes so long at least, before anything is durable
 * Kill the machine's processes first. One lock guards everything; syncs wait outside of it.
 */
#define FUSE_USE_VERSION 35
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SECTOR 512
#define NAME_SIZE 256
#define ENTRIES_MAX 4096

typedef struct inode inode;

typedef struct {
  uint8_t *bytes;
  size_t size;
  size_t capacity;
} data;

typedef struct {
  char name[NAME_SIZE];
  inode *node;
} entry;

typedef struct {
  entry *list;
  int count;
} entries;

struct inode {
  inode *older;           /* the list of all */
  int is_reached;
  mode_t mode;
  uid_t uid;
  gid_t gid;
  struct timespec mtime;
  uint64_t number;
  int opened;
  data now, safe;         /* of files */
  uint8_t *dirty;         /* one byte a sector of `now` that differs from `safe` */
  size_t dirty_count;     /* sectors that `dirty` has room for */
  entries here, kept;     /* of directories: present and durable */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static inode *root, *newest;
static uint64_t next_number = 1;
static volatile long slow_us = 0;
static const char *control_path;

static void *must(void *memory) {
  if (memory == NULL) abort();
  return memory;
}

static inode *make(mode_t mode) {
  inode *node = must(calloc(1, sizeof *node));
  struct fuse_context *context = fuse_get_context();
  node->mode = mode;
  node->uid = context ? context->uid : 0;
  node->gid = context ? context->gid : 0;
  node->number = next_number++;
  node->older = newest;
  newest = node;
  clock_gettime(CLOCK_REALTIME, &node->mtime);
  return node;
}

static int find(const entries *in, const char *name) {
  for (int i = 0; i < in->count; i++)
    if (strcmp(in->list[i].name, name) == 0) return i;
  return -1;
}

static void set(entries *in, const char *name, inode *node) {
  int at = find(in, name);
  if (at < 0) {
    at = in->count++;
    in->list = must(realloc(in->list, sizeof(entry) * (size_t)in->count));
    snprintf(in->list[at].name, NAME_SIZE, "%s", name);
  }
  in->list[at].node = node;
}

static void unset(entries *in, const char *name) {
  int at = find(in, name);
  if (at >= 0) in->list[at] = in->list[--in->count];
}

static void copy_entries(entries *to, const entries *from) {
  to->count = from->count;
  to->list = must(realloc(to->list, sizeof(entry) * (size_t)(from->count + 1)));
  if (from->count > 0) memcpy(to->list, from->list, sizeof(entry) * (size_t)from->count);
}

static inode *walk(const char *path, inode **parent, char *last) {
  inode *node = root;
  if (parent) *parent = NULL;
  char copy[4096];
  snprintf(copy, sizeof copy, "%s", path);
  char *rest = copy;
  for (char *part; (part = strsep(&rest, "/"));) {
    if (*part == 0) continue;
    if (node == NULL || !S_ISDIR(node->mode)) {
      if (parent) *parent = NULL;
      return NULL;
    }
    if (strlen(part) >= NAME_SIZE) return NULL;
    if (parent) *parent = node;
    if (last) snprintf(last, NAME_SIZE, "%s", part);
    int at = find(&node->here, part);
    node = at < 0 ? NULL : node->here.list[at].node;
  }
  return node;
}

static inode *node_of(const char *path, struct fuse_file_info *fi) {
  if (fi && fi->fh) return (inode *)(uintptr_t)fi->fh;
  return path ? walk(path, NULL, NULL) : NULL;
}

static void touch(inode *node) { clock_gettime(CLOCK_REALTIME, &node->mtime); }

static void reserve(data *d, size_t size) {
  if (size <= d->capacity) return;
  size_t capacity = d->capacity ? d->capacity : 4096;
  while (capacity < size) capacity *= 2;
  d->bytes = must(realloc(d->bytes, capacity));
  memset(d->bytes + d->capacity, 0, capacity - d->capacity);
  d->capacity = capacity;
}

static void resize(data *d, size_t size) {
  reserve(d, size);
  if (size < d->size) memset(d->bytes + size, 0, d->size - size);
  d->size = size;
}

static void soil(inode *node, size_t from, size_t to) {
  size_t sectors = (to + SECTOR - 1) / SECTOR;
  if (sectors > node->dirty_count) {
    size_t room = sectors * 2;
    node->dirty = must(realloc(node->dirty, room));
    memset(node->dirty + node->dirty_count, 0, room - node->dirty_count);
    node->dirty_count = room;
  }
  for (size_t i = from / SECTOR; i < sectors; i++) node->dirty[i] = 1;
}

/* Copies a sector of `now`, or the zeros behind its end, to `safe`. */
static void keep_sector(inode *node, size_t sector) {
  size_t from = sector * SECTOR, to = from + SECTOR;
  if (to > node->safe.size) to = node->safe.size;
  if (from >= to) return;
  reserve(&node->now, to);
  memcpy(node->safe.bytes + from, node->now.bytes + from, to - from);
}

static void sync_file(inode *node) {
  resize(&node->safe, node->now.size);
  for (size_t i = 0; i < node->dirty_count; i++)
    if (node->dirty[i]) keep_sector(node, i);
  if (node->dirty_count) memset(node->dirty, 0, node->dirty_count);
}

static void wait_for_disk(void) {
  long us = slow_us;
  if (us > 0) usleep((useconds_t)us);
}

/* The power cut. */

static uint32_t seed_state;

static int survives(int percent) {
  seed_state = seed_state * 1664525u + 1013904223u;
  return (int)((seed_state >> 8) % 100) < percent;
}

static void cut(inode *node, int percent) {
  if (!S_ISDIR(node->mode)) {
    if (node->now.size != node->safe.size && survives(percent)) resize(&node->safe, node->now.size);
    for (size_t i = 0; i < node->dirty_count; i++)
      if (node->dirty[i] && survives(percent)) keep_sector(node, i);
    resize(&node->now, 0);
    resize(&node->now, node->safe.size);
    if (node->safe.size > 0) memcpy(node->now.bytes, node->safe.bytes, node->safe.size);
    if (node->dirty_count) memset(node->dirty, 0, node->dirty_count);
    return;
  }
  entries before = {0};
  copy_entries(&before, &node->kept);
  for (int i = 0; i < node->here.count; i++) {
    const entry *e = &node->here.list[i];
    int at = find(&before, e->name);
    if ((at < 0 || before.list[at].node != e->node) && survives(percent)) set(&node->kept, e->name, e->node);
  }
  for (int i = 0; i < before.count; i++)
    if (find(&node->here, before.list[i].name) < 0 && survives(percent)) unset(&node->kept, before.list[i].name);
  free(before.list);
  copy_entries(&node->here, &node->kept);
  for (int i = 0; i < node->here.count; i++) cut(node->here.list[i].node, percent);
}

/* Frees what no directory names, present or durable, and no process has open. */

static void reach(inode *node) {
  if (node->is_reached) return;
  node->is_reached = 1;
  for (int i = 0; i < node->here.count; i++) reach(node->here.list[i].node);
  for (int i = 0; i < node->kept.count; i++) reach(node->kept.list[i].node);
}

static void sweep(void) {
  for (inode *node = newest; node; node = node->older) node->is_reached = 0;
  reach(root);
  for (inode *node = newest; node; node = node->older)
    if (node->opened > 0) reach(node);
  for (inode **at = &newest; *at;) {
    inode *node = *at;
    if (node->is_reached) {
      at = &node->older;
      continue;
    }
    *at = node->older;
    free(node->now.bytes);
    free(node->safe.bytes);
    free(node->dirty);
    free(node->here.list);
    free(node->kept.list);
    free(node);
  }
}

/* Operations. */

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi) {
  pthread_mutex_lock(&lock);
  inode *node = node_of(path, fi);
  if (node) {
    memset(st, 0, sizeof *st);
    st->st_ino = node->number;
    st->st_mode = node->mode;
    st->st_nlink = S_ISDIR(node->mode) ? 2 : 1;
    st->st_uid = node->uid;
    st->st_gid = node->gid;
    st->st_size = (off_t)node->now.size;
    st->st_blocks = (blkcnt_t)(node->now.size / 512);
    st->st_mtim = st->st_ctim = st->st_atim = node->mtime;
  }
  pthread_mutex_unlock(&lock);
  return node ? 0 : -ENOENT;
}

static int add(const char *path, mode_t mode, inode **made) {
  char name[NAME_SIZE];
  inode *parent;
  int result = 0;
  pthread_mutex_lock(&lock);
  inode *node = walk(path, &parent, name);
  if (node) result = -EEXIST;
  else if (!parent) result = -ENOENT;
  else if (parent->here.count >= ENTRIES_MAX) result = -ENOSPC;
  else {
    node = make(mode);
    set(&parent->here, name, node);
    /* Machines themselves are there from the start. */
    if (parent == root) set(&root->kept, name, node);
    touch(parent);
    if (made) {
      node->opened++;
      *made = node;
    }
  }
  pthread_mutex_unlock(&lock);
  return result;
}

static int fs_mknod(const char *path, mode_t mode, dev_t device) {
  (void)device;
  return add(path, mode, NULL);
}

static int fs_mkdir(const char *path, mode_t mode) { return add(path, S_IFDIR | mode, NULL); }

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi) {
  inode *node;
  int result = add(path, S_IFREG | (mode & 07777), &node);
  if (result == 0) fi->fh = (uintptr_t)node;
  return result;
}

static int remove_entry(const char *path, int is_directory) {
  char name[NAME_SIZE];
  inode *parent;
  int result = 0;
  pthread_mutex_lock(&lock);
  inode *node = walk(path, &parent, name);
  if (!node || !parent) result = -ENOENT;
  else if (is_directory && !S_ISDIR(node->mode)) result = -ENOTDIR;
  else if (!is_directory && S_ISDIR(node->mode)) result = -EISDIR;
  else if (is_directory && node->here.count > 0) result = -ENOTEMPTY;
  else {
    unset(&parent->here, name); /* The inode stays: it may be durable, or open. */
    touch(parent);
  }
  pthread_mutex_unlock(&lock);
  return result;
}

static int fs_unlink(const char *path) { return remove_entry(path, 0); }
static int fs_rmdir(const char *path) { return remove_entry(path, 1); }

static int fs_rename(const char *from, const char *to, unsigned int flags) {
  char from_name[NAME_SIZE], to_name[NAME_SIZE];
  inode *from_parent, *to_parent;
  int result = 0;
  pthread_mutex_lock(&lock);
  inode *node = walk(from, &from_parent, from_name);
  inode *target = walk(to, &to_parent, to_name);
  if (!node || !from_parent || !to_parent) result = -ENOENT;
  else if (flags & ~1u) result = -EINVAL;
  else if (target && (flags & 1u)) result = -EEXIST;
  else if (target && S_ISDIR(target->mode) && target->here.count > 0) result = -ENOTEMPTY;
  else if (target != node) {
    unset(&from_parent->here, from_name);
    set(&to_parent->here, to_name, node);
    touch(from_parent);
    touch(to_parent);
  }
  pthread_mutex_unlock(&lock);
  return result;
}

static int fs_open(const char *path, struct fuse_file_info *fi) {
  pthread_mutex_lock(&lock);
  inode *node = walk(path, NULL, NULL);
  if (node) {
    node->opened++;
    fi->fh = (uintptr_t)node;
    if (fi->flags & O_TRUNC) {
      soil(node, 0, node->now.size);
      resize(&node->now, 0);
      touch(node);
    }
  }
  pthread_mutex_unlock(&lock);
  return node ? 0 : -ENOENT;
}

static int fs_release(const char *path, struct fuse_file_info *fi) {
  (void)path;
  pthread_mutex_lock(&lock);
  ((inode *)(uintptr_t)fi->fh)->opened--;
  pthread_mutex_unlock(&lock);
  return 0;
}

static int fs_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *fi) {
  pthread_mutex_lock(&lock);
  inode *node = node_of(path, fi);
  size_t from = (size_t)offset, end = node->now.size;
  size_t count = from >= end ? 0 : (size < end - from ? size : end - from);
  if (count > 0) memcpy(buffer, node->now.bytes + from, count);
  pthread_mutex_unlock(&lock);
  return (int)count;
}

static int fs_write(const char *path, const char *buffer, size_t size, off_t offset, struct fuse_file_info *fi) {
  pthread_mutex_lock(&lock);
  inode *node = node_of(path, fi);
  size_t from = (size_t)offset;
  if (from + size > node->now.size) resize(&node->now, from + size);
  memcpy(node->now.bytes + from, buffer, size);
  soil(node, from, from + size);
  touch(node);
  pthread_mutex_unlock(&lock);
  return (int)size;
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi) {
  pthread_mutex_lock(&lock);
  inode *node = node_of(path, fi);
  if (node) {
    size_t before = node->now.size, after = (size_t)size;
    resize(&node->now, after);
    soil(node, before < after ? before : after, before < after ? after : before);
    touch(node);
  }
  pthread_mutex_unlock(&lock);
  return node ? 0 : -ENOENT;
}

static int fs_fallocate(const char *path, int mode, off_t offset, off_t length, struct fuse_file_info *fi) {
  if (mode != 0) return -EOPNOTSUPP;
  pthread_mutex_lock(&lock);
  inode *node = node_of(path, fi);
  size_t end = (size_t)(offset + length), before = node->now.size;
  if (end > before) {
    resize(&node->now, end);
    soil(node, before, end);
  }
  pthread_mutex_unlock(&lock);
  return 0;
}

static int fs_fsync(const char *path, int only_data, struct fuse_file_info *fi) {
  (void)only_data;
  wait_for_disk();
  pthread_mutex_lock(&lock);
  inode *node = node_of(path, fi);
  if (node) sync_file(node);
  pthread_mutex_unlock(&lock);
  return node ? 0 : -ENOENT;
}

static int fs_opendir(const char *path, struct fuse_file_info *fi) { return fs_open(path, fi); }

static int fs_fsyncdir(const char *path, int only_data, struct fuse_file_info *fi) {
  (void)only_data;
  wait_for_disk();
  pthread_mutex_lock(&lock);
  inode *node = node_of(path, fi);
  if (node) copy_entries(&node->kept, &node->here);
  pthread_mutex_unlock(&lock);
  return node ? 0 : -ENOENT;
}

static int fs_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *fi,
                      enum fuse_readdir_flags flags) {
  (void)offset;
  (void)flags;
  pthread_mutex_lock(&lock);
  inode *node = node_of(path, fi);
  if (node) {
    fill(buffer, ".", NULL, 0, 0);
    fill(buffer, "..", NULL, 0, 0);
    for (int i = 0; i < node->here.count; i++) fill(buffer, node->here.list[i].name, NULL, 0, 0);
  }
  pthread_mutex_unlock(&lock);
  return node ? 0 : -ENOENT;
}

static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *fi) {
  pthread_mutex_lock(&lock);
  inode *node = node_of(path, fi);
  if (node) node->mode = (node->mode & (mode_t)S_IFMT) | (mode & 07777);
  pthread_mutex_unlock(&lock);
  return node ? 0 : -ENOENT;
}

static int fs_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi) {
  pthread_mutex_lock(&lock);
  inode *node = node_of(path, fi);
  if (node && uid != (uid_t)-1) node->uid = uid;
  if (node && gid != (gid_t)-1) node->gid = gid;
  pthread_mutex_unlock(&lock);
  return node ? 0 : -ENOENT;
}

static int fs_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *fi) {
  pthread_mutex_lock(&lock);
  inode *node = node_of(path, fi);
  if (node) node->mtime = times[1];
  pthread_mutex_unlock(&lock);
  return node ? 0 : -ENOENT;
}

static int fs_statfs(const char *path, struct statvfs *st) {
  (void)path;
  memset(st, 0, sizeof *st);
  st->f_bsize = st->f_frsize = 4096;
  st->f_blocks = st->f_bfree = st->f_bavail = 4 << 20;
  st->f_namemax = NAME_SIZE - 1;
  return 0;
}

/* Control. */

static void answer(int connection) {
  char line[256] = {0}, machine[NAME_SIZE];
  unsigned seed;
  int percent;
  long us;
  const char *told = "no: unknown command\n";
  if (read(connection, line, sizeof line - 1) <= 0) return;
  if (sscanf(line, "cut %255s %u %d", machine, &seed, &percent) == 3) {
    pthread_mutex_lock(&lock);
    int at = find(&root->here, machine);
    if (at >= 0) {
      seed_state = seed;
      cut(root->here.list[at].node, percent);
      sweep();
    }
    pthread_mutex_unlock(&lock);
    told = at >= 0 ? "ok\n" : "no: no such machine\n";
  } else if (sscanf(line, "slow %ld", &us) == 1) {
    slow_us = us;
    told = "ok\n";
  }
  if (write(connection, told, strlen(told)) < 0) perror("answer");
}

static void *serve(void *unused) {
  (void)unused;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", control_path);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4) < 0) {
    perror("control socket");
    exit(1);
  }
  for (;;) {
    int connection = accept(listener, NULL, NULL);
    if (connection < 0) continue;
    answer(connection);
    close(connection);
  }
}

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config) {
  (void)connection;
  config->hard_remove = 1;
  config->nullpath_ok = 1;
  config->use_ino = 1;
  /* Nothing is remembered outside, so that a cut is seen at once. */
  config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
  pthread_t thread;
  if (pthread_create(&thread, NULL, serve, NULL) != 0) abort();
  return NULL;
}

static const struct fuse_operations operations = {
    .init = fs_init,         .getattr = fs_getattr,   .mknod = fs_mknod,     .mkdir = fs_mkdir,
    .create = fs_create,     .unlink = fs_unlink,     .rmdir = fs_rmdir,     .rename = fs_rename,
    .open = fs_open,         .release = fs_release,   .read = fs_read,       .write = fs_write,
    .truncate = fs_truncate, .fallocate = fs_fallocate, .fsync = fs_fsync,   .opendir = fs_opendir,
    .releasedir = fs_release, .fsyncdir = fs_fsyncdir, .readdir = fs_readdir, .chmod = fs_chmod,
    .chown = fs_chown,       .utimens = fs_utimens,   .statfs = fs_statfs,
};

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: powerfs MOUNTPOINT CONTROL_SOCKET\n");
    return 2;
  }
  control_path = argv[2];
  root = make(S_IFDIR | 0755);
  char *args[] = {argv[0], "-f", "-o", "allow_other,default_permissions", argv[1], NULL};
  return fuse_main(5, args, &operations, NULL);
}
