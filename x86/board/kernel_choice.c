/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Chooses the kernel to run, and makes its command line.
 *
 * By default the launcher adds nothing that changes what a kernel does or tests, except:
 *
 * - console=: without it the guest would print nothing.
 * - root=: a boot from a disk needs it, so the launcher finds it on the first disk
 *   (virtio/disk/rootdev.c) unless the user gives it.
 * - virtio devices that no table of the machine names (--machine tables=).
 *
 * --fast adds parameters that skip work which a boot does not need; docs/fast.md has what each of
 * them saves on Debian's cloud kernel.
 */
#include "board_virtio.h"
#include "guest/guestjob.h"
#include "kvm/log.h"
#include "machine.h"
#include "virtio/disk.h"
#include "virtio/rootdev.h"
#include "x86/boot/fastkernel.h"
#include "x86/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SERIAL_PARAMS "console=ttyS0"
/* With a command the console is a log; on a terminal, COM1 is for the command. */
#define COMMAND_PARAMS "console=ttyS0 quiet rdinit=" GUESTJOB_INIT
/* With --fail-on-warning, without quiet: warnings must reach the console. */
#define COMMAND_LOUD_PARAMS "console=ttyS0 rdinit=" GUESTJOB_INIT
#define COMMAND_TERMINAL_PARAMS "console=ttyS1 quiet rdinit=" GUESTJOB_INIT
/*
 * With a virtio console the serial port is only a boot console: the kernel leaves it when hvc0 is
 * there, and then prints only new messages on hvc0. As a second console= the serial port would stay
 * in use, and hvc0 would begin with the whole log: each message would appear twice.
 */
#define VIRTIO_PARAMS "console=hvc0"
#define EARLY_PARAMS "earlycon=uart8250,io,0x3f8"
_Static_assert(PORT_COM1 == 0x3f8, "the parameter names it");
/* For --early: the only early output that the decompressor supports as well. */
#define VERBOSE_PARAMS "earlyprintk=serial,ttyS0,115200 ignore_loglevel"
#define FAST_PARAMS "cryptomgr.notests initcall_blacklist=ftrace_check_for_weak_functions pci=off"

/* Opens the host's own kernel, by the names that distributions and build trees use. */
static int open_host_kernel(struct boot_image *img, const struct boot_how *how,
			    char path[KERNEL_PATH_BYTES])
{
	static const char *const formats[] = {
		"/boot/vmlinuz-%s", "/lib/modules/%s/vmlinuz", "/boot/vmlinuz",
		"/vmlinuz",	    "arch/x86/boot/bzImage",
	};
	struct utsname host;

	uname(&host);
	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		snprintf(path, KERNEL_PATH_BYTES, formats[i], host.release);
		if (access(path, R_OK))
			continue;
		pr_info("no -k: running this host's kernel %s", path);
		return boot_open(img, path, how);
	}
	snprintf(path, KERNEL_PATH_BYTES, formats[0], host.release);
	pr_err("%s: cannot %s this host's kernel; name a kernel with -k", path,
	       access(path, F_OK) ? "find" : "read");
	return -ENOENT;
}

int kernel_open(struct boot_image *img, const struct machine *m, char path[KERNEL_PATH_BYTES])
{
	const struct config *config = m->vm->config;
	struct boot_how how = { .load_gpa = config->load_gpa, .dtb = machine_has_dtb(m) };
	int err = boot_parse_entry(config->entry, &how.wish);

	if (!err)
		err = config->kernel ? boot_open(img, config->kernel, &how)
				     : open_host_kernel(img, &how, path);
	if (!err && config->fast && !config->no_cache && how.wish == BOOT_WISH_AUTO)
		fastkernel_use(img);
	return err;
}

/*
 * The Discoverable Partitions Specification's type of a root partition for x86-64,
 * 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, in the byte order of disks.
 */
static const uint8_t root_type[GUID_BYTES] = { 0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8, 0xb1, 0x4d,
					       0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7, 0x09 };

static int read_disk(void *ctx, uint64_t offset_bytes, void *buf, uint64_t len_bytes)
{
	return disk_read_sync(ctx, offset_bytes, buf, len_bytes);
}

