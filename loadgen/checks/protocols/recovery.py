"""Looks at what a report of fanload says of those that came back: recovery.py REPORT FIGURE VALUE..."""

import json
import sys

with open(sys.argv[1]) as report:
    found = json.load(report)["recovery"]
wanted = dict(zip(sys.argv[2::2], map(int, sys.argv[3::2])))
was = {name: found[name] for name in wanted}
if was != wanted or not found["came_back"]:
    sys.exit(f"of {found['came_back']} that came back it says {was}, not {wanted}")
