"""The laws of the loss, on the linear loss behind an identity.

There the lowest finite number stands for -inf: it is none where all logits are shifted, and that law is left out.
"""

import pytest

from tests.laws import test_arrays, test_batches, test_rows
from tests.laws.registry import LAWS
from tests.test_linear.identity import ROWS, TILES, WHOLE

MODULES = (test_arrays, test_batches, test_rows)  # importing them registers their laws
EXAMPLES, MANY = 3, 12

TO_THE_BIT = [
    "test_an_ignored_row_changes_nothing_whatever_it_holds",
    "test_a_row_of_weight_zero_is_never_read",
    "test_a_real_class_can_be_ignored_and_its_logit_stays",
    "test_repeating_every_row_leaves_the_mean",
    "test_the_order_of_the_rows_does_not_matter",
    "test_micro_batches_with_the_count_of_the_whole_add_up",
    "test_the_number_of_threads_changes_no_bit",
    "test_dividing_the_loss_by_a_power_of_two_divides_the_gradient",
    "test_grad_scale_multiplies_the_gradient_and_not_the_loss",
    "test_twice_the_sample_weight_is_twice_the_gradient",
    "test_a_common_factor_of_the_sample_weights_leaves_the_mean",
    "test_a_negative_sample_weight_turns_loss_and_gradient_around",
    "test_a_one_hot_row_of_probabilities_is_its_index",
    "test_a_rows_bits_depend_on_the_row_alone",
    "test_asking_for_more_does_not_change_loss_or_gradient",
    "test_fields_of_a_row_are_the_rows_own_and_0_where_it_does_not_count",
    "test_the_z_loss_field_follows_the_reduction",
    "test_the_loss_alone_is_the_loss_with_the_gradient",
    "test_the_layout_of_an_array_changes_no_bit",
    "test_the_alignment_of_an_array_changes_no_bit",
    "test_a_zero_stride_is_its_copies_and_the_gradient_is_dense",
    "test_any_batch_axes_and_any_class_axis_give_the_bits_of_the_flat_batch",
    "test_more_batch_axes_are_more_rows",
    "test_the_dtype_of_the_labels_changes_no_bit",
    "test_nothing_that_was_passed_is_written",
    "test_no_result_shares_memory_with_an_argument_or_an_earlier_result",
]
WITHIN_THE_BOUND = [
    "test_permuting_the_classes_permutes_the_gradient",
    "test_the_gradient_of_a_row_sums_to_zero",
    "test_the_gradient_of_a_probability_row_sums_to_zero_within_what_was_subtracted",
    "test_the_loss_is_not_negative_and_the_gradient_is_in_range",
    "test_equal_logits_cost_log_of_the_number_of_classes",
    "test_raising_the_targets_logit_never_raises_the_loss",
]
EVERYWHERE = [*TO_THE_BIT[:6], *TO_THE_BIT[12:16], *WITHIN_THE_BOUND[1:4]]
GRID = [(WHOLE, name) for name in [*TO_THE_BIT, *WITHIN_THE_BOUND]]
GRID += [(front, name) for front in (ROWS, TILES) for name in EVERYWHERE]
ALL = [(front, name) for front in (WHOLE, ROWS, TILES) for name in [*TO_THE_BIT, *WITHIN_THE_BOUND]]


@pytest.mark.parametrize(("front", "name"), GRID, ids=str)
def test_the_law_holds_behind_a_linear_layer(front, name):
    assert front.has(*LAWS[name].needs)
    LAWS[name].run(front, EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize(("front", "name"), ALL, ids=str)
def test_the_law_holds_in_many_examples(front, name):
    LAWS[name].run(front, MANY)
