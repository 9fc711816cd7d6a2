/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unpacks a bzImage's payload with the host's own programs.
 *
 * boot.rst, "payload_offset" and "payload_length": the payload lies in the protected-mode part, its
 * magic number identifies its format, and it is an ELF file, perhaps with the relocations for KASLR
 * after it. Its last four bytes give its unpacked length (little endian). gzip's format includes
 * them; after the other formats the kernel's build appends them (arch/x86/boot/compressed/mkpiggy.c
 * reads them there), so the program does not get them.
 *
 * A program gets the payload, in memory, as its standard input, and the file as its standard
 * output; no shell, no environment (some programs take options from there), no messages. It is
 * found on PATH. It may write as many bytes as the payload states and no more, and may run for
 * TIME_LIMIT_MS. It has succeeded when it exits with 0 and the file has exactly that length.
 *
 * Thread: main.
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
	char *program[4]; /* all NULL: not compressed */
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
 * Whether the header names a payload inside the protected-mode part that is longer than a magic
 * number and a length.
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

/*
 * Returns a file in memory with what the program reads, at its beginning, or -1 if not all of it
 * can be read.
 */
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
	/* The limit does not cover what the program has written before this call. */
	prlimit(pid, RLIMIT_FSIZE, &limit, NULL);
	*why = "the program that unpacks it failed or took too long";
	return spawn_wait(pid, TIME_LIMIT_MS);
}

bool unpack_payload(struct boot_image *img, int to, const char **why)
{
	const struct kind *kind = find_kind(img);
	uint64_t bytes = unpack_bytes(img);
	struct stat st;
	bool good;
	int from;

	*why = "its payload is packed in an unknown format, or not packed";
	if (!kind || !kind->program[0])
		return false;
	*why = "its payload does not state its length";
	if (!bytes)
		return false;
	from = copy_payload(img, kind);
	*why = "cannot copy its payload into memory";
	if (from < 0)
		return false;
	good = run(kind, from, to, bytes, why);
	close(from);
	if (!good)
		return false;
	*why = "its payload does not have the length that it states";
	return !fstat(to, &st) && (uint64_t)st.st_size == bytes;
}
