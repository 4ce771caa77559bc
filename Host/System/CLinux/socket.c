#define _GNU_SOURCE
#include "socket.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int address(const char *path, struct sockaddr_un *target) {
  if (strlen(path) >= sizeof target->sun_path) return -ENAMETOOLONG;
  memset(target, 0, sizeof *target);
  target->sun_family = AF_UNIX;
  strcpy(target->sun_path, path);
  return 0;
}

static int fail(int descriptor) {
  int error = errno;
  if (descriptor >= 0) close(descriptor);
  return -error;
}

int clinux_unix_listen(const char *path) {
  struct sockaddr_un target;
  int error = address(path, &target);
  if (error != 0) return error;
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -errno;
  if (bind(descriptor, (struct sockaddr *)&target, sizeof target) != 0) return fail(descriptor);
  // Until it listens, a connection is refused, whatever the mode is.
  if (chmod(path, 0600) != 0 || listen(descriptor, 64) != 0) {
    error = fail(descriptor);
    unlink(path);
    return error;
  }
  return descriptor;
}

int clinux_unix_connect(const char *path) {
  struct sockaddr_un target;
  int error = address(path, &target);
  if (error != 0) return error;
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -errno;
  struct timeval limit = {2, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(descriptor, (struct sockaddr *)&target, sizeof target) != 0) {
    if (errno == EAGAIN || errno == EINPROGRESS) errno = ETIMEDOUT;
    return fail(descriptor);
  }
  limit.tv_sec = 0;
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return descriptor;
}

int clinux_unix_accept(int listener) {
  int descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return descriptor < 0 ? -errno : descriptor;
}

int clinux_unix_peer(int descriptor, uint32_t *uid, int32_t *pid) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -errno;
  *uid = peer.uid;
  *pid = peer.pid;
  return 0;
}

int64_t clinux_send(int descriptor, const void *bytes, uint64_t count) {
  ssize_t sent = send(descriptor, bytes, count, MSG_NOSIGNAL);
  return sent < 0 ? -errno : sent;
}

int clinux_event_open(void) {
  int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return descriptor < 0 ? -errno : descriptor;
}

void clinux_event_signal(int descriptor) {
  uint64_t one = 1;
  ssize_t ignored = write(descriptor, &one, sizeof one);
  (void)ignored;
}

void clinux_event_clear(int descriptor) {
  uint64_t count;
  ssize_t ignored = read(descriptor, &count, sizeof count);
  (void)ignored;
}

int clinux_watch_open(void) {
  int descriptor = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  return descriptor < 0 ? -errno : descriptor;
}

int clinux_watch_folder(int watch, const char *folder) {
  const uint32_t mask = IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR;
  int number = inotify_add_watch(watch, folder, mask);
  return number < 0 ? -errno : number;
}

int clinux_watch_read(int watch, void (*visit)(int folder, int what, const char *name, void *context), void *context) {
  _Alignas(struct inotify_event) char buffer[16 * 1024];
  int events = 0;
  for (;;) {
    ssize_t length = read(watch, buffer, sizeof buffer);
    if (length < 0) return errno == EAGAIN ? events : -errno;
    for (ssize_t at = 0; at < length;) {
      const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
      at += (ssize_t)(sizeof *event + event->len);
      events += 1;
      if (event->mask & (IN_Q_OVERFLOW | IN_IGNORED)) {
        visit(event->wd, CLINUX_WATCH_LOST, "", context);
      } else if (event->len > 0) {
        int writing = (event->mask & (IN_MODIFY | IN_CREATE)) != 0;
        visit(event->wd, writing ? CLINUX_WATCH_WRITING : CLINUX_WATCH_CHANGED, event->name, context);
      }
    }
  }
}
