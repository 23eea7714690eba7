/*
** The inverse of the filter that the build puts over a core before it is compressed (build/branch-filter.ts, with
** the why): targets of calls are kept as absolute there, so that calls of one function look alike.
*/
#ifndef MYCELIUM_BRANCH_FILTER_H
#define MYCELIUM_BRANCH_FILTER_H

#include <stddef.h>
#include <stdint.h>

/* `machine` is ELF's e_machine: 62 x86-64, 183 arm64. In place; `size` is that of the whole core. */
void unfilter_branches(uint16_t machine, uint8_t *bytes, size_t size);

#endif
