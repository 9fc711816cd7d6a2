/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does requests that map directly to one host file by io_uring (io_uring_setup(2),
 * io_uring_enter(2)), with raw system calls. disk.c calls it on any thread, under its ring lock,
 * and the loop watches the ring's own file descriptor, which is readable while there are
 * completions. So completions that we take right after submitting, as for all reads from the page
 * cache, wake no thread (a registered eventfd would).
 *
 * There are never more requests in flight than the completion ring holds, so that it cannot
 * overflow. The kernel reads the submission ring only inside io_uring_enter(), so we can take back
 * requests that it did not accept. They go to the pool, like those that came back short or
 * interrupted: the blocking code can continue them.
 *
 * The file is not registered with the ring: the kernel frees a ring some time after its process has
 * ended, and the ring would keep the image's lock until then.
 */
#include "disk_impl.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RING_ENTRIES 64
/* a longer request comes back short, and the pool continues it */
#define MAX_SINGLE_BYTES (1U << 30)

struct disk_ring {
	struct disk_file *file;
	int fd;
	void *rings;
	size_t rings_bytes, sqes_bytes;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	_Atomic uint32_t *sq_head, *sq_tail, *cq_head, *cq_tail;
	uint32_t *sq_array;
	uint32_t sq_mask, cq_mask, sq_entries, cq_entries;
	uint32_t in_flight;
};

static int sys_enter(int fd, unsigned int to_submit)
{
	return (int)syscall(__NR_io_uring_enter, fd, to_submit, 0, 0, NULL, 0);
}

static int map_rings(struct disk_ring *r, const struct io_uring_params *p)
{
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	char *base;

	r->rings_bytes = sq > cq ? sq : cq;
	r->sqes_bytes = p->sq_entries * sizeof(struct io_uring_sqe);
	base = mmap(NULL, r->rings_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		    IORING_OFF_SQ_RING);
	if (base == MAP_FAILED)
		return -errno;
	r->rings = base;
	r->sqes = mmap(NULL, r->sqes_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		       IORING_OFF_SQES);
	if (r->sqes == MAP_FAILED) {
		r->sqes = NULL;
		return -errno;
	}
	r->sq_head = (_Atomic uint32_t *)(base + p->sq_off.head);
	r->sq_tail = (_Atomic uint32_t *)(base + p->sq_off.tail);
	r->cq_head = (_Atomic uint32_t *)(base + p->cq_off.head);
	r->cq_tail = (_Atomic uint32_t *)(base + p->cq_off.tail);
	r->sq_array = (uint32_t *)(base + p->sq_off.array);
	r->cqes = (struct io_uring_cqe *)(base + p->cq_off.cqes);
	r->sq_mask = p->sq_entries - 1;
	r->cq_mask = p->cq_entries - 1;
	r->sq_entries = p->sq_entries;
	r->cq_entries = p->cq_entries;
	return 0;
}

int disk_ring_open(struct disk_ring **out, struct disk_file *f)
{
	struct io_uring_params p = { 0 };
	struct disk_ring *r = calloc(1, sizeof(*r));
	int err = 0;

	if (!r)
		return -ENOMEM;
	r->file = f;
	r->fd = (int)syscall(__NR_io_uring_setup, RING_ENTRIES, &p);
	if (r->fd < 0)
		err = -errno;
	else if (!(p.features & IORING_FEAT_SINGLE_MMAP) || !(p.features & IORING_FEAT_RW_CUR_POS))
		err = -ENOSYS; /* older than Linux 5.6: no fallocate either */
	if (!err)
		err = map_rings(r, &p);
	if (err) {
		disk_ring_close(r);
		return err;
	}
	*out = r;
	return 0;
}

