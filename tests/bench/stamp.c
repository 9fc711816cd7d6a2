/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a command and prints, as one line of JSON, when its output reached each marker and at what
 * cost: stamp [OPTION]... COMMAND [ARG]...
 *
 * It is made for the nested machine in its counting mode (tests/nest --count), where
 * CLOCK_MONOTONIC_RAW counts executed instructions. It runs at real-time priority and its child
 * does not, so it gets the CPU as soon as a marker comes out of the child's standard output; while
 * it reads the values of that moment, the child stands still. Time zero is just before it makes the
 * child. The child sees nothing of this except the pipe.
 *
 *	-m NAME=TEXT	when TEXT comes out: wall time, CPU time, bytes so far, KVM's statistics
 *			(may be repeated; in order)
 *	-M MIB		at the last marker also memory, less the guest's MIB (see memory_of)
 *	-t NAME=EVENT:KEY[:FILTER]
 *			count a tracepoint by KEY from the start to the last marker; "@" in FILTER
 *			is this process's pid (may be repeated)
 *	-o FILE		append the line to FILE; default: standard error
 *	-e FILE		the child's standard error
 *	-c FILE		keep the child's output, each line with the time at which it came
 *	-l LABEL	copied into the line
 *	-x SECONDS	kill the child after this time
 *
 * Exits 0 if all markers came, 1 if not, whatever the child's exit code.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_MARKS 8
#define MAX_TRACES 4
#define MAX_VMAS 4096
#define KEEP_BYTES 256 /* of output, for a marker that is split between two reads */
#define EVENTS "/sys/kernel/tracing/events/"
#define STATS "/sys/kernel/debug/kvm/"

static const char *const stat_names[] = { "exits",	"io_exits",	"mmio_exits",
					  "halt_exits", "signal_exits", "pf_taken" };
#define NR_STATS (sizeof(stat_names) / sizeof(stat_names[0]))

struct mark {
	const char *name, *text;
	bool seen;
	uint64_t wall_ns, cpu_ns, bytes;
	long long stat[NR_STATS]; /* -1: not known */
};

struct trace {
	const char *name;
	char path[256]; /* of the event's folder */
	char trigger[256];
	char counts[4096]; /* JSON, recorded at the last marker */
};

struct memory {
	uint64_t rss, anonymous, ram_rss;
};

struct job {
	struct mark mark[MAX_MARKS];
	struct trace trace[MAX_TRACES];
	unsigned int nr_marks, nr_traces, next;
	uint64_t ram_bytes;
	const char *label, *out, *err, *console;
	unsigned int seconds;
	struct memory memory;
	pid_t child;
	uint64_t start_ns, bytes;
	FILE *console_file;
	bool line_begun;
	char tail[2 * KEEP_BYTES + 65536];
	size_t tail_len;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC_RAW);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err(2, "stamp: %s: %s", path, text);
	close(fd);
}

static long long read_number(const char *dir, const char *name)
{
	char path[256], text[32];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n <= 0)
		return -1;
	text[n] = '\0';
	return atoll(text);
}

/* ---- memory: the child's resident memory without its guest's RAM ---- */

struct vma {
	uint64_t start, end, rss, anonymous;
};

static unsigned int read_vmas(pid_t pid, struct vma *vma)
{
	unsigned int nr = 0;
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		uint64_t a, b;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &a, &b) == 2) {
			if (nr == MAX_VMAS)
				errx(2, "stamp: more than %d mappings", MAX_VMAS);
			vma[nr++] = (struct vma){ .start = a, .end = b };
		} else if (nr && sscanf(line, "Rss: %" SCNu64, &a) == 1) {
			vma[nr - 1].rss = a << 10;
		} else if (nr && sscanf(line, "Anonymous: %" SCNu64, &a) == 1) {
			vma[nr - 1].anonymous = a << 10;
		}
	}
	if (f)
		fclose(f);
	return nr;
}

/*
 * Guest RAM is the run of adjacent mappings that has its length (files may be mapped into it), or
 * else a single longer mapping (the kernel merged it with a neighbour).
 */
static bool find_ram(const struct vma *vma, unsigned int nr, uint64_t bytes, unsigned int *first,
		     unsigned int *last)
{
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t sum = 0;

		for (unsigned int j = i; j < nr && (j == i || vma[j].start == vma[j - 1].end);
		     j++) {
			sum += vma[j].end - vma[j].start;
			*first = i;
			*last = j;
			if (sum == bytes)
				return true;
		}
	}
	for (unsigned int i = 0; i < nr; i++) {
		*first = *last = i;
		if (vma[i].end - vma[i].start > bytes)
			return true;
	}
	return false;
}

static struct memory memory_of(pid_t pid, uint64_t ram_bytes)
{
	struct vma *vma = calloc(MAX_VMAS, sizeof(*vma));
	unsigned int nr, first, last;
	struct memory m = { 0 };

