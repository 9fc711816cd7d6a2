#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
report.py FOLDER            prints a table of the results of rows.sh in FOLDER; writes bench.json
                            and boot.svg to FOLDER/..
report.py --budgets FOLDER  checks tests/bench/budgets, one line a budget; exit code 1 when one is
                            exceeded
"""
import json
import os
import re
import statistics
import sys

# What is shown: key, text, decimals.
METRICS = [
    ("first_wall_ms", "exec to first guest instruction, ms", 2),
    ("first_cpu_us", "  its CPU, 1000 instructions", 0),
    ("hello_cpu_us", "start-up CPU: exec to end of a payload, 1000 instructions", 0),
    ("hello_calls", "  system calls", 0),
    ("reset_wall_ms", "guest reset to process exit, ms", 2),
    ("pio", "one port read (COM1 line status), instructions", 0),
    ("pio_locked", "one port read (COM1 scratch), instructions", 0),
    ("mmio", "one memory-mapped read (nobody's), instructions", 0),
    ("byte_exits", "polled console: KVM exits a byte", 3),
    ("byte_user_exits", "  of them to user space", 3),
    ("initrd_1M_us", "start-up CPU with an initrd of 1 MiB", 0),
    ("initrd_500M_us", "  of 500 MiB", 0),
    ("ram_128M_us", "start-up CPU with 128 MiB of RAM", 0),
    ("ram_4G_us", "  with 4 GiB", 0),
    ("ram_growth_us", "  more by (KVM's own accounts, as the floor shows)", 0),
    ("boot_ms", "exec to user space, quiet, virtual ms", 1),
    ("boot_exits", "  KVM exits", 0),
    ("boot_io_exits", "  of them ports", 0),
    ("boot_mmio_exits", "  of them memory-mapped", 0),
    ("boot_faults", "  of them page faults", 0),
    ("boot_calls", "  system calls of the launcher", 0),
    ("fast_ms", "the same with --fast --no-cache, virtual ms", 1),
    ("fast_exits", "  KVM exits", 0),
    ("loud_ms", "the same without `quiet`, virtual ms", 1),
    ("loud_bytes", "  console bytes", 0),
    ("loud_console_exits", "  console exits a byte", 3),
    ("loud_user_exits", "  exits to user space a byte", 3),
    ("blk_one", "4 KiB read by the guest, one by one, instructions", 0),
    ("blk_one_exits", "  KVM exits a read", 3),
    ("blk_one_user_exits", "  of them to user space", 3),
    ("blk_one_calls", "  system calls of the launcher a read", 2),
    ("blk_many", "the same with 32 under way, instructions a read", 0),
    ("blk_many_exits", "  KVM exits a read", 3),
    ("rss_kib", "resident memory less guest RAM, KiB", 0),
    ("anonymous_kib", "  of it anonymous", 0),
    ("payload_rss_kib", "the same with a payload instead of a kernel", 0),
    ("payload_anonymous_kib", "  of it anonymous", 0),
]
ORDER = ["floor", "kvm", "lkvm", "qemu-system-x86_64"]
PHASES = [
    ("launcher", "#c44e52"),
    ("decompressor", "#dd8452"),
    ("early kernel", "#8172b3"),
    ("initcalls", "#4c72b0"),
    ("to user space", "#55a868"),
    ("reset to exit", "#937860"),
]


def read_rows(folder):
    rows = {}
    with open(os.path.join(folder, "rows"), encoding="utf-8") as f:
        for line in f:
            row = json.loads(line)
            name, launcher = row["label"].split("/")
            rows.setdefault(launcher, {}).setdefault(name, []).append(row)
    return rows


def complete(rows, name):
    """The runs of a row in which every marker came."""
    found = [r for r in rows.get(name, []) if r["exit"] != 127]
    return found if name == "calls" else [r for r in found if r["marks"]]


def mean(values):
    values = list(values)
    return statistics.fmean(values) if values else None


def slope(rows, letter):
    """Instructions an access, between loops of 100 and of 1100.

    The fewest of the runs count, as a tick of the host's only adds."""
    cpu = []
    for n in (100, 1100):
        runs = [r for r in complete(rows, f"{letter}{n}") if "end" in r["marks"]]
        if not runs:
            return None
        cpu.append(min(r["marks"]["end"]["cpu_ns"] - r["marks"]["up"]["cpu_ns"] for r in runs))
    return (cpu[1] - cpu[0]) / 1000


