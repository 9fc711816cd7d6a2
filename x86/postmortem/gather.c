/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gathers for the post-mortem a vCPU's state from KVM, the symbols and the recorder's events, and
 * samples registers on hosts where KVM loses them.
 *
 * KVM on AMD resets a vCPU before it reports a triple fault, because the processor leaves its state
 * undefined (AMD APM vol. 2, 15.14.3); after that no call gives its registers. So on such hosts the
 * launcher samples the registers at an exit every few milliseconds, which costs a fraction of a per
 * cent, and the report shows the last sample with its age. KVM puts the registers into kvm_run with
 * the exit (KVM_CAP_SYNC_REGS), which is cheaper than calls for each.
 */
#include "gather.h"

#include "autopsy.h"
#include "fault.h"
#include "kvm/ioctl.h"
#include "kvm/vm.h"
#include "page.h"
#include "x86/cpu/host_cpu.h"
#include "x86/cpu/x86_bits.h"
#include "x86/linux/linux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A few milliseconds of a processor's clock. */
#define SAMPLE_TICKS (1ULL << 23)
/* The newest interrupts that a report looks at. */
#define MAX_IRQS 64

#define SAMPLE_REGS (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

struct arch_sample {
	uint64_t ticks; /* 0: none yet */
	bool stepping;	/* sampled after each instruction */
	struct cpu_state cpu;
};

int gather_vcpu_setup(struct vcpu *v)
{
	struct arch_host_cpu host;

	host_cpu_identify(&host);
	if (!host.module || strcmp(host.module, "kvm_amd") != 0)
		return 0;
	if ((kvm_ioctl_val(v->vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) & SAMPLE_REGS) !=
	    SAMPLE_REGS)
		return 0;
	v->sample = calloc(1, sizeof(*v->sample));
	if (v->sample)
		v->run->kvm_valid_regs = SAMPLE_REGS; /* the first exit brings them */
	return v->sample ? 0 : -ENOMEM;
}

void gather_vcpu_destroy(struct vcpu *v)
{
	free(v->sample);
	v->sample = NULL;
}

/* Keeps the registers that the last exit has brought. */
static void keep_sample(struct vcpu *v, uint64_t ticks)
{
	const struct kvm_sync_regs *regs = &v->run->s.regs;
	struct arch_sample *sample = v->sample;

	sample->cpu.index = v->index;
	sample->cpu.regs = regs->regs;
	sample->cpu.sregs = regs->sregs;
	sample->cpu.events = regs->events;
	sample->cpu.mp_state = KVM_MP_STATE_RUNNABLE;
	if (sample->ticks && !sample->stepping) /* a kernel sets it after its first exit */
		sample->cpu.lstar = cpu_read_lstar(v->fd);
	sample->ticks = ticks;
}

void gather_sample(struct vcpu *v, uint64_t ticks)
{
	if (!v->sample) {
		v->sample_due = UINT64_MAX;
	} else if (!v->run->kvm_valid_regs) {
		/* the next exit brings them, and calls this again */
		v->run->kvm_valid_regs = SAMPLE_REGS;
	} else {
		if (v->run->exit_reason != KVM_EXIT_SHUTDOWN) /* KVM has reset them */
			keep_sample(v, ticks);
		if (v->sample->stepping)
			return;
		v->run->kvm_valid_regs = 0;
		v->sample_due = ticks + SAMPLE_TICKS;
	}
}

/*
 * Set again for each step: KVM keeps RFLAGS.TF through an instruction that it emulates only if
 * single-stepping was last set at that instruction.
 */
int gather_step(struct vcpu *v)
{
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };

	return kvm_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &debug);
}

int gather_step_on(struct vcpu *v)
{
	int err = v->sample ? gather_step(v) : -ENOTSUP;

	if (!err)
		err = cpu_gather(&v->sample->cpu, v->fd, v->index, false);
	if (err)
		return err;
	v->sample->ticks = arch_ticks();
	v->sample->stepping = true;
	v->sample_due = 0;
	v->run->kvm_valid_regs = SAMPLE_REGS;
	return 0;
}

void gather_step_off(struct vcpu *v)
{
	struct kvm_guest_debug debug = { 0 };

	kvm_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &debug);
	v->sample->stepping = false;
}

bool gather_stepped(const struct vcpu *v)
{
	return v->sample && v->sample->stepping;
}

bool gather_stopped_by_itself(const struct vcpu *v)
{
	uint32_t reason = v->run ? v->run->exit_reason : 0;

	return reason == KVM_EXIT_SHUTDOWN || reason == KVM_EXIT_FAIL_ENTRY ||
	       reason == KVM_EXIT_INTERNAL_ERROR;
}

