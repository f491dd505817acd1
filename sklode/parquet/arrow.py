"""pyarrow, imported where Parquet is needed."""

from types import ModuleType


def arrow() -> ModuleType:
    """Package pyarrow with its module for Parquet.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError('Parquet needs pyarrow: pip install "sklode[io]"') from error
    return pyarrow
