/// Gantry plugin ABI: version, status codes, strings.
///
/// EVOLUTION POLICY
///   1. What has shipped never changes meaning: names, layouts, numbers, ownership,
///      lifetime, threads and null rules are all part of the contract.
///   2. Every struct shared by the two sides starts with `uint32_t size`, set by the side
///      that fills it, and grows only at its end. The reader copies min(size, its own size)
///      and treats what is missing as zero.
///   3. A new ability is an extension with a string id of its own ("gantry.state/1").
///      An id never changes, not even when a draft is promoted. Drafts live in ext/draft/.
///   4. The major number must be equal on both sides; the minor may differ either way.
///      While the major is 0 the ABI is not frozen: a minor may then break what came before,
///      so for 0.x the minor must be equal as well.
///   5. Fixed-width integers and doubles only; no enums in layouts, no bit-fields.
///
/// THREAD TAGS (used by every contract card; `gantry plugin check` verifies them)
///   [control]  the host's control thread; may allocate, block and read declared files
///   [lane]     the one thread that runs the node's lane; never two calls at once for one
///              instance; no allocation, no locks, no blocking, no system calls
///   [reader]   the thread that pulls one source; may allocate, block and read files
///   [feed]     the own thread of a feed source or a slow sink
///   [any]      whichever thread; the function synchronises by itself
///
/// INSTANCE STATES
///   created -> configured -> running -> flushed -> stopped -> destroyed
///   Any failure goes straight to `destroy`; nothing is called after it.
#ifndef GANTRY_ABI_H
#define GANTRY_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_ABI_MAJOR 0u
#define GANTRY_ABI_MINOR 1u

#if defined(__GNUC__)
#define GANTRY_EXPORT __attribute__((visibility("default")))
#define GANTRY_INLINE static inline __attribute__((always_inline, unused))
#else
#define GANTRY_EXPORT
#define GANTRY_INLINE static inline
#endif

#ifdef __cplusplus
#define GANTRY_STATIC_ASSERT(test, text) static_assert(test, text)
#else
#define GANTRY_STATIC_ASSERT(test, text) _Static_assert(test, text)
#endif

/// The result of every call that can fail. Anything but OK should be preceded by one call
/// of `host->fail`, which says why; a status without a reason is reported as the plugin's fault.
typedef int32_t gantry_status;

#define GANTRY_OK ((gantry_status)0)
/// A source has no more events and never will.
#define GANTRY_END ((gantry_status)1)
/// Nothing to hand over yet, or not all inputs were taken: call again.
#define GANTRY_AGAIN ((gantry_status)2)
/// A parameter, artifact or input is wrong.
#define GANTRY_INVALID ((gantry_status)-1)
/// The call is not allowed in this state or on this thread.
#define GANTRY_MISUSE ((gantry_status)-2)
/// Memory or an output buffer is exhausted.
#define GANTRY_FULL ((gantry_status)-3)
/// A file, server or device failed.
#define GANTRY_IO ((gantry_status)-4)
/// The thing asked for does not exist.
#define GANTRY_NOT_FOUND ((gantry_status)-5)
/// The other side does not offer this.
#define GANTRY_UNSUPPORTED ((gantry_status)-6)
/// The graph did not grant this.
#define GANTRY_DENIED ((gantry_status)-7)
/// The instance behind this handle has been stopped; the call had no effect.
#define GANTRY_GONE ((gantry_status)-8)
/// An exact calculation left its range.
#define GANTRY_OVERFLOW ((gantry_status)-9)
/// A deadline passed.
#define GANTRY_TIMEOUT ((gantry_status)-10)
/// The plugin found its own invariants broken.
#define GANTRY_BUG ((gantry_status)-11)

/// UTF-8 text of `length` bytes, not terminated. `data` may be null when `length` is 0.
/// The host checks the encoding of whatever it takes in and gives out valid text only.
typedef struct gantry_string {
  const char *data;
  uint64_t length;
} gantry_string;

/// Bytes of no particular encoding.
typedef struct gantry_bytes {
  const uint8_t *data;
  uint64_t length;
} gantry_bytes;

#define GANTRY_LITERAL(text) {text, sizeof(text) - 1}

/// A plugin's instance; the plugin's own type behind a pointer the host never follows.
typedef struct gantry_instance gantry_instance;
/// The host's handle of one node's instance. It carries an epoch: calls with the handle of a
/// stopped instance return GANTRY_GONE and do nothing.
typedef struct gantry_node gantry_node;

#ifdef __cplusplus
}
#endif
#endif
