/// gantry.model/1 (host side): which model of the models folder an artifact is.
#ifndef GANTRY_EXT_MODEL_H
#define GANTRY_EXT_MODEL_H

#include "../host.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GANTRY_EXT_MODEL "gantry.model/1"

/// One version of a model, as its `model.yaml` says. Texts that it does not say are empty.
typedef struct gantry_model_info {
  uint32_t size;
  uint32_t reserved;
  gantry_string name;           ///< `momentum`
  gantry_string version;        ///< `3`
  gantry_string format;         ///< of the artifact's file: `gantry.linear/1`
  gantry_string sha256;         ///< of the artifact's bytes, in lower-case hexadecimal
  gantry_string training_data;  ///< hash of what it was trained with
  gantry_string library;        ///< that wrote it: `xgboost 2.1.3`
  const gantry_string *columns; ///< in the order that the model takes them
  uint64_t column_count;        ///< 0 = `model.yaml` does not say
} gantry_model_info;

typedef struct gantry_model_host {
  uint32_t size;
  uint32_t reserved;

  /// Says which model stands behind the artifact parameter with this position in the descriptor. Its
  /// bytes have been compared with `sha256`. Predictions are to carry what `model_ref(name, version)`
  /// returns, so that an order names its model as the graph does.
  ///
  /// Thread:  [control], from configure on
  /// Memory:  the caller's struct with its `size` set; the texts live as long as the instance
  /// Errors:  GANTRY_NOT_FOUND when the artifact is a plain file or no artifact at all: the plugin then
  ///          goes by what the artifact says of itself
  /// Since:   0.1
  gantry_status (*describe)(gantry_node *node, uint32_t parameter, gantry_model_info *out);
} gantry_model_host;

#ifdef __cplusplus
}
#endif
#endif
