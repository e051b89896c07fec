"""The command line.

Exit codes: 0 done, 1 an error, 2 wrong usage, 3 a person is asked, 4 slower than it may be,
5 a diagnosis has changed.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from autoloop.core.errors import AutoloopError, BadRequest
from autoloop.core.redact import harmless

app = typer.Typer(
    name="autoloop",
    help="Repairs broken web applications: diagnose, back up, repair, prove, report; or put "
    "everything back and ask a person.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]
AppName = Annotated[str, typer.Option("--app", help="application; may be left out if there is one")]


Environment = Annotated[
    str, typer.Option("--env", help="environment; its only application needs no --app")
]


def show(value: Any, as_json: bool, text: Callable[[Any], str]) -> None:
    """Print *value* for a machine or for a person; a terminal acts on nothing in it."""
    typer.echo(as_document(value) if as_json else harmless(text(value)))


def as_document(value: Any) -> str:
    """*value* as one line of JSON; what `harmless` would take out is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text if harmless(text) == text else json.dumps(value)


def said(text: str) -> str:
    """*text*, or what standard input says where it is ``-``: any bytes, its two ends if long."""
    if text != "-":
        return text
    from autoloop.doors.reading import ends_of

    return ends_of(sys.stdin.buffer)


def pairs(words: list[str]) -> dict[str, str]:
    """``NAME=VALUE`` words as a dictionary.

    Raises:
        BadRequest: one of them is none.
    """
    for word in words:
        if not word.partition("=")[0].strip() or "=" not in word:
            raise BadRequest("--field", f"{word[:80]!r} is not NAME=VALUE", "write it so")
    return {name.strip(): value for name, _, value in (w.partition("=") for w in words)}


@app.callback()
def verbosity(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="show what Prefect logs while it works")
    ] = False,
) -> None:
    """Options of every command."""
    if verbose:
        os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "INFO"


@app.command()
def up() -> None:
    """Run the platform: Prefect server, worker and API. Ctrl-C stops it cleanly."""
    os.execv(sys.executable, [sys.executable, "-m", "autoloop.platform"])  # noqa: S606


@app.command()
def demo(
    keep: Annotated[
        bool, typer.Option(help="stay up afterwards, until Ctrl-C")
    ] = sys.stdout.isatty() and sys.stdin.isatty(),
) -> None:
    """Break a real web application on this machine, and watch it being repaired. No root needed."""
    argv = [sys.executable, "-m", "autoloop.platform.demo", *(["--keep"] if keep else [])]
    os.execv(sys.executable, argv)  # noqa: S606


@app.command()
def register(
    file: Annotated[Path, typer.Argument(help="the application's autoloop.toml")] = Path(
        "autoloop.toml"
    ),
    as_json: Json = False,
) -> None:
    """Put an application under care. It must be well: its present state becomes the good one."""
    from autoloop.doors import client

    done = client.register(file)
    show(done, as_json, lambda d: f"{d['app']} is under care; good state {d['backup']}")


@app.command()
def install(
    source: Annotated[Path, typer.Option("--from", help="folder with the code")],
    file: Annotated[Path, typer.Argument(help="the application's autoloop.toml")] = Path(
        "autoloop.toml"
    ),
    settings: Annotated[
        str, typer.Option(help="the settings file to bring; '-' reads it from the input")
    ] = "",
    plan: Annotated[bool, typer.Option("--plan", help="only say what would be made")] = False,
    as_json: Json = False,
) -> None:
    """Bring an application to a host that does not know it, and put it under care."""
    from autoloop.doors import client, deployments

    text = deployments.file_given(settings, sys.stdin)
    done = client.install(file, str(source.resolve()), text, plan)
    show(done, as_json, deployments.told)
    raise typer.Exit(deployments.exit_code(done))


@app.command()
def unregister(
    name: Annotated[str, typer.Argument(help="the application")],
    as_json: Json = False,
) -> None:
    """Let an application out of care. Its host keeps its backups, the ledger its incidents."""
    from autoloop.doors import client

    show(client.unregister(name), as_json, lambda d: f"{d['app']} is no longer under care")