	if (!vma)
		err(2, "stamp");
	nr = read_vmas(pid, vma);
	if (!find_ram(vma, nr, ram_bytes, &first, &last))
		errx(2, "stamp: no mapping of %" PRIu64 " MiB: which is the guest's memory?",
		     ram_bytes >> 20);
	for (unsigned int i = 0; i < nr; i++) {
		if (i >= first && i <= last) {
			m.ram_rss += vma[i].rss;
			continue;
		}
		m.rss += vma[i].rss;
		m.anonymous += vma[i].anonymous;
	}
	free(vma);
	return m;
}

/*
 * ---- tracepoints, counted by the kernel ---------------------------------------------------------
 */

static void trace_parse(struct trace *t, char *arg)
{
	char *event = strchr(arg, '='), *key = NULL, *filter = NULL, *own;

	if (event)
		key = strchr(event + 1, ':');
	if (!key)
		errx(2, "stamp: -t NAME=EVENT:KEY[:FILTER]");
	*event++ = '\0';
	*key++ = '\0';
	filter = strchr(key, ':');
	if (filter)
		*filter++ = '\0';
	t->name = arg;
	snprintf(t->path, sizeof(t->path), EVENTS "%s", event);
	snprintf(t->trigger, sizeof(t->trigger), "hist:keys=%s:size=4096", key);
	if (!filter)
		return;
	own = strchr(filter, '@');
	if (own) {
		*own++ = '\0';
		snprintf(t->trigger + strlen(t->trigger), sizeof(t->trigger) - strlen(t->trigger),
			 " if %s%d%s", filter, getpid(), own);
		return;
	}
	snprintf(t->trigger + strlen(t->trigger), sizeof(t->trigger) - strlen(t->trigger), " if %s",
		 filter);
}

static void trace_set(const struct trace *t, bool on)
{
	char path[300], text[300];

	snprintf(path, sizeof(path), "%s/trigger", t->path);
	snprintf(text, sizeof(text), "%s%s", on ? "" : "!", t->trigger);
	put(path, text);
}

/* "{ KEY: VALUE } hitcount: N" a line, to JSON. */
static void trace_take(struct trace *t)
{
	char path[300], line[512];
	size_t used = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/hist", t->path);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *key = strchr(line, ':'), *end = strrchr(line, '}'), *count;

		if (*line != '{' || !key || !end || !(count = strchr(end, ':')) ||
		    used + 80 > sizeof(t->counts))
			continue;
		key += 1 + strspn(key + 1, " ");
		while (end > key && end[-1] == ' ')
			end--;
		*end = '\0';
		used += (size_t)snprintf(t->counts + used, sizeof(t->counts) - used,
					 "%s\"%.40s\": %lld", used ? ", " : "", key,
					 atoll(count + 1));
	}
	if (f)
		fclose(f);
}

/* ---- the run --------------------------------------------------------------------------- */

static void arrived(struct job *job, struct mark *m, uint64_t at_ns)
{
	clockid_t clock;

	m->seen = true;
	m->wall_ns = at_ns - job->start_ns;
	if (!clock_getcpuclockid(job->child, &clock))
		m->cpu_ns = clock_ns(clock);
	m->bytes = job->bytes;
	for (unsigned int i = 0; i < NR_STATS; i++)
		m->stat[i] = read_number(STATS, stat_names[i]);
	if (++job->next < job->nr_marks)
		return;
	for (unsigned int i = 0; i < job->nr_traces; i++)
		trace_take(&job->trace[i]);
	if (job->ram_bytes)
		job->memory = memory_of(job->child, job->ram_bytes);
}

static void keep(struct job *job, const char *buf, size_t n, uint64_t at_ns)
{
	for (size_t i = 0; job->console_file && i < n; i++) {
		if (!job->line_begun)
			fprintf(job->console_file, "%11.6f ",
				(double)(at_ns - job->start_ns) / 1e9);
		job->line_begun = buf[i] != '\n';
		putc(buf[i], job->console_file);
	}
}

static void look(struct job *job, const char *buf, size_t n, uint64_t at_ns)
{
	memcpy(job->tail + job->tail_len, buf, n);
	job->tail_len += n;
	job->bytes += n;
	while (job->next < job->nr_marks) {
		struct mark *m = &job->mark[job->next];
		char *at = memmem(job->tail, job->tail_len, m->text, strlen(m->text));

		if (!at)
			break;
		at += strlen(m->text);
		job->tail_len -= (size_t)(at - job->tail);
		memmove(job->tail, at, job->tail_len);
		arrived(job, m, at_ns);
	}
	if (job->tail_len > KEEP_BYTES) {
		memmove(job->tail, job->tail + job->tail_len - KEEP_BYTES, KEEP_BYTES);
		job->tail_len = KEEP_BYTES;
	}
	keep(job, buf, n, at_ns);
}

