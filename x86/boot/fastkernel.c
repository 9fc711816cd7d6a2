/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starting the kernel that is inside a bzImage, without its decompressor (--fast).
 *
 * The payload is unpacked once, into the cache, and from then on started by its 64-bit entry:
 * startup_64 of the kernel proper, which is what the decompressor jumps to, with the same
 * boot_params (boot.rst, "64-bit Boot Protocol"; the header in them is the bzImage's). It is placed
 * at the address it is linked for, so the relocations behind it are not needed; and KASLR, which is
 * the decompressor's work, is off. It must fit into the memory that the bzImage says it runs in, so
 * all else lies where it would without this. What it only reads is mapped privately, and so shared
 * by all machines.
 *
 * The key is a hash over the payload's bytes, all of them: a file's times and numbers would say
 * less than that (a kernel built again within a clock tick, a file copied, a disk mounted
 * elsewhere) and spare little. For to boot the bzImage it would be read as well, so what hashing
 * adds is three instructions for each 8 bytes. It need not withstand an adversary: who chooses the
 * kernel chooses what runs.
 *
 * The machine does not wait for the disk: it starts from the file while that has no name yet, and a
 * thread brings it to the disk and gives it one (kernelcache_publish()). If we end before, there is
 * no entry, and the next start makes it.
 *
 * Main's thread, but for that one, which has its own descriptors.
 */
#include "fastkernel.h"
#include "bootparts.h"
#include "kvm/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES (64 * KIB)
#define LANES 4
#define MULTIPLIER 0x9e3779b97f4a7c15ULL /* 2^64 by the golden ratio, odd */

struct publication {
	int dir, fd;
	struct kernelcache_key key;
};

static uint64_t stir(uint64_t lane, uint64_t word)
{
	lane = (lane ^ word) * MULTIPLIER;
	return lane << 29 | lane >> 35;
}

/*
 * @len is a multiple of LANES words. Each step is a bijection of its lane: one changed word never
 * goes unnoticed.
 */
static void hash_chunk(uint64_t lane[LANES], const uint64_t *word, size_t len)
{
	uint64_t a = lane[0], b = lane[1], c = lane[2], d = lane[3];

	for (; len; len -= LANES * sizeof(*word), word += LANES) {
		a = stir(a, word[0]);
		b = stir(b, word[1]);
		c = stir(c, word[2]);
		d = stir(d, word[3]);
	}
	lane[0] = a, lane[1] = b, lane[2] = c, lane[3] = d;
}

static bool make_key(struct boot_image *img, struct kernelcache_key *key)
{
	uint64_t at = img->pm_offset + img->hdr.payload_offset, left = img->hdr.payload_length;
	uint64_t lane[LANES] = { 1, 2, 3, 4 }, words[CHUNK_BYTES / 8];

	*key = (struct kernelcache_key){ .packed_bytes = left, .bytes = unpack_bytes(img) };
	if (!key->bytes || key->bytes > KERNELCACHE_MAX_BYTES)
		return false;
	while (left > 0) {
		size_t len = min_u64(left, sizeof(words)), padded = align_up(len, sizeof(lane));

		if (boot_read(img, words, len, at))
			return false;
		memset((uint8_t *)words + len, 0, padded - len);
		hash_chunk(lane, words, padded);
		at += len;
		left -= len;
	}
	for (unsigned int i = 0; i < LANES; i++)
		key->hash = stir(key->hash, lane[i]);
	return true;
}

static void *publish(void *arg)
{
	struct publication *p = arg;

	kernelcache_publish(p->dir, p->fd, &p->key, KERNELCACHE_MAX_BYTES);
	close(p->fd);
	close(p->dir);
	free(p);
	return NULL;
}

static void start_publishing(int dir, int fd, const struct kernelcache_key *key)
{
	struct publication *p = malloc(sizeof(*p));
	pthread_t thread;

	if (!p)
		return;
	*p = (struct publication){ fcntl(dir, F_DUPFD_CLOEXEC, 0), fcntl(fd, F_DUPFD_CLOEXEC, 0),
				   *key };
	if (pthread_create(&thread, NULL, publish, p)) {
		close(p->fd);
		close(p->dir);
		free(p);
		return;
	}
	pthread_detach(thread);
}

/* The unpacked file; -1 and @why. @made: it is not in the cache yet. */
static int find_or_make(struct boot_image *img, int dir, const struct kernelcache_key *key,
			bool *made, const char **why)
{
	int fd = kernelcache_find(dir, key);

	*made = fd < 0;
	if (fd >= 0)
		return fd;
	fd = kernelcache_new(dir);
	*why = "the cache's file system takes no new file, or none without a name";
	if (fd < 0 || unpack_payload(img, fd, why))
		return fd;
	close(fd);
	return -1;
}

/* Puts the ELF file @fd in the bzImage's place, and takes it over; or leaves both alone. */
static bool become(struct boot_image *img, int fd)
{
	static const struct boot_how by64 = { .wish = BOOT_WISH_64,
					      .load_gpa = BOOT_LOAD_ANYWHERE };
	struct boot_image elf;

	if (boot_identify(&elf, fd, img->path, &by64) || elf.start != BOOT_LINUX64 ||
	    elf.load_gpa < img->load_gpa ||
	    elf.load_gpa + elf.runtime_bytes > img->load_gpa + img->runtime_bytes)
		return false;
	elf.load_gpa = img->load_gpa;
	elf.runtime_bytes = img->runtime_bytes;
	memcpy(elf.hdr_bytes, img->hdr_bytes, sizeof(elf.hdr_bytes));
	elf.hdr_len = img->hdr_len;
	memcpy(elf.version, img->version, sizeof(elf.version));
	boot_close(img);
	*img = elf;
	return true;
}

static bool use_cache(struct boot_image *img, int dir, const char **why)
{
	struct kernelcache_key key;
	bool made;
	int fd;

	*why = "it has no payload that can be read, or does not say how long that is";
	if (!make_key(img, &key))
		return false;
	fd = find_or_make(img, dir, &key, &made, why);
	if (fd < 0)
		return false;
	*why = "what is packed in it is not a 64-bit kernel that runs where the bzImage says";
	if (!become(img, fd)) {
		close(fd);
		return false;
	}
	pr_debug("%s: --fast: %s, so KASLR is off (--no-cache leaves it on)", img->path,
		 made ? "unpacked, now and for later starts" : "was unpacked before");
	if (made)
		start_publishing(dir, fd, &key);
	return true;
}

void fastkernel_use(struct boot_image *img)
{
	const char *why = "it is no bzImage that is started by its 64-bit entry";
	int dir = -1;

	if (img->format == BOOT_BZIMAGE && img->start == BOOT_LINUX64 && img->hdr.version >= 0x208)
		dir = kernelcache_open(&why);
	if (dir < 0 || !use_cache(img, dir, &why))
		pr_debug("%s: --fast: started as it is: %s", img->path, why);
	if (dir >= 0)
		close(dir);
}
