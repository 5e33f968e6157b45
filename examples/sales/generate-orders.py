#!/usr/bin/env python3
"""Writes jobs/data/orders.csv: made-up orders with some dirt among them, the same at every call."""

import csv
import datetime
import pathlib
import random

ORDERS = 4000
FIRST_DAY = datetime.date(2026, 8, 1)
DAYS = 92
REGIONS = {"north": 0.34, "south": 0.27, "east": 0.22, "west": 0.17}
CURRENCIES = {"EUR": 0.82, "USD": 0.12, "GBP": 0.06}
COUPONS = ["AUTUMN10", "WELCOME5", "FREESHIP", "LOYAL15"]
NAMES = (
    "Abramo Bakery|Acker & Sons|Alpine Tools|Aurora Books|Bianchi Cicli|Blue Harbour|Café Lumen|"
    "Castel Wines|Delta Print|Dorfladen Egger|Eastgate Toys|Fabbri Ottica|Farm Fresh Co|Ferro Battuto|"
    "Garden Lane|Greta's Flowers|Hofmann Uhren|Isola Pesca|Jansen Fietsen|Kettle & Leaf|Lago Sport|"
    "Lindqvist Design|Malaga Citrus|Marble Arch Tea|Nordlicht Lampen|Oak & Iron|Officina Rossi|"
    "Papyrus Shop|Piazza Nova|Quay Street Deli|Riverside Pets|Sartoria Conti|Seven Hills Coffee|"
    "Silva Cork|Tirol Honig|Trattoria Mezzo|Umbra Ceramics|Vale Music|Weber Möbel|Zenith Optics"
).split("|")


def pick(weights):
    return random.choices(list(weights), list(weights.values()))[0]


def order(number):
    day = FIRST_DAY + datetime.timedelta(days=number * DAYS // ORDERS)
    # A few customers buy much more often than the others.
    customer = NAMES[min(int(random.expovariate(0.09)), len(NAMES) - 1)]
    amount = round(random.lognormvariate(4.2, 0.8), 2)
    coupon = random.choice(COUPONS) if random.random() < 0.18 else ""
    return [10_000 + number, day.isoformat(), customer, pick(REGIONS), pick(CURRENCIES), f"{amount:.2f}", coupon]


def main():
    random.seed(20261101)
    rows = [order(number) for number in range(ORDERS)]
    for row in random.sample(rows, 60):
        row[3] = ""
    for row in random.sample(rows, 9):
        row[5] = "-" + row[5]
    for row in random.sample(rows, 4):
        row[5] = "0.00"
    for row in random.sample(rows, 3):
        row[5] = f"{random.randint(200_000, 900_000)}.00"
    # The shop's export repeats some lines a little later.
    for position in sorted(random.sample(range(50, ORDERS), 35), reverse=True):
        rows.insert(position, list(rows[position - random.randint(1, 40)]))
    path = pathlib.Path(__file__).resolve().parents[2] / "jobs" / "data" / "orders.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "date", "customer", "region", "currency", "amount", "coupon"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
