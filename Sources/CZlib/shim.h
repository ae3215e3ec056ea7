#pragma once
#include <zlib.h>

/* inflateInit is a macro over its version and its size, which Swift cannot call. */
static inline int shipit_inflate_init(z_stream *stream) { return inflateInit(stream); }