@app.command()
def doctor(
    file: Annotated[Path, typer.Argument(help="the application's autoloop.toml")] = Path(
        "autoloop.toml"
    ),
    as_json: Json = False,
) -> None:
    """Check an autoloop.toml and its host without changing anything."""
    from autoloop.doors.doctor import examine

    rows = examine(file)
    show(rows, as_json, lambda rs: "\n".join(f"{'✔' if r['ok'] else '✘'} {r['what']}" for r in rs))
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


@app.command()
def diagnose(
    text: Annotated[str, typer.Argument(help="what an error says; '-' reads it")] = "-",
    name: AppName = "",
    records: Annotated[
        Path | None, typer.Option("--jsonl", help="read records with id and text, one a line")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="where their answers go")] = None,
    as_json: Json = False,
) -> None:
    """Say what an error text means; with --app, look at the live host too. Changes nothing."""
    from autoloop.core.reading.lasting import seldom
    from autoloop.doors import reading

    if records:
        with records.open(encoding="utf-8", errors="replace") as lines, seldom():
            answers = "".join(f"{answer}\n" for answer in reading.read_records(lines))
        if out:
            out.write_text(answers, "utf-8")
        else:
            typer.echo(answers, nl=False)
        return
    words = said(text)
    found = reading.read_with_host(words, name) if name else reading.read_text(words)
    show(found, as_json, reading.told)


@app.command()
def watch(
    files: Annotated[
        list[str] | None, typer.Argument(help="log files, patterns in quotes, or '-'")
    ] = None,
    name: Annotated[str, typer.Option("--app", help="the logs of an application instead")] = "",
    once: Annotated[
        bool, typer.Option("--once", help="end when all that is there is read")
    ] = False,
    calm: Annotated[
        bool, typer.Option("--calm", help="show what turns out to be no error")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object a line")] = False,
) -> None:
    """Watch logs and say what is found in them, until Ctrl-C. It goes on where it ended."""
    from autoloop.doors import watching

    if bool(files) == bool(name) or (once and name):
        raise typer.BadParameter("name files, or --app; --once goes with files only")
    if name:
        from autoloop.doors import client

        watching.watch_app(client.only_app(client.ledger(), name), as_json, calm)
    else:
        watching.watch_files(files or [], as_json, once, calm)


@app.command()
def fix(
    error: Annotated[str, typer.Option(help="what is wrong, in any words; '-' reads it")] = "",
    name: AppName = "",
    kind: Annotated[
        str, typer.Option("--type", help="what kind of error: login, 数据库, SERVICE.disk_full …")
    ] = "",
    username: Annotated[str, typer.Option(help="the user of the application it is about")] = "",
    field: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE to keep with it; may be repeated")
    ] = None,
    key: Annotated[str, typer.Option(help="the same key hands the same trouble in once")] = "",
    as_json: Json = False,
) -> None:
    """Hand trouble in and wait for its end. Without a running platform, this process is one."""
    from autoloop.core.incident import request_of
    from autoloop.doors import client

    fields = {**pairs(field or []), **({"username": username} if username else {})}
    request = request_of(
        client.only_app(client.ledger(), name),
        said(error),
        type=kind,
        fields=fields,
        source="cli",
        actor=client.user(),
        idempotency_key=key,
    )
    record = client.fix(request)
    show(record, as_json, lambda r: f"{_told(r)}\nautoloop report {r['id']}")
    if record["state"] in ("asked a person", "awaiting approval"):
        raise typer.Exit(3)


@app.command()
def approve(
    incident: Annotated[str, typer.Argument(help="id of the incident or the deployment")],
    reject: Annotated[bool, typer.Option("--reject", help="say no instead")] = False,
    reason: Annotated[str, typer.Option(help="why; it stands in the report")] = "",
    as_json: Json = False,
) -> None:
    """Approve the plan that an incident or a deployment waits with.

    See that of an incident in: autoloop report INCIDENT; of a deployment in the Prefect UI.
    """
    from autoloop.doors import client

    done = client.decide(incident, not reject, client.user(), reason)
    word = "approved" if done["approved"] else "rejected"
    show(done, as_json, lambda _: f"{incident}: {word}")


