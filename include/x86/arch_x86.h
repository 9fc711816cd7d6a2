/* SPDX-License-Identifier: GPL-2.0-only */
/* Declares the x86 architecture for the launcher; see struct arch. */
#ifndef X86_ARCH_X86_H
#define X86_ARCH_X86_H

#include "kvm/arch.h"

extern const struct arch arch_x86;

#endif
