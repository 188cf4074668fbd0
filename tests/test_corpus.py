"""The whole corpus of real messages through the product: nothing is changed, stuck or lost."""

from __future__ import annotations

import pytest

from tests import corpus

needs_corpus = pytest.mark.skipif(not corpus.FOLDER.is_dir(), reason="the corpus of real messages is not here")


@needs_corpus
@pytest.mark.parametrize("line", [False, True], ids=["line off", "line on"])
def test_every_message_goes_out_as_it_was_written_or_says_why_not(line: bool) -> None:
    found = corpus.run(line=line)

    assert len(found) == len(corpus.files())
    assert not [went for went in found if went.became.isupper() or went.became.startswith("LOST")]
    assert all(went.why for went in found if went.became in ("held", "refused", "re-encoded"))
    if not line:
        ordinary = [went for went in found if (corpus.FOLDER / "messages" / went.file).exists()]
        assert sum(went.became == "identical" for went in ordinary) >= 0.9 * len(ordinary)
