"""One process: threads that read, each with a process that decodes, and the model."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from queue import Full, Queue

from .reading import Job, Part, Reader
from .recognizing import Answer, Recognizer


def run_locally(
    jobs: Iterable[Job], reader: Reader, recognizer: Recognizer, readers: int = 2
) -> Generator[Answer, None, None]:
    """Answers as they are done. At most two parts per reader wait for the model."""
    for part in read_ahead(jobs, reader, readers):
        yield recognizer.recognise(part)


def read_ahead(jobs: Iterable[Job], reader: Reader, readers: int) -> Iterator[Part]:
    """Parts in the order in which threads have read them."""
    if readers < 1:
        raise ValueError(f'readers={readers} must be at least 1')
    waiting = iter(jobs)
    taking, stop = threading.Lock(), threading.Event()
    ready: Queue[Part | BaseException | None] = Queue(maxsize=2 * readers)

    def put(item: Part | BaseException | None) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except Full:
                continue

    def work() -> None:
        try:
            while not stop.is_set():
                with taking:
                    job = next(waiting, None)
                if job is None:
                    break
                for part in reader.read(job):
                    put(part)
                    if stop.is_set():
                        break
        except BaseException as error:
            put(error)
        finally:
            reader.close()
            put(None)

    threads = [threading.Thread(target=work, name=f'msta-read-{i}') for i in range(readers)]
    for thread in threads:
        thread.start()
    try:
        running = readers
        while running:
            item = ready.get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
    finally:
        stop.set()
        for thread in threads:
            thread.join()
