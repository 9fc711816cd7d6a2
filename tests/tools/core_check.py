#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""core_check.py CORE: reads a stock kernel's core like a debugger, by virtual addresses only.

VMCOREINFO must be true of the kernel: its version must be in init_uts_ns, mem_section must lead to
memory of the direct map, and each vCPU's stack must be there. Ends with 0, or prints what is wrong.
"""
import re
import struct
import sys


def main(path):
    with open(path, "rb") as f:
        head = f.read(64)
        if head[:5] != b"\x7fELF\x02" or struct.unpack_from("<HH", head, 16) != (4, 62):
            return "no ELF core of x86-64"
        phoff, = struct.unpack_from("<Q", head, 32)
        phnum, = struct.unpack_from("<H", head, 56)
        f.seek(phoff)
        headers = [struct.unpack("<IIQQQQQQ", f.read(56)) for _ in range(phnum)]

        def read(vaddr, size):
            for kind, _, offset, start, _, filesz, _, _ in headers:
                if kind == 1 and start <= vaddr and vaddr + size <= start + filesz:
                    f.seek(offset + vaddr - start)
                    return f.read(size)
            raise KeyError(f"nothing at {vaddr:#x}")

        note = next(h for h in headers if h[0] == 4)
        f.seek(note[2])
        notes, at, regs, info = f.read(note[5]), 0, [], ""
        while at + 12 <= len(notes):
            namesz, descsz, kind = struct.unpack_from("<III", notes, at)
            name = notes[at + 12:at + 12 + namesz].rstrip(b"\0")
            desc_at = at + 12 + (namesz + 3 & ~3)
            desc = notes[desc_at:desc_at + descsz]
            at = desc_at + (descsz + 3 & ~3)
            if name == b"CORE" and kind == 1:
                regs.append(struct.unpack_from("<27Q", desc, 112))
            elif name == b"VMCOREINFO":
                info = desc.decode(errors="replace")
        value = dict(re.findall(r"^([^=\n]+)=(.*)$", info, re.M))
        if not regs or "OSRELEASE" not in value:
            return f"{len(regs)} vCPUs' registers, {len(info)} bytes of VMCOREINFO"
        uts = read(int(value["SYMBOL(init_uts_ns)"], 16), 512)
        if value["OSRELEASE"].encode() + b"\0" not in uts:
            return "init_uts_ns has another version"
        # The pointer's value, as VMCOREINFO_SYMBOL_ARRAY has it: an array of pointers, all in the
        # direct map.
        sections = int(value["SYMBOL(mem_section)"], 16)
        read(struct.unpack("<Q", read(sections, 8))[0], 64)
        for r in regs:
            read(r[19], 64)
            read(r[16], 16)
        print(f"{value['OSRELEASE']}, KASLR {value['KERNELOFFSET']}, "
              f"direct map at {sections:#x}, RIP {regs[0][16]:#x}")
    return None


try:
    why = main(sys.argv[1])
except (KeyError, StopIteration, struct.error, OSError) as e:
    why = repr(e)
sys.exit(why)
