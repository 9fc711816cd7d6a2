#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""house.py [RULE...]: holds the layout of the sources; without a rule, all of them.

  circles   no circle of calls between files, nor between folders
  calls     a folder calls only the folders that MAY_CALL lists for it, and each of those
  headers   include/ has what other top folders include, and nothing else
  names     base names occur once; a folder has 3 to 24 C files

Who calls whom is read from the compiled objects, so `make all payload` comes first: an undefined
symbol is an edge to the file that defines it, whether code calls it or a table points to it.
Prints what is wrong, a line each, and then what there is.
"""
import collections
import glob
import os
import re
import subprocess
import sys

# folder: the folders that it may call. An entry that no object needs is an error too.
# The lowest level comes first; `house.py table` prints what the objects need.
MAY_CALL = """
guest/bios:
guest/init:
guest/payload:
kvm/base:
kvm:             kvm/base
kvm/chardev:     kvm kvm/base
kvm/checks:      kvm kvm/base
kvm/gdb:         kvm kvm/base
kvm/postmortem:  kvm kvm/base
kvm/trace:       kvm kvm/base
kvm/config:      kvm/base kvm/checks kvm/trace
kvm/smoke:       kvm/base kvm/checks
kvm/guestcmd:    guest/init kvm/base kvm/config
kvm/cmd:         kvm kvm/base kvm/chardev kvm/checks kvm/config kvm/gdb kvm/guestcmd \
                 kvm/postmortem kvm/smoke kvm/trace
hw:              kvm kvm/base kvm/chardev
virtio:          kvm kvm/base
virtio/disk:     kvm kvm/base
virtio/vhost:    kvm/base
virtio/netdev:   kvm/base virtio/vhost
virtio/qcow2:    kvm/base virtio/disk
virtio/device:   kvm kvm/base kvm/chardev virtio virtio/disk virtio/netdev virtio/qcow2 virtio/vhost
x86/boot:        guest/bios kvm kvm/base
x86/cpu:         kvm kvm/base
x86/tables:      kvm
x86/linux:       kvm kvm/base x86/boot x86/cpu
x86/postmortem:  kvm kvm/base kvm/chardev kvm/postmortem kvm/trace x86/cpu x86/linux
x86/gdb:         kvm x86/cpu x86/postmortem
x86/board:       hw kvm kvm/base kvm/chardev kvm/config kvm/trace virtio virtio/device \
                 virtio/disk virtio/netdev x86/boot x86/cpu x86/gdb x86/postmortem x86/tables
x86:             x86/board x86/boot x86/cpu x86/gdb x86/postmortem
main.c:          kvm/base kvm/chardev kvm/cmd x86
"""

TOPS = ("kvm", "x86", "hw", "virtio")
FEWEST, MOST = 3, 24
OTHER_SIZES = {
    "main.c": (1, 1),
    "x86": (1, 1),  # arch_x86.c: the table of what the core may ask
}

# The processor enters the one by itself, and it calls the other: to the graph they are one file.
STUBS = {
    "guest/payload/irq_entry.S": "guest/payload/irq.c",
    "guest/payload/trampoline.S": "guest/payload/smp.c",
}
OWN_PROGRAMS = {"guest/payload/flat16.S", "guest/payload/forms.S"}  # not in the payload's graph


def files(*patterns):
    return sorted(path for p in patterns for path in glob.glob(p, recursive=True))


def folder_of(path):
    return os.path.dirname(path) or path


PRODUCT = files("main.c", *(f"{top}/**/*.c" for top in TOPS))


def programs():
    """Of each program that is linked from several files: its sources, and their objects."""
    def objects(sources, name):
        return {source: name(os.path.splitext(source)[0]) for source in sources}

    kvm = objects(PRODUCT + ["guest/bios/bios.S"], lambda stem: f"build/obj/{stem}.o")
    kvm["guest/init/blob.S"] = "build/guest-init/blob.o"
    payload = set(files("guest/payload/*.[cS]")) - OWN_PROGRAMS
    return (kvm,
            objects(files("guest/init/*.c"), lambda stem: f"build/guest-init/{stem[11:]}.o"),
            objects(payload, lambda stem: f"build/payload/{stem[14:]}.o"))


def symbols(objects):
    """Yields each object's global symbols: object, name, and whether it is defined there."""
    missing = [path for path in objects if not os.path.exists(path)]
    if missing:
        sys.exit(f"house.py: {missing[0]} is not there; run make all payload")
    nm = ["nm", "-A", "-P", "-g", *objects]
    for line in subprocess.check_output(nm, text=True).splitlines():
        path, symbol = line.split(": ", 1)
        name, kind = symbol.split()[:2]
        yield path, name, kind not in "Uwv"


def call_graph():
    """{ caller: { callee: symbol } } of all files, and of each file the symbols it lacks."""
    graph, lacks = collections.defaultdict(dict), collections.defaultdict(set)
    for program in programs():
        source_of = {path: STUBS.get(source, source) for source, path in program.items()}
        found = list(symbols(source_of))
        home = {name: source_of[path] for path, name, defined in found if defined}
        for path, name, defined in found:
            source = source_of[path]
            if not defined:
                lacks[source].add(name)
            if not defined and home.get(name, source) != source:
                graph[source].setdefault(home[name], name)
    return graph, lacks


def between_folders(graph):
    """The same graph of folders; in the symbol's place the call that makes the edge."""
    folders = collections.defaultdict(dict)
    for caller, callees in sorted(graph.items()):
        for callee, symbol in sorted(callees.items()):
            if folder_of(caller) != folder_of(callee):
                call = f"{os.path.basename(caller)}: {symbol}"
                folders[folder_of(caller)].setdefault(folder_of(callee), call)
    return folders


