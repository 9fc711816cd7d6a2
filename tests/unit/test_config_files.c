/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests that a command line is refused if it would overwrite one of its own inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/config.h"
#include "kvm/config/config_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* "c,d" has a comma in its name, and "c" is what is left when it is cut there. */
struct folder {
	char path[32], a[64], b[64], link[64], gone[64], comma[64], cut[64];
};

static void make_file(const char *path)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fclose(f);
}

static int setup(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	snprintf(f->path, sizeof(f->path), "/tmp/test_files.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->a, sizeof(f->a), "%s/a", f->path);
	snprintf(f->b, sizeof(f->b), "%s/b", f->path);
	snprintf(f->link, sizeof(f->link), "%s/link", f->path);
	snprintf(f->gone, sizeof(f->gone), "%s/gone", f->path);
	snprintf(f->comma, sizeof(f->comma), "%s/c,d", f->path);
	snprintf(f->cut, sizeof(f->cut), "%s/c", f->path);
	make_file(f->a);
	make_file(f->b);
	make_file(f->comma);
	make_file(f->cut);
	assert_int_equal(symlink("a", f->link), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct folder *f = *state;

	unlink(f->a);
	unlink(f->b);
	unlink(f->link);
	unlink(f->comma);
	unlink(f->cut);
	rmdir(f->path);
	free(f);
	return 0;
}

static void files_of_their_own_are_fine(void **state)
{
	struct folder *f = *state;
	struct config c = { .kernel = f->a, .initrd = { f->a, f->a }, .nr_initrds = 2 };

	assert_int_equal(config_check_files(&c), 0); /* reading is always allowed */
	c.log_path = f->b;
	c.report_path = f->gone;
	assert_int_equal(config_check_files(&c), 0);
	c.report_path = c.junit_path = c.tap_path = "/dev/null";
	assert_int_equal(config_check_files(&c), 0);
}

static void what_is_read_is_not_written(void **state)
{
	struct folder *f = *state;
	char disk[80], serial[80], port[80], trace[80];
	struct config log = { .kernel = f->a, .log_path = f->link };
	struct config report = { .initrd = { f->a }, .nr_initrds = 1, .report_path = f->link };
	struct config console = { .disk = { disk }, .nr_disks = 1, .serial = { NULL, serial } };
	struct config named = { .symbols = f->a, .port = { port }, .nr_ports = 1 };
	struct config traced = { .dtb = f->a, .trace = trace };

	snprintf(disk, sizeof(disk), "%s,ro", f->a);
	snprintf(serial, sizeof(serial), "file:%s", f->link);
	snprintf(port, sizeof(port), "x=file:%s", f->link);
	snprintf(trace, sizeof(trace), "pio,%s", f->link);
	assert_int_equal(config_check_files(&log), -EINVAL);
	assert_int_equal(config_check_files(&report), -EINVAL);
	assert_int_equal(config_check_files(&console), -EINVAL);
	assert_int_equal(config_check_files(&named), -EINVAL);
	assert_int_equal(config_check_files(&traced), -EINVAL);
	console.disk[0] = f->b;
	assert_int_equal(config_check_files(&console), 0);
}

static void streams_may_share_and_reports_may_not(void **state)
{
	struct folder *f = *state;
	char serial[80];
	struct config c = { .log_path = f->gone, .serial = { serial } };

	snprintf(serial, sizeof(serial), "file:%s", f->gone);
	assert_int_equal(config_check_files(&c), 0);
	c.junit_path = f->gone;
	assert_int_equal(config_check_files(&c), -EINVAL);
	c.junit_path = f->b;
	c.tap_path = f->b;
	assert_int_equal(config_check_files(&c), -EINVAL);
}

/* Files that are not there yet, in any spelling. */
static void new_files_are_compared_by_folder_and_name(void **state)
{
	static const struct {
		const char *log, *report;
		int err;
	} rows[] = {
		{ "./n", "n", -EINVAL },
		{ "n", "n", -EINVAL },
		{ "/tmp/../tmp/n", "/tmp/n", -EINVAL },
		{ "/tmp//n", "/tmp/./n", -EINVAL },
		{ "/tmp/n", "/tmp/m", 0 },
		{ "/tmp/n", "/n", 0 },
		{ "/n", "//n", -EINVAL },
		{ "/tmp/n", "/nonexistent/n", 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config c = { .log_path = rows[i].log, .report_path = rows[i].report };

		assert_int_equal(config_check_files(&c), rows[i].err);
	}
}

/*
 * Returns whether @reader and @writer, two configurations with one file each, are accepted
 * together.
 */
static int together(const struct config *reader, const struct config *writer)
{
	struct config c = *writer;

	c.nr_disks = reader->nr_disks;
	c.disk[0] = reader->disk[0];
	c.nr_nets = reader->nr_nets;
	c.net[0] = reader->net[0];
	c.nr_adds = reader->nr_adds;
	c.add[0] = reader->add[0];
	c.kernel = reader->kernel;
	return config_check_files(&c);
}

static void a_comma_is_part_of_a_name(void **state)
{
	struct folder *f = *state;
	char disk[96], net[96], added[96], serial[96], port[96], trace[96], plain[96];
	const struct config readers[] = {
		{ .kernel = f->comma },
		{ .disk = { disk }, .nr_disks = 1 },
		{ .net = { net }, .nr_nets = 1 },
		{ .add = { f->comma }, .nr_adds = 1 },
		{ .add = { added }, .nr_adds = 1 },
	};
	/*
	 * Paths are literal; in a trace's path, the last item of a list, a comma may be single or
	 * doubled.
	 */
	const struct config writers[] = {
		{ .log_path = f->comma },   { .report_path = f->comma },
		{ .junit_path = f->comma }, { .tap_path = f->comma },
		{ .dump = f->comma },	    { .dump_dtb = f->comma },
		{ .serial = { serial } },   { .port = { port }, .nr_ports = 1 },
		{ .trace = trace },	    { .trace = plain },
	};
	const struct config others[] = {
		{ .log_path = f->cut },
		{ .report_path = f->cut },
		{ .dump = f->cut },
	};

	snprintf(disk, sizeof(disk), "%s/c,,d,ro", f->path);
	snprintf(net, sizeof(net), "tap,script=%s/c,,d,queues=2", f->path);
	snprintf(added, sizeof(added), "%s:/etc/file", f->comma);
	snprintf(serial, sizeof(serial), "file:%s", f->comma);
	snprintf(port, sizeof(port), "x=file:%s", f->comma);
	snprintf(trace, sizeof(trace), "pio,%s/c,,d", f->path);
	snprintf(plain, sizeof(plain), "pio,%s/c,d", f->path);
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(writers); k++) {
			if (together(&readers[i], &writers[k]) != -EINVAL)
				fail_msg("reader %zu and writer %zu share a file", i, k);
		}
		for (size_t k = 0; k < ARRAY_SIZE(others); k++)
			assert_int_equal(together(&readers[i], &others[k]), 0);
	}
	/* A literal path is not unescaped: this is another file. */
	snprintf(plain, sizeof(plain), "%s/c,,d", f->path);
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
		assert_int_equal(together(&readers[i], &(struct config){ .log_path = plain }), 0);
}

static void a_single_comma_ends_a_disk(void **state)
{
	struct folder *f = *state;
	struct config c = { .disk = { f->comma }, .nr_disks = 1, .log_path = f->cut };

	assert_int_equal(config_check_files(&c), -EINVAL);
	c.log_path = f->comma;
	assert_int_equal(config_check_files(&c), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(files_of_their_own_are_fine),
		T(what_is_read_is_not_written),
		T(streams_may_share_and_reports_may_not),
		T(new_files_are_compared_by_folder_and_name),
		T(a_comma_is_part_of_a_name),
		T(a_single_comma_ends_a_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
