/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads a list whose length only KVM knows. */
#ifndef X86_CPU_KVM_LIST_H
#define X86_CPU_KVM_LIST_H

#include "kvm/types.h"

/*
 * Makes KVM fill in the list of @request: a structure that begins with the number of its entries
 * (32 bits), which have @entry_bytes each. @room is the number of entries to expect at first;
 * @spare is the number of further entries for which the list must have room. Returns 0 and @list,
 * which the caller frees, or -errno and NULL. Thread: setup.
 */
int kvm_list_read(int fd, unsigned long request, size_t entry_bytes, uint32_t room, uint32_t spare,
		  void **list);

#endif
