"""Clients of message brokers."""

from __future__ import annotations

from pytest_mtls.certificates.trust import TrustArgument
from pytest_mtls.clients.library import Arguments, ClientArgument, Credentials, Library, load

__all__ = ["LIBRARIES", "confluent_kafka", "kafka_python", "paho_mqtt", "pika"]


def paho_mqtt(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The arguments of ``paho.mqtt.client.Client.tls_set``."""
    return Credentials.of(identity, trust).files(trust="ca_certs", cert="certfile", key="keyfile")


def confluent_kafka(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The settings of a `confluent_kafka` ``Producer``, ``Consumer`` or ``AdminClient``: its one argument is a dict."""
    files = Credentials.of(identity, trust).files(
        trust="ssl.ca.location", cert="ssl.certificate.location", key="ssl.key.location"
    )
    return {"security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "https"} | files


def kafka_python(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The arguments of kafka-python's ``KafkaProducer``, ``KafkaConsumer`` and ``KafkaAdminClient``."""
    files = Credentials.of(identity, trust).files(trust="ssl_cafile", cert="ssl_certfile", key="ssl_keyfile")
    return {"security_protocol": "SSL", "ssl_check_hostname": True} | files


def pika(identity: ClientArgument, trust: TrustArgument) -> Arguments:
    """The arguments of `pika.ConnectionParameters`; the host given there is the one that is checked."""
    return {"ssl_options": load("pika", "pika").SSLOptions(Credentials.of(identity, trust).ssl_context)}


LIBRARIES = (
    Library("paho-mqtt", "paho.mqtt.client", "client.tls_set(**arguments)", paho_mqtt),
    Library("confluent-kafka", "confluent_kafka", "confluent_kafka.Producer({**arguments, ...})", confluent_kafka),
    Library("kafka-python", "kafka", "kafka.KafkaProducer(**arguments)", kafka_python),
    Library("pika", "pika", "pika.ConnectionParameters(host, port, **arguments)", pika),
)
