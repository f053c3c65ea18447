"""Copies of a model: loss, gradient and steps are those of the package's own model, loss and training loop."""

import numpy as np
import pytest

import xent
from tests.test_sweep.problems import PROBLEMS, iris
from xent.fit.examples import Rows
from xent.fit.loop import Fit, Objective
from xent.fit.model import Model
from xent.fit.optimizers import optimizer
from xent.train.copies import Copies, softmax_minus_onehot
from xent.train.descent import Cell, Descent, Length, descend


def perturbed(problem, seeds=(3, 4)):
    copies = Copies(problem.architecture, seeds)
    copies.vector += np.random.default_rng(7).normal(0, 0.5, copies.vector.shape)
    return copies


def one(problem, vector):
    model = Model(problem.architecture)
    model.vector[:] = vector
    return model


@pytest.mark.parametrize("name", PROBLEMS)
def test_loss_and_gradient_are_those_of_the_package(name):
    problem = PROBLEMS[name]
    copies, batch = perturbed(problem), np.array([[0, 5, 9, 5], [2, 2, 30, 31]])

    logits, kept = copies.forward(problem.inputs[batch])
    d_logits = softmax_minus_onehot(logits.copy(), problem.targets[batch]) / 4
    copies.backward(d_logits, kept, problem.inputs[batch])

    for s, chosen in enumerate(batch):
        model = one(problem, copies.vector[s])
        wanted = model.logits(problem.inputs[chosen])
        grad = xent.value_and_grad(wanted, problem.targets[chosen])[1]
        model.backward(grad)
        assert np.abs(logits[s] - wanted).max() <= 1e-13 * max(1, np.abs(wanted).max())
        assert np.abs(d_logits[s] - grad).max() <= 4 * 2.0**-53
        assert np.abs(copies.gradient[s] - model.gradient).max() <= 1e-13 * np.abs(model.gradient).max()


@pytest.mark.parametrize("name", PROBLEMS)
def test_mean_losses_and_accuracies_are_those_of_the_package(name):
    problem = PROBLEMS[name]
    copies = perturbed(problem)
    losses = copies.losses(problem.inputs, problem.targets)
    accuracies = copies.accuracies(problem.inputs, problem.targets)
    for s in range(2):
        logits = one(problem, copies.vector[s]).logits(problem.inputs)
        assert losses[s] == pytest.approx(xent.cross_entropy(logits, problem.targets), rel=1e-13, abs=1e-15)
        assert accuracies[s] == np.mean(logits.argmax(-1) == problem.targets)


def test_seeds_start_as_xent_train_does():
    problem = PROBLEMS["iris, hidden"]
    model = Model(problem.architecture)
    model.initialise(np.random.default_rng([5, 0, 1]))
    assert np.array_equal(Copies(problem.architecture, [4, 5]).vector[1], model.vector)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_steps_are_those_of_the_training_loop(name, reduction):
    """On rows that the batch size divides, an epoch is an epoch of `xent train`."""
    problem = iris((6,))
    rows = Rows(problem.inputs[:96], problem.targets[:96])
    model = one(problem, Copies(problem.architecture, [2]).vector[0])
    lr = 0.01
    fit = Fit(
        model, optimizer(name, len(model.vector), lr), Objective(reduction), batch_size=8, micro_batches=1, seed=2
    )

    problem = type(problem)(problem.architecture, rows.inputs, rows.targets, rows.inputs, rows.targets)
    descent = Descent(problem, Cell(reduction, 8, lr), [1, 2], name)
    for _ in range(2):
        fit.train_epoch(rows)
    for _ in range(24):
        descent.step()

    assert np.abs(descent.copies.vector[1] - model.vector).max() <= 1e-12 * np.abs(model.vector).max()


def test_what_a_seed_gives_does_not_depend_on_the_others():
    cell, length = Cell("mean", 4, 0.5), Length(300, 20)
    both, alone = (descend(PROBLEMS["iris"], cell, seeds, "sgd", length) for seeds in ((0, 1), (1,)))
    assert both.losses[1] == alone.losses[0]
    assert both.accuracies[1] == alone.accuracies[0]


def test_a_batch_has_its_size_and_an_epoch_no_row_twice():
    problem = iris()
    descent = Descent(problem, Cell("mean", 40, 0.1), [0, 1], "sgd")
    chosen = []
    for _ in range(len(problem.targets) // 40):
        chosen.append(descent._next_batch())
        descent.updates += 1
    seen = np.concatenate(chosen, axis=1)
    assert {batch.shape for batch in chosen} == {(2, 40)}
    assert all(len(set(row)) == len(row) for row in seen.tolist())
    assert not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(descent._next_batch(), chosen[0])


def test_the_first_loss_is_that_of_no_update_and_steps_too_long_give_none():
    length = Length(60, 30)
    trace = descend(iris((8,)), Cell("sum", 60, 1e6), [0, 1], "sgd", length)
    assert len(trace.losses[0]) == len(length.checks(60))
    assert trace.losses[0][0] == pytest.approx(1.1, abs=0.8)
    assert trace.losses[0][-1] is None
    assert descend(iris(), Cell("mean", 60, 0.1), [0], "sgd", length).losses[0][0] == 1.09861


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda d: d / 3, "not divided by the batch"),
        (lambda d: d + 1e-12, "shifted"),
        (lambda d: d[:, ::-1], "rows exchanged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_derivative_would_be_seen(wrong, what):
    problem = PROBLEMS["iris"]
    copies = perturbed(problem, (3,))
    batch = np.array([[0, 5, 9, 70]])
    logits, kept = copies.forward(problem.inputs[batch])
    copies.backward(wrong(softmax_minus_onehot(logits, problem.targets[batch]) / 4), kept, problem.inputs[batch])
    model = one(problem, copies.vector[0])
    model.backward(xent.value_and_grad(model.logits(problem.inputs[batch[0]]), problem.targets[batch[0]])[1])
    assert np.abs(copies.gradient[0] - model.gradient).max() > 1e-13 * np.abs(model.gradient).max(), what
