/*
 * proc: what a tree of processes has used, from /proc.
 *
 * Threads: safe from any thread.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/fail.h"

/*
 * CPU time in microseconds of `top` and everything under it, with that of
 * children that have ended and been waited for.
 */
int proc_tree_cpu_us(pid_t top, uint64_t *out, struct fail *f) MUST_CHECK;
