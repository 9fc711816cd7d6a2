/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starts the kernel inside a bzImage directly, without running its decompressor (--fast).
 *
 * The payload is unpacked once, into the cache. Later starts use its 64-bit entry: startup_64 of
 * the kernel proper, to which the decompressor would jump, with the same boot_params (boot.rst,
 * "64-bit Boot Protocol"; the header in them is the bzImage's). The kernel is placed at the address
 * it is linked for, so the relocations after it are not needed; KASLR is off, since the
 * decompressor does that. The kernel must fit into the memory that the bzImage says it runs in, so
 * everything else lies where it would without --fast. The parts that it only reads are mapped
 * privately, and all machines share them.
 *
 * The key is a hash over all of the payload's bytes. A file's times and numbers would be less
 * reliable (a kernel built again within a clock tick, a file copied, a disk mounted elsewhere) and
 * save little: booting the bzImage would read the bytes as well, so hashing adds three instructions
 * for each 8 bytes. The hash need not withstand an adversary: anyone who chooses the kernel already
 * chooses what runs.
 *
 * The machine does not wait for the disk. It starts from the file while that has no name yet, and a
 * thread writes the file to the disk and names it (kernelcache_publish()). If we end before that,
 * there is no entry, and the next start makes it.
 *
 * Thread: main; the publishing thread has its own descriptors.
 */
#include "fastkernel.h"
#include "bootparts.h"
#include "kvm/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
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
 * Mixes in @len bytes, a multiple of LANES words. Each step is a bijection of its lane, so one
 * changed word always changes the result.
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
	sigset_t all, before;
	pthread_t thread;
	int err;

	if (!p)
		return;
	*p = (struct publication){ fcntl(dir, F_DUPFD_CLOEXEC, 0), fcntl(fd, F_DUPFD_CLOEXEC, 0),
				   *key };
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before); /* main takes the signals */
	err = pthread_create(&thread, NULL, publish, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		close(p->fd);
		close(p->dir);
		free(p);
		return;
	}
	pthread_detach(thread);
}

/* Returns the unpacked file, or -1 and @why. @made: it is new and not in the cache yet. */
static int find_or_make(struct boot_image *img, int dir, const struct kernelcache_key *key,
			bool *made, const char **why)
{
	int fd = kernelcache_find(dir, key);

	*made = fd < 0;
	if (fd >= 0)
		return fd;
	fd = kernelcache_new(dir);
	*why = "cannot create a file in the cache, or its file system lacks O_TMPFILE";
	if (fd < 0 || unpack_payload(img, fd, why))
		return fd;
	close(fd);
	return -1;
}

/* Replaces the bzImage by the ELF file @fd and takes @fd over, or leaves both unchanged. */
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

	*why = "its payload cannot be read, is too large, or does not state its length";
	if (!make_key(img, &key))
		return false;
	fd = find_or_make(img, dir, &key, &made, why);
	if (fd < 0)
		return false;
	*why = "its payload is not a 64-bit kernel that runs where the bzImage says";
	if (!become(img, fd)) {
		close(fd);
		return false;
	}
	pr_debug("%s: --fast: %s, so KASLR is off (--no-cache leaves it on)", img->path,
		 made ? "unpacked for this and later starts" : "was unpacked before");
	if (made)
		start_publishing(dir, fd, &key);
	return true;
}

void fastkernel_use(struct boot_image *img)
{
	const char *why = "not a bzImage that starts by its 64-bit entry";
	int dir = -1;

	if (img->format == BOOT_BZIMAGE && img->start == BOOT_LINUX64 && img->hdr.version >= 0x208)
		dir = kernelcache_open(&why);
	if (dir < 0 || !use_cache(img, dir, &why))
		pr_debug("%s: --fast: started unchanged: %s", img->path, why);
	if (dir >= 0)
		close(dir);
}
