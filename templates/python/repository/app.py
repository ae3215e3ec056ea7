"""A small web application: WSGI, and nothing but Python's own library."""

import os
import socketserver
from wsgiref.simple_server import WSGIServer, make_server


def application(environ, start_response):
    """Answer one request. Any WSGI server can run this."""
    revision = os.environ.get("SHIPIT_REVISION", "unknown")
    pages = {
        "/": f"Hello from {os.environ.get('SHIPIT_ENVIRONMENT', 'nowhere')}.\n",
        "/health": f"ok {revision}\n",
    }
    page = pages.get(environ["PATH_INFO"])
    status = "200 OK" if page else "404 Not Found"
    body = (page or "There is nothing here.\n").encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread per request, so that one slow reader does not stop the others."""

    daemon_threads = True


if __name__ == "__main__":
    # Only this machine: a web server such as nginx stands in front.
    with make_server("127.0.0.1", int(os.environ["PORT"]), application, server_class=Server) as server:
        server.serve_forever()
