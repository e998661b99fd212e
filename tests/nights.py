#!/usr/bin/env python3
"""Writes when orders go overdue, found by reading Python's zoneinfo minute by minute: the test data of tests/nights.rs.

    python3 tests/nights.py nights > tests/data/nights.csv
    python3 tests/nights.py midnights > tests/data/midnights.csv

Nothing is computed but what the clocks of a zone show at each minute UTC; a day begins with the first minute at which they show it or
a later one, and a shift goes on until they first show its end, or a later time. Instants are microseconds after 1970 UTC.

`nights`: orders around each change of the clocks in these zones and years, or around a day in zones without any. Nights that lie
within some days are one group. A line is

    group, zone, calendar, made at, order date, delivery date, overdue at, ahead until, late from

With an order date its due date counts from that, with a delivery date back from that, with neither from when it was made. The
calendars are open on all days: `day` from 00:00 to 24:00, each status takes one day; `hours` the same, a status takes 25 hours; `shift` from
00:00 to 06:00 and 22:00 to 24:00, a status takes 10 hours. `week` is open from Monday to Friday, 08:00 to 12:00 and 13:00 to 17:00, a
status takes one day. `free` is `day` with a status that takes no time: such an order is never overdue, ahead until its delivery date
begins, and late from when it has ended.

`midnights`: for each zone, after two days, when the next one begins: the turn of the year 2024, and the last change of the clocks
before that. A line is

    zone, day, overdue at
"""

import sys
import zoneinfo
from bisect import bisect_left
from datetime import datetime, timedelta, timezone

NIGHTS = [
    # one hour, in Europe at the same instant, in America at the same time of day
    ("Europe/Vienna", 2026), ("Europe/London", 2026), ("Europe/Lisbon", 2026), ("Europe/Helsinki", 2026),
    ("Europe/Chisinau", 2026), ("America/New_York", 2026), ("America/Los_Angeles", 2026), ("America/Tijuana", 2026),
    ("America/Miquelon", 2026), ("Asia/Jerusalem", 2026), ("Australia/Sydney", 2026), ("Pacific/Norfolk", 2026),
    # negative daylight saving: winter is the exception, or the month of fasting
    ("Europe/Dublin", 2026), ("Africa/Casablanca", 2026), ("Africa/El_Aaiun", 2024), ("Africa/Windhoek", 2016),
    # at midnight, forward: the day has no 00:00; back: the hour before or after it comes twice
    ("America/Havana", 2025), ("America/Asuncion", 2023), ("America/Santiago", 2026), ("Pacific/Easter", 2026),
    ("America/Sao_Paulo", 2018), ("Africa/Cairo", 2025), ("Asia/Beirut", 2026), ("Asia/Amman", 2021), ("Asia/Damascus", 2021),
    ("Asia/Gaza", 2023), ("Asia/Tehran", 2021), ("Atlantic/Azores", 2026), ("America/Nuuk", 2024),
    # one minute after midnight
    ("America/St_Johns", 2010),
    # half an hour, two hours, other quarters of an hour
    ("Australia/Lord_Howe", 2026), ("Antarctica/Troll", 2026), ("Pacific/Chatham", 2026), ("America/Caracas", 2016),
    ("Asia/Pyongyang", 2018), ("Australia/Adelaide", 2026),
    # given up, for once, or the zone moved
    ("America/Mexico_City", 2022), ("Pacific/Fiji", 2020), ("Africa/Juba", 2021), ("Europe/Moscow", 2014),
    ("America/Scoresbysund", 2024),
    # over the date line: a date that does not exist
    ("Pacific/Apia", 2011), ("Pacific/Kwajalein", 1993), ("Pacific/Kiritimati", 1995),
    # none: a leap day, a year that is no leap year, year ends
    ("Asia/Tokyo", "2028-02-29"), ("Asia/Kolkata", "2028-02-29"), ("UTC", "2100-02-28"), ("Asia/Kathmandu", "2026-12-31"),
    ("Europe/Istanbul", "2026-12-31"), ("Pacific/Marquesas", "2026-12-31"), ("America/Phoenix", "2027-01-01"),
]  # fmt: skip

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
# No step of the walk meets these by chance.
ODD = timedelta(seconds=17, microseconds=654_321)

WHOLE = [(0, 1440)]
SHIFT = [(0, 360), (1320, 1440)]


