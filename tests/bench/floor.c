/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The floor of every figure in `make bench`: the smallest program on the KVM interface that still
 * boots a Linux kernel. floor KERNEL MIB [PARAMS].
 *
 * It starts the kernel by the x86 boot protocol (Documentation/arch/x86/boot.rst, 32-bit entry).
 *
 * It is a yardstick, not a launcher: one thread, one vCPU, one console port, no options, and no
 * checks except where a measurement would otherwise be silently wrong. It does what a running guest
 * needs, in the plainest good way: RAM is aligned so that KVM can use huge pages, the kernel is
 * read straight to its place, output is written line by line, and _exit() ends it with the guest.
 * It leaves out what is not needed: MSRs, ACPI, an event loop, signals.
 *
 * The comment at each ioctl says why a boot needs it. What a launcher costs beyond this program is
 * its own overhead.
 */
#include <asm/bootparam.h>
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB 0x100000UL
#define HUGE_BYTES (2 * MIB)
#define HOLE (3072 * MIB)
#define ZERO_PAGE 0x10000
#define PARAMS 0x20000
#define PARAMS_MAX 0x10000
#define GDT 0x11000
#define TSS_GPA 0xfffbd000U
#define MAX_CPUID 256
#define NOBODY 0xff /* what a read without a device returns */

struct console {
	char line[256];
	unsigned int used;
};

static int ask(int fd, const char *what, unsigned long request, uintptr_t arg)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		err(125, "floor: %s", what);
	return ret;
}
#define ASK(fd, request, arg) ask(fd, #request, request, (uintptr_t)(arg))

static uint8_t *map_ram(uint64_t bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint8_t *ram = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (ram == MAP_FAILED)
		err(125, "floor: mmap");
	ram = (uint8_t *)(((uintptr_t)ram + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));
	madvise(ram, bytes, MADV_HUGEPAGE);
	return ram;
}

/*
 * Reads the kernel to its preferred address and its header to the zero page. Returns the entry
 * point.
 */
static uint64_t load(uint8_t *ram, uint64_t bytes, const char *path, const char *params)
{
	struct boot_params *bp = (void *)(ram + ZERO_PAGE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t at, offset;

	if (fd < 0 || pread(fd, &bp->hdr, sizeof(bp->hdr), 0x1f1) != sizeof(bp->hdr))
		err(125, "floor: %s", path);
	if (bp->hdr.header != 0x53726448)
		errx(125, "floor: %s: not a bzImage", path);
	at = bp->hdr.pref_address;
	offset = (bp->hdr.setup_sects + 1) * 512UL;
	if (at >= bytes || pread(fd, ram + at, bytes - at, (off_t)offset) < 0x400)
		errx(125, "floor: %s: does not fit or is cut off", path);
	close(fd);
	strncpy((char *)ram + PARAMS, params, PARAMS_MAX - 1);
	bp->hdr.type_of_loader = 0xff;
	bp->hdr.cmd_line_ptr = PARAMS;
	bp->e820_entries = 2;
	bp->e820_table[0] = (struct boot_e820_entry){ .addr = 0, .size = 0x9fc00, .type = 1 };
	bp->e820_table[1] = (struct boot_e820_entry){ .addr = MIB, .size = bytes - MIB, .type = 1 };
	return at;
}

static void set_cpuid(int kvm, int vcpu)
{
	uint64_t
		room[(sizeof(struct kvm_cpuid2) + MAX_CPUID * sizeof(struct kvm_cpuid_entry2)) / 8];
	struct kvm_cpuid2 *cpuid = (void *)room;

	/* Without CPUID a vCPU has no long mode. The guest gets everything that KVM supports. */
	cpuid->nent = MAX_CPUID;
	ASK(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
	ASK(vcpu, KVM_SET_CPUID2, cpuid);
}

/* The protocol's state at the 32-bit entry: protected mode, flat segments 0x10 and 0x18. */
static void set_registers(int vcpu, uint8_t *ram, uint64_t entry)
{
	static const uint64_t gdt[] = { 0, 0, 0xcf9b000000ffff, 0xcf93000000ffff };
	struct kvm_segment flat = {
		.limit = ~0U, .selector = 0x18, .type = 3, .present = 1, .s = 1, .g = 1, .db = 1
	};
	struct kvm_regs regs = { .rip = entry, .rsi = ZERO_PAGE, .rflags = 2 };
	struct kvm_sregs sregs;

	/* Read first, because the APIC's base is in there too. */
	ASK(vcpu, KVM_GET_SREGS, &sregs);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
	flat.selector = 0x10;
	flat.type = 11;
	sregs.cs = flat;
	memcpy(ram + GDT, gdt, sizeof(gdt));
	sregs.gdt = (struct kvm_dtable){ .base = GDT, .limit = sizeof(gdt) - 1 };
	sregs.cr0 = 0x21; /* NE, PE */
	ASK(vcpu, KVM_SET_SREGS, &sregs);
	ASK(vcpu, KVM_SET_REGS, &regs);
}

static void flush(struct console *c)
{
	if (write(STDOUT_FILENO, c->line, c->used) < 0)
		_exit(125);
	c->used = 0;
}

static _Noreturn void end(struct console *c, int code)
{
	flush(c);
	_exit(code);
}

static void port_out(struct console *c, uint16_t port, uint8_t value)
{
	switch (port) {
	case 0x3f8:
		c->line[c->used++] = (char)value;
		if (value == '\n' || c->used == sizeof(c->line))
			flush(c);
		break;
	case 0x64: /* keyboard controller: 0xfe pulses the reset line */
		if (value == 0xfe)
			end(c, 0);
		break;
	case 0xcf9:
		if (value & 4)
			end(c, 0);
		break;
	case 0x600: /* kvm's ACPI sleep control register: S5, sleep enable */
	case 0x602: /* its reset register */
		end(c, 0);
	case 0xf4: /* debug exit */
		end(c, value << 1 | 1);
	}
}

static uint8_t port_in(uint16_t port)
{
	switch (port) {
	case 0x3fd: /* LSR: ready to send, nothing received */
		return 0x60;
	case 0x64: /* keyboard controller: takes a command */
		return 0;
	}
	return NOBODY;
}

static void serve_port(struct console *c, struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			port_out(c, run->io.port, *data);
		} else {
			memset(data, NOBODY, run->io.size);
			*data = port_in(run->io.port);
		}
	}
}

