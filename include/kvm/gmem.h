/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: a short sorted table of regions, and the three ways into it.
 *
 *  - gmem_read() / gmem_write(): copies, across region borders;
 *  - gmem_at(): a pointer, or NULL unless the whole range lies in one region;
 *  - gmem_iov(): an iovec, split at region borders, refused when any byte lies outside.
 *
 * Nothing else turns a guest-physical address into a host pointer. All checks subtract first and
 * then compare, so that no sum of guest values can wrap. Regions are fixed before vCPUs start;
 * after that every function here but gmem_repair() is read-only on the table and may be called from
 * any thread without a lock. The bytes themselves are shared with running vCPUs: read what matters
 * once.
 *
 * Files (kernel, initrd) may be mapped privately into a region: gmem_map_file(). Someone on the
 * host may truncate such a file while the guest runs; the lost pages then read as zeros, see
 * gmem_sigbus() and gmem_repair().
 *
 * Shared memory (GMEM_SHARED) is a file without a name that another process is given to map: the
 * back end of a vhost-user device. What is in such a region must be there for that process too, so
 * no file is ever mapped over it.
 */
#ifndef KVM_GMEM_H
#define KVM_GMEM_H

#include "kvm/types.h"

#include <sys/uio.h>

#define GMEM_MAX_REGIONS 4
#define GMEM_MAX_FILES 32
#define GMEM_HUGE_BYTES (2 * MIB)

enum gmem_backing {
	GMEM_NORMAL,  /* lazily populated, transparent huge pages advised */
	GMEM_HUGETLB, /* --hugepages: from the host's pool of 2 MiB pages */
	/* as GMEM_NORMAL, but with a file; huge pages where the host gives them to shared memory */
	GMEM_SHARED,
	GMEM_SHARED_HUGETLB,
};

struct gmem_region {
	gpa_t gpa;
	uint64_t size_bytes;
	uint8_t *hva; /* aligned to 2 MiB, congruent to @gpa */
	enum gmem_backing backing;
	int fd;	   /* GMEM_SHARED*: ours; @gpa is its offset 0. Else -1 */
	void *map; /* what mmap gave, for munmap */
	size_t map_bytes;
};

/* A private file mapping inside a region. */
struct gmem_file {
	int fd;		 /* ours, dup of the caller's */
	uint64_t offset; /* in the file, bytes, page aligned */
	uint8_t *hva;
	uint64_t size_bytes;	     /* page aligned up; the tail past end of file reads as zeros */
	uint64_t file_end;	     /* offset in the file where the bytes we mapped end */
	const char *name;	     /* for messages; the caller's, must outlive the gmem */
	_Atomic uint64_t live_bytes; /* of size_bytes, what has not been lost to a truncation */
	_Atomic uint64_t mended_ns;  /* CLOCK_MONOTONIC of the last repair */
	_Atomic bool mending;	     /* one thread at a time */
};

struct gmem {
	unsigned int nr_regions;
	struct gmem_region region[GMEM_MAX_REGIONS];
	unsigned int nr_files;
	struct gmem_file file[GMEM_MAX_FILES];
};

void gmem_init(struct gmem *m);

/*
 * Adds [gpa, gpa + size_bytes) of zeroed RAM, page aligned, beyond every region added before. The
 * memory is NORESERVE, left out of core dumps, aligned to 2 MiB in host address space.
 * Returns 0, -EINVAL (misaligned, overlapping, out of order), -ENOSPC (table full) or -errno of
 * mmap, memfd_create or ftruncate.
 */
int gmem_add(struct gmem *m, gpa_t gpa, uint64_t size_bytes, enum gmem_backing backing);

/*
 * Unmaps everything. No pointer from this gmem may be used afterwards. Works on a partial or empty
 * gmem.
 */
void gmem_fini(struct gmem *m);

/* Sum of all regions' sizes, in bytes. */
uint64_t gmem_total_bytes(const struct gmem *m);

/*
 * A pointer to [gpa, gpa + len), or NULL unless all of it lies in one region. @len 0 gives a
 * pointer when @gpa itself lies in a region (or at its end).
 */
void *gmem_at(const struct gmem *m, gpa_t gpa, uint64_t len);

/* Copies. Return 0, or -EFAULT when any byte lies outside (then nothing was copied). */
int gmem_read(const struct gmem *m, gpa_t gpa, void *buf, uint64_t len);
int gmem_write(struct gmem *m, gpa_t gpa, const void *buf, uint64_t len);

/*
 * Appends [gpa, gpa + len) to iov[*nr .. cap). Returns 0 and advances *nr, -EFAULT when any byte
 * lies outside, -ENOBUFS when the iovec is full; on failure *nr is unchanged. @len 0 appends
 * nothing.
 */
int gmem_iov(const struct gmem *m, gpa_t gpa, uint64_t len, struct iovec *iov, unsigned int cap,
	     unsigned int *nr);

/*
 * Gives the whole pages of [at, at + len), which gmem_at() or gmem_iov() gave, back to the host:
 * they read as zeroes when they are next touched. What lies in a mapped file, or in the host's pool
 * of huge pages, stays as it is. Any thread, vCPUs may run. Returns 0, -EFAULT unless the range
 * lies in one region, or madvise's -errno.
 */
int gmem_discard(const struct gmem *m, void *at, uint64_t len);

/*
 * Looks for the bytes of @pattern (1 <= @len), which are not all zero, from *@at on, within one
 * region; *@at is then where they begin. Touches no memory that the guest has not touched. The
 * guest may write meanwhile. Returns whether they were found.
 */
bool gmem_find(const struct gmem *m, gpa_t *at, const void *pattern, size_t len);

/* What of guest memory holds anything but zeroes. One thread; the guest may run meanwhile. */
struct gmem_pages {
	int pagemap_fd; /* -1: none */
};

void gmem_pages_open(struct gmem_pages *p);
void gmem_pages_close(struct gmem_pages *p);
/*
 * From *@offset (bytes) on in region[@region]: the next whole pages that the guest or we have
 * touched, or that are a file's. Returns how many bytes they are, *@offset at the first; 0: there
 * are no more. Touches none of them.
 */
uint64_t gmem_next_held(const struct gmem_pages *p, const struct gmem *m, unsigned int region,
			uint64_t *offset);

/*
 * Maps @len bytes of @fd from @offset privately over [gpa, gpa + len): guest writes never reach the
 * file. @gpa and @offset must be page aligned; the rest of the last page reads as zeros (past end
 * of file) or as the file goes on. The caller keeps its @fd. @name is kept for messages.
 * Returns 0, -EINVAL (alignment), -EFAULT (not in one region), -ENOTSUP (shared memory), -ENOSPC
 * (table full), or mmap's -errno: then the caller reads the file instead. Set-up time only.
 */
int gmem_map_file(struct gmem *m, gpa_t gpa, int fd, uint64_t offset, uint64_t len,
		  const char *name);

/*
 * After KVM_RUN or a system call failed with EFAULT on guest memory, and now and then besides:
 * replaces what truncated files have lost by zeros, once, and says so. Returns true when something
 * was mended, now or a moment ago by another thread (try again). Any thread.
 */
bool gmem_repair(struct gmem *m);

/*
 * The same from a SIGBUS handler, for our own access at @hva: async-signal-safe, says nothing.
 * Returns false when @hva is not inside a mapped file (a real crash).
 */
bool gmem_sigbus(struct gmem *m, void *hva);

#endif
