"""Any bytes as a message of any record: it is decoded, or refused by an error of the contract, and nothing else."""

from tests.fuzz.targets.guided import search, watched

with watched("schemas"):
    from schemas.codec.codec import frame
    from schemas.errors import ContractError
    from schemas.ids import pinned_decoder, pinned_encoder, pinned_id
    from schemas.partitioner import partition_of
    from tests.fuzz.oracle import PARTITIONS, check_error, message, new_intake, take_in
    from tests.support.builders.golden_messages import MODELS, goldens

RECORDS = tuple(MODELS)
DECODERS = {record: pinned_decoder(record) for record in RECORDS}
ENCODERS = {record: pinned_encoder(record) for record in RECORDS}
INTAKE = new_intake()


def target(data: bytes) -> None:
    """The first byte chooses the record; whether the frame is given, too, its highest bit."""
    if not data:
        return
    record, body = RECORDS[(data[0] & 0x7F) % len(RECORDS)], data[1:]
    framed = body if data[0] & 0x80 else frame(pinned_id(record), body)
    try:
        value = DECODERS[record].decode(framed)
    except ContractError as error:
        check_error(error)
        return
    assert repr(DECODERS[record].decode(ENCODERS[record].encode(value))) == repr(value)
    if record == "deploy_event":
        key = value["service"].encode()
        take_in(INTAKE, message(framed, key, 1_767_225_600_000_000, partition_of(key, PARTITIONS)))


if __name__ == "__main__":
    search(target, (bytes([RECORDS.index(golden.record)]) + golden.message[5:] for golden in goldens()))
