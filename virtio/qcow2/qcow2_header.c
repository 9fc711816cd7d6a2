/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads and checks the header of a qcow2 image and its extensions ("Header", "Header extensions").
 * The file is not trusted: each value is checked before any computation or allocation uses it.
 * Features that are not supported are refused by name, in one line.
 */
#include "qcow2.h"
#include "qcow2_impl.h"

#include "kvm/log.h"

#include <errno.h>
#include <string.h>

#define MAGIC "QFI\xfb"
#define V2_BYTES 72
#define V3_BYTES 104
#define COMPRESSION_TYPE 104 /* one byte, if the header is long enough */
#define COMPRESSION_ZSTD 1
#define MAX_L1_BYTES (32 * MIB)
#define MAX_REFTABLE_BYTES (8 * MIB)
#define MAX_SNAPSHOTS 65536
#define MAX_EXTENSIONS 64

#define EXT_END 0
#define EXT_BACKING_FORMAT 0xe2792acaU
#define EXT_FEATURE_NAMES 0x6803f857U
#define FEATURE_NAME_BYTES 48

#define KNOWN_INCOMPATIBLE                                                                         \
	(QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT | QCOW2_INCOMPAT_COMPRESSION)

bool qcow2_probe(const void *sector, size_t len)
{
	const unsigned char *p = sector;

	return len >= 8 && !memcmp(p, MAGIC, 4) && (load_be32(p + 4) == 2 || load_be32(p + 4) == 3);
}

static int refuse(const struct disk_file *f, const char *what)
{
	pr_err("%s: %s", f->path, what);
	return -EINVAL;
}

static int check_version(const struct disk_file *f, const unsigned char *p)
{
	if (memcmp(p, MAGIC, 4) != 0)
		return refuse(f, "not a qcow2 image (bad magic); use format=raw");
	if (load_be32(p + 4) == 1)
		return refuse(
			f,
			"a qcow version 1 image, which is not supported; `qemu-img convert -O qcow2` converts it");
	if (load_be32(p + 4) != 2 && load_be32(p + 4) != 3)
		return refuse(
			f,
			"a qcow2 version other than 2 and 3; run `qemu-img convert -O qcow2` on the machine that made it");
	return 0;
}

static int check_encryption(const struct disk_file *f, const unsigned char *p)
{
	switch (load_be32(p + 32)) {
	case 0:
		return 0;
	case 1:
		return refuse(
			f,
			"encrypted (AES), which is not supported; `qemu-img convert` can decrypt it");
	case 2:
		return refuse(
			f,
			"encrypted (LUKS), which is not supported; `qemu-img convert` can decrypt it");
	default:
		return refuse(f, "encrypted by an unknown method");
	}
}

/*
 * Whether a table of @bytes at @offset is aligned, after the header and inside the file; no sum can
 * overflow.
 */
static bool table_inside(const struct disk_file *f, const struct qcow2_header *h, uint64_t offset,
			 uint64_t bytes)
{
	uint64_t cluster = 1ULL << h->cluster_bits;
	uint64_t file_bytes = align_up(atomic_load(&f->size_bytes), cluster);

	return is_aligned(offset, cluster) && offset >= cluster && offset <= file_bytes &&
	       bytes <= file_bytes - offset;
}

static int check_tables(const struct disk_file *f, const struct qcow2_header *h)
{
	unsigned int l1_shift = 2 * h->cluster_bits - 3; /* the disk's bytes for each L1 entry */
	uint64_t needed = h->size_bytes >> l1_shift;
	uint64_t rt_bytes = h->reftable_clusters << h->cluster_bits;

	if (h->size_bytes & ((1ULL << l1_shift) - 1))
		needed++;
	if (h->l1_entries > MAX_L1_BYTES / 8)
		return refuse(f, "corrupt: the L1 table is larger than 32 MiB");
	if (h->l1_entries < needed)
		return refuse(f, "corrupt: the L1 table is too small for the disk's size");
	if (h->l1_entries && !table_inside(f, h, h->l1_offset, h->l1_entries * 8))
		return refuse(f, "corrupt or truncated: the L1 table is not inside the file");
	if (!h->reftable_clusters || rt_bytes > MAX_REFTABLE_BYTES)
		return refuse(f, "corrupt: the refcount table is empty or larger than 8 MiB");
	if (!table_inside(f, h, h->reftable_offset, rt_bytes))
		return refuse(f, "corrupt or truncated: the refcount table is not inside the file");
	if (h->nr_snapshots > MAX_SNAPSHOTS)
		return refuse(f, "corrupt: more than 65536 snapshots");
	if (h->nr_snapshots && !table_inside(f, h, h->snapshots_offset, 40 * h->nr_snapshots))
		return refuse(f, "corrupt or truncated: the snapshot table is not inside the file");
	return 0;
}

