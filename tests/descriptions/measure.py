"""Measure the description tool against a local server and print the figures of the documentation.

    python -m tests.descriptions.measure [--only throughput] [--kills 24] [--seed 0]

Takes two to three minutes on two idle cores. The server runs in a process of its own on the same
machine, so a busy machine makes the throughput look worse than it is; the load is printed with it.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from tests.descriptions.conftest import ROOT, TOOL, start_tool
from tests.descriptions.test_recovery import answered

CLASSES, CONCURRENCY, LATENCY_SEC = 400, 32, 0.2


@contextmanager
def running_server(*options):
    """Run the server as a program; yield its URL."""
    command = [sys.executable, '-m', 'tests.descriptions.server', *map(str, options)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate()


def server_log(url):
    with urllib.request.urlopen(url.removesuffix('/v1') + '/log') as response:
        return json.load(response)


def finished(process):
    stdout, stderr = process.communicate()
    if process.returncode:
        sys.exit(f'the tool failed:\n{stdout}{stderr}')
    return stdout


def asking_seconds(stdout):
    return float(re.search(r'([\d.]+) s(?:,|$)', stdout.splitlines()[0])[1])


def measure_throughput(folder, repetitions=3):
    ideal = CLASSES / CONCURRENCY * LATENCY_SEC
    with running_server('--latency', LATENCY_SEC) as url:
        for index in range(repetitions):
            started = time.monotonic()
            stdout = finished(start_tool(url, 'kinetics400', folder / f'{index}.json',
                                         '--concurrency', CONCURRENCY))  # fmt: skip
            whole, asking = time.monotonic() - started, asking_seconds(stdout)
            print(f'throughput: {CLASSES} classes in {asking:.2f} s, {asking / ideal:.2f} x the '
                  f'ideal {ideal:.2f} s; whole process {whole:.2f} s; '
                  f'load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')  # fmt: skip


def measure_faults(folder):
    with running_server('--latency', 0.05, '--faults', 0.3) as url:
        stdout = finished(start_tool(url, 'kinetics400', folder / 'faults.json',
                                     '--concurrency', CONCURRENCY, '--timeout', 2))  # fmt: skip
        log = server_log(url)
    bad = sum(entry['outcome'] != 'good' for entry in log)
    classes = len(json.loads((folder / 'faults.json').read_text(encoding='utf-8'))['classes'])
    print(f'faults: {classes} of {CLASSES} classes delivered; {len(log)} requests made, '
          f'{CLASSES} needed, {len(log) / CLASSES:.2f} x; {bad} were met by a fault '
          f'({bad / len(log):.0%}); {stdout.splitlines()[0]}')  # fmt: skip


def measure_help(repetitions=7):
    times = []
    for _ in range(repetitions):
        started = time.monotonic()
        subprocess.run([sys.executable, str(TOOL), '--help'], stdout=subprocess.DEVNULL, check=True)
        times.append(time.monotonic() - started)
    times.sort()
    print(f'--help: median {times[len(times) // 2]:.2f} s, best {times[0]:.2f} s')


def measure_kills(folder, kills, draw):
    """Kill runs after a random number of their requests; finish each after four kills."""
    options = ('--concurrency', 8)
    done = middle = asked_again = different = 0
    with running_server('--latency', 0.05) as url:
        finished(start_tool(url, 'hmdb51', folder / 'whole.json', *options))
        whole = (folder / 'whole.json').read_bytes()
        while done < kills:
            out = folder / f'broken{done}.json'
            cache = out.with_suffix('.cache.sqlite')
            for number in range(5):
                kept, before = answered(cache), len(server_log(url))
                process = start_tool(url, 'hmdb51', out, *options)
                if number == 4:
                    finished(process)
                else:
                    target = before + draw.randrange(13)
                    while len(server_log(url)) < target and process.poll() is None:
                        time.sleep(0.002)
                    time.sleep(draw.uniform(0, 0.1))
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    done += 1
                    middle += kept < answered(cache) and len(answered(cache)) < 51
                names = {name for name, _ in kept}
                asked_again += sum(e['name'] in names for e in server_log(url)[before:])
            different += out.read_bytes() != whole
    print(f'recovery: {done} kills ({middle} after new answers and before the last one) in '
          f'{done // 4} runs; {asked_again} stored answers asked for again; {different} files '
          'differ from an undisturbed run')  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--kills', type=int, default=24)
    parser.add_argument('--seed', type=int, default=0, help='of the kill moments')
    parser.add_argument('--only', choices=('help', 'throughput', 'faults', 'kills'))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        parts = {
            'help': measure_help,
            'throughput': lambda: measure_throughput(folder),
            'faults': lambda: measure_faults(folder),
            'kills': lambda: measure_kills(folder, arguments.kills, random.Random(arguments.seed)),
        }
        for name, measure in parts.items():
            if arguments.only in (None, name):
                measure()


if __name__ == '__main__':
    main()