void gather_record_exit(struct vcpu *v, uint64_t ticks)
{
	const struct kvm_run *run = v->run;
	uint64_t detail = 0;

	switch (run->exit_reason) {
	case KVM_EXIT_DEBUG:
		if (gather_stepped(v))
			return; /* there is one after each instruction */
		break;
	case KVM_EXIT_X86_RDMSR:
		record_wide(&v->recorder, ticks, EVENT_MSR_READ, 8, run->msr.index, 0);
		return;
	case KVM_EXIT_X86_WRMSR:
		record_wide(&v->recorder, ticks, EVENT_MSR_WRITE, 8, run->msr.index, run->msr.data);
		return;
	case KVM_EXIT_FAIL_ENTRY:
		detail = run->fail_entry.hardware_entry_failure_reason;
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		detail = run->internal.suberror;
		break;
	default:
		break;
	}
	record_wide(&v->recorder, ticks, EVENT_EXIT, 4, run->exit_reason, detail);
}

uint64_t gather_ticks_khz(const struct vm *vm)
{
	int khz = kvm_ioctl_val(vm->vcpu[0].fd, KVM_GET_TSC_KHZ, 0);

	return khz > 0 ? (uint64_t)khz : 0;
}

/* Returns what a vCPU's state shows of the Linux that it runs. */
static struct linux_cpu linux_cpu_of(const struct cpu_state *cpu, const struct gmem *mem)
{
	char why[FAULT_TEXT_BYTES];
	struct idt_gate gate;

	idt_read_gate(&gate, cpu, mem, 14, why, sizeof(why));
	return (struct linux_cpu){
		.paging = fault_paging(cpu),
		.rip = cpu_linear_rip(cpu),
		.page_fault = gate.present ? gate.offset : 0,
	};
}

/* Keeps what @cpu shows, unless it has not been started. Returns whether it has. */
static bool keep_running(struct autopsy *a, const struct linux_cpu *cpu)
{
	if (paging_mode(&cpu->paging) == PAGING_NONE)
		return false;
	a->cpu = *cpu;
	a->cpu_known = true;
	return true;
}

const struct linux_cpu *gather_running(struct vm *vm)
{
	struct autopsy *a = vm->autopsy;

	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct cpu_state cpu = { .index = i };
		struct linux_cpu running;

		if (vm->vcpu[i].fd < 0 || !vm_vcpu_stands(&vm->vcpu[i]) ||
		    gather_last_state(&vm->vcpu[i], &cpu))
			continue;
		running = linux_cpu_of(&cpu, a->mem);
		if (keep_running(a, &running))
			break;
	}
	return a->cpu_known ? &a->cpu : NULL;
}

/*
 * Loads the symbols of --symbols, or if the guest's kernel has none of its own in memory, those of
 * the kernel's file. a->symbols stays NULL if there are none.
 */
static void load_symbols(struct autopsy *a, const struct config *config)
{
	const char *path = config->symbols     ? config->symbols
			   : a->kernel_symbols ? NULL
					       : config->kernel;

	if (!path || a->symbols_tried)
		return;
	a->symbols_tried = true;
	a->symbols = symbols_create();
	if (a->symbols && (config->symbols ? symbols_load(a->symbols, path)
					   : symbols_load_elf(a->symbols, path))) {
		symbols_destroy(a->symbols);
		a->symbols = NULL;
	}
}

/*
 * Finds the symbols of the kernel that the vCPU runs. Returns the table that names its addresses:
 * the user's, unless it is another kernel's. Locks: the caller holds the autopsy's lock.
 */
static struct symbols *find_symbols(struct autopsy *a, const struct config *config,
				    const struct cpu_state *cpu)
{
	struct linux_cpu running = linux_cpu_of(cpu, a->mem);
	struct symbols_anchors anchors = { .lstar = cpu->lstar, .page_fault = running.page_fault };

	keep_running(a, &running);
	autopsy_find_kernel(a, &running);
	load_symbols(a, config);
	if (!a->symbols)
		return a->kernel_symbols;
	if (a->kernel_symbols)
		symbols_lookup(a->kernel_symbols, "_stext", &anchors.stext);
	a->slide_known |= symbols_find_slide(a->symbols, &anchors);
	return a->slide_known && a->kernel_symbols && !symbols_agree(a->symbols, a->kernel_symbols)
		       ? a->kernel_symbols
		       : a->symbols;
}

/*
 * Whether the vCPU runs at the kernel's physical addresses, before the kernel's own page tables are
 * on. Low numbers get names only then, since most of them are not addresses. Locks: the caller
 * holds the autopsy's lock.
 */
