/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Places a kernel, its initrds and its boot information in guest memory, and sets up the state of
 * its entry.
 *
 * Documentation/arch/x86/boot.rst, "Loading The Rest of The Kernel" to "64-bit Boot Protocol". All
 * our data except kernel and initrd lies below 640 KiB, at the addresses in layout.h:
 * - The kernel goes where its placements say. A bzImage owns init_size bytes from there on, since
 *   it unpacks itself in place.
 * - The initrd lies as high as its limit and the RAM below the hole allow, or below the kernel if
 *   there is no room above it.
 * - Multiboot's modules lie directly after the kernel, where such kernels usually find them. Such
 *   kernels also find our BIOS, as after a boot by GRUB: Xen returns to real mode and calls it, and
 *   others search the memory that its data area names for the MP table.
 *
 * Everything is decided, or refused, before the first byte is placed. A bzImage is read, not
 * mapped: its decompressor reads it once, which would cost a page fault for each 4 KiB, and then
 * overwrites it. The large segments of other kernels run where they lie. Segments that the kernel
 * only reads are mapped where their alignment allows, and all machines share them; segments that it
 * writes are read into memory, because copying on write costs a fault for each page.
 *
 * Called once a boot. Thread: setup, before any vCPU runs.
 */
#include "bios_area.h"
#include "bootparts.h"
#include "kvm/log.h"
#include "x86/cpu/x86_bits.h"
#include "x86/layout.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static unsigned long long mib_up(uint64_t bytes)
{
	return align_up(bytes, MIB) / MIB;
}

static int check_cmdline(const struct boot_image *img, const char *cmdline)
{
	uint64_t len = cmdline ? strlen(cmdline) : 0;
	uint64_t max = boot_cmdline_limit(img);

	if (len <= max)
		return 0;
	pr_err("%s: the kernel parameters are %llu characters long, this kernel takes %llu; shorten -p",
	       img->path, (unsigned long long)len, (unsigned long long)max);
	return -E2BIG;
}

static int check_initrds(const struct boot_image *img, const struct boot_config *config)
{
	if (img->format != BOOT_FLAT || !config->nr_initrds)
		return 0;
	pr_err("%s: a flat binary cannot use an initrd; remove -i", img->path);
	return -EINVAL;
}

static bool takes_setup_data(const struct boot_image *img)
{
	return (img->start == BOOT_LINUX64 || img->start == BOOT_LINUX32) &&
	       (!img->hdr_len || img->hdr.version >= SETUP_DATA_VERSION);
}

int boot_check_dtb(const struct boot_image *img)
{
	if (!takes_setup_data(img)) {
		pr_err("%s: takes no device tree, started by its %s; this needs Linux's boot protocol 2.09",
		       img->path, boot_start_name(img->start));
		return -EOPNOTSUPP;
	}
	for (unsigned int i = 0; i < img->nr_segments; i++) {
		const struct boot_segment *s = &img->segment[i];

		if (s->gpa >= DTB_GPA + DTB_NODE_MAX_BYTES || s->gpa + s->mem_bytes <= DTB_GPA)
			continue;
		pr_err("%s: has a segment at 0x%llx, where the device tree lies (0x%x to 0x%x); link it for another address",
		       img->path, (unsigned long long)s->gpa, DTB_GPA,
		       DTB_GPA + DTB_NODE_MAX_BYTES);
		return -EOPNOTSUPP;
	}
	return 0;
}

static bool is_multiboot(const struct boot_image *img)
{
	return img->start == BOOT_MULTIBOOT1 || img->start == BOOT_MULTIBOOT2;
}

/*
 * The highest place for @bytes that ends at or below @end and does not overlap the kernel. Returns
 * 0 if there is none.
 */
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

/* The first place after the kernel where @bytes fit below @end. Returns 0 if they do not fit. */
static gpa_t modules_gpa(const struct boot_layout *layout, uint64_t bytes, uint64_t end)
{
	gpa_t gpa = align_up(max_u64(layout->kernel_end, HIGH_RAM_GPA), PAGE_BYTES);

	return gpa <= end && bytes <= end - gpa ? gpa : 0;
}

