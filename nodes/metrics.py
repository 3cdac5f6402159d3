"""Metrics for Prometheus: what the node counts, and what it is at the moment of asking."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

NAMESPACE = "gossamer"
LABELS = {"links_dropped_total": "code", "batches_refused_total": "verdict"}
"""Metrics that come as `name/value`, and what the value is."""


class _Present(Collector):
    """Reads a node's state when it is asked for."""

    def __init__(self, read: Callable[[], dict[str, float]]) -> None:
        """Read with this."""
        self._read = read

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Give each number as a gauge."""
        for name, value in self._read().items():
            yield GaugeMetricFamily(f"{NAMESPACE}_{name}", name.replace("_", " "), value)


class Metrics:
    """Counters by name, made when they are first needed."""

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}

    def watch(self, read: Callable[[], dict[str, float]]) -> None:
        """Show these numbers at each scrape."""
        self.registry.register(_Present(read))

    def count(self, metric: str, by: int, *, gauge: bool) -> None:
        """Let a counter rise, or set a gauge."""
        name, _, value = metric.partition("/")
        if gauge:
            if name not in self._gauges:
                self._gauges[name] = Gauge(name, name.replace("_", " "), namespace=NAMESPACE, registry=self.registry)
            self._gauges[name].set(by)
            return
        if name not in self._counters:
            labels = [LABELS[name]] if name in LABELS else []
            about = name.replace("_", " ")
            self._counters[name] = Counter(
                name.removesuffix("_total"), about, labels, namespace=NAMESPACE, registry=self.registry
            )
        counter = self._counters[name]
        (counter.labels(value) if value else counter).inc(by)

    def page(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self.registry)
