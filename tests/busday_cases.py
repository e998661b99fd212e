#!/usr/bin/env python3
"""Writes cases of business day counting, computed by numpy, to standard output: the test data of src/domain/schedule/busday.rs.

    pip install 'numpy>=1.25'
    python3 tests/busday_cases.py 20000 > tests/data/busday.csv

A million cases need not be checked in:

    python3 tests/busday_cases.py 1000000 2 > /tmp/busday.csv
    ANDON_BUSDAY_CASES=/tmp/busday.csv cargo test --release --lib busday

The arguments are the number of cases and the seed (1). Days are numbers of days after 1970-01-01. A line `c,1111100,59 120`
begins a calendar: the working days of the week, Monday first, and its holidays. Each line after it is a case of this calendar:
start, n, the n-th business day after the start (a start on a closed day first moves to the next open day), the n-th before
(first moves to the previous one), and another day, with the business days from the start, inclusive, to it, exclusive; those
are negative when it lies before the start.
"""

import random
import sys

import numpy

CASES_PER_CALENDAR = 100
LAST = 84_006  # the day after those that are counted, 1970 to 2199


def calendar(rng, days_max):
    week = rng.choice(["1111100"] * 4 + ["1111110", "1111111", "0111110", "".join(rng.choice("01") for _ in range(7))])
    if "1" not in week:
        week = "0010000"
    spread = rng.choice([60, 400, 4_000])
    # With one working day a week and all holidays on it, no result lies outside the years that are counted.
    margin = spread + 8 * days_max + 500
    near = rng.randrange(margin, LAST - margin)
    holidays = {near + rng.randrange(-spread, spread) for _ in range(rng.choice([0, 1, 5, 20, 30]))}
    # Closed weeks: several holidays in a row.
    for _ in range(rng.choice([0, 0, 1, 2])):
        begin = near + rng.randrange(-spread, spread)
        holidays.update(range(begin, begin + rng.randrange(2, 15)))
    return week, sorted(holidays), near, spread


def main():
    cases = int(sys.argv[1])
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    for done in range(0, cases, CASES_PER_CALENDAR):
        days_max = rng.choice([5, 30, 260, 1_500])
        week, holidays, near, spread = calendar(rng, days_max)
        rules = numpy.busdaycalendar(week, numpy.array(holidays, dtype="datetime64[D]"))
        count = min(CASES_PER_CALENDAR, cases - done)
        start = numpy.array([near + rng.randrange(-spread, spread) for _ in range(count)])
        n = numpy.array([rng.randrange(0, days_max + 1) for _ in range(count)])
        other = start + numpy.array([rng.randrange(-days_max, days_max + 1) for _ in range(count)])
        at = start.astype("datetime64[D]")
        after = numpy.busday_offset(at, n, roll="forward", busdaycal=rules).astype(int)
        before = numpy.busday_offset(at, -n, roll="backward", busdaycal=rules).astype(int)
        between = numpy.busday_count(at, other.astype("datetime64[D]"), busdaycal=rules)
        print(f"c,{week},{' '.join(map(str, holidays))}")
        for case in zip(start, n, after, before, other, between):
            print(",".join(map(str, case)))


main()
