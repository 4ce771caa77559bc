#include "crc32c.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

// Slicing by 8: tables[k][b] is the checksum of byte b followed by k zero bytes.
static uint32_t tables[8][256];
static pthread_once_t tables_made = PTHREAD_ONCE_INIT;

static void make_tables(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; bit++) {
      value = value >> 1 ^ (0x82F63B78u & (0u - (value & 1)));
    }
    tables[0][byte] = value;
  }
  for (uint32_t byte = 0; byte < 256; byte++) {
    for (int k = 1; k < 8; k++) {
      tables[k][byte] = tables[k - 1][byte] >> 8 ^ tables[0][tables[k - 1][byte] & 0xFF];
    }
  }
}

uint32_t clinux_crc32c_portable(uint32_t checksum, const void *bytes, size_t length) {
  pthread_once(&tables_made, make_tables);
  const uint8_t *p = bytes;
  uint32_t crc = ~checksum;
  for (; length >= 8; length -= 8, p += 8) {
    uint32_t low = crc ^ (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
    crc = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^
          tables[4][low >> 24] ^ tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]];
  }
  for (; length > 0; length--, p++) {
    crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xFF];
  }
  return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_instruction(uint32_t checksum, const uint8_t *p, size_t length) {
  uint64_t crc = ~checksum;
  for (; length >= 8; length -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  uint32_t rest = (uint32_t)crc;
  for (; length > 0; length--, p++) {
    rest = _mm_crc32_u8(rest, *p);
  }
  return ~rest;
}

static int has_instruction(void) { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__)
__attribute__((target("+crc"))) static uint32_t crc32c_instruction(uint32_t checksum, const uint8_t *p, size_t length) {
  uint32_t crc = ~checksum;
  for (; length >= 8; length -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    crc = __crc32cd(crc, word);
  }
  for (; length > 0; length--, p++) {
    crc = __crc32cb(crc, *p);
  }
  return ~crc;
}

static int has_instruction(void) { return (getauxval(AT_HWCAP) & 1 << 7) != 0; }
#endif

uint32_t clinux_crc32c(uint32_t checksum, const void *bytes, size_t length) {
#if defined(__x86_64__) || defined(__aarch64__)
  if (has_instruction()) {
    return crc32c_instruction(checksum, bytes, length);
  }
#endif
  return clinux_crc32c_portable(checksum, bytes, length);
}
