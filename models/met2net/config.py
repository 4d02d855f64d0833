"""The shape of one Met2Net network."""

from __future__ import annotations

from dataclasses import dataclass

from met2net_ops.errors import ModelError

ATTENTION_HEADS = 8
_DILATED_REACH = 9  # a 7 x 7 kernel with dilation 3 looks nine points east and west


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that fixes the parameters' shapes and the arithmetic.

    Attributes:
        input_frames: T, frames in and frames out.
        variables: C, predicted variables; each has its own encoder and decoder.
        height: H, rows.
        width: W, columns.
        hid_s: channels of encoders and decoders (hid_S in the paper).
        hid_t: channels of the translator (hid_T), a multiple of the 8 attention heads.
        n_t: translator blocks (N_T).
        n_s: encoder and decoder blocks (N_S), even; every second one halves the resolution.
        drop_path: chance that a residual branch of TAU is dropped for one map in training.
        forcings: F, input-only tokens after the C variables: encoded and attended to, never
            decoded.
        periodic_longitude: the easternmost column is next to the westernmost, so convolutions
            wrap instead of seeing zeros there.

    Raises:
        ModelError: the numbers do not make a network.
    """

    input_frames: int
    variables: int
    height: int
    width: int
    hid_s: int = 32
    hid_t: int = 256
    n_t: int = 8
    n_s: int = 2
    drop_path: float = 0.1
    forcings: int = 0
    periodic_longitude: bool = False

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ModelError(f"this is no Met2Net network: {problem} ({self})")

    def _problems(self) -> list[str]:
        sizes = (self.input_frames, self.variables, self.height, self.width, self.hid_s, self.n_t)
        checks = {
            "all sizes must be at least 1": min(sizes) < 1 or self.forcings < 0,
            f"hid_t must be a multiple of {ATTENTION_HEADS}": self.hid_t < ATTENTION_HEADS
            or self.hid_t % ATTENTION_HEADS != 0,
            "hid_s must be even": self.hid_s % 2 != 0,
            "n_s must be even and at least 2": self.n_s < 2 or self.n_s % 2 != 0,
            "drop_path must be in [0, 1)": not 0.0 <= self.drop_path < 1.0,
        }
        if self.periodic_longitude and self.n_s >= 2:
            checks[f"a periodic width must be a multiple of {self.stride}"] = (
                self.width % self.stride != 0
            )
            checks[f"a periodic width must be at least {_DILATED_REACH * self.stride}"] = (
                self.width < _DILATED_REACH * self.stride
            )
        return [problem for problem, wrong in checks.items() if wrong]

    @property
    def stride(self) -> int:
        """How many grid points one latent point spans, each way.

        >>> NetworkConfig(12, 4, 32, 64, n_s=4).stride
        4
        """
        return int(2 ** (self.n_s // 2))

    @property
    def tokens(self) -> int:
        """Variables and forcings: the length of the translator's sequence."""
        return self.variables + self.forcings

    @property
    def latent_channels(self) -> int:
        """Channels of one variable's latent: its T frames side by side, time-major."""
        return self.input_frames * self.hid_s
