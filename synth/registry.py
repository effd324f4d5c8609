"""A table of names: rows that are imported when they are asked for, merged with other packages' entry points."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from synth.errors import InputError, nearest


@dataclass(frozen=True, slots=True)
class Registry:
    """Names of one kind (providers, exporters, ...) and where each is found, as ``module:attribute``.

    A third party adds a row with an entry point in the group ``synth.<kind>``; our own rows win.
    """

    kind: str
    rows: Mapping[str, str]

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted({*self.rows, *(point.name for point in entry_points(group=f"synth.{self.kind}"))})

    def load(self, name: str) -> Any:
        """Import and return the row; raises InputError that names the nearest one."""
        target = self.rows.get(name)
        if target is None:
            for point in entry_points(group=f"synth.{self.kind}", name=name):
                return point.load()
            known = self.names()
            raise InputError(f"no {self.kind} named {name!r}{nearest(name, known)}; there are: {', '.join(known)}")
        module, _, attribute = target.partition(":")
        return getattr(import_module(module), attribute)
