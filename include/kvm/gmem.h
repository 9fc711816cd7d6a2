/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: a short sorted table of regions, and three ways to access it.
 *
 *  - gmem_read() / gmem_write(): copies, across region borders;
 *  - gmem_at(): a pointer, or NULL unless the whole range lies in one region;
 *  - gmem_iov(): an iovec, split at region borders, refused when any byte lies outside.
 *
 * Nothing else turns a guest-physical address into a host pointer. All checks subtract first and
 * then compare, so that no sum of guest values can wrap. Regions are fixed before vCPUs start; from
 * then on every function here except gmem_repair() only reads the table, and any thread may call it
 * without a lock. The bytes themselves are shared with running vCPUs: read what matters only once.
 *
 * Files (kernel, initrd) may be mapped privately into a region: gmem_map_file(). If another process
 * truncates such a file while the guest runs, the lost pages read as zeros, see gmem_sigbus() and
 * gmem_repair().
 *
 * Shared memory (GMEM_SHARED) is a file without a name that another process maps too: the back end
 * of a vhost-user device. That process must see all that is in such a region, so no file is ever
 * mapped over it.
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
	/* like GMEM_NORMAL, but with a file; huge pages if the host uses them for shared memory */
	GMEM_SHARED,
	GMEM_SHARED_HUGETLB,
};

struct gmem_region {
	gpa_t gpa;
	uint64_t size_bytes;
	uint8_t *hva; /* aligned to 2 MiB, congruent to @gpa */
	enum gmem_backing backing;
	int fd;	   /* GMEM_SHARED*: owned; @gpa is its offset 0. Else -1 */
	void *map; /* what mmap returned, for munmap */
	size_t map_bytes;
};

/* A private file mapping inside a region. */
struct gmem_file {
	int fd;		 /* owned, dup of the caller's */
	uint64_t offset; /* in the file, bytes, page aligned */
	uint8_t *hva;
	uint64_t size_bytes;	     /* page aligned up; the tail past end of file reads as zeros */
	uint64_t file_end;	     /* offset in the file where the mapped bytes end */
	const char *name;	     /* for messages; the caller's, must outlive the gmem */
	_Atomic uint64_t live_bytes; /* the part of size_bytes that no truncation has lost */
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
 * memory is NORESERVE, left out of core dumps, aligned to 2 MiB in host address space. Returns 0,
 * -EINVAL (misaligned, overlapping, out of order), -ENOSPC (table full) or -errno of mmap,
 * memfd_create or ftruncate. Thread: setup.
 */
int gmem_add(struct gmem *m, gpa_t gpa, uint64_t size_bytes, enum gmem_backing backing);

/*
 * Unmaps everything. No pointer from this gmem may be used afterwards. Works on a partial or empty
 * gmem.
 */
void gmem_fini(struct gmem *m);

/* Returns the sum of all regions' sizes, in bytes. */
uint64_t gmem_total_bytes(const struct gmem *m);

/*
 * Returns a pointer to [gpa, gpa + len), or NULL unless all of it lies in one region. @len 0 gives
 * a pointer when @gpa itself lies in a region (or at its end).
 */
void *gmem_at(const struct gmem *m, gpa_t gpa, uint64_t len);

/* Copy. Return 0, or -EFAULT when any byte lies outside (then nothing was copied). */
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
 * Gives the whole pages of [at, at + len), which gmem_at() or gmem_iov() returned, back to the
 * host: they read as zeroes when they are next touched. Pages of a mapped file, or of the host's
 * pool of huge pages, stay as they are. vCPUs may run. Returns 0, -EFAULT unless the range lies in
 * one region, or madvise's -errno. Thread: any.
 */
int gmem_discard(const struct gmem *m, void *at, uint64_t len);

/*
 * Searches for the bytes of @pattern (1 <= @len), which are not all zero, from *@at on, within one
 * region; sets *@at to where they begin. Touches no memory that the guest has not touched. The
 * guest may write at the same time. Returns whether it has found them.
 */
bool gmem_find(const struct gmem *m, gpa_t *at, const void *pattern, size_t len);

/*
 * Finds the pages of guest memory that hold anything but zeroes. The guest may run at the same
 * time. Thread: any, but only one.
 */
struct gmem_pages {
	int pagemap_fd; /* -1: none */
};

void gmem_pages_open(struct gmem_pages *p);
void gmem_pages_close(struct gmem_pages *p);
/*
 * Finds the next whole pages at or after *@offset (bytes) in region[@region] that the guest or the
 * launcher has touched, or that are a file's. Touches none of them. Returns how many bytes they
 * are, with the first at *@offset; 0: there are no more.
 */
uint64_t gmem_next_held(const struct gmem_pages *p, const struct gmem *m, unsigned int region,
			uint64_t *offset);

/*
 * Maps @len bytes of @fd from @offset privately over [gpa, gpa + len): guest writes never reach the
 * file. @gpa and @offset must be page aligned; the rest of the last page reads as zeros (past end
 * of file) or as the file's next bytes. The caller keeps its @fd. @name is kept for messages.
 * Returns 0, -EINVAL (alignment), -EFAULT (not in one region), -ENOTSUP (shared memory), -ENOSPC
 * (table full), or mmap's -errno: then the caller reads the file instead. Thread: setup.
 */
int gmem_map_file(struct gmem *m, gpa_t gpa, int fd, uint64_t offset, uint64_t len,
		  const char *name);

/*
 * Replaces by zeros what truncated files have lost, once, and reports it. Call it after KVM_RUN or
 * a system call has failed with EFAULT on guest memory, and now and then besides. Returns true when
 * something was replaced, now or a moment ago by another thread (try again). Thread: any.
 */
bool gmem_repair(struct gmem *m);

/*
 * Does the same from a SIGBUS handler, for the launcher's own access at @hva. Async-signal-safe,
 * prints nothing. Returns false when @hva is not inside a mapped file (a real crash).
 */
bool gmem_sigbus(struct gmem *m, void *hva);

#endif
