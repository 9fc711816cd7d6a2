/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints a vCPU's last events from the flight recorder, and the interrupts that the launcher's
 * devices raised during that time.
 *
 * Each line is one event; repeated events share a line.
 */
#include "kvm/trace_text.h"
#include "page.h"

#include <inttypes.h>
#include <string.h>

#define MAX_LINES 10
/* The number of events to look back at, however many of them share a line. */
#define MAX_BACK 256

static bool is_console(const struct postmortem *pm, const struct event_view *e)
{
	const char *name =
		e->kind <= EVENT_PORT_WRITE && pm->pio ? bus_name(pm->pio, e->addr) : NULL;

	return name && !strcmp(name, "serial");
}

static void print_line(FILE *f, const struct postmortem *pm, const struct event_view *e,
		       unsigned int times)
{
	uint64_t ticks = pm->now_ticks > e->ticks ? pm->now_ticks - e->ticks : 0;

	if (pm->ticks_khz)
		fprintf(f, "    %+13.6f s  ", -(double)ticks / (double)pm->ticks_khz / 1000.0);
	else
		fputs("    ", f);
	event_print(f, e, pm->pio, pm->mmio);
	if (times > 1)
		fprintf(f, is_console(pm, e) ? "  (the last of %u)" : "  (%u times)", times);
	fputc('\n', f);
}

/*
 * Whether both share a line: they are equal, or both are console accesses, whose bytes the console
 * shows.
 */
static bool same(const struct postmortem *pm, const struct event_view *a,
		 const struct event_view *b)
{
	if (a->kind == b->kind && a->addr == b->addr && a->value == b->value)
		return true;
	return is_console(pm, a) && is_console(pm, b);
}

struct line {
	struct event_view view; /* the last of its events */
	unsigned int times;
};

/* Collects the last lines, newest first. Returns their number. */
static unsigned int gather(const struct postmortem *pm, struct line *line)
{
	unsigned int nr = 0, irq = pm->nr_irqs, back = 0;
	struct event_view e;

	for (unsigned int n = 0; n < MAX_BACK; n++) {
		bool any = recorder_back(pm->events, back, &e);

		if (irq && (!any || pm->irqs[irq - 1].ticks > e.ticks))
			e = pm->irqs[--irq];
		else if (any)
			back++;
		else
			break;
		if (nr && same(pm, &line[nr - 1].view, &e)) {
			line[nr - 1].times++;
			continue;
		}
		if (nr == MAX_LINES)
			break;
		line[nr++] = (struct line){ .view = e, .times = 1 };
	}
	return nr;
}

void postmortem_print_events(FILE *f, const struct postmortem *pm)
{
	struct line line[MAX_LINES];
	unsigned int nr;

	if (!pm->events)
		return;
	nr = gather(pm, line);
	if (pm->events->nr)
		fprintf(f, "  last events, of %" PRIu64 " exit%s to the launcher:\n",
			pm->events->nr, pm->events->nr == 1 ? "" : "s");
	else
		fprintf(f, "  no exit to the launcher%s\n", nr ? ", and of its devices:" : "");
	while (nr-- > 0)
		print_line(f, pm, &line[nr].view, line[nr].times);
}
