// Believes a length inside the saved bytes and reads behind them.
#include "../base.h"

static uint64_t bound(gantry_instance *instance) {
  (void)instance;
  return 16;
}
static gantry_status save(gantry_instance *instance, gantry_state_writer *writer) {
  uint64_t both[2] = {sizeof instance->seen, instance->seen};
  return writer->write(writer, both, sizeof both);
}
static gantry_status load(gantry_instance *instance, uint32_t version, gantry_bytes bytes) {
  (void)version;
  uint64_t length = 0;
  memcpy(&length, bytes.data, sizeof length);
  uint64_t sum = 0;
  for (uint64_t i = 0; i < length; i++) sum += bytes.data[8 + i];
  instance->seen = sum;
  return GANTRY_OK;
}
static const gantry_state state = {.size = sizeof(gantry_state), .version = 1, .schema = GANTRY_LITERAL("broken"), .bound = bound, .save = save, .load = load};
static const void *get_extension(const gantry_plugin *self, gantry_string id) {
  (void)self;
  return id.length == sizeof GANTRY_EXT_STATE - 1 && memcmp(id.data, GANTRY_EXT_STATE, id.length) == 0 ? &state : NULL;
}
FIXTURE(plugin.get_extension = get_extension)
