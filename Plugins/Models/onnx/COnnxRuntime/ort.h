/// What the plugin uses of ONNX Runtime's C API, whose Python wheel comes without a header.
///
/// The library exports OrtGetApiBase; its GetApi(version) gives a table of function pointers that
/// only ever grows at its end (the rule stands in onnxruntime_c_api.h and is asserted in its source:
/// version 1 ends with slot 101, 2 with 118, 3 with 124, 4 with 126, 5 with 149). A function here is
/// a slot's number and its types. ORT_API_VERSION is the lowest version that has all slots used:
/// every ONNX Runtime from 1.5 on answers it.
#ifndef GANTRY_ORT_H
#define GANTRY_ORT_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

#define ORT_API_VERSION 5u

/// What a value or a type is.
#define ORT_KIND_TENSOR 1
#define ORT_KIND_SEQUENCE 2
#define ORT_KIND_MAP 3

/// The elements of tensors that are read or written.
#define ORT_ELEMENT_FLOAT 1
#define ORT_ELEMENT_INT32 6
#define ORT_ELEMENT_INT64 7
#define ORT_ELEMENT_STRING 8
#define ORT_ELEMENT_BOOL 9
#define ORT_ELEMENT_DOUBLE 11

typedef struct ort_allocator ort_allocator;
typedef struct ort_env ort_env;
typedef struct ort_memory ort_memory;
typedef struct ort_metadata ort_metadata;
typedef struct ort_options ort_options;
typedef struct ort_session ort_session;
typedef struct ort_shape ort_shape;
typedef struct ort_status ort_status;
typedef struct ort_type ort_type;
typedef struct ort_value ort_value;

typedef void (*ort_slot)(void);

/// The table, as far as it is used. Every function that answers an ort_status answers null when it
/// has succeeded; the status is the caller's to release.
typedef struct ort_api {
  ort_slot slots[131];
} ort_api;

typedef struct ort_api_base {
  const ort_api *(*get_api)(uint32_t version); ///< null where the library is older
  const char *(*version)(void);
} ort_api_base;

/// The type of OrtGetApiBase.
typedef const ort_api_base *(*ort_get_api_base)(void);

/// The base of an opened library, or null when it exports none.
static inline const ort_api_base *ort_base(void *library) {
  ort_get_api_base get = (ort_get_api_base)dlsym(library, "OrtGetApiBase");
  return get ? get() : NULL;
}

static inline const ort_api *ort_api_of(const ort_api_base *base, uint32_t version) { return base->get_api(version); }
static inline const char *ort_version(const ort_api_base *base) { return base->version(); }

/// What kind of error it is; 3 no such file, 7 bad protobuf, 9 not implemented, 10 bad graph.
static inline int32_t ort_error_code(const ort_api *api, const ort_status *status) {
  return ((int32_t (*)(const ort_status *))api->slots[1])(status);
}

/// Its text; lives as long as the status.
static inline const char *ort_error_message(const ort_api *api, const ort_status *status) {
  return ((const char * (*)(const ort_status *))api->slots[2])(status);
}

/// The process's one environment, counted. Severity 4 logs fatal errors only.
static inline ort_status *ort_create_env(const ort_api *api, int32_t severity, const char *id, ort_env **out) {
  return ((ort_status * (*)(int32_t, const char *, ort_env **))api->slots[3])(severity, id, out);
}

/// A session from the bytes of a model, which need not outlive the call.
static inline ort_status *ort_create_session(const ort_api *api, const ort_env *env, const void *model, size_t length, const ort_options *options, ort_session **out) {
  return ((ort_status * (*)(const ort_env *, const void *, size_t, const ort_options *, ort_session **))api->slots[8])(env, model, length, options, out);
}

/// Runs the model. An output that is null is allocated; one that is not is written in place.
static inline ort_status *ort_run(const ort_api *api, ort_session *session, const void *run_options, const char *const *input_names, const ort_value *const *inputs, size_t input_count, const char *const *output_names, size_t output_count, ort_value **outputs) {
  return ((ort_status * (*)(ort_session *, const void *, const char *const *, const ort_value *const *, size_t, const char *const *, size_t, ort_value **))api->slots[9])(session, run_options, input_names, inputs, input_count, output_names, output_count, outputs);
}

