"""A TCP proxy that can be cut like a network."""

import contextlib
import socket
import threading


class Proxy:
    """Forwards 127.0.0.1:`port` to a server until it is cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._silent = threading.Event()
        self._accept_in_thread()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *error: object) -> None:
        self.cut(silently=False)

    def cut(self, *, silently: bool) -> None:
        """Ends every connection and refuses new ones; `silently` keeps them open, but nothing passes any more."""
        if silently:
            self._silent.set()
            return
        _close(self._listener)
        self._drop()

    def restore(self) -> None:
        if self._silent.is_set():
            self._drop()
            self._silent.clear()
            return
        self._listener = self._listen(self.port)
        self._accept_in_thread()

    def _drop(self) -> None:
        for pair in self._pairs:
            for end in pair:
                _close(end)
        self._pairs = []

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        return listener

    def _accept_in_thread(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
                self._pairs.append((client, server))
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._silent.is_set():
                    sink.sendall(data)
        _close(source)
        _close(sink)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
