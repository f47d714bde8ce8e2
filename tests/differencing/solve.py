"""What somebody works out who has every answer, knows the rules, and has an integer solver (HiGHS).

Reads tables of one attribute of one site each, as JSON: what was answered, and what is true. The
unknowns are visitors, views and visits of each name on each day. Answers are equations over what is
told of them; the rules say what is told. For every hidden value the solver looks for other tables
with the same answers, until it may be so many different numbers, or shows that there are none.

A found table is not believed: the rules are put to it here once more, whole, and it counts only if
each answer comes out as it was.
"""

import json
import sys
import time

import highspy

OTHER = "(other)"
VISITORS, VIEWS, VISITS = range(3)


def is_enough(total, unnamed, following, k):
    """The rule of a close, after its description in crates/README.md and not after its code."""
    if total < k:
        return False
    if total <= (unnamed - 1) * (k - 1):
        return True
    if unnamed > 2:
        return following >= total - k + 2
    return following >= total > k


def hidden_names(kind, day, k, listed):
    """Which names of a day are told as (other); `day` has (visitors, views, visits) by name."""
    present = sorted((day[name][VISITORS], name) for name in day if day[name][VIEWS] > 0)
    if kind == "untold":
        return {name for _, name in present}
    if kind == "told" or k <= 1:
        return set()
    number = sum(1 for visitors, _ in present if visitors < k)
    if number == 0:
        return set()
    if kind == "open":
        number = max(number, 2)
        return {name for _, name in present[:number]}
    total = sum(visitors for visitors, _ in present[:number])
    while number < len(present):
        following = present[number][0]
        unnamed = max(listed - (len(present) - number), number)
        if number >= 2 and is_enough(total, unnamed, following, k):
            break
        total += following
        number += 1
    return {name for _, name in present[:number]}


