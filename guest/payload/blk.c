/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the block device from CPL 3.
 *
 *	blk,SECTORS	on a disk whose sector n begins with the number n
 *	blkirq,N	on N disks that answer a read with an interrupt, on shared lines
 */
#include "virtio.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>

#define ID_BLOCK 2
#define SECTOR 512
#define PLACE 64  /* the sector that is written to */
#define LATE 1024 /* in another cluster of a qcow2 */
#define NR 8

static struct vdev disk;
static struct virtio_blk_outhdr *header;
static uint8_t *status, *data;

/* Returns the status byte, or 0xee if the device did not answer. */
static uint8_t request(uint32_t type, uint64_t sector, uint32_t bytes, bool writable)
{
	struct piece p[] = { { header, sizeof(*header), false },
			     { data, bytes, writable },
			     { status, 1, true } };

	*header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*status = 0xee;
	if (bytes) {
		ring_request(&disk, 0, p, 3);
	} else {
		p[1] = p[2];
		ring_request(&disk, 0, p, 2);
	}
	return *status;
}

static uint8_t range(uint32_t type, uint64_t sector, uint32_t nr)
{
	struct virtio_blk_discard_write_zeroes r = { .sector = sector, .num_sectors = nr };

	memcpy(data, &r, sizeof(r));
	return request(type, 0, sizeof(r), false);
}

static uint32_t word(unsigned int sector)
{
	uint32_t value;

	memcpy(&value, data + sector * SECTOR, sizeof(value));
	return value;
}

static void check_reads(uint64_t sectors)
{
	check_eq("read", request(VIRTIO_BLK_T_IN, 0, NR * SECTOR, true), VIRTIO_BLK_S_OK);
	check("each sector is the one", !word(0) && word(1) == 1 && word(NR - 1) == NR - 1);
	check_eq("read of the last sector", request(VIRTIO_BLK_T_IN, sectors - 1, SECTOR, true),
		 VIRTIO_BLK_S_OK);
	check_eq("it is that", word(0), sectors - 1);
	check_eq("read over the end", request(VIRTIO_BLK_T_IN, sectors - 1, 2 * SECTOR, true),
		 VIRTIO_BLK_S_IOERR);
	check_eq("read of half a sector", request(VIRTIO_BLK_T_IN, 0, SECTOR / 2, true),
		 VIRTIO_BLK_S_IOERR);
	check_eq("no such request", request(0x77, 0, SECTOR, true), VIRTIO_BLK_S_UNSUPP);
}

static void check_writes(void)
{
	for (unsigned int i = 0; i < NR * SECTOR; i++)
		data[i] = (uint8_t)(i * 7 + i / SECTOR);
	check_eq("write", request(VIRTIO_BLK_T_OUT, PLACE, NR * SECTOR, false), VIRTIO_BLK_S_OK);
	check_eq("flush", request(VIRTIO_BLK_T_FLUSH, 0, 0, false), VIRTIO_BLK_S_OK);
	memset(data, 0, NR * SECTOR);
	check_eq("read back", request(VIRTIO_BLK_T_IN, PLACE, NR * SECTOR, true), VIRTIO_BLK_S_OK);
	for (unsigned int i = 0; i < NR * SECTOR; i++) {
		if (data[i] != (uint8_t)(i * 7 + i / SECTOR)) {
			check_eq("a byte that was written", i, ~0U);
			break;
		}
	}
	check_eq("read after it", request(VIRTIO_BLK_T_IN, PLACE + NR, SECTOR, true),
		 VIRTIO_BLK_S_OK);
	check_eq("that was not touched", word(0), PLACE + NR);
}