/* Calls @fn for each extension until it returns a nonzero value. */
static int each_extension(struct disk_file *f, uint64_t at, uint64_t end,
			  int (*fn)(struct disk_file *f, uint32_t type, uint64_t at, uint32_t len,
				    void *ctx),
			  void *ctx)
{
	for (unsigned int i = 0; i < MAX_EXTENSIONS && end - at >= 8; i++) {
		unsigned char head[8];
		uint32_t type, len;
		int err = disk_file_pread(f, head, sizeof(head), at);

		if (err)
			return err;
		type = load_be32(head);
		len = load_be32(head + 4);
		at += 8;
		if (type == EXT_END)
			return 0;
		if (len > end - at)
			return refuse(
				f, "corrupt: a header extension reaches beyond the first cluster");
		err = fn(f, type, at, len, ctx);
		if (err)
			return err;
		if (align_up(len, 8) > end - at)
			return 0;
		at += align_up(len, 8);
	}
	return 0;
}

static int take_extension(struct disk_file *f, uint32_t type, uint64_t at, uint32_t len, void *ctx)
{
	struct qcow2_header *h = ctx;

	if (type != EXT_BACKING_FORMAT)
		return 0;
	if (len >= sizeof(h->backing_format))
		return refuse(f, "corrupt: the name of the backing file's format is too long");
	memset(h->backing_format, 0, sizeof(h->backing_format));
	return disk_file_pread(f, h->backing_format, len, at);
}

struct feature {
	unsigned int bit;
	char name[FEATURE_NAME_BYTES - 1];
};

/* The image may contain the names of its features' bits. */
static int find_feature_name(struct disk_file *f, uint32_t type, uint64_t at, uint32_t len,
			     void *ctx)
{
	struct feature *feature = ctx;

	if (type != EXT_FEATURE_NAMES)
		return 0;
	for (uint32_t i = 0; i < len / FEATURE_NAME_BYTES && i < 192; i++) {
		unsigned char entry[FEATURE_NAME_BYTES];

		if (disk_file_pread(f, entry, sizeof(entry), at + (uint64_t)i * FEATURE_NAME_BYTES))
			return -EIO;
		if (entry[0] != 0 || entry[1] != feature->bit)
			continue;
		for (unsigned int k = 0; k < FEATURE_NAME_BYTES - 2 && entry[2 + k]; k++)
			feature->name[k] =
				(char)(entry[2 + k] >= ' ' && entry[2 + k] < 0x7f ? entry[2 + k]
										  : '?');
	}
	return 0;
}

static int check_features(struct disk_file *f, const struct qcow2_header *h, uint64_t extensions_at)
{
	uint64_t unknown = h->incompatible & ~KNOWN_INCOMPATIBLE;
	struct feature feature = { 0 };

	if (!unknown)
		return 0;
	feature.bit = (unsigned int)__builtin_ctzll(unknown);
	if (feature.bit == 2)
		return refuse(
			f,
			"its data are in an external file, which is not supported; `qemu-img convert -O qcow2` copies them into an image");
	if (feature.bit == 4)
		return refuse(
			f,
			"has extended L2 entries, which are not supported; `qemu-img convert -O qcow2` makes an image without them");
	each_extension(f, extensions_at, 1ULL << h->cluster_bits, find_feature_name, &feature);
	pr_err("%s: needs a feature that is not supported: %s (incompatible bit %u)", f->path,
	       feature.name[0] ? feature.name : "unknown", feature.bit);
	return -ENOTSUP;
}

/*
 * Returns the end of the extensions: an old image has its backing file's name right after the
 * header, and no end mark.
 */