static gpa_t find_initrd(const struct boot_image *img, const struct boot_layout *layout,
			 uint64_t bytes, uint64_t end)
{
	return boot_takes_linux_params(img) ? initrd_gpa(layout, bytes, end)
					    : modules_gpa(layout, bytes, end);
}

/* Refuses a boot that does not fit into any amount of memory. */
static int refuse_at_any_size(const struct boot_image *img, const struct initrd_set *set,
			      const struct boot_layout *layout, uint64_t limit)
{
	if (layout->kernel_end > MMIO_HOLE_GPA)
		pr_err("%s: the kernel needs %lluM to %lluM, but devices begin at %lluM; use another kernel",
		       img->path, (unsigned long long)(layout->kernel / MIB),
		       mib_up(layout->kernel_end), MMIO_HOLE_GPA / MIB);
	else
		pr_err("%s: no room for %lluM of initrd: this kernel itself takes %lluM to %lluM, and its initrd must lie below %lluM; use a smaller initrd",
		       initrd_largest(set), mib_up(set->total_bytes),
		       (unsigned long long)(layout->kernel / MIB), mib_up(layout->kernel_end),
		       (unsigned long long)(limit / MIB));
	return -EFBIG;
}

static int refuse_at_this_size(const struct boot_image *img, const struct initrd_set *set,
			       const struct boot_layout *layout, uint64_t limit, uint64_t low_end)
{
	uint64_t need = align_up(layout->kernel_end, PAGE_BYTES);
	bool alone = layout->kernel_end > low_end;

	if (set->nr && !find_initrd(img, layout, set->total_bytes, min_u64(limit, need)))
		need += align_up(set->total_bytes, PAGE_BYTES);
	pr_err("%s: needs at least %lluM of memory (-m)%s; the guest has %lluM",
	       alone ? img->path : initrd_largest(set), mib_up(need),
	       set->nr ? ", kernel and initrd together" : "", (unsigned long long)(low_end / MIB));
	return -ENOMEM;
}

/* @low_end is the end of the RAM below the hole. */
static int lay_out(const struct boot_image *img, const struct initrd_set *set, uint64_t low_end,
		   struct boot_layout *layout)
{
	uint64_t limit = min_u64(boot_initrd_addr_max(img) + 1, MMIO_HOLE_GPA);

	*layout = (struct boot_layout){
		.kernel = img->load_gpa,
		.kernel_end = img->load_gpa + img->runtime_bytes,
		.initrd_bytes = set->total_bytes,
	};
	if (layout->kernel_end > MMIO_HOLE_GPA ||
	    (set->nr && !find_initrd(img, layout, set->total_bytes, limit)))
		return refuse_at_any_size(img, set, layout, limit);
	if (set->nr)
		layout->initrd =
			find_initrd(img, layout, set->total_bytes, min_u64(limit, low_end));
	if (layout->kernel_end > low_end || (set->nr && !layout->initrd))
		return refuse_at_this_size(img, set, layout, limit, low_end);
	return 0;
}

static void report_layout(const struct boot_image *img, const struct boot_layout *layout)
{
	char bits[16] = "";

	if (img->elf_bits)
		snprintf(bits, sizeof(bits), "%u-bit ", img->elf_bits);
	pr_debug("%s: %s%s%s%s, started by its %s at 0x%llx%s", img->path, bits,
		 boot_format_name(img->format), *img->version ? ", version " : "", img->version,
		 boot_start_name(img->start), (unsigned long long)img->start_gpa[img->start],
		 img->elf_bits && boot_takes_linux_params(img)
			 ? " (without KASLR, which a bzImage does)"
			 : "");
	pr_debug("%s: takes 0x%llx to 0x%llx; initrd at 0x%llx, %llu bytes", img->path,
		 (unsigned long long)layout->kernel, (unsigned long long)layout->kernel_end,
		 (unsigned long long)layout->initrd, (unsigned long long)layout->initrd_bytes);
	if (img->wants_video && is_multiboot(img))
		pr_warn("%s: wants a display; this machine only has a serial port", img->path);
}

