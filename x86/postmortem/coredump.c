/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Adds the x86 parts to an ELF core: the notes with registers, and the virtual addresses at which a
 * debugger looks for memory.
 *
 * - For a Linux kernel these are the addresses that kdump's vmcore has: its image, and the direct
 *   map of all RAM. VMCOREINFO is added, from which crash(8) and others learn the rest.
 * - A kernel's stack may lie outside both, and other guests have other addresses. So the pages
 *   around each vCPU's RIP and RSP are added, at the addresses of its page tables.
 * - Without Linux, all RAM is at its guest-physical addresses.
 *
 * tests/crash.sh tests it with crash 8.0.2.
 *
 * The guest stands still, but may be hostile: checked accessors look up all its addresses, and
 * elfcore_write() checks them again.
 */
#include "coredump.h"

#include "autopsy.h"
#include "fault.h"
#include "gather.h"
#include "kvm/elfcore.h"
#include "kvm/vm.h"
#include "x86/cpu/x86_bits.h"
#include "x86/linux/linux.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>

#define STACK_BYTES (16 * KIB)
#define NOTE_NAME "CORE"
#define NOTE_NAME_BYTES 8 /* with its padding */
#define PRSTATUS_NOTE_BYTES (sizeof(Elf64_Nhdr) + NOTE_NAME_BYTES + sizeof(struct elf_prstatus))

_Static_assert(sizeof(struct elf_prstatus) % 4 == 0, "notes are padded to 4 bytes");

struct coredump {
	struct vm *vm;
	struct linux_guest linux_guest;
	struct linux_layout layout;
	bool is_linux;
	uint8_t *notes;
	size_t notes_bytes, notes_room;
	struct elfcore_view view[ELFCORE_MAX_VIEWS];
	unsigned int nr_views;
};

/*--- registers ---------------------------------------------------------------------------*/

static void fill_registers(struct user_regs_struct *to, const struct cpu_state *cpu)
{
	const struct kvm_regs *r = &cpu->regs;
	const struct kvm_sregs *s = &cpu->sregs;

	*to = (struct user_regs_struct){
		.rax = r->rax,
		.rbx = r->rbx,
		.rcx = r->rcx,
		.rdx = r->rdx,
		.rsi = r->rsi,
		.rdi = r->rdi,
		.rbp = r->rbp,
		.rsp = r->rsp,
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rip = r->rip,
		.eflags = r->rflags,
		.orig_rax = ~0ULL, /* in no system call */
		.cs = s->cs.selector,
		.ss = s->ss.selector,
		.ds = s->ds.selector,
		.es = s->es.selector,
		.fs = s->fs.selector,
		.gs = s->gs.selector,
		.fs_base = s->fs.base,
		.gs_base = s->gs.base,
	};
}

/* vCPU N is thread N + 1. */
static void add_prstatus(struct coredump *d, const struct cpu_state *cpu)
{
	Elf64_Nhdr header = { .n_namesz = sizeof(NOTE_NAME),
			      .n_descsz = sizeof(struct elf_prstatus),
			      .n_type = NT_PRSTATUS };
	struct elf_prstatus status = { .pr_pid = (int)cpu->index + 1 };
	uint8_t *to = d->notes + d->notes_bytes;

	if (d->notes_room - d->notes_bytes < PRSTATUS_NOTE_BYTES)
		return;
	fill_registers((struct user_regs_struct *)&status.pr_reg, cpu);
	memcpy(to, &header, sizeof(header));
	memcpy(to + sizeof(header), NOTE_NAME, sizeof(NOTE_NAME));
	memcpy(to + sizeof(header) + NOTE_NAME_BYTES, &status, sizeof(status));
	d->notes_bytes += PRSTATUS_NOTE_BYTES;
}

/*--- addresses ---------------------------------------------------------------------------*/

static uint64_t all_vaddr(const struct coredump *d)
{
	return d->is_linux && d->layout.has_direct_map ? d->layout.direct_map : 0;
}

/* Whether the core has @vaddr already. */
static bool is_seen(const struct coredump *d, uint64_t vaddr, gpa_t gpa)
{
	for (unsigned int i = d->nr_views; i-- > 0;) {
		const struct elfcore_view *v = &d->view[i];

		if (vaddr >= v->vaddr && vaddr - v->vaddr < v->bytes)
			return true;
	}
	return vaddr - all_vaddr(d) == gpa;
}