void disk_ring_close(struct disk_ring *r)
{
	if (!r)
		return;
	if (r->sqes)
		munmap(r->sqes, r->sqes_bytes);
	if (r->rings)
		munmap(r->rings, r->rings_bytes);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

int disk_ring_fd(const struct disk_ring *r)
{
	return r->fd;
}

static void prepare(struct disk_ring *r, struct io_uring_sqe *sqe, const struct disk_request *req)
{
	*sqe = (struct io_uring_sqe){ .off = req->offset_bytes, .user_data = (uintptr_t)req };
	sqe->fd = r->file->fd;
	if (req->len_bytes > DISK_OWN_COPY_BYTES)
		sqe->flags = IOSQE_ASYNC; /* else io_uring_enter() copies what is in memory */
	if (req->nr_iov == 1) {
		sqe->opcode = req->op == DISK_READ ? IORING_OP_READ : IORING_OP_WRITE;
		sqe->addr = (uintptr_t)req->iov[0].iov_base;
		sqe->len = (uint32_t)min_u64(req->iov[0].iov_len, MAX_SINGLE_BYTES);
		return;
	}
	sqe->opcode = req->op == DISK_READ ? IORING_OP_READV : IORING_OP_WRITEV;
	sqe->addr = (uintptr_t)req->iov;
	sqe->len = req->nr_iov;
}

static unsigned int fill(struct disk_ring *r, struct disk_list *todo)
{
	uint32_t tail = atomic_load_explicit(r->sq_tail, memory_order_relaxed), n = 0;

	while (todo->head && n < r->sq_entries && r->in_flight + n < r->cq_entries) {
		uint32_t slot = (tail + n) & r->sq_mask;

		prepare(r, &r->sqes[slot], disk_list_take(todo));
		r->sq_array[slot] = slot;
		n++;
	}
	atomic_store_explicit(r->sq_tail, tail + n, memory_order_release);
	return n;
}

/* Takes back the last @n entries, which the kernel has not read. */
static void take_back(struct disk_ring *r, uint32_t n, struct disk_list *other)
{
	uint32_t tail = atomic_load_explicit(r->sq_tail, memory_order_relaxed) - n;

	for (uint32_t i = 0; i < n; i++) {
		struct disk_request *req =
			(struct disk_request *)(uintptr_t)r->sqes[(tail + i) & r->sq_mask]
				.user_data;

		disk_list_add(other, req);
	}
	atomic_store_explicit(r->sq_tail, tail, memory_order_release);
}

static void submit(struct disk_ring *r, uint32_t n, struct disk_list *other)
{
	while (n > 0) {
		int taken = sys_enter(r->fd, n);

		if (taken < 0 && errno == EINTR)
			continue;
		if (taken <= 0) {
			take_back(r, n, other);
			return;
		}
		r->in_flight += (uint32_t)taken;
		n -= (uint32_t)taken;
	}
}

static void complete(struct disk_ring *r, struct disk_request *req, int res, struct disk_list *done,
		     struct disk_list *other)
{
	/* -EFAULT: the pool tries it once more, see disk.c. */
	if (res == -EAGAIN || res == -EINTR || res == -ECANCELED || res == -EFAULT) {
		disk_list_add(other, req);
		return;
	}
	if (res >= 0 && (uint64_t)res < req->len_bytes) {
		req->done_bytes = (uint64_t)res;
		disk_list_add(other, req);
		return;
	}
	if (res < 0)
		disk_file_error(r->file, req->op == DISK_READ ? "read" : "write", req->offset_bytes,
				res);
	req->result = res < 0 ? res : 0;
	disk_list_add(done, req);
}

static void reap(struct disk_ring *r, struct disk_list *done, struct disk_list *other)
{
	uint32_t head = atomic_load_explicit(r->cq_head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(r->cq_tail, memory_order_acquire);

	for (; head != tail; head++) {
		const struct io_uring_cqe *cqe = &r->cqes[head & r->cq_mask];

		complete(r, (struct disk_request *)(uintptr_t)cqe->user_data, cqe->res, done,
			 other);
		r->in_flight--;
	}
	atomic_store_explicit(r->cq_head, head, memory_order_release);
}

void disk_ring_run(struct disk_ring *r, struct disk_list *todo, struct disk_list *done,
		   struct disk_list *other)
{
	reap(r, done, other);
	while (todo->head) {
		uint32_t n = fill(r, todo);

		if (!n)
			return; /* the ring is full; completions call this again */
		submit(r, n, other);
		reap(r, done, other);
	}
}