static void start(struct job *job, char **argv, int pipe_fd, int err_fd)
{
	job->start_ns = now_ns();
	/*
	 * The child uses our memory until it executes the command: nothing is copied, nothing
	 * faults.
	 */
	job->child = vfork();
	if (job->child == 0) {
		dup2(pipe_fd, STDOUT_FILENO);
		if (err_fd >= 0)
			dup2(err_fd, STDERR_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	if (job->child < 0)
		err(2, "stamp: vfork");
}

static void watch(struct job *job, int fd)
{
	static char buf[65536];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	for (;;) {
		uint64_t gone_ms = (now_ns() - job->start_ns) / 1000000,
			 limit_ms = job->seconds * 1000UL;
		int r = gone_ms < limit_ms ? poll(&p, 1, (int)(limit_ms - gone_ms)) : 0;

		if (r == 0) {
			kill(job->child, SIGKILL);
			return;
		}
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return;
		look(job, buf, (size_t)n, now_ns());
	}
}

static void report(const struct job *job, int status, uint64_t end_ns, const struct rusage *ru)
{
	uint64_t cpu_us = (uint64_t)(ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000000 +
			  (uint64_t)(ru->ru_utime.tv_usec + ru->ru_stime.tv_usec);
	FILE *f = job->out ? fopen(job->out, "ae") : stderr;

	if (!f)
		err(2, "stamp: %s", job->out);
	fprintf(f,
		"{\"label\": \"%s\", \"exit\": %d, \"wall_ns\": %" PRIu64 ", \"cpu_ns\": %" PRIu64,
		job->label ? job->label : "",
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
		end_ns - job->start_ns, cpu_us * 1000);
	fprintf(f, ", \"bytes\": %" PRIu64 ", \"marks\": {", job->bytes);
	for (unsigned int i = 0; i < job->next; i++) {
		const struct mark *m = &job->mark[i];

		fprintf(f,
			"%s\"%s\": {\"wall_ns\": %" PRIu64 ", \"cpu_ns\": %" PRIu64
			", \"bytes\": %" PRIu64,
			i ? ", " : "", m->name, m->wall_ns, m->cpu_ns, m->bytes);
		for (unsigned int k = 0; k < NR_STATS; k++)
			fprintf(f, ", \"%s\": %lld", stat_names[k], m->stat[k]);
		fprintf(f, "}");
	}
	fprintf(f, "}");
	for (unsigned int i = 0; i < job->nr_traces; i++)
		fprintf(f, ", \"%s\": {%s}", job->trace[i].name, job->trace[i].counts);
	if (job->ram_bytes && job->next == job->nr_marks)
		fprintf(f,
			", \"rss\": %" PRIu64 ", \"anonymous\": %" PRIu64 ", \"ram_rss\": %" PRIu64,
			job->memory.rss, job->memory.anonymous, job->memory.ram_rss);
	fprintf(f, "}\n");
	if (job->out)
		fclose(f);
}

static void add_mark(struct job *job, char *arg)
{
	char *eq = strchr(arg, '=');

	if (!eq || !eq[1] || strlen(eq + 1) > KEEP_BYTES || job->nr_marks == MAX_MARKS)
		errx(2, "stamp: -m NAME=TEXT, at most %d", MAX_MARKS);
	*eq = '\0';
	job->mark[job->nr_marks++] = (struct mark){ .name = arg, .text = eq + 1 };
}

static void parse(struct job *job, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+m:M:t:o:e:c:l:x:")) != -1) {
		if (c == 'm') {
			add_mark(job, optarg);
		} else if (c == 'M') {
			job->ram_bytes = strtoull(optarg, NULL, 10) << 20;
		} else if (c == 't' && job->nr_traces < MAX_TRACES) {
			trace_parse(&job->trace[job->nr_traces++], optarg);
		} else if (c == 'o') {
			job->out = optarg;
		} else if (c == 'e') {
			job->err = optarg;
		} else if (c == 'c') {
			job->console = optarg;
		} else if (c == 'l') {
			job->label = optarg;
		} else if (c == 'x') {
			job->seconds = (unsigned int)strtoul(optarg, NULL, 10);
		} else {
			errx(2, "usage: stamp [OPTION]... COMMAND [ARG]...");
		}
	}
	if (optind == argc)
		errx(2, "stamp: COMMAND is missing");
}

int main(int argc, char **argv)
{
	struct sched_param top = { .sched_priority = 50 };
	struct job *job = calloc(1, sizeof(*job));
	int fd[2], err_fd = -1, status = 0;
	struct rusage ru = { 0 };
	uint64_t end_ns;

	if (!job)
		err(2, "stamp");
	job->seconds = 120;
	parse(job, argc, argv);
	if (pipe2(fd, O_CLOEXEC))
		err(2, "stamp: pipe");
	if (job->err)
		err_fd = open(job->err, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (job->console)
		job->console_file = fopen(job->console, "we");
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &top))
		warn("stamp: no real-time priority, times will be late");
	for (unsigned int i = 0; i < job->nr_traces; i++)
		trace_set(&job->trace[i], true);
	start(job, argv + optind, fd[1], err_fd);
	close(fd[1]);
	watch(job, fd[0]);
	while (wait4(job->child, &status, 0, &ru) < 0 && errno == EINTR)
		;
	end_ns = now_ns();
	/* Without markers: measures from the start to the end. */
	for (unsigned int i = 0; i < job->nr_traces; i++) {
		if (!job->nr_marks)
			trace_take(&job->trace[i]);
		trace_set(&job->trace[i], false);
	}
	report(job, status, end_ns, &ru);
	return job->next < job->nr_marks;
}
