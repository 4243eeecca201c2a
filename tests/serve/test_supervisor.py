"""Several processes that serve one port: killed, started again, failing, and orphaned."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_connections import Load, read_response, request_bytes, server_process, wait_until
from made_images import encoded, quadrants

from edgekit.serve import supervisor

PREDICT = request_bytes("/predict", encoded(quadrants(), "PNG"))
METRICS = request_bytes("/metrics", method="GET")


def ask(address, request=PREDICT):
    with socket.create_connection(address, timeout=20) as sock:
        sock.sendall(request)
        return read_response(sock)


def requests_counted(address):
    _, _, body = ask(address, METRICS)
    (line,) = [x for x in body.decode().splitlines() if x.startswith('edgekit_requests_total{route="/predict"')]
    return float(line.rpartition(" ")[2])


def test_supervisor_replaces_a_killed_process_while_the_other_serves(tiny_artifact):
    with (
        server_process(tiny_artifact, "--workers", "2") as server,
        Load(server.address, PREDICT, keep_alive=False) as load,
    ):
        wait_until(lambda: len(load.statuses) > 20)
        killed, other = server.workers()
        os.kill(killed, signal.SIGKILL)
        served = len(load.statuses)
        wait_until(lambda: len(load.statuses) > served + 100)
        wait_until(lambda: len(server.workers()) == 2 and killed not in server.workers())
        assert other in server.workers()
        load.stop()
        assert load.refused == 0
        assert len(load.lost) <= 4  # what the killed process had in work, at most one request of each client
        assert set(load.statuses) == {200}
        (line,) = server.events("worker_ended")
        assert (line["pid"], line["exit"]) == (killed, -signal.SIGKILL)
        assert line["message"].endswith("(killed by SIGKILL); a new one starts now")
        # The counters of the killed process are not lost, whichever process reports them; a request is counted after
        # its response, so those in work when it was killed may be missing.
        assert requests_counted(server.address) >= len(load.statuses) - 4
        new = (set(server.workers()) - {other}).pop()
        wait_until(lambda: b"onnxruntime" in Path(f"/proc/{new}/maps").read_bytes())
        os.kill(other, signal.SIGKILL)
        wait_until(lambda: ask(server.address)[0] == 200)
        assert requests_counted(server.address) >= len(load.statuses) - 4
        assert server.end() == 0


@pytest.mark.parametrize("workers", ["1", "3"])
def test_serve_reports_a_model_that_cannot_be_loaded_once(tmp_path, workers):
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with server_process(tmp_path / "broken.onnx", "--workers", workers) as server:
        assert server.process.wait(60) == 4
        server._reader.join(10)
        assert [line.startswith("error: ") and "broken.onnx" in line for line in server.other_lines] == [True]
        assert server.lines == []


def test_workers_end_when_their_supervisor_is_killed(tiny_artifact):
    with server_process(tiny_artifact, "--workers", "2") as server:
        address = server.address
        assert ask(address)[0] == 200
        workers = server.workers()
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        with pytest.raises(ConnectionRefusedError):
            ask(address)


def test_supervisor_ends_processes_that_ignore_the_signal(tiny_artifact):
    with server_process(tiny_artifact, "--workers", "2", "--grace", "0.2") as server:
        assert ask(server.address)[0] == 200
        os.kill(server.workers()[0], signal.SIGSTOP)
        begin = time.monotonic()
        assert server.end() == 1
        assert time.monotonic() - begin < 10


def supervise(body: str) -> subprocess.CompletedProcess[str]:
    """Run a Supervisor of two processes in a process of its own. body: what the processes do."""
    code = f"""
import os, signal, sys, time
from edgekit.errors import ArtifactError, EdgekitError
from edgekit.serve import supervisor
from edgekit.serve.logs import configure_logging
supervisor._FIRST_DELAY_S = supervisor._STEADY_S = 0.05
configure_logging(as_json=False)
def run(number, link):
    {body}
try:
    supervisor.Supervisor(run, workers=2, grace_s=1).run(
        on_ready=lambda models: print("ready", models, flush=True), on_end=lambda: print("end", flush=True))
except EdgekitError as error:
    print(type(error).__name__, error)
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_supervisor_gives_up_when_processes_end_again_and_again():
    ended = supervise("link.report_ready(('tiny',)); sys.exit(7)")
    expected = "EdgekitError the server's processes end soon after their start (exit status 7, 5 times in a row)"
    assert ended.stdout.splitlines()[-1] == expected
    lines = ended.stderr.splitlines()
    assert "ended (exit status 7); a new one starts now" in lines[0]
    assert "a new one starts in 0.2 s" in ended.stderr


def test_supervisor_goes_on_while_one_process_is_steady():
    body = "link.report_ready(('tiny',)); time.sleep(1.6 if number else 0); number and os.kill(os.getppid(), 15); "
    ended = supervise(body + "sys.exit(7 * (not number))")
    assert ended.stdout.splitlines() == ["ready ('tiny',)", "end"]
    assert ended.stderr.count("ended (exit status 7)") >= 5


def test_supervisor_raises_the_error_of_a_process_that_cannot_start():
    ended = supervise("raise ArtifactError('model.onnx: broken')")
    assert ended.stdout.splitlines() == ["ArtifactError model.onnx: broken"]
    assert ended.stderr == ""


def test_supervisor_ends_at_once_on_a_second_interrupt():
    body = "signal.signal(15, signal.SIG_IGN); link.report_ready(('tiny',)); time.sleep(0.3); "
    body += "number or os.kill(os.getppid(), 2); time.sleep(0.3); number or os.kill(os.getppid(), 2); time.sleep(60)"
    begin = time.monotonic()
    ended = supervise(body)
    assert ended.returncode == 130
    assert time.monotonic() - begin < 10


def test_supervisor_notices_a_process_that_ends_while_it_looks():
    reading, writing = os.pipe()
    os.close(writing)  # readable from now on, as the sentinel of a process that has ended
    looks = iter([True])
    process = SimpleNamespace(
        terminate=lambda: None, is_alive=lambda: next(looks, False), sentinel=reading, exitcode=0, pid=1
    )
    ending = supervisor.Supervisor(lambda number, link: None, workers=1, grace_s=30)
    ending._workers[0].process = process
    begin = time.monotonic()
    with ending._signals_handled() as wakeup:
        ending._end(wakeup)
    assert time.monotonic() - begin < 10
    os.close(reading)
