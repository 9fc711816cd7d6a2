/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads lists of unknown length from KVM: CPUID entries, MSR numbers.
 *
 * KVM refuses with E2BIG while the caller's room is too small, so each further call has twice the
 * room. Prints nothing. Thread: setup.
 */
#include "kvm_list.h"

#include "kvm/ioctl.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_MAX 65536 /* more than any of KVM's lists has */

int kvm_list_read(int fd, unsigned long request, size_t entry_bytes, uint32_t room, uint32_t spare,
		  void **list)
{
	size_t head_bytes = _IOC_SIZE(request);
	int err;

	do {
		*list = malloc(head_bytes + (room + spare) * entry_bytes);
		if (!*list)
			return -ENOMEM;
		memset(*list, 0, head_bytes);
		memcpy(*list, &room, sizeof(room));
		err = kvm_ioctl_raw(fd, request, (unsigned long)*list);
		if (err >= 0)
			return 0;
		free(*list);
		*list = NULL;
		room *= 2;
	} while (err == -E2BIG && room <= ROOM_MAX);
	return err;
}
