"""Write the bytes of one golden message anew from its JSON: `python -m tests.tools.golden RECORD VERSION NAME`.

For a new message or a deliberate change; the contract tests hold the bytes of all others as they are.
"""

import sys
from pathlib import Path

from schemas.ids import pinned_encoder
from tests.support.builders.golden_messages import MODELS, Golden


def main() -> None:
    record, version, name = sys.argv[1:]
    golden = Golden(record, int(version), name)
    message = pinned_encoder(record).encode(MODELS[record].model_validate_json(golden.json_text).to_value())
    path = Path("schemas/examples") / record / version / f"{name}.hex"
    path.write_text(message.hex() + "\n", "ascii")
    print(f"wrote {path}, {len(message)} bytes")


if __name__ == "__main__":
    main()