/* Maps the whole pages of the segment when that pays, and reads the rest at either end. */
static int place_mapped(struct gmem *mem, const struct boot_image *img,
			const struct boot_segment *s)
{
	gpa_t start = align_up(s->gpa, PAGE_BYTES),
	      end = align_down(s->gpa + s->file_bytes, PAGE_BYTES);
	uint64_t before = start - s->gpa, after = s->gpa + s->file_bytes - end;
	int err;

	if (s->is_written || end <= start || end - start < BOOTFILE_MAP_MIN_BYTES ||
	    s->gpa % PAGE_BYTES != s->offset % PAGE_BYTES)
		return bootfile_place(mem, s->gpa, img->fd, s->offset, s->file_bytes, img->path,
				      BOOTFILE_READ);
	err = bootfile_place(mem, start, img->fd, s->offset + before, end - start, img->path,
			     BOOTFILE_MAP);
	if (!err && before)
		err = bootfile_place(mem, s->gpa, img->fd, s->offset, before, img->path,
				     BOOTFILE_READ);
	if (!err && after)
		err = bootfile_place(mem, end, img->fd, s->offset + s->file_bytes - after, after,
				     img->path, BOOTFILE_READ);
	return err;
}

static int place_segments(const struct boot_image *img, struct gmem *mem)
{
	int err = 0;

	for (unsigned int i = 0; i < img->nr_segments && !err; i++) {
		const struct boot_segment *s = &img->segment[i];

		if (img->format == BOOT_BZIMAGE)
			err = bootfile_place(mem, s->gpa, img->fd, s->offset, s->file_bytes,
					     img->path, BOOTFILE_READ);
		else
			err = place_mapped(mem, img, s);
	}
	return err;
}

static int write_entry(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry)
{
	const enum boot_start start = facts->img->start;
	static const struct {
		enum cpu_mode mode;
		int (*write)(const struct boot_facts *facts, struct gmem *mem,
			     struct boot_entry *entry);
	} how[BOOT_NR_STARTS] = {
		[BOOT_LINUX64] = { CPU_LONG64, zeropage_write },
		[BOOT_LINUX32] = { CPU_PROT32, zeropage_write },
		[BOOT_LINUX16] = { CPU_REAL16, realmode_write },
		[BOOT_PVH] = { CPU_PROT32, pvh_write },
		[BOOT_FLAT16] = { CPU_REAL16, flat16_write },
		[BOOT_MULTIBOOT2] = { CPU_PROT32, multiboot2_write },
		[BOOT_MULTIBOOT1] = { CPU_PROT32, multiboot1_write },
		[BOOT_FLAT32] = { CPU_PROT32, NULL },
		[BOOT_FLAT64] = { CPU_LONG64, NULL },
	};

	*entry = (struct boot_entry){
		.mode = how[start].mode,
		.rip = facts->img->start_gpa[start],
		.rsp = BOOT_STACK_GPA,
	};
	bootgdt_write(mem, entry->mode);
	return how[start].write ? how[start].write(facts, mem, entry) : 0;
}

static int place_all(struct boot_image *img, struct gmem *mem, const struct boot_config *config,
		     const struct initrd_set *set, struct boot_entry *entry)
{
	struct boot_layout layout;
	const struct boot_facts facts = {
		.img = img, .config = config, .layout = &layout, .set = set
	};
	int err = lay_out(img, set, mem->region[0].size_bytes, &layout);

	if (err)
		return err;
	report_layout(img, &layout);
	if (is_multiboot(img))
		bios_write(mem); /* before the segments, which may lie over its data */
	err = place_segments(img, mem);
	if (!err && set->nr)
		err = initrd_place(set, mem, layout.initrd);
	return err ? err : write_entry(&facts, mem, entry);
}

int boot_load(struct boot_image *img, struct gmem *mem, const struct boot_config *config,
	      struct boot_entry *entry)
{
	struct initrd_set set;
	int err = check_cmdline(img, config->cmdline);

	if (!err)
		err = check_initrds(img, config);
	assert(mem->nr_regions && mem->region[0].gpa == 0 &&
	       mem->region[0].size_bytes <= MMIO_HOLE_GPA);
	if (err)
		return err;
	err = initrd_open(&set, config);
	if (!err)
		err = place_all(img, mem, config, &set, entry);
	initrd_close(&set);
	return err;
}
