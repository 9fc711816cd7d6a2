/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the launcher's instructions and carries out those for the guest, see guest/guestjob.h.
 *
 * The file is in memory since the boot, and only the init uses it. It is read whole, and the job's
 * strings stay where it was read to.
 */
#include "guest/guestjob.h"
#include "init.h"

#include <linux/time.h>

#define SEEK_SET 0
#define SEEK_END 2

static long number(const char **text)
{
	long n = 0;

	for (; **text >= '0' && **text <= '9'; ++*text)
		n = n * 10 + **text - '0';
	return n;
}

/* Returns the file's text, with a NUL byte after the end. */
static char *read_job(size_t *len)
{
	long fd = sys(open, GUESTJOB_FILE, O_RDONLY | O_CLOEXEC), bytes, n = 1;
	char *text;

	if (fd < 0) {
		complain("cannot be opened", GUESTJOB_FILE, fd);
		fail();
	}
	bytes = sys(lseek, fd, 0, SEEK_END);
	sys(lseek, fd, 0, SEEK_SET);
	text = get_memory((size_t)bytes + 1);
	for (*len = 0; n > 0 && *len < (size_t)bytes; *len += (size_t)n) {
		n = sys(read, fd, text + *len, (size_t)bytes - *len);
		if (n < 0) {
			complain("cannot be read", GUESTJOB_FILE, n);
			fail();
		}
	}
	sys(close, fd);
	return text;
}

static void insert_module(const char *path)
{
	long fd = sys(open, path, O_RDONLY | O_CLOEXEC);
	long err = fd < 0 ? fd : sys(finit_module, fd, "", 0);

	if (err && err != -EEXIST)
		complain("the kernel refused this module", path, err);
	sys(close, fd);
}

static void set_host_name(const char *name)
{
	size_t len = 0;

	while (name[len])
		len++;
	sys(sethostname, name, len);
}

/* Gives a guest without a clock, or with a wrong one, at least the time at which it was started. */
static void set_clock(const char *text)
{
	long now[2] = { 0, 0 }, started[2] = { number(&text), 0 };

	sys(clock_gettime, CLOCK_REALTIME, now);
	if (now[0] < started[0])
		sys(clock_settime, CLOCK_REALTIME, started);
}

static void set_terminal(struct job *job, const char *text)
{
	job->terminal = true;
	job->rows = (unsigned short)number(&text);
	if (*text == ' ')
		text++;
	job->columns = (unsigned short)number(&text);
}

struct counts {
	size_t args, env, shares;
};

static void obey(struct job *job, char *record, struct counts *nr)
{
	char *text = record + 1;

	switch (record[0]) {
	case JOB_ARG:
		job->argv[nr->args++] = text;
		break;
	case JOB_ENV:
		job->envp[nr->env++] = text;
		break;
	case JOB_PROGRAM:
		job->program = text;
		break;
	case JOB_CWD:
		job->cwd = text;
		break;
	case JOB_HOST:
		set_host_name(text);
		break;
	case JOB_CLOCK:
		set_clock(text);
		break;
	case JOB_MODULE:
		insert_module(text);
		break;
	case JOB_ROOT:
		job->root = text;
		break;
	case JOB_SHARE:
		job->shares[nr->shares++] = text;
		break;
	case JOB_TERMINAL:
		set_terminal(job, text);
		break;
	}
}

void job_load(struct job *job)
{
	struct counts nr = { 0, 0, 0 };
	size_t len, nr_records = 1;
	char *text = read_job(&len);

	for (size_t i = 0; i < len; i++)
		nr_records += !text[i];
	job->argv = get_memory(nr_records * sizeof(char *));
	job->envp = get_memory(nr_records * sizeof(char *));
	job->shares = get_memory(nr_records * sizeof(char *));
	for (char *record = text; record < text + len; record++) {
		obey(job, record, &nr);
		while (*record)
			record++;
	}
	if (!nr.args || !job->program || !job->cwd) {
		complain("names no command", GUESTJOB_FILE, 0);
		fail();
	}
}
