/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests guest memory: every edge of every access function, and files that shrink under a running
 * guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/gmem.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096
#define LOW_BYTES (4 * MIB)
#define HIGH_GPA (8 * MIB)
#define HIGH_BYTES (2 * MIB)

static bool no_maps, no_files; /* as with vm.max_map_count used up; as with a bad file system */

/* Replaces libc's. Like the kernel, it may unmap what is in the way before it fails. */
void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (no_maps || (no_files && fd >= 0)) {
		if (flags & MAP_FIXED)
			syscall(SYS_munmap, at, len);
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

static int setup(void **state)
{
	static struct gmem m;

	gmem_init(&m);
	assert_int_equal(gmem_add(&m, 0, LOW_BYTES, GMEM_NORMAL), 0);
	assert_int_equal(gmem_add(&m, HIGH_GPA, HIGH_BYTES, GMEM_NORMAL), 0);
	*state = &m;
	return 0;
}

static int teardown(void **state)
{
	gmem_fini(*state);
	return 0;
}

static void add_refuses_bad_regions(void **state)
{
	struct gmem *m = *state;

	assert_int_equal(gmem_add(m, HIGH_GPA, MIB, GMEM_NORMAL), -EINVAL); /* overlaps */
	assert_int_equal(gmem_add(m, 4 * MIB, MIB, GMEM_NORMAL), -EINVAL);  /* out of order */
	assert_int_equal(gmem_add(m, 16 * MIB, 0, GMEM_NORMAL), -EINVAL);   /* empty */
	/* not whole pages */
	assert_int_equal(gmem_add(m, 16 * MIB, PAGE + 1, GMEM_NORMAL), -EINVAL);
	assert_int_equal(gmem_add(m, 16 * MIB + PAGE, MIB, GMEM_NORMAL),
			 -EINVAL); /* not congruent modulo 2 MiB */
	assert_int_equal(gmem_add(m, 16 * MIB, UINT64_MAX - PAGE + 1, GMEM_NORMAL), -EINVAL);
	assert_int_equal(gmem_add(m, 16 * MIB, MIB, GMEM_NORMAL), 0);
	assert_int_equal(gmem_add(m, 32 * MIB, MIB, GMEM_NORMAL), 0);
	assert_int_equal(gmem_add(m, 64 * MIB, MIB, GMEM_NORMAL), -ENOSPC);
	assert_int_equal(gmem_total_bytes(m), LOW_BYTES + HIGH_BYTES + 2 * MIB);
}

static void regions_are_aligned_to_2_mib(void **state)
{
	struct gmem *m = *state;

	for (unsigned int i = 0; i < m->nr_regions; i++)
		assert_true(is_aligned((uintptr_t)m->region[i].hva, GMEM_HUGE_BYTES));
}

static void at_wants_the_whole_range_in_one_region(void **state)
{
	struct gmem *m = *state;
	uint8_t *base = gmem_at(m, 0, 1);

	assert_non_null(base);
	assert_ptr_equal(gmem_at(m, LOW_BYTES - 1, 1), base + LOW_BYTES - 1);
	assert_ptr_equal(gmem_at(m, 0, LOW_BYTES), base);
	assert_null(gmem_at(m, 0, LOW_BYTES + 1));
	assert_null(gmem_at(m, LOW_BYTES - 1, 2));
	assert_null(gmem_at(m, LOW_BYTES, 1));
	assert_null(gmem_at(m, HIGH_GPA - 1, 1));
	assert_non_null(gmem_at(m, HIGH_GPA, HIGH_BYTES));
	assert_null(gmem_at(m, HIGH_GPA + HIGH_BYTES, 1));
	assert_null(gmem_at(m, UINT64_MAX, 1));
	assert_null(gmem_at(m, 1, UINT64_MAX)); /* the sum wraps to 0 */
	assert_null(gmem_at(m, UINT64_MAX - 1, UINT64_MAX));
}

static void read_write_copy_or_refuse_whole(void **state)
{
	struct gmem *m = *state;
	uint8_t in[16], out[16];

	memset(in, 0xa5, sizeof(in));
	assert_int_equal(gmem_write(m, LOW_BYTES - 16, in, 16), 0);
	assert_int_equal(gmem_read(m, LOW_BYTES - 16, out, 16), 0);
	assert_memory_equal(in, out, 16);
	/* One byte outside: nothing is written. */
	memset(in, 0x11, sizeof(in));
	assert_int_equal(gmem_write(m, LOW_BYTES - 15, in, 16), -EFAULT);
	assert_int_equal(gmem_read(m, LOW_BYTES - 16, out, 16), 0);
	assert_int_equal(out[1], 0xa5);
	assert_int_equal(gmem_read(m, LOW_BYTES - 1, out, 2), -EFAULT);
	assert_int_equal(gmem_read(m, UINT64_MAX - 7, out, 16), -EFAULT);
	assert_int_equal(gmem_read(m, 0, out, 0), 0);
}

static void copies_cross_adjacent_regions(void **state)
{
	struct gmem m;
	uint8_t in[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, out[8];
	struct iovec iov[2];
	unsigned int nr = 0;

	(void)state;
	gmem_init(&m);
	assert_int_equal(gmem_add(&m, 0, 2 * MIB, GMEM_NORMAL), 0);
	assert_int_equal(gmem_add(&m, 2 * MIB, 2 * MIB, GMEM_NORMAL), 0);
	assert_int_equal(gmem_write(&m, 2 * MIB - 3, in, 8), 0);
	assert_int_equal(gmem_read(&m, 2 * MIB - 3, out, 8), 0);
	assert_memory_equal(in, out, 8);
	assert_null(gmem_at(&m, 2 * MIB - 3, 8));
	assert_int_equal(gmem_iov(&m, 2 * MIB - 3, 8, iov, 2, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(iov[0].iov_len, 3);
	assert_int_equal(iov[1].iov_len, 5);
	assert_ptr_equal(iov[1].iov_base, m.region[1].hva);
	nr = 0;
	assert_int_equal(gmem_iov(&m, 2 * MIB - 3, 8, iov, 1, &nr), -ENOBUFS);
	assert_int_equal(nr, 0);
	gmem_fini(&m);
}

static void iov_refuses_any_byte_outside(void **state)
{
	struct gmem *m = *state;
	struct iovec iov[4];
	unsigned int nr = 1;

	assert_int_equal(gmem_iov(m, LOW_BYTES - 4, 8, iov, 4, &nr), -EFAULT);
	assert_int_equal(nr, 1);
	assert_int_equal(gmem_iov(m, 8, UINT64_MAX, iov, 4, &nr), -EFAULT);
	assert_int_equal(gmem_iov(m, 64, 0, iov, 4, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(gmem_iov(m, 64, 16, iov, 4, &nr), 0);
	assert_int_equal(nr, 2);
	assert_ptr_equal(iov[1].iov_base, gmem_at(m, 64, 16));
}

static int file_of(size_t bytes, char fill)
{
	int fd = memfd_create("initrd", MFD_CLOEXEC);
	char page[PAGE];

	memset(page, fill, sizeof(page));
	for (size_t n = 0; n < bytes; n += sizeof(page))
		assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static void mapped_file_is_private_and_zero_behind_its_end(void **state)
{
	struct gmem *m = *state;
	int fd = file_of(2 * PAGE + 100, 'x');
	char c;
	uint8_t *at;

	assert_int_equal(gmem_map_file(m, MIB, fd, 0, 2 * PAGE + 100, "initrd"), 0);
	at = gmem_at(m, MIB, 3 * PAGE);
	assert_int_equal(at[0], 'x');
	assert_int_equal(at[2 * PAGE + 99], 'x');
	assert_int_equal(at[2 * PAGE + 100], 0);
	at[0] = 'y';
	assert_int_equal(pread(fd, &c, 1, 0), 1);
	assert_int_equal(c, 'x');
	close(fd);
}

static void map_file_refuses_bad_places(void **state)
{
	struct gmem *m = *state;
	int fd = file_of(2 * PAGE, 'x');

	assert_int_equal(gmem_map_file(m, MIB + 1, fd, 0, PAGE, "f"), -EINVAL);
	assert_int_equal(gmem_map_file(m, MIB, fd, 1, PAGE, "f"), -EINVAL);
	assert_int_equal(gmem_map_file(m, MIB, fd, 0, 0, "f"), -EINVAL);
	assert_int_equal(gmem_map_file(m, LOW_BYTES - PAGE, fd, 0, PAGE + 1, "f"), -EFAULT);
	assert_int_equal(gmem_map_file(m, 5 * MIB, fd, 0, PAGE, "f"), -EFAULT);
	assert_int_equal(m->nr_files, 0);
	close(fd);
}

static void repair_after_truncation_reads_zeros(void **state)
{
	struct gmem *m = *state;
	int fd = file_of(4 * PAGE, 'x');
	uint8_t *at;

	assert_int_equal(gmem_map_file(m, MIB, fd, 0, 4 * PAGE, "initrd"), 0);
	assert_false(gmem_repair(m));
	at = gmem_at(m, MIB, 4 * PAGE);
	assert_int_equal(at[3 * PAGE], 'x');
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_true(gmem_repair(m));
	assert_int_equal(at[0], 'x');
	for (size_t i = PAGE; i < 4 * PAGE; i++)
		assert_int_equal(at[i], 0);

	/* A repaired page is the guest's again: no later repair may change it. */
	at[PAGE] = 'y';
	gmem_repair(m);
	assert_int_equal(at[PAGE], 'y');
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_true(gmem_repair(m));
	assert_int_equal(at[0], 0);
	assert_int_equal(at[PAGE], 'y');
	close(fd);
}

/* A mapping that fails leaves memory for the guest. */
static void a_mapping_that_fails_leaves_no_hole(void **state)
{
	struct gmem *m = *state;
	int fd = file_of(4 * PAGE, 'x');
	uint8_t *at = gmem_at(m, MIB, 4 * PAGE);

	no_files = true;
	assert_int_equal(gmem_map_file(m, MIB, fd, 0, 4 * PAGE, "initrd"), -ENOMEM);
	no_files = false;
	assert_int_equal(m->nr_files, 0);
	assert_int_equal(at[0], 0);
	assert_int_equal(at[4 * PAGE - 1], 0);
	assert_int_equal(gmem_map_file(m, MIB, fd, 0, 4 * PAGE, "initrd"), 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	no_maps = true;
	assert_false(gmem_repair(m));
	no_maps = false;
	/* The lost pages are still the file's, not a hole, and can be repaired later. */
	assert_int_equal(at[0], 'x');
	assert_true(gmem_repair(m));
	assert_int_equal(at[PAGE], 0);
	close(fd);
}

static struct gmem *faulting;

static void on_sigbus(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	if (!gmem_sigbus(faulting, info->si_addr))
		_exit(99);
}

static void sigbus_is_mended_in_place(void **state)
{
	struct gmem *m = *state;
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO }, old;
	int fd = file_of(4 * PAGE, 'x');
	uint8_t *at, byte = 1;

	faulting = m;
	sigaction(SIGBUS, &sa, &old);
	assert_int_equal(gmem_map_file(m, MIB, fd, 0, 4 * PAGE, "initrd"), 0);
	at = gmem_at(m, MIB, 4 * PAGE);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(*(volatile uint8_t *)(at + 2 * PAGE), 0);
	assert_int_equal(gmem_read(m, MIB, &byte, 1), 0);
	assert_int_equal(byte, 0);
	assert_false(gmem_sigbus(m, gmem_at(m, 0, 1)));
	assert_false(gmem_sigbus(m, on_sigbus));
	sigaction(SIGBUS, &old, NULL);
	close(fd);
}

/* A pool that is too small fails at once, not with a SIGBUS later. */
static void huge_pages_that_are_not_there_are_refused(void **state)
{
	struct gmem m;

	(void)state;
	gmem_init(&m);
	assert_int_equal(gmem_add(&m, 0, 1ULL << 44, GMEM_HUGETLB), -ENOMEM);
	gmem_fini(&m);
}

static void discarded_pages_are_whole_and_read_as_zeroes(void **state)
{
	struct gmem *m = *state;
	uint8_t *at = gmem_at(m, MIB, 4 * PAGE);

	memset(at, 'x', 4 * PAGE);
	assert_int_equal(gmem_discard(m, at + 1, 3 * PAGE - 2), 0);
	assert_int_equal(at[0], 'x');
	assert_int_equal(at[PAGE - 1], 'x');
	assert_int_equal(at[PAGE], 0);
	assert_int_equal(at[2 * PAGE - 1], 0);
	assert_int_equal(at[2 * PAGE], 'x');
	assert_int_equal(gmem_discard(m, at + 2 * PAGE + 1, PAGE), 0);
	assert_int_equal(gmem_discard(m, at + 3 * PAGE, 0), 0);
	assert_int_equal(at[2 * PAGE], 'x');
	assert_int_equal(at[3 * PAGE], 'x');
	assert_int_equal(gmem_discard(m, at, 4 * PAGE), 0);
	assert_int_equal(gmem_discard(m, at, 4 * PAGE), 0); /* twice */
	assert_int_equal(at[0], 0);
	assert_int_equal(at[4 * PAGE - 1], 0);
}

static void what_is_no_guest_memory_is_not_discarded(void **state)
{
	struct gmem *m = *state;
	uint8_t *low = gmem_at(m, 0, LOW_BYTES);
	char own[2 * PAGE];

	low[LOW_BYTES - 1] = 'x';
	memset(own, 'x', sizeof(own));
	assert_int_equal(gmem_discard(m, low + LOW_BYTES - PAGE, PAGE + 1), -EFAULT);
	assert_int_equal(gmem_discard(m, low, UINT64_MAX), -EFAULT);
	assert_int_equal(gmem_discard(m, low + PAGE, UINT64_MAX - PAGE + 1), -EFAULT);
	assert_int_equal(gmem_discard(m, low - 1, 1), -EFAULT);
	assert_int_equal(gmem_discard(m, own, sizeof(own)), -EFAULT);
	assert_int_equal(gmem_discard(m, NULL, PAGE), -EFAULT);
	assert_int_equal(low[LOW_BYTES - 1], 'x');
	assert_int_equal(own[PAGE], 'x');
}

static void mapped_files_are_not_discarded(void **state)
{
	struct gmem *m = *state;
	uint8_t *at = gmem_at(m, MIB, 8 * PAGE);
	int fd = file_of(2 * PAGE, 'f');

	/* The later one first, to show that the order does not matter. */
	assert_int_equal(gmem_map_file(m, MIB + 5 * PAGE, fd, 0, PAGE, "initrd"), 0);
	assert_int_equal(gmem_map_file(m, MIB + PAGE, fd, 0, 2 * PAGE, "initrd"), 0);
	memset(at, 'x', 8 * PAGE);
	assert_int_equal(gmem_discard(m, at + 2 * PAGE, PAGE), 0);
	assert_int_equal(at[2 * PAGE], 'x');
	assert_int_equal(gmem_discard(m, at, 8 * PAGE), 0);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(at[i * PAGE + 100], i == 1 || i == 2 || i == 5 ? 'x' : 0);
	close(fd);
}

/* What a process that gets the file sees of it. */
static uint8_t *other_view(const struct gmem *m)
{
	uint8_t *view = mmap(NULL, m->region[0].size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			     m->region[0].fd, 0);

	assert_ptr_not_equal(view, MAP_FAILED);
	return view;
}

static void shared_memory_is_one_for_all(void **state)
{
	struct gmem m;
	uint8_t *view, *at;
	int fd = file_of(4 * PAGE, 'f');

	(void)state;
	gmem_init(&m);
	assert_int_equal(gmem_add(&m, 0, LOW_BYTES, GMEM_SHARED), 0);
	assert_int_equal(gmem_add(&m, HIGH_GPA, HIGH_BYTES, GMEM_SHARED), 0);
	assert_true(is_aligned((uintptr_t)m.region[0].hva, GMEM_HUGE_BYTES));
	assert_true(is_aligned((uintptr_t)m.region[1].hva, GMEM_HUGE_BYTES));
	assert_int_not_equal(m.region[0].fd, m.region[1].fd);
	view = other_view(&m);
	at = gmem_at(&m, MIB, 4 * PAGE);
	memset(at, 'x', 4 * PAGE);
	assert_int_equal(view[MIB], 'x');
	view[MIB + PAGE] = 'y';
	assert_int_equal(at[PAGE], 'y');
	/* Only this process would see a private page. */
	assert_int_equal(gmem_map_file(&m, MIB, fd, 0, 4 * PAGE, "initrd"), -ENOTSUP);
	assert_int_equal(m.nr_files, 0);
	assert_int_equal(at[0], 'x');
	/* Given back in both mappings. */
	assert_int_equal(gmem_discard(&m, at + 1, 3 * PAGE - 1), 0);
	assert_int_equal(view[MIB], 'x');
	assert_int_equal(view[MIB + PAGE], 0);
	assert_int_equal(at[2 * PAGE], 0);
	assert_int_equal(view[MIB + 3 * PAGE], 'x');
	munmap(view, LOW_BYTES);
	gmem_fini(&m);
	close(fd);
}

static void shared_memory_that_is_too_much_is_refused(void **state)
{
	struct gmem m;

	(void)state;
	gmem_init(&m);
	assert_true(gmem_add(&m, 0, 1ULL << 62, GMEM_SHARED) < 0);
	assert_true(gmem_add(&m, 0, 1ULL << 44, GMEM_SHARED_HUGETLB) < 0);
	assert_int_equal(m.nr_regions, 0);
	gmem_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(add_refuses_bad_regions),
		T(regions_are_aligned_to_2_mib),
		T(at_wants_the_whole_range_in_one_region),
		T(read_write_copy_or_refuse_whole),
		T(copies_cross_adjacent_regions),
		T(iov_refuses_any_byte_outside),
		T(mapped_file_is_private_and_zero_behind_its_end),
		T(map_file_refuses_bad_places),
		T(repair_after_truncation_reads_zeros),
		T(a_mapping_that_fails_leaves_no_hole),
		T(sigbus_is_mended_in_place),
		T(huge_pages_that_are_not_there_are_refused),
		T(shared_memory_is_one_for_all),
		T(shared_memory_that_is_too_much_is_refused),
		T(discarded_pages_are_whole_and_read_as_zeroes),
		T(what_is_no_guest_memory_is_not_discarded),
		T(mapped_files_are_not_discarded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
