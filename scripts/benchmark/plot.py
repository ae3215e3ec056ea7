"""Draws live latency against the size of the tree and against the size of the change, with gnuplot."""

import shutil
import statistics
import subprocess

from .trees import ARCHIVE, CHECKOUT, SERVED

STYLES = {SERVED: ("#0072b2", 7), ARCHIVE: ("#d55e00", 5), CHECKOUT: ("#6a6a6a", 9)}
SCRIPT = """\
set terminal svg size 1080,480 font "Helvetica,Arial,sans-serif,14" background "#ffffff" rounded
set output "{output}"
set multiplot layout 1,2 margins 0.085,0.985,0.205,0.90 spacing 0.075
set border 3 linecolor "#404040"
set tics nomirror textcolor "#404040"
set grid ytics linetype 1 linecolor "#e4e4e4"
set key top left Left reverse samplen 2 spacing 1.2 opaque
set logscale xy
set ytics ({times})
set ylabel "from git push until live"
{data}
{panels[0]}
unset ylabel
set key off
set label "{caption}" \\
    at screen 0.985,0.035 right textcolor "#606060" font ",12"
{panels[1]}
unset multiplot
"""
TIMES = {10: "10 ms", 30: "30 ms", 100: "0.1 s", 300: "0.3 s", 1000: "1 s", 3000: "3 s", 10_000: "10 s",
         30_000: "30 s", 100_000: "100 s", 300_000: "300 s"}
CAPTION = "Medians, with the fastest and the slowest round. The hooks sync nothing, keep no artifact and check nothing."
PANEL = """\
set title "{title}" font ",16"
set xlabel "{label}"
set xtics ({tics})
set xrange [{low}:{high}]
set yrange [{bottom}:{top}]
plot {plots}
"""


def draw(live, output):
    """Returns why there is no plot, or nothing."""
    if not shutil.which("gnuplot"):
        return "there is no gnuplot"
    by_size = sorted((one for one in live if one["changed"] == 1), key=lambda one: one["files"])
    by_change = sorted((one for one in live if one["files"] == 2002), key=lambda one: one["changed"])
    if not by_size or not by_change:
        return "it needs the groups 52, 2002 and 80000"
    everything = [ms for one in by_size + by_change for ms in one["ms"]]
    limits = {"bottom": min(everything) / 1.5, "top": max(everything) * 4}
    blocks, panels = [], []
    for name, points, key, title, label in (
            ("size", by_size, "files", "One file of the tree changed", "files of 4 kB in the tree"),
            ("change", by_change, "changed", "Part of 2,002 files changed", "files changed by the push")):
        places = sorted({one[key] for one in points})
        for number, way in enumerate(STYLES):
            lines = [f"{one[key]} {statistics.median(one['ms'])} {min(one['ms'])} {max(one['ms'])}"
                     for one in points if one["way"] == way]
            blocks.append("\n".join([f"${name}{number} << end", *lines, "end"]))
        panels.append(PANEL.format(
            title=title, label=label, tics=", ".join(f'"{place:,}" {place}' for place in places),
            low=places[0] / 2, high=places[-1] * 2, plots=plots(name), **limits))
    times = ", ".join(f'"{text}" {ms}' for ms, text in TIMES.items())
    script = SCRIPT.format(output=output, caption=CAPTION, times=times, data="\n".join(blocks), panels=panels)
    done = subprocess.run(["gnuplot"], input=script.encode(), stderr=subprocess.PIPE)
    return f"gnuplot: {done.stderr.decode()}" if done.returncode else None


def plots(name):
    parts = []
    for number, (way, (colour, point)) in enumerate(STYLES.items()):
        style = f'linecolor "{colour}" linewidth 2 pointtype {point} pointsize 0.7'
        parts.append(f'${name}{number} using 1:2:3:4 with yerrorbars notitle {style.replace("width 2", "width 1")}')
        parts.append(f'${name}{number} using 1:2 with linespoints title "{way}" {style}')
    return ", \\\n     ".join(parts)
