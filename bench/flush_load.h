/*
 * flush_load: what the disk itself does: append 4 KiB to a file in --dir and
 * fdatasync(2) it, one file a worker.
 *
 * Threads: each function runs on its worker's thread.
 */
#pragma once

#include "bench/crew.h"

extern const struct workload flush_load;
