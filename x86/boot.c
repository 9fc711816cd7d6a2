/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Placing a kernel and what goes with it in guest memory, and the state of its entry.
 *
 * Documentation/arch/x86/boot.rst, "Loading The Rest of The Kernel" to "64-bit Boot Protocol". Everything
 * of ours but kernel and initrd lies below 640 KiB, at the addresses in layout.h. The kernel goes where it
 * prefers to run; from there on init_size bytes belong to it, since it unpacks itself in place. The initrd
 * lies as high as initrd_addr_max and the RAM below the hole allow, or beneath the kernel when there is no
 * room above it.
 *
 * All is decided, and refused, before the first byte is placed. The kernel is read, not mapped: it is read
 * through once by its own decompressor, a page fault for each 4 KiB of it, and then overwritten.
 *
 * Called once a boot on main's thread, while no vCPU runs.
 */
#include "bootparts.h"
#include "kvm/log.h"
#include "x86/layout.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define PAGE_BYTES 4096ULL
#define ENTRY64_OFFSET 0x200

static unsigned long long mib_up(uint64_t bytes)
{
	return align_up(bytes, MIB) / MIB;
}

static int check_cmdline(const struct boot_image *img, const char *cmdline)
{
	uint64_t len = cmdline ? strlen(cmdline) : 0;
	uint64_t max = min_u64(img->hdr.cmdline_size, CMDLINE_MAX_BYTES - 1);

	if (len <= max)
		return 0;
	pr_err("%s: the kernel parameters are %llu characters long, this kernel takes %llu; shorten -p",
	       img->path, (unsigned long long)len, (unsigned long long)max);
	return -E2BIG;
}

/* The highest place for @bytes that ends at or below @end and leaves the kernel alone; 0: there is none. */
static gpa_t initrd_gpa(const struct boot_layout *layout, uint64_t bytes, uint64_t end)
{
	uint64_t whole_pages = align_up(bytes, PAGE_BYTES);

	end = align_down(end, PAGE_BYTES);
	if (end > layout->kernel_end && end - layout->kernel_end >= whole_pages)
		return end - whole_pages;
	end = min_u64(end, align_down(layout->kernel, PAGE_BYTES));
	if (end > HIGH_RAM_GPA && end - HIGH_RAM_GPA >= whole_pages)
		return end - whole_pages;
	return 0;
}

/* No amount of memory would do. */
static int refuse_for_good(const struct boot_image *img, const struct initrd_set *set,
			   const struct boot_layout *layout, uint64_t limit)
{
	if (layout->kernel_end > MMIO_HOLE_GPA)
		pr_err("%s: runs from %lluM to %lluM, but devices begin at %lluM; use another kernel",
		       img->path, (unsigned long long)(layout->kernel / MIB), mib_up(layout->kernel_end),
		       MMIO_HOLE_GPA / MIB);
	else
		pr_err("%s: no room for %lluM of initrd: this kernel takes %lluM to %lluM itself, and an "
		       "initrd "
		       "below %lluM only; use a smaller one",
		       initrd_largest(set), mib_up(set->total_bytes),
		       (unsigned long long)(layout->kernel / MIB), mib_up(layout->kernel_end),
		       (unsigned long long)(limit / MIB));
	return -EFBIG;
}

static int refuse_for_now(const struct boot_image *img, const struct initrd_set *set,
			  const struct boot_layout *layout, uint64_t limit, uint64_t low_end)
{
	uint64_t need = align_up(layout->kernel_end, PAGE_BYTES);
	bool alone = layout->kernel_end > low_end;

	if (set->nr && !initrd_gpa(layout, set->total_bytes, min_u64(limit, need)))
		need += align_up(set->total_bytes, PAGE_BYTES);
	pr_err("%s: needs at least %lluM of memory (-m)%s; the guest has %lluM",
	       alone ? img->path : initrd_largest(set), mib_up(need),
	       set->nr ? ", kernel and initrd together" : "", (unsigned long long)(low_end / MIB));
	return -ENOMEM;
}

/* @low_end is where RAM below the hole ends. */
static int lay_out(const struct boot_image *img, const struct initrd_set *set, uint64_t low_end,
		   struct boot_layout *layout)
{
	uint64_t limit = min_u64(img->hdr.initrd_addr_max + 1ULL, MMIO_HOLE_GPA);

	*layout = (struct boot_layout){
		.kernel = img->load_gpa,
		.kernel_end = img->load_gpa + img->runtime_bytes,
		.initrd_bytes = set->total_bytes,
	};
	if (layout->kernel_end > MMIO_HOLE_GPA || (set->nr && !initrd_gpa(layout, set->total_bytes, limit)))
		return refuse_for_good(img, set, layout, limit);
	if (set->nr)
		layout->initrd = initrd_gpa(layout, set->total_bytes, min_u64(limit, low_end));
	if (layout->kernel_end > low_end || (set->nr && !layout->initrd))
		return refuse_for_now(img, set, layout, limit, low_end);
	pr_debug("%s: Linux %s, at 0x%llx to 0x%llx; initrd at 0x%llx, %llu bytes", img->path, img->version,
		 (unsigned long long)layout->kernel, (unsigned long long)layout->kernel_end,
		 (unsigned long long)layout->initrd, (unsigned long long)layout->initrd_bytes);
	return 0;
}

static void set_entry(const struct boot_image *img, const struct boot_layout *layout,
		      struct boot_entry *entry)
{
	*entry = (struct boot_entry){
		.mode = img->entry64 ? CPU_LONG64 : CPU_PROT32,
		.rip = layout->kernel + (img->entry64 ? ENTRY64_OFFSET : 0),
		.rsi = ZERO_PAGE_GPA,
		.rsp = BOOT_STACK_GPA,
	};
}

static int place_all(struct boot_image *img, struct gmem *mem, const struct boot_config *config,
		     const struct initrd_set *set, struct boot_entry *entry)
{
	struct boot_layout layout;
	int err = lay_out(img, set, mem->region[0].size_bytes, &layout);

	if (!err)
		err = bootfile_place(mem, layout.kernel, img->fd, img->pm_offset, img->pm_bytes, img->path,
				     BOOTFILE_READ);
	if (!err)
		err = initrd_place(set, mem, layout.initrd);
	if (err)
		return err;
	set_entry(img, &layout, entry);
	bootgdt_write(mem, entry->mode);
	zeropage_write(img, mem, config, &layout);
	return 0;
}

int boot_load(struct boot_image *img, struct gmem *mem, const struct boot_config *config,
	      struct boot_entry *entry)
{
	struct initrd_set set;
	int err = check_cmdline(img, config->cmdline);

	assert(mem->nr_regions && mem->region[0].gpa == 0 && mem->region[0].size_bytes <= MMIO_HOLE_GPA);
	if (err)
		return err;
	err = initrd_open(&set, config);
	if (!err)
		err = place_all(img, mem, config, &set, entry);
	initrd_close(&set);
	return err;
}
