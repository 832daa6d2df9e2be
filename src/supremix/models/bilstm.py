"""BiLSTM for sentence pairs (Wang et al. 2018; Yang et al. 2021): word vectors → BiLSTM → max over time → pair vector.

Shapes: B pairs, S = 2B sentences, L tokens, E word-vector width, H hidden units a direction.
"""

import torch
from torch import Tensor, nn

Pairs = dict[str, Tensor]

SENTENCES_AT_ONCE = 32
"""Sentences in a chunk on a CPU: those of similar length run together, with less padding and in cache."""


class BiLSTM(nn.Module):
    """Encode both sentences of a pair with the same BiLSTM; the features are [u; v; |u − v|; u∗v].

    Each direction is a separate LSTM; the backward one runs on reversed sentences. That equals a bidirectional LSTM on
    packed sequences, in about three quarters of its time on a CPU.

    Args:
        vectors: word vectors (V, E), row 0 for padding; neither trained nor saved with the weights.
        hidden: H ≥ 1 of each direction.
        layers: BiLSTM layers, at least 1.
        dropout: probability on word vectors and on the last layer's outputs, before the maximum (Yang et al.).
        sentences: of a row: 2 for pairs; 1 for single ones, whose vector is the feature.
    """

    registered_name = "backbone/bilstm"

    vectors: Tensor

    def __init__(self, vectors: Tensor, hidden: int, layers: int, dropout: float, sentences: int = 2) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"layers must be 1 or more, got {layers}")
        if hidden < 1:
            raise ValueError(f"hidden must be 1 or more units, got {hidden}")
        self.register_buffer("vectors", vectors, persistent=False)
        widths = [vectors.shape[1]] + [2 * hidden] * (layers - 1)
        self.rightward = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.leftward = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.sides = ("a", "b")[:sentences]
        self.sentence_dim = 2 * hidden
        self.out_dim = self.sentence_dim if sentences == 1 else 4 * self.sentence_dim

    def forward(self, x: Pairs) -> Tensor:
        """Return pair vectors (B, out_dim), or the vectors of single sentences.

        Args:
            x: "a" and for pairs "b", token numbers (B, La) and (B, Lb), padded with 0 at the end; "a_length" and
                "b_length", (B,), each at least 1.
        """
        if len(self.sides) == 1:
            return self.sentences(x)[:, 0]
        u_BD, v_BD = self.sentences(x).unbind(dim=1)
        return torch.cat([u_BD, v_BD, (u_BD - v_BD).abs(), u_BD * v_BD], dim=1)

    def sentences(self, x: Pairs) -> Tensor:
        """Return the sentence vectors of each row, (B, 2, sentence_dim), or (B, 1, sentence_dim) of single ones."""
        width = max(x[side].shape[1] for side in self.sides)
        if torch.compiler.is_exporting():
            width = width + width % 2  # an even width: PyTorch takes a plain one for a constant where it meets an LSTM
        token_SL = torch.cat([_widened(x[side], width) for side in self.sides])
        length_S = torch.cat([x[f"{side}_length"] for side in self.sides])
        if token_SL.device.type != "cpu" or torch.compiler.is_exporting():  # one graph for any lengths
            pooled_SD = self._encode(token_SL, length_S)
        else:
            order_S = length_S.argsort()
            chunks = order_S.split(SENTENCES_AT_ONCE)
            parts = [self._encode(token_SL[at, : int(length_S[at[-1]])], length_S[at]) for at in chunks]
            pooled_SD = torch.cat(parts)[order_S.argsort()]
        return pooled_SD.view(len(self.sides), -1, self.sentence_dim).transpose(0, 1)

    @torch.autocast("cpu", enabled=False)  # few processors have LSTMs in bfloat16
    def _encode(self, token_SL: Tensor, length_S: Tensor) -> Tensor:
        """Return sentence vectors (S, sentence_dim)."""
        step_L = torch.arange(token_SL.shape[1], device=token_SL.device)
        real_SL = step_L < length_S[:, None]
        # Reverses each sentence and leaves the padding after it; it is its own inverse.
        mirror_SL = torch.where(real_SL, length_S[:, None] - 1 - step_L, step_L)
        h_SLD = self.dropout(nn.functional.embedding(token_SL, self.vectors))
        for right, left in zip(self.rightward, self.leftward, strict=True):
            h_SLD = torch.cat([right(h_SLD)[0], _reordered(left(_reordered(h_SLD, mirror_SL))[0], mirror_SL)], dim=2)
        h_SLD = self.dropout(h_SLD)
        return h_SLD.masked_fill(~real_SL[:, :, None], -torch.inf).max(dim=1).values


def _reordered(h_SLD: Tensor, at_SL: Tensor) -> Tensor:
    return h_SLD.gather(1, at_SL[:, :, None].expand(-1, -1, h_SLD.shape[2]))


def _widened(token_BL: Tensor, width: int) -> Tensor:
    # Not padded by what is missing, which may be nothing: an exported graph would keep that case alone.
    return torch.cat([token_BL, token_BL.new_zeros(token_BL.shape[0], width)], dim=1)[:, :width]
