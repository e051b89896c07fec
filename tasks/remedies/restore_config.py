"""Put a component's configuration files back as they were when it was last proved good."""

from collections.abc import Mapping

from autoloop.core.putting_back import contents_of, effects_of, names_of, read_anew, restored
from autoloop.core.remedy import Context, Proposal, Refusal
from autoloop.core.suspicions.seen import drift_of
from autoloop.core.target import Observer
from autoloop.core.words import Words


class RestoreConfig:
    """Whole files, from the target's own store; the manager restarts or reloads what reads them."""

    name = "restore_config"
    cures = frozenset(
        {
            "CONFIG.auth_failed",
            "CONFIG.invalid_config_file",
            "CONFIG.wrong_port",
            "DATABASE.auth_failed_db",
        }
    )
    rank = 20
    words = Words(
        en="Restore the component's configuration files from the last good state, and restart or "
        "reload it.",
        zh="从最近一次正常状态恢复该组件的配置文件，并重启或重新加载。",
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:  # noqa: ARG002
        """Needs files of the component that differ from the last good state."""
        part = context.component
        drifted = [d for d in drift_of(context.facts, part) if d.settings is None]
        if not drifted:
            why = Words(en="no configuration file differs", zh="没有配置文件发生变化")
            return Refusal(remedy=self.name, why=why)
        names = names_of(drifted)
        return Proposal(
            remedy=self.name,
            why=Words(en=f"{names} changed since all was well", zh=f"{names} 自正常状态后被修改"),
            actions=(
                restored(drifted),
                *read_anew(part, context.facts, [d.path for d in drifted]),
            ),
            effects=effects_of(drifted, [part]),
            risk="medium",
            files=contents_of(drifted),
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: the last good contents are in the target's store."""
        return {}


REMEDY = RestoreConfig()
