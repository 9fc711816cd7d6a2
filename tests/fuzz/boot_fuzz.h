/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens a file and places it into 64 MiB, with itself as its initrd, for the targets of the image
 * loader.
 *
 * What is accepted must lie where the loader reports it: the kernel's bytes at their addresses,
 * everything else outside them.
 */
#ifndef TESTS_BOOT_FUZZ_H
#define TESTS_BOOT_FUZZ_H

#include "kvm/log.h"
#include "x86/boot/boot.h"
#include "x86/boot/fastkernel.h"
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

/*
 * Replaces log.c's function: formats the message, so that its arguments are read, but does not
 * print it.
 */
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

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/*
	 * A run touches a few scattered pages: clearing 2 MiB for each would take most of its time.
	 */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	return 0;
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_segments(const struct boot_image *img, const struct gmem *mem,
			   const uint8_t *data, size_t size)
{
	check(img->nr_segments > 0 && img->runtime_bytes <= MEM_BYTES &&
	      img->load_gpa <= MEM_BYTES - img->runtime_bytes);
	for (unsigned int i = 0; i < img->nr_segments; i++) {
		const struct boot_segment *s = &img->segment[i];
		const uint8_t *placed = gmem_at(mem, s->gpa, s->mem_bytes);

		check(placed && s->offset <= size && s->file_bytes <= size - s->offset);
		check(s->file_bytes <= s->mem_bytes);
		check(s->gpa >= img->load_gpa &&
		      s->gpa + s->mem_bytes <= img->load_gpa + img->runtime_bytes);
		check(!memcmp(placed, data + s->offset, s->file_bytes));
	}
}

/*
 * The initrd is the highest object in memory, or below the kernel; a module follows the kernel on
 * the next page. So the search starts at the end of the possible range, or at its beginning.
 */
static void check_initrd(const struct boot_image *img, const struct gmem *mem, const uint8_t *data,
			 size_t size)
{
	gpa_t end = img->load_gpa + img->runtime_bytes;
	gpa_t first = align_up(max_u64(end, HIGH_RAM_GPA), 4096);
	gpa_t top = align_down(min_u64(MEM_BYTES, boot_initrd_addr_max(img) + 1), 4096);

	if (!boot_takes_linux_params(img)) {
		check(!memcmp(gmem_at(mem, first, size), data, size));
		return;
	}
	first = top - align_up(size, 4096);
	if (first < end)
		first = align_down(img->load_gpa, 4096) - align_up(size, 4096);
	check(first >= HIGH_RAM_GPA && !memcmp(gmem_at(mem, first, size), data, size));
}

/* Opens and places the file. Leaves @fd open. */
static void fuzz_image(const uint8_t *data, size_t size, const struct boot_how *how)
{
	static const uint8_t seed[32] = { 1 };
	char path[32];
	const char *initrds[] = { path };
	struct boot_config config = {
		.initrds = initrds,
		.nr_initrds = size & 1, /* from the input */
		.cmdline = "console=ttyS0",
		.rsdp = ACPI_GPA,
		.rng_seed = seed,
		.rng_seed_bytes = sizeof(seed),
	};
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct boot_image img;
	struct boot_entry entry;
	struct gmem mem;

	if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (boot_open_fd(&img, fd, "fuzz", how))
		return;
	/* Checks what --fast checks of a payload before it unpacks anything. */
	if (unpack_compression(&img))
		check(unpack_bytes(&img) <= img.runtime_bytes);
	gmem_init(&mem);
	if (gmem_add(&mem, 0, MEM_BYTES, GMEM_NORMAL) == 0 &&
	    boot_load(&img, &mem, &config, &entry) == 0) {
		check_segments(&img, &mem, data, size);
		if (config.nr_initrds)
			check_initrd(&img, &mem, data, size);
	}
	gmem_fini(&mem);
	boot_close(&img);
}

#endif
