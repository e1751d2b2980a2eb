"""The error a user meets: one clear message, no traceback, exit code 2."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class CosimError(Exception):
    """Something the user can mend: a wrong value, a missing file, a machine without ngspice.

    `message` says what is wrong in one sentence; the other parts, where they are given, say where
    and what would be right, and are joined to it in `str()`:

        study.toml: key 'bits': value 12: too many bits. Allowed: 2 to 8.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        key: str | None = None,
        value: Any = None,
        allowed: str | Iterable[Any] | None = None,
    ) -> None:
        self.message = message
        self.file = None if file is None else str(file)
        self.key = key
        self.value = value
        self.allowed = allowed if allowed is None or isinstance(allowed, str) else list(allowed)
        super().__init__(self._compose())

    def _compose(self) -> str:
        where = [
            part
            for part in (
                self.file,
                None if self.key is None else f"key '{self.key}'",
                None if self.value is None else f"value {_shown(self.value)}",
            )
            if part is not None
        ]
        text = ": ".join([*where, self.message])
        if self.allowed is not None:
            allowed = [self.allowed] if isinstance(self.allowed, str) else self.allowed
            choices = ", ".join(str(each) for each in allowed)
            text = f"{text.rstrip('.')}{'' if text.endswith(('?', '!')) else '.'} Allowed: {choices}."
        return text

    def as_dict(self) -> dict[str, Any]:
        """The error for `--json`: the whole text, and the parts that were given."""
        parts = {"file": self.file, "key": self.key, "value": self.value, "allowed": self.allowed}
        given = {name: part for name, part in parts.items() if part is not None}
        return {"kind": type(self).__name__, "message": str(self), **given}

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would hand the composed text to `message` when a worker process sends it home.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[CosimError], args: tuple[Any, ...], attributes: dict[str, Any]) -> CosimError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error


def _shown(value: Any, limit: int = 80) -> str:
    """A value as it stands in a message, cut where it would bury the message."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """`" Did you mean 'sigmoid'?"` when a candidate is close to `name`, else an empty string."""
    close = get_close_matches(name, list(candidates), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
