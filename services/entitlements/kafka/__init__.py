"""How Kafka is reached: addresses, TLS and SASL, the same for every process and client.

settings     the settings ENTITLEMENTS_KAFKA..., secrets also from files
properties   what librdkafka's clients are made with
reaching     asks a broker: does it answer, does it take our credentials, has it our topics?

Faust speaks by aiokafka: changes/credentials.py makes the same for it.
"""
