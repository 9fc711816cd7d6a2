/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Adds what a program needs besides itself: for an ELF file the dynamic linker and the shared
 * libraries, for a script its interpreter. Unlike ldd(1), it runs nothing to find that out.
 *
 * It searches for a library where the dynamic linker does (ld.so(8)): in the file's own DT_RUNPATH
 * or DT_RPATH, the cache, and the usual folders; it skips a file for another machine. It cannot
 * know what a program opens by itself later (plug-ins, locales): --add adds that.
 */
#include "guestfiles.h"

#include "elfneeds.h"
#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LD_CACHE "/etc/ld.so.cache"
#define HEAD_BYTES 20 /* enough for elf_machine() */
#define MAX_SCRIPT_LINE_BYTES 255

static const char *const usual_folders[] = { "/lib64", "/usr/lib64", "/lib", "/usr/lib",
					     "/usr/local/lib" };

static bool fits(const char *path, uint16_t machine)
{
	uint8_t head[HEAD_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

	if (fd >= 0)
		close(fd);
	return n == sizeof(head) && elf_machine(head, sizeof(head)) == machine;
}

/*
 * Sets *@found to "FOLDER/NAME" if that fits @machine, otherwise to NULL. Returns whether it fits.
 */
static bool try_folder(char **found, const char *folder, int folder_len, const char *name,
		       uint16_t machine)
{
	if (asprintf(found, "%.*s/%s", folder_len, folder, name) < 0) {
		*found = NULL;
		return false;
	}
	if (fits(*found, machine))
		return true;
	free(*found);
	*found = NULL;
	return false;
}

/*
 * Searches the folders of a run path; "$ORIGIN" at the start of one is the folder of the file at
 * @path.
 */
static char *find_in_run_path(const struct elf_needs *needs, const char *path, const char *name)
{
	static const char *const origins[] = { "$ORIGIN", "${ORIGIN}" };
	const char *folder = needs->run_path.nr ? needs->run_path.s[0] : "";
	int dir_len = (int)(strrchr(path, '/') - path);
	char *found = NULL;

	for (size_t len; *folder && !found; folder += len + (folder[len] == ':')) {
		size_t skip = 0;
		char *expanded;

		len = strcspn(folder, ":");
		for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
			if (!strncmp(folder, origins[i], strlen(origins[i])))
				skip = strlen(origins[i]);
		}
		if (asprintf(&expanded, "%.*s%.*s", skip ? dir_len : 0, path, (int)(len - skip),
			     folder + skip) < 0)
			break;
		try_folder(&found, expanded, (int)strlen(expanded), name, needs->machine);
		free(expanded);
	}
	return found;
}

static char *find_in_cache(struct guest_files *g, const struct elf_needs *needs, const char *name)
{
	const char *path;
	uint32_t pos = 0;

	if (!g->ld_cache_read)
		guest_read_file(LD_CACHE, &g->ld_cache, &g->ld_cache_bytes);
	g->ld_cache_read = true;
	while (g->ld_cache && (path = ldcache_next(g->ld_cache, g->ld_cache_bytes, name, &pos))) {
		if (!fits(path, needs->machine))
			continue;
		/* The guest's linker finds unusual folders only by its cache. */
		guest_files_mirror(g, LD_CACHE);
		return strdup(path);
	}
	return NULL;
}

static char *find_library(struct guest_files *g, const struct elf_needs *needs, const char *path,
			  const char *name)
{
	char *found;

	if (strchr(name, '/'))
		return name[0] == '/' ? strdup(name) : NULL;
	found = find_in_run_path(needs, path, name);
	if (!found)
		found = find_in_cache(g, needs, name);
	for (size_t i = 0; i < ARRAY_SIZE(usual_folders) && !found; i++)
		try_folder(&found, usual_folders[i], (int)strlen(usual_folders[i]), name,
			   needs->machine);
	return found;
}

static int add_libraries(struct guest_files *g, const struct elf_needs *needs, const char *path)
{
	int err = needs->interp.nr ? guest_files_mirror(g, needs->interp.s[0]) : 0;

	for (unsigned int i = 0; i < needs->library.nr && !err; i++) {
		char *found = find_library(g, needs, path, needs->library.s[i]);

		if (found)
			err = guest_files_mirror(g, found);
		else
			pr_warn("%s: needs %s, which is not on this host; the guest will not have it",
				path, needs->library.s[i]);
		free(found);
	}
	return err;
}

char *guest_find_program(const char *name)
{
	const char *folder = getenv("PATH");
	char *found = NULL;

	for (size_t len; folder && *folder; folder += len + (folder[len] == ':')) {
		struct stat st;

		len = strcspn(folder, ":");
		if (*folder != '/' || asprintf(&found, "%.*s/%s", (int)len, folder, name) < 0)
			continue;
		if (!stat(found, &st) && S_ISREG(st.st_mode) && !access(found, X_OK))
			return found;
		free(found);
	}
	return NULL;
}

/* Adds the program of "#! INTERPRETER [ARGUMENT]"; the argument of env(1) is a program, too. */
static int add_interpreter(struct guest_files *g, const uint8_t *bytes, size_t len)
{
	char line[MAX_SCRIPT_LINE_BYTES + 1] = "", *interpreter, *argument, *rest, *program;
	int err;

	memcpy(line, bytes + 2, min_u64(len - 2, MAX_SCRIPT_LINE_BYTES));
	line[strcspn(line, "\n")] = '\0';
	interpreter = strtok_r(line, " \t", &rest);
	if (!interpreter || interpreter[0] != '/' || access(interpreter, F_OK))
		return 0; /* the guest may have it */
	argument = strtok_r(NULL, " \t", &rest);
	err = guest_files_mirror(g, interpreter);
	if (err || !argument || strcmp(strrchr(interpreter, '/'), "/env") != 0)
		return err;
	program = guest_find_program(argument);
	err = program ? guest_files_mirror(g, program) : 0;
	free(program);
	return err;
}

int guest_libs_add(struct guest_files *g, const char *path, const uint8_t *bytes, size_t len)
{
	struct elf_needs needs;
	int err;

	if (len > 2 && !memcmp(bytes, "#!", 2))
		return add_interpreter(g, bytes, len);
	err = elf_needs_read(&needs, bytes, len);
	if (!err)
		err = add_libraries(g, &needs, path);
	else if (err == -ENOEXEC)
		err = 0;
	elf_needs_free(&needs);
	return err;
}
