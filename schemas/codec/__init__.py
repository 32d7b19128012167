"""Encode and decode Avro in the Confluent wire format."""
