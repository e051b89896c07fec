"""What the agent reads of its host. Nothing here changes anything."""

import contextlib
import ctypes
import glob
import heapq
import http.client
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import urllib.parse

from autoloop.agent.durable import LIBC, space_of
from autoloop.agent.files import file_state, tree_states
from autoloop.agent.quotas import quotas_of

OUTPUT_LIMIT = 256 << 10
MOST_REMOVED = 2000  # files in one operation
UNSYNCED = 5  # TIME_ERROR of adjtimex(2)
RUNNING = set()  # leaders of the process groups that this agent has started


def proc_text(pid, name):
    try:
        with open("/proc/%s/%s" % (pid, name), "rb") as source:
            return source.read().decode("utf-8", "replace")
    except OSError:
        return ""


def started_ticks(pid):
    fields = proc_text(pid, "stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[0] not in "ZX" else 0


def unit_of(pid):
    """The systemd service *pid* belongs to; "" for sessions, scopes, and the agent's own service.

    What runs in the agent's own service was started by hand, as the agent was.
    """
    unit = cgroup_unit(pid)
    return "" if unit == cgroup_unit("self") else unit


def cgroup_unit(pid):
    for line in proc_text(pid, "cgroup").splitlines():
        for part in reversed(line.rpartition(":")[2].split("/")):
            if part.endswith(".scope") or part.startswith("user@"):
                break
            if part.endswith((".service", ".socket")):
                return part
    return ""


def describe_process(pid):
    status = dict(
        line.split(":\t", 1) for line in proc_text(pid, "status").splitlines() if ":\t" in line
    )
    return {
        "pid": int(pid),
        "started": started_ticks(pid),
        "command": proc_text(pid, "cmdline").replace("\0", " ").strip()[:500],
        "name": status.get("Name", ""),
        "parent": int(status.get("PPid", "0") or 0),
        "uid": int(status.get("Uid", "-1").split("\t")[0] or -1),
        "unit": unit_of(pid),
    }


def read_memory(args):
    """The memory of a systemd unit's processes that they share with nobody, in bytes."""
    rows = []
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        if cgroup_unit(pid) == args["unit"]:
            pages = proc_text(pid, "statm").split()
            if len(pages) > 2:
                own = (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")
                rows.append((own, int(pid)))
    biggest = max(rows, default=(0, 0))
    return {
        "bytes": sum(own for own, _ in rows),
        "processes": len(rows),
        "biggest": biggest[0],
        "command": describe_process(biggest[1])["command"] if rows else "",
    }


def read_files(args):
    """How many files a systemd unit's process has open, and may: the one nearest to its limit."""
    nearest = (0.0, 0, 0, 0)
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        if cgroup_unit(pid) == args["unit"]:
            with contextlib.suppress(OSError):
                used, limit = len(os.listdir("/proc/%s/fd" % pid)), files_limit(pid)
                nearest = max(nearest, (used / limit if limit else 0.0, used, limit, int(pid)))
    return {"used": nearest[1], "limit": nearest[2], "pid": nearest[3]}


def files_limit(pid):
    """The soft limit of a process; 0 for none."""
    for line in proc_text(pid, "limits").splitlines():
        if line.startswith("Max open files"):
            soft = line[len("Max open files") :].split()[0]
            return int(soft) if soft.isdigit() else 0
    return 0


def listening_inodes():
    found = {}
    for name in ("tcp", "tcp6"):
        try:
            with open("/proc/net/" + name) as source:
                rows = source.read().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == "0A":
                address, port = fields[1].split(":")
                found[fields[9]] = (address_text(address), int(port, 16))
    return found


def address_text(hexadecimal):
    raw = bytes.fromhex(hexadecimal)
    if len(raw) == 4:
        return socket.inet_ntop(socket.AF_INET, raw[::-1])
    words = b"".join(raw[i : i + 4][::-1] for i in range(0, 16, 4))
    return socket.inet_ntop(socket.AF_INET6, words)


def holders_of_sockets(inodes):
    holders = {}
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        try:
            handles = os.listdir("/proc/%s/fd" % pid)
        except OSError:
            continue
        for handle in handles:
            with contextlib.suppress(OSError):
                link = os.readlink("/proc/%s/fd/%s" % (pid, handle))
                if link.startswith("socket:[") and link[8:-1] in inodes:
                    holders.setdefault(link[8:-1], []).append(pid)
    return holders


def ancestors(pid):
    line = []
    while pid > 1 and len(line) < 32:
        line.append(pid)
        fields = proc_text(pid, "stat").rpartition(")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 else 0
    return line


def read_listeners(_args):
    inodes = listening_inodes()
    holders = holders_of_sockets(inodes)
    rows = []
    for inode, (address, port) in inodes.items():
        pids = sorted(int(pid) for pid in holders.get(inode, []))
        owner = describe_process(pids[0]) if pids else {}
        rows.append(
            {
                "address": address,
                "port": port,
                "pids": pids,
                "owner": owner,
                "ancestors": ancestors(pids[0]) if pids else [],
            }
        )
    return sorted(rows, key=lambda row: (row["port"], row["address"]))


def die_with_parent():
    LIBC.prctl(1, signal.SIGKILL)


def end(code):
    """End this agent, and with it the programs it has started."""
    for leader in list(RUNNING):
        with contextlib.suppress(OSError):
            os.killpg(leader, signal.SIGKILL)
    os._exit(code)


def run_program(argv, timeout_s, env=None, cancel=None):
    """Run without a shell; the last 256 KiB of each output are kept. Ends with its whole group."""
    full = dict(os.environ, LC_ALL="C", SYSTEMD_COLORS="0", SYSTEMD_PAGER="")
    full.update(env or {})
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=full,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    except (OSError, ValueError) as error:
        return {"code": 127, "out": "", "err": str(error), "seconds": 0.0, "timed_out": False}
    RUNNING.add(process.pid)
    try:
        return watch_program(process, began, timeout_s, cancel)
    finally:
        RUNNING.discard(process.pid)


def watch_program(process, began, timeout_s, cancel):
    outputs = {"out": bytearray(), "err": bytearray()}
    readers = [
        threading.Thread(target=drain, args=(process.stdout, outputs["out"]), daemon=True),
        threading.Thread(target=drain, args=(process.stderr, outputs["err"]), daemon=True),
    ]
    for reader in readers:
        reader.start()
    timed_out = not wait_for(process, began + timeout_s, cancel)
    if timed_out:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for reader in readers:
        reader.join(2)
    return {
        "code": process.returncode,
        "out": bytes(outputs["out"][-OUTPUT_LIMIT:]).decode("utf-8", "replace"),
        "err": bytes(outputs["err"][-OUTPUT_LIMIT:]).decode("utf-8", "replace"),
        "seconds": round(time.monotonic() - began, 4),
        "timed_out": timed_out,
    }


def drain(pipe, kept):
    with pipe:
        for piece in iter(lambda: os.read(pipe.fileno(), 65536), b""):
            kept.extend(piece)
            if len(kept) > 2 * OUTPUT_LIMIT:
                del kept[:-OUTPUT_LIMIT]


def wait_for(process, deadline, cancel):
    pause = 0.002
    while process.poll() is None:
        if time.monotonic() > deadline or (cancel is not None and cancel.is_set()):
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return True


def read_run(args, cancel=None):
    argv = [str(part) for part in args["argv"]]
    return run_program(argv, float(args.get("timeout_s", 15)), args.get("env"), cancel)


def open_at_once(path, flags):
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe without a writer must not hold us


def read_file(args):
    with open(args["path"], "rb", opener=open_at_once) as source:
        size = os.fstat(source.fileno()).st_size
        limit = int(args.get("limit", 65536))
        if args.get("tail"):
            source.seek(max(0, size - limit))
        text = source.read(limit).decode("utf-8", "replace")
    return {"text": text, "size": size}


def read_sqlite(args):
    """The first value of the first row that a query gives, without writing; None for no row."""
    url = "file:%s?mode=ro" % urllib.parse.quote(args["path"])
    connection = sqlite3.connect(url, uri=True, timeout=2)
    deadline = time.monotonic() + float(args.get("timeout_s", 10))
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10000)
    try:
        row = connection.execute(args["query"]).fetchone()
    finally:
        connection.close()
    value = row[0] if row else None
    return {"value": value if value is None else str(value)[:65536]}


def read_http(args):
    """One HTTP request from the target, certificates not verified: it is the target's own."""
    url = urllib.parse.urlsplit(args["url"])
    timeout = float(args.get("timeout_s", 5))
    began = time.monotonic()
    try:
        if url.scheme == "https":
            import ssl

            connection = http.client.HTTPSConnection(
                url.hostname, url.port, timeout=timeout, context=ssl._create_unverified_context()
            )
        else:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
        try:
            path = (url.path or "/") + ("?" + url.query if url.query else "")
            path = urllib.parse.quote(path, safe="/%:=&?~#+!$,;'@()*[]")
            body = args.get("body")
            headers = dict(args.get("headers") or {})
            if not any(name.lower() == "user-agent" for name in headers):
                headers["User-Agent"] = "autoloop"  # told apart from users in access logs
            payload = None
            if body is not None:
                payload = (body if isinstance(body, str) else json.dumps(body)).encode("utf-8")
                headers.setdefault("Content-Type", "application/json")
            connect_for(connection)
            connection.request(args.get("method", "GET"), path, payload, headers)
            reply = connection.getresponse()
            data = read_until(reply, connection.sock, began + timeout)
            text = decode(data, reply.headers.get_content_charset("utf-8"))
            return {"status": reply.status, "body": text, "ms": since_ms(began), "error": ""}
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = str(error) or type(error).__name__
        return {"status": 0, "body": "", "ms": since_ms(began), "error": why}


def connect_for(connection):
    """Connect. Nobody there at all is told from one who takes the connection and says nothing."""
    try:
        connection.connect()
    except socket.timeout:
        raise OSError("connection timed out: nothing comes back") from None


def read_until(reply, sock, deadline, limit=1 << 20):
    """At most *limit* bytes of the body; one that only drips does not hold us beyond the time."""
    data = bytearray()
    while len(data) < limit:
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        if sock is not None:  # let go of when the reply is the connection's last
            sock.settimeout(left)
        piece = reply.read1(min(65536, limit - len(data)))
        if not piece:
            break
        data.extend(piece)
    return bytes(data)


def decode(data, charset):
    try:
        return data.decode(charset, "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def since_ms(began):
    return round((time.monotonic() - began) * 1000, 2)


def read_facts(_args):
    with open("/proc/uptime") as source:
        uptime = float(source.read().split()[0])
    with open("/proc/sys/kernel/random/boot_id") as source:
        boot = source.read().strip()
    return {
        "host": socket.gethostname(),
        "uid": os.geteuid(),
        "python": "%d.%d.%d" % sys.version_info[:3],
        "time": time.time(),
        "offset_s": time.localtime().tm_gmtoff,
        "uptime": uptime,
        "ticks": os.sysconf("SC_CLK_TCK"),
        "boot": boot,
        "synced": clock_synced(),
    }


def clock_synced():
    """Whether the system's clock follows a time server; None where that may not be asked."""
    state = LIBC.adjtimex(ctypes.create_string_buffer(1024))  # a `struct timex` that sets nothing
    return None if state < 0 else state != UNSYNCED


def read_disks(args):
    """The file systems that hold *paths*, each once, with the paths in it and the limits there."""
    found = {}
    for path in args["paths"]:
        place = existing(path)
        device = os.stat(place).st_dev
        if device not in found:
            found[device] = dict(space_of(place), place=mount_point(place), paths=[])
            found[device]["quotas"] = quotas_of(place)
        found[device]["paths"].append(path)
    return list(found.values())


def existing(path):
    """*path*, or the folder above it that exists."""
    while not os.path.exists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def mount_point(path):
    device, path = os.stat(path).st_dev, os.path.realpath(path)
    while path != "/" and os.stat(os.path.dirname(path)).st_dev == device:
        path = os.path.dirname(path)
    return path


def read_removable(args):
    """What the *rules* allow to be removed on the file system of *place*, for each rule, oldest
    first. A file that is open, has two names or is one of *protect* is nobody's to remove."""
    device, now, held = os.stat(args["place"]).st_dev, time.time(), open_files()
    rows = []
    for rule in args["rules"]:
        files = [(path, os.lstat(path)) for path in glob.glob(rule["glob"])]
        files = [(path, found) for path, found in files if stat.S_ISREG(found.st_mode)]
        files.sort(key=lambda row: (row[1].st_mtime, row[0]))
        files = files[: max(0, len(files) - rule["keep"])]
        rows.append(
            [
                identity(path, found)
                for path, found in files
                if found.st_dev == device
                and found.st_nlink == 1
                and now - found.st_mtime >= rule["older_s"]
                and (found.st_dev, found.st_ino) not in held
                and path not in args["protect"]
                and os.path.realpath(path) == path
            ][:MOST_REMOVED]
        )
    return rows


def identity(path, found):
    return {
        "path": path,
        "bytes": found.st_blocks * 512,
        "size": found.st_size,
        "inode": found.st_ino,
        "mtime_ns": found.st_mtime_ns,
    }


def open_files():
    """Device and inode of every file that a process has open."""
    held = set()
    for handle in glob.glob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            found = os.stat(handle)
            held.add((found.st_dev, found.st_ino))
    return held


def read_biggest(args):
    """The biggest files of the file system at *place*, as far as they are found in 5 seconds."""
    device, end, found = os.stat(args["place"]).st_dev, time.monotonic() + 5, []
    for folder, names, files in os.walk(args["place"]):
        with contextlib.suppress(OSError):
            names[:] = [n for n in names if os.lstat(os.path.join(folder, n)).st_dev == device]
            for name in files:
                one = os.lstat(os.path.join(folder, name))
                if stat.S_ISREG(one.st_mode) and one.st_dev == device:
                    found.append((one.st_blocks * 512, os.path.join(folder, name)))
        if time.monotonic() > end:
            break
        if len(found) > 10000:
            found = heapq.nlargest(10, found)
    return [{"path": path, "bytes": size} for size, path in heapq.nlargest(10, found)]


def read_stat(args):
    return file_state(args["path"])


def read_tree(args):
    return tree_states(args["path"], args.get("exclude", []))
