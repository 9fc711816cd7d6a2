#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make_images.py DIR: writes malformed kernels and initrds to DIR and prints a line for each.

Each is named after what is wrong with it. The lines are:

    kernel NAME WHAT     for -k; the message must name it and contain WHAT
    initrd NAME WHAT     for -i, with the kernel DIR/good

make_images.py --seeds DIR: writes the small valid kernels that fuzzing begins with
(tests/fuzz/seeds).
"""
import os
import struct
import sys

SECTS = 1
PM_OFFSET = (SECTS + 1) * 512
PM_BYTES = 2048
VERSION = b"6.1.0-test #1\0"
MIB = 1 << 20

# boot.rst: offset in the file and struct format of the fields
FIELDS = {
    "setup_sects": (0x1F1, "B"), "syssize": (0x1F4, "I"), "boot_flag": (0x1FE, "H"),
    "jump": (0x200, "B"), "header_length": (0x201, "B"), "magic": (0x202, "4s"),
    "version": (0x206, "H"), "kernel_version": (0x20E, "H"),
    "loadflags": (0x211, "B"), "code32_start": (0x214, "I"), "initrd_addr_max": (0x22C, "I"),
    "kernel_alignment": (0x230, "I"),
    "relocatable_kernel": (0x234, "B"), "xloadflags": (0x236, "H"), "cmdline_size": (0x238, "I"),
    "pref_address": (0x258, "Q"), "init_size": (0x260, "I"),
}

GOOD = {
    "setup_sects": SECTS, "syssize": PM_BYTES // 16, "boot_flag": 0xAA55, "jump": 0xEB,
    "header_length": 0x6A, "magic": b"HdrS", "version": 0x20F, "kernel_version": 0x100,
    "loadflags": 1, "code32_start": MIB, "initrd_addr_max": 0x7FFFFFFF,
    "kernel_alignment": 2 * MIB, "relocatable_kernel": 1, "xloadflags": 1, "cmdline_size": 2047,
    "pref_address": 16 * MIB, "init_size": 4 * MIB,
}


def bzimage(**changes):
    image = bytearray(PM_OFFSET + PM_BYTES)
    image[0x300:0x300 + len(VERSION)] = VERSION
    image[PM_OFFSET:] = b"\xf4\xeb\xfd\x90" * (PM_BYTES // 4)  # hlt; jmp to it
    for name, value in {**GOOD, **changes}.items():
        offset, form = FIELDS[name]
        struct.pack_into("<" + form, image, offset, value)
    return bytes(image)


def at(offset, data, length=16384):
    image = bytearray(length)
    image[offset:offset + len(data)] = data
    return bytes(image)


def elf(kind, machine):
    return at(0, b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HH", kind, machine))


TEXT = 4096  # where an ELF image's only segment begins in the file
GPA = 16 * MIB


def vmlinux(note=True, truncate=None, **changes):
    """An ELF kernel of one segment, with a PVH note; changes are to its headers' fields."""
    h = {"type": 2, "machine": 62, "entry": GPA, "phoff": 64, "phentsize": 56, "phnum": 2,
         "load": 1, "offset": TEXT, "paddr": GPA, "filesz": 4096, "memsz": 8192, "pvh": GPA,
         **changes}
    ehdr = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", h["type"], h["machine"], 1, h["entry"], h["phoff"], 0, 0, 64,
        h["phentsize"], h["phnum"], 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", h["load"], 5, h["offset"], h["paddr"], h["paddr"], h["filesz"],
                       h["memsz"], 4096)
    notes = struct.pack("<IIQQQQQQ", 4 if note else 0, 4, 1024, 0, 0, 20, 20, 4)
    image = bytearray(TEXT + 4096)
    image[:len(ehdr + load + notes)] = ehdr + load + notes
    image[1024:1044] = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", h["pvh"])
    return bytes(image[:truncate])


