"""Draw the figure of docs/speed.rst, time against atoms, and its tables, from results/*.csv."""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import records

FIGURES = Path(__file__).parent.parent / "docs" / "figures"
NAMES = (
    "long_range",
    "methods",
    "density",
    "multipoles",
    "slabs",
    "parallel",
    "gradients",
    "ridge",
    "search",
    "simulation",
    "featurize",
)
COLUMNS = (
    "system",
    "code",
    "ms",
    "min to max",
    "us per atom",
    "ratio",
    "error",
    "MB",
    "parameters",
)
EQUAL_WORK = {1e-5: "10 us/atom", 1e-4: "100 us/atom", 1e-3: "1 ms/atom"}
LABEL_GAP = 0.055  # of the height of a panel
PANELS = {  # title: table, and for each code its label and style
    "LODE coefficients": (
        "long_range",
        {
            "sklode": ("sklode", {"c": "C0"}),
            "sklode, float32": ("sklode, float32", {"c": "C0", "ls": ":"}),
            "featomic": ("featomic", {"c": "C1"}),
        },
    ),
    "potentials at the atoms": (
        "multipoles",
        {
            "sklode, potentials to 1e-06": ("sklode, 1e-6", {"c": "C0", "ls": "--"}),
            "sklode, potentials to 1e-04": ("sklode, 1e-4", {"c": "C0"}),
            "torch-pme, potentials to 1e-06": ("torch-pme, 1e-6", {"c": "C3", "ls": "--"}),
            "torch-pme, potentials to 1e-04": ("torch-pme, 1e-4", {"c": "C3"}),
        },
    ),
    "local power spectrum": (
        "density",
        {
            "sklode, atoms": ("sklode", {"c": "C0"}),
            "featomic, atoms": ("featomic", {"c": "C1"}),
            "DScribe, atoms": ("DScribe", {"c": "C2"}),
        },
    ),
}


def curve(rows, code):
    """Atoms, and median, least and largest seconds of the single structures of a code."""
    chosen = [row for row in rows if row["code"] == code and row["n_structures"] == 1]
    keys = ("n_atoms", "seconds_median", "seconds_min", "seconds_max")
    points = sorted(tuple(row[key] for key in keys) for row in chosen)
    return np.array(points).reshape(-1, len(keys)).T


def draw(tables, path):
    """Time of one structure against its atoms, one panel for each kind of work."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(
        1, len(PANELS), figsize=(11, 4.2), layout="constrained", sharex=True, sharey=True
    )
    labels = []
    for ax, (title, (name, codes)) in zip(axes, PANELS.items(), strict=True):
        labels.append(draw_panel(ax, tables.get(name, []), codes))
        ax.set(xscale="log", yscale="log", xlabel="atoms")
        ax.set_title(title, fontsize=10)
    axes[0].set_ylabel("time of one structure (s)")
    low, high = axes[0].get_xlim()
    axes[0].set_xlim(low, high * (high / low) ** 0.35)  # room for the labels
    axes[0].set_ylim(axes[0].get_ylim())
    for ax, ends in zip(axes, labels, strict=True):
        label_curves(ax, ends)
        draw_equal_work(ax, with_labels=ax is axes[-1])
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=110)
    plt.close(fig)


def draw_panel(ax, rows, codes):
    """The curves that there are; returns end, label and colour of each."""
    ends = []
    for code, (label, style) in codes.items():
        atoms, median, least, largest = curve(rows, code)
        if len(atoms) == 0:
            continue
        ax.plot(atoms, median, marker="o", ms=3, lw=1.2, **style)
        ax.fill_between(atoms, least, largest, color=style["c"], alpha=0.15, lw=0)
        ends.append((atoms[-1], median[-1], label, style["c"]))
    return ends


def draw_equal_work(ax, with_labels):
    """Gray lines of the same time per atom; their names are where the last panel is empty."""
    left, right = ax.get_xlim()
    top = ax.get_ylim()[1]
    for rate, label in EQUAL_WORK.items():
        ax.axline((left, rate * left), (right, rate * right), c="0.85", lw=0.8, zorder=0)
        x = min(right, top / rate) / 2.0
        if with_labels and x > left:
            ax.text(x, rate * x, label, color="0.5", fontsize=7, ha="right", va="bottom")


def label_curves(ax, ends):
    """Names at the ends of the curves, moved apart where they would overlap."""
    low, high = np.log(ax.get_ylim())
    wanted = np.array([(np.log(end[1]) - low) / (high - low) for end in ends])
    for (x, y, label, color), height in zip(ends, spread(wanted), strict=True):
        ax.annotate(
            label,
            (x, y),
            xytext=(1.25 * x, np.exp(low + height * (high - low))),
            color=color,
            fontsize=8,
            va="center",
        )


def spread(heights, gap=LABEL_GAP):
    """Heights moved apart, as little as it takes for a gap between neighbours."""
    order = np.argsort(heights, kind="stable")
    moved = np.array(heights, float)
    for _ in range(200):
        steps = np.diff(moved[order])
        short = np.maximum(gap - steps, 0.0) / 2.0
        if not (short > 1e-6).any():
            break
        moved[order[:-1]] -= short
        moved[order[1:]] += short
    return moved


def document(rows):
    """Rows of a table for the page: what a reader wants of the CSV."""
    return [dict(zip(COLUMNS, _cells(row), strict=True)) for row in rows] or [
        dict.fromkeys(COLUMNS, "") | {"system": "not measured"}
    ]


def _cells(row):
    low, high = 1e3 * row["seconds_min"], 1e3 * row["seconds_max"]
    return (
        row["system"],
        row["code"],
        f"{1e3 * row['seconds_median']:.3g}",
        f"{low:.3g} to {high:.3g}",
        f"{row['microseconds_per_atom']:.3g}",
        f"{row['ratio_to_sklode']:.2f}",
        _or_empty(row.get("error"), ".1e"),
        _or_empty(row["peak_memory_mb"], ".0f"),
        row.get("parameters") or "",
    )


def _or_empty(value, spec):
    return "" if value is None else format(value, spec)


def machine(tables):
    """Processor and versions; all of them where the tables are from different ones."""
    first = next(iter(tables.values()))[0]
    keys = list(first)[list(first).index("python") :]
    rows = []
    for key in ("cpu", "cores", *[key for key in keys if key not in ("cpu", "cores")]):
        seen = {row.get(key) for table in tables.values() for row in table}
        text = " / ".join(sorted(value for value in seen if value))
        rows.append({"what": key, "value": text or "not installed"})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=records.RESULTS, help="folder of the CSVs")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="where figure and tables go")
    arguments = parser.parse_args()
    tables = {}
    for name in NAMES:
        path = arguments.results / f"{name}.csv"
        if path.exists():
            tables[name] = records.read(path)
        else:
            print(f"{path} is missing: left out")
    if not tables:
        raise SystemExit(f"no results in {arguments.results}: run run_all.py first")
    draw(tables, arguments.figures / "speed.png")
    for name in NAMES:  # the pages include them all
        records.write(arguments.figures / f"speed_{name}.csv", document(tables.get(name, [])))
    records.write(arguments.figures / "speed_machine.csv", machine(tables))
    print(f"wrote {arguments.figures / 'speed.png'} and {len(NAMES) + 1} tables beside it")


if __name__ == "__main__":
    main()
