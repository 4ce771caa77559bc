// As much of LightGBM's C API as `trees` uses, with a model that says one number of every row: BIAS, and what
// a library beside it adds (compiled with -DBRINGS).
#include <stdint.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

#ifndef BIAS
#define BIAS 1000
#endif

#ifdef BRINGS
double beside(void);
#else
static double beside(void) { return 0; }
#endif

EXPORT const char *LGBM_GetLastError(void) { return "nothing"; }

EXPORT int LGBM_BoosterLoadModelFromString(const char *text, int *iterations, void **out) {
  *iterations = text[0] != 0;
  *out = malloc(8);
  return 0;
}

EXPORT int LGBM_BoosterFree(void *booster) {
  free(booster);
  return 0;
}

EXPORT int LGBM_BoosterPredictForMatSingleRowFastInit(void *booster, int type, int start, int rounds, int data_type, int columns,
                                                      const char *parameters, void **out) {
  (void)booster, (void)type, (void)start, (void)rounds, (void)data_type, (void)columns, (void)parameters;
  *out = malloc(8);
  return 0;
}

EXPORT int LGBM_FastConfigFree(void *fast) {
  free(fast);
  return 0;
}

EXPORT int LGBM_BoosterPredictForMatSingleRowFast(void *fast, const void *row, int64_t *length, double *out) {
  (void)fast, (void)row;
  *out = BIAS + beside();
  *length = 1;
  return 0;
}

EXPORT int LGBM_BoosterPredictForMat(void *booster, const void *rows, int data_type, int count, int columns, int by_row, int type,
                                     int start, int rounds, const char *parameters, int64_t *length, double *out) {
  (void)booster, (void)rows, (void)data_type, (void)columns, (void)by_row, (void)type, (void)start, (void)rounds, (void)parameters;
  for (int row = 0; row < count; row++) out[row] = BIAS + beside();
  *length = count;
  return 0;
}
