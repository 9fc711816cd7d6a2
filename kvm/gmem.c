/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocates the regions of guest memory, and does all arithmetic on guest-physical addresses.
 *
 * A region is anonymous memory, mapped lazily and without reserve. Its host address is congruent to
 * its guest address modulo 2 MiB, so that KVM can map it by huge pages: that alone saves nine of
 * ten exits of a boot. mmap() takes no alignment, so map_pages() maps 2 MiB more and uses the
 * aligned part; the rest is never touched and costs nothing.
 *
 * A shared region consists of a file's pages instead: KVM and the other process see one memory.
 * Kernel and initrd are read into it, not mapped. A private mapping would be pages of this process
 * alone: a buffer that the guest puts where its initrd was would be other memory to the other
 * process.
 *
 * Files (see gmem_map_file) lie on top of a region. When such a file is truncated
 * while the guest runs, an access to its lost pages raises SIGBUS in this process, and in the guest
 * it makes KVM_RUN fail with EFAULT. The machine goes on all the same: a guest that has long freed
 * its initrd must not die because a new one is installed. Zero pages replace the lost part, and one
 * line reports it. A guest that still reads its initrd will complain itself.
 *
 * There may be no error at once: while the guest's interrupts are on, KVM assumes that a lost page
 * is still being read (an asynchronous page fault), and halts the vCPU until it arrives, again and
 * again. So the loop calls gmem_repair() every second.
 */
#include "kvm/gmem.h"

#include "kvm/clock.h"
#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES 4096ULL
/*
 * This soon after a repair, a thread's EFAULT may come from the page that another thread has
 * repaired.
 */
#define REPAIR_FRESH_NS 1000000000ULL

void gmem_init(struct gmem *m)
{
	memset(m, 0, sizeof(*m));
}

static bool is_hugetlb(enum gmem_backing backing)
{
	return backing == GMEM_HUGETLB || backing == GMEM_SHARED_HUGETLB;
}

/* Creates the file of a shared region. For another region, r->fd is -1. */
static int open_file(struct gmem_region *r)
{
	unsigned int flags =
		MFD_CLOEXEC | (is_hugetlb(r->backing) ? MFD_HUGETLB | 21U << MAP_HUGE_SHIFT : 0);

	r->fd = -1;
	if (r->backing != GMEM_SHARED && r->backing != GMEM_SHARED_HUGETLB)
		return 0;
	r->fd = memfd_create("guest memory", flags);
	if (r->fd < 0 || ftruncate(r->fd, (off_t)r->map_bytes) < 0)
		return -errno;
	return 0;
}

/*
 * The host's pool aligns to 2 MiB, and takes whole pages only. The pages are reserved: if one were
 * missing when it is first touched, that would raise SIGBUS while the guest runs.
 */
static int map_hugetlb(struct gmem_region *r)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT), err;

	r->map_bytes = align_up(r->size_bytes, GMEM_HUGE_BYTES);
	err = open_file(r);
	if (err)
		return err;
	r->map = mmap(NULL, r->map_bytes, PROT_READ | PROT_WRITE, r->fd < 0 ? flags : MAP_SHARED,
		      r->fd, 0);
	r->hva = r->map;
	return r->map == MAP_FAILED ? -errno : 0;
}

static int map_pages(struct gmem_region *r)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, err;

	r->map_bytes = r->size_bytes;
	err = open_file(r);
	if (err)
		return err;
	r->map_bytes += GMEM_HUGE_BYTES;
	r->map = mmap(NULL, r->map_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (r->map == MAP_FAILED)
		return -errno;
	r->hva = (uint8_t *)align_up((uintptr_t)r->map, GMEM_HUGE_BYTES);
	if (r->fd >= 0 && mmap(r->hva, r->size_bytes, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED | MAP_NORESERVE, r->fd, 0) == MAP_FAILED)
		return -errno;
	/* Advice only: a host without THP still runs machines. */
	madvise(r->hva, r->size_bytes, MADV_HUGEPAGE);
	return 0;
}

