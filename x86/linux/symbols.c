/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps a table of names for guest addresses, sorted by address, and reads it from a file.
 *
 * Reading a file costs time and memory, so it happens only when the first post-mortem is printed.
 * The file is not trusted: offsets and counts are checked before they are used.
 *
 * KASLR moves 64-bit Linux as a whole, by a multiple of 2 MiB and less than 1 GiB. The addresses
 * that the kernel has given the processor (the entry of system calls, the handler of page faults)
 * show by how much.
 */
#include "symbols.h"

#include "kvm/log.h"
#include "x86/boot/elf_header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 255
/* An address that is further than this from its symbol belongs to something else. */
#define NEAR_BYTES (1 * MIB)

struct symbol {
	uint64_t addr;
	uint32_t name; /* offset in names */
};

struct symbols {
	struct symbol *table;
	size_t nr, cap;
	char *names;
	size_t name_bytes, name_cap;
	uint64_t slide;
	uint64_t image_gpa, image_bytes, image_linked; /* see symbols_set_image() */
};

struct symbols *symbols_create(void)
{
	return calloc(1, sizeof(struct symbols));
}

void symbols_destroy(struct symbols *s)
{
	if (!s)
		return;
	free(s->table);
	free(s->names);
	free(s);
}

static int grow(void **p, size_t *cap, size_t need, size_t size)
{
	size_t want = *cap ? *cap * 2 : 4096;
	void *bigger;

	if (need <= *cap)
		return 0;
	while (want < need)
		want *= 2;
	bigger = reallocarray(*p, want, size);
	if (!bigger)
		return -ENOMEM;
	*p = bigger;
	*cap = want;
	return 0;
}

int symbols_add(struct symbols *s, uint64_t addr, const char *name, size_t len)
{
	int err;

	if (len > NAME_MAX_BYTES)
		len = NAME_MAX_BYTES;
	err = grow((void **)&s->table, &s->cap, s->nr + 1, sizeof(*s->table));
	if (!err)
		err = grow((void **)&s->names, &s->name_cap, s->name_bytes + len + 1, 1);
	if (!err && s->name_bytes + len >= UINT32_MAX)
		err = -ENOMEM;
	if (err)
		return err;
	s->table[s->nr++] = (struct symbol){ .addr = addr, .name = (uint32_t)s->name_bytes };
	for (size_t i = 0; i < len; i++) /* they are printed on a terminal */
		s->names[s->name_bytes + i] = name[i] > ' ' && name[i] <= '~' ? name[i] : '?';
	s->names[s->name_bytes + len] = '\0';
	s->name_bytes += len + 1;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name; /* aliases: in the order of adding */
}

int symbols_finish(struct symbols *s)
{
	if (s->nr)
		qsort(s->table, s->nr, sizeof(*s->table), compare);
	return 0;
}

/* Reads from an ELF file in memory; the @ctx of its struct elf_file is its bytes. */
static int read_bytes(void *ctx, void *to, uint64_t len, uint64_t offset)
{
	memcpy(to, (const uint8_t *)ctx + offset, len);
	return 0;
}

/* Reads section header @index. Returns whether the section lies within the file. */
static bool elf_section(const struct elf_file *f, unsigned int index, Elf64_Shdr *section)
{
	return index < f->header.e_shnum && !elf_header_section(f, index, section) &&
	       section->sh_offset <= f->file_bytes &&
	       section->sh_size <= f->file_bytes - section->sh_offset;
}

static Elf64_Sym elf_symbol(const struct elf_file *f, const Elf64_Shdr *table, uint64_t index)
{
	const uint8_t *symbols = (const uint8_t *)f->ctx + table->sh_offset;
	Elf64_Sym sym;
	Elf32_Sym s32;

	if (f->bits == 64) {
		memcpy(&sym, symbols + index * sizeof(sym), sizeof(sym));
		return sym;
	}
	memcpy(&s32, symbols + index * sizeof(s32), sizeof(s32));
	return (Elf64_Sym){ .st_name = s32.st_name,
			    .st_info = s32.st_info,
			    .st_shndx = s32.st_shndx,
			    .st_value = s32.st_value };
}

