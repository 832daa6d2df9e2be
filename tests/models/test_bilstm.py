"""The BiLSTM against PyTorch's bidirectional LSTM on packed sequences, and what it leaves to others."""

import pytest
import torch
from torch import nn

from supremix.models import bilstm
from supremix.models.bilstm import BiLSTM

WORDS, WIDTH = 40, 6


def word_vectors(width: int = WIDTH) -> torch.Tensor:
    vectors = torch.randn(WORDS, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    vectors[0] = 0
    return vectors


def pairs_of(lengths_a: list[int], lengths_b: list[int], extra: int = 0) -> dict[str, torch.Tensor]:
    """A batch with `extra` columns of padding more than needed."""
    generator = torch.Generator().manual_seed(1)
    x = {}
    for side, lengths in (("a", lengths_a), ("b", lengths_b)):
        length_B = torch.tensor(lengths)
        token_BL = torch.randint(1, WORDS, (len(lengths), max(lengths) + extra), generator=generator)
        x[side] = token_BL * (torch.arange(token_BL.shape[1]) < length_B[:, None])
        x[f"{side}_length"] = length_B
    return x


BATCH = ([3, 1, 7, 4, 7, 2], [5, 9, 1, 2, 6, 3])


def build(layers: int = 1, hidden: int = 4, dropout: float = 0.0) -> BiLSTM:
    torch.manual_seed(2)
    return BiLSTM(word_vectors(), hidden=hidden, layers=layers, dropout=dropout).double()


def packed(model: BiLSTM, layers: int, hidden: int) -> nn.LSTM:
    """One bidirectional nn.LSTM with the weights of `model`."""
    lstm = nn.LSTM(WIDTH, hidden, layers, batch_first=True, bidirectional=True).double()
    with torch.no_grad():
        for layer in range(layers):
            for part, end in ((model.rightward[layer], ""), (model.leftward[layer], "_reverse")):
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(lstm, f"{name}_l{layer}{end}").copy_(getattr(part, f"{name}_l0"))
    return lstm


def packed_features(lstm: nn.LSTM, x: dict[str, torch.Tensor]) -> torch.Tensor:
    sentences = []
    for side in ("a", "b"):
        embedded = word_vectors()[x[side]]
        run = nn.utils.rnn.pack_padded_sequence(embedded, x[f"{side}_length"], batch_first=True, enforce_sorted=False)
        out, _ = nn.utils.rnn.pad_packed_sequence(lstm(run)[0], batch_first=True, padding_value=-torch.inf)
        sentences.append(out.max(dim=1).values)
    u, v = sentences
    return torch.cat([u, v, (u - v).abs(), u * v], dim=1)


@pytest.mark.parametrize("at_once", [1, 4, 5, 100])
@pytest.mark.parametrize("layers", [1, 2])
def test_equals_a_packed_bidirectional_lstm(monkeypatch, layers, at_once):
    monkeypatch.setattr(bilstm, "SENTENCES_AT_ONCE", at_once)
    model, x = build(layers), pairs_of(*BATCH)
    lstm = packed(model, layers, 4)
    weight = torch.randn(6, 32, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    features, expected = model(x), packed_features(lstm, x)
    torch.testing.assert_close(features, expected, rtol=1e-10, atol=1e-12)
    (features * weight).sum().backward()
    (expected * weight).sum().backward()
    for layer in range(layers):
        for part, end in ((model.rightward[layer], ""), (model.leftward[layer], "_reverse")):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                gradient = getattr(part, f"{name}_l0").grad
                assert gradient.abs().max() > 1e-4
                expected_gradient = getattr(lstm, f"{name}_l{layer}{end}").grad
                torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-12)


def test_a_device_that_takes_all_sentences_at_once_gives_the_same():
    """The branch for accelerators, which does not sort, on the CPU."""
    model, x = build(2), pairs_of(*BATCH)
    token_SL = torch.cat([nn.functional.pad(x["a"], (0, 2)), x["b"]])
    pooled_SD = model._encode(token_SL, torch.cat([x["a_length"], x["b_length"]]))
    u_v = torch.stack(pooled_SD.split(6), dim=1)
    torch.testing.assert_close(model.sentences(x), u_v, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("extra", [1, 6])
def test_padding_does_not_matter(extra):
    model = build(2)
    torch.testing.assert_close(model(pairs_of(*BATCH)), model(trimmed(extra)), rtol=1e-12, atol=1e-14)


def trimmed(extra: int) -> dict[str, torch.Tensor]:
    """The same pairs as in BATCH with more padding, which holds no zeros but another word."""
    x = pairs_of(*BATCH)
    for side in ("a", "b"):
        x[side] = nn.functional.pad(x[side], (0, extra))
        beyond = torch.arange(x[side].shape[1]) >= x[f"{side}_length"][:, None]
        x[side] = x[side].masked_fill(beyond, 7)
    return x


def test_a_pair_has_the_same_features_alone_and_in_a_batch():
    model, x = build(2), pairs_of(*BATCH)
    alone = torch.cat([model({key: value[i : i + 1] for key, value in x.items()}) for i in range(6)])
    torch.testing.assert_close(model(x), alone, rtol=1e-12, atol=1e-14)


def test_features_are_made_of_the_sentence_vectors():
    model, x = build(), pairs_of(*BATCH)
    u, v = model.sentences(x).unbind(1)
    assert u.shape == (6, model.sentence_dim) == (6, 8)
    torch.testing.assert_close(model(x), torch.cat([u, v, (u - v).abs(), u * v], dim=1), rtol=0, atol=0)
    swapped = {"a": x["b"], "a_length": x["b_length"], "b": x["a"], "b_length": x["a_length"]}
    torch.testing.assert_close(model.sentences(swapped), torch.stack([v, u], dim=1), rtol=1e-12, atol=1e-14)


def test_reading_order_matters_in_both_directions():
    model = build()
    x = {"a": torch.tensor([[3, 4, 5]]), "b": torch.tensor([[5, 4, 3]])}
    x |= {"a_length": torch.tensor([3]), "b_length": torch.tensor([3])}
    u, v = model.sentences(x).unbind(1)
    assert (u - v).abs().min() > 1e-6


def test_dropout_falls_on_word_vectors_and_on_outputs_in_training_only():
    model, x = build(dropout=0.5), pairs_of(*BATCH)
    model.eval()
    assert torch.equal(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))
    dropped = []
    model.dropout.register_forward_hook(lambda module, inputs, output: dropped.append((inputs[0], output)))
    model(x)
    embedded, outputs = dropped[0], dropped[1]
    assert embedded[0].shape[-1] == WIDTH
    assert outputs[0].shape[-1] == model.sentence_dim
    assert all((before != after).any() for before, after in (embedded, outputs))


def test_word_vectors_are_neither_trained_nor_saved():
    model = build()
    model(pairs_of(*BATCH)).sum().backward()
    assert not model.vectors.requires_grad
    assert "vectors" not in model.state_dict()
    assert "vectors" in dict(model.named_buffers())  # so that it moves to the device with the rest
    other = BiLSTM(word_vectors(), hidden=4, layers=1, dropout=0.0).double()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(pairs_of(*BATCH)), model(pairs_of(*BATCH)))


@pytest.mark.parametrize(
    ("width", "hidden", "layers", "parameters", "out_dim"),
    [(50, 256, 1, 630_784, 2048), (300, 1500, 2, 75_648_000, 12_000)],
)
def test_sizes(width, hidden, layers, parameters, out_dim):
    with torch.device("meta"):
        model = BiLSTM(torch.empty(9, width), hidden=hidden, layers=layers, dropout=0.2)
        reference = nn.LSTM(width, hidden, layers, bidirectional=True)
    count = sum(p.numel() for p in model.parameters())
    assert count == parameters == sum(p.numel() for p in reference.parameters())
    assert model.out_dim == out_dim


@pytest.mark.parametrize(("argument", "value"), [("hidden", 0), ("layers", 0)])
def test_an_invalid_size_is_named(argument, value):
    with pytest.raises(ValueError, match=argument):
        BiLSTM(word_vectors(), **({"hidden": 4, "layers": 1, "dropout": 0.0} | {argument: value}))
