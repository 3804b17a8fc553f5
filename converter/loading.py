"""What the user says of a model file that the file cannot say of itself."""

import msgspec


class Loading(msgspec.Struct, frozen=True, kw_only=True):
    """Paths, "" for none. `weights` belong to an architecture file; the code in `trust_code` is run."""

    weights: str = ""
    trust_code: str = ""
