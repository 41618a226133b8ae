"""What the doctor finds, in words."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from ... import _C
from ...errors import DataError
from ...io.atomic import write_atomically

__all__ = ["DIAGNOSES", "Finding", "Findings"]

DIAGNOSES = (
    "wrong input range",
    "unshuffled data",
    "loss not near ln(classes) at the start",
    "cannot over-fit ten samples",
    "learning rate too high",
    "learning rate too low",
    "vanishing gradients",
    "exploding gradients",
    "dead units",
    "saturated units",
    "over-fitting",
    "under-fitting",
)
"""What the doctor knows, in the order in which it tells: causes before what they lead to."""

_SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or looks so.

    Attributes
    ----------
    diagnosis : str
        One of :data:`DIAGNOSES`.
    evidence : str
        What was seen, with the numbers.
    advice : str
        What to try.
    severity : {"warning", "error", "note"}
        ``"error"``: nothing useful is learnt; ``"warning"``: less than could be; ``"note"``: it may matter elsewhere.

    Raises
    ------
    ArgumentError
        If it is made with another diagnosis or severity.

    Examples
    --------
    >>> import tilegrad as tg
    >>> print(tg.inspect.Finding("over-fitting", "validation rose from 0.5 to 0.9", "stop at epoch 8", "warning"))
    over-fitting (warning)
      seen: validation rose from 0.5 to 0.9
      try:  stop at epoch 8
    """

    diagnosis: str
    evidence: str
    advice: str
    severity: str = "warning"

    def __post_init__(self) -> None:
        for name, known in (("diagnosis", DIAGNOSES), ("severity", _SEVERITIES)):
            if getattr(self, name) not in known:
                raise _C.ArgumentError(f"Finding: {name} must be one of {known}, found {getattr(self, name)!r}")

    def __str__(self) -> str:
        def paragraph(label: str, text: str) -> str:
            return textwrap.fill(text, 100, initial_indent=f"  {label:<5} ", subsequent_indent=" " * 8)

        return "\n".join(
            [f"{self.diagnosis} ({self.severity})", paragraph("seen:", self.evidence), paragraph("try:", self.advice)]
        )


class Findings(list[Finding]):
    """A list of findings that prints as text.

    Parameters
    ----------
    findings
        Put into the order of :data:`DIAGNOSES`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> print(tg.inspect.Findings())
    the doctor found nothing wrong
    """

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        super().__init__(sorted(findings, key=lambda finding: DIAGNOSES.index(finding.diagnosis)))

    @property
    def diagnoses(self) -> list[str]:
        """The names of what was found."""
        return [finding.diagnosis for finding in self]

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self) if self else "the doctor found nothing wrong"

    def save(self, folder: str | Path) -> None:
        """Write ``doctor.json`` into a run's folder, where :func:`report` looks for it.

        Parameters
        ----------
        folder
            Which is there already; a file of that name in it is replaced.
        """
        text = json.dumps({"findings": [asdict(finding) for finding in self]}, indent=1)
        write_atomically(Path(folder) / "doctor.json", [text.encode()])

    @classmethod
    def load(cls, path: str | Path) -> Findings:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path
            The file itself, ``doctor.json``.

        Returns
        -------
        Findings
            Those that were saved.

        Raises
        ------
        DataError
            If it is something else.
        """
        try:
            found = json.loads(Path(path).read_text("utf-8"))["findings"]
            fields = ("diagnosis", "evidence", "advice", "severity")
            if not all(set(item) == set(fields) and all(type(v) is str for v in item.values()) for item in found):
                raise ValueError(f"a finding has the texts {', '.join(fields)}")
            return cls(Finding(**item) for item in found)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{path}: not the findings of a doctor: {type(error).__name__}: {error}") from error
