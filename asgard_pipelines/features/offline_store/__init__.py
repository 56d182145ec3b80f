"""Feast's offline store over Iceberg tables and Parquet files, for any Feast program.

Feast finds it by the name of this package in `feature_store.yaml`; `store.py` says what it promises.
"""

from asgard_pipelines.features.offline_store.store import IcebergOfflineStore, IcebergOfflineStoreConfig

__all__ = ["IcebergOfflineStore", "IcebergOfflineStoreConfig"]
