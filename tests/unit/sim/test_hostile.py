"""What a bad host makes of the frames that leave its node."""

from dataclasses import replace

from mesh import frames as f
from mesh.wire.frames import decode_frame, encode_frame
from sim.hostile import _of_tomorrow, _said_by
from tests.link_samples import hello


def test_a_host_of_tomorrow_says_more_than_is_understood_and_all_that_is() -> None:
    for frame in (hello(), f.Alive(7), f.IHave(()), f.Credit(3)):
        changed, new = _of_tomorrow(encode_frame(frame))

        later = replace(frame, version=frame.version + 1) if isinstance(frame, f.Hello) else frame
        assert decode_frame(changed) == later
        assert len(changed) > len(encode_frame(frame))
        assert decode_frame(new) is None


def test_a_host_of_the_past_greets_with_a_version_of_the_past_and_says_the_rest_as_it_is() -> None:
    assert _said_by("past", hello()) == [replace(hello(), version=0)]
    assert _said_by("past", f.Alive(7)) == [f.Alive(7)]