static uint64_t extensions_end(const struct qcow2_header *h, const unsigned char *p,
			       uint64_t header_bytes)
{
	uint64_t backing = load_be64(p + 8), cluster = 1ULL << h->cluster_bits;

	return backing >= header_bytes && backing <= cluster ? backing : cluster;
}

static int read_backing_name(struct disk_file *f, struct qcow2_header *h, const unsigned char *p)
{
	uint64_t at = load_be64(p + 8), cluster = 1ULL << h->cluster_bits;
	uint32_t len = load_be32(p + 16);
	int err;

	if (!at)
		return 0;
	if (!len || len >= sizeof(h->backing_name))
		return refuse(f, "corrupt: the length of the backing file's name is not valid");
	if (at < V2_BYTES || at > cluster || len > cluster - at)
		return refuse(f,
			      "corrupt: the backing file's name is not inside the first cluster");
	err = disk_file_pread(f, h->backing_name, len, at);
	if (!err && strlen(h->backing_name) != len)
		err = refuse(f, "corrupt: the backing file's name contains a zero byte");
	return err;
}

static int take_v3(const struct disk_file *f, struct qcow2_header *h, const unsigned char *p,
		   uint64_t *header_bytes)
{
	h->refcount_order = 4;
	*header_bytes = V2_BYTES;
	if (h->version == 2)
		return 0;
	h->incompatible = load_be64(p + 72);
	h->autoclear = load_be64(p + 88);
	h->refcount_order = load_be32(p + 96);
	*header_bytes = load_be32(p + 100);
	if (h->refcount_order > 6)
		return refuse(f, "corrupt: refcounts wider than 64 bits");
	if (*header_bytes < V3_BYTES || *header_bytes > 1ULL << h->cluster_bits ||
	    *header_bytes % 8)
		return refuse(f, "corrupt: the header's length is not valid");
	return 0;
}

/* The feature bit and the type must agree that compression is not deflate. */
static int read_compression(struct disk_file *f, struct qcow2_header *h, uint64_t header_bytes)
{
	unsigned char type = 0;
	int err = 0;

	if (header_bytes > COMPRESSION_TYPE)
		err = disk_file_pread(f, &type, sizeof(type), COMPRESSION_TYPE);
	if (err)
		return err;
	if (!type != !(h->incompatible & QCOW2_INCOMPAT_COMPRESSION))
		return refuse(f, "corrupt: the header contradicts itself about compression");
	h->zstd = type == COMPRESSION_ZSTD;
	if (type > COMPRESSION_ZSTD)
		return refuse(f, "compressed by an unknown method");
	return 0;
}

int qcow2_header_read(struct disk_file *f, struct qcow2_header *h)
{
	unsigned char p[V3_BYTES] = { 0 };
	uint64_t size = atomic_load(&f->size_bytes), header_bytes;
	int err;

	memset(h, 0, sizeof(*h));
	err = disk_file_pread(f, p, min_u64(sizeof(p), size), 0);
	if (err)
		return err;
	if (size < V2_BYTES)
		return refuse(f, "not a qcow2 image (too short); use format=raw");
	err = check_version(f, p);
	if (err)
		return err;
	h->version = load_be32(p + 4);
	h->cluster_bits = load_be32(p + 20);
	h->size_bytes = load_be64(p + 24);
	h->l1_entries = load_be32(p + 36);
	h->l1_offset = load_be64(p + 40);
	h->reftable_offset = load_be64(p + 48);
	h->reftable_clusters = load_be32(p + 56);
	h->nr_snapshots = load_be32(p + 60);
	h->snapshots_offset = load_be64(p + 64);
	if (h->cluster_bits < 9 || h->cluster_bits > 21)
		return refuse(f, "corrupt: the cluster size is not between 512 bytes and 2 MiB");
	if (h->size_bytes > INT64_MAX - DISK_SECTOR_BYTES)
		return refuse(f, "corrupt: the disk's size is too large");
	err = take_v3(f, h, p, &header_bytes);
	if (!err)
		err = check_encryption(f, p);
	if (!err)
		err = check_features(f, h, header_bytes);
	if (!err)
		err = read_compression(f, h, header_bytes);
	if (!err)
		err = check_tables(f, h);
	if (!err)
		err = read_backing_name(f, h, p);
	if (!err)
		err = each_extension(f, header_bytes, extensions_end(h, p, header_bytes),
				     take_extension, h);
	return err;
}