@app.command()
def incidents(name: AppName = "", as_json: Json = False) -> None:
    """The newest incidents first."""
    from autoloop.doors import client

    rows = client.ledger().records(name)
    show(rows, as_json, lambda rs: "\n".join(_told(r) for r in rs) or "no incidents")


@app.command()
def report(
    incident: Annotated[str, typer.Argument(help="its id")],
    language: Annotated[
        str, typer.Option("--lang", help="en or zh; else AUTOLOOP_LANGUAGE decides")
    ] = "",
    chinese: Annotated[bool, typer.Option("--zh", help="the same as --lang zh")] = False,
    html: Annotated[bool, typer.Option("--html", help="as a page")] = False,
    as_json: Json = False,
) -> None:
    """The report of one incident, as Markdown."""
    from autoloop.doors import client

    if language not in ("", "en", "zh"):
        raise typer.BadParameter(f"'{language}' is not en or zh", param_hint="--lang")
    if html and as_json:
        raise typer.BadParameter("--html and --json exclude each other")
    found = client.ledger().incident(incident)
    chosen = client.language("zh" if chinese else language)
    if html:
        typer.echo(client.page_of(found, chosen))
        return
    show(client.report_of(found), as_json, lambda document: document.text(chosen))


@app.command()
def replay(
    name: Annotated[str, typer.Option("--app", help="only incidents of this application")] = "",
    since: Annotated[str, typer.Option(help="only those opened since then: 2026-11-01")] = "",
    as_json: Json = False,
) -> None:
    """Diagnose past incidents again, from what was seen then, and say what changed."""
    from autoloop.doors import client, replaying

    done = replaying.replay(client.ledger(), name, since)
    show(done, as_json, replaying.told)
    raise typer.Exit(replaying.exit_code(done))


