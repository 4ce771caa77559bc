/// Small system facilities that Swift cannot call by itself: variadic system calls, the CPU's
/// time-stamp counter, thread-local storage. Everything here is inline or a thin call.
#ifndef CLINUX_H
#define CLINUX_H

#include "cell.h"
#include "crash.h"
#include "crc32c.h"
#include "lane.h"
#include "process.h"
#include "socket.h"

#endif