static bool name_image(struct symbols *s, const struct cpu_state *cpu, const struct gmem *mem)
{
	char name[8];

	if (!s)
		return false;
	symbols_set_image(s, 0, 0, 0);
	/*
	 * A CPU in real mode has not been started. There may be many such CPUs: memory is not
	 * searched for each.
	 */
	if (!(cpu->sregs.cr0 & CR0_PE) || cpu_linear_rip(cpu) >= LINUX_LOWEST ||
	    fault_paging(cpu).user)
		return false;
	if (linux_name_image(s, mem) && symbols_text(s, cpu_linear_rip(cpu), name, sizeof(name))[0])
		return true;
	symbols_set_image(s, 0, 0, 0);
	return false;
}

static unsigned int copy_irqs(struct vm *vm, struct event_view *irq)
{
	unsigned int nr = 0;

	pthread_mutex_lock(&vm->irq_recorder_lock);
	while (nr < MAX_IRQS && recorder_back(&vm->irq_recorder, nr, &irq[MAX_IRQS - 1 - nr]))
		nr++;
	pthread_mutex_unlock(&vm->irq_recorder_lock);
	memmove(irq, irq + MAX_IRQS - nr, nr * sizeof(*irq));
	return nr;
}

/* Whether KVM has reset the vCPU: it is at the reset vector, in real mode. */
static bool registers_lost(const struct vcpu *v, const struct cpu_state *cpu)
{
	return v->sample && v->run->exit_reason == KVM_EXIT_SHUTDOWN && cpu->regs.rip == 0xfff0 &&
	       !cpu->regs.rsp && !(cpu->sregs.cr0 & CR0_PE);
}

bool gather_registers_lost(const struct vcpu *v)
{
	struct cpu_state cpu = { 0 };

	return v->sample && !kvm_ioctl(v->fd, KVM_GET_REGS, &cpu.regs) &&
	       !kvm_ioctl(v->fd, KVM_GET_SREGS, &cpu.sregs) && registers_lost(v, &cpu);
}

int gather_last_state(struct vcpu *v, struct cpu_state *cpu)
{
	int err = cpu_gather(cpu, v->fd, v->index, false);

	if (!err && registers_lost(v, cpu) && v->sample->ticks)
		*cpu = v->sample->cpu;
	return err;
}

static void print_report(FILE *f, struct vcpu *v, const struct cpu_state *cpu, bool brief)
{
	struct autopsy *a = v->vm->autopsy;
	struct symbols *symbols;
	struct event_view irq[MAX_IRQS];
	char stopped_by[160];
	struct postmortem pm = {
		.cpu = cpu,
		.mem = &v->vm->mem,
		.brief = brief,
		.disassemble = true,
		.panic = a->panic_text,
		.bug = a->bug_text,
		.early = v->vm->config->early,
		.triple_fault = v->run->exit_reason == KVM_EXIT_SHUTDOWN,
		.events = &v->recorder,
		.irqs = irq,
		.nr_irqs = copy_irqs(v->vm, irq),
		.pio = &v->vm->pio,
		.mmio = &v->vm->mmio,
		.now_ticks = arch_ticks(),
		.ticks_khz = gather_ticks_khz(v->vm),
	};

	cpu_exit_text(v->run, stopped_by, sizeof(stopped_by));
	if (gather_stopped_by_itself(v))
		pm.stopped_by = stopped_by;
	if (registers_lost(v, cpu)) {
		pm.retraced = v->sample->stepping;
		pm.sampled = v->sample->ticks && !pm.retraced;
		pm.lost = !pm.sampled && !pm.retraced;
	}
	if (pm.retraced)
		pm.cpu = &v->sample->cpu;
	if (pm.sampled) {
		pm.cpu = &v->sample->cpu;
		pm.sample_age_us = pm.ticks_khz ? (recorder_now(&v->recorder) - v->sample->ticks) *
							  1000 / pm.ticks_khz
						: 0;
	}
	pthread_mutex_lock(&a->lock);
	symbols = find_symbols(a, v->vm->config, pm.cpu);
	pm.at_image = name_image(symbols, pm.cpu, &v->vm->mem);
	pm.symbols = symbols;
	pm.kernel = a->kernel_symbols;
	pm.slide_known = a->slide_known || symbols != a->symbols;
	pm.packed = a->is_packed && !a->kernel_symbols;
	postmortem_print(f, &pm);
	pthread_mutex_unlock(&a->lock);
}

void gather_report(FILE *f, struct vcpu *v, bool brief)
{
	struct cpu_state cpu = { .index = v->index };
	int err = cpu_gather(&cpu, v->fd, v->index, true);

	if (err)
		fprintf(f, "vCPU %u: cannot get its registers from KVM: %s\n", v->index,
			strerror(-err));
	else
		print_report(f, v, &cpu, brief);
}