class Table:
    """One attribute of one site: its days, its answers, and the model of both."""

    def __init__(self, given):
        self.names = given["names"]
        self.pool = given["pool"]
        self.kinds = given["kinds"]
        self.k = given["k"]
        self.listed = given["listed"]
        self.totals = given["totals"]
        self.equations = given["equations"]
        self.truth = given["truth"]
        self.always_visitors = given["always_visitors"]
        self.limit = given["limit"]
        self.solves = self.refused = 0

    # The rules, put to a whole table.

    def answers_hold(self, days):
        hidden = [
            hidden_names(kind, day, self.k, self.listed) for kind, day in zip(self.kinds, days)
        ]
        for day, total in zip(days, self.totals):
            if [sum(numbers[at] for numbers in day.values()) for at in range(3)] != total:
                return False
        for equation in self.equations:
            name, told = equation["name"], [0, 0, 0]
            for at in equation["days"]:
                if name not in hidden[at]:
                    told = [a + b for a, b in zip(told, days[at].get(name, (0, 0, 0)))]
            if told != equation["numbers"]:
                return False
        return True

    def targets(self):
        """Hidden values: day, name, and how many numbers it must be able to be."""
        for at, (kind, day) in enumerate(zip(self.kinds, self.truth)):
            hidden = hidden_names(kind, day, self.k, self.listed)
            total = sum(day[name][VISITORS] for name in hidden)
            told = [n for n in day if n not in hidden and day[n][VIEWS] > 0]
            for name in self.names:
                visitors = day.get(name, (0, 0, 0))[VISITORS]
                if kind == "told":
                    if 0 < visitors < self.limit:
                        yield (at, name), self.limit
                elif total > 0 and name not in told:
                    yield (at, name), self.k if told else min(self.k, total + 1)

    # The model.

    def parts(self):
        """Days that answers tie together, and those answers that do not follow from others."""
        single = {(e["days"][0], e["name"]) for e in self.equations if len(e["days"]) == 1}
        follows = lambda e: len(e["days"]) > 1 and all((at, e["name"]) in single for at in e["days"])
        equations = [e for e in self.equations if not follows(e)]
        part_of = list(range(len(self.kinds)))
        for equation in equations:
            joined = {part_of[at] for at in equation["days"]}
            part_of = [min(joined) if part in joined else part for part in part_of]
        for part in sorted(set(part_of)):
            days = [at for at, of in enumerate(part_of) if of == part]
            yield days, [e for e in equations if e["days"][0] in days]

    def build(self, days, equations):
        self.days = days
        self.solver = new_solver()
        self.columns = 0
        self.x, self.told = {}, {}
        for at in days:
            self.add_day(at)
        for equation in equations:
            for metric, number in enumerate(equation["numbers"]):
                terms = [(self.told[at, equation["name"], metric], 1) for at in equation["days"]]
                self.row(number, terms, number)

    def variable(self, most):
        self.solver.addVar(0, most)
        self.solver.changeColIntegrality(self.columns, highspy.HighsVarType.kInteger)
        self.columns += 1
        return self.columns - 1

    def row(self, least, terms, most=highspy.kHighsInf):
        merged = {}
        for column, factor in terms:
            merged[column] = merged.get(column, 0) + factor
        self.solver.addRow(least, most, len(merged), list(merged), list(merged.values()))

    def add_day(self, at):
        kind, k, total = self.kinds[at], self.k, self.totals[at]
        most = [number + 1 for number in total]
        has_rule = kind in ("closed", "open") and k > 1
        numbers = lambda: [self.variable(total[metric]) for metric in range(3)]
        x = {name: numbers() for name in self.names}
        pool = numbers()
        for metric in range(3):
            cells = [(x[name][metric], 1) for name in self.names] + [(pool[metric], 1)]
            self.row(total[metric], cells, total[metric])
        for v, w, s in [*x.values(), pool]:
            self.row(0, [(w, 1), (v, -1)])
            self.row(0, [(w, 1), (s, -1)])
        for name in self.names:
            for metric in range(3):
                self.x[at, name, metric] = x[name][metric]
        if not has_rule:
            for name in self.names:
                for metric in range(3):
                    column = x[name][metric] if kind == "told" else self.variable(0)
                    self.told[at, name, metric] = column
            return
        bits = {name: [self.variable(1) for _ in range(3)] for name in self.names}
        in_pool = self.variable(1)
        self.row(0, [(pool[VIEWS], 1), (in_pool, -1)])
        self.row(0, [(in_pool, most[VIEWS]), (pool[VIEWS], -1)])
        self.row(-highspy.kHighsInf, [(pool[VISITORS], 1)], min(self.pool * (k - 1), total[0]))
        if self.pool == 0:
            self.row(0, [(in_pool, 1)], 0)
        if self.always_visitors:
            self.row(0, [(pool[VISITORS], 1), (in_pool, -1)])
        below = {}
        for name in self.names:
            below[name] = self.add_name(at, x[name], bits[name], name)
        self.add_rule(at, x, bits, below, (pool, in_pool))

    def add_name(self, at, cell, bits, name):
        """Exists, is hidden, keeps company; what is told; visitors where it is below."""
        (v, w, _), (exists, hidden, company) = cell, bits
        k, total = self.k, self.totals[at]
        most = [number + 1 for number in total]
        self.row(0, [(w, 1), (exists, -1)])
        self.row(0, [(exists, most[VIEWS]), (w, -1)])
        if self.always_visitors:
            self.row(0, [(v, 1), (exists, -1)])
        self.row(0, [(exists, 1), (hidden, -1)])
        self.row(0, [(hidden, 1), (company, -1)])
        self.row(0, [(v, 1), (exists, -k), (hidden, k)])
        self.row(0, [(v, 1), (company, -k)])
        self.row(1 - k - most[0], [(v, -1), (hidden, -most[0]), (company, most[0])])
        for metric in range(3):
            told = self.variable(total[metric])
            self.row(0, [(cell[metric], 1), (told, -1)])
            self.row(-most[metric], [(told, -1), (hidden, -most[metric])])
            self.row(0, [(told, 1), (cell[metric], -1), (hidden, most[metric])])
            self.told[at, name, metric] = told
        below = self.variable(k - 1)
        self.row(-most[0], [(below, 1), (v, -1), (company, most[0]), (hidden, -most[0])])
        self.row(0, [(v, 1), (below, -1)])
        self.row(0, [(hidden, k), (company, -k), (below, -1)])
        return below

    def add_rule(self, at, x, bits, below, pool):
        """At most one name keeps company: where the others are too few. Tables with more are left
        out, which makes the solver find less and the attacker stronger."""
        (pool, in_pool), k, most = pool, self.k, self.totals[at][0] + 1
        exists, hidden, company = ({n: bits[n][i] for n in self.names} for i in range(3))
        companies = [(company[name], 1) for name in self.names]
        hidden_all = [(hidden[name], 1) for name in self.names]
        sum_below = [(below[name], 1) for name in self.names] + [(pool[VISITORS], 1)]
        self.row(0, companies, 1)
        # Company only where somebody needs it.
        minus = lambda terms, by: [(column, -by * factor) for column, factor in terms]
        self.row(0, hidden_all + [(in_pool, 1)] + minus(companies, 2))
        is_open = self.kinds[at] == "open"
        if not is_open:
            self.row(1 - k - most, minus(sum_below, 1) + minus(companies, most))
        shown = any(
            equation["days"] == [at] and equation["numbers"][VIEWS] > 0
            for equation in self.equations
        )
        any_hidden = self.variable(1)
        for name in self.names:
            self.row(0, [(any_hidden, 1), (hidden[name], -1)])
        self.row(0, [(any_hidden, 1), (in_pool, -1)])
        self.row(0, hidden_all + [(in_pool, 1), (any_hidden, -1)])
        if shown:
            # Two names at least, and without company enough visitors; in an open day one name has it.
            self.row(0, hidden_all + [(in_pool, 2), (any_hidden, -2)])
            if not is_open:
                self.row(0, sum_below + [(any_hidden, -k)] + [(c, k) for c, _ in companies])
        if is_open:
            names = len(self.names) + 1
            self.row(-2 * names, minus(hidden_all, 1) + [(in_pool, -1)] + minus(companies, names))
            self.row(-names - 2, minus(hidden_all, 1) + minus(companies, names))
        for name in self.names:
            for other in self.names:
                if name != other:
                    # The smallest that could be told, by size and then by name.
                    later = 1 if name > other else 0
                    self.row(
                        later - 2 * most,
                        [
                            (x[other][VISITORS], 1),
                            (x[name][VISITORS], -1),
                            (company[name], -most),
                            (hidden[other], most),
                            (exists[other], -most),
                        ],
                    )

    # The attack.

    def found(self):
        values = [round(value) for value in self.solver.getSolution().col_value]
        days = list(self.truth)
        for at in self.days:
            kind = self.kinds[at]
            day = {n: [values[self.x[at, n, metric]] for metric in range(3)] for n in self.names}
            rest = [t - sum(cell[m] for cell in day.values()) for m, t in enumerate(self.totals[at])]
            each = self.k - 1 if kind in ("closed", "open") and self.k > 1 else rest[0]
            number = 0
            while rest[VIEWS] > 0:
                v = min(each, rest[VISITORS])
                w = rest[VIEWS] if v == rest[VISITORS] else max(v, 1)
                s = min(w, rest[VISITS])
                day[f"~{number}"] = [v, w, s]
                rest = [rest[VISITORS] - v, rest[VIEWS] - w, rest[VISITS] - s]
                number += 1
            days[at] = day
        return days

    def ask(self, target, least, most):
        """Looks for a table where a value lies between these, and learns from it."""
        at, name = target
        column, total = self.x[at, name, VISITORS], self.totals[at][VISITORS]
        if least > total or most < 0:
            return False
        self.solver.changeColBounds(column, max(least, 0), min(most, total))
        self.solver.run()
        self.solves += 1
        is_found = self.solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        self.solver.changeColBounds(column, 0, total)
        if not is_found:
            return False
        days = self.found()
        if not self.answers_hold(days):
            self.refused += 1
            return False
        for (at, name), known in self.known.items():
            visitors = days[at].get(name, (0, 0, 0))[VISITORS]
            known[0], known[1] = min(known[0], visitors), max(known[1], visitors)
        return True

    def widen(self, target, need):
        """First at once, then step by step: what is found in the end is exact if it is too narrow."""
        known, total = self.known[target], self.totals[target[0]][VISITORS]
        is_wide = lambda: known[1] - known[0] + 1 >= need
        if is_wide() or self.ask(target, known[0] + need - 1, total):
            return
        if self.ask(target, 0, known[1] - need + 1):
            return
        while not is_wide() and self.ask(target, known[1] + 1, total):
            pass
        while not is_wide() and self.ask(target, 0, known[0] - 1):
            pass

    def attack(self):
        needs = dict(self.targets())
        true = lambda at, name: self.truth[at].get(name, (0, 0, 0))[VISITORS]
        self.known = {target: [true(*target)] * 2 for target in needs}
        if not self.answers_hold(self.truth):
            return {"error": "the answers are not what the rules say"}
        for days, equations in self.parts():
            here = [target for target in needs if target[0] in days]
            if here:
                self.build(days, equations)
            for target in here:
                self.widen(target, needs[target])
        values = lambda known: known[1] - known[0] + 1
        narrow = [
            {"day": at, "name": name, "from": known[0], "to": known[1], "need": needs[at, name]}
            for (at, name), known in self.known.items()
            if values(known) < needs[at, name]
        ]
        widths = [values(known) for known in self.known.values()]
        return {
            "hidden": len(needs),
            "running": sum(self.kinds[at] in ("open", "untold") for at, _ in needs),
            "narrow": narrow,
            "exact": widths.count(1),
            "narrowest": min(widths, default=0),
            "equations": 3 * len(self.equations),
            "solves": self.solves,
            "refused": self.refused,
        }


