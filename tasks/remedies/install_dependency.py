"""Install the packages that the application's manifest names and its environment lacks."""

import json
from collections.abc import Mapping

from autoloop.core.effect import Effect
from autoloop.core.putting_back import restart_commands, restarts, running_again
from autoloop.core.remedy import Context, PlannedAction, Proposal, Refusal
from autoloop.core.target import Observer, Read, RunCommand, RunGuarded
from autoloop.core.words import Words

LACKING = """
import json, re, sys
from importlib.metadata import PackageNotFoundError, version

lacking = {}
for line in open(sys.argv[1], encoding="utf-8"):
    pinned = re.fullmatch(r"\\s*([\\w.-]+)(?:\\[[\\w,.-]*\\])?==([\\w.!+-]+)\\s*(?:[;#].*)?", line)
    if pinned and ";" not in line:
        try:
            found = version(pinned[1])
        except PackageNotFoundError:
            found = ""
        if found != pinned[2]:
            lacking[pinned[1]] = [found, pinned[2]]
print(json.dumps(lacking))
"""

FAILED = ("ModuleNotFoundError", "ImportError", "PackageNotFoundError")


class InstallDependency:
    """By the command that deployments install with, and only if a pinned package is missing or of
    another version. The environment goes back exactly when the proof fails."""

    name = "install_dependency"
    cures = frozenset({"CODE.import_error"})
    rank = 15
    words = Words(
        en="Install the packages that the manifest pins and the environment lacks.",
        zh="安装清单中固定版本、而运行环境缺少的软件包。",
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:
        """Needs a manifest that is as it was when all was well, and that pins what is missing."""
        spec, deploy = context.spec, context.spec.deploy
        log = context.facts.of(context.component).log
        if not any(word in log for word in FAILED):
            why = Words(en="nothing fails to be imported", zh="没有导入失败")
            return Refusal(remedy=self.name, why=why)
        manifest = f"{spec.code.path}/{deploy.manifest}" if spec.code and deploy.manifest else ""
        if not manifest or any(drift.path == manifest for drift in context.facts.drift):
            why = Words(
                en="no manifest of packages is declared that is as it was when all was well",
                zh="没有声明软件包清单，或清单自正常状态后已改变",
            )
            return Refusal(remedy=self.name, why=why)
        python = f"{deploy.environment}/bin/python"
        argv = [python, "-I", "-B", "-c", LACKING, manifest]
        answer = host.observe([Read(op="run", args={"argv": argv, "timeout_s": 30})], 60)[0]
        said = answer.value["out"] if answer.ok and answer.value["code"] == 0 else "{}"
        lacking: dict[str, list[str]] = json.loads(said)
        if not lacking:
            why = Words(
                en=f"{deploy.environment} has all that {deploy.manifest} pins",
                zh=f"{deploy.environment} 已有 {deploy.manifest} 固定的全部软件包",
            )
            return Refusal(remedy=self.name, why=why)
        parts = spec.affected((manifest,))
        names = ", ".join(f"{name} {wanted}" for name, (_, wanted) in sorted(lacking.items()))
        return Proposal(
            remedy=self.name,
            why=Words(
                en=f"{deploy.manifest} pins {names}, which {deploy.environment} lacks",
                zh=f"{deploy.manifest} 固定了 {names}，而 {deploy.environment} 中没有",
            ),
            actions=(
                PlannedAction(
                    action=RunGuarded(
                        app=spec.name,
                        run=(RunCommand(argv=deploy.install, timeout_s=deploy.install_s),),
                        trees=(deploy.environment,),
                        wake=restart_commands(parts),
                    )
                ),
                *restarts(parts),
            ),
            effects=(
                *(
                    Effect(
                        kind="package",
                        subject=name,
                        before=found or None,
                        after=wanted,
                        detail={"environment": deploy.environment},
                    )
                    for name, (found, wanted) in sorted(lacking.items())
                ),
                Effect(kind="package", subject=deploy.environment, detail={"after": "any"}),
                *map(running_again, parts),
            ),
            risk="medium",
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: a command is run."""
        return {}


REMEDY = InstallDependency()
