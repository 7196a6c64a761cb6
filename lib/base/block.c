#include "base/block.h"

static void
no_hook(void)
{
}

void (*block_begin_hook)(void) = no_hook;
void (*block_end_hook)(void) = no_hook;
