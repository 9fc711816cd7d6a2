/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the balloon with a hostile driver: numbers and ranges from the input, inside and outside
 * guest memory, on all queues.
 *
 * Every chain comes back. Pages that were not named keep their bytes, and so does a mapped file.
 */
#include "virtio_fuzz.h"

#include "kvm/log.h"
#include "virtio/balloon.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEM_BYTES (2 * MIB)
#define HIGH_GPA (4 * GIB)
#define NR 8
#define DESC 0x1000
#define AVAIL (DESC + RING_AVAIL)
#define USED (DESC + RING_USED)
#define PFNS 0x4000
#define FILE_GPA 0x100000
#define FILE_BYTES 0x4000
#define SAFE_GPA 0x180000 /* a page that is never named */

struct machine {
	struct gmem mem;
	struct loop loop;
	struct virtio_device v;
	uint8_t *ram;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void go_live(struct machine *m, unsigned int queue)
{
	memset(m->ram + AVAIL, 0, 4096);
	memset(m->ram + USED, 0, 4096);
	virtio_lock(&m->v);
	fuzz_negotiate(&m->v, ~(1ULL << VIRTIO_RING_F_EVENT_IDX));
	fuzz_ring_at(&m->v, queue, DESC, NR);
	virtio_write_status(&m->v, 15);
	virtio_unlock(&m->v);
}

static bool is_safe(uint64_t from, uint64_t len)
{
	return from + len <= SAFE_GPA || from >= SAFE_GPA + 4096;
}

/*
 * Nine bytes of input: the queue, three numbers of two bytes each, and how they become pages or
 * ranges.
 */
static void step(struct machine *m, const uint8_t *op)
{
	struct vring_desc *desc = (void *)(m->ram + DESC);
	struct vring_avail *avail = (void *)(m->ram + AVAIL);
	unsigned int queue = op[0] % 5;

	go_live(m, queue);
	for (unsigned int i = 0; i < 3; i++) {
		uint32_t number = (uint32_t)(op[1 + 2 * i] | op[2 + 2 * i] << 8);
		uint64_t gpa =
			(uint64_t)(number & 0x7fff) * 64 + (number & 0x8000 ? HIGH_GPA - MIB : 0);
		uint32_t len = op[7] * 128U,
			 pfn = op[8] & 1U << i ? UINT32_MAX - number : (uint32_t)(gpa >> 12);

		if (!is_safe((uint64_t)pfn << 12, 4096) || !is_safe(gpa, len) || gpa < PFNS + 4096)
			gpa = (uint64_t)(pfn = SAFE_GPA / 4096 + 1) << 12;
		memcpy(m->ram + PFNS + i * 4, &pfn, sizeof(pfn));
		desc[i] = (struct vring_desc){ queue < 2 ? PFNS + i * 4U : gpa, queue < 2 ? 4 : len,
					       (queue < 2 ? 0 : VRING_DESC_F_WRITE) |
						       (i < 2 ? VRING_DESC_F_NEXT : 0),
					       (uint16_t)(i + 1) };
	}
	avail->ring[0] = 0;
	avail->idx = 1;
	virtio_lock(&m->v);
	virtio_run(&m->v, queue);
	check((m->v.status & VIRTIO_CONFIG_S_NEEDS_RESET) || m->v.queue[queue].vq.used_idx == 1);
	virtio_unlock(&m->v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = calloc(1, sizeof(*m));
	uint8_t file[FILE_BYTES];
	int fd = memfd_create("initrd", MFD_CLOEXEC);

	log_set_level(LOG_LEVEL_ERROR);
	memset(file, 'f', sizeof(file));
	check(m && fd >= 0 && write(fd, file, sizeof(file)) == sizeof(file));
	gmem_init(&m->mem);
	check(!gmem_add(&m->mem, 0, MEM_BYTES, GMEM_NORMAL) &&
	      !gmem_add(&m->mem, HIGH_GPA, MEM_BYTES, GMEM_NORMAL) && !loop_init(&m->loop));
	check(!gmem_map_file(&m->mem, FILE_GPA, fd, 0, FILE_BYTES, "initrd"));
	m->ram = m->mem.region[0].hva;
	memset(m->ram + FILE_GPA, 'g', FILE_BYTES);
	memset(m->ram + SAFE_GPA, 's', 4096);
	check(!balloon_init(&m->v, &m->mem, &m->loop, MIB));
	for (size_t i = 0; i + 8 < size; i += 9)
		step(m, data + i);
	for (unsigned int i = 0; i < FILE_BYTES; i++)
		check(m->ram[FILE_GPA + i] == 'g');
	for (unsigned int i = 0; i < 4096; i++)
		check(m->ram[SAFE_GPA + i] == 's');
	virtio_fini(&m->v);
	loop_fini(&m->loop);
	gmem_fini(&m->mem);
	close(fd);
	free(m);
	return 0;
}
