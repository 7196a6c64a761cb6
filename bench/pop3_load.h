/*
 * pop3_load: RETR of one message after the other.
 *
 * Threads: each function runs on its worker's thread.
 */
#pragma once

#include "bench/crew.h"

extern const struct workload pop3_retr_load;
