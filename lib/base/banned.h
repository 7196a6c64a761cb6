/*
 * banned: calls that have a safer form here, made compile errors.
 * Force-included by the build.  (rand is missing: headers of OpenSSL have
 * parameters of that name.)
 */
#pragma once
#ifndef __ASSEMBLER__

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef sprintf
#undef vsprintf
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef strtok
#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok atoi  \
    atol gmtime localtime ctime asctime strerror alloca gets srand

#endif
