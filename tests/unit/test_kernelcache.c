/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the cache of unpacked kernels: where it is, what it accepts as complete, what it removes,
 * and many users at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NR_PROCESSES 4
#define NR_ROUNDS 100

static const struct kernelcache_key key = { .hash = 0x123456789abcdef0,
					    .packed_bytes = 77,
					    .bytes = 5000 };

static int open_cache(void)
{
	const char *why;
	int dir = kernelcache_open(&why);

	assert_true(dir >= 0);
	return dir;
}

static int make_file(int dir, const struct kernelcache_key *k)
{
	uint8_t bytes[5000];
	int fd = kernelcache_new(dir);

	assert_true(fd >= 0 && k->bytes <= sizeof(bytes));
	memset(bytes, (int)k->hash, sizeof(bytes));
	assert_int_equal(write(fd, bytes, k->bytes), k->bytes);
	return fd;
}

static void make(int dir, const struct kernelcache_key *k)
{
	int fd = make_file(dir, k);

	assert_int_equal(kernelcache_publish(dir, fd, k, KERNELCACHE_MAX_BYTES), 0);
	close(fd);
}

static bool is_there(int dir, const struct kernelcache_key *k)
{
	int fd = kernelcache_find(dir, k);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void the_environment_says_where(void **state)
{
	struct cache_rig *r = *state;
	const char *why = NULL;
	struct stat st;
	char path[160];

	setenv("XDG_CACHE_HOME", "relative", 1); /* to be ignored, by the specification */
	close(open_cache());
	assert_int_equal(stat(r->folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	snprintf(path, sizeof(path), "%s/is/else/where", r->home);
	setenv("XDG_CACHE_HOME", path, 1);
	close(open_cache());
	snprintf(path, sizeof(path), "%s/is/else/where/kvm", r->home);
	assert_int_equal(stat(path, &st), 0);
	snprintf(path, sizeof(path), "%s/is", r->home);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	assert_int_equal(kernelcache_open(&why), -1);
	assert_non_null(strstr(why, "XDG_CACHE_HOME"));
	setenv("HOME", "/proc/nowhere", 1);
	assert_int_equal(kernelcache_open(&why), -1);
	assert_non_null(strstr(why, "cannot be made"));
}

static void a_folder_that_others_may_write_to_is_left_alone(void **state)
{
	struct cache_rig *r = *state;
	const char *why = NULL;

	close(open_cache());
	assert_int_equal(chmod(r->folder, 0770), 0);
	assert_int_equal(kernelcache_open(&why), -1);
	assert_non_null(strstr(why, "another user"));
}

static void what_is_published_is_found_by_its_key_alone(void **state)
{
	struct kernelcache_key other = key;
	uint8_t bytes[6000];
	char path[512];
	int dir = open_cache(), fd = make_file(dir, &key);

	assert_int_equal(cache_entries(*state, path), 0);
	assert_false(is_there(dir, &key));
	assert_int_equal(kernelcache_publish(dir, fd, &key, KERNELCACHE_MAX_BYTES), 0);
	assert_int_equal(kernelcache_publish(dir, fd, &key, KERNELCACHE_MAX_BYTES), -EEXIST);
	close(fd);
	fd = kernelcache_find(dir, &key);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), key.bytes);
	assert_int_equal(bytes[4999], 0xf0);
	close(fd);
	other.hash ^= 1ULL << 63;
	assert_false(is_there(dir, &other));
	other = key;
	other.packed_bytes++;
	assert_false(is_there(dir, &other));
	assert_true(is_there(dir, &key));
	close(dir);
}

static void damage(const char *path, unsigned int how)
{
	static const struct timespec now[2] = { { .tv_nsec = UTIME_NOW },
						{ .tv_nsec = UTIME_NOW } };
	int fd;

	chmod(path, 0600);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	switch (how) {
	case 0:
		assert_int_equal(pwrite(fd, "!", 1, 2500), 1);
		break;
	case 1:
		assert_int_equal(ftruncate(fd, 4999), 0);
		break;
	case 2:
		assert_int_equal(pwrite(fd, "!", 1, 5000), 1);
		break;
	case 3:
		assert_int_equal(futimens(fd, now), 0); /* a copy */
		break;
	case 4:
		assert_int_equal(fchmod(fd, 0660), 0);
		break;
	case 5:
		assert_int_equal(unlink(path), 0);
		assert_int_equal(symlink("/bin/sh", path), 0);
		break;
	default:
		assert_int_equal(unlink(path), 0);
		assert_int_equal(mkfifo(path, 0600), 0);
	}
	close(fd);
}

static void a_damaged_entry_is_never_found(void **state)
{
	int dir = open_cache();
	char path[512];

	for (unsigned int how = 0; how < 7; how++) {
		make(dir, &key);
		assert_int_equal(cache_entries(*state, path), 1);
		assert_true(is_there(dir, &key));
		damage(path, how);
		assert_false(is_there(dir, &key));
		/* nor does it prevent a new one */
		assert_int_equal(cache_entries(*state, path), 0);
	}
	close(dir);
}

static void a_damaged_entry_is_made_anew(void **state)
{
	int dir = open_cache();
	char path[512];

	make(dir, &key);
	cache_entries(*state, path);
	damage(path, 0);
	assert_false(is_there(dir, &key));
	make(dir, &key);
	assert_true(is_there(dir, &key));
	close(dir);
}

static struct kernelcache_key numbered(uint64_t n)
{
	return (struct kernelcache_key){ .hash = n, .packed_bytes = 1, .bytes = 1000 };
}

/* Sets @k's last use to @when. */
static void set_used(int dir, const struct kernelcache_key *k, time_t when)
{
	const struct timespec times[2] = { { .tv_sec = when }, { .tv_nsec = UTIME_OMIT } };
	int fd = kernelcache_find(dir, k);

	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void what_was_used_longest_ago_goes_first(void **state)
{
	const struct kernelcache_key a = numbered(1), b = numbered(2), c = numbered(3),
				     d = numbered(4);
	struct cache_rig *r = *state;
	int dir = open_cache(), fd, old;
	char path[160];

	make(dir, &a);
	make(dir, &b);
	make(dir, &c);
	set_used(dir, &a, 1000);
	set_used(dir, &b, 900);
	set_used(dir, &c, 800);
	snprintf(path, sizeof(path), "%s/of-somebody-else", r->folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	old = kernelcache_find(dir, &c); /* used now: b is the oldest, then a */
	fd = make_file(dir, &d);
	assert_int_equal(kernelcache_publish(dir, fd, &d, 2999), 0);
	close(fd);
	assert_false(is_there(dir, &b));
	assert_false(is_there(dir, &a));
	assert_true(is_there(dir, &c));
	assert_true(is_there(dir, &d));
	assert_int_equal(access(path, F_OK), 0);
	close(old);
	close(dir);
}

static void an_entry_that_goes_lives_on_where_it_is_used(void **state)
{
	const struct kernelcache_key a = numbered(1), b = numbered(2);
	int dir = open_cache(), used, fd;
	uint8_t bytes[1000];

	(void)state;
	make(dir, &a);
	set_used(dir, &a, 1000);
	used = kernelcache_find(dir, &a);
	set_used(dir, &a, 1000);
	fd = make_file(dir, &b);
	assert_int_equal(kernelcache_publish(dir, fd, &b, 1000), 0);
	assert_false(is_there(dir, &a));
	assert_int_equal(read(used, bytes, sizeof(bytes)), 1000);
	assert_int_equal(bytes[999], 1);
	close(fd);
	close(used);
	close(dir);
}

/*
 * Finds or makes entries repeatedly; each process sometimes damages them. Exits with the number of
 * wrong contents that it saw.
 */
static void use_it_a_lot(const char *folder, unsigned int process)
{
	int dir = open_cache(), wrong = 0;
	char path[512];

	for (unsigned int i = 0; i < NR_ROUNDS; i++) {
		struct kernelcache_key k = numbered((process + i) % 3 + 1);
		int fd = kernelcache_find(dir, &k);
		uint8_t first = 0;

		if (fd < 0) {
			fd = make_file(dir, &k);
			kernelcache_publish(dir, fd, &k, i % 5 ? 3000 : 1000);
		}
		wrong += pread(fd, &first, 1, 999) != 1 || first != (uint8_t)k.hash;
		close(fd);
		snprintf(path, sizeof(path), "%s/vmlinux-%016llx-1-3e8", folder,
			 (unsigned long long)k.hash);
		if (i % 7 == process && !unlink(path) && !symlink("/nowhere", path))
			unlink(path);
	}
	_exit(wrong);
}

static void processes_may_race(void **state)
{
	struct cache_rig *r = *state;
	pid_t pid[NR_PROCESSES];
	char path[512];

	close(open_cache());
	for (unsigned int i = 0; i < NR_PROCESSES; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (!pid[i])
			use_it_a_lot(r->folder, i);
	}
	for (unsigned int i = 0; i < NR_PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_in_range(cache_entries(r, path), 0, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, cache_rig_setup, cache_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_environment_says_where),
		TEST(a_folder_that_others_may_write_to_is_left_alone),
		TEST(what_is_published_is_found_by_its_key_alone),
		TEST(a_damaged_entry_is_never_found),
		TEST(a_damaged_entry_is_made_anew),
		TEST(what_was_used_longest_ago_goes_first),
		TEST(an_entry_that_goes_lives_on_where_it_is_used),
		TEST(processes_may_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