class Shared:
    """Sums of days that are known within bounds, as a shared link shows them."""

    def __init__(self, given):
        self.truth, self.bounds, self.need = given["truth"], given["bounds"], given["need"]
        self.solves = 0

    def attack(self):
        for bound in self.bounds:
            true = sum(self.truth[at][bound["metric"]] for at in bound["days"])
            if not bound["from"] <= true <= bound["to"]:
                return {"error": "a bound is not true", "bound": bound}
        self.solver = new_solver()
        days = range(len(self.truth))
        places = [(at, metric) for at in days for metric in range(3)]
        for column, _ in enumerate(places):
            self.solver.addVar(0, highspy.kHighsInf)
            self.solver.changeColIntegrality(column, highspy.HighsVarType.kInteger)
        for bound in self.bounds:
            columns = [3 * at + bound["metric"] for at in bound["days"]]
            self.row(bound["from"], columns, [1] * len(columns), bound["to"])
        for at in days:
            # Nobody comes without a view.
            for metric in (VISITORS, VISITS):
                self.row(0, [3 * at + VIEWS, 3 * at + metric], [1, -1], highspy.kHighsInf)
        self.known = [[self.truth[at][metric]] * 2 for at, metric in places]
        for column, known in enumerate(self.known):
            far = highspy.kHighsInf
            is_wide = lambda: known[1] - known[0] + 1 >= self.need
            if is_wide() or self.ask(column, known[0] + self.need - 1, far):
                continue
            while not is_wide() and self.ask(column, known[1] + 1, far):
                pass
            while not is_wide() and self.ask(column, 0, known[0] - 1):
                pass
        widths = [known[1] - known[0] + 1 for known in self.known]
        narrow = [
            {"day": place[0], "metric": place[1], "from": known[0], "to": known[1]}
            for place, known in zip(places, self.known)
            if known[1] - known[0] + 1 < self.need
        ]
        return {
            "hidden": len(places),
            "narrow": narrow,
            "exact": widths.count(1),
            "narrowest": min(widths),
            "equations": len(self.bounds),
            "solves": self.solves,
        }

    def row(self, least, columns, factors, most):
        self.solver.addRow(least, most, len(columns), columns, factors)

    def ask(self, column, least, most):
        if most < 0:
            return False
        self.solver.changeColBounds(column, max(least, 0), most)
        self.solver.run()
        self.solves += 1
        is_found = self.solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        self.solver.changeColBounds(column, 0, highspy.kHighsInf)
        if is_found:
            values = [round(value) for value in self.solver.getSolution().col_value]
            for known, value in zip(self.known, values):
                known[0], known[1] = min(known[0], value), max(known[1], value)
        return is_found


def new_solver():
    solver = highspy.Highs()
    for option, value in [("output_flag", False), ("threads", 1), ("random_seed", 1)]:
        solver.setOptionValue(option, value)
    return solver


def main():
    begun = time.monotonic()
    tables = json.load(sys.stdin)
    kind = lambda table: Shared if "bounds" in table else Table
    results = [kind(table)(table).attack() for table in tables]
    json.dump({"seconds": time.monotonic() - begun, "results": results}, sys.stdout)


if __name__ == "__main__":
    main()
