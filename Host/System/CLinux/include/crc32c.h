// CRC-32C (Castagnoli, RFC 3720 appendix B.4), with the processor's instruction where there is one.
#ifndef GANTRY_LINUX_CRC32C_H
#define GANTRY_LINUX_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/// Continues a checksum over `length` more bytes; starts with 0.
uint32_t clinux_crc32c(uint32_t checksum, const void *bytes, size_t length);

/// The same without the processor's instruction, for tests that hold the two side by side.
uint32_t clinux_crc32c_portable(uint32_t checksum, const void *bytes, size_t length);

#endif
