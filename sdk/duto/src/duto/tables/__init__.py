"""How files become rows and columns: one set of rules for the studio, for programs and for steps (docs/data.md).

It stands on the standard library; only Parquet files ask for pyarrow. Nothing here touches the network.
"""

from duto.tables.errors import TableError
from duto.tables.forms import Form, form_of
from duto.tables.reader import Column, Source, Table, read, survey
from duto.tables.sniff import guess

__all__ = ["Column", "Form", "Source", "Table", "TableError", "form_of", "guess", "read", "survey"]
