/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the balloon: inflated or reported pages go back to the host, invalid requests do no harm,
 * and the configuration space.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/log.h"
#include "unit/mmio_rig.h"
#include "virtio/balloon.h"

#include <linux/virtio_balloon.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PFNS_GPA RIG_DATA_GPA
#define MEM_GPA 0x100000
#define MEM_PFN (MEM_GPA / 4096)
#define PAGES 16
#define F_REPORTING (1U << VIRTIO_BALLOON_F_REPORTING)
#define F_NEXT VRING_DESC_F_NEXT
#define F_WRITE VRING_DESC_F_WRITE

static unsigned int discards;

/* Replaces libc's. */
int madvise(void *at, size_t len, int advice)
{
	discards += advice == MADV_DONTNEED;
	return (int)syscall(SYS_madvise, at, len, advice);
}

struct fix {
	struct mmio_rig r;
	struct virtio_device v;
	uint32_t *pfn;
	uint8_t *mem;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	log_set_level(LOG_LEVEL_ERROR);
	mmio_rig_begin(&f->r);
	f->pfn = gmem_at(&f->r.ring.mem, PFNS_GPA, 65536);
	f->mem = gmem_at(&f->r.ring.mem, MEM_GPA, PAGES * 4096);
	memset(f->mem, 'x', PAGES * 4096);
	assert_int_equal(balloon_init(&f->v, &f->r.ring.mem, &f->r.loop, 3 * MIB + 4095), 0);
	mmio_rig_plug(&f->r, &f->v);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	virtio_fini(&f->v);
	mmio_rig_end(&f->r);
	free(f);
	return 0;
}

/* Makes the ring that of @queue. */
static void live(struct fix *f, uint32_t features, unsigned int queue)
{
	negotiate(&f->r, features, 1);
	set_queue(&f->r, queue);
	wr(&f->r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
}

static void request(struct fix *f, unsigned int queue)
{
	uint16_t at = f->r.ring.used->idx;

	rig_avail(&f->r.ring, 0);
	wr(&f->r, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	turn(&f->r);
	assert_int_equal(f->r.ring.used->idx, (uint16_t)(at + 1));
	assert_int_equal(f->r.ring.used->ring[at % RIG_SIZE].id, 0);
	assert_int_equal(f->r.ring.used->ring[at % RIG_SIZE].len, 0);
	assert_int_equal(f->v.status & S_NEEDS_RESET, 0);
}

/* Returns a bit for each test page that still has its bytes. */
static unsigned int kept(const struct fix *f)
{
	unsigned int bits = 0;

	for (unsigned int i = 0; i < PAGES; i++) {
		assert_int_equal(f->mem[i * 4096], f->mem[i * 4096 + 4095]);
		bits |= (f->mem[i * 4096] == 'x') << i;
	}
	return bits;
}

static void inflate(struct fix *f, const uint32_t *pfns, unsigned int nr)
{
	memcpy(f->pfn, pfns, nr * sizeof(*pfns));
	rig_desc(&f->r.ring, 0, PFNS_GPA, nr * 4, 0, 0);
	request(f, 0);
}

static void it_says_what_it_can_and_wants(void **state)
{
	struct fix *f = *state;
	struct virtio_balloon_config c;

	memcpy(&c, f->r.page + VIRTIO_MMIO_CONFIG, 8);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_DEVICE_ID), 5);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_DEVICE_FEATURES) & 0xff,
			 F_REPORTING | 1U << VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	assert_int_equal(c.num_pages, 3 * MIB / 4096);
	assert_int_equal(c.actual, 0);
}

static void the_driver_writes_actual_and_nothing_else(void **state)
{
	struct fix *f = *state;

	wr(&f->r, VIRTIO_MMIO_CONFIG + 4, 0x12345678);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG + 4), 0x12345678);
	bus_write(&f->r.bus, MMIO_BASE + VIRTIO_MMIO_CONFIG + 5, 1, 0xab);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG + 4), 0x1234ab78);
	wr(&f->r, VIRTIO_MMIO_CONFIG, 1);
	bus_write(&f->r.bus, MMIO_BASE + VIRTIO_MMIO_CONFIG + 4, 8, UINT64_MAX);
	bus_write(&f->r.bus, MMIO_BASE + VIRTIO_MMIO_CONFIG + 3, 2, UINT64_MAX);
	bus_write(&f->r.bus, MMIO_BASE + VIRTIO_MMIO_CONFIG + 7, 2, UINT64_MAX);
	wr(&f->r, VIRTIO_MMIO_CONFIG + 8, 1);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG), 3 * MIB / 4096);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG + 4), 0x1234ab78);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG + 8), 0);
}

static void inflated_pages_go_back(void **state)
{
	struct fix *f = *state;
	const uint32_t pfns[] = { MEM_PFN + 1, MEM_PFN + 2, MEM_PFN + 7,
				  MEM_PFN + 6, MEM_PFN + 5, MEM_PFN + 9 };

	live(f, 0, 0);
	inflate(f, pfns, ARRAY_SIZE(pfns));
	assert_int_equal(kept(f), 0xffff & ~(1U << 1 | 1U << 2 | 7U << 5 | 1U << 9));
	/* Numbers in pieces of any size. */
	f->pfn[0] = MEM_PFN + 11;
	f->pfn[1] = MEM_PFN + 12;
	rig_desc(&f->r.ring, 0, PFNS_GPA, 3, F_NEXT, 1);
	rig_desc(&f->r.ring, 1, PFNS_GPA + 3, 5 + 3, 0, 0); /* and three extra bytes */
	request(f, 0);
	assert_int_equal(kept(f), 0xffff & ~(1U << 1 | 1U << 2 | 7U << 5 | 1U << 9 | 3U << 11));
}