static inline ort_status *ort_create_options(const ort_api *api, ort_options **out) {
  return ((ort_status * (*)(ort_options **))api->slots[10])(out);
}

/// 0 one operator after the other, 1 independent ones side by side.
static inline ort_status *ort_set_execution_mode(const ort_api *api, ort_options *options, int32_t mode) {
  return ((ort_status * (*)(ort_options *, int32_t))api->slots[13])(options, mode);
}

/// Threads within one operator, the caller's counted.
static inline ort_status *ort_set_intra_threads(const ort_api *api, ort_options *options, int32_t count) {
  return ((ort_status * (*)(ort_options *, int32_t))api->slots[24])(options, count);
}

/// Operators side by side, in mode 1.
static inline ort_status *ort_set_inter_threads(const ort_api *api, ort_options *options, int32_t count) {
  return ((ort_status * (*)(ort_options *, int32_t))api->slots[25])(options, count);
}

static inline ort_status *ort_input_count(const ort_api *api, const ort_session *session, size_t *out) {
  return ((ort_status * (*)(const ort_session *, size_t *))api->slots[30])(session, out);
}

static inline ort_status *ort_output_count(const ort_api *api, const ort_session *session, size_t *out) {
  return ((ort_status * (*)(const ort_session *, size_t *))api->slots[31])(session, out);
}

static inline ort_status *ort_input_type(const ort_api *api, const ort_session *session, size_t index, ort_type **out) {
  return ((ort_status * (*)(const ort_session *, size_t, ort_type **))api->slots[33])(session, index, out);
}

static inline ort_status *ort_output_type(const ort_api *api, const ort_session *session, size_t index, ort_type **out) {
  return ((ort_status * (*)(const ort_session *, size_t, ort_type **))api->slots[34])(session, index, out);
}

/// Free it with `allocator_free`.
static inline ort_status *ort_input_name(const ort_api *api, const ort_session *session, size_t index, ort_allocator *allocator, char **out) {
  return ((ort_status * (*)(const ort_session *, size_t, ort_allocator *, char **))api->slots[36])(session, index, allocator, out);
}

/// Free it with `allocator_free`.
static inline ort_status *ort_output_name(const ort_api *api, const ort_session *session, size_t index, ort_allocator *allocator, char **out) {
  return ((ort_status * (*)(const ort_session *, size_t, ort_allocator *, char **))api->slots[37])(session, index, allocator, out);
}

/// A tensor over memory of ours, which must outlive it.
static inline ort_status *ort_create_tensor(const ort_api *api, const ort_memory *memory, void *data, size_t length, const int64_t *shape, size_t rank, int32_t element, ort_value **out) {
  return ((ort_status * (*)(const ort_memory *, void *, size_t, const int64_t *, size_t, int32_t, ort_value **))api->slots[49])(memory, data, length, shape, rank, element, out);
}

static inline ort_status *ort_tensor_data(const ort_api *api, ort_value *value, void **out) {
  return ((ort_status * (*)(ort_value *, void **))api->slots[51])(value, out);
}

/// Null where it is no tensor; belongs to the type.
static inline ort_status *ort_tensor_of_type(const ort_api *api, const ort_type *type, const ort_shape **out) {
  return ((ort_status * (*)(const ort_type *, const ort_shape **))api->slots[55])(type, out);
}

/// An ORT_KIND_.
static inline ort_status *ort_kind_of_type(const ort_api *api, const ort_type *type, int32_t *out) {
  return ((ort_status * (*)(const ort_type *, int32_t *))api->slots[56])(type, out);
}

/// An ORT_ELEMENT_.
static inline ort_status *ort_element_of(const ort_api *api, const ort_shape *shape, int32_t *out) {
  return ((ort_status * (*)(const ort_shape *, int32_t *))api->slots[60])(shape, out);
}

static inline ort_status *ort_rank_of(const ort_api *api, const ort_shape *shape, size_t *out) {
  return ((ort_status * (*)(const ort_shape *, size_t *))api->slots[61])(shape, out);
}

