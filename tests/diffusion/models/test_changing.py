"""What is changed inside a network while it is asked, and that nothing of it stays."""

import pytest
import torch

from nodes.diffusion.changes import NetworkChanges, Place, Way
from nodes.diffusion.denoiser import NetworkInputs
from nodes.diffusion.models.changing import attentions
from nodes.diffusion.models.load import load_control, load_network
from tests.diffusion.models import tiny

LATENTS = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
TIMES = torch.tensor([10.0, 900.0])
CONTEXT = torch.randn(2, 77, tiny.CONTEXT, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def ask(model_file, placement):
    """Asks a network, plainly before and after too: a change must leave nothing behind."""
    network = load_network(model_file, placement)

    def asked(*, latents=LATENTS, **changes):
        plain = network(latents, TIMES, CONTEXT)
        made = network(
            latents,
            TIMES,
            CONTEXT,
            inputs=NetworkInputs(sides=(1, 0)),
            changes=NetworkChanges(**changes),
        )
        assert torch.equal(network(latents, TIMES, CONTEXT), plain)
        return made, plain

    return asked


def same_skip(_joint, hidden, skip):
    return hidden, skip


def test_skip_changes_see_every_joint_with_the_skip_that_comes_in(ask):
    seen = []

    def watch(joint, hidden, skip):
        seen.append((joint.number, hidden.shape[1] // joint.width, skip.shape[1], hidden.shape[-1]))
        return hidden, skip

    made, plain = ask(skips=[watch])
    assert torch.equal(made, plain)
    assert seen == [(0, 2, 64, 4), (1, 2, 64, 4), (2, 2, 32, 4), (3, 2, 32, 8), (4, 1, 32, 8), (5, 1, 32, 8)]


def test_skip_changes_are_made_in_order(ask):
    double, halve = lambda _, h, skip: (h, skip * 2), lambda _, h, skip: (h, skip / 2)
    one, plain = ask(skips=[double])
    both, _ = ask(skips=[double, halve])
    assert not torch.allclose(one, plain)
    assert torch.equal(both, plain)


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (7, 11)])
def test_the_way_up_that_we_walk_is_the_networks_own(ask, size):
    made, plain = ask(latents=LATENTS.new_ones(2, 4, *size), skips=[same_skip])
    assert torch.equal(made, plain)


def test_input_blocks_are_changed_before_or_after_their_skip_is_kept(ask):
    numbers = []

    def doubled_third(number, hidden):
        numbers.append(number)
        return hidden * 2 if number == 3 else hidden

    before, plain = ask(before_skip=[doubled_third])
    after, _ = ask(after_skip=[doubled_third])
    assert numbers == [*range(6)] * 2
    assert not torch.allclose(before, plain)
    assert not torch.allclose(after, plain)
    assert not torch.allclose(before, after)
    undone, _ = ask(before_skip=[doubled_third], after_skip=[lambda n, h: h / 2 if n == 3 else h])
    assert not torch.allclose(undone, plain)  # the skip that was kept is doubled still


def test_a_block_may_become_smaller_where_skips_are_fitted(ask):
    def halved(number, hidden):
        return hidden[..., ::2, ::2] if number == 1 else hidden

    def fitted(_joint, hidden, skip):
        if hidden.shape != skip.shape:
            hidden = torch.nn.functional.interpolate(hidden, skip.shape[-2:])
        return hidden, skip

    made, plain = ask(after_skip=[halved], skips=[fitted])
    assert made.shape == plain.shape
    assert not torch.allclose(made, plain)


def test_attention_goes_through_changes_bit_for_bit(ask, model_file, placement):
    seen = []

    def watch(attention, attend):
        seen.append((attention.place, attention.queries.shape[1], attention.keys.shape[1], attention.sides))
        return attend(attention)

    made, plain = ask(attention=[watch])
    assert torch.equal(made, plain)
    module = load_network(model_file, placement).module
    assert [entry[0] for entry in seen] == [place for place, _ in attentions(module)]
    assert seen[0] == (Place(Way.INPUT, 1, 0, cross=False), 64, 64, (1, 0))
    assert seen[5] == (Place(Way.MIDDLE, 0, 0, cross=True), 16, 77, (1, 0))
    assert seen[-1] == (Place(Way.OUTPUT, 5, 0, cross=True), 64, 77, (1, 0))


def test_the_first_attention_change_stands_before_the_others(ask):
    order = []

    def named(name):
        def change(attention, attend):
            order.append(name)
            return attend(attention)

        return change

    ask(attention=[named("one"), named("two")])
    assert order[:4] == ["one", "two", "one", "two"]


def test_scores_and_values_make_what_attention_mixes(ask):
    def by_hand(attention, _attend):
        scores, values = attention.scores(), attention.unmixed()
        assert torch.allclose(scores.sum(-1), torch.ones(()), atol=1e-5)
        heads = values.unflatten(-1, (scores.shape[1], -1)).transpose(1, 2)
        return attention.out((scores @ heads).transpose(1, 2).flatten(2))

    made, plain = ask(attention=[by_hand])
    assert torch.allclose(made, plain, atol=1e-5)


def test_an_attention_can_be_given_other_tokens(ask):
    def backwards(attention, attend):
        tokens = attention.queries.flip(1)
        return attend(attention.on(tokens, attention.keys, attention.values)).flip(1)

    made, plain = ask(attention=[backwards])
    assert torch.allclose(made, plain, atol=1e-5)


def test_residuals_are_added_at_whatever_size_a_block_has(model_file, control_file, placement):
    network, control = load_network(model_file, placement), load_control(control_file, placement)
    residuals = control(LATENTS, TIMES, CONTEXT, torch.ones(2, 3, 64, 64))
    plain = network(LATENTS, TIMES, CONTEXT, residuals=residuals)
    same = NetworkChanges(after_skip=[lambda _number, hidden: hidden])
    assert torch.allclose(
        network(LATENTS, TIMES, CONTEXT, residuals=residuals, changes=same), plain, atol=1e-5
    )
    smaller = NetworkChanges(
        before_skip=[lambda number, hidden: hidden[..., ::2, ::2] if number == 2 else hidden]
    )
    fits = NetworkChanges(
        skips=[lambda _joint, hidden, skip: (torch.nn.functional.interpolate(hidden, skip.shape[-2:]), skip)]
    )
    made = network(LATENTS, TIMES, CONTEXT, residuals=residuals, changes=smaller + fits)
    assert made.shape == plain.shape
    assert bool(made.isfinite().all())
    assert not torch.allclose(made, plain)