def way(graph, start, end):
    """The shortest way from a node over at least one edge to another, or None."""
    came_from, todo = {}, collections.deque([start])
    while todo:
        node = todo.popleft()
        for callee in sorted(graph.get(node, ())):
            if callee not in came_from:
                came_from[callee] = node
                todo.append(callee)
        if end in came_from:
            nodes = [end]
            while len(nodes) == 1 or nodes[-1] != start:
                nodes.append(came_from[nodes[-1]])
            return nodes[::-1]
    return None


def circles(graph):
    """The shortest circle through each node that has not been in one before, as text."""
    found, seen = [], set()
    for node in sorted(graph):
        nodes = None if node in seen else way(graph, node, node)
        if nodes and not seen.intersection(nodes):
            steps = zip(nodes, nodes[1:])
            found.append(nodes[0] + "".join(f" -> {b} ({graph[a][b]})" for a, b in steps))
        seen.update(nodes or ())
    return found


def rule_circles():
    graph, _ = call_graph()
    of_files, of_folders = circles(graph), circles(between_folders(graph))
    for circle in of_files:
        yield f"circle of files: {circle}"
    for circle in of_folders:
        yield f"circle of folders: {circle}"
    print(f"circles: {len(of_files) + len(of_folders)}")


def may_call():
    lines = (line.split(":") for line in MAY_CALL.splitlines() if line)
    return {folder: callees.split() for folder, callees in lines}


def rule_calls():
    graph, lacks = call_graph()
    have, may = between_folders(graph), may_call()
    there = {folder_of(source) for program in programs() for source in program}
    for folder in sorted(there - set(may)):
        yield f"{folder}: no line in MAY_CALL"
    for folder in sorted(set(may) - there):
        yield f"{folder}: MAY_CALL has a line, but there is no such folder"
    for folder, callees in sorted(have.items()):
        for callee, call in sorted(callees.items()):
            if folder in may and callee not in may[folder]:
                yield f"{folder} must not call {callee} ({call})"
    order = list(may)
    for folder, callees in may.items():
        for callee in callees:
            if callee in may and order.index(callee) > order.index(folder):
                yield f"{folder}: MAY_CALL lists {callee}, which has a higher floor"
            if callee not in have.get(folder, ()):
                yield f"{folder}: MAY_CALL lists {callee}, which nothing in it calls"
    for source in sorted(s for s in lacks if s.startswith("kvm/")):
        for name in sorted(n for n in lacks[source] if n.startswith("arch_")):
            yield f"{source}: calls {name}; the core reaches it through struct arch only"


def print_table():
    """Prints what MAY_CALL must be, the lowest level first."""
    folders = between_folders(call_graph()[0])
    left = {folder_of(source) for program in programs() for source in program}
    while left:
        floor = {f for f in left if not left.intersection(folders.get(f, ()))} or left
        for folder in sorted(floor):
            print(f"{folder + ':':16} {' '.join(sorted(folders.get(folder, ())))}".rstrip())
        left = left - floor


def included(path):
    """What a file includes in quotes, as paths of the tree."""
    with open(path, encoding="utf-8") as f:
        names = re.findall(r'^\s*#\s*include\s+"([^"]+)"', f.read(), re.M)
    for name in names:
        beside = os.path.join(os.path.dirname(path), name)
        yield next((p for p in (beside, f"include/{name}") if os.path.exists(p)), name)


def top_of(path):
    """The top folder that a file belongs to: include/kvm/vm.h is kvm's."""
    return path.split("/")[1 if path.startswith("include/") else 0]


def rule_headers():
    needed = set()
    sources = files("main.c", *(f"{d}/**/*.[chS]" for d in (*TOPS, "guest", "include")))
    for source in sources:
        for header in included(source):
            public = source.startswith("include/")
            if public or top_of(source) != top_of(header):
                needed.add(header)
                if not header.startswith("include/"):
                    yield f"{source}: includes {header}, which is private to {top_of(header)}/"
    for header in sorted(set(files("include/**/*.h")) - needed):
        yield f"{header}: only {top_of(header)}/ includes it; it belongs beside its code"


def twice(paths):
    by_name = collections.defaultdict(list)
    for path in paths:
        by_name[os.path.basename(path)].append(path)
    return [paths for paths in by_name.values() if len(paths) > 1]


def rule_names():
    for paths in twice(PRODUCT) + twice(files(*(f"{d}/**/*.h" for d in (*TOPS, "include")))):
        yield f"{os.path.basename(paths[0])}: the name occurs twice: {', '.join(paths)}"
    sizes = collections.defaultdict(list)
    for path in PRODUCT + files("guest/init/*.c", "guest/payload/*.c"):
        sizes[folder_of(path)].append(sum(1 for _ in open(path, encoding="utf-8")))
    for folder, lines in sorted(sizes.items()):
        fewest, most = OTHER_SIZES.get(folder, (FEWEST, MOST))
        if not fewest <= len(lines) <= most:
            yield f"{folder}: {len(lines)} C files, not {fewest} to {most}"
        print(f"{folder:16} {len(lines):3} files {sum(lines):6} lines")


RULES = {"circles": rule_circles, "calls": rule_calls, "headers": rule_headers, "names": rule_names}


def main():
    if sys.argv[1:] == ["table"]:
        print_table()
        return 0
    wrong = 0
    for rule in sys.argv[1:] or RULES:
        for line in RULES[rule]():
            print(line)
            wrong += 1
    return wrong > 0


os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/../..")
sys.exit(main())