int main(int argc, char **argv)
{
	/* The interface itself, and the machine that everything else needs. */
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = ASK(kvm, KVM_CREATE_VM, 0);
	uint64_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) * MIB : 0;
	uint64_t low = bytes < HOLE ? bytes : HOLE;
	struct kvm_userspace_memory_region slot = { .memory_size = low };
	struct console console = { .used = 0 };
	struct kvm_run *run;
	uint8_t *ram;
	int vcpu;

	if (bytes < 32 * MIB)
		errx(125, "usage: floor KERNEL MIB [PARAMS]  (32 MiB and more)");
	ASK(vm, KVM_SET_TSS_ADDR, TSS_GPA); /* VMX needs it to emulate real mode */
	ASK(vm, KVM_CREATE_IRQCHIP, 0);	    /* without interrupts a kernel waits without end */
	ram = map_ram(bytes);
	slot.userspace_addr = (uintptr_t)ram;
	ASK(vm, KVM_SET_USER_MEMORY_REGION, &slot);
	if (bytes > low) { /* the rest is above the devices' hole */
		slot = (struct kvm_userspace_memory_region){ .slot = 1,
							     .guest_phys_addr = 4096 * MIB };
		slot.memory_size = bytes - low;
		slot.userspace_addr = (uintptr_t)ram + low;
		ASK(vm, KVM_SET_USER_MEMORY_REGION, &slot);
	}
	vcpu = ASK(vm, KVM_CREATE_VCPU, 0);
	run = mmap(NULL, (size_t)ASK(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		   MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(125, "floor: mmap");
	set_cpuid(kvm, vcpu);
	set_registers(vcpu, ram, load(ram, low, argv[1], argc > 3 ? argv[3] : ""));

	for (;;) {
		ASK(vcpu, KVM_RUN, 0);
		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			serve_port(&console, run);
			break;
		case KVM_EXIT_MMIO:
			if (!run->mmio.is_write)
				memset(run->mmio.data, NOBODY, sizeof(run->mmio.data));
			break;
		case KVM_EXIT_SHUTDOWN: /* a triple fault: the last resort of a reset */
			end(&console, 0);
		default:
			errx(121, "floor: exit reason %u", run->exit_reason);
		}
	}
}