@app.command("test")
def suite(
    name: AppName = "",
    every: Annotated[bool, typer.Option("--all", help="every application under care")] = False,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="so often each case is run")] = 3,
    accept: Annotated[
        bool, typer.Option("--accept", help="slower is the new normal, if all pass")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run every case of an application from its host, and compare with the last good run."""
    from autoloop.doors import client, trials

    if name and every:
        raise typer.BadParameter("--app and --all exclude each other")
    book = client.ledger()
    apps = (list(book.apps()) if every else []) or [client.only_app(book, name)]
    parameters = {"apps": apps, "rounds": rounds, "accept": accept}
    done = client.run("regression", parameters, trials.longest_s(len(apps)))
    typer.echo(as_document(done)) if as_json else trials.show(done)
    raise typer.Exit(trials.exit_code(done))


@app.command()
def deploy(
    source: Annotated[Path, typer.Option("--from", help="folder with the code")],
    name: AppName = "",
    environment: Environment = "",
    plan: Annotated[bool, typer.Option("--plan", help="only say what would change")] = False,
    as_json: Json = False,
) -> None:
    """Bring code to an application: only what changed, proved, or rolled back."""
    from autoloop.doors import client, deployments

    chosen = client.only_app(client.ledger(), name, environment)
    parameters = {"app": chosen, "source": str(source.resolve()), "plan_only": plan}
    done = client.run("deploy", parameters)
    show(done, as_json, deployments.told)
    raise typer.Exit(deployments.exit_code(done))


@app.command()
def change(
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE; KEY=- reads a line of input")
    ] = None,
    procedures: Annotated[
        list[str] | None, typer.Option("--run", help="a procedure, if its check says so")
    ] = None,
    source: Annotated[Path | None, typer.Option("--deploy", help="folder with the code")] = None,
    component: Annotated[str, typer.Option(help="whose settings")] = "",
    name: AppName = "",
    environment: Environment = "",
    plan: Annotated[bool, typer.Option("--plan", help="only say what would change")] = False,
    as_json: Json = False,
) -> None:
    """Set settings, run procedures, bring code, as one change: proved, or all put back."""
    from autoloop.doors import client, deployments

    wanted = {
        "app": client.only_app(client.ledger(), name, environment),
        "settings": deployments.settings_given(settings or [], sys.stdin),
        "component": component,
        "procedures": procedures or [],
        "source": str(source.resolve()) if source else "",
        "plan_only": plan,
    }
    done = client.change(wanted)
    show(done, as_json, deployments.told)
    raise typer.Exit(deployments.exit_code(done))


@app.command()
def rollback(
    name: AppName = "",
    environment: Environment = "",
    to: Annotated[str, typer.Option(help="id of a backup, or 'good'; see --list")] = "",
    with_config: Annotated[bool, typer.Option(help="configuration and settings too")] = False,
    with_data: Annotated[bool, typer.Option(help="databases too; newer rows are lost")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="only say what would change")] = False,
    listed: Annotated[bool, typer.Option("--list", help="the states one can go back to")] = False,
    as_json: Json = False,
) -> None:
    """Go back to the code before the last deployment, or to a backup; proved, or as it was."""
    from autoloop.doors import client, deployments

    chosen = client.only_app(client.ledger(), name, environment)
    if listed:
        show(client.backups(chosen), as_json, deployments.states)
        return
    parameters = {"app": chosen, "to": to, "with_config": with_config, "with_data": with_data}
    done = client.run("rollback", {**parameters, "plan_only": plan})
    show(done, as_json, deployments.told)
    raise typer.Exit(deployments.exit_code(done))


@app.command()
def backups(
    name: AppName = "",
    verify: Annotated[str, typer.Option(help="read every content of this backup again")] = "",
    as_json: Json = False,
) -> None:
    """The backups on the application's host, newest first; * is the state last proved good."""
    from autoloop.doors import client, deployments

    rows = client.backups(client.only_app(client.ledger(), name), verify)
    if verify:
        show(rows, as_json, lambda r: f"{r['checked']} contents read, {len(r['broken'])} damaged")
        raise typer.Exit(1 if rows["broken"] else 0)
    show(rows, as_json, deployments.states)


def _told(record: dict[str, Any]) -> str:
    causes = (record["diagnosis"] or {"causes": [{"name": "?", "culprit": ""}]})["causes"]
    last = _why_so(record["timeline"])
    cause = f"{causes[0]['name']} {causes[0]['culprit']}".strip()
    return f"{record['id']}  {record['app']}  {record['state']}  {cause}  {last}"


def _why_so(timeline: Sequence[dict[str, Any]]) -> str:
    """Why it has the state that it has; what was noted since is left out."""
    steps = itertools.groupby(timeline, key=lambda step: step["state"])
    *_, last = (next(same) for _, same in steps)
    return str(last["reason"])


def drill_commands() -> typer.Typer:
    """``autoloop drill``: the arena's commands, loaded when they are called."""
    drill = typer.Typer(
        help="Break throw-away hosts on purpose, and keep score.", no_args_is_help=True
    )

    @drill.command(
        "list", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
    )
    def listed(context: typer.Context) -> None:
        """The faults there are. [--faults DIR] [--json]: as JSON"""
        _arena("list", context.args)

    @drill.command(
        "run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
    )
    def run(context: typer.Context) -> None:
        """Run faults. The score card goes to standard output as JSON, or to a FILE.

        [NAME…] [--faults DIR] [--jobs N] [--repeat K] [--baselines] [--home DIR] [--json FILE]
        """
        _arena("run", context.args)

    @drill.command(
        "check", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
    )
    def check(context: typer.Context) -> None:
        """Test the faults themselves. The result goes to standard output as JSON, or to a FILE.

        [NAME…] [--faults DIR] [--jobs N] [--alone S] [--json FILE]
        """
        _arena("check", context.args)

    return drill


def _arena(verb: str, words: list[str]) -> None:
    argv = [sys.executable, "-m", "autoloop.arena", verb, *words]
    os.execv(sys.executable, argv)  # noqa: S606


app.add_typer(drill_commands(), name="drill")


def main() -> None:
    """Errors that have a name are told in one line; anything else is a bug and shows where."""
    try:
        app()
    except AutoloopError as error:
        typer.echo(f"autoloop: {harmless(str(error))}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
