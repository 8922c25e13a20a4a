"""A system as a function of one of its inputs."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sersupport.systems.base import System


class GivenInputs(nn.Module):
    """A system as a function of what one role's network sees, all other inputs of one clip held fixed.

    A branch is run on its own, beside the clip's embeddings of the other branches; a system without that branch is run
    whole, beside the clip's other inputs.

    Parameters
    ----------
    model : System
        Put into evaluation mode.
    inputs : mapping of str to Tensor, shapes (1, ...)
        What :meth:`~sersupport.systems.base.System.forward` takes, for one clip.
    role : str
        One of the inputs.

    Attributes
    ----------
    values : Tensor, shape (...)
        The clip's own values of the role, as the function takes them.
    """

    def __init__(self, model: System, inputs: Mapping[str, Tensor], role: str) -> None:
        super().__init__()
        self.model, self.role = model.eval(), role
        with torch.no_grad():
            self.values = self.seen(inputs[role])[0]
            self._embeddings = model.embed(**inputs) if role in model.branches else None
        self._inputs = dict(inputs)

    def seen(self, values: Tensor) -> Tensor:
        """Values (B, ...) as the function takes them: a branch's prepared, such as standardised, others as they are."""
        return self.model.prepare(self.role, values) if self.role in self.model.branches else values

    def forward(self, values: Tensor) -> Tensor:
        """Logits (B, C) of values (B, ...) as the role's network sees them."""
        fixed = self._inputs if self._embeddings is None else self._embeddings
        fixed = {name: tensor.expand(len(values), *tensor.shape[1:]) for name, tensor in fixed.items()}
        if self._embeddings is None:
            return self.model(**{**fixed, self.role: values}).logits
        length = self._inputs.get(f"{self.role}_length")
        length = None if length is None else length.expand(len(values))
        return self.model.classify({**fixed, self.role: self.model.branch(self.role, values, length)})