def start_up(rows, m):
    hello = [r for r in complete(rows, "hello") if "end" in r["marks"]]
    m["first_wall_ms"] = mean(r["marks"]["up"]["wall_ns"] / 1e6 for r in hello)
    m["first_cpu_us"] = mean(r["marks"]["up"]["cpu_ns"] / 1e3 for r in hello)
    m["hello_cpu_us"] = mean(r["cpu_ns"] / 1e3 for r in hello)
    m["reset_wall_ms"] = mean((r["wall_ns"] - r["marks"]["end"]["wall_ns"]) / 1e6 for r in hello)
    for r in complete(rows, "calls"):
        m["hello_calls"] = sum(r["sys"].values())
    sizes = {"initrd_1M_us": "initrd1M", "initrd_500M_us": "initrd500M", "ram_128M_us": "ram128M",
             "ram_4G_us": "ram4G"}
    for key, row in sizes.items():
        m[key] = mean(r["cpu_ns"] / 1e3 for r in complete(rows, row))
    if m["ram_4G_us"] and m["ram_128M_us"]:
        m["ram_growth_us"] = m["ram_4G_us"] - m["ram_128M_us"]


def console(rows, m):
    for r in complete(rows, "bytes"):
        up, end = r["marks"]["up"], r["marks"]["end"]
        sent = end["bytes"] - up["bytes"]
        m["byte_exits"] = (end["exits"] - up["exits"]) / sent
        m["byte_user_exits"] = sum(r["user"].values()) / sent
        if "rss" in r:
            m["payload_rss_kib"] = r["rss"] / 1024
            m["payload_anonymous_kib"] = r["anonymous"] / 1024
    for r in complete(rows, "loud"):
        mark = r["marks"].get("user")
        if not mark:
            continue
        m["loud_ms"] = mark["wall_ns"] / 1e6
        m["loud_bytes"] = mark["bytes"]
        ports = sum(n for port, n in r["pio"].items() if 0x3f8 <= int(port) < 0x400)
        m["loud_console_exits"] = ports / mark["bytes"]
        m["loud_user_exits"] = sum(r["user"].values()) / mark["bytes"]


def boots(rows, m):
    for row in ("boot", "fast"):
        for r in complete(rows, row):
            mark = r["marks"].get("user")
            if not mark:
                continue
            m[f"{row}_ms"] = mark["wall_ns"] / 1e6
            m[f"{row}_exits"] = mark["exits"]
            if row == "boot":
                m["boot_io_exits"] = mark["io_exits"]
                m["boot_mmio_exits"] = mark["mmio_exits"]
                m["boot_faults"] = mark["pf_taken"]
                m["rss_kib"] = r["rss"] / 1024
                m["anonymous_kib"] = r["anonymous"] / 1024
    for r in complete(rows, "bootcalls"):
        m["boot_calls"] = sum(r["sys"].values())


BLK_ONE, BLK_MANY = 2000, 6400  # reads, of blk.sh


def blocks(rows, m):
    for r in complete(rows, "blk"):
        marks = r["marks"]
        if "many_end" not in marks:
            continue
        for key, reads in (("one", BLK_ONE), ("many", BLK_MANY)):
            begin, end = marks[key], marks[key + "_end"]
            m[f"blk_{key}"] = (end["wall_ns"] - begin["wall_ns"]) / reads
            m[f"blk_{key}_exits"] = (end["exits"] - begin["exits"]) / reads
            m[f"blk_{key}_user_exits"] = sum(end[k] - begin[k]
                                             for k in ("io_exits", "mmio_exits")) / reads
    calls = [sum(r["sys"].values()) for row in ("blkcalls0", "blkcalls")
             for r in complete(rows, row)]
    if len(calls) == 2:
        m["blk_one_calls"] = (calls[1] - calls[0]) / BLK_ONE


def measures(rows):
    m = {}
    start_up(rows, m)
    for key, letter in (("pio", "p"), ("pio_locked", "s"), ("mmio", "m")):
        m[key] = slope(rows, letter)
    console(rows, m)
    boots(rows, m)
    blocks(rows, m)
    return {k: v for k, v in m.items() if v is not None}


def print_table(all_measures):
    names = [n for n in ORDER if n in all_measures]
    short = [n.replace("qemu-system-x86_64", "qemu microvm") for n in names]
    print(" " * 60 + "".join(f"{n:>14}" for n in short))
    for key, text, decimals in METRICS:
        cells = [all_measures[n].get(key) for n in names]
        if all(c is None for c in cells):
            continue
        print(f"{text:60}" + "".join(f"{'' if c is None else f'{c:,.{decimals}f}':>14}"
                                     for c in cells))


# ---- phases of a boot, from a console with times of its own (stamp -c) and the kernel's stamps ---


