// Saves more than its bound.
#include "../base.h"

static uint64_t bound(gantry_instance *instance) {
  (void)instance;
  return 4;
}
static gantry_status save(gantry_instance *instance, gantry_state_writer *writer) {
  return writer->write(writer, &instance->seen, sizeof instance->seen);
}
static gantry_status load(gantry_instance *instance, uint32_t version, gantry_bytes bytes) {
  (void)version;
  if (bytes.length != sizeof instance->seen) {
    return instance->host->fail(instance->node, GANTRY_INVALID, 0, text("the state has the wrong length"));
  }
  memcpy(&instance->seen, bytes.data, sizeof instance->seen);
  return GANTRY_OK;
}
static const gantry_state state = {.size = sizeof(gantry_state), .version = 1, .schema = GANTRY_LITERAL("broken"), .bound = bound, .save = save, .load = load};
static const void *get_extension(const gantry_plugin *self, gantry_string id) {
  (void)self;
  return id.length == sizeof GANTRY_EXT_STATE - 1 && memcmp(id.data, GANTRY_EXT_STATE, id.length) == 0 ? &state : NULL;
}
FIXTURE(plugin.get_extension = get_extension)
