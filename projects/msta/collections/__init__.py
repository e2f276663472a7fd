"""Collections: labels and embeddings of more videos than one machine can hold in a day.

A list of addresses goes through readers and recognizers, in one process or on Ray, into Parquet
shards, which can be scored against other labels later. Importing this package loads no torch.
"""


class CollectionError(ValueError):
    """A list, folder or setting that a collection cannot be made with."""


class MissingPackageError(ImportError):
    """An optional package is needed and not installed; the message has the command."""


try:
    import pyarrow  # noqa: F401
except ImportError as error:
    raise MissingPackageError(
        'a collection needs pyarrow: pip install -r requirements/collections.txt'
    ) from error
