/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unpacking a bzImage's payload, by the host's own programs.
 *
 * boot.rst, "payload_offset" and "payload_length": the payload lies in the protected-mode part, is
 * told by its magic number, and is an ELF file, which the relocations for KASLR may follow. Its
 * last four bytes say how long it is unpacked (little endian): gzip's format has that, behind the
 * others the kernel's build appends it (arch/x86/boot/compressed/mkpiggy.c reads it there), and so
 * they are not shown to the program.
 *
 * A program gets the payload as its standard input, in memory, and the file as its standard output;
 * no shell, no environment (some take options from there), no messages. It is found on PATH. It may
 * write as much as the payload says and not more, may take as long as TIME_LIMIT_MS, and has done
 * well when it exits with 0 and the file is exactly as long.
 *
 * Main's thread.
 */
#include "bootparts.h"
#include "fastkernel.h"
#include "kvm/spawn.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIME_LIMIT_MS 10000
#define TRAILER_BYTES 4

static const struct kind {
	const char *magic;
	unsigned int magic_bytes;
	const char *name;
	char *program[4]; /* all NULL: there is none */
} kinds[] = {
	{ "\x1f\x8b", 2, "gzip", { "gzip", "-dc" } },
	{ "\xfd"
	  "7zXZ",
	  5,
	  "xz",
	  { "xz", "-dc" } },
	{ "\x28\xb5\x2f\xfd", 4, "zstd", { "zstd", "-dcq" } },
	{ "\x02\x21\x4c\x18", 4, "lz4", { "lz4", "-dc" } },
	{ "BZh", 3, "bzip2", { "bzip2", "-dc" } },
	{ "\x89LZO", 4, "lzo", { "lzop", "-dc" } },
	{ "\x5d\0\0", 3, "lzma", { "xz", "-dc", "--format=lzma" } },
	{ "\x7f"
	  "ELF",
	  4,
	  "none",
	  { NULL } },
};

/*
 * Whether the header has a payload that lies where it should, and is longer than a magic number and
 * a length.
 */
static bool has_payload(const struct boot_image *img)
{
	return img->format == BOOT_BZIMAGE && img->hdr.version >= 0x208 &&
	       img->hdr.payload_offset <= img->pm_bytes &&
	       img->hdr.payload_length <= img->pm_bytes - img->hdr.payload_offset &&
	       img->hdr.payload_length > 2 * TRAILER_BYTES;
}

static const struct kind *find_kind(struct boot_image *img)
{
	char head[8];

	if (!has_payload(img) ||
	    boot_read(img, head, sizeof(head), img->pm_offset + img->hdr.payload_offset))
		return NULL;
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!memcmp(head, kinds[i].magic, kinds[i].magic_bytes))
			return &kinds[i];
	}
	return NULL;
}

const char *unpack_compression(struct boot_image *img)
{
	const struct kind *kind = find_kind(img);

	return kind ? kind->name : NULL;
}

uint64_t unpack_bytes(struct boot_image *img)
{
	uint32_t bytes;

	if (!has_payload(img) || boot_read(img, &bytes, sizeof(bytes),
					   img->pm_offset + img->hdr.payload_offset +
						   img->hdr.payload_length - TRAILER_BYTES))
		return 0;
	bytes = le32toh(bytes);
	return bytes <= img->runtime_bytes ? bytes : 0;
}

/* What the program reads, in memory, from its beginning; -1: there is not enough of it. */
static int copy_payload(const struct boot_image *img, const struct kind *kind)
{
	off_t at = (off_t)(img->pm_offset + img->hdr.payload_offset);
	size_t left =
		img->hdr.payload_length - (strcmp(kind->name, "gzip") != 0 ? TRAILER_BYTES : 0);
	int fd = memfd_create("payload", MFD_CLOEXEC);

	while (fd >= 0 && left > 0) {
		ssize_t n = sendfile(fd, img->fd, &at, left);

		if (n == 0 || (n < 0 && errno != EINTR)) {
			close(fd);
			return -1;
		}
		left -= n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static bool run(const struct kind *kind, int from, int to, uint64_t max_bytes, const char **why)
{
	const struct rlimit limit = { max_bytes, max_bytes };
	pid_t pid;
	char *const no_environment[] = { NULL };
	int err = spawn_program(&pid, &(struct spawn){ .argv = kind->program,
						       .env = no_environment,
						       .in = from,
						       .out = to,
						       .err = SPAWN_NULL,
						       .keep = SPAWN_NONE });

	*why = err == -ENOENT ? "the program that unpacks it is not installed"
			      : "the program that unpacks it cannot be started";
	if (err)
		return false;
	/* What it has written before this, it may have written. */
	prlimit(pid, RLIMIT_FSIZE, &limit, NULL);
	*why = "the program that unpacks it has failed";
	return spawn_wait(pid, TIME_LIMIT_MS);
}

bool unpack_payload(struct boot_image *img, int to, const char **why)
{
	const struct kind *kind = find_kind(img);
	uint64_t bytes = unpack_bytes(img);
	struct stat st;
	bool good;
	int from;

	*why = "its payload is packed in no way known here, or not at all";
	if (!kind || !kind->program[0])
		return false;
	*why = "its payload does not say how long it is";
	if (!bytes)
		return false;
	from = copy_payload(img, kind);
	*why = "there is no memory for its payload";
	if (from < 0)
		return false;
	good = run(kind, from, to, bytes, why);
	close(from);
	if (!good)
		return false;
	*why = "its payload has another length than it says";
	return !fstat(to, &st) && (uint64_t)st.st_size == bytes;
}