def phases(folder, launcher, rows, m):
    """Ends of PHASES in ms, or None. A launcher that starts the guest anew has no last phase."""
    loud = [r for r in complete(rows, "loud") if "user" in r["marks"]]
    path = os.path.join(folder, f"console.loud.{launcher}")
    if not loud or not os.path.exists(path):
        return None
    smp = ready = kernel = None
    starts, live = 0, False
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            found = re.match(r" *([0-9.]+) \[ *([0-9.]+)\] (.*)", line)
            if not found:
                continue
            starts += "Linux version" in found[3]
            if starts > 1:
                break
            host, guest = float(found[1]) * 1e3, float(found[2]) * 1e3
            if "smp: Brought up" in found[3]:
                smp = host
            if "Freeing unused kernel image (initmem)" in found[3]:
                ready = host
            # The first line after the console's start: the guest's clock jumps later.
            if live and kernel is None:
                kernel = host - guest
            live = live or re.search(r"console \[\w+\] enabled", found[3])
    if None in (smp, ready, kernel) or "first_wall_ms" not in m:
        return None
    user = loud[0]["marks"]["user"]["wall_ns"] / 1e6
    return [m["first_wall_ms"], kernel, smp, ready, user,
            loud[0]["wall_ns"] / 1e6 if starts == 1 else user]


def write_svg(path, bars):
    width, left, bar, gap, top = 960, 150, 26, 18, 64
    scale = (width - left - 90) / max(ends[-1] for ends in bars.values())
    height = top + len(bars) * (bar + gap) + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           'font-family="sans-serif" font-size="13">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           '<text x="12" y="22" font-size="15">A boot of Debian’s cloud kernel, console on: '
           'virtual ms (million instructions)</text>']
    x = left
    for name, colour in PHASES:
        out.append(f'<rect x="{x}" y="36" width="12" height="12" fill="{colour}"/>'
                   f'<text x="{x + 17}" y="47">{name}</text>')
        x += 30 + 8 * len(name)
    for i, (launcher, ends) in enumerate(bars.items()):
        y = top + i * (bar + gap)
        out.append(f'<text x="{left - 10}" y="{y + 18}" text-anchor="end">'
                   f'{launcher.replace("qemu-system-x86_64", "QEMU microvm")}</text>')
        begin = 0
        for (name, colour), end in zip(PHASES, ends):
            out.append(f'<rect x="{left + begin * scale:.1f}" y="{y}" '
                       f'width="{max(end - begin, 0) * scale:.1f}" height="{bar}" '
                       f'fill="{colour}"><title>{name}: {end - begin:.1f} ms</title></rect>')
            begin = end
        out.append(f'<text x="{left + begin * scale + 8:.1f}" y="{y + 18}">{begin:,.0f}</text>')
    y = top + len(bars) * (bar + gap)
    step = 200
    for tick in range(0, int(max(e[-1] for e in bars.values())) + 1, step):
        x = left + tick * scale
        out.append(f'<line x1="{x:.1f}" y1="{top - 6}" x2="{x:.1f}" y2="{y}" stroke="#bbb"/>'
                   f'<text x="{x:.1f}" y="{y + 18}" text-anchor="middle" fill="#555">{tick}</text>')
    out.append("</svg>\n")
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out))


def report(folder):
    rows = read_rows(folder)
    all_measures = {launcher: measures(r) for launcher, r in rows.items()}
    print_table(all_measures)
    base = os.path.dirname(os.path.abspath(folder))
    bars = {}
    for launcher in ORDER:
        if launcher in rows:
            ends = phases(folder, launcher, rows[launcher], all_measures[launcher])
            if ends:
                bars[launcher] = ends
    with open(os.path.join(base, "bench.json"), "w", encoding="utf-8") as f:
        json.dump({"measures": all_measures,
                   "phases": {k: dict(zip([p[0] for p in PHASES], v)) for k, v in bars.items()},
                   "rows": rows}, f, indent=1)
    if bars:
        write_svg(os.path.join(base, "boot.svg"), bars)


# ---- budgets -------------------------------------------------------------------------------------


def value_of(kind, key, ours, floor):
    """What a budget bounds: the figure itself, or its ratio to the floor's or to another one."""
    if key not in ours:
        return None
    if kind == "max":
        return ours[key]
    if kind in ("ratio", "over"):
        if key not in floor:
            return None
        return ours[key] / floor[key] if kind == "ratio" else ours[key] - floor[key]
    return ours[key] / ours[kind[1:]] if kind[1:] in ours else None


def budgets(folder):
    rows = read_rows(folder)
    ours, floor = measures(rows.get("kvm", {})), measures(rows.get("floor", {}))
    failed = False
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "budgets")
    with open(path, encoding="utf-8") as f:
        lines = [line.split("#")[0].split() for line in f]
    for name, key, kind, bound in (line for line in lines if line):
        value = value_of(kind, key, ours, floor)
        if value is None:
            print(f"not ok {name} was not measured")
            failed = True
            continue
        good = value <= float(bound)
        failed = failed or not good
        text = f"{value:.3f}".rstrip("0").rstrip(".")
        print(f"{'ok' if good else 'not ok'} {name} {text} (budget {bound})")
    return 1 if failed else 0


def main():
    if sys.argv[1] == "--budgets":
        return budgets(sys.argv[2])
    report(sys.argv[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