static bool is_code_or_data(const Elf64_Sym *sym)
{
	unsigned int type = ELF64_ST_TYPE(sym->st_info);

	return sym->st_shndx != SHN_UNDEF && sym->st_shndx != SHN_ABS &&
	       (type == STT_NOTYPE || type == STT_FUNC || type == STT_OBJECT);
}

static int add_elf_symbols(struct symbols *s, const struct elf_file *f, const Elf64_Shdr *table,
			   const Elf64_Shdr *strings)
{
	uint64_t nr = table->sh_size / (f->bits == 64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym));
	int err = 0;

	for (uint64_t i = 0; !err && i < nr; i++) {
		Elf64_Sym sym = elf_symbol(f, table, i);
		const char *name;
		size_t room, n;

		if (!is_code_or_data(&sym) || sym.st_name >= strings->sh_size)
			continue;
		name = (const char *)f->ctx + strings->sh_offset + sym.st_name;
		room = strings->sh_size - sym.st_name;
		n = strnlen(name, room);
		if (n && n < room && name[0] != '.' && name[0] != '$')
			err = symbols_add(s, sym.st_value, name, n);
	}
	return err;
}

static int parse_elf(struct symbols *s, const uint8_t *bytes, size_t len)
{
	struct elf_file f = { .read = read_bytes, .ctx = (void *)bytes, .file_bytes = len };
	Elf64_Shdr section, strings;

	if (!elf_header_read(&f, bytes, len) ||
	    f.header.e_shentsize != elf_header_section_bytes(&f))
		return -EINVAL;
	for (unsigned int i = 0; i < f.header.e_shnum; i++) {
		if (!elf_section(&f, i, &section) || section.sh_type != SHT_SYMTAB)
			continue;
		if (!elf_section(&f, section.sh_link, &strings))
			return -EINVAL;
		return add_elf_symbols(s, &f, &section, &strings);
	}
	return -EINVAL;
}

/* Parses "ffffffff81000000 T _text", without its newline. @text does not end in a NUL. */
static int parse_map_line(struct symbols *s, const char *text, size_t len)
{
	uint64_t addr = 0;
	size_t digits = 0;

	for (; digits < len && digits < 16; digits++) {
		char c = text[digits];
		unsigned int nibble = c >= '0' && c <= '9'   ? (unsigned int)(c - '0')
				      : c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a' + 10)
							     : 16;

		if (nibble > 15)
			break;
		addr = addr << 4 | nibble;
	}
	if (digits < 8 || len < digits + 4 || text[digits] != ' ' || text[digits + 2] != ' ')
		return -EINVAL;
	if (text[digits + 1] == 'a' || text[digits + 1] == 'A') /* a number, not an address */
		return 0;
	text += digits + 3;
	len -= digits + 3;
	if (memchr(text, ' ', len)) /* a sentence: a distribution's placeholder */
		return -EINVAL;
	return symbols_add(s, addr, text, len);
}

static int parse_map(struct symbols *s, const char *text, size_t len)
{
	int err = len ? 0 : -EINVAL;

	while (!err && len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len, step = end ? n + 1 : n;

		err = parse_map_line(s, text, n);
		text += step;
		len -= step;
	}
	return err;
}

static bool is_elf(const uint8_t *bytes, size_t len)
{
	return len >= SELFMAG && !memcmp(bytes, ELFMAG, SELFMAG);
}

int symbols_parse(struct symbols *s, const uint8_t *bytes, size_t len)
{
	int err;

	if (is_elf(bytes, len))
		err = parse_elf(s, bytes, len);
	else
		err = parse_map(s, (const char *)bytes, len);
	return err ? err : symbols_finish(s);
}

static int load_fd(struct symbols *s, int fd, bool elf_only)
{
	struct stat st;
	void *bytes;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return -EINVAL;
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	if (elf_only && !is_elf(bytes, (size_t)st.st_size))
		err = -EINVAL;
	else
		err = symbols_parse(s, bytes, (size_t)st.st_size);
	munmap(bytes, (size_t)st.st_size);
	return err;
}

static int load_path(struct symbols *s, const char *path, bool elf_only)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int err = fd < 0 ? -errno : load_fd(s, fd, elf_only);

	if (fd >= 0)
		close(fd);
	return err;
}

int symbols_load_elf(struct symbols *s, const char *path)
{
	return load_path(s, path, true);
}

