#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""rabbit_client.py PORT COMMAND: what tests ask of RabbitMQ, by pika, a client of others. Debian's interpreter runs it, as it is the
one that has Debian's pika.
    queue EXCHANGE KIND DURABLE NAME KEY...   makes an exchange, and a queue that gets what has one of the keys
    get NAME                                  takes all out of a queue: lines of JSON"""
import base64
import json
import sys

import pika


def main(port, command, *args):
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(port)))
    channel = connection.channel()
    if command == "queue":
        exchange, kind, durable, name, *keys = args
        channel.exchange_declare(exchange, kind, durable=durable == "durable")
        channel.queue_declare(name, durable=durable == "durable")
        for key in keys:
            channel.queue_bind(name, exchange, key)
    else:
        left = channel.queue_declare(args[0], passive=True).method.message_count
        for method, properties, body in channel.consume(args[0], inactivity_timeout=30) if left else ():
            if method is None:
                raise SystemExit(f"{left} messages do not come")
            left -= 1
            print(json.dumps({"routing_key": method.routing_key, "content_type": properties.content_type,
                              "delivery_mode": properties.delivery_mode, "headers": properties.headers,
                              "message_id": properties.message_id, "body": base64.b64encode(body).decode()}))
            if left == 0:
                channel.basic_ack(method.delivery_tag, multiple=True)
                break  # what came meanwhile stays in the queue
    connection.close()


main(*sys.argv[1:])