static void strange_pages_do_no_harm(void **state)
{
	struct fix *f = *state;
	const uint32_t last = RIG_MEM_BYTES / 4096 - 1, high = RIG_HIGH_GPA / 4096;
	const uint32_t pfns[] = { /* the end of a region, the hole after it, one below the next */
				  MEM_PFN,	  MEM_PFN,    MEM_PFN,	  last,
				  last + 1,	  high - 1,   high,	  UINT32_MAX,
				  UINT32_MAX - 1, 0x80000000, MEM_PFN + 3
	};

	live(f, 0, 0);
	inflate(f, pfns, ARRAY_SIZE(pfns));
	assert_int_equal(kept(f), 0xffff & ~(1U << 0 | 1U << 3));
	/* The driver may use pages that it took back, and inflate them again. */
	memset(f->mem, 'x', 4096);
	assert_int_equal(kept(f), 0xffff & ~(1U << 3));
	inflate(f, pfns, 1);
	assert_int_equal(kept(f), 0xffff & ~(1U << 0 | 1U << 3));
}

static void so_many_numbers_and_no_more(void **state)
{
	struct fix *f = *state;

	live(f, 0, 0);
	for (unsigned int i = 0; i < 8192; i++)
		f->pfn[i] = i < 4096 ? MEM_PFN + 1 : MEM_PFN + 2;
	rig_desc(&f->r.ring, 0, PFNS_GPA, 8192 * 4, 0, 0);
	request(f, 0);
	assert_int_equal(kept(f), 0xffff & ~(1U << 1));
}

/* A page number costs a system call: few of them in one callback of the loop. */
static void one_callback_does_one_turn(void **state)
{
	struct fix *f = *state;

	live(f, 0, 0);
	turn(&f->r);
	for (unsigned int i = 0; i < 4096; i++)
		f->pfn[i] = MEM_PFN + i * 2 % PAGES;
	for (unsigned int i = 0; i < RIG_SIZE; i++)
		rig_desc(&f->r.ring, i, PFNS_GPA, 4096 * 4, 0, 0);
	rig_never_dry(&f->r);
	virtio_kick(&f->v, 0);
	for (unsigned int i = 0; i < 3; i++) {
		discards = 0;
		turn(&f->r);
		assert_in_range(discards, 1, 512);
	}
}

/* A report of more than the device returns at once is accepted, and the rest stays. */
static void a_huge_report_is_cut(void **state)
{
	struct fix *f = *state;

	live(f, F_REPORTING, 2);
	rig_desc(&f->r.ring, 0, RIG_HIGH_GPA, RIG_HIGH_BYTES / 2, F_WRITE | F_NEXT, 1);
	rig_desc(&f->r.ring, 1, MEM_GPA, 4096, F_WRITE, 0);
	request(f, 2);
	assert_int_equal(kept(f), 0xffff);
}

static void deflating_is_only_acknowledged(void **state)
{
	struct fix *f = *state;

	live(f, 0, 1);
	f->pfn[0] = MEM_PFN + 1;
	rig_desc(&f->r.ring, 0, PFNS_GPA, 4, 0, 0);
	request(f, 1);
	assert_int_equal(kept(f), 0xffff);
}

/* Both by the number that drivers use, and by the specification's. */
static void reported_ranges_go_back(void **state)
{
	struct fix *f = *state;

	for (unsigned int queue = 2; queue <= 4; queue += 2) {
		memset(f->mem, 'x', PAGES * 4096);
		memset(f->r.ring.avail, 0, 64);
		memset(f->r.ring.used, 0, 128);
		live(f, F_REPORTING, queue);
		/* readable: not a page to report */
		rig_desc(&f->r.ring, 0, MEM_GPA, 4096, F_NEXT, 1);
		rig_desc(&f->r.ring, 1, MEM_GPA + 2 * 4096, 3 * 4096, F_WRITE | F_NEXT, 2);
		rig_desc(&f->r.ring, 2, MEM_GPA + 8 * 4096 + 1, 2 * 4096 - 2, F_WRITE | F_NEXT, 3);
		rig_desc(&f->r.ring, 3, MEM_GPA + 12 * 4096, 4096, F_WRITE, 0);
		request(f, queue);
		assert_int_equal(kept(f), 0xffff & ~(7U << 2 | 1U << 12));
	}
}

static void what_was_not_negotiated_is_not_done(void **state)
{
	struct fix *f = *state;

	live(f, 0, 2);
	rig_desc(&f->r.ring, 0, MEM_GPA, 4096, F_WRITE, 0);
	request(f, 2);
	assert_int_equal(kept(f), 0xffff);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_says_what_it_can_and_wants), T(the_driver_writes_actual_and_nothing_else),
		T(inflated_pages_go_back),	  T(strange_pages_do_no_harm),
		T(so_many_numbers_and_no_more),	  T(deflating_is_only_acknowledged),
		T(reported_ranges_go_back),	  T(what_was_not_negotiated_is_not_done),
		T(one_callback_does_one_turn),	  T(a_huge_report_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