int symbols_load(struct symbols *s, const char *path)
{
	int err = load_path(s, path, false);

	if (err == -EINVAL)
		pr_warn("--symbols %s: neither an ELF file with a symbol table nor a System.map",
			path);
	else if (err)
		pr_warn("--symbols %s: %s", path, strerror(-err));
	return err;
}

void symbols_set_slide(struct symbols *s, uint64_t slide)
{
	s->slide = slide;
}

void symbols_set_image(struct symbols *s, uint64_t vaddr, uint64_t gpa, uint64_t bytes)
{
	s->image_linked = vaddr - s->slide;
	s->image_gpa = gpa;
	s->image_bytes = bytes;
}

bool symbols_lookup(const struct symbols *s, const char *name, uint64_t *addr)
{
	for (size_t i = 0; i < s->nr; i++) {
		if (!strcmp(s->names + s->table[i].name, name)) {
			*addr = s->table[i].addr + s->slide;
			return true;
		}
	}
	return false;
}

/* Returns the last symbol at or below @addr, of aliases the first; NULL if there is none. */
static const struct symbol *find(const struct symbols *s, uint64_t addr)
{
	size_t low = 0, high = s->nr;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (s->table[mid].addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	for (low--; low > 0 && s->table[low - 1].addr == s->table[low].addr;)
		low--;
	return &s->table[low];
}

/* Returns the address at which the code or data at @addr was linked. */
static uint64_t as_linked(const struct symbols *s, uint64_t addr)
{
	bool in_image = addr - s->image_gpa < s->image_bytes;

	return in_image ? addr - s->image_gpa + s->image_linked : addr - s->slide;
}

/* Writes @addr relative to the symbol to which the byte @back bytes before it belongs. */
static const char *text(const struct symbols *s, uint64_t addr, unsigned int back, char *buf,
			size_t n)
{
	uint64_t within = s ? as_linked(s, addr - back) : 0;
	const struct symbol *sym = s ? find(s, within) : NULL;
	uint64_t offset = sym ? within + back - sym->addr : 0;

	if (!sym || offset >= NEAR_BYTES)
		snprintf(buf, n, "%s", "");
	else if (offset)
		snprintf(buf, n, "%s+0x%llx", s->names + sym->name, (unsigned long long)offset);
	else
		snprintf(buf, n, "%s", s->names + sym->name);
	return buf;
}

const char *symbols_text(const struct symbols *s, uint64_t addr, char *buf, size_t n)
{
	return text(s, addr, 0, buf, n);
}

const char *symbols_return_text(const struct symbols *s, uint64_t addr, char *buf, size_t n)
{
	return text(s, addr, 1, buf, n);
}

static bool slide_from(struct symbols *s, const char *name, uint64_t offset, uint64_t held)
{
	uint64_t linked, slide;

	if (!held || !symbols_lookup(s, name, &linked))
		return false;
	slide = held - offset - linked;
	if (!is_aligned(slide, 2 * MIB) || slide >= GIB)
		return false;
	s->slide = slide;
	return true;
}

bool symbols_find_slide(struct symbols *s, const struct symbols_anchors *a)
{
	uint64_t before = s->slide, addr;
	bool known;

	s->slide = 0;
	known = !symbols_lookup(s, "entry_SYSCALL_64", &addr) || /* not Linux: not moved */
		slide_from(s, "_stext", 0, a->stext) ||
		slide_from(s, "entry_SYSCALL_64", 0, a->lstar) ||
		slide_from(s, "asm_exc_page_fault", 0, a->page_fault) ||
		slide_from(s, "page_fault", 0, a->page_fault) ||
		/* Before trap_init(): 9 bytes a vector, 13 with an ENDBR. */
		slide_from(s, "early_idt_handler_array", 14ULL * 9, a->page_fault) ||
		slide_from(s, "early_idt_handler_array", 14ULL * 13, a->page_fault);
	if (!known)
		s->slide = before;
	return known;
}

bool symbols_agree(const struct symbols *a, const struct symbols *b)
{
	static const char *const names[] = { "entry_SYSCALL_64", "asm_exc_page_fault", "_stext" };
	uint64_t x, y;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (symbols_lookup(a, names[i], &x) && symbols_lookup(b, names[i], &y) && x != y)
			return false;
	}
	return true;
}
