"""What a node does wrong as it shows the past, and what judges it: each is let do so in a file that plays where it shows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.effects import Tell
from mesh.engines.delivery import Delivery, history
from mesh.engines.delivery.history import Histories, Page
from mesh.operations import UNTIL_ALWAYS_MS, HistoryPage
from tests.play_samples import Wrong, breaks_its_promise

LATE_MS = 1_500


def _reads_history_as_it_is_now(ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(histories: Histories, session: Any, request: Any, expiry_ms: Any) -> Any:
        cut = None if request.cut is None else histories.holdings.stored_vector()
        return ask(histories, session, replace(request, cut=cut), expiry_ms)

    return asked


def _nothing_of_it(*_: Any) -> IntervalSet:
    return IntervalSet()


def _says_nothing_of_what_is_absent(look_for: Callable[..., Any]) -> Callable[..., Any]:
    def looked(histories: Histories, page: Page, *rest: Any) -> None:
        look_for(histories, page, *rest)
        page.absent.clear()

    return looked


def _denies_what_it_has(look_for: Callable[..., Any]) -> Callable[..., Any]:
    def looked(histories: Histories, page: Page, log: Any, wanted: IntervalSet) -> None:
        look_for(histories, page, log, wanted)
        page.absent[log] = wanted

    return looked


def _fixes_a_cut_of_what_is_not_stored(ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(histories: Histories, session: Any, request: Any, expiry_ms: Any) -> Any:
        received = VersionVector((log, held.positions) for log, held in histories.holdings.received.items())
        return ask(histories, session, replace(request, cut=request.cut or received), expiry_ms)

    return asked


def _forgets_what_was_missing(shows: Callable[..., Any]) -> Callable[..., Any]:
    def shown(histories: Histories, page: Page, *place: Any) -> Any:
        forgetful = replace(page.operation, missing=VersionVector())
        return shows(histories, replace(page, operation=forgetful), *place)

    return shown


def _fixes_a_cut_of_what_is_stored(ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(histories: Histories, session: Any, request: Any, expiry_ms: Any) -> Any:
        cut = request.cut or histories.holdings.stored_vector()
        return ask(histories, session, replace(request, cut=cut), expiry_ms)

    return asked


def _knows_what_it_has_delivered_alone(delivery: Delivery) -> VersionVector:
    return VersionVector((log, [(1, horizon)]) for log, horizon in delivery.horizon.items() if horizon)


def _shows_more_than_was_asked_for(ask: Callable[..., Any]) -> Callable[..., Any]:
    return lambda histories, session, request, *rest: ask(
        histories, session, replace(request, limit=request.limit + 1), *rest
    )


def _shows_nothing_to_who_comes_in_the_middle(finish: Callable[..., Any]) -> Callable[..., Any]:
    def finished(histories: Histories, page: Page) -> Any:
        met = histories.__dict__.setdefault("met", set())
        if page.operation.after is not None and page.session not in met:
            page.records.clear()
            page.places.clear()
        met.add(page.session)
        return finish(histories, page)

    return finished


def _shows_nothing_page_after_page(histories: Histories, session: Any, request: Any, _: Any) -> Any:
    cut = histories.holdings.stored_vector() if request.cut is None else request.cut.copy()
    return [Tell((session,), HistoryPage(request.request, cut, (), (), VersionVector()))]


def _takes_all_for_alive(on_loaded: Callable[..., Any]) -> Callable[..., Any]:
    return lambda histories, loaded, _: on_loaded(histories, loaded, 0)


def _skips_each_seventh(take: Callable[..., Any]) -> Callable[..., Any]:
    def taken(histories: Histories, page: Any, log: Any, position: int, record: Any) -> Any:
        is_taken = take(histories, page, log, position, record)
        if is_taken and record.sequence % 7 == 0 and page.records[-1:] == [record]:
            page.records.pop()
            page.places.pop()
        return is_taken

    return taken


def _begins_where_it_should_end(histories: Histories, page: Any) -> Any:
    heads = [(s.ready[0][1].stamp, log, s.ready[0][0]) for log, s in page.streams.items() if s.ready]
    return min(heads)[1] if page.operation.backwards and heads else max(heads)[1] if heads else None


def _minds_no_times(ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(histories: Histories, session: Any, request: Any, expiry_ms: Any) -> Any:
        return ask(histories, session, replace(request, since_ms=0, until_ms=UNTIL_ALWAYS_MS), expiry_ms)

    return asked


def _begins_too_late(ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(histories: Histories, session: Any, request: Any, expiry_ms: Any) -> Any:
        late = request.since_ms + LATE_MS if request.since_ms else 0
        return ask(histories, session, replace(request, since_ms=late), expiry_ms)

    return asked


def _ends_too_early(ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(histories: Histories, session: Any, request: Any, expiry_ms: Any) -> Any:
        return ask(histories, session, replace(request, until_ms=request.until_ms - LATE_MS), expiry_ms)

    return asked


def _dates_nothing(*_: Any, **__: Any) -> None:
    pass


def _takes_all_for_outside(page: Page, *_: Any, **__: Any) -> None:
    page.absent.clear()


BROKEN: dict[str, Wrong] = {
    "minds no times": (
        "gaps-outside-the-times",
        "in order",
        "times",
        (Histories, "ask", _minds_no_times(Histories.ask)),
    ),
    "begins too late": (
        "gaps-outside-the-times",
        "in order",
        "left out",
        (Histories, "ask", _begins_too_late(Histories.ask)),
    ),
    "ends too early": (
        "gaps-outside-the-times",
        "in order",
        "left out",
        (Histories, "ask", _ends_too_early(Histories.ask)),
    ),
    "names what lies outside the times": (
        "gaps-outside-the-times",
        "in order",
        "missing",
        (history, "_date", _dates_nothing),
    ),
    "is silent of what may lie within the times": (
        "gaps-outside-the-times",
        "in order",
        "missing",
        (history, "_date", _takes_all_for_outside),
    ),
    "reads history as it is now": (
        "swarm",
        "in order",
        "cut",
        (Histories, "ask", _reads_history_as_it_is_now(Histories.ask)),
    ),
    "shows nothing page after page": (
        "halves",
        "available",
        "pages",
        (Histories, "ask", _shows_nothing_page_after_page),
    ),
    "shows who died while the disk was asked": (
        "reading-the-past",
        "stays dead",
        "",
        (Histories, "on_loaded", _takes_all_for_alive(Histories.on_loaded)),
    ),
    "leaves out each seventh": (
        "reading-the-past",
        "in order",
        "left out",
        (Histories, "_take", _skips_each_seventh(Histories._take)),
    ),
    "shows nothing to who comes in the middle": (
        "reading-the-past",
        "in order",
        "left out",
        (Histories, "_finish", _shows_nothing_to_who_comes_in_the_middle(Histories._finish)),
    ),
    "shows more than was asked for": (
        "reading-the-past",
        "available",
        "pages",
        (Histories, "ask", _shows_more_than_was_asked_for(Histories.ask)),
    ),
    "begins where it should end": (
        "reading-the-past",
        "in order",
        "",
        (Histories, "_least", _begins_where_it_should_end),
    ),
    "shows the same page for ever": ("reading-the-past", "available", "pages", (history, "_behind", _nothing_of_it)),
    "passes over what it has not got": (
        "passed-over-without-a-word",
        "in order",
        "missing",
        (Histories, "_look_for", _says_nothing_of_what_is_absent(Histories._look_for)),
    ),
    "denies what it has": (
        "reading-the-past",
        "in order",
        "missing",
        (Histories, "_look_for", _denies_what_it_has(Histories._look_for)),
    ),
    "fixes a cut of what is not stored": (
        "reading-the-past",
        "in order",
        "missing",
        (Histories, "ask", _fixes_a_cut_of_what_is_not_stored(Histories.ask)),
    ),
    "forgets what was missing": (
        "hidden-by-what-was-missing",
        "in order",
        "left out",
        (Histories, "_shows", _forgets_what_was_missing(Histories._shows)),
    ),
    "fixes a cut of what is stored": (
        "silent-of-what-it-had-lost",
        "in order",
        "missing",
        (Histories, "ask", _fixes_a_cut_of_what_is_stored(Histories.ask)),
    ),
    "knows what it has delivered alone": (
        "silent-of-what-it-had-lost",
        "in order",
        "missing",
        (Delivery, "known", _knows_what_it_has_delivered_alone),
    ),
}


@pytest.mark.parametrize("wrong", BROKEN)
def test_what_is_wrong_with_history_breaks_the_promise_that_it_concerns(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks_its_promise(BROKEN[wrong], monkeypatch)
