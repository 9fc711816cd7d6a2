/* SPDX-License-Identifier: GPL-2.0-only */
/* Says what a guest that ended badly has lacked; private to x86/. */
#ifndef X86_BOARD_HINTS_H
#define X86_BOARD_HINTS_H

#include <stdbool.h>
#include <stddef.h>

struct vm;

/* A row of arch_x86.c, see struct arch. */
bool hints_find(struct vm *vm, char *text, size_t n);

#endif
