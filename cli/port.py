"""Whether the port that the pages are to have is free."""

import errno
import http.client
import socket

from shared.settings import ServiceSettings


def is_taken(settings: ServiceSettings) -> bool:
    """Return whether somebody listens on TOCSIN_HTTP_PORT already. What else may be wrong with it api says."""
    try:
        found = socket.getaddrinfo(settings.http_host, settings.http_port, type=socket.SOCK_STREAM)
        socket.create_server(found[0][4], family=found[0][0]).close()
    except OSError as e:
        return e.errno == errno.EADDRINUSE
    return False


def is_alive(settings: ServiceSettings) -> bool:
    """Return whether a Tocsin answers there."""
    connection = http.client.HTTPConnection(settings.http_host, settings.http_port, timeout=1)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().read(100) == b'{"status":"alive"}'
    except (http.client.HTTPException, OSError):
        return False
    finally:
        connection.close()
