/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Annotates the log of a CI job on GitHub Actions and GitLab: folds the failing part, and on GitHub
 * adds an error annotation.
 *
 * A guest must not control the service by its output:
 * - GitHub's runner takes commands from any line that begins with "::" after white space or has
 *   "##[" anywhere; GitLab's sections need a carriage return and an escape sequence. So each line
 *   of a guest has "| " before it and no control characters, and a "##[" is split.
 * - In a command's own text, %, CR and LF are percent-encoded.
 * - The console itself is shown unchanged; stop-commands guards it.
 */
#include "kvm/base/outfd.h"
#include "kvm/base/quote.h"
#include "outcome.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum outcome_ci outcome_find_ci(void)
{
	const char *github = getenv("GITHUB_ACTIONS"), *gitlab = getenv("GITLAB_CI");

	if (github && !strcmp(github, "true"))
		return OUTCOME_GITHUB;
	return gitlab && *gitlab ? OUTCOME_GITLAB : OUTCOME_NO_CI;
}

void outcome_escape_ci(char *text)
{
	while ((text = strstr(text, "##[")))
		text[2] = '(';
}

static __attribute__((format(printf, 2, 0))) void say(int fd, const char *fmt, const char *token,
						      int limit_ms)
{
	char line[sizeof(((struct outcome_guard *)NULL)->token) + 32];
	int n = snprintf(line, sizeof(line), fmt, token);

	outfd_put_to(fd, line, (size_t)n, limit_ms);
}

void outcome_guard_begin(struct outcome_guard *g, enum outcome_ci ci, int fd)
{
	unsigned char bytes[(sizeof(g->token) - 1) / 2];

	if (ci != OUTCOME_GITHUB || getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return;
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		snprintf(g->token + 2 * (size_t)i, 3, "%02x", bytes[i]);
	say(fd, "::stop-commands::%s\n", g->token, OUTFD_STALL_MS);
}

/* Begins with a newline, because the guest's last line may have none. */
void outcome_guard_end(struct outcome_guard *g, int fd)
{
	if (g->token[0])
		say(fd, "\n::%s::\n", g->token, OUTFD_PATIENT);
	g->token[0] = '\0';
}

static void guest_line(FILE *f, const char *text, size_t len)
{
	fputs("| ", f);
	for (size_t i = 0; i < len;) {
		const char *mark = memmem(text + i, len - i, "##[", 3);
		size_t n = mark ? (size_t)(mark - text) - i + 2 : len - i;

		quote_line(f, text + i, n);
		fputs(mark ? " " : "", f);
		i += n;
	}
	fputs("\n", f);
}

static void guest_lines(FILE *f, const char *text, size_t len)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		guest_line(f, text, n);
		n += end != NULL;
		text += n;
		len -= n;
	}
}

static void failing_part(FILE *f, const struct outcome *o)
{
	char path[KTAP_NAME_BYTES * 4];
	bool shown = false;

	for (unsigned int i = 0; i < o->nr_failures; i++) {
		guest_line(f, o->failure[i].title, strlen(o->failure[i].title));
		if (!o->failure[i].text)
			continue;
		guest_lines(f, o->failure[i].text, o->failure[i].len);
		shown = true;
	}
	for (unsigned int i = 0; o->ktap && i < o->ktap->nr_nodes; i++) {
		const struct ktap_node *n = &o->ktap->node[i];

		if (!ktap_counts(n) || !ktap_is_bad(n->status))
			continue;
		ktap_path(o->ktap, (int)i, path, sizeof(path));
		guest_line(f, path, strlen(path));
		if (n->diagnostic)
			guest_lines(f, n->diagnostic, strlen(n->diagnostic));
		shown = true;
	}
	if (!shown && o->tail)
		guest_lines(f, o->tail, o->tail_len);
}

static void github(FILE *f, const struct outcome *o)
{
	fputs("::group::kvm: the failing part\n", f);
	failing_part(f, o);
	fputs("::endgroup::\n::error title=kvm run ", f);
	fprintf(f, "(%s)::", outcome_verdict_name(o->verdict->kind));
	quote_github(f, o->verdict->text, strlen(o->verdict->text));
	fputs("\n", f);
}

static void gitlab(FILE *f, const struct outcome *o)
{
	long long now = (long long)o->started_s;

	fprintf(f,
		"\033[0Ksection_start:%lld:kvm_failure[collapsed=true]\r\033[0Kkvm: the failing part\n",
		now);
	failing_part(f, o);
	fprintf(f, "\033[0Ksection_end:%lld:kvm_failure\r\033[0K\n",
		now + (long long)(o->duration_ms / 1000));
}

void outcome_annotate(FILE *f, const struct outcome *o, enum outcome_ci ci)
{
	if (ci == OUTCOME_NO_CI || outcome_is_good(o))
		return;
	if (ci == OUTCOME_GITHUB)
		github(f, o);
	else
		gitlab(f, o);
}
