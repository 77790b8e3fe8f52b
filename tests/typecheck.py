"""The type checker that the import hook of conftest.py puts on every public function of syncam."""

from beartype import BeartypeConf, beartype

typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is welcome where a float is expected
