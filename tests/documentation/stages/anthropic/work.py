"""Prints what an agent did, a snapshot a line: sixty requests that differ."""

import json
from itertools import product

CITIES = ("Lisbon", "Oslo", "Turin", "Ghent", "Cork", "Riga")
THINGS = ("a torn jacket", "the wrong lamp", "a late parcel", "a broken chair", "two odd shoes")

for city, thing, again in product(CITIES, THINGS, (False, True)):
    print(
        json.dumps(
            {
                "agent_id": "support_1",
                "agent_name": "Support",
                "category": "customer_service",
                "task_type": "complaint",
                "input_data": {"text": f"A customer in {city} complains {'again ' * again}about {thing}."},
                "output_data": {"refund": again, "city": city, "thing": thing},
                "success": True,
                "performance_score": 0.9,
                "execution_time_ms": 80,
            }
        )
    )