static void unmap_region(struct gmem_region *r)
{
	if (r->map && r->map != MAP_FAILED)
		munmap(r->map, r->map_bytes);
	if (r->fd >= 0)
		close(r->fd);
}

static int map_region(struct gmem_region *r)
{
	int err = is_hugetlb(r->backing) ? map_hugetlb(r) : map_pages(r);

	if (err)
		unmap_region(r);
	else
		madvise(r->map, r->map_bytes, MADV_DONTDUMP);
	return err;
}

int gmem_add(struct gmem *m, gpa_t gpa, uint64_t size_bytes, enum gmem_backing backing)
{
	const struct gmem_region *last = m->nr_regions ? &m->region[m->nr_regions - 1] : NULL;
	struct gmem_region r = { .gpa = gpa, .size_bytes = size_bytes, .backing = backing };
	int err;

	if (m->nr_regions == GMEM_MAX_REGIONS)
		return -ENOSPC;
	if (!size_bytes || !is_aligned(size_bytes, PAGE_BYTES) ||
	    !is_aligned(gpa, GMEM_HUGE_BYTES) || size_bytes > SIZE_MAX / 2 ||
	    gpa > UINT64_MAX - size_bytes)
		return -EINVAL;
	if (last && gpa < last->gpa + last->size_bytes)
		return -EINVAL;
	err = map_region(&r);
	if (err)
		return err;
	m->region[m->nr_regions++] = r;
	return 0;
}

void gmem_fini(struct gmem *m)
{
	for (unsigned int i = 0; i < m->nr_files; i++) {
		if (m->file[i].fd >= 0)
			close(m->file[i].fd);
	}
	for (unsigned int i = 0; i < m->nr_regions; i++)
		unmap_region(&m->region[i]);
	gmem_init(m);
}

uint64_t gmem_total_bytes(const struct gmem *m)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < m->nr_regions; i++)
		total += m->region[i].size_bytes;
	return total;
}

/*
 * Returns the region that holds @gpa, and in *@follow how many of its bytes begin there; NULL if
 * there is none.
 */
static const struct gmem_region *find_region(const struct gmem *m, gpa_t gpa, uint64_t *follow)
{
	for (unsigned int i = 0; i < m->nr_regions; i++) {
		const struct gmem_region *r = &m->region[i];

		if (gpa >= r->gpa && gpa - r->gpa < r->size_bytes) {
			*follow = r->size_bytes - (gpa - r->gpa);
			return r;
		}
	}
	return NULL;
}

void *gmem_at(const struct gmem *m, gpa_t gpa, uint64_t len)
{
	uint64_t follow;
	const struct gmem_region *r = find_region(m, gpa, &follow);

	if (!r || len > follow)
		return NULL;
	return r->hva + (gpa - r->gpa);
}

/* Whether all of [gpa, gpa + len) is RAM; adjacent regions count as one stretch. */
static bool range_is_ram(const struct gmem *m, gpa_t gpa, uint64_t len)
{
	uint64_t follow;

	while (len > 0) {
		if (!find_region(m, gpa, &follow))
			return false;
		if (len <= follow)
			return true;
		len -= follow;
		gpa += follow; /* cannot wrap: regions end below 2^64 */
	}
	return true;
}

