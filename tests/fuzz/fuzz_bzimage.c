/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The image loader: any file, as a kernel and as its own initrd, opened and placed into 64 MiB. What is accepted
 * must lie where it was said to: the kernel's bytes at its address, everything else off it.
 */
#include "kvm/log.h"
#include "x86/boot.h"
#include "x86/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MEM_BYTES (64 * MIB)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Instead of log.c's: the message is made, so that its arguments are looked at, but not shown. */
void log_msg(enum log_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
}

void log_guest(_Atomic unsigned int *said, const char *fmt, ...)
{
	(void)said;
	(void)fmt;
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_placed(const struct boot_image *img, const struct gmem *mem, const struct boot_entry *entry,
			 const uint8_t *data, size_t size)
{
	const struct boot_params *zp = gmem_at(mem, ZERO_PAGE_GPA, sizeof(*zp));
	gpa_t kernel = entry->rip - (entry->mode == CPU_LONG64 ? 0x200 : 0);
	gpa_t initrd = zp->hdr.ramdisk_image;
	uint64_t initrd_bytes = zp->hdr.ramdisk_size;

	check(kernel >= HIGH_RAM_GPA && img->runtime_bytes <= MEM_BYTES &&
	      kernel <= MEM_BYTES - img->runtime_bytes);
	check(img->pm_bytes <= img->runtime_bytes && img->pm_offset + img->pm_bytes <= size);
	check(!memcmp(gmem_at(mem, kernel, img->pm_bytes), data + img->pm_offset, img->pm_bytes));
	check(initrd_bytes == 0 || initrd_bytes == size);
	if (!initrd_bytes)
		return;
	check(initrd >= HIGH_RAM_GPA && initrd <= MEM_BYTES - initrd_bytes);
	check(initrd + initrd_bytes - 1 <= img->hdr.initrd_addr_max);
	check(initrd + initrd_bytes <= kernel || initrd >= kernel + img->runtime_bytes);
	check(!memcmp(gmem_at(mem, initrd, initrd_bytes), data, initrd_bytes));
}

static void load(struct boot_image *img, int fd, const uint8_t *data, size_t size)
{
	static const uint8_t seed[32] = { 1 };
	char path[32];
	const char *initrds[] = { path };
	struct boot_config config = {
		.initrds = initrds,
		.nr_initrds = size & 1, /* decided by the input */
		.cmdline = "console=ttyS0",
		.rsdp = ACPI_GPA,
		.rng_seed = seed,
		.rng_seed_bytes = sizeof(seed),
	};
	struct boot_entry entry;
	struct gmem mem;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	gmem_init(&mem);
	if (gmem_add(&mem, 0, MEM_BYTES, GMEM_NORMAL) == 0 && boot_load(img, &mem, &config, &entry) == 0)
		check_placed(img, &mem, &entry, data, size);
	gmem_fini(&mem);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* A run touches a few pages here and there: clearing 2 MiB for each would be all its time. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct boot_image img;

	if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	if (boot_open_fd(&img, fd, "fuzz", NULL) == 0) {
		load(&img, img.fd, data, size);
		boot_close(&img);
	}
	return 0;
}