def multiboot1(flags, *addresses):
    image = bytearray(vmlinux(note=False))
    header = struct.pack("<III", 0x1BADB002, flags, -(0x1BADB002 + flags) & 0xFFFFFFFF)
    header += b"".join(struct.pack("<I", a) for a in addresses)
    image[2048:2048 + len(header)] = header
    return bytes(image)


def multiboot2(tags, arch=0, length=None):
    image = bytearray(vmlinux(note=False))
    length = 16 + len(tags) if length is None else length
    header = struct.pack("<IIII", 0xE85250D6, arch, length,
                         -(0xE85250D6 + arch + length) & 0xFFFFFFFF) + tags
    image[2048:2048 + len(header)] = header
    return bytes(image)


def tag(kind, body=b"", flags=0, size=None):
    data = struct.pack("<HHI", kind, flags, 8 + len(body) if size is None else size) + body
    return data + bytes(-len(data) % 8)


END = tag(0)


def kernels():
    """name -> (content, what the message must contain)"""
    good = bzimage()
    return {
        # not there at all
        "empty": (b"", "empty"),
        "one-byte": (b"\x90", "shorter than"),
        "header-cut-in-two": (good[:0x210], "shorter than"),
        "only-a-header": (good[:0x270], "truncated"),
        "setup-only": (good[:PM_OFFSET], "truncated"),
        "last-paragraph-missing": (good[:-16],
                                   "truncated: 3072 bytes by its header, the file has 3056"),
        "half-missing": (good[:PM_OFFSET + PM_BYTES // 2], "truncated"),
        "zeros": (bytes(65536), "zeros"),
        "noise": (bytes((i * i * 31 + i * 7 + 1) & 0xFF for i in range(8192)),
                  "not a kernel of a known format"),
        # something else
        "text": (b"This is not a kernel.\n" * 100, "text"),
        "script": (b"#!/bin/sh\nexit 0\n", "script"),
        "elf-without-segments": (elf(2, 62), "0 program headers"),
        "arm64-elf": (elf(2, 183), "another kind of processor"),
        "module.ko": (elf(1, 62), "ELF object or module"),
        "arm64-Image": (at(0x38, b"ARM\x64"), "arm64"),
        "gzip": (at(0, b"\x1f\x8b\x08"), "gzip"),
        "xz": (at(0, b"\xfd7zXZ\0"), "xz"),
        "zstd": (at(0, b"\x28\xb5\x2f\xfd"), "zstd"),
        "lz4": (at(0, b"\x02\x21\x4c\x18"), "lz4"),
        "bzip2": (at(0, b"BZh91AY&SY"), "bzip2 -dc"),
        "lzop": (at(0, b"\x89LZO\0\r\n\x1a\n"), "lzop -dc"),
        "cpio": (at(0, b"070701" + b"0" * 104), "cpio"),
        "uki": (at(0, b"MZ"), "unified kernel image"),
        "qcow2": (at(0, b"QFI\xfb\0\0\0\3"), "qcow2"),
        "ext4": (at(0x438, b"\x53\xef"), "ext4"),
        "squashfs": (at(0, b"hsqs"), "squashfs"),
        "boot-sector": (at(0x1FE, b"\x55\xaa"), "boot sector"),
        "deb": (at(0, b"!<arch>\ndebian-binary"), "Debian package"),
        # ELF
        "elf-header-cut": (vmlinux(truncate=40), "header is incomplete"),
        "elf-table-cut": (vmlinux(truncate=100), "program headers lie outside"),
        "elf-segment-cut": (vmlinux(truncate=TEXT + 4095), "truncated: segment 0"),
        "elf-table-at-the-end": (vmlinux(phoff=(1 << 64) - 8), "program headers lie outside"),
        "elf-65535-segments": (vmlinux(phnum=65535), "65535 program headers"),
        "elf-nothing-to-load": (vmlinux(load=6), "without anything to load"),
        "elf-program": (vmlinux(load=3), "a program for a Linux system"),
        "elf-offset-max": (vmlinux(offset=(1 << 64) - 4096), "truncated: segment 0"),
        "elf-memory-max": (vmlinux(memsz=(1 << 64) - 1), "but a kernel may only use memory"),
        "elf-in-the-hole": (vmlinux(paddr=3 << 30), "but a kernel may only use memory"),
        "elf-in-our-tables": (vmlinux(paddr=0x10000), "but a kernel may only use memory"),
        "elf-entry-outside": (vmlinux(entry=0), "entry point is outside"),
        "elf-pvh-outside": (vmlinux(pvh=GPA + 8192), "PVH entry 0x1002000 is outside"),
        # Multiboot
        "multiboot-flags": (multiboot1(0x8000), "demands undefined features"),
        "multiboot-addresses": (multiboot1(1 << 16, 0, GPA, 0, 0, GPA),
                                "do not fit the header's place"),
        "multiboot-cut": (multiboot1(1 << 16, GPA, GPA, GPA + MIB, 0, GPA), "truncated"),
        "multiboot-entry": (multiboot1(1 << 16, GPA, GPA, 0, 0, 0), "entry 0x0 is outside"),
        "multiboot2-arch": (multiboot2(END, arch=4), "another architecture"),
        "multiboot2-long": (multiboot2(END, length=1 << 31),
                            "Multiboot 2 header is 2147483648 bytes long"),
        "multiboot2-framebuffer": (multiboot2(tag(5, bytes(12)) + END), "demands a framebuffer"),
        "multiboot2-request": (multiboot2(tag(1, struct.pack("<I", 7)) + END),
                               "information of type 7"),
        "multiboot2-unknown-tag": (multiboot2(tag(99) + END), "tag of type 99"),
        "multiboot2-tag-too-long": (multiboot2(tag(6, size=1 << 31) + END),
                                    "which is not a valid length"),
        "multiboot2-tag-too-short": (multiboot2(tag(2) + END), "has only 8 bytes"),
        "multiboot2-no-end": (multiboot2(tag(6)), "does not end with a tag"),
        # one wrong field each
        "no-magic": (bzimage(magic=b"HdrX"), "boot sector"),
        "no-boot-flag": (bzimage(boot_flag=0), "boot flag"),
        "protocol-2.01": (bzimage(version=0x201), "2.01 is too old"),
        "protocol-0": (bzimage(version=0), "0.00 is too old"),
        "no-jump": (bzimage(jump=0), "no short jump"),
        "header-too-short": (bzimage(header_length=0x20), "setup header ends"),
        "header-too-long": (bzimage(header_length=0xFF), "setup header ends"),
        "setup-sects-255": (bzimage(setup_sects=255), "truncated"),
        "syssize-0": (bzimage(syssize=0), "syssize"),
        "syssize-one-more": (bzimage(syssize=PM_BYTES // 16 + 1), "truncated"),
        "syssize-max": (bzimage(syssize=0xFFFFFFFF), "truncated"),
        "zimage": (bzimage(loadflags=0), "zImage"),
        "entry64-outside": (bzimage(syssize=0x200 // 16), "xloadflags"),
        "alignment-0": (bzimage(kernel_alignment=0), "kernel_alignment"),
        "alignment-3M": (bzimage(kernel_alignment=3 * MIB), "kernel_alignment"),
        "alignment-2G": (bzimage(kernel_alignment=1 << 31), "kernel_alignment"),
        "init-size-0": (bzimage(init_size=0), "init_size"),
        "init-size-too-small": (bzimage(init_size=PM_BYTES - 1), "init_size"),
        "init-size-max": (bzimage(init_size=0xFFFFFFFF), "devices begin"),
        "pref-address-3G": (bzimage(pref_address=3 << 30), "pref_address"),
        "pref-address-max": (bzimage(pref_address=(1 << 64) - 1), "pref_address"),
        "fixed-at-64K": (bzimage(relocatable_kernel=0, pref_address=0x10000), "pref_address"),
        "needs-2G": (bzimage(init_size=0x7F000000), "needs at least 2048M of memory (-m)"),
        "no-parameters-fit": (bzimage(cmdline_size=0), "this kernel takes 0"),
    }


def write(directory, name, content):
    with open(os.path.join(directory, name), "wb") as f:
        f.write(content)


def sparse(directory, name, size):
    with open(os.path.join(directory, name), "wb") as f:
        f.truncate(size)


def make_all(directory):
    write(directory, "good", bzimage())
    for name, (content, what) in kernels().items():
        write(directory, name, content)
        print("kernel", name, what)
    os.makedirs(os.path.join(directory, "folder"), exist_ok=True)
    write(directory, "locked", bzimage())
    os.chmod(os.path.join(directory, "locked"), 0)
    if not os.path.exists(os.path.join(directory, "pipe")):
        os.mkfifo(os.path.join(directory, "pipe"))
    sparse(directory, "needs-2G-initrd", 2000 * MIB)
    sparse(directory, "4G-initrd", 4 << 30)
    for kind in "kernel", "initrd":
        print(kind, "absent", "No such file")
        print(kind, "folder", "a directory")
        print(kind, "locked", "Permission denied")
        print(kind, "pipe", "a pipe")
    print("initrd", "empty", "empty")
    print("initrd", "needs-2G-initrd", "needs at least 2020M of memory (-m)")
    print("initrd", "4G-initrd", "below 3G")


def make_seeds(directory):
    tail = b"\0"  # an odd size makes the fuzz target load an initrd too
    write(directory, "proto-2.15-64", bzimage())
    write(directory, "proto-2.15-32-initrd", bzimage(xloadflags=0) + tail)
    write(directory, "proto-2.12-fixed",
          bzimage(version=0x20C, header_length=0x66, relocatable_kernel=0))
    write(directory, "proto-2.06-initrd", bzimage(version=0x206, header_length=0x3A) + tail)
    write(directory, "initrd-below-kernel", bzimage(initrd_addr_max=16 * MIB) + tail)
    write(directory, "cpio", at(0, b"070701", 512))
    write(directory, "proto-2.03", bzimage(version=0x203, header_length=0x2E, syssize=0) + tail)
    write(directory, "flat", b"\xf4\xeb\xfd\x90" * 100)


def make_elf_seeds(directory):
    tail = b"\0"
    write(directory, "pvh-module", vmlinux() + tail)
    write(directory, "elf64", vmlinux(note=False))
    write(directory, "multiboot1", multiboot1(3) + tail)


def make_multiboot_seeds(directory):
    """A byte for the version and the file's form, then the header; see fuzz_multiboot.c."""
    base = MIB + 512
    write(directory, "v1-elf", b"\2" + struct.pack("<4I", 0, 3, 0, 0) + b"\0")
    write(directory, "v1-addresses",
          b"\0" + struct.pack("<8I", 0, 1 << 16, 0, base, MIB, 0, 2 * MIB, base))
    tags = tag(1, struct.pack("<II", 3, 6)) + tag(3, struct.pack("<I", 2 * MIB))
    tags += tag(5, bytes(12), flags=1) + END
    write(directory, "v2-elf", b"\3" + struct.pack("<4I", 0, 0, 16 + len(tags), 0) + tags + b"\0")
    tags = tag(2, struct.pack("<IIII", base, MIB, 0, 0)) + tag(3, struct.pack("<I", base)) + END
    write(directory, "v2-addresses", b"\1" + struct.pack("<4I", 0, 0, 16 + len(tags), 0) + tags)


if len(sys.argv) == 3 and sys.argv[1] == "--seeds":
    for name, make in (("bzimage", make_seeds), ("elf", make_elf_seeds),
                       ("multiboot", make_multiboot_seeds)):
        os.makedirs(os.path.join(sys.argv[2], name), exist_ok=True)
        make(os.path.join(sys.argv[2], name))
elif len(sys.argv) == 2:
    make_all(sys.argv[1])
else:
    sys.exit(__doc__)