int gmem_read(const struct gmem *m, gpa_t gpa, void *buf, uint64_t len)
{
	uint8_t *out = buf;
	uint64_t follow;

	if (!range_is_ram(m, gpa, len))
		return -EFAULT;
	while (len > 0) {
		const struct gmem_region *r = find_region(m, gpa, &follow);
		uint64_t n = min_u64(len, follow);

		memcpy(out, r->hva + (gpa - r->gpa), n);
		out += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

int gmem_write(struct gmem *m, gpa_t gpa, const void *buf, uint64_t len)
{
	const uint8_t *in = buf;
	uint64_t follow;

	if (!range_is_ram(m, gpa, len))
		return -EFAULT;
	while (len > 0) {
		const struct gmem_region *r = find_region(m, gpa, &follow);
		uint64_t n = min_u64(len, follow);

		memcpy(r->hva + (gpa - r->gpa), in, n);
		in += n;
		gpa += n;
		len -= n;
	}
	return 0;
}

int gmem_iov(const struct gmem *m, gpa_t gpa, uint64_t len, struct iovec *iov, unsigned int cap,
	     unsigned int *nr)
{
	unsigned int used = *nr;
	uint64_t follow;

	while (len > 0) {
		const struct gmem_region *r = find_region(m, gpa, &follow);
		uint64_t n;

		if (!r)
			return -EFAULT;
		if (used >= cap)
			return -ENOBUFS;
		n = min_u64(len, follow);
		iov[used].iov_base = r->hva + (gpa - r->gpa);
		iov[used].iov_len = n;
		used++;
		gpa += n;
		len -= n;
	}
	*nr = used;
	return 0;
}

static const struct gmem_region *region_at(const struct gmem *m, const uint8_t *at, uint64_t len)
{
	for (unsigned int i = 0; i < m->nr_regions; i++) {
		const struct gmem_region *r = &m->region[i];
		uint64_t from = (uintptr_t)at - (uintptr_t)r->hva;

		if (at >= r->hva && from <= r->size_bytes && len <= r->size_bytes - from)
			return r;
	}
	return NULL;
}

/*
 * Of the mapped files that end after @at, returns the one that begins first; NULL if there is none.
 */
static const struct gmem_file *next_file(const struct gmem *m, const uint8_t *at)
{
	const struct gmem_file *next = NULL;

	for (unsigned int i = 0; i < m->nr_files; i++) {
		const struct gmem_file *f = &m->file[i];

		if (at < f->hva + f->size_bytes && (!next || f->hva < next->hva))
			next = f;
	}
	return next;
}

/*
 * Some pages need care:
 *  - A page of a mapped file is left alone. It would come back with the file's bytes, not as
 *    zeroes, or lose what gmem_repair() has put there.
 *  - A page of the pool is left alone. It is reserved for this machine: once given back, another
 *    process may take it, and the guest would die when it needs it again.
 *  - A page of shared memory belongs to the file, which must release it.
 */
int gmem_discard(const struct gmem *m, void *at, uint64_t len)
{
	const struct gmem_region *r = region_at(m, at, len);
	int advice = r && r->backing == GMEM_SHARED ? MADV_REMOVE : MADV_DONTNEED;
	uint8_t *from, *end;

	if (!r)
		return -EFAULT;
	from = (uint8_t *)align_up((uintptr_t)at, PAGE_BYTES);
	end = (uint8_t *)align_down((uintptr_t)at + len, PAGE_BYTES);
	while (from < end && !is_hugetlb(r->backing)) {
		const struct gmem_file *f = next_file(m, from);
		uint8_t *stop = f && f->hva < end ? f->hva : end;

		if (from < stop && madvise(from, (size_t)(stop - from), advice) < 0)
			return -errno;
		from = stop < end ? f->hva + f->size_bytes : end;
	}
	return 0;
}

/*
 * Puts zero pages in the place of [at, at + len), a part of a region. They are mapped elsewhere and
 * then moved: mmap() with MAP_FIXED unmaps the old pages before it finds that it must fail, and a
 * hole in guest memory ends the machine. mremap() checks first. Returns false if the old pages are
 * still there. Async-signal-safe.
 */
static bool zeros_over(void *at, uint64_t len)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return false;
	if (mremap(map, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) != MAP_FAILED)
		return true;
	munmap(map, len);
	return false;
}

/*
 * Before the guest runs a hole may be there for a moment, and MAP_FIXED saves a walk through the
 * page tables of a large initrd. Returns 0, or -errno: then there are zero pages, or the caller,
 * which reads the file to @at instead, gets EFAULT and reports it.
 */
static int file_over(void *at, uint64_t len, int fd, uint64_t offset)
{
	int err;

	if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
		 (off_t)offset) != MAP_FAILED)
		return 0;
	err = -errno;
	zeros_over(at, len);
	return err;
}