static void add_page(struct coredump *d, uint64_t vaddr, gpa_t gpa)
{
	struct elfcore_view *last = d->nr_views ? &d->view[d->nr_views - 1] : NULL;

	if (is_seen(d, vaddr, gpa) || !gmem_at(&d->vm->mem, gpa, PAGE_BYTES))
		return;
	if (last && vaddr - last->vaddr == last->bytes && gpa - last->gpa == last->bytes &&
	    gmem_at(&d->vm->mem, last->gpa, last->bytes + PAGE_BYTES))
		last->bytes += PAGE_BYTES;
	else if (d->nr_views < ELFCORE_MAX_VIEWS - 1)
		d->view[d->nr_views++] =
			(struct elfcore_view){ .vaddr = vaddr, .gpa = gpa, .bytes = PAGE_BYTES };
}

/* Adds the mapped pages of [from, end), both of which are page borders. */
static void add_range(struct coredump *d, const struct paging *paging, uint64_t from, uint64_t end)
{
	struct pagewalk walk;

	for (uint64_t at = from; at != end; at += PAGE_BYTES) {
		pagewalk(&walk, &d->vm->mem, paging, at, WALK_READ);
		if (walk.mapped)
			add_page(d, at, align_down(walk.gpa, PAGE_BYTES));
	}
}

static void add_surroundings(struct coredump *d, const struct cpu_state *cpu)
{
	struct paging paging = fault_paging(cpu);
	uint64_t rip = align_down(cpu_linear_rip(cpu), PAGE_BYTES);
	uint64_t rsp = align_down(cpu_linear_rsp(cpu), PAGE_BYTES);

	if (paging_mode(&paging) == PAGING_NONE)
		return; /* all is at its physical address */
	add_range(d, &paging, rip, rip + 2 * PAGE_BYTES);
	add_range(d, &paging, rsp, align_down(rsp, STACK_BYTES) + STACK_BYTES);
}

static void find_linux(struct coredump *d)
{
	struct autopsy *a = d->vm->autopsy;
	struct linux_guest *g = &d->linux_guest;
	const struct linux_cpu *cpu;

	pthread_mutex_lock(&a->lock);
	cpu = gather_running(d->vm);
	autopsy_find_kernel(a, cpu);
	linux_guest_open(g, &d->vm->mem, a->kernel_symbols, cpu);
	d->is_linux = linux_find_layout(g, &d->layout);
	g->symbols = NULL; /* valid under the lock only */
	pthread_mutex_unlock(&a->lock);
	if (d->is_linux)
		d->view[d->nr_views++] = (struct elfcore_view){ .vaddr = d->layout.text_vaddr,
								.gpa = d->layout.text_gpa,
								.bytes = d->layout.text_bytes };
}

/*
 * Adds the vCPUs that are to blame, or the others. Those to blame come first, since a debugger
 * begins with the first thread.
 */
static void add_vcpus(struct coredump *d, bool to_blame, struct dump_result *r)
{
	for (unsigned int i = 0; i < d->vm->nr_vcpus; i++) {
		struct vcpu *v = &d->vm->vcpu[i];
		struct cpu_state cpu = { .index = i };

		if (gather_stopped_by_itself(v) != to_blame)
			continue;
		if (v->fd < 0 || !vm_vcpu_stands(v) || gather_last_state(v, &cpu)) {
			r->nr_missing++;
			continue;
		}
		add_prstatus(d, &cpu);
		add_surroundings(d, &cpu);
	}
}

int coredump_write(struct vm *vm, int fd, const _Atomic bool *cancel, struct dump_result *r)
{
	struct coredump *d = calloc(1, sizeof(*d));
	struct elfcore core = { .machine = EM_X86_64, .mem = &vm->mem, .cancel = cancel };
	int err = -ENOMEM;

	*r = (struct dump_result){ .memory_bytes = gmem_total_bytes(&vm->mem) };
	if (!d)
		return err;
	d->vm = vm;
	d->notes_room = vm->nr_vcpus * PRSTATUS_NOTE_BYTES + VMCOREINFO_MAX_BYTES + PAGE_BYTES;
	d->notes = calloc(1, d->notes_room);
	if (d->notes) {
		find_linux(d);
		add_vcpus(d, true, r);
		add_vcpus(d, false, r);
		d->notes_bytes += vmcoreinfo_note(&d->linux_guest.info, d->notes + d->notes_bytes,
						  d->notes_room - d->notes_bytes);
		core.notes = d->notes;
		core.notes_bytes = d->notes_bytes;
		core.view = d->view;
		core.nr_views = d->nr_views;
		core.all_vaddr = all_vaddr(d);
		r->slide = d->layout.slide;
		err = elfcore_write(fd, &core, &r->written_bytes);
	}
	free(d->notes);
	free(d);
	return err;
}
