"""The workbook as other programs read it.

workbook.py same BOOK PLAN_JSON RECALCULATED      no error cell, checks hold, totals are the JSON's within a cent
workbook.py sound BOOK RECALCULATED               no error cell, checks hold, cached values are the recalculated ones
workbook.py change BOOK CHANGED NAME=VALUE...     writes the book with named cells changed
workbook.py near PLAN_JSON RECALCULATED           totals within 0.1 % of a plan made with --set
"""

import json
import sys

from openpyxl import load_workbook


def cell(book, name):
    sheet, reference = next(iter(book.defined_names[name].destinations))
    return book[sheet][reference.replace("$", "")]


def cells(book):
    for sheet in book:
        for row in sheet.iter_rows():
            yield from row


def totals(plan):
    bill = plan["bill"]
    cost = bill["cost_usd"]
    return {
        "total_usd": cost["total"],
        "rent_total_usd": cost["cloud"]["total"],
        "owned_total_usd": cost["owned"]["total"],
        "facility_kwh": bill["energy_j"]["total"] / 3.6e6,
        "carbon_total_kg": bill["carbon_kg_co2e"]["total"],
        "water_total_l": bill["water_l"],
    }


def sound(book, recalculated, least):
    written = load_workbook(book)
    formulas = [c for c in cells(written) if c.data_type == "f"]
    cached = load_workbook(book, data_only=True)
    values = load_workbook(recalculated, data_only=True)
    assert len(formulas) >= least, len(formulas)
    for c in formulas:
        now, then = values[c.parent.title][c.coordinate].value, cached[c.parent.title][c.coordinate].value
        where = f"{c.parent.title}!{c.coordinate} {c.value}"
        assert now is not None and then is not None, where
        if isinstance(then, str):
            assert now == then and now not in ("CHECK",) and not now.startswith("#"), (where, now, then)
        else:
            assert not isinstance(now, str) and abs(now - then) <= max(0.01, 1e-9 * abs(then)), (where, now, then)
    return formulas, values


def ranges(values, plan):
    """P10, P50 and P90 of the summary are those of the plan."""
    rows = {row[0].value: [c.value for c in row[1:5]] for row in values["Summary"].iter_rows()}
    for label, key, unit in (
        ("Time to train, days", "wall_s", 86400),
        ("Cost, USD", "cost_usd", 1),
        ("Energy at the meter, MWh", "energy_j", 3.6e9),
        ("Carbon, t CO2e", "carbon_kg_co2e", 1e3),
    ):
        q = plan["ranges"][key]
        for now, want in zip(rows[label], (q["p50"], q["p10"], q["p50"], q["p90"])):
            assert abs(now * unit / want - 1) < 1e-6, (label, now * unit, want)


def same(book, plan, recalculated):
    formulas, values = sound(book, recalculated, 100)
    ranges(values, plan)
    for name, value in totals(plan).items():
        now = cell(values, name).value
        bound = 0.01 if name.endswith("_usd") else max(0.01, 1e-9 * abs(value))
        assert abs(now - value) <= bound, (name, now, value)
    print(f"real parts: LibreOffice recalculates {len(formulas)} formulas as they were written; totals are the plan's")


def change(book, changed, *assignments):
    written = load_workbook(book)
    for assignment in assignments:
        name, value = assignment.split("=")
        cell(written, name).value = float(value)
    written.save(changed)


def near(plan, recalculated):
    values = load_workbook(recalculated, data_only=True)
    for name, value in totals(plan).items():
        now = cell(values, name).value
        assert abs(now / value - 1) < 1e-3, (name, now, value)
    assert cell(values, "total_usd").value and not any(c.data_type == "e" for c in cells(values))
    print("real parts: changed cells of the workbook give what --set gives")


def hostile(book, name):
    for c in cells(load_workbook(book)):
        assert not (c.data_type == "f" and name in str(c.value)), c
    assert any(c.data_type == "s" and name in c.value for c in cells(load_workbook(book))), name


if __name__ == "__main__":
    do, *rest = sys.argv[1:]
    if do == "same":
        same(rest[0], json.load(open(rest[1])), rest[2])
    elif do == "sound":
        # Books of a plan and of a comparison are live; the others are values.
        formulas, values = sound(rest[0], rest[1], 0)
        errors = [c.coordinate for c in cells(values) if c.data_type == "e"]
        numbers = sum(isinstance(c.value, (int, float)) for c in cells(values))
        assert not errors and numbers > 10, (rest[0], errors, numbers)
        empty = [sheet.title for sheet in values if not any(c.value is not None for row in sheet.iter_rows() for c in row)]
        assert not empty, (rest[0], empty)
        print(f"real parts: LibreOffice opens {rest[0].rsplit('/', 1)[1]}: {len(values.sheetnames)} sheets, {numbers} numbers, {len(formulas)} formulas as written")
    elif do == "change":
        change(*rest)
    elif do == "near":
        near(json.load(open(rest[0])), rest[1])
    elif do == "hostile":
        hostile(*rest)
    else:
        sys.exit(__doc__)
