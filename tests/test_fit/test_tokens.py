"""Tokens: the vocabulary comes from training text alone, and every token is predicted from those before it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xent.core.errors import DataError
from xent.fit.tokens import END, RARE, Vocabulary, paragraphs_of, tokens_of

words = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, max_size=30)


@given(text=st.text())
def test_tokens_hold_every_character_that_is_no_space(text):
    assert "".join(tokens_of(text)) == "".join(text.lower().split())


@given(text=words, context=st.integers(1, 4), longest=st.integers(1, 9))
def test_cutting_a_text_changes_no_context(text, context, longest):
    vocabulary = Vocabulary.learn([["a", "b", "c"]], 5)
    whole = vocabulary.window(text, context)
    cut = vocabulary.sequences([text], context, longest)

    assert max(map(len, cut.targets)) <= longest
    np.testing.assert_array_equal(np.concatenate(cut.inputs), whole[0])
    np.testing.assert_array_equal(np.concatenate(cut.targets), whole[1])


@given(text=words)
def test_the_last_input_before_a_target_is_the_target_before_it(text):
    inputs, targets = Vocabulary.learn([text], 9).window(text, 2)

    assert inputs[0].tolist() == [0, 0]
    np.testing.assert_array_equal(inputs[1:, -1], targets[:-1] + 1)
    assert targets[-1] == 1


def test_the_commonest_tokens_are_kept_and_of_equals_the_first_by_name():
    vocabulary = Vocabulary.learn([["b", "a", "c", "c"]], 4)

    assert vocabulary.tokens == (RARE, END, "c", "a")
    assert vocabulary.encode(["c", "b", "zebra", "a"]).tolist() == [2, 0, 0, 3]


def test_paragraphs_end_at_lines_that_look_empty():
    assert paragraphs_of("\n\n one\ntwo\n \t\nthree\n\n\n\n") == [" one\ntwo", "three"]
    assert paragraphs_of(" \n\n ") == []


@pytest.mark.parametrize("tokens", [(), ("a",), (RARE, END, "a", "a"), (END, RARE)])
def test_a_list_that_is_no_vocabulary_is_refused(tokens):
    with pytest.raises(DataError) as error:
        Vocabulary(tokens)

    assert str(error.value) == (
        "the vocabulary is damaged: it must start with <rare> and <end> and hold each token once."
    )
