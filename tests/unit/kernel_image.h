/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes a bzImage for tests of the boot path, and captures stderr. */
#ifndef TESTS_KERNEL_IMAGE_H
#define TESTS_KERNEL_IMAGE_H

#include "x86/boot/boot.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define IMAGE_SECTS 3
#define IMAGE_PM_OFFSET ((IMAGE_SECTS + 1) * 512)
#define IMAGE_PM_BYTES 8192
#define IMAGE_BYTES (IMAGE_PM_OFFSET + IMAGE_PM_BYTES)
#define IMAGE_VERSION_OFFSET 0x300
#define IMAGE_VERSION "6.1.0-test (nobody@nowhere) #1"

/* Offsets in the file (boot.rst). */
enum {
	H_SETUP_SECTS = 0x1f1,
	H_SYSSIZE = 0x1f4,
	H_BOOT_FLAG = 0x1fe,
	H_JUMP = 0x200,
	H_JUMP_LEN = 0x201,
	H_MAGIC = 0x202,
	H_VERSION = 0x206,
	H_KERNEL_VERSION = 0x20e,
	H_LOADFLAGS = 0x211,
	H_CODE32_START = 0x214,
	H_INITRD_ADDR_MAX = 0x22c,
	H_ALIGNMENT = 0x230,
	H_RELOCATABLE = 0x234,
	H_XLOADFLAGS = 0x236,
	H_CMDLINE_SIZE = 0x238,
	H_SETUP_DATA = 0x250,
	H_PREF_ADDRESS = 0x258,
	H_INIT_SIZE = 0x260,
	H_END_2_06 = 0x23c,
	H_END_2_15 = 0x26c,
};

struct kernel_image {
	uint8_t bytes[IMAGE_BYTES];
	size_t len;
};

static inline void image_put(struct kernel_image *k, unsigned int offset, uint64_t value,
			     unsigned int width)
{
	memcpy(k->bytes + offset, &value, width); /* x86 on x86 */
}

/* Protocol 2.15, 64-bit, relocatable, at 16 MiB; needs 4 MiB to run. */
static inline void image_init(struct kernel_image *k)
{
	memset(k->bytes, 0xcc, sizeof(k->bytes)); /* so that an excess copied byte is visible */
	memset(k->bytes + H_SETUP_SECTS, 0, H_END_2_15 - H_SETUP_SECTS);
	k->len = sizeof(k->bytes);
	image_put(k, H_SETUP_SECTS, IMAGE_SECTS, 1);
	image_put(k, H_SYSSIZE, IMAGE_PM_BYTES / 16, 4);
	image_put(k, H_BOOT_FLAG, 0xaa55, 2);
	image_put(k, H_JUMP, 0xeb, 1);
	image_put(k, H_JUMP_LEN, H_END_2_15 - 0x202, 1);
	image_put(k, H_MAGIC, 0x53726448, 4);
	image_put(k, H_VERSION, 0x20f, 2);
	image_put(k, H_KERNEL_VERSION, IMAGE_VERSION_OFFSET - 0x200, 2);
	image_put(k, H_LOADFLAGS, 0x81, 1);
	image_put(k, H_CODE32_START, MIB, 4);
	image_put(k, H_INITRD_ADDR_MAX, 0x7fffffff, 4);
	image_put(k, H_ALIGNMENT, 2 * MIB, 4);
	image_put(k, H_RELOCATABLE, 1, 1);
	image_put(k, H_XLOADFLAGS, XLF_KERNEL_64, 2);
	image_put(k, H_CMDLINE_SIZE, 2047, 4);
	image_put(k, H_PREF_ADDRESS, 16 * MIB, 8);
	image_put(k, H_INIT_SIZE, 4 * MIB, 4);
	memcpy(k->bytes + IMAGE_VERSION_OFFSET, IMAGE_VERSION, sizeof(IMAGE_VERSION));
	for (unsigned int i = 0; i < IMAGE_PM_BYTES; i++)
		k->bytes[IMAGE_PM_OFFSET + i] = (uint8_t)(i * 7 + i / 256 + 'k');
}

/* Sets an older protocol and its header length. */
static inline void image_set_version(struct kernel_image *k, unsigned int version,
				     unsigned int header_end)
{
	image_put(k, H_VERSION, version, 2);
	image_put(k, H_JUMP_LEN, header_end - 0x202, 1);
}

static inline int bytes_fd(const void *bytes, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, 0), len);
	return fd;
}

/* Opens @path again: a new file description of the same file. */
struct fd_path {
	char text[32];
};

static inline const char *fd_path(struct fd_path *p, int fd)
{
	snprintf(p->text, sizeof(p->text), "/proc/self/fd/%d", fd);
	return p->text;
}

static inline int image_open(const struct kernel_image *k, struct boot_image *img)
{
	return boot_open_fd(img, bytes_fd(k->bytes, k->len), "the-image", NULL);
}

/* Between these two calls stderr goes to a file; the second one copies the output to @text. */
struct said {
	int saved, fd;
	char text[2048];
};

static inline void said_begin(struct said *s)
{
	fflush(stderr);
	s->saved = dup(STDERR_FILENO);
	s->fd = memfd_create("said", MFD_CLOEXEC);
	assert_true(s->saved >= 0 && s->fd >= 0);
	dup2(s->fd, STDERR_FILENO);
}

static inline void said_end(struct said *s)
{
	ssize_t n = pread(s->fd, s->text, sizeof(s->text) - 1, 0);

	s->text[n > 0 ? n : 0] = '\0';
	dup2(s->saved, STDERR_FILENO);
	close(s->saved);
	close(s->fd);
}

static inline void assert_one_line_with(const struct said *s, const char *name, const char *what)
{
	const char *newline = strchr(s->text, '\n');

	if (!strstr(s->text, what) || !strstr(s->text, name))
		fail_msg("wanted \"%s\" and \"%s\" in: %s", name, what, s->text);
	assert_non_null(newline);
	assert_int_equal(newline[1], '\0');
}

#endif
