"""Another Iceberg catalog than the house's, given by what PyIceberg takes to open it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from pyiceberg.catalog import Catalog as IcebergCatalog
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.table import Table

from asgard_pipelines.errors import BackendUnavailable, Invalid, TableNotFound
from asgard_pipelines.lakehouse.catalog import Catalog
from asgard_pipelines.settings import Settings


class OtherCatalog(Catalog):
    """Opened at the first use. Its tables are called `catalog.namespace.table`, here and in pins.

    What `properties` leave out is looked up where PyIceberg does: its configuration file, and variables
    such as `PYICEBERG_CATALOG__NAME__URI`.
    """

    def __init__(self, settings: Settings, name: str, properties: Mapping[str, str]) -> None:
        super().__init__(settings)
        self._name = name
        self._properties = dict(properties)

    @cached_property
    def iceberg(self) -> IcebergCatalog:
        """
        Raises:
            Invalid: the properties are not enough, or contradict each other.
            BackendUnavailable: nobody answers.
        """
        try:
            return load_catalog(self._name, **self._properties)
        except (ValueError, KeyError) as error:
            raise Invalid(f"Catalog '{self._name}' cannot be opened: {error}.", catalog=self._name) from error
        except Exception as error:  # a driver's own, whichever it is; its text may hold the address
            raise BackendUnavailable(
                f"Catalog '{self._name}' cannot be opened: {type(error).__name__}.", catalog=self._name
            ) from error

    def qualified(self, name: str) -> str:
        """`catalog.namespace.table` of that or of `namespace.table`. Raises TableNotFound."""
        parts = name.removeprefix(f"{self._name}.").split(".")
        if len(parts) < 2 or not all(parts):
            raise TableNotFound(name, self.names())
        return ".".join([self._name, *parts])

    def make_namespace_of(self, table: str) -> None:
        """Called before a table is made, which is for whoever owns the catalog. Raises TableNotFound."""
        raise TableNotFound(table, self.names())

    def names(self) -> list[str]:
        return [f"{self._name}.{name}" for name in super().names()]

    def exists(self, name: str) -> bool:
        return self.find(name) is not None

    def find(self, name: str) -> Table | None:
        try:
            return self.iceberg.load_table(self.qualified(name).removeprefix(f"{self._name}."))
        except (NoSuchTableError, NoSuchNamespaceError):
            return None
