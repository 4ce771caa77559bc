/// Arithmetic that C leaves to libm though the processor has it. Not part of the ABI: everything
/// here is inlined, and `determinism: exact` nodes may use it.
#ifndef GANTRY_MATH_H
#define GANTRY_MATH_H

#include "abi.h"

#if defined(__has_builtin)
#if __has_builtin(__builtin_elementwise_sqrt)
#define GANTRY_HAS_ELEMENTWISE_SQRT 1
#endif
#endif
#if !defined(GANTRY_HAS_ELEMENTWISE_SQRT) && !(defined(__GNUC__) && (defined(__x86_64__) || defined(__aarch64__)))
#include <math.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// The correctly rounded square root, as IEEE 754 wants it; NaN for x < 0. One instruction, no errno
/// and so no need of libm.
GANTRY_INLINE double gantry_sqrt(double x) {
#if defined(GANTRY_HAS_ELEMENTWISE_SQRT)
  return __builtin_elementwise_sqrt(x);
#elif defined(__GNUC__) && defined(__x86_64__)
  double root;
  __asm__("sqrtsd %1, %0" : "=x"(root) : "x"(x));
  return root;
#elif defined(__GNUC__) && defined(__aarch64__)
  double root;
  __asm__("fsqrt %d0, %d1" : "=w"(root) : "w"(x));
  return root;
#else
  return sqrt(x);
#endif
}

#ifdef __cplusplus
}
#endif
#endif
