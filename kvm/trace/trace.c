/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the trace, to stderr or to a file.
 *
 *  - Any thread that records calls this with an event, so a lock of its own protects the lines: to
 *    stderr each in one piece, to a file through a buffer.
 *  - A JSON trace is a list of instant events, with one thread per vCPU, and one, "devices", for
 *    interrupts.
 *  - Times are microseconds since the first run of the machine began, with --timeline since exec.
 */
#include "trace.h"

#include "kvm/log.h"
#include "kvm/loop.h"
#include "kvm/optlist.h"
#include "kvm/trace_text.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 256
#define TIMELINE_THREAD (RECORDER_DEVICES + 1)

struct trace {
	pthread_mutex_t lock;
	FILE *file; /* NULL: stderr */
	bool json, any;
	unsigned int kinds;
	bool virtio_only;
	const struct bus *pio, *mmio;
	uint64_t start_ns;
};

static const struct {
	const char *name;
	unsigned int kinds;
} words[] = {
	{ "pio", 1U << EVENT_PORT_READ | 1U << EVENT_PORT_WRITE },
	{ "mmio", 1U << EVENT_MMIO_READ | 1U << EVENT_MMIO_WRITE },
	{ "msr", 1U << EVENT_MSR_READ | 1U << EVENT_MSR_WRITE },
	{ "irq", 1U << EVENT_IRQ },
	{ "virtio", 1U << EVENT_MMIO_READ | 1U << EVENT_MMIO_WRITE },
};

/* Returns the index of the word at @text, or -1. */
static int find_word(const char *text, size_t len)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		if (strlen(words[i].name) == len && !memcmp(words[i].name, text, len))
			return (int)i;
	}
	return -1;
}

int trace_parse(struct trace_config *config, const char *text)
{
	const char *text_given = text;
	bool mmio = false, virtio = false;
	struct optitem item, file = { .len = 0 };
	int word;

	*config = (struct trace_config){ .kinds = 1U << EVENT_EXIT };
	while (text && *text && optlist_next(&text, &item)) {
		word = find_word(item.text, item.len);
		if (word < 0) { /* the file is the last item: all further commas are part of it */
			file.text = item.text;
			file.len = strlen(item.text);
			break;
		}
		config->kinds |= words[word].kinds;
		mmio = mmio || !strcmp(words[word].name, "mmio");
		virtio = virtio || !strcmp(words[word].name, "virtio");
	}
	config->virtio_only = virtio && !mmio;
	if (config->kinds == 1U << EVENT_EXIT) {
		pr_err("--trace: must be a list of pio, mmio, msr, irq or virtio, with commas between them; a file may follow at its end");
		return -EINVAL;
	}
	/* A kind with a typo must not become a file. */
	if (file.len && !memchr(file.text, '/', file.len) && !memchr(file.text, '.', file.len)) {
		pr_err("--trace %s: %s is none of pio, mmio, msr, irq and virtio; if it is a file, write ./%s",
		       text_given, file.text, file.text);
		return -EINVAL;
	}
	config->path = file.len ? optitem_dup(&file) : NULL;
	if (!file.len || config->path)
		return 0;
	pr_err("out of memory");
	return -ENOMEM;
}

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

#define JSON_BEGIN "{\"traceEvents\":["
#define JSON_END "\n]}\n"

/* Returns 0, or -1 with errno. */
static int begin_file(struct trace *t, const char *path)
{
	t->file = fopen(path, "we");
	if (t->file && t->json)
		fputs(JSON_BEGIN, t->file);
	return t->file ? 0 : -1;
}

/*
 * Appends to what an earlier run of the machine has written. If that is gone, begins the file anew.
 */
static int continue_file(struct trace *t, const char *path)
{
	long end;

	t->file = fopen(path, "r+e");
	if (!t->file)
		return begin_file(t, path);
	fseek(t->file, 0, SEEK_END);
	end = ftell(t->file) - (long)strlen(JSON_END);
	if (t->json && end >= 0)
		fseek(t->file, end, SEEK_SET);
	t->any = end > (long)strlen(JSON_BEGIN);
	return 0;
}

