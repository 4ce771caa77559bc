/// Unix domain sockets, wake-ups and file watching: what the control socket needs.
#ifndef CLINUX_SOCKET_H
#define CLINUX_SOCKET_H

#include <stdint.h>

/// Binds a socket of mode 0600 to `path`, which must not exist, and listens. Nobody can connect
/// before the mode is set. A descriptor, or -errno.
int clinux_unix_listen(const char *path);

/// Connects to the socket at `path`. A descriptor, or -errno; -ETIMEDOUT when a full backlog did not
/// take the connection within two seconds.
int clinux_unix_connect(const char *path);

/// Takes a connection that waits; it never blocks. A descriptor, or -errno.
int clinux_unix_accept(int listener);

/// Who connected, as the kernel saw them then. 0, or -errno.
int clinux_unix_peer(int descriptor, uint32_t *uid, int32_t *pid);

/// Writes without raising SIGPIPE. How many bytes went, or -errno.
int64_t clinux_send(int descriptor, const void *bytes, uint64_t count);

/// A counter that `poll` can wait for. A descriptor, or -errno.
int clinux_event_open(void);
void clinux_event_signal(int descriptor);
void clinux_event_clear(int descriptor);

/// Tells of files that were closed after writing, written, moved in or removed in folders. A
/// descriptor that never blocks, or -errno.
int clinux_watch_open(void);
/// Begins to watch a folder. A number that events carry, or -errno.
int clinux_watch_folder(int watch, const char *folder);

/// What happened to a file of a watched folder.
enum { CLINUX_WATCH_WRITING = 1, CLINUX_WATCH_CHANGED = 2, CLINUX_WATCH_LOST = 3 };

/// Reads what has happened and calls `visit` for each event. The number of events, or -errno.
int clinux_watch_read(int watch, void (*visit)(int folder, int what, const char *name, void *context), void *context);

#endif
