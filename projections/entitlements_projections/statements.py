"""SQL from files: one named and described statement each.

```sql
-- upsert_grants --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into grants ...
```
The name is the file's. tests/unit/test_projection_statements.py holds every file against this.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(read_model: str, name: str) -> bytes:
    """The statement `name` of a read model's folder, as psycopg takes it. Raises FileNotFoundError for an unknown one."""
    return files(__package__).joinpath(*read_model.split("."), f"{name}.sql").read_bytes()