static int open_file(struct trace *t, const struct trace_config *config)
{
	t->json = ends_in(config->path, ".json");
	return config->goes_on ? continue_file(t, config->path) : begin_file(t, config->path);
}

int trace_open(struct trace **out, const struct trace_config *config, const struct bus *pio,
	       const struct bus *mmio)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	pthread_mutex_init(&t->lock, NULL);
	t->kinds = config->kinds;
	t->virtio_only = config->virtio_only;
	t->pio = pio;
	t->mmio = mmio;
	t->start_ns = config->start_ns ? config->start_ns : now_ns();
	if (config->path && open_file(t, config)) {
		int err = errno;

		pr_err("--trace %s: %s", config->path, strerror(err));
		free(t);
		return -err;
	}
	*out = t;
	return 0;
}

void trace_close(struct trace *t)
{
	if (!t)
		return;
	if (t->json)
		fputs(JSON_END, t->file);
	if (t->file && fclose(t->file))
		pr_warn("--trace: the end of the file is lost: %s", strerror(errno));
	free(t);
}

static bool wanted(const struct trace *t, const struct event_view *e)
{
	const char *name;

	if (!(t->kinds & 1U << e->kind))
		return false;
	if (!t->virtio_only || (e->kind != EVENT_MMIO_READ && e->kind != EVENT_MMIO_WRITE))
		return true;
	name = bus_name(t->mmio, e->addr);
	return name && !strncmp(name, "virtio", strlen("virtio"));
}

static void put_line(struct trace *t, unsigned int source, uint64_t ns, const char *what)
{
	char line[LINE_BYTES + 64], name[24] = "devices";

	if (source != RECORDER_DEVICES)
		snprintf(name, sizeof(name), "vcpu%u", source);
	snprintf(line, sizeof(line), "%5" PRIu64 ".%06" PRIu64 " %-7s %s\n", ns / 1000000000,
		 ns / 1000 % 1000000, name, what);
	if (t->file)
		fputs(line, t->file);
	else
		log_block(line, strlen(line));
}

static void put_json(struct trace *t, unsigned int source, uint64_t ns, const char *what)
{
	const char *owner = strrchr(what, ' ') ? strrchr(what, ' ') + 1 : what;

	fprintf(t->file,
		"%s\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"i\",\"s\":\"t\",\"ts\":%" PRIu64
		".%03u,\"pid\":1,\"tid\":%u}",
		t->any ? "," : "", what, owner, ns / 1000, (unsigned int)(ns % 1000), source);
	t->any = true;
}

static void put_stage(void *ctx, uint64_t ns, const char *what)
{
	struct trace *t = ctx;

	fprintf(t->file,
		"%s\n{\"name\":\"%s\",\"cat\":\"timeline\",\"ph\":\"i\",\"s\":\"p\",\"ts\":%" PRIu64
		".%03u,\"pid\":1,\"tid\":%u}",
		t->any ? "," : "", what, (ns - t->start_ns) / 1000,
		(unsigned int)((ns - t->start_ns) % 1000), TIMELINE_THREAD);
	t->any = true;
}

void trace_timeline(struct trace *t, const struct timeline *timeline)
{
	if (t && t->json && timeline)
		timeline_walk(timeline, put_stage, t);
}

static void trace_event(const struct recorder *r, const struct event *e)
{
	struct trace *t = r->also_ctx;
	struct event_view view = event_view(e);
	uint64_t ns = now_ns() - t->start_ns;
	char what[LINE_BYTES];
	FILE *f;

	if (!wanted(t, &view))
		return;
	f = fmemopen(what, sizeof(what), "w");
	if (!f)
		return;
	event_print(f, &view, t->pio, t->mmio);
	fclose(f);
	pthread_mutex_lock(&t->lock);
	if (t->json)
		put_json(t, r->source, ns, what);
	else
		put_line(t, r->source, ns, what);
	pthread_mutex_unlock(&t->lock);
}

void trace_attach(struct trace *t, struct recorder *r)
{
	r->also_ctx = t;
	r->also = t ? trace_event : NULL;
}