def micros(at):
    return (at - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


class Shown:
    """What the clocks of a zone show at each minute around an instant, as the latest that they have shown so far."""

    def __init__(self, zone, around, days):
        self.zone = zoneinfo.ZoneInfo(zone)
        begin = around.replace(second=0, microsecond=0) - timedelta(days=days)
        self.minutes = [begin + n * MINUTE for n in range(2 * days * 1440)]
        self.latest = []
        for minute in self.minutes:
            now = self.local(minute)
            self.latest.append(max(now, self.latest[-1]) if self.latest else now)

    def local(self, at):
        return at.astimezone(self.zone).replace(tzinfo=None)

    def first(self, day, minute=0):
        """The first minute at which the clocks show this time of this day, or a later one."""
        found = bisect_left(self.latest, day + minute * MINUTE)
        assert 0 < found < len(self.minutes)
        return self.minutes[found]

    def day_of(self, at):
        return self.local(at).replace(hour=0, minute=0, second=0, microsecond=0)

    def worked(self, begin, work, hours):
        """When so much time has been worked from `begin` on."""
        minute = bisect_left(self.minutes, begin)
        if self.minutes[minute] > begin:
            minute -= 1
        while True:
            shown = self.latest[minute]
            of_day = shown.hour * 60 + shown.minute
            if any(start <= of_day < end for start, end in hours):
                start = max(self.minutes[minute], begin)
                here = self.minutes[minute] + MINUTE - start
                if work <= here:
                    return start + work
                work -= here
            minute += 1


def changes(zone, year):
    """The first minute of each new offset in a year."""
    zone = zoneinfo.ZoneInfo(zone)
    minute = datetime(year, 1, 1, tzinfo=timezone.utc) - DAY
    before = minute.astimezone(zone).utcoffset()
    while minute.year <= year:
        hour = minute + 60 * MINUTE
        if hour.astimezone(zone).utcoffset() != before:
            while minute.astimezone(zone).utcoffset() == before:
                minute += MINUTE
            yield minute
            before = minute.astimezone(zone).utcoffset()
        else:
            minute = hour


def next_week_day(day, count):
    """The n-th day from Monday to Friday after one, which first moves to such a day."""
    while day.weekday() >= 5:
        day += DAY
    for _ in range(count):
        day += DAY
        while day.weekday() >= 5:
            day += DAY
    return day


def orders(zone, shown, change, made):
    """calendar, made at, order date, delivery date, overdue at, ahead until, late from"""
    night = shown.day_of(change)
    for day in (night - 2 * DAY, night - DAY, night):
        yield "day", made, day, None, shown.first(day + 2 * DAY), None, None
    # The last status takes one day, so the first has to end on the day before the delivery.
    yield "day", made, None, night + DAY, shown.first(night + DAY), None, None
    for day in (night - DAY, night):
        yield "hours", made, day, None, shown.worked(shown.first(day), timedelta(hours=25), WHOLE), None, None
        yield "shift", made, day, None, shown.worked(shown.first(day), timedelta(hours=10), SHIFT), None, None
    friday = next_week_day(night - 2 * DAY, 0)
    yield "week", made, friday, None, shown.first(next_week_day(friday, 1) + DAY), None, None
    yield "free", made, None, night, None, shown.first(night), shown.first(night + DAY)
    # Made on the eve: counted from there.
    eve = change - timedelta(hours=5) + ODD
    yield "hours", eve, None, None, shown.worked(eve, timedelta(hours=25), WHOLE), None, None
    yield "shift", eve, None, None, shown.worked(eve, timedelta(hours=10), SHIFT), None, None


def nights():
    found = []
    for zone, when in NIGHTS:
        if isinstance(when, int):
            found += [(change, zone) for change in changes(zone, when)]
        else:
            shown = Shown(zone, datetime.fromisoformat(when).replace(tzinfo=timezone.utc), 3)
            found.append((shown.first(datetime.fromisoformat(when) + DAY), zone))
    group, first = -1, None
    for change, zone in sorted(found):
        if first is None or change - first > timedelta(days=2):
            group, first = group + 1, change
        made = first - timedelta(hours=46) + ODD
        shown = Shown(zone, change, 9)
        for calendar, *rest in orders(zone, shown, change, made):
            made, order, delivery, *instants = rest
            dates = [day.date().isoformat() if day else "" for day in (order, delivery)]
            numbers = ["" if at is None else str(micros(at)) for at in instants]
            print(",".join([str(group), zone, calendar, str(micros(made)), *dates, *numbers]))


def midnights():
    end = datetime(2024, 12, 31, tzinfo=timezone.utc)
    for zone in sorted(zoneinfo.available_timezones() - {"Factory", "localtime", "posixrules"}):
        days = [datetime(2024, 12, 31)]
        info = zoneinfo.ZoneInfo(zone)
        at, last = end, end.astimezone(info).utcoffset()
        while at.year > 1970 and at.astimezone(info).utcoffset() == last:
            at -= DAY
        if at.year > 1970:
            shown = Shown(zone, at, 2)
            change = next(minute for minute in shown.minutes if minute > at and minute.astimezone(info).utcoffset() == last)
            days.append(shown.day_of(change))
        for day in days:
            shown = Shown(zone, day.replace(tzinfo=timezone.utc), 3)
            print(f"{zone},{day.date().isoformat()},{micros(shown.first(day + DAY))}")


if __name__ == "__main__":
    {"nights": nights, "midnights": midnights}[sys.argv[1]]()
