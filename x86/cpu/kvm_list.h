/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads a list of which only KVM knows how long it is. */
#ifndef X86_CPU_KVM_LIST_H
#define X86_CPU_KVM_LIST_H

#include "kvm/types.h"

/*
 * Has KVM fill in the list of @request: a structure that begins with the number of its entries (32
 * bits), which have @entry_bytes each. @room is how many to expect at first; @spare is for how many
 * more there has to be room after them. Returns 0 and @list, which the caller frees, or -errno and
 * NULL. Set-up time.
 */
int kvm_list_read(int fd, unsigned long request, size_t entry_bytes, uint32_t room, uint32_t spare,
		  void **list);

#endif
