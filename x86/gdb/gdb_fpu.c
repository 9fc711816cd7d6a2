/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads and writes a vCPU's x87 and SSE registers, in its XSAVE area (SDM vol. 1, 13.4).
 *
 * KVM_GET_FPU and KVM_SET_FPU do not look at XSTATE_BV: while a component is in its initial state,
 * its bytes in the area mean nothing. The processor would not load what KVM_SET_FPU has written.
 */
#include "gdb_fpu.h"

#include "kvm/ioctl.h"
#include "kvm/types.h"
#include "kvm/vcpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XSTATE_X87 1U
#define XSTATE_SSE 2U

/* The legacy region and the start of the XSAVE header. */
struct area {
	uint16_t fcw, fsw;
	uint8_t ftw, reserved;
	uint16_t fop;
	uint64_t rip, rdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16], xmm[16][16];
	uint8_t unused[96];
	uint64_t xstate_bv;
};

_Static_assert(offsetof(struct area, st) == 32 && offsetof(struct area, xmm) == 160 &&
		       offsetof(struct area, xstate_bv) == 512,
	       "SDM vol. 1, 10.5.1 and 13.4.2");

/* Returns the vCPU's area as KVM has it, or NULL (*err is -errno). The caller frees it. */
static struct kvm_xsave *get_area(const struct vcpu *v, int *err)
{
	struct kvm_xsave *xsave = calloc(1, sizeof(*xsave));

	*err = xsave ? kvm_ioctl(v->fd, KVM_GET_XSAVE, xsave) : -ENOMEM;
	if (!*err)
		return xsave;
	free(xsave);
	return NULL;
}

int gdb_fpu_get(const struct vcpu *v, struct kvm_fpu *fpu)
{
	int err;
	struct kvm_xsave *xsave = get_area(v, &err);
	struct area area;

	if (!xsave)
		return err;
	memcpy(&area, xsave, sizeof(area));
	*fpu = (struct kvm_fpu){
		.fcw = area.fcw,
		.fsw = area.fsw,
		.ftwx = area.ftw,
		.last_opcode = area.fop,
		.last_ip = area.rip,
		.last_dp = area.rdp,
		.mxcsr = area.mxcsr,
	};
	memcpy(fpu->fpr, area.st, sizeof(area.st));
	memcpy(fpu->xmm, area.xmm, sizeof(area.xmm));
	free(xsave);
	return 0;
}

int gdb_fpu_set(const struct vcpu *v, const struct kvm_fpu *fpu)
{
	int err;
	struct kvm_xsave *xsave = get_area(v, &err);
	struct area area;

	if (!xsave)
		return err;
	memcpy(&area, xsave, sizeof(area));
	area.fcw = fpu->fcw;
	area.fsw = fpu->fsw;
	area.ftw = fpu->ftwx;
	area.fop = fpu->last_opcode;
	area.rip = fpu->last_ip;
	area.rdp = fpu->last_dp;
	area.mxcsr = fpu->mxcsr;
	memcpy(area.st, fpu->fpr, sizeof(area.st));
	memcpy(area.xmm, fpu->xmm, sizeof(area.xmm));
	area.xstate_bv |= XSTATE_X87 | XSTATE_SSE;
	memcpy(xsave, &area, sizeof(area));
	err = kvm_ioctl(v->fd, KVM_SET_XSAVE, xsave);
	free(xsave);
	return err;
}