static void report_choices(const char *disk, const struct rootdev *root)
{
	if (root->table_block_bytes)
		pr_warn("-d %s: its GPT is for sectors of %u bytes; use -d %s,blocksize=%u", disk,
			root->table_block_bytes, disk, root->table_block_bytes);
	else if (root->choices[0])
		pr_info("-d %s: cannot tell which partition is the root: %s; use -p root=/dev/vdaN",
			disk, root->choices);
	else
		pr_info("-d %s: has neither partitions nor a file system (ext, XFS, btrfs); no root= is passed",
			disk);
}

/* Writes "root=... rw" or nothing to @text. If a disk cannot be read, the guest reports that. */
static void root_params(struct machine *m, char *text, size_t size)
{
	struct disk *disk = virtio_first_disk(m);
	const char *name = m->vm->config->disk[0];
	char partition[12] = "";
	struct rootdev_disk source = { .read = read_disk, .ctx = disk, .root_type = root_type };
	struct rootdev root;

	text[0] = '\0';
	if (!disk || m->vm->config->has_command || m->vm->config->no_default_params ||
	    boot_cmdline_has(m->vm->config->params, "root"))
		return;
	source.size_bytes = disk_size_bytes(disk);
	source.block_bytes = disk_block_bytes(disk);
	if (rootdev_find(&source, &root))
		return;
	if (!root.found) {
		report_choices(name, &root);
		return;
	}
	if (root.partition)
		snprintf(partition, sizeof(partition), "%u", root.partition);
	snprintf(text, size, "root=/dev/vda%s %s", partition, disk_read_only(disk) ? "ro" : "rw");
	pr_debug("-d %s: passing %s: %s", name, text, root.why);
}

static const char *console_params(const struct config *config)
{
	if (config->no_default_params)
		return NULL;
	if (config->has_command)
		return config->on_terminal	 ? COMMAND_TERMINAL_PARAMS
		       : config->fail_on_warning ? COMMAND_LOUD_PARAMS
						 : COMMAND_PARAMS;
	if (config->console == CONSOLE_SERIAL)
		return SERIAL_PARAMS;
	/* Two boot consoles on one port would print everything twice. */
	return config->serial[0] && !config->early ? EARLY_PARAMS " " VIRTIO_PARAMS : VIRTIO_PARAMS;
}

/*
 * Returns @first, which it frees, followed by @second; NULL if memory is short, or @first is NULL.
 */
static char *join(char *first, const char *second)
{
	char *line = first ? boot_cmdline(first, second) : NULL;

	free(first);
	return line;
}

/* Not inlined, since it has kilobytes on its stack. */
static __attribute__((noinline)) char *join_devices(char *cmdline, const struct machine *m)
{
	char devices[TABLES_VIRTIO_PARAMS_BYTES];

	tables_virtio_params(&m->devices, devices);
	return join(cmdline, devices);
}

/* Whether only the command line names the virtio devices. */
static bool names_devices(const struct machine *m)
{
	return !(m->tables & (TABLES_ACPI | TABLES_DT)) && !m->vm->config->no_default_params;
}

/*
 * Makes a Multiboot kernel's command line: its own name, the virtio devices in Linux's form, which
 * Unikraft and others read too, and the user's parameters.
 */
static char *other_cmdline(const struct machine *m, const struct boot_image *img)
{
	char *cmdline = boot_cmdline(img->path, NULL);

	if (names_devices(m))
		cmdline = join_devices(cmdline, m);
	return join(cmdline, m->vm->config->params);
}

static char *linux_cmdline(struct machine *m)
{
	const struct config *config = m->vm->config;
	char root[48], *cmdline;

	root_params(m, root, sizeof(root));
	cmdline = boot_cmdline(console_params(config), config->fast ? FAST_PARAMS : NULL);
	cmdline = join(cmdline, config->early ? VERBOSE_PARAMS : NULL);
	if (names_devices(m))
		cmdline = join_devices(cmdline, m);
	cmdline = join(cmdline, root);
	cmdline = join(cmdline, config->params);
	return cmdline;
}

char *kernel_cmdline(struct machine *m, const struct boot_image *img)
{
	char *cmdline = boot_takes_linux_params(img) ? linux_cmdline(m) : other_cmdline(m, img);

	if (!cmdline)
		pr_err("out of memory");
	return cmdline;
}
