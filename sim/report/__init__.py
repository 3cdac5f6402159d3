"""Reports for people: a run, or a sweep, as one HTML file that works offline.

`Html` (`sim.report.html`) is the only way to markup: whatever is no `Html` is escaped when it is put into a tag, so a
hostile channel name stays a name. A page forbids itself everything but its own script and style by its policy, asks for
nothing from anywhere, and reads as well without its script.
"""

from sim.report.run import write_report as write_report
from sim.report.seeds import write_sweep as write_sweep
