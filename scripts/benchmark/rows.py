"""What was measured, and how it is told: one row for each comparison."""

import statistics
from dataclasses import dataclass, field

WIDTH = 120
SUFFIX = {"ms": " ms", "mib": " MiB", "count": "", "instructions": " M"}


class Failure(Exception):
    """Something went wrong that makes a figure worthless."""


@dataclass
class Row:
    """What is indented in `what` belongs to the row above that is not."""


    what: str
    values: list
    beside: str = ""
    beside_values: list = field(default_factory=list)
    unit: str = "ms"
    bar: float | None = None
    of: str = "ratio"   # what the bar holds for: the ratio, the difference or the value
    group: str = ""
    name: str = ""      # what, in full; set when it is told
    is_again: bool = False

    @property
    def value(self):
        return statistics.median(self.values)

    @property
    def beside_value(self):
        return statistics.median(self.beside_values) if self.beside_values else None

    @property
    def ratio(self):
        return self.value / self.beside_value if self.beside_values and self.beside_value else None

    @property
    def difference(self):
        return self.value - self.beside_value if self.beside_values else None

    @property
    def kept(self):
        if self.bar is None:
            return None
        return {"ratio": self.ratio, "difference": self.difference, "value": self.value}[self.of] <= self.bar

    def line(self):
        beside = told(self.beside_value, self.unit) if self.beside_values else ""
        verdict = {None: "", True: "kept", False: "MISSED"}[self.kept]
        what = "" if self.is_again else self.what
        return (f"  {what:<42}{told(self.value, self.unit):>10}  {self.beside:<28}{beside:>10}"
                f"{self.compared():>9}  {self.limit():<9}{verdict}").rstrip()

    def compared(self):
        if not self.beside_values:
            return ""
        return f"{self.difference:+,.0f} ms" if self.of == "difference" else f"{self.ratio:.2f}"

    def limit(self):
        if self.bar is None:
            return ""
        return "none" if self.bar == 0 else "≤ " + {"ratio": f"{self.bar:g}", "difference": f"+{self.bar:g} ms",
                       "value": f"{self.bar:g}{SUFFIX[self.unit]}"}[self.of]

    def record(self):
        return {
            "group": self.group, "what": self.name, self.unit: rounded(self.value),
            "beside": self.beside.strip() or None, f"beside_{self.unit}": rounded(self.beside_value),
            "ratio": rounded(self.ratio), "difference": rounded(self.difference),
            "bar": self.bar, "bar_of": self.of if self.bar is not None else None, "kept": self.kept,
            "spread": spread(self.values), "beside_spread": spread(self.beside_values),
        }


class Table:
    """Prints rows as they come."""

    def __init__(self):
        self.rows, self.heading = [], None

    def begin(self, title):
        self.heading = None
        print(f"\n{title}", flush=True)

    def add(self, row, group):
        if not row.what.startswith(" "):
            self.heading = row.what
        row.group = group
        row.name = row.what if row.what == self.heading else f"{self.heading}, {row.what.strip()}"
        last = self.rows[-1] if self.rows else None
        row.is_again = bool(last) and (last.group, last.name) == (row.group, row.name)
        self.rows.append(row)
        print(row.line(), flush=True)


def told(value, unit):
    digits = 1 if unit in ("ms", "mib", "instructions") and abs(value) < 1000 else 0
    return f"{value:,.{digits}f}{SUFFIX[unit]}"


def rounded(value):
    return None if value is None else round(value, 4)


def spread(values):
    if not values:
        return None
    return {"rounds": len(values), "min": rounded(min(values)), "median": rounded(statistics.median(values)),
            "max": rounded(max(values))}