int gmem_map_file(struct gmem *m, gpa_t gpa, int fd, uint64_t offset, uint64_t len,
		  const char *name)
{
	uint64_t map_bytes = align_up(len, PAGE_BYTES);
	struct gmem_file *f = &m->file[m->nr_files];
	void *at;
	int own_fd, err;

	if (m->nr_files == GMEM_MAX_FILES)
		return -ENOSPC;
	if (!len || len > SIZE_MAX / 2 || !is_aligned(gpa, PAGE_BYTES) ||
	    !is_aligned(offset, PAGE_BYTES))
		return -EINVAL;
	at = gmem_at(m, gpa, map_bytes);
	if (!at)
		return -EFAULT;
	if (region_at(m, at, map_bytes)->fd >= 0)
		return -ENOTSUP;
	own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own_fd < 0)
		return -errno;
	err = file_over(at, map_bytes, own_fd, offset);
	if (err) {
		close(own_fd);
		return err;
	}
	madvise(at, map_bytes, MADV_DONTDUMP);
	*f = (struct gmem_file){
		.fd = own_fd,
		.offset = offset,
		.hva = at,
		.size_bytes = map_bytes,
		.live_bytes = map_bytes,
		.file_end = offset + len,
		.name = name,
	};
	m->nr_files++;
	return 0;
}

/*
 * Maps zeros over what one file has lost since the last call. Leaves alone what an earlier call has
 * replaced, because that is the guest's memory now. Pages that the guest has written to beyond the
 * new end are lost too: the kernel drops private copies on truncation. Async-signal-safe: the
 * holder of `mending` waits for no other lock.
 */
static bool mend(struct gmem_file *f)
{
	struct stat st;
	uint64_t kept, live;
	bool mended = false;

	if (fstat(f->fd, &st) < 0 || (uint64_t)st.st_size >= f->file_end)
		return false;
	kept = (uint64_t)st.st_size > f->offset
		       ? align_up((uint64_t)st.st_size - f->offset, PAGE_BYTES)
		       : 0;
	while (atomic_exchange(&f->mending, true))
		;
	live = atomic_load(&f->live_bytes);
	if (kept < live && zeros_over(f->hva + kept, live - kept)) {
		atomic_store(&f->live_bytes, kept);
		atomic_store(&f->mended_ns, now_ns());
		mended = true;
	}
	atomic_store(&f->mending, false);
	return mended;
}

bool gmem_repair(struct gmem *m)
{
	bool mended = false;

	for (unsigned int i = 0; i < m->nr_files; i++) {
		struct gmem_file *f = &m->file[i];

		if (mend(f)) {
			mended = true;
			pr_guest(
				"%s: truncated while the guest runs; the missing part reads as zeros",
				f->name);
		} else if (atomic_load(&f->mended_ns)) {
			mended |= now_ns() - atomic_load(&f->mended_ns) < REPAIR_FRESH_NS;
		}
	}
	return mended;
}

bool gmem_sigbus(struct gmem *m, void *hva)
{
	for (unsigned int i = 0; i < m->nr_files; i++) {
		struct gmem_file *f = &m->file[i];

		if ((uint8_t *)hva < f->hva || (uint64_t)((uint8_t *)hva - f->hva) >= f->size_bytes)
			continue;
		return mend(f) ||
		       (uint64_t)((uint8_t *)hva - f->hva) >= atomic_load(&f->live_bytes);
	}
	return false;
}