static void check_others(void)
{
	memset(data, 0, SECTOR);
	check_eq("get id", request(VIRTIO_BLK_T_GET_ID, 0, 20, true), VIRTIO_BLK_S_OK);
	check("it is the serial given", !memcmp(data, "payload", 8));
	check_eq("write zeroes", range(VIRTIO_BLK_T_WRITE_ZEROES, PLACE + 2, 4), VIRTIO_BLK_S_OK);
	check_eq("read of them", request(VIRTIO_BLK_T_IN, PLACE, NR * SECTOR, true),
		 VIRTIO_BLK_S_OK);
	check_eq("they are zeroes", sum_bytes(data + 2 * SECTOR, 4 * SECTOR), 0);
	check("their neighbours are not", word(1) && word(6));
	check_eq("discard", range(VIRTIO_BLK_T_DISCARD, 2 * PLACE, NR), VIRTIO_BLK_S_OK);
	check_eq("discard over the end", range(VIRTIO_BLK_T_DISCARD, 1ULL << 40, NR),
		 VIRTIO_BLK_S_IOERR);
	memset(data, 0x5a, SECTOR);
	check_eq("a write that no flush follows", request(VIRTIO_BLK_T_OUT, LATE, SECTOR, false),
		 VIRTIO_BLK_S_OK);
}

static void blk_at_cpl3(uint64_t sectors)
{
	check("a disk", virtio_find(&disk, ID_BLOCK, 0));
	check_eq("sectors", read64(disk.base + VIRTIO_MMIO_CONFIG), sectors);
	check("features are taken",
	      virtio_start(&disk, 1,
			   1U << VIRTIO_BLK_F_FLUSH | 1U << VIRTIO_BLK_F_DISCARD |
				   1U << VIRTIO_BLK_F_WRITE_ZEROES));
	header = pool_get(sizeof(*header));
	status = pool_get(1);
	data = pool_get(NR * SECTOR);
	check_reads(sectors);
	check_writes();
	check_others();
	virtio_set(&disk, VIRTIO_MMIO_STATUS, 0);
	check_eq("reset", virtio_reg(&disk, VIRTIO_MMIO_STATUS), 0);
}

void test_blk(void)
{
	irq_setup();
	user_pages();
	run_at_cpl3(blk_at_cpl3, arg(0, 2048));
}

/* ---- many disks ---- */

static struct vdev disks[VIRTIO_SLOTS];
static unsigned int nr_disks;
static volatile uint32_t answered;

/* The handler of all lines: queries each disk, as drivers on a shared line do. */
static void on_disks(void)
{
	for (unsigned int i = 0; i < nr_disks; i++) {
		struct ring *r = &disks[i].queue[0];
		uint32_t bits = virtio_reg(&disks[i], VIRTIO_MMIO_INTERRUPT_STATUS);

		if (!bits)
			continue;
		virtio_set(&disks[i], VIRTIO_MMIO_INTERRUPT_ACK, bits);
		while (*(volatile uint16_t *)&r->used->idx != r->used_seen) {
			r->used_seen++;
			answered++;
		}
	}
}

static void start_disk(unsigned int i)
{
	check("a disk", virtio_find(&disks[i], ID_BLOCK, i) && virtio_start(&disks[i], 1, 0));
	irq_route(disks[i].gsi, false, on_disks);
}

static void read_sector(unsigned int i, unsigned int round)
{
	struct piece p[] = { { header, sizeof(*header), false },
			     { data + i * SECTOR, SECTOR, true },
			     { status + i, 1, true } };

	status[i] = 0xee;
	ring_add(&disks[i].queue[0], (uint16_t)(3 * round), p, 3);
	ring_kick(&disks[i], 0);
}

void test_blk_irq(void)
{
	uint32_t want = 0;

	nr_disks = (unsigned int)arg(0, 1);
	irq_setup();
	header = pool_get(sizeof(*header));
	*header = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_IN, .sector = 0 };
	status = pool_get(VIRTIO_SLOTS);
	data = pool_get(VIRTIO_SLOTS * SECTOR);
	for (unsigned int i = 0; i < nr_disks; i++)
		start_disk(i);
	/*
	 * First one after the other, then all at once, so that two interrupts may coincide on a
	 * line.
	 */
	for (unsigned int i = 0; i < nr_disks; i++) {
		read_sector(i, 0);
		check_eq("its interrupt", wait_count(&answered, ++want, 5000), true);
	}
	for (unsigned int i = 0; i < nr_disks; i++)
		read_sector(i, 1);
	want += nr_disks;
	check_eq("interrupts of all", wait_count(&answered, want, 5000), true);
	for (unsigned int i = 0; i < nr_disks; i++)
		check_eq("status and disk", (uint64_t)status[i] << 32 | word(i), i + 1);
}
