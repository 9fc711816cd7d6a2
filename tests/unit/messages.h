/* SPDX-License-Identifier: GPL-2.0-only */
/* Captures our messages on stderr in a file while a test runs, and shows them afterwards. */
#ifndef TESTS_MESSAGES_H
#define TESTS_MESSAGES_H

#include <fcntl.h>
#include <unistd.h>

struct messages {
	int saved; /* the real stderr */
	int file;
};

static inline int messages_begin(struct messages *m, const char *path)
{
	m->file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	m->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
	return m->file >= 0 && m->saved >= 0 && dup2(m->file, STDERR_FILENO) >= 0 ? 0 : -1;
}

static inline void messages_end(struct messages *m)
{
	char text[4096];
	ssize_t n;

	dup2(m->saved, STDERR_FILENO);
	close(m->saved);
	lseek(m->file, 0, SEEK_SET);
	while ((n = read(m->file, text, sizeof(text))) > 0) {
		if (write(STDERR_FILENO, text, (size_t)n) < 0)
			break;
	}
	close(m->file);
}

#endif