/// -1 where it is dynamic.
static inline ort_status *ort_dimensions_of(const ort_api *api, const ort_shape *shape, int64_t *out, size_t rank) {
  return ((ort_status * (*)(const ort_shape *, int64_t *, size_t))api->slots[62])(shape, out, rank);
}

/// The names of dynamic dimensions; empty where they have none.
static inline ort_status *ort_symbols_of(const ort_api *api, const ort_shape *shape, const char **out, size_t rank) {
  return ((ort_status * (*)(const ort_shape *, const char **, size_t))api->slots[63])(shape, out, rank);
}

static inline ort_status *ort_shape_of_value(const ort_api *api, const ort_value *value, ort_shape **out) {
  return ((ort_status * (*)(const ort_value *, ort_shape **))api->slots[65])(value, out);
}

/// An ORT_KIND_.
static inline ort_status *ort_kind_of_value(const ort_api *api, const ort_value *value, int32_t *out) {
  return ((ort_status * (*)(const ort_value *, int32_t *))api->slots[67])(value, out);
}

/// (0, 0): plain memory of this process.
static inline ort_status *ort_create_cpu_memory(const ort_api *api, int32_t allocator, int32_t kind, ort_memory **out) {
  return ((ort_status * (*)(int32_t, int32_t, ort_memory **))api->slots[69])(allocator, kind, out);
}

static inline ort_status *ort_allocator_free(const ort_api *api, ort_allocator *allocator, void *memory) {
  return ((ort_status * (*)(ort_allocator *, void *))api->slots[76])(allocator, memory);
}

/// The process's own; never freed.
static inline ort_status *ort_default_allocator(const ort_api *api, ort_allocator **out) {
  return ((ort_status * (*)(ort_allocator **))api->slots[78])(out);
}

static inline void ort_release_env(const ort_api *api, ort_env *env) {
  ((void (*)(ort_env *))api->slots[92])(env);
}

static inline void ort_release_status(const ort_api *api, ort_status *status) {
  ((void (*)(ort_status *))api->slots[93])(status);
}

static inline void ort_release_memory(const ort_api *api, ort_memory *memory) {
  ((void (*)(ort_memory *))api->slots[94])(memory);
}

static inline void ort_release_session(const ort_api *api, ort_session *session) {
  ((void (*)(ort_session *))api->slots[95])(session);
}

static inline void ort_release_value(const ort_api *api, ort_value *value) {
  ((void (*)(ort_value *))api->slots[96])(value);
}

static inline void ort_release_type(const ort_api *api, ort_type *type) {
  ((void (*)(ort_type *))api->slots[98])(type);
}

static inline void ort_release_shape(const ort_api *api, ort_shape *shape) {
  ((void (*)(ort_shape *))api->slots[99])(shape);
}

static inline void ort_release_options(const ort_api *api, ort_options *options) {
  ((void (*)(ort_options *))api->slots[100])(options);
}

static inline ort_status *ort_session_metadata(const ort_api *api, const ort_session *session, ort_metadata **out) {
  return ((ort_status * (*)(const ort_session *, ort_metadata **))api->slots[111])(session, out);
}

/// Null where there is none. Free it with `allocator_free`.
static inline ort_status *ort_metadata_entry(const ort_api *api, const ort_metadata *metadata, ort_allocator *allocator, const char *key, char **out) {
  return ((ort_status * (*)(const ort_metadata *, ort_allocator *, const char *, char **))api->slots[116])(metadata, allocator, key, out);
}

static inline ort_status *ort_metadata_version(const ort_api *api, const ort_metadata *metadata, int64_t *out) {
  return ((ort_status * (*)(const ort_metadata *, int64_t *))api->slots[117])(metadata, out);
}

static inline void ort_release_metadata(const ort_api *api, ort_metadata *metadata) {
  ((void (*)(ort_metadata *))api->slots[118])(metadata);
}

static inline ort_status *ort_add_config(const ort_api *api, ort_options *options, const char *key, const char *value) {
  return ((ort_status * (*)(ort_options *, const char *, const char *))api->slots[130])(options, key, value);
}

#endif
